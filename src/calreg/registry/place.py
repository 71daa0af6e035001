"""Where is published, and the steps by which one plan or several become commits there.

Each step is a function of a place: write a plan as a commit that no branch names yet, push
it, let the branch here follow. What to do when one fails is decided by whoever calls them:
`publishing` for one plan, `pushing` for whatever waits.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from calreg.documents import (
    load_calibration,
    load_keys,
    load_model_run,
    load_move,
    load_pins,
    load_retention,
    load_run,
    load_settings,
    load_withdrawn,
)
from calreg.errors import CalregError, InputError, RegistryError, StaleRegistryError, TransportError
from calreg.git import Identity, RefUpdate, Remote, Repository
from calreg.names import PINS_PATH, REGISTRY_FILE, WITHDRAWN_PATH, classify, run_path
from calreg.plan import Plan, RunPlan, removed_by
from calreg.registry.retrying import Pace, Retry
from calreg.registry.snapshot import Snapshot

__all__ = [
    "TURN_S",
    "Beside",
    "Made",
    "Place",
    "Try",
    "check_clean",
    "check_new",
    "place_of",
    "remote_of",
    "silent",
]

Beside: TypeAlias = Callable[["Place", str], Sequence[RefUpdate]]
"""What else one push moves: called with the place and the commit that its branch goes to."""

_READERS: dict[str, Callable[..., object]] = {
    "registry": load_settings,
    "pins": load_pins,
    "reference": load_calibration,
    "version": load_calibration,
    "run": load_run,
    "model-run": load_model_run,
    "move": load_move,
    "withdrawn": load_withdrawn,
    "retention": load_retention,
    "keys": load_keys,
}
_SHOWN = 5
_CROWD = 8
TURN_S = 120.0
"""How long a push waits for another one from the same clone, which may lose races, too."""


@dataclass(frozen=True, slots=True)
class Made:
    """Plans as commits that no branch names yet.

    Args:
        plans: What the commits hold, the last one the newest.
        commit: The last commit.
        local: Where the branch here was.
        theirs: Where the remote's branch was.
        can_follow: Whether the branch here may be moved to them: what differs is all ours.
        beside: What the same push moves besides.
    """

    plans: tuple[Plan, ...]
    commit: str
    local: str | None
    theirs: str | None
    can_follow: bool
    beside: tuple[RefUpdate, ...] = ()


@dataclass(frozen=True, slots=True)
class Try:
    """One of several tries: its number from 1, and how long it has taken so far."""

    number: int
    took_s: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where is published: everything that stays the same from try to try."""

    repository: Repository
    branch: str
    identity: Identity
    remote: Remote | None
    prefix: str
    overrides: tuple[dict[str, object], ...]
    progress: Callable[[str], None]
    beside: Beside | None = None

    def tries(self, retry: Retry) -> Iterator[Try]:
        """One try after the other, each after the wait that the one before asks for."""
        turns_s = self._pace.turns_s() if self.remote is not None else None
        if turns_s is not None:
            retry.let_others_go(turns_s)
        shortest_s = math.inf
        for number in range(1, retry.attempts + 1):
            start = retry.clock()
            yield Try(number, lambda start=start: retry.clock() - start)  # type: ignore[misc]
            if number < retry.attempts:
                again = f"{number + 1} of {retry.attempts}"
                self.progress(f"somebody was faster, trying again ({again})")
                # The shortest: one that the machine held up says little about the others.
                shortest_s = min(shortest_s, retry.clock() - start)
                retry.wait(number, took_s=shortest_s)

    @property
    def _pace(self) -> Pace:
        return Pace(self.repository.common_dir / "calreg" / "pace")

    def remember(self, made: Made, attempt: Try) -> None:
        """Note how many others published meanwhile, for the next push from here."""
        if self.remote is None:
            return
        took_s, others = attempt.took_s(), 0
        if made.theirs is not None and made.local not in {None, made.theirs}:
            with contextlib.suppress(CalregError):  # it is published, whatever this says
                others = len(self.repository.log(made.theirs, base=made.local, limit=_CROWD))
        self._pace.remember(took_s, others=others)

    def snapshot(self, commit: str | None) -> Snapshot:
        """The registry as a commit holds it."""
        return Snapshot(self.repository.read(commit), self.prefix, self.overrides)

    def is_ours(self, path: str) -> bool:
        """Whether a file of the repository is the registry's."""
        if self.prefix:
            return path.startswith(f"{self.prefix}/")
        return classify(path) is not None

    @property
    def there(self) -> str:
        """The remote's branch, as people write it."""
        return f"{self.remote.name}/{self.remote.branch}" if self.remote else "the remote"

    def fetched(self) -> str | None:
        """The tip of the remote's branch; None if there is no remote, or no such branch.

        Raises:
            TransportError: It cannot be reached or read.
        """
        if self.remote is None:
            return None
        self.progress(f"reading {self.remote.shown}")
        return self.repository.fetch(self.remote)

    def newer(self, local: str | None, theirs: str | None) -> str | None:
        """Of the branch here and the branch there the one that holds the other.

        Raises:
            RegistryError: Neither does.
        """
        repository = self.repository
        if theirs is None or theirs == local:
            return local
        if local is None or repository.is_ancestor(local, theirs):
            return theirs
        if repository.is_ancestor(theirs, local):
            return local
        raise RegistryError(
            f"{self.branch} and {self.there} have both moved on, each with commits the other lacks",
            hint="calreg push makes your runs and moves anew on what is there, and pushes them.",
            code="diverged",
        )

    def write(self, plan: Plan, snapshot: Snapshot, *, when: datetime | None = None) -> str:
        """A plan as a commit that follows a snapshot; its id.

        Args:
            plan: The plan.
            snapshot: What it was made on.
            when: The time of the commit; else the plan's own.
        """
        self.progress(f"writing {len(plan.files):,} files")
        return self.repository.commit(
            branch=self.branch,
            parent=snapshot.commit,
            files={snapshot.full(path): raw for path, raw in plan.files.items()},
            delete=[snapshot.full(path) for path in removed_by(plan)],
            message=plan.message,
            identity=self.identity,
            when=when or datetime.fromisoformat(plan.timestamp),
        )

    def check_follows(
        self, local: str | None, base: str | None, plans: Sequence[Plan], snapshot: Snapshot
    ) -> bool:
        """Whether the branch here may follow to plans made on `base`.

        Raises:
            InputError: Uncommitted changes in the files that would be written.
        """
        behind = self.repository.changed(local, base) if base is not None and base != local else []
        can_follow = all(self.is_ours(path) for path in behind)
        concerned = {snapshot.full(path) for plan in plans for path in _concerned(plan)}
        wanted = concerned | set(behind if can_follow else ())
        check_clean(self.repository, wanted, self.prefix, head=local)
        return can_follow

    def push(self, made: Made) -> None:
        """Push commits, and what goes with them, all or nothing.

        Raises:
            StaleRegistryError: Somebody was faster.
            RegistryError: The server refuses.
            TransportError: It cannot be reached, or broke off before it had the commits.
        """
        if self.remote is None:
            return
        self.progress(f"pushing to {self.remote.shown}")
        updates = [RefUpdate(self.remote.branch, made.commit, made.theirs), *made.beside]
        try:
            self.repository.push_all(self.remote, updates)
        except StaleRegistryError:
            raise
        except TransportError:
            # The connection broke, perhaps after the server took the commit: look.
            if not self._has_arrived(self.remote, made.commit):
                raise

    def _has_arrived(self, remote: Remote, commit: str) -> bool:
        try:
            theirs = self.repository.fetch(remote)
        except TransportError:
            return False
        return theirs is not None and (
            theirs == commit or self.repository.is_ancestor(commit, theirs)
        )

    def follow(self, made: Made) -> tuple[Made, list[str]]:
        """Let the branch here follow to what was made; what was made, and files left alone.

        Raises:
            CalregError: It cannot, and nothing was pushed.
        """
        if not made.can_follow:
            return made, []
        try:
            left_alone = self.repository.publish(self.branch, old=made.local, new=made.commit)
        except CalregError:
            if self.remote is None or self.repository.tip(self.branch) == made.commit:
                raise
            # It is published. That the branch here moved, or cannot, does not undo that.
            return replace(made, can_follow=False), []
        self._follow_beside(made.beside)
        return made, left_alone

    def _follow_beside(self, updates: Iterable[RefUpdate]) -> None:
        """Move the branches beside here, too: without a remote, or those that are here."""
        for update in updates:
            local = self.repository.tip(update.branch)
            if self.remote is None:
                self.repository.move_aside(update.branch, old=update.expected, new=update.new)
            elif local is not None and local == update.expected:
                # It is published; that a branch here does not follow does not undo that.
                with contextlib.suppress(CalregError):
                    self.repository.move_aside(update.branch, old=local, new=update.new)

    def catch_up(self, *, local: str | None, theirs: str | None) -> bool:
        """Bring the branch here to what is published, unless a person's files are in the way.

        Otherwise a run that was pushed just before its process died would be made a second
        time by the next one that is not pushed.
        """
        if theirs is None or theirs == local:
            return theirs == local
        behind = self.repository.changed(local, theirs)
        with contextlib.suppress(CalregError):  # nothing was asked for but to look
            if all(map(self.is_ours, behind)) and not self.repository.dirty(behind):
                self.repository.publish(self.branch, old=local, new=theirs)
                return True
        return False


