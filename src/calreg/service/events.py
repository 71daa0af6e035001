"""What happens, told to whoever listens: numbered events, so that a late reader can catch up.

A feed keeps its last events and wakes its listeners, who read what they have not seen yet. A
listener that falls behind what is kept misses the oldest and delays nobody: nothing is queued
for it. Events are published by any thread and awaited in an event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from calreg.errors import CalregError

__all__ = ["Event", "Feed", "Subscription", "TooManyListenersError"]

_KEPT = 256
_LISTENERS = 32


class Event(NamedTuple):
    """One thing that happened; `id` counts from 1 within its feed."""

    id: int
    kind: str
    data: Mapping[str, Any]


class TooManyListenersError(CalregError):
    """More listeners than a feed wakes."""

    default_code = "too-many-listeners"
    default_hint = "Ask for the run itself now and then instead."


class Subscription:
    """One listener's place in a feed; see `Feed.subscribe`."""

    def __init__(self, feed: Feed, after: int) -> None:
        self._feed = feed
        self._seen = after
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Have the listener look; from any thread."""
        # A loop that ended meanwhile has no listener left.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def events(self, *, heartbeat_s: float) -> AsyncGenerator[Event | None]:
        """The events as they come, None after a while without one; ends when the feed ends."""
        while True:
            self._changed.clear()
            # Before looking: nothing comes after the end.
            is_ended = self._feed.is_ended or self._feed.is_dismissed
            for event in self._feed.since(self._seen):
                self._seen = event.id
                yield event
            if is_ended:
                return
            try:
                await asyncio.wait_for(self._changed.wait(), heartbeat_s)
            except TimeoutError:
                yield None


class Feed:
    """The events of one thing, such as a run.

    Args:
        kept: As many of the last events can be caught up on.
        listeners: More are refused.
    """

    def __init__(self, *, kept: int = _KEPT, listeners: int = _LISTENERS) -> None:
        self._events: deque[Event] = deque(maxlen=kept)
        self._last = 0
        self._listeners: set[Subscription] = set()
        self._limit = listeners
        self._lock = threading.Condition()
        self._ended = threading.Event()
        self._dismissed = threading.Event()

    @property
    def is_ended(self) -> bool:
        """Whether no event will follow."""
        return self._ended.is_set()

    @property
    def is_dismissed(self) -> bool:
        """Whether nobody is to listen any more, though events may follow."""
        return self._dismissed.is_set()

    @property
    def is_full(self) -> bool:
        """Whether one more listener would be refused."""
        return len(self._listeners) >= self._limit

    def publish(self, kind: str, data: Mapping[str, Any], *, is_last: bool = False) -> None:
        """Add an event and wake whoever listens; nothing once the feed has ended."""
        with self._lock:
            if self._ended.is_set():
                return
            self._last += 1
            self._events.append(Event(self._last, kind, data))
            if is_last:
                self._ended.set()
            self._wake()

    def end(self) -> None:
        """No event follows."""
        with self._lock:
            self._ended.set()
            self._wake()

    def dismiss(self) -> None:
        """Let all listeners go, and those that come: the service is about to end."""
        with self._lock:
            self._dismissed.set()
            self._wake()

    def _wake(self) -> None:
        self._lock.notify_all()
        for listener in self._listeners:
            listener.wake()

    def since(self, seen: int) -> list[Event]:
        """The events after one, as far as they are kept."""
        with self._lock:
            return [event for event in self._events if event.id > seen]

    def wait(self, seen: int, timeout_s: float) -> list[Event]:
        """The events after one, as soon as there is any or none will be; not in an event loop."""
        with self._lock:
            self._lock.wait_for(lambda: self._last > seen or self.is_ended, timeout_s)
            return self.since(seen)

    @contextmanager
    def subscribe(self, after: int = 0) -> Iterator[Subscription]:
        """Listen for as long as the block lasts, from the event after `after` on.

        Raises:
            TooManyListenersError: As many listen already as are allowed to.
        """
        subscription = Subscription(self, after)
        with self._lock:
            if len(self._listeners) >= self._limit:
                raise TooManyListenersError(f"{self._limit} listen already, which is all there may")
            self._listeners.add(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                self._listeners.discard(subscription)
