"""How much a request may ask for: bytes, time, and its share of the memory for bodies.

A body is counted and timed while it arrives, so that neither a large nor a slow one costs more
than it may. What is over a limit is a `Refused` from where the body is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.types import Message, Receive

from calreg.service.problems import Problem, Refused

__all__ = ["Body", "Budget", "too_large", "too_slow"]

_HELD_BODIES = 4
_LEAST_HELD = 128 * 2**20
_LINGER_S = 1.0
_LINGER_BYTES = 8 * 2**20


def too_large(most: int) -> Problem:
    """The answer to a body over the limit."""
    return Problem(
        413,
        "body-too-large",
        f"a body may have {most:,} bytes",
        hint="Send smaller batches; 10,000 rows each are fast.",
    )


def too_slow(timeout_s: float) -> Problem:
    """The answer to a body that does not arrive in time."""
    return Problem(
        408,
        "body-too-slow",
        f"the body did not arrive within {timeout_s:g} s",
    )


class Budget:
    """The memory that bodies may take together.

    Args:
        max_body_bytes: What one of them may take.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._left = max(_HELD_BODIES * max_body_bytes, _LEAST_HELD)

    def take(self, size: int) -> None:
        """Take some of it.

        Raises:
            Refused: None is left; in a while there is.
        """
        if size > self._left:
            raise Refused(
                Problem(
                    503,
                    "busy",
                    "too many large requests at once",
                    hint="Send the next batch when one is answered.",
                    headers={"retry-after": "1"},
                )
            )
        self._left -= size

    def give_back(self, size: int) -> None:
        """Give it back."""
        self._left += size


class Body:
    """The body of one request, counted and timed; stands in for ASGI's `receive`.

    Args:
        receive: Where the messages come from.
        most: So many bytes at most.
        timeout_s: So many seconds at most, from when it is first asked for.
        budget: The memory it takes its share of.
        is_complete: Whether there is none.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        most: int,
        timeout_s: float,
        budget: Budget,
        is_complete: bool = False,
    ) -> None:
        self._receive = receive
        self.most = most
        self._timeout_s, self._budget = timeout_s, budget
        self._deadline: float | None = None
        self._size = 0
        self.is_complete = is_complete

    async def receive(self) -> Message:
        """The next message.

        Raises:
            Refused: Too large, too slow, or no memory is left for it.
        """
        if self.is_complete:
            return await self._receive()
        message = await self._in_time()
        if message["type"] != "http.request":
            self.is_complete = True
            return message
        size = len(message.get("body", b""))
        if self._size + size > self.most:
            raise Refused(too_large(self.most))
        self._budget.take(size)
        self._size += size
        self.is_complete = not message.get("more_body", False)
        return message

    async def _in_time(self) -> Message:
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + self._timeout_s
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError:
            raise Refused(too_slow(self._timeout_s)) from None

    def release(self) -> None:
        """Give its share of the memory back."""
        self._budget.give_back(self._size)
        self._size = 0

    async def linger(self) -> None:
        """Throw away what still comes, for a moment: who is still sending then reads the answer."""
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(_LINGER_S):
                while left > 0 and not self.is_complete:
                    message: MutableMapping[str, Any] = await self._receive()
                    left -= len(message.get("body", b""))
                    self.is_complete = not message.get("more_body", False)
        except TimeoutError:
            return
