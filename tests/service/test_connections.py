"""One connection, whatever it sends and however little it reads: real sockets, and one by hand."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest
from uvicorn.server import ServerState

from calreg.service.server import Server

_LIVE = b"GET /health?live HTTP/1.1\r\nHost: x\r\n\r\n"


def connected(service: Any) -> socket.socket:
    """A connection to a service."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=20)


def until_end(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    found = b""
    try:
        while part := connection.recv(2**16):
            found += part
    except ConnectionResetError:
        return found
    return found


def answered(connection: socket.socket) -> bytes:
    """One answer with a body."""
    found = b""
    while b"}" not in found:
        part = connection.recv(2**16)
        assert part
        found += part
    return found


def test_headers_in_parts_after_a_large_body(reading):
    """On a connection that is kept, a body is not counted as headers of the next request."""
    head = f"POST /scores HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {reading.token}\r\n"
    body = b'{"rows": []' + b" " * 200_000 + b"}"
    with closing(connected(reading)) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        connection.sendall(body)
        first = answered(connection)
        connection.sendall(_LIVE[:30])
        connection.sendall(_LIVE[30:])
        second = answered(connection)

    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")


def test_requests_ahead_have_an_end(reading):
    """Who sends thousands of requests before reading an answer is cut off, and costs no memory."""
    with closing(connected(reading)) as connection:
        with suppress(ConnectionError):
            connection.sendall(_LIVE * 4000)
        found = until_end(connection)

    assert found.count(b"HTTP/1.1 ") < 100


def test_some_requests_ahead_are_answered_in_order(reading):
    """A few requests that are sent at once are each answered."""
    with closing(connected(reading)) as connection:
        connection.sendall(
            _LIVE * 5 + b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        found = until_end(connection)

    assert found.count(b"HTTP/1.1 200 ") == 5
    assert found.rindex(b"HTTP/1.1 404 ") > found.rindex(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("size", [70_000, 200_000])
def test_a_whole_header_may_be_too_long_too(reading, size):
    """Headers over the limit are refused also where they come all at once."""
    with closing(connected(reading)) as connection:
        connection.sendall(b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        found = until_end(connection)

    assert found.startswith(b"HTTP/1.1 431 ")


def test_a_long_path_is_answered_shortly(reading):
    """An error repeats a little of a path; nobody is kept busy by a long one."""
    with closing(connected(reading)) as connection:
        head = b"Host: x\r\nConnection: close\r\n\r\n"
        connection.sendall(b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n" + head)
        found = until_end(connection)

    assert found.startswith(b"HTTP/1.1 404 ")
    assert len(found) < 2000


class Waiting:
    """A loop's clock by hand: what is to be called later is kept."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, act: Callable[..., None], *values: Any) -> Any:
        """Keep it."""
        self.later.append((seconds, lambda: act(*values)))
        return self

    def cancel(self) -> None:
        """Forget nothing: who cancels asks for the last one only to be dropped."""


class Unread:
    """A connection of which so many bytes are not read yet."""

    def __init__(self, *left: int) -> None:
        self._left = list(left)
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        """What is left, less each time if so told."""
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]

    def get_extra_info(self, _name: str) -> None:
        """Nothing."""

    def is_closing(self) -> bool:
        """Not yet."""
        return self.is_aborted

    def abort(self) -> None:
        """Cut it."""
        self.is_aborted = True


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answers nothing."""


@pytest.mark.parametrize(
    ("left", "is_cut"), [((100_000,), True), ((100_000, 90_000), True), ((300_000, 100_000), False)]
)
def test_an_answer_that_nobody_reads_is_given_up(left, is_cut):
    """Who stops reading, or reads next to nothing, loses the connection; a slow one keeps it."""
    loop, transport = Waiting(), Unread(*left)
    config = Server(nothing, ready=Waiting, before_end=Waiting).config
    protocol: Any = config.http(config, ServerState(), {}, loop)
    protocol.connection_made(transport)
    protocol.pause_writing()
    seconds, look = loop.later[-1]

    look()

    assert seconds < 60
    assert transport.is_aborted is is_cut


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /calibrations/a/b HTTP/1.1\r\nHost: x\r\n\r\n" * 5 + b"\0",
        b"GET /calibrations/a/b HTTP/1.1\r\nHost: x\r\n\r\n" * 5,
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nkey=",
    ],
    ids=["nonsense", "ahead", "half"],
)
def test_who_hangs_up_writes_nothing_into_the_log(reading, caplog, sent):
    """Requests end with their connection, and it is no bug: nobody floods the log by leaving."""
    for _ in range(20):
        with closing(connected(reading)) as connection:
            connection.sendall(sent)
    for _ in range(20):
        assert reading.get("/calibrations/a/b").status_code == 404

    assert [record.getMessage() for record in caplog.records] == []
