"""A proposal: commits on a branch of their own at the remote, for others to judge.

Either a run, made on the remote's main branch as that is now, or what is committed here
already, by whatever command. No branch here moves, and no file of a work tree is touched:
what is merged comes back by `git pull`, like everybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from calreg.errors import InputError, RegistryError
from calreg.git import Remote, Repository, Stored, check_branch, push_proposal
from calreg.names import REGISTRY_FILE
from calreg.plan import Plan, RegistryState, RunPlan
from calreg.plan.run import run_id
from calreg.registry.place import Place, check_new, place_of
from calreg.registry.publishing import AlreadyDone, made_on

__all__ = ["NothingToPropose", "Prepared", "prepare", "prepare_committed", "publish_proposal"]

_MAX_COMMITS = 10_000  # of one proposal; a branch with more is no proposal any more


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is proposed: a commit, and where it is to go.

    Args:
        title: What it is, on one line.
        commit: Its id; of a run one that no branch names yet.
        base: The tip of `target`; the commit that a run was made on.
        target: The branch it is to be merged into.
        branch: The branch that is to hold it.
        remote: Where that is.
        plan: The run that it holds; None for what was committed before.
        count: How many commits it is.
        uncommitted: Files of the registry whose changes are not part of it.
    """

    title: str
    commit: str
    base: str
    target: str
    branch: str
    remote: Remote
    plan: RunPlan | None = None
    count: int = 1
    uncommitted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NothingToPropose:
    """All that is committed here is at the remote's `target` already."""

    branch: str
    target: str
    remote: Remote
    uncommitted: tuple[str, ...]


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
        target: The branch to merge into; else the upstream of the one that is checked out,
            or without one the remote's main branch.
        branch: The branch to propose on; else `calreg/run-N-ID`.
        overrides: A person's own rules.
        progress: Told in a few words what is being done.

    Raises:
        InputError: No identity, no remote, no such branch there, an invalid file.
        TransportError: The remote cannot be reached.
    """
    rules = (dict(overrides),) if overrides else ()
    place = place_of(repository, prefix, push=True, overrides=rules, progress=progress)
    place, base = _target(place, target or _upstream(place))
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
    title = plan.message.partition("\n")[0]
    return Prepared(title, commit, base, remote.branch, to.branch, to, plan)


def prepare_committed(
    repository: Repository,
    prefix: str,
    *,
    target: str | None = None,
    branch: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Prepared | NothingToPropose:
    """What is committed here and not at the remote yet, as a proposal; nothing is pushed.

    Args:
        repository: Where it is checked out.
        prefix: The registry's folder in it.
        target: The branch to merge into; else the remote's main branch.
        branch: The branch to propose on; else the one that is checked out, and for the target
            itself `calreg/TARGET-ID` of the first commit, so that more commits join it.
        progress: Told in a few words what is being done.

    Raises:
        InputError: Detached HEAD, no commit, no remote, no such branch there.
        TransportError: The remote cannot be reached.
    """
    place = place_of(repository, prefix, push=True, progress=progress)
    tip = repository.tip()
    if tip is None:
        raise InputError(
            f"branch {place.branch} has no commit to propose",
            hint="Commit something first: git commit, calreg run, calreg tune --commit.",
            code="no-commit",
        )
    remote = _remote_of(place)
    place, base = _target(place, target or _default_branch(repository, remote))
    wanted = _remote_of(place).branch
    uncommitted = _uncommitted(place, base, tip)
    commits = repository.log(tip, base=base, limit=_MAX_COMMITS)
    if not commits:
        return NothingToPropose(place.branch, wanted, remote, uncommitted)
    own = place.branch if place.branch != wanted else f"calreg/{wanted}-{commits[-1].commit[:8]}"
    to = replace(remote, branch=_checked_branch(branch or own, wanted))
    count = len(commits)
    more = f" and {count - 1} more commit{'s' if count > 2 else ''}" if count > 1 else ""
    title = f"{commits[0].subject}{more}"
    return Prepared(title, tip, base, wanted, to.branch, to, count=count, uncommitted=uncommitted)


def _upstream(place: Place) -> str:
    """Where what is checked out comes from: its upstream, else the remote's main branch."""
    remote = _remote_of(place)
    if place.repository.settings.last(f"branch.{place.branch}.merge") is not None:
        return remote.branch
    return _default_branch(place.repository, remote)


def _default_branch(repository: Repository, remote: Remote) -> str:
    """The remote's main branch as it was last seen; unseen, the upstream of what is here."""
    start = f"refs/remotes/{remote.name}/"
    ref = Stored(repository).default_branch()
    if ref is not None and ref.startswith(start):
        return ref.removeprefix(start)
    seen = repository.refs(start.rstrip("/"))
    return next((name for name in ("main", "master") if start + name in seen), remote.branch)


def _uncommitted(place: Place, base: str, tip: str) -> tuple[str, ...]:
    """Of the files that matter most, those whose changes nobody committed."""
    repository = place.repository
    rules = f"{place.prefix}/{REGISTRY_FILE}" if place.prefix else REGISTRY_FILE
    return tuple(repository.dirty(sorted({rules, *repository.changed(base, tip)}), tip))


def _remote_of(place: Place) -> Remote:
    """Where a place pushes to.

    Raises:
        InputError: Nowhere.
    """
    if place.remote is None:
        raise InputError("there is no remote to propose to", code="no-remote")
    return place.remote


def _target(place: Place, target: str) -> tuple[Place, str]:
    """The place with the branch that is to be merged into, and where that is now."""
    remote = _remote_of(place)
    wanted = check_branch(target)
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
    return _checked_branch(wanted or f"calreg/run-{plan.run.version}-{identity[:8]}", target)


def _checked_branch(name: str, target: str) -> str:
    if check_branch(name) == target:
        raise InputError(
            f"a proposal to {target} cannot lie on {target} itself",
            hint="Leave out --branch, or name another.",
            code="git-ref",
        )
    return name


def publish_proposal(repository: Repository, prepared: Prepared) -> str:
    """Push the branch, unless it holds the same proposal already; the commit it is at.

    A run that is proposed there already is replaced, and commits are added to those that are
    there; anything else on that branch is left alone.

    Raises:
        RegistryError: The branch holds something else, or the server refuses.
        TransportError: The remote cannot be reached.
    """
    there = repository.fetch(prepared.remote, prepared.branch)
    if there is not None and prepared.plan is None:
        _check_follows(repository, prepared, there)
        if there == prepared.commit:
            return there
    elif there is not None:
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


def _check_follows(repository: Repository, prepared: Prepared, there: str) -> None:
    if repository.is_ancestor(there, prepared.commit):
        return
    raise RegistryError(
        f"branch {prepared.branch} of {prepared.remote.shown} holds commits that are not in "
        "what is proposed",
        hint="Bring them in first (git pull), or choose another: --branch NAME.",
        code="branch-taken",
    )
