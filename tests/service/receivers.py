"""Receivers of webhooks: real HTTP servers on loopback that answer as they are told."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Receiver", "Request", "babbling", "dripping", "flooding", "receiver"]
__all__ += ["shaking_hands_for_ever"]

_LIMIT_S = 30.0


@dataclass(frozen=True)
class Request:
    """One delivery as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server, what it got, and what it answers: statuses in turn, the last one for ever."""

    url: str
    got: queue.Queue[Request] = field(default_factory=queue.Queue)

    def next(self) -> Request:
        """The next delivery, as soon as it comes."""
        return self.got.get(timeout=_LIMIT_S)


Answer = Callable[[BaseHTTPRequestHandler, int], None]


def plainly(handler: BaseHTTPRequestHandler, status: int) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"{}")


def dripping(handler: BaseHTTPRequestHandler, status: int) -> None:
    """Answer a header line now and then, for as long as somebody reads it."""
    ended = threading.Event()
    handler.send_response_only(status)
    handler.flush_headers()
    try:
        while not ended.wait(0.02):
            handler.wfile.write(b"X-More: of it\r\n")
    except OSError:
        handler.close_connection = True


def flooding(handler: BaseHTTPRequestHandler, status: int) -> None:
    """Answer with a body that never ends, for as long as somebody reads it."""
    handler.send_response(status)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 2**16)
    except OSError:
        handler.close_connection = True


def babbling(handler: BaseHTTPRequestHandler, status: int) -> None:
    """Answer what is no HTTP, and what a terminal would obey."""
    handler.wfile.write(b"\x1b[2J\0\x07%d\rERROR all is lost\r\n\r\n" % status)
    handler.close_connection = True


@contextmanager
def shaking_hands_for_ever() -> Iterator[str]:
    """A server that begins TLS and sends a byte of it now and then; its address."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(b"\x16\x03\x03\x3f\x00")
                while not ended.wait(0.02):
                    connection.sendall(b"\x02")
            except OSError:
                return

    def accept() -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            drip(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listening.getsockname()[1]}/hook"
        finally:
            ended.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(_LIMIT_S)


@contextmanager
def receiver(
    *statuses: int,
    answer: Answer = plainly,
    location: str = "",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Receiver]:
    """A receiver on loopback, as long as the block lasts."""
    left = list(statuses or (200,))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.put(Request(self.path, dict(self.headers), body))
            status = left.pop(0) if len(left) > 1 else left[0]
            if location:
                self.send_response_only(status)
                self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                answer(self, status)

        def log_message(self, *_arguments: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: Any) -> None:
            return  # a client that went away

    with Server(("127.0.0.1", port), Handler) as server:
        scheme = "http"
        if tls is not None:
            scheme, server.socket = "https", tls.wrap_socket(server.socket, server_side=True)
        found = Receiver(f"{scheme}://127.0.0.1:{server.server_port}/hook?for=calreg")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join(_LIMIT_S)
