"""A line that breaks: a proxy on loopback that stops after so many bytes, for tests.

    with TcpCut(server.port) as line:
        line.cut_after = 100      # of what the server sends, over all connections together
        ...                       # a client of line.port

What it does then: `"close"` (an end, as if all had been sent), `"reset"`, `"stall"` (stays
open and silent), or any function, which is called once.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from closing import forced_to_close, reset

__all__ = ["TcpCut"]

Then = Literal["close", "reset", "stall"]


class TcpCut:
    """A proxy to a port of this machine, from `with` to its end.

    Args:
        port: Where it leads.
        cut_after: Bytes after which the line breaks; None: never.
        then: How it breaks.
        direction: Whose bytes are counted: `down` is what the server sends.
        call: What is called when it breaks.
    """

    def __init__(
        self,
        port: int,
        *,
        cut_after: int | None = None,
        then: Then = "close",
        direction: Literal["down", "up"] = "down",
        call: Callable[[], object] | None = None,
    ) -> None:
        self.target, self.cut_after, self.then = port, cut_after, then
        self.direction, self.call = direction, call
        self.passed = {"down": 0, "up": 0}
        self.is_cut = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._closing = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Where it listens, for http."""
        return f"http://127.0.0.1:{self.port}"

    def mend(self, *, cut_after: int | None = None) -> None:
        """Begin to count anew."""
        with self._lock:
            self.passed = {"down": 0, "up": 0}
            self.is_cut, self.cut_after = False, cut_after

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        forced_to_close(self._listener)
        with self._lock:
            for connection in self._open:
                forced_to_close(connection)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(client)
            if self.is_cut and self.then != "stall":
                self._break(client)
                self._forget(client)
                continue
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            self._forget(client)
            return
        with self._lock:
            self._open.add(server)
        up = threading.Thread(target=self._pump, args=(client, server, "up"))
        up.start()
        self._pump(server, client, "down")
        up.join()
        self._forget(client)
        self._forget(server)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _pump(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError):
            while raw := source.recv(65536):
                allowed = self._allowed(direction, len(raw))
                sink.sendall(raw[:allowed])
                if allowed < len(raw) and not self._go_on(source, sink):
                    return
            if not self.is_cut:
                sink.shutdown(socket.SHUT_WR)

    def _allowed(self, direction: str, count: int) -> int:
        with self._lock:
            before = self.passed[direction]
            self.passed[direction] += count
            if self.cut_after is None or direction != self.direction:
                return 0 if self.is_cut else count
            return max(0, min(count, self.cut_after - before))

    def _go_on(self, source: socket.socket, sink: socket.socket) -> bool:
        """Break the line; whether to go on reading from it."""
        with self._lock:
            is_first, self.is_cut = not self.is_cut, True
        if is_first and self.call is not None:
            self.call()
        if self.then == "stall":
            return True
        self._break(sink)
        self._break(source)
        return False

    def _break(self, connection: socket.socket) -> None:
        (reset if self.then == "reset" else forced_to_close)(connection)
