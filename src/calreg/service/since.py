"""The references that were in force at some time: by a run's number, a commit, a time, a stamp."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from calreg.client import Stamp
from calreg.errors import InputError
from calreg.git import LogEntry
from calreg.names import HeadName, parse_version
from calreg.plan import Reference
from calreg.registry import Past, Registry, Snapshot, end_of

__all__ = ["Former", "references_of"]

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_VERSION = re.compile(r"v?[1-9][0-9]{0,9}")
_LEAST_COMMIT = 7
_MAX_COMMITS = 100_000
_HINT = "Write a run's number (3), a commit, a day, a time (2026-01-31T12:00:00Z) or a stamp."


@dataclass(frozen=True, slots=True)
class Former:
    """The references at a commit; `name` says which time was meant."""

    name: str
    commit: str
    references: Mapping[HeadName, Reference]


def references_of(registry: Registry, now: Snapshot, since: int | str) -> Former:
    """The references that were in force then.

    Args:
        registry: Where to look.
        now: The registry as it is served; what is looked for is in its history.
        since: A run's number, a commit or its beginning, a time, a stamp.

    Raises:
        InputError: It names no time of this registry.
    """
    text, places = str(since).strip(), _Places(registry, now)
    if "@" in text:
        stamp = Stamp.parse(text)
        if stamp.registry != places.name:
            raise _none_such(f"a stamp of {stamp.registry}, not of {places.name}")
        return places.at(stamp.origin.rpartition("@")[2], name=stamp.origin)
    is_number = isinstance(since, int) or len(text) < _LEAST_COMMIT
    if is_number and _VERSION.fullmatch(text):
        return places.after_run(parse_version(text))
    if _COMMIT.fullmatch(text):
        return places.at(text, name=text)
    return places.at_time(text)


class _Places:
    """The history of one registry, up to what is served."""

    def __init__(self, registry: Registry, now: Snapshot) -> None:
        self._registry, self._now = registry, now
        self._past = Past(registry, now)

    @property
    def name(self) -> str:
        return self._now.settings.name

    def _log(self) -> list[LogEntry]:
        tip = self._now.commit
        return [] if tip is None else self._registry.repository.log(tip, limit=_MAX_COMMITS)

    def after_run(self, number: int) -> Former:
        """As a run left it."""
        commit = self._past.of_run(number)
        if commit is None:
            numbers = self._now.run_numbers
            there = f"there are {numbers[0]} to {numbers[-1]}" if numbers else "there is none"
            raise _none_such(f"no run {number} in {self.name}; {there}")
        return self._former(commit, f"v{number}")

    def at_time(self, text: str) -> Former:
        """As it was at a time, or at the end of a day."""
        moment = end_of(text)
        if moment is None:
            raise _none_such(f"{text[:100]!r} names no time of {self.name}")
        commit = self._past.at(moment)
        if commit is None:
            raise _none_such(f"{self.name} did not exist at {text}")
        return self._former(commit, text)

    def at(self, commit: str, *, name: str) -> Former:
        """As a commit holds it, named by its id or the beginning of it."""
        found = [entry.commit for entry in self._log() if entry.commit.startswith(commit)]
        if len(found) != 1:
            many = "several commits begin with" if found else "no commit"
            raise _none_such(f"{many} {commit} in the history of {self.name}")
        return self._former(found[0], name)

    def _former(self, commit: str, name: str) -> Former:
        return Former(name, commit, self._registry.at(commit).references)


def _none_such(problem: str) -> InputError:
    return InputError(problem, hint=_HINT, where="/body/since", code="no-such-version")
