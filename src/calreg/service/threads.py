"""Where the service waits: threads for what blocks, so that the event loop never does.

Reading, writing and watching have threads of their own. A database that hangs holds up those
who ask it, and nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["Threads"]

_READERS = 4
# One parses while the other waits for the disk; the database takes one writer at a time.
_WRITERS = 2

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threads:
    """The threads of one service."""

    def __init__(self) -> None:
        self._reading = ThreadPoolExecutor(_READERS, "calreg-read")
        self._writing = ThreadPoolExecutor(_WRITERS, "calreg-write")
        self._watching = ThreadPoolExecutor(1, "calreg-health")
        self._drawing = ThreadPoolExecutor(1, "calreg-pages")

    async def read(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work` gives, beside other readers; who stops waiting does not stop it."""
        return await self._run(self._reading, partial(work, *args, **kwargs))

    async def write(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work` gives, beside other writers."""
        return await self._run(self._writing, partial(work, *args, **kwargs))

    async def watch(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work` gives; for the one who asks how the service is."""
        return await self._run(self._watching, partial(work, *args, **kwargs))

    async def draw(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work` gives; one page at a time, so that those who read never wait for one."""
        return await self._run(self._drawing, partial(work, *args, **kwargs))

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def close(self) -> None:
        """Finish what was begun; what waits is let go."""
        for pool in (self._reading, self._writing, self._watching, self._drawing):
            pool.shutdown(cancel_futures=True)
