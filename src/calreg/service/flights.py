"""Work that many wait for at the same moment, done once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

__all__ = ["Flights"]

_T = TypeVar("_T")


class Flights(Generic[_T]):
    """What is under way, by what it is for; in one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[_T]] = {}

    async def join(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """What `make` gives, begun if nobody waits for the same already.

        Whoever stops waiting leaves it going on for the others.
        """
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(make())
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: Hashable, done: asyncio.Task[_T]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # if nobody waits any more, nobody is told either
