"""What `--from` and `--to` of `retag` name: a version, or what was in force at some time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from calreg.cli.opening import open_registry
from calreg.errors import InputError, UsageError
from calreg.files import read_file
from calreg.names import REGISTRY_FILE, HeadName, nearest, parse_head_at, parse_version

if TYPE_CHECKING:
    from datetime import datetime

    from calreg.cli.group import Session
    from calreg.documents import Calibration
    from calreg.registry import Past, Registry

__all__ = ["Side", "Sides"]

_RUN = re.compile(r"v?([1-9][0-9]{0,9})")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_MAX_COMMITS = 1_000_000
_STABLE = "stable"
_FORMS = (
    "Write v2 or MODEL/HEAD@v2, a run's number, a commit, a date, stable, main, or a file or "
    "folder of calibrations."
)


@dataclass(frozen=True, slots=True)
class Side:
    """Calibrations by head, what to call them, and the one head that was named, if one was."""

    text: str
    calibrations: Mapping[HeadName, Calibration]
    only: HeadName | None = None

    def of(self, head: HeadName | None) -> Side:
        """The same for one head, or as it is."""
        if head is None:
            return self
        kept = {name: one for name, one in self.calibrations.items() if name == head}
        version = f"v{kept[head].version}" if kept else ""
        is_said = not version or version in self.text
        return Side(self.text if is_said else f"{self.text} ({version})", kept, head)


class Sides:
    """Finds calibrations by what a person calls them; opens a registry only if one is needed.

    Args:
        session: The group's options: which registry.
        head: The head that a bare version is one of; without it, `v2` is run 2.
    """

    def __init__(self, session: Session, head: HeadName | None) -> None:
        self._session = session
        self._head = head

    @cached_property
    def _registry(self) -> Registry:
        return open_registry(self._session)

    def find(self, text: str) -> Side:
        """The calibrations that a text names.

        Raises:
            InputError: There are none of that name.
            RegistryError: What is installed was withdrawn, or altered.
        """
        if "sha256:" in text:
            return self._of_stamp(text)
        if "@" in text:
            name, version = parse_head_at(text)
            return self._of_version(text, name, version)
        if self._head is not None and _RUN.fullmatch(text):
            return self._of_version(text, self._head, parse_version(text))
        path = Path(text)
        if path.is_file():
            return _of_file(text, path)
        if path.is_dir():
            return _of_folder(text, path)
        return self._of_registry(text)

    def _of_stamp(self, text: str) -> Side:
        from calreg.client.references import Stamp

        stamp = Stamp.parse(text)
        name = HeadName.parse(stamp.head)
        found = self._registry.calibration(name, stamp.version)
        if found.digest != stamp.digest:
            raise InputError(
                f"{name} v{stamp.version} here is not what the stamp names: its digest is "
                f"{found.digest[:12]}, the stamp's {stamp.digest[:12]}",
                hint=f"The stamp is of {stamp.registry!r}: name its clone with --registry DIR.",
                code="stamp",
            )
        return Side(f"{name}@v{stamp.version}", {name: found.calibration}, name)

    def _of_version(self, text: str, name: HeadName, version: int | None) -> Side:
        if version is None:
            raise UsageError(f"{text!r} names no version", hint=f"{name}@v2")
        found = self._registry.calibration(name, version).calibration
        return Side(f"v{version}", {name: found}, name)

    def _of_registry(self, text: str) -> Side:
        from calreg.registry import end_of

        if text == _STABLE:
            return self._of_stable()
        if found := _RUN.fullmatch(text):
            run = int(found[1])
            commit = self._past.of_run(run)
            if commit is not None:
                return self._at(f"run {run}", commit)
        moment = end_of(text)
        if moment is not None and not _COMMIT.fullmatch(text):
            return self._at(text, self._commit_at(text, moment))
        return self._at(text, self._commit_named(text))

    def _at(self, text: str, commit: str) -> Side:
        snapshot = self._registry.at(commit)
        if not snapshot.has(REGISTRY_FILE):  # a commit of the published branch
            return Side(text, _served(self._registry, commit))
        return Side(text, {name: one.calibration for name, one in snapshot.references.items()})

    def _of_stable(self) -> Side:
        from calreg.registry.served import stable_tips

        repository = self._registry.repository
        tips = stable_tips(repository, _STABLE)
        if not tips:
            raise InputError(
                "there is no branch 'stable' here: nothing was published",
                hint="Name what is on main instead, or fetch: git fetch origin stable",
                code="no-such-reference",
            )
        shown, commit = next(iter(tips.items()))
        for name, other in tips.items():
            if other != commit and repository.is_ancestor(commit, other):
                shown, commit = name, other
        return Side(shown, _served(self._registry, commit))

    # Commits

    @cached_property
    def _past(self) -> Past:
        from calreg.registry import Past

        return Past(self._registry, self._registry.now)

    def _commit_at(self, text: str, moment: datetime) -> str:
        commit = self._past.at(moment)
        if commit is None:
            raise InputError(f"the registry had no commits by {text}", code="no-such-reference")
        return commit

    def _commit_named(self, text: str) -> str:
        repository = self._registry.repository
        if text == "HEAD":
            return str(repository.tip())
        if _COMMIT.fullmatch(text):
            tip = repository.tip()
            known = repository.log(tip, limit=_MAX_COMMITS) if tip is not None else []
            meant = sorted({one.commit for one in known if one.commit.startswith(text)})
            if len(meant) == 1:
                return meant[0]
        commit = self._branch(text)
        if commit is None:
            raise self._unknown(text)
        return commit

    def _branch(self, text: str) -> str | None:
        repository = self._registry.repository
        try:
            return repository.tip(text) or repository.tip(f"refs/remotes/{text}")
        except InputError:  # no name that git would accept
            return None

    def _unknown(self, text: str) -> InputError:
        branches = self._registry.repository.refs("refs/heads")
        known = [ref.removeprefix("refs/heads/") for ref in branches]
        runs = self._registry.now.run_numbers
        there = f"Runs are 1 to {runs[-1]}. " if runs else ""
        return InputError(
            f"{text!r} names no calibrations: no run, commit, date, branch, file or folder",
            hint=f"{there}{nearest(text, known)} {_FORMS}",
            code="no-such-reference",
        )


def _served(registry: Registry, commit: str) -> dict[HeadName, Calibration]:
    """The references that a commit of the published branch holds."""
    from calreg.documents import load_calibration
    from calreg.registry import Snapshot

    snapshot: Snapshot = Snapshot(registry.repository.read(commit), "")
    raw = snapshot.reference_bytes(snapshot.heads)
    return {
        name: load_calibration(text, where=f"{_STABLE}:{name.reference_path}")
        for name, text in raw.items()
    }


def _of_file(text: str, path: Path) -> Side:
    from calreg.documents import find_calibration

    found = find_calibration(read_file(path), where=text)
    return Side(text, {found.name: found}, found.name)


def _of_folder(text: str, path: Path) -> Side:
    from calreg.client import Client

    opened = Client.open(path)
    names = [HeadName.parse(head) for head in opened.heads()]
    return Side(text, {name: opened.reference(name.full).calibration for name in names})
