"""A registry on this disk: find it, read it, publish to it.

Reading is of the tip of the branch that is checked out (bare: that HEAD names), through
git's objects. Writing goes through `publishing`, whatever is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any

from calreg.documents import ModelRun, Move, Pins, RegistrySettings, Run
from calreg.errors import InputError
from calreg.git import Repository
from calreg.names import PINS_PATH, REGISTRY_FILE, HeadName, nearest
from calreg.plan import Plan, Reference, RegistryState
from calreg.registry.former import previous
from calreg.registry.history import history_rows
from calreg.registry.outbox import Waiting, forget, waiting
from calreg.registry.place import Beside
from calreg.registry.publishing import (
    AlreadyDone,
    Planner,
    Published,
    Retry,
    SnapshotPlanner,
    check_clean,
    made_on,
    publish,
    remote_of,
)
from calreg.registry.pushing import Pushed, push_waiting
from calreg.registry.snapshot import Snapshot

__all__ = ["Registry"]

Rules = Mapping[str, Any]


class Registry:
    """A folder with `registry.yaml`, in a git repository.

    Args:
        repository: The repository; its `prefix` is the registry's folder.
        overrides: A person's own rules, laid over those of `registry.yaml`.
    """

    def __init__(self, repository: Repository, overrides: Rules | None = None) -> None:
        self.repository = repository
        self._overrides = (dict(overrides),) if overrides else ()
        self._now: Snapshot | None = None

    @classmethod
    def open(cls, folder: Path | None = None, *, overrides: Rules | None = None) -> Registry:
        """The registry in a folder; without one the nearest from here upwards.

        Args:
            folder: With `registry.yaml`: in a work tree, a bare repository, or in one.
            overrides: A person's own rules, in the form of `registry.yaml`.

        Raises:
            InputError: There is none, or it is in no git repository.
        """
        place = _nearest() if folder is None else folder.absolute()
        on_disk = (place / REGISTRY_FILE).is_file()
        try:
            repository = Repository.find(place)
        except InputError as error:
            if error.code != "not-a-repository" or on_disk:
                raise
            raise _not_a_registry(place) from error
        registry = cls(repository, overrides)
        if repository.found_at is not None:
            registry._now = registry.at(repository.found_at)
        if not on_disk and not registry.now.has(REGISTRY_FILE):
            raise _not_a_registry(place)
        return registry

    @property
    def prefix(self) -> str:
        """The registry's folder in the repository; empty for its root."""
        return self.repository.prefix

    @property
    def root(self) -> Path:
        """The registry's folder on the disk; of a bare repository where it would be."""
        return (self.repository.work_tree or self.repository.git_dir) / self.prefix

    # Reading

    def at(self, commit: str | None = None) -> Snapshot:
        """The registry as a commit holds it; None: the tip of the branch."""
        tip = commit if commit is not None else self.repository.tip()
        return Snapshot(self.repository.read(tip), self.prefix, self._overrides)

    @property
    def now(self) -> Snapshot:
        """The tip as it was when the registry was opened, or after the last `publish`."""
        if self._now is None:
            self._now = self.at()
        return self._now

    @property
    def name(self) -> str:
        """What the registry is called."""
        return self.settings().name

    def settings(self) -> RegistrySettings:
        """The rules in force, overrides included."""
        return self.now.settings

    def state(self, commit: str | None = None) -> RegistryState:
        """What a plan depends on, every document validated."""
        return self.at(commit).state if commit is not None else self.now.state

    def pins(self) -> Pins:
        """The pins in the registry, those whose time is over included."""
        return self.now.pins

    def heads(self) -> list[HeadName]:
        """All heads that have a reference, by name."""
        return self.now.heads

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        return self.now.runs()

    def moves(self) -> list[Move]:
        """All moves by hand, the oldest first."""
        return self.now.moves()

    def versions(self, head: HeadName) -> list[int]:
        """The versions that a head has, ascending."""
        return self.now.versions(head)

    def calibration(self, head: HeadName, version: int | None = None) -> Reference:
        """A version of a head's calibration with its bytes; None: the reference."""
        return self.now.calibration(head, version)

    def model_runs(self, limit: int, model: str | None = None) -> list[ModelRun]:
        """The newest parts of runs, of all models or of those that match a pattern."""
        models = sorted(self.now.version_folders)
        chosen = [name for name in models if model is None or fnmatchcase(name, model)]
        if model is not None and not chosen:
            raise self._unknown("model", model, models)
        return list(islice(self.now.model_runs(chosen), limit))

    def history(
        self, model: str | None = None, head: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """The newest history rows, one per head and run, the newest run first.

        Args:
            model: A model's path, the beginning of one up to a slash, or a pattern.
            head: A head's own or full name, or a pattern of either.
            limit: At most this many rows.

        Raises:
            InputError: No head of the registry matches.
        """
        of_model = [name for name in self.now.known_heads if model is None or _is_of(name, model)]
        chosen = [
            name
            for name in of_model
            if head is None or fnmatchcase(name.head, head) or fnmatchcase(name.full, head)
        ]
        if model is not None and not of_model:
            raise self._unknown("model", model, sorted(self.now.version_folders))
        if head is not None and not chosen:
            raise self._unknown("head", head, [name.full for name in of_model])
        parts = self.now.model_runs(sorted({name.model for name in chosen}))
        return list(islice(history_rows(parts, set(chosen), self.now.withdrawn), limit))

    def _unknown(self, what: str, wanted: str, known: Sequence[str]) -> InputError:
        return InputError(
            f"no {what} {wanted!r} in {self.name}",
            hint=nearest(wanted, known),
            code=f"no-such-{what}",
        )

    def previous(self, head: HeadName) -> int:
        """The version that a plain roll-back goes to; see `former.previous`."""
        return previous(self.now, head)

    def waiting(self) -> list[Waiting]:
        """Commits that could not be published and are not in this branch either, by ref."""
        tip, repository = self.repository.tip(), self.repository
        return [
            item
            for item in waiting(repository)
            if tip is None or not repository.is_ancestor(item.commit, tip)
        ]

    # Writing

    def who(self) -> str:
        """Who decides here, as git names them: `Name <email>`.

        Raises:
            InputError: git does not know.
        """
        identity = self.repository.identity()
        return f"{identity.name} <{identity.email}>"

    def check_ready(self, *, push: bool = False) -> None:
        """Refuse early what `publish` would refuse late, before a long computation.

        What an interrupted command left is finished first, as `publish` does.

        Raises:
            InputError: Detached HEAD, no identity, no remote, uncommitted or invalid files.
            RegistryError: Another command is writing here and does not end.
        """
        branch = self.repository.branch()
        self.repository.identity()
        if push:
            remote_of(self.repository, branch)
        # Alone: the files of a command that is half-way are no uncommitted changes.
        with self.repository.lock():
            self.repository.recover()
            self._now = None
            paths = [REGISTRY_FILE, PINS_PATH, *(name.reference_path for name in self.now.heads)]
            check_clean(self.repository, map(self.now.full, paths), self.prefix)
        self.state()

    def preview(self, plan_of: Planner) -> Plan | AlreadyDone:
        """What `publish` would publish on the branch as it is here; nothing is written."""
        return made_on(self.now, plan_of)

    def publish(
        self,
        plan_of: Planner,
        *,
        push: bool = False,
        retry: Retry | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Published | AlreadyDone:
        """Commit what `plan_of` makes of the newest state, and push it if asked.

        A run of the same scores and options as an earlier one is not made again.

        Args:
            plan_of: Called with the state of the newest tip; again after every lost race.
            push: To the branch's remote too; built on what is there.
            retry: How often a lost race is run again.
            progress: Told in a few words what is being done.

        Raises:
            InputError: Detached HEAD, no identity, no remote, uncommitted changes in the
                files concerned, an invalid registry file. Nothing was written.
            RegistryError: The registry or the server refuses, or every race was lost.
            TransportError: The remote could not be reached; the commit is kept here.
        """
        return self.publish_on(
            lambda snapshot: made_on(snapshot, plan_of), push=push, retry=retry, progress=progress
        )

    def publish_on(
        self,
        plan_on: SnapshotPlanner,
        *,
        push: bool = False,
        retry: Retry | None = None,
        progress: Callable[[str], None] | None = None,
        beside: Beside | None = None,
    ) -> Published | AlreadyDone:
        """Commit what `plan_on` makes of the newest tip, as `publish` does.

        Args:
            plan_on: Called with the registry as the newest tip holds it.
            push: To the branch's remote too; built on what is there.
            retry: How often a lost race is run again.
            progress: Told in a few words what is being done.
            beside: What else moves in the same push, or nothing does.

        Raises:
            CalregError: As `publish`.
        """
        self._now = None
        return publish(
            self.repository,
            self.prefix,
            plan_on,
            push=push,
            overrides=self._overrides,
            retry=retry,
            progress=progress,
            beside=beside,
        )

    def push(
        self,
        *,
        when: datetime,
        retry: Retry | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Pushed:
        """Push whatever waits, made anew where the remote has moved on.

        Args:
            when: The time of the commits that are made.
            retry: How often a lost race is run again.
            progress: Told in a few words what is being done.

        Raises:
            CalregError: As `pushing.push_waiting`; everything waits on.
        """
        self._now = None
        return push_waiting(
            self.repository,
            self.prefix,
            when=when,
            overrides=self._overrides,
            retry=retry,
            progress=progress,
        )

    def forget(self, commit: str) -> Waiting:
        """Let go of a commit of the outbox, by the beginning of its id.

        Raises:
            InputError: None waits that begins like that, or several do.
        """
        with self.repository.lock():
            return forget(self.repository, commit)


def _nearest() -> Path:
    here = Path.cwd()
    found = (place for place in (here, *here.parents) if (place / REGISTRY_FILE).is_file())
    return next(found, here)


def _not_a_registry(place: Path) -> InputError:
    return InputError(
        f"not a registry: no {REGISTRY_FILE} here",
        where=str(place),
        hint="Give its folder with --registry DIR, or make one: calreg init.",
        code="not-a-registry",
    )


def _is_of(name: HeadName, model: str) -> bool:
    """Whether a head is of a model, of one below it, or of one that the pattern matches."""
    return f"{name.model}/".startswith(f"{model}/") or fnmatchcase(name.model, model)
