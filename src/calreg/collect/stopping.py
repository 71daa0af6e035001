"""Ctrl-C and SIGTERM end the collecting after the batch in hand; a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["Stop", "stoppable"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Stop:
    """Whether somebody asked to stop."""

    is_asked: bool = False

    def ask(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Stop after this batch; asked again, at once."""
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Listen to both signals meanwhile, where this program may: in the main thread."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    # A signal that the parent told us to ignore (nohup) stays ignored.
    ours = [one for one in _SIGNALS if signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, stop.ask) for one in ours}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
