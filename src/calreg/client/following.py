"""Look now and then whether there is anything new, in a thread of its own.

What is looked at, and what is done about it, is handed in; here is when. Whatever happens
in a look, the next one comes: later and later while they fail, never all of a fleet at once.
A process that was forked has no such thread; whoever follows starts one there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Following", "Pace", "Wait"]

Wait = Callable[[threading.Event, float], bool]
"""Waits for an event, at most some seconds; whether it came."""

_MOST_S = 3600.0
_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait between two looks.

    Args:
        interval_s: Between looks that succeed, a tenth more or less by chance.
        most_s: Where the doubling after failures ends, if the interval is not longer still.
    """

    interval_s: float = 300.0
    most_s: float = _MOST_S

    def first_s(self, chance: float) -> float:
        """Seconds to the first look: within a tenth of the interval.

        >>> Pace(300).first_s(0.5)
        15.0
        """
        return self.interval_s / 10 * chance

    def next_s(self, failures: int, chance: float) -> float:
        """Seconds to the next look, after some failures in a row.

        Args:
            failures: 0 after a look that succeeded.
            chance: From 0 to 1, another one each time.

        >>> [Pace(300).next_s(failures, 1.0) for failures in (0, 1, 2, 3, 9)]
        [330.0, 300.0, 600.0, 1200.0, 3600.0]
        """
        if failures == 0:
            return self.interval_s * (0.9 + 0.2 * chance)
        doubled = self.interval_s * 2.0 ** min(failures - 1, _MAX_DOUBLINGS)
        return min(doubled, max(self.most_s, self.interval_s)) * (0.5 + 0.5 * chance)


class Following:
    """A thread that looks now and then, until it is told to stop.

    Args:
        look: Called each time; what it raises is told, and it is called again all the same.
        told: Called with what a look raised.
        pace: When.
        chance: A number from 0 to 1, another one each time.
        wait: Waits between two looks.
    """

    def __init__(
        self,
        look: Callable[[], None],
        told: Callable[[Exception], None],
        *,
        pace: Pace,
        chance: Callable[[], float],
        wait: Wait = threading.Event.wait,
    ) -> None:
        self._look, self._told = look, told
        self._pace, self._chance, self._wait = pace, chance, wait
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calreg", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it goes on looking; not in a process that was forked since."""
        return self._thread.is_alive()

    def end(self, timeout_s: float | None = None) -> None:
        """Stop looking; wait for a look that is under way, at most some seconds."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        failures = 0
        delay_s = self._pace.first_s(self._chance())
        while not self._wait(self._ended, delay_s):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the edge of a thread: nobody is above it
                failures += 1
                self._told(error)
            else:
                failures = 0
            delay_s = self._pace.next_s(failures, self._chance())
