"""From a plan to a commit on a branch, here and at a remote: one at a time, or not at all.

The plan is made anew on every try, on the tip that is there then: somebody who was faster
has published a run of the same number, or moved the reference that was compared with. A
lost race is tried again after a random pause; what cannot be pushed is kept as a commit,
and the error says how to push it. `documents` decide what is written, `git` how.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from calreg.documents import (
    Run,
    load_calibration,
    load_model_run,
    load_move,
    load_pins,
    load_run,
    load_settings,
)
from calreg.errors import (
    CalregError,
    InputError,
    RegistryError,
    StaleRegistryError,
    TransportError,
)
from calreg.git import Identity, Remote, Repository
from calreg.names import PINS_PATH, REGISTRY_FILE, HeadName, classify, run_path
from calreg.plan import MovePlan, RegistryState, RunPlan
from calreg.registry import outbox
from calreg.registry.snapshot import Snapshot

__all__ = [
    "AlreadyDone",
    "Plan",
    "Planner",
    "Published",
    "Retry",
    "check_clean",
    "made_on",
    "publish",
    "remote_of",
]

Plan: TypeAlias = RunPlan | MovePlan

_READERS: dict[str, Callable[..., object]] = {
    "registry": load_settings,
    "pins": load_pins,
    "reference": load_calibration,
    "version": load_calibration,
    "run": load_run,
    "model-run": load_model_run,
    "move": load_move,
}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """Nothing to do: an earlier run was made of the same scores by the same options.

    `pushed` says that commits which lay here unpushed, that run's perhaps, were pushed.
    """

    run: Run
    commit: str | None
    pushed: bool = False


Planner: TypeAlias = Callable[[RegistryState], Plan]


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


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a lost race is run again, and how long to wait before.

    The wait is a random part of a bound that doubles: publishers that met once do not meet
    again (full jitter). `pause` and `chance` are handed in so that a test need not wait.
    """

    attempts: int = 10
    first_s: float = 0.2
    longest_s: float = 10.0
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = field(default=random.random)

    def wait(self, tries: int) -> None:
        """Pause after the given number of lost tries."""
        self.pause(self.chance() * min(self.longest_s, self.first_s * 2.0**tries))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where is published: everything that stays the same from try to try."""

    repository: Repository
    branch: str
    identity: Identity
    remote: Remote | None
    prefix: str
    overrides: tuple[dict[str, object], ...]
    progress: Callable[[str], None]

    def snapshot(self, commit: str | None) -> Snapshot:
        return Snapshot(self.repository.read(commit), self.prefix, self.overrides)


@dataclass(frozen=True, slots=True)
class _Made:
    """A plan as a commit that no branch names yet."""

    plan: Plan
    commit: str
    local: str | None
    theirs: str | None
    can_follow: bool


def publish(
    repository: Repository,
    prefix: str,
    planner: Planner,
    *,
    push: bool,
    overrides: Iterable[dict[str, object]] = (),
    retry: Retry | None = None,
    progress: Callable[[str], None] | None = None,
) -> Published | AlreadyDone:
    """Make a plan on the branch's tip and let the branch, and with `push` its remote, move.

    Raises:
        InputError: Detached HEAD, no identity, no remote, uncommitted changes in the files
            concerned, an invalid registry file. Nothing was written.
        RegistryError: The registry's rules or the server refuse, or every race was lost.
        TransportError: The remote could not be reached. What was made is kept as a commit.
    """
    branch, identity = repository.branch(), repository.identity()
    remote = remote_of(repository, branch) if push else None
    place = _Place(
        repository, branch, identity, remote, prefix, tuple(overrides), progress or _silent
    )
    with repository.lock():
        repository.recover()
        return _try_until_done(place, planner, retry or Retry())


def _silent(_message: str) -> None:
    """Say nothing."""


def remote_of(repository: Repository, branch: str) -> Remote:
    """Where a branch is pushed to.

    Raises:
        InputError: It has no remote.
    """
    remote = repository.remote(branch)
    if remote is None:
        raise InputError(
            f"branch {branch} has no remote to push to",
            hint="git remote add origin URL",
            code="no-remote",
        )
    return remote


def _try_until_done(place: _Place, planner: Planner, retry: Retry) -> Published | AlreadyDone:
    lost: _Made | None = None
    for tries in range(1, retry.attempts + 1):
        if tries > 1:
            place.progress(f"somebody was faster, trying again ({tries} of {retry.attempts})")
            retry.wait(tries)
        try:
            made = _make(place, planner)
            if isinstance(made, AlreadyDone):
                return made
            lost = made
            _push(place, made)
            return _finish(place, made, tries)
        except StaleRegistryError as error:
            last = error
    if lost is None:
        raise last
    raise _kept(place, lost, last, f"after {retry.attempts} tries", on_branch=False) from last


def _make(place: _Place, planner: Planner) -> _Made | AlreadyDone:
    """A plan on the newest tip there is, checked and written as objects."""
    repository = place.repository
    local = repository.tip(place.branch)
    try:
        theirs = _fetched(place)
    except TransportError as error:
        made = _commit(place, planner, local=local, theirs=None, base=local)
        if isinstance(made, AlreadyDone):
            raise
        raise _kept(place, made, error, "", on_branch=True) from error
    base = _base(place, local, theirs)
    made = _commit(place, planner, local=local, theirs=theirs, base=base)
    if isinstance(made, AlreadyDone) and place.remote and local != theirs:
        if base == local:
            return _push_unpushed(place, made, local=local, theirs=theirs)
        _catch_up(place, local=local, theirs=theirs)
    return made


def _fetched(place: _Place) -> str | None:
    if place.remote is None:
        return None
    place.progress(f"reading {place.remote.shown}")
    return place.repository.fetch(place.remote)


def _base(place: _Place, local: str | None, theirs: str | None) -> str | None:
    """The commit to build on: of the branch here and the branch there the newer one."""
    repository = place.repository
    if theirs is None or theirs == local:
        return local
    if local is None or repository.is_ancestor(local, theirs):
        return theirs
    if repository.is_ancestor(theirs, local):
        return local
    where = f"{place.remote.name}/{place.remote.branch}" if place.remote else "the remote"
    raise RegistryError(
        f"{place.branch} and {where} have both moved on, each with commits the other lacks",
        hint=f"Keep yours aside (git branch mine), git reset --keep {where}, then run this again.",
        code="diverged",
    )


def _commit(
    place: _Place, planner: Planner, *, local: str | None, theirs: str | None, base: str | None
) -> _Made | AlreadyDone:
    repository = place.repository
    snapshot = place.snapshot(base)
    plan = made_on(snapshot, planner)
    if isinstance(plan, AlreadyDone):
        return plan
    _check_new(snapshot, plan)
    behind = repository.changed(local, base) if base is not None and base != local else []
    can_follow = all(_is_ours(place, path) for path in behind)
    concerned = {snapshot.full(path) for path in _concerned(plan)}
    check_clean(repository, concerned | set(behind if can_follow else ()), place.prefix)
    place.progress(f"writing {len(plan.files):,} files")
    commit = repository.commit(
        branch=place.branch,
        parent=base,
        files={snapshot.full(path): raw for path, raw in plan.files.items()},
        message=plan.message,
        identity=place.identity,
        when=datetime.fromisoformat(_timestamp(plan)),
    )
    return _Made(plan, commit, local, theirs, can_follow)


def made_on(snapshot: Snapshot, planner: Planner) -> Plan | AlreadyDone:
    """The plan that follows a snapshot, unless it is a run that is there already."""
    plan = planner(snapshot.state)
    if isinstance(plan, RunPlan):
        earlier = snapshot.repeat_of(plan.run.inputs.digest, plan.run.options)
        if earlier is not None:
            return AlreadyDone(earlier, snapshot.commit)
    return plan


def _timestamp(plan: Plan) -> str:
    return plan.run.timestamp if isinstance(plan, RunPlan) else plan.move.timestamp


def _is_ours(place: _Place, path: str) -> bool:
    if place.prefix:
        return path.startswith(f"{place.prefix}/")
    return classify(path) is not None


def _check_new(snapshot: Snapshot, plan: Plan) -> None:
    """Refuse to write into what an earlier run wrote: versions are immutable."""
    if isinstance(plan, MovePlan):
        return
    version = plan.run.version
    for model in plan.model_runs:
        if version in snapshot.version_folders.get(model, ()):
            raise RegistryError(
                f"{snapshot.full(model)}/v{version} exists already, but no run {version} is "
                "recorded",
                where=snapshot.full(run_path(version)),
                hint="Look where it came from (git log), and remove it or restore the run.",
                code="version-exists",
            )


def _concerned(plan: Plan) -> set[str]:
    """Registry paths that a plan writes, and those that it was made from."""
    if isinstance(plan, RunPlan):
        heads = list(plan.calibrations)
    else:
        heads = [HeadName.parse(plan.move.head)]
    read = {REGISTRY_FILE, PINS_PATH, *(name.reference_path for name in heads)}
    return read | plan.files.keys()


def check_clean(repository: Repository, paths: Iterable[str], prefix: str) -> None:
    """Refuse files of a work tree that differ from what is committed.

    Raises:
        InputError: One of them is not even valid, or has uncommitted changes.
    """
    dirty = repository.dirty(sorted(paths))
    if not dirty or repository.work_tree is None:
        return
    for path in dirty:
        _check_valid(repository.work_tree, path, prefix)
    more = f" and {len(dirty) - _SHOWN} more" if len(dirty) > _SHOWN else ""
    raise InputError(
        f"uncommitted changes in {', '.join(dirty[:_SHOWN])}{more}",
        hint="Commit them (git commit) or put them aside (git stash), then run this again.",
        code="uncommitted",
    )


def _check_valid(root: Path, path: str, prefix: str) -> None:
    # Of a file that somebody broke by hand, what is broken says more than that it changed.
    place = classify(path.removeprefix(f"{prefix}/") if prefix else path)
    file = root / path
    if place is not None and place.kind in _READERS and file.is_file():
        _READERS[place.kind](file.read_bytes(), where=path)


def _push(place: _Place, made: _Made) -> None:
    remote, repository = place.remote, place.repository
    if remote is None:
        return
    place.progress(f"pushing to {remote.shown}")
    try:
        repository.push(remote, branch=remote.branch, new=made.commit, expected=made.theirs)
    except StaleRegistryError:
        raise
    except TransportError as error:
        # The connection broke, perhaps after the server took the commit: look.
        if not _has_arrived(place, remote, made.commit):
            raise _kept(place, made, error, "", on_branch=True) from error
    except RegistryError as error:
        raise _kept(place, made, error, "", on_branch=True) from error


def _has_arrived(place: _Place, remote: Remote, commit: str) -> bool:
    try:
        theirs = place.repository.fetch(remote)
    except TransportError:
        return False
    return theirs is not None and (theirs == commit or place.repository.is_ancestor(commit, theirs))


def _push_unpushed(
    place: _Place, done: AlreadyDone, *, local: str | None, theirs: str | None
) -> AlreadyDone:
    if place.remote is None or local is None:
        return done
    place.progress(f"pushing to {place.remote.shown}")
    place.repository.push(place.remote, branch=place.remote.branch, new=local, expected=theirs)
    outbox.tidy(place.repository, local)
    return replace(done, pushed=True)


def _catch_up(place: _Place, *, local: str | None, theirs: str | None) -> None:
    """Bring the branch here to what is published, unless a person's files are in the way.

    Otherwise a run that was pushed just before its process died would be made a second time
    by the next one that is not pushed.
    """
    repository = place.repository
    if theirs is None:
        return
    behind = repository.changed(local, theirs)
    with contextlib.suppress(CalregError):  # nothing was asked for but to look
        if all(_is_ours(place, path) for path in behind) and not repository.dirty(behind):
            repository.publish(place.branch, old=local, new=theirs)


def _finish(place: _Place, made: _Made, tries: int) -> Published:
    left_alone: list[str] = []
    if made.can_follow:
        try:
            left_alone = place.repository.publish(place.branch, old=made.local, new=made.commit)
        except CalregError:
            if place.remote is None or place.repository.tip(place.branch) == made.commit:
                raise
            # It is published. That the branch here moved, or cannot, does not undo that.
            made = replace(made, can_follow=False)
    if place.remote is not None:
        outbox.tidy(place.repository, made.commit)
    return Published(
        commit=made.commit,
        plan=made.plan,
        branch=place.branch,
        remote=place.remote.shown if place.remote else None,
        is_behind=not made.can_follow,
        left_alone=tuple(left_alone),
        tries=tries,
    )


def _kept(
    place: _Place, made: _Made, error: CalregError, when: str, *, on_branch: bool
) -> CalregError:
    """The error with where the commit is kept, and how to push it."""
    remote = place.remote
    target = remote.branch if remote else place.branch
    name = remote.name if remote else "origin"
    subject = made.plan.message.partition(":")[0].partition("\n")[0]
    if on_branch and made.can_follow and _stays_here(place, made):
        kept = f"commit {made.commit[:12]} on {place.branch}"
        hint = f"git push {name} {place.branch}:{target}"
    else:
        ref = outbox.keep(place.repository, made.commit)
        kept = f"commit {made.commit[:12]} at {ref}"
        hint = f"git push {name} {ref}:refs/heads/{target}, or run the same command again"
    tail = f" {when}" if when else ""
    return type(error)(
        f"{error.message}{tail}; {subject} is kept as {kept}",
        hint=hint,
        where=error.where,
        code=error.code,
    )


def _stays_here(place: _Place, made: _Made) -> bool:
    """Whether the branch here could be moved to a commit that could not be pushed."""
    try:
        place.repository.publish(place.branch, old=made.local, new=made.commit)
    except CalregError:
        # Whatever the reason, it must be kept somewhere.
        return place.repository.tip(place.branch) == made.commit
    return True
