"""Runs that begin by themselves: after so many new items, once, and not again and again.

What was done is read from the runs that the store keeps, so a restart changes nothing. A run
that came to an end, with an answer or with an error that the same scores would bring again, is
the mark from which new items are counted. One that was cut short, or met a registry, a store
or a remote that was not as it should be, is tried again, later each time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calreg.errors import CalregError
from calreg.service.running import AlreadyRunningError

if TYPE_CHECKING:
    from calreg.store import Revision, RunRecord, Store

__all__ = ["Automatic", "Past", "Rhythm", "past_of", "wait_s"]

LOG = logging.getLogger("calreg.service")

_LOOKED_AT = 50
# Errors that the same scores would bring again, whenever they are looked at.
_OF_THE_SCORES = frozenset({"empty", "labels", "name", "no-head-left", "rejects", "scores"})


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When to begin, in seconds.

    Args:
        quiet_s: Nothing new for so long, since a batch is rarely the last one.
        patience_s: But no longer than this after it was due.
        first_retry_s: After a run that was cut short; doubled each time.
        longest_retry_s: But no longer than this.
    """

    quiet_s: float = 2.0
    patience_s: float = 60.0
    first_retry_s: float = 30.0
    longest_retry_s: float = 3600.0

    def retry_s(self, failures: int) -> float:
        """The pause after so many failures in a row."""
        return min(self.longest_retry_s, self.first_retry_s * 2.0 ** min(failures - 1, 30))


@dataclass(frozen=True, slots=True)
class Past:
    """What runs came to: the scores that the last whole one saw, and those cut short since."""

    items: int = 0
    change: int = -1
    failures: int = 0
    failed_at: float = 0.0


def past_of(runs: Sequence[RunRecord]) -> Past:
    """The past, from runs as they are kept, the newest first."""
    failures, failed_at = 0, 0.0
    for run in runs:
        if run.state == "running":
            continue
        if _is_cut_short(run):
            failures += 1
            failed_at = max(failed_at, run.finished or run.started)
            continue
        return Past(run.revision.items, run.revision.change, failures, failed_at)
    return Past(failures=failures, failed_at=failed_at)


def _is_cut_short(run: RunRecord) -> bool:
    if run.state == "failed":
        return dict(run.error or {}).get("code") not in _OF_THE_SCORES
    return run.state == "interrupted"


def wait_s(
    after: int,
    revision: Revision,
    past: Past,
    rhythm: Rhythm,
    *,
    now: float,
    last_new: float,
    due_since: float,
) -> float | None:
    """Seconds until a run should begin, 0 if now; None: not before there are more items.

    Args:
        after: So many new items make one due.
        revision: The scores there are.
        past: What was done.
        rhythm: When to begin.
        now: The time.
        last_new: When scores last came in.
        due_since: When it became due, as far as this process knows.
    """
    if revision.change == past.change or revision.items - past.items < after:
        return None
    begin = min(last_new + rhythm.quiet_s, due_since + rhythm.patience_s)
    if past.failures and past.failed_at <= now:  # else the clock was put back
        begin = max(begin, past.failed_at + rhythm.retry_s(past.failures))
    return max(0.0, begin - now)


class Automatic:
    """Watches for new items in a thread of its own.

    Args:
        store: Whose items are counted.
        after: So many new ones make a run due.
        start: Begins a run.
        clock: Seconds since 1970.
        rhythm: When to begin.
    """

    def __init__(
        self,
        store: Store,
        after: int,
        start: Callable[[], object],
        *,
        clock: Callable[[], float],
        rhythm: Rhythm | None = None,
    ) -> None:
        self._store, self._after, self._start = store, after, start
        self._clock, self._rhythm = clock, rhythm or Rhythm()
        self._changed = threading.Event()
        self._is_closed = False
        self._last_new = 0.0
        self._due_since: float | None = None
        # Read again only when a run has ended: every batch that comes in is a reason to look.
        self._past = Past()
        self._is_stale = threading.Event()
        self._is_stale.set()
        self._thread = threading.Thread(target=self._run, name="calreg-automatic", daemon=True)

    def begin(self) -> None:
        """Begin; also what came in before a restart counts."""
        self._thread.start()

    def look(self, *, is_new: bool = True) -> None:
        """Look again: scores came in, or (not new) a run ended. From any thread, at once."""
        if is_new:
            self._last_new = self._clock()
        else:
            self._is_stale.set()
        self._changed.set()

    def close(self) -> None:
        """End."""
        self._is_closed = True
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        pause: float | None = 0.0
        while not self._is_closed:
            if pause != 0.0:
                self._changed.wait(pause)
            self._changed.clear()
            if self._is_closed:
                return
            pause = self._step()

    def _step(self) -> float | None:
        """Begin a run if it is time; seconds until the next look, None: when something comes."""
        try:
            pause = self._pause()
            if pause != 0.0:
                return pause
            self._start()
        except AlreadyRunningError:
            return None  # its end is a reason to look again
        except Exception as error:  # the edge of a thread: nobody is above it
            bug = None if isinstance(error, CalregError) else error
            LOG.warning("no run could begin by itself: %s", error, exc_info=bug)
            return self._rhythm.first_retry_s
        return None

    def _read(self) -> Past:
        try:
            return past_of(self._store.runs(_LOOKED_AT))
        except CalregError:
            self._is_stale.set()
            raise

    def _pause(self) -> float | None:
        if self._is_stale.is_set():
            self._is_stale.clear()  # before reading: what ends meanwhile is read the next time
            self._past = self._read()
        revision, now = self._store.revision(), self._clock()
        self._last_new = min(self._last_new, now)  # the clock may have been put back
        self._due_since = now if self._due_since is None else min(self._due_since, now)
        pause = wait_s(
            self._after, revision, self._past, self._rhythm,
            now=now, last_new=self._last_new, due_since=self._due_since,
        )  # fmt: skip
        if pause is None or pause == 0.0:
            self._due_since = None
        return pause
