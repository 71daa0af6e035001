"""Requests at a steady rate over kept connections, as many users make them.

Time counts from the moment a request was due, not from when a connection was free for it: a
server that stands still for a second is seen to.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Answers:
    """What came back: seconds per request, and how many of each status."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    lasted: float = 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of the requests stayed below."""
        ranked = sorted(self.seconds)
        return 1000 * ranked[min(int(share * len(ranked)), len(ranked) - 1)]

    def __str__(self) -> str:
        rate = len(self.seconds) / self.lasted
        ranks = ", ".join(
            f"p{100 * share:g} {self.percentile(share):.1f} ms" for share in (0.5, 0.99, 0.999)
        )
        return f"{rate:,.0f} requests/s: {ranks}; statuses {self.statuses}"


class _Connection(asyncio.Protocol):
    """One connection: a request at a time, its answer read to the end."""

    def __init__(self, load: _Load) -> None:
        self.load = load
        self.buffer = bytearray()
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.load.free.append(self)

    def ask(self, raw: bytes, due: float) -> None:
        self.due = due
        self.transport.write(raw)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).lower()
        found = head.find(b"content-length:")
        stop = head.find(b"\r\n", found)
        length = int(head[found + 15 : stop if stop >= 0 else None]) if found >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        del self.buffer[: end + 4 + length]
        self.load.answered(self, int(head.split(b" ", 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.load.is_over:
            raise RuntimeError(f"the server closed a connection: {exc}")


class _Load:
    def __init__(self, requests: Sequence[bytes], count: int) -> None:
        self.requests, self.count = requests, count
        self.free: deque[_Connection] = deque()
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.answers = Answers()
        self.done = asyncio.Event()
        self.is_over = False

    def ask(self, number: int, due: float) -> None:
        raw = self.requests[number % len(self.requests)]
        if self.free:
            self.free.popleft().ask(raw, due)
        else:
            self.waiting.append((raw, due))

    def answered(self, connection: _Connection, status: int) -> None:
        answers = self.answers
        answers.seconds.append(time.perf_counter() - connection.due)
        answers.statuses[status] = answers.statuses.get(status, 0) + 1
        if self.waiting:
            connection.ask(*self.waiting.popleft())
        else:
            self.free.append(connection)
        if len(answers.seconds) == self.count:
            self.done.set()


async def steady(
    host: str, port: int, requests: Sequence[bytes], *, rate: float, seconds: float, users: int
) -> Answers:
    """Ask `requests` in turn, `rate` a second, over `users` connections."""
    loop = asyncio.get_running_loop()
    load = _Load(requests, int(rate * seconds))
    made = [
        (await loop.create_connection(lambda: _Connection(load), host, port))[0]
        for _ in range(users)
    ]
    begin = time.perf_counter()
    for number in range(load.count):
        due = begin + number / rate
        ahead = due - time.perf_counter()
        if ahead > 0.001:
            await asyncio.sleep(ahead)
        load.ask(number, due)
    await load.done.wait()
    load.answers.lasted = time.perf_counter() - begin
    load.is_over = True
    for transport in made:
        transport.close()
    return load.answers


async def slow_ones(host: str, port: int, count: int, until: asyncio.Event) -> int:
    """Connections that send a byte of a header or body a second; how many were still open."""
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "
    body = b"POST /scores HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    body += b"Content-Length: 100000\r\n\r\n"

    async def one(opening: bytes) -> bool:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(opening)
            while not until.is_set():
                writer.write(b"a")
                await writer.drain()
                if reader.at_eof():
                    return False
                await asyncio.sleep(1)
        except ConnectionError:
            return False
        finally:
            writer.close()
        return True

    found = await asyncio.gather(*(one(head if n % 2 else body) for n in range(count)))
    return sum(found)
