"""Charts, drawn in a process of their own.

The library that draws keeps the interpreter to itself for as long as a chart takes, and brings
130 MB: neither is for the process that answers. One child serves the whole process; it begins
with the first chart, and ends when its pipe does, however its parent ended. One that is lost is
begun again; a chart that is lost twice is words.
"""

from __future__ import annotations

import logging
import signal
import threading
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from calreg.pages.drawing import Draw
from calreg.pages.html import Html, tag
from calreg.pages.specs import Spec

__all__ = ["Easel", "easel"]

LOG = logging.getLogger("calreg.service")

_PATIENCE_S = 30.0
_TRIES = 2


class Easel:
    """Draws one chart after the other, for any thread.

    `failures` counts those that could not be drawn: a page that lacks one is not to be kept.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._lock = threading.Lock()
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None

    @property
    def draw(self) -> Draw | None:
        """What draws; None if the library is not installed."""
        return self._draw if find_spec("vl_convert") is not None else None

    @property
    def process(self) -> int | None:
        """The child's id; None if there is none."""
        return self._child.pid if self._child is not None else None

    def _draw(self, spec: Spec, words: str) -> Html:
        with self._lock:
            for _ in range(_TRIES):
                try:
                    return self._asked(spec, words)
                except (EOFError, OSError) as error:
                    LOG.warning("what draws charts was lost: %r", error)
                    self.close()
            self.failures += 1
        return tag("p", "This chart could not be drawn. ", words, class_="soft")

    def _asked(self, spec: Spec, words: str) -> Html:
        pipe = self._pipe or self._begin()
        pipe.send((spec, words))
        if not pipe.poll(_PATIENCE_S):
            raise TimeoutError(f"no chart after {_PATIENCE_S:.0f} s")
        return Html(pipe.recv())

    def _begin(self) -> Connection:
        context = get_context("spawn")  # a fork would copy threads and locks half-way
        ours, theirs = context.Pipe()
        child = context.Process(target=_serve, args=(theirs,), name="calreg-draw", daemon=True)
        child.start()
        theirs.close()  # so that its end is seen
        self._child, self._pipe = child, ours
        return ours

    def close(self) -> None:
        """End the child; the next chart begins another."""
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._child.kill()
            self._child.join()
        self._child = self._pipe = None


@cache
def easel() -> Easel:
    """The one of this process."""
    return Easel()


def _serve(pipe: Connection) -> None:
    """Draw what comes, until nobody is there any more."""
    from calreg.pages.drawing import drawer

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    draw = drawer()
    while draw is not None:
        try:
            spec, words = pipe.recv()
            pipe.send(str(draw(spec, words)))
        except (EOFError, OSError):
            return