def silent(_message: str) -> None:
    """Say nothing."""


def place_of(
    repository: Repository,
    prefix: str,
    *,
    push: bool,
    overrides: Iterable[dict[str, object]] = (),
    progress: Callable[[str], None] | None = None,
    beside: Beside | None = None,
) -> Place:
    """Where is published from a repository: its branch, who commits, and where to push.

    Raises:
        InputError: Detached HEAD, no identity, or no remote to push to.
    """
    branch, identity = repository.branch(), repository.identity()
    remote = remote_of(repository, branch) if push else None
    return Place(
        repository,
        branch,
        identity,
        remote,
        prefix,
        tuple(overrides),
        progress or silent,
        beside,
    )


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


def check_new(snapshot: Snapshot, plan: Plan) -> None:
    """Refuse to write into what an earlier run wrote: versions are immutable.

    Raises:
        RegistryError: A folder of the run's number is there, but no such run.
    """
    if not isinstance(plan, RunPlan):
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
    """Registry paths that a plan writes or takes away, and those that it was made from."""
    read = {REGISTRY_FILE, PINS_PATH, WITHDRAWN_PATH}
    references = {name.reference_path for name in plan.heads}
    return read | references | plan.files.keys() | {*removed_by(plan)}


def check_clean(
    repository: Repository, paths: Iterable[str], prefix: str, *, head: str | None = None
) -> None:
    """Refuse files of a work tree that differ from what is committed: in `head`, if it is known.

    Raises:
        InputError: One of them is not even valid, or has uncommitted changes.
    """
    dirty = repository.dirty(sorted(paths), head)
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
