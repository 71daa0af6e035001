"""uvicorn, with what it leaves open closed: slow headers, endless headers, too many connections.

It listens on a socket that is bound before anything else begins, so that a port in use is told
at once; it ends when it is told to, after what it has begun.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from calreg.errors import TransportError
from calreg.service.problems import Problem

__all__ = ["Server", "address_of", "bound", "is_local"]

_HEADER_S = 10.0
_MAX_HEADER_BYTES = 64 * 2**10
# Requests of one connection that wait for their turn; no client of ours sends any ahead.
_MAX_AHEAD = 16
# An answer that nobody reads is looked at this often, and has to shrink by so much.
_UNREAD_S = 20.0
_LEAST_READ = 20 * 2**10
_KEEP_ALIVE_S = 30
_GRACE_S = 10
_MAX_CONNECTIONS = 2000
# Files that the service itself needs: git, the database, the worker.
_OWN_FILES = 128


class _RefusedHereError(ValueError):
    """Ends the parser: what comes is over a limit."""


class _Protocol(HttpToolsProtocol):
    """A connection whose headers come in time and are not endless, or it ends.

    It ends, too, where somebody sends requests without end before reading an answer, or reads
    no answer.
    """

    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _unfinished = 0
    _begun = 0
    _is_in_headers = True
    _is_whole = True
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _most_connections():
            self._end(Problem(503, "busy", "too many connections", headers={"retry-after": "1"}))
            return
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._is_in_headers and self._waiting is None:  # the next request of a connection
            self._expect_headers()
        # What came before a request that begins in the middle of this is none of its headers.
        expected = self._begun + self._is_whole
        super().data_received(data)
        if not self._is_in_headers or self._is_whole:
            return
        self._unfinished = self._unfinished + len(data) if expected == self._begun else 0
        if self._unfinished > _MAX_HEADER_BYTES:
            self._end(_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if len(self.pipeline) >= _MAX_AHEAD:
            raise _RefusedHereError("too many requests ahead")
        self._begin()
        self._is_whole = False

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        self._expect_nothing()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_whole = self._is_in_headers = True
        self._unfinished = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if not (self._is_whole or self.pipeline):
            self._begin()  # nobody wants the rest of its body: it may be as long as headers
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        if self._unread is not None:
            self._unread.cancel()
        self._forget_requests()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        is_long = self._header_bytes > _MAX_HEADER_BYTES
        self._end(_too_large() if is_long else Problem(400, "http", msg))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _forget_requests(self) -> None:
        """Have nothing more written; the base class tells only the newest request of the end."""
        for cycle in (self._answering, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()

    def _begin(self) -> None:
        self._begun += 1
        self._header_bytes = self._unfinished = 0
        self._is_in_headers = True

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise _RefusedHereError("too long")

    def _expect_headers(self) -> None:
        late = Problem(408, "headers-too-slow", f"no whole request within {_HEADER_S:g} s")
        self._waiting = self.loop.call_later(_HEADER_S, self._end, late)

    def _expect_nothing(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _expect_reading(self) -> None:
        """Have whoever is on the other side read what waits for them, or be cut off."""
        left = self.transport.get_write_buffer_size()
        if self._unread is None and left:
            self._unread = self.loop.call_later(_UNREAD_S, self._look_at_unread, left)

    def _look_at_unread(self, before: int) -> None:
        self._unread = None
        left = self.transport.get_write_buffer_size()
        if left > before - _LEAST_READ and (self.flow.write_paused or self.transport.is_closing()):
            self.transport.abort()
            return
        self._expect_reading()

    def _end(self, problem: Problem) -> None:
        """Say why, and close: no route has seen this request."""
        self._expect_nothing()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            answer = problem.answer()
            lines = [b"HTTP/1.1 %d \r\nconnection: close\r\n" % problem.status]
            lines += [b"%s: %s\r\n" % pair for pair in answer.raw_headers]
            self.transport.write(b"".join([*lines, b"\r\n", bytes(answer.body)]))
        self._forget_requests()
        self.transport.close()
        self._expect_reading()


def _too_large() -> Problem:
    return Problem(431, "headers-too-large", "the headers are too large")


def _most_connections() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(_MAX_CONNECTIONS, soft - _OWN_FILES))


class Server(uvicorn.Server):
    """A server that ends on SIGINT and SIGTERM, and says which it was.

    Args:
        app: What answers.
        ready: Called when it answers.
        before_end: Called when it is to end, before connections are waited for.
    """

    def __init__(
        self, app: ASGIApp, *, ready: Callable[[], None], before_end: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                log_config=None,
                # What strangers send is no news; what fails is.
                log_level=logging.ERROR,
                access_log=False,
                # Whoever connects could say to be anybody else.
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._ready, self._before_end = ready, before_end
        self.signals: list[int] = []

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals; unlike uvicorn's own, do not raise them again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield  # whoever has the main thread ends this one
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to end; a second Ctrl-C waits for nobody."""
        self.signals.append(sig)
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell whoever listens to events that there are no more, then end."""
        self._before_end()
        await super().shutdown(sockets)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        TransportError: The port is in use, or may not be used; there is no such address.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except socket.gaierror as error:
        raise TransportError(f"no address {host!r}: {error.strerror}", code="listen") from error
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise TransportError(
            f"cannot listen on {address_of(host, port)}: {reason}",
            hint="Choose another with --port; 0 takes any that is free.",
            code="listen",
        ) from error


def address_of(host: str, port: int) -> str:
    """An address as it stands in a URL.

    >>> address_of("::1", 8321)
    '[::1]:8321'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_local(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host in {"localhost", "::1"} or host.startswith("127.")
