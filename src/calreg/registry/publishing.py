"""From a plan to a commit on a branch, here and at a remote: one at a time, or not at all.

The plan is made anew on every try, on the tip that is there then: somebody who was faster
has published a run of the same number, or moved the reference that was compared with. A
lost race is tried again after a random pause; what cannot be pushed is kept as a commit,
and `calreg push` publishes it later. `documents` decide what is written, `git` how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from calreg.documents import Run
from calreg.errors import CalregError, RegistryError, StaleRegistryError, TransportError
from calreg.git import Repository
from calreg.plan import Plan, RegistryState, RunPlan
from calreg.registry import outbox
from calreg.registry.place import (
    TURN_S,
    Beside,
    Made,
    Place,
    check_clean,
    check_new,
    place_of,
    remote_of,
)
from calreg.registry.retrying import Retry
from calreg.registry.snapshot import Snapshot

__all__ = [
    "AlreadyDone",
    "Plan",
    "Planner",
    "Published",
    "Retry",
    "SnapshotPlanner",
    "check_clean",
    "made_on",
    "publish",
    "remote_of",
]


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """Nothing to do: an earlier run was made of the same scores by the same options.

    `pushed` says that commits which lay here unpushed, that run's perhaps, were pushed.
    """

    run: Run
    commit: str | None
    pushed: bool = False


Planner: TypeAlias = Callable[[RegistryState], Plan]
SnapshotPlanner: TypeAlias = Callable[[Snapshot], "Plan | AlreadyDone"]


@dataclass(frozen=True, slots=True)
class Published:
    """A plan that is a commit now.

    Args:
        commit: Its id.
        plan: What it holds.
        branch: The branch it is on.
        remote: Where it was pushed, without secrets; None if it was not.
        is_behind: The commit is at the remote, but this branch was left where it was, because
            others changed files there that are not the registry's: `git pull` brings them.
        left_alone: Files that somebody changed meanwhile, which were not touched.
        tries: How many times the plan was made.
    """

    commit: str
    plan: Plan
    branch: str
    remote: str | None
    is_behind: bool
    left_alone: tuple[str, ...]
    tries: int

    @property
    def pushed(self) -> bool:
        """Whether the remote has it."""
        return self.remote is not None


def publish(
    repository: Repository,
    prefix: str,
    planner: SnapshotPlanner,
    *,
    push: bool,
    overrides: Iterable[dict[str, object]] = (),
    retry: Retry | None = None,
    progress: Callable[[str], None] | None = None,
    beside: Beside | None = None,
) -> Published | AlreadyDone:
    """Make a plan on the branch's tip and let the branch, and with `push` its remote, move.

    Args:
        repository: Where the branch is.
        prefix: The registry's folder in it.
        planner: Makes the plan on a snapshot; called again after every lost race.
        push: To the branch's remote too.
        overrides: A person's own rules.
        retry: How often a lost race is run again.
        progress: Told in a few words what is being done.
        beside: What else moves in the same push, or nothing does.

    Raises:
        InputError: Detached HEAD, no identity, no remote, uncommitted changes in the files
            concerned, an invalid registry file. Nothing was written.
        RegistryError: The registry's rules or the server refuse, or every race was lost.
        TransportError: The remote could not be reached. What was made is kept as a commit.
    """
    place = place_of(
        repository, prefix, push=push, overrides=overrides, progress=progress, beside=beside
    )
    with repository.lock(wait_s=TURN_S):
        repository.recover()
        return _try_until_done(place, planner, retry or Retry())


def _try_until_done(
    place: Place, planner: SnapshotPlanner, retry: Retry
) -> Published | AlreadyDone:
    lost: Made | None = None
    last: StaleRegistryError | None = None
    for tries in place.tries(retry):
        try:
            made = _make(place, planner)
            if isinstance(made, AlreadyDone):
                return made
            lost = made
            _push(place, made)
            place.remember(made, tries)
            return _finish(place, made, tries.number)
        except StaleRegistryError as error:
            last = error
    if last is None:
        raise ValueError(f"expected at least one attempt, got {retry.attempts}")
    if lost is None:
        raise last
    raise _kept(place, lost, last, f"after {retry.attempts} tries", on_branch=False) from last


def _make(place: Place, planner: SnapshotPlanner) -> Made | AlreadyDone:
    """A plan on the newest tip there is, checked and written as objects."""
    local = place.repository.tip(place.branch)
    try:
        theirs = place.fetched()
        base = place.newer(local, theirs)
    except (TransportError, RegistryError) as error:
        # Not reached, or both sides have moved on: what was computed must not be lost.
        made = _commit(place, planner, local=local, theirs=None, base=local)
        if isinstance(made, AlreadyDone):
            raise
        raise _kept(place, made, error, "", on_branch=True) from error
    made = _commit(place, planner, local=local, theirs=theirs, base=base)
    if isinstance(made, AlreadyDone):
        if place.remote and local != theirs:
            if base == local:
                return _push_unpushed(place, made, local=local, theirs=theirs)
            place.catch_up(local=local, theirs=theirs)
        return made
    if place.beside is None:
        return made
    return replace(made, beside=tuple(place.beside(place, made.commit)))


def _commit(
    place: Place,
    planner: SnapshotPlanner,
    *,
    local: str | None,
    theirs: str | None,
    base: str | None,
) -> Made | AlreadyDone:
    snapshot = place.snapshot(base)
    plan = planner(snapshot)
    if isinstance(plan, AlreadyDone):
        return plan
    check_new(snapshot, plan)
    can_follow = place.check_follows(local, base, [plan], snapshot)
    return Made((plan,), place.write(plan, snapshot), local, theirs, can_follow)


def made_on(snapshot: Snapshot, planner: Planner) -> Plan | AlreadyDone:
    """The plan that follows a snapshot, unless it is a run that is there already."""
    snapshot.read_runs_ahead()
    plan = planner(snapshot.state)
    if isinstance(plan, RunPlan):
        earlier = snapshot.repeat_of(plan.run.inputs.digest, plan.run.options)
        if earlier is not None:
            return AlreadyDone(earlier, snapshot.commit)
    return plan


def _push(place: Place, made: Made) -> None:
    try:
        place.push(made)
    except StaleRegistryError:
        raise
    except (RegistryError, TransportError) as error:
        raise _kept(place, made, error, "", on_branch=True) from error


def _push_unpushed(
    place: Place, done: AlreadyDone, *, local: str | None, theirs: str | None
) -> AlreadyDone:
    if place.remote is None or local is None:
        return done
    place.progress(f"pushing to {place.remote.shown}")
    place.repository.push(place.remote, branch=place.remote.branch, new=local, expected=theirs)
    outbox.tidy(place.repository, local)
    return replace(done, pushed=True)


def _finish(place: Place, made: Made, tries: int) -> Published:
    made, left_alone = place.follow(made)
    if place.remote is not None:
        outbox.tidy(place.repository, made.commit)
    return Published(
        commit=made.commit,
        plan=made.plans[-1],
        branch=place.branch,
        remote=place.remote.shown if place.remote else None,
        is_behind=not made.can_follow,
        left_alone=tuple(left_alone),
        tries=tries,
    )


def _kept(
    place: Place, made: Made, error: CalregError, when: str, *, on_branch: bool
) -> CalregError:
    """The error with where the commit is kept, and how to push it."""
    subject = made.plans[-1].message.partition(":")[0].partition("\n")[0]
    if on_branch and made.can_follow and _stays_here(place, made):
        kept = f"commit {made.commit[:12]} on {place.branch}"
    else:
        kept = f"commit {made.commit[:12]} at {outbox.keep(place.repository, made.commit)}"
    tail = f" {when}" if when else ""
    return type(error)(
        f"{error.message}{tail}; {subject} is kept as {kept}",
        hint="calreg push publishes it, once that is put right.",
        where=error.where,
        code=error.code,
    )


def _stays_here(place: Place, made: Made) -> bool:
    """Whether the branch here could be moved to a commit that could not be pushed."""
    try:
        place.repository.publish(place.branch, old=made.local, new=made.commit)
    except CalregError:
        # Whatever the reason, it must be kept somewhere.
        return place.repository.tip(place.branch) == made.commit
    return True
