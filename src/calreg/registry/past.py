"""What was in force at some time: commits of a branch, by a run's number or by a time.

A branch is the line of its first parents: what was committed on the way to a merge was in
force from the merge on, not before.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from calreg.names import run_path
from calreg.registry.snapshot import Snapshot

if TYPE_CHECKING:
    from calreg.git import LogEntry
    from calreg.registry.opening import Registry

__all__ = ["Past", "end_of"]

_MAX_COMMITS = 1_000_000


def end_of(text: str) -> datetime | None:
    """The end of a day, or the time itself, UTC unless it says otherwise; None: it is no date."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.time() == time() and not {"T", " "} & set(text):
        moment += timedelta(days=1) - timedelta(microseconds=1)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Past:
    """The line of commits that led to one.

    Args:
        registry: Whose they are.
        now: The registry at the commit.
    """

    def __init__(self, registry: Registry, now: Snapshot) -> None:
        self._registry, self._now = registry, now

    @cached_property
    def line(self) -> list[LogEntry]:
        """The commits, the newest first, each the first parent of the one before."""
        tip = self._now.commit
        if tip is None:
            return []
        known = {
            entry.commit: entry for entry in self._registry.repository.log(tip, limit=_MAX_COMMITS)
        }
        line: list[LogEntry] = []
        at: str | None = tip
        while at is not None and at in known:
            line.append(known[at])
            at = next(iter(known[at].parents), None)
        return line

    def of_run(self, number: int) -> str | None:
        """The commit that brought a run; None: there is no such run."""
        tip, path = self._now.commit, run_path(number)
        if tip is None:
            return None
        full = self._now.full(path)
        found = self._registry.repository.log(tip, full, limit=_MAX_COMMITS)
        if not found:
            return None
        line, brought = [entry.commit for entry in self.line], found[-1].commit
        is_merged = brought not in line and self._now.has(path)
        return self._merge_of(path, line) if is_merged else brought

    def _merge_of(self, path: str, line: list[str]) -> str:
        """The first commit that has a file, by bisection: files of runs stay."""
        low, high = 0, len(line) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._registry.at(line[middle]).has(path):
                low = middle
            else:
                high = middle - 1
        return line[low]

    def at(self, moment: datetime) -> str | None:
        """The newest commit that was there by a time; None: there was none yet."""
        end_s = moment.timestamp()
        return next((entry.commit for entry in self.line if entry.time_s <= end_s), None)
