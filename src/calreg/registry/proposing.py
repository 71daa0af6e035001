"""A run as a proposal: a commit on a branch of its own at the remote, for others to judge.

It is made on the remote's main branch as that is now. No branch here moves, and no file of a
work tree is touched: what is merged comes back by `git pull`, like everybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from calreg.errors import InputError, RegistryError
from calreg.git import Remote, Repository, check_branch, push_proposal
from calreg.plan import Plan, RegistryState, RunPlan
from calreg.plan.run import run_id
from calreg.registry.place import Place, check_new, place_of
from calreg.registry.publishing import AlreadyDone, made_on

__all__ = ["Prepared", "prepare", "publish_proposal"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run as a commit that no branch names yet.

    Args:
        plan: What it holds.
        commit: Its id.
        base: The commit it was made on, the tip of `target`.
        target: The branch it is to be merged into.
        branch: The branch that is to hold it.
        remote: Where that is.
    """

    plan: RunPlan
    commit: str
    base: str
    target: str
    branch: str
    remote: Remote


def prepare(
    repository: Repository,
    prefix: str,
    planner: Callable[[RegistryState], Plan],
    *,
    target: str | None = None,
    branch: str | None = None,
    overrides: Mapping[str, object] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Prepared | AlreadyDone:
    """Make a run on the remote's branch as it is now, and commit it; nothing is pushed.

    Args:
        repository: Where it is computed.
        prefix: The registry's folder in it.
        planner: Makes the plan.
        target: The branch to merge into; else the one that is checked out.
        branch: The branch to propose on; else `calreg/run-N-ID`.
        overrides: A person's own rules.
        progress: Told in a few words what is being done.

    Raises:
        InputError: No identity, no remote, no such branch there, an invalid file.
        TransportError: The remote cannot be reached.
    """
    rules = (dict(overrides),) if overrides else ()
    place = place_of(repository, prefix, push=True, overrides=rules, progress=progress)
    place, base = _target(place, target)
    snapshot = place.snapshot(base)
    plan = made_on(snapshot, planner)
    if isinstance(plan, AlreadyDone):
        return plan
    if not isinstance(plan, RunPlan):
        raise TypeError(f"expected the plan of a run, got {type(plan).__name__}")
    check_new(snapshot, plan)
    remote = _remote_of(place)
    to = replace(remote, branch=_branch(branch, plan, remote.branch))
    with repository.lock():
        repository.recover()
        commit = place.write(plan, snapshot)
    return Prepared(plan, commit, base, remote.branch, to.branch, to)


def _remote_of(place: Place) -> Remote:
    """Where a place pushes to.

    Raises:
        InputError: Nowhere.
    """
    if place.remote is None:
        raise InputError("there is no remote to propose to", code="no-remote")
    return place.remote


def _target(place: Place, target: str | None) -> tuple[Place, str]:
    """The place with the branch that is to be merged into, and where that is now."""
    remote = _remote_of(place)
    wanted = check_branch(target) if target else remote.branch
    there = replace(place, remote=replace(remote, branch=wanted))
    base = there.fetched()
    if base is None:
        raise InputError(
            f"{remote.shown} has no branch {wanted} to propose to",
            hint="Push it first (git push), or name another: --base BRANCH.",
            code="no-such-branch",
        )
    return there, base


def _branch(wanted: str | None, plan: RunPlan, target: str) -> str:
    """The branch that is to hold a proposal: as wanted, else named after what the run is of."""
    identity = run_id(plan.run.inputs.digest, plan.run.options)
    name = check_branch(wanted or f"calreg/run-{plan.run.version}-{identity[:8]}")
    if name == target:
        raise InputError(
            f"a proposal to {target} cannot lie on {target} itself",
            hint="Leave out --branch, or name another.",
            code="git-ref",
        )
    return name


def publish_proposal(repository: Repository, prepared: Prepared) -> str:
    """Push the branch, unless it holds the same proposal already; the commit it is at.

    A proposal that is there already is replaced; anything else on that branch is not.

    Raises:
        RegistryError: The branch holds something else, or the server refuses.
        TransportError: The remote cannot be reached.
    """
    there = repository.fetch(prepared.remote, prepared.branch)
    if there is not None:
        _check_replaceable(repository, prepared, there)
        if _is_same(repository, there, prepared.commit):
            return there
    push_proposal(repository, prepared.remote, prepared.branch, new=prepared.commit, expected=there)
    return prepared.commit


def _is_same(repository: Repository, one: str, other: str) -> bool:
    """Whether two proposals are of the same scores and rules, on the same commit."""
    first, second = (repository.log(commit, limit=1)[0] for commit in (one, other))
    ids = {dict(entry.trailers).get("Calreg-Run-Id") for entry in (first, second)}
    return first.parents == second.parents and len(ids) == 1 and None not in ids


def _check_replaceable(repository: Repository, prepared: Prepared, there: str) -> None:
    commits = repository.log(there, base=prepared.base, limit=2)
    is_ours = all("Calreg-Run-Id" in dict(one.trailers) for one in commits)
    if is_ours and len(commits) <= 1:
        return
    raise RegistryError(
        f"branch {prepared.branch} of {prepared.remote.shown} holds other commits than a proposal",
        hint="Choose another: --branch NAME.",
        code="branch-taken",
    )
