"""How often a lost race is run again, and how long to wait before.

Every wait is a random part of a bound (full jitter), so that publishers that met once do not
meet again. The bound is counted in the time that a try takes here and now, since that is how
long others are in the way. Whoever lost more often waits less, so that nobody is left behind;
from the ninth loss on there must be more publishers than thought, and the bound doubles. Whoever
published a moment ago among others lets each of them have a turn.

Simulated and measured with eight publishers that never rest (`tests/benchmarks/bench_race.py`):
bounds that double from the start leave the losers behind, whose waits grow while the winners
come back at once.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Pace", "Retry"]

# In times of a try, after the first loss, the second, and so on.
_TIMES = (4.0, 3.0, 2.0, 1.0, 1.0, 0.5, 0.5, 0.5)
_MEMORY_S = 30.0
_LEAST_S = 0.05


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a lost race is run again, and how long to wait before.

    `pause`, `chance` and `clock` are handed in so that a test need not wait.

    Args:
        attempts: Tries in all.
        longest_s: No wait is longer.
        pause: Waits for seconds.
        chance: A random number from 0 to 1.
        clock: Seconds that never go back.
    """

    attempts: int = 16
    longest_s: float = 10.0
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = field(default=random.random)
    clock: Callable[[], float] = field(default=time.monotonic)

    def wait(self, lost: int, *, took_s: float = 0.2) -> None:
        """Pause after so many lost tries, of which the last took so long."""
        more = max(0, lost - len(_TIMES))
        times = _TIMES[min(lost, len(_TIMES)) - 1] * 2.0**more
        self.pause(self.chance() * min(self.longest_s, times * max(took_s, _LEAST_S)))

    def let_others_go(self, turns_s: float) -> None:
        """Pause before a first try, about as long as the others need for a turn each."""
        self.pause(min(self.longest_s, turns_s * (0.8 + 0.5 * self.chance())))


@dataclass(frozen=True, slots=True)
class Pace:
    """What a clone remembers of its last push: how long the others need for a turn each.

    A small file in the git folder, whose time counts; without one nothing is remembered.
    """

    file: Path

    def turns_s(self) -> float | None:
        """What was noted a moment ago, if others published at the same time."""
        with contextlib.suppress(OSError, ValueError):
            age = time.time() - self.file.stat().st_mtime
            if 0.0 <= age < _MEMORY_S:
                return float(self.file.read_text("ascii")[:20])
        return None

    def remember(self, took_s: float, *, others: int) -> None:
        """Note how long a try took, and how many others published since the push before."""
        with contextlib.suppress(OSError):
            if others:
                self.file.write_text(f"{max(took_s, _LEAST_S) * others:.3f}", "ascii")
            else:
                self.file.unlink(missing_ok=True)
