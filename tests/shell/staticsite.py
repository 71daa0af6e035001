"""A static web server on loopback that can be as bad as those out there, for tests.

It serves a folder: ETags and 304, `.gz` variants to whoever accepts gzip. A fault is a value
put at a path; it makes an answer out of the right one:

    with StaticSite(folder) as site:
        site.faults["/index.json"] = truncated(at=10)

`"*"` stands for every path. To add a fault: a function that returns one, and its name in
`__all__`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from closing import forced_to_close

__all__ = [
    "Answer",
    "Fault",
    "Request",
    "StaticSite",
    "always_304",
    "appended",
    "bomb",
    "dated",
    "drip",
    "empty",
    "endless",
    "flipped",
    "gone",
    "header_flood",
    "html",
    "instead",
    "other_json",
    "promising",
    "redirect",
    "stale",
    "stalled",
    "truncated",
    "unavailable",
    "utf16",
    "with_bom",
]

_BLOCK = 16 * 1024
_TYPES = {".json": "application/json", ".html": "text/html", ".sig": "text/plain"}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, and how it was answered: `sent` counts the bytes of the body."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int
    sent: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Args:
        status: Of HTTP.
        headers: In this order; `Content-Length` is added.
        body: In blocks.
        length: What `Content-Length` promises; None: no promise, the end is the end.
        bytes_per_s: How fast, at most.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: Callable[[], Iterator[bytes]] = lambda: iter(())
    length: int | None = 0
    bytes_per_s: float | None = None

    @classmethod
    def of(cls, raw: bytes, *, status: int = 200, kind: str = "application/json") -> Answer:
        """A complete answer of these bytes."""
        return cls(status, (("Content-Type", kind),), lambda: iter((raw,)), len(raw))

    def whole(self) -> bytes:
        """The body, at once."""
        return b"".join(self.body())

    def without(self, *names: str) -> tuple[tuple[str, str], ...]:
        """The headers but these."""
        return tuple((name, value) for name, value in self.headers if name not in names)


Fault = Callable[[str, Mapping[str, str], Answer], Answer]
"""From a path, a request's headers and the right answer to another answer."""


# --- faults of time and amount ------------------------------------------------------------


def drip(bytes_per_s: float) -> Fault:
    """The right answer, slowly."""
    return lambda _path, _asked, right: replace(right, bytes_per_s=bytes_per_s)


def stalled(*, after: int = 0) -> Fault:
    """The right answer's first bytes, and then nothing at all."""

    def body(right: Answer) -> Iterator[bytes]:
        yield right.whole()[:after]
        while True:
            yield b""

    return lambda _path, _asked, right: replace(right, body=lambda: body(right), length=10**6)


def endless(*, promised: int | None = None) -> Fault:
    """The right answer, and then spaces for ever."""

    def body(right: Answer) -> Iterator[bytes]:
        yield from right.body()
        while True:
            yield b" " * _BLOCK

    def fault(_path: str, _asked: Mapping[str, str], right: Answer) -> Answer:
        headers = right.without("Content-Encoding")
        return replace(
            right, status=200, headers=headers, body=lambda: body(right), length=promised
        )

    return fault


def truncated(*, at: int) -> Fault:
    """The right answer's length is promised, the connection closed after so many bytes."""
    return lambda _path, _asked, right: replace(right, body=lambda: iter((right.whole()[:at],)))


def promising(length: int) -> Fault:
    """The right answer under a wrong `Content-Length`."""
    return lambda _path, _asked, right: replace(right, length=length)


def bomb(decoded_bytes: int) -> Fault:
    """Spaces, compressed by a thousand to one."""

    def body() -> Iterator[bytes]:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        block = b" " * 2**20
        for _ in range(decoded_bytes // len(block)):
            yield packer.compress(block)
        yield packer.flush()

    def fault(_path: str, _asked: Mapping[str, str], right: Answer) -> Answer:
        headers = (*right.without("Content-Encoding"), ("Content-Encoding", "gzip"))
        return replace(right, status=200, headers=headers, body=body, length=None)

    return fault


def header_flood(count: int, *, size: int = 100) -> Fault:
    """The right answer below a heap of headers."""
    flood = tuple((f"X-Flood-{number}", "x" * size) for number in range(count))
    return lambda _path, _asked, right: replace(right, headers=(*flood, *right.headers))


# --- faults of content --------------------------------------------------------------------


def instead(raw: bytes, *, kind: str = "application/json", status: int = 200) -> Fault:
    """These bytes, whatever was asked for."""
    return lambda _path, _asked, _right: Answer.of(raw, kind=kind, status=status)


def html() -> Fault:
    """A captive portal: 200, and a page to log in."""
    return instead(b"<!doctype html><title>Welcome to the airport</title>\n", kind="text/html")


def other_json() -> Fault:
    """A JSON document of somebody else's."""
    return instead(b'{"message": "Not Found", "schema": "https://example.org/error"}\n')


def empty() -> Fault:
    """200, and no bytes."""
    return instead(b"")


def with_bom() -> Fault:
    """The right document behind a byte order mark."""
    return _changed(lambda raw: b"\xef\xbb\xbf" + raw)


def utf16() -> Fault:
    """The right document in another encoding."""
    return _changed(lambda raw: raw.decode("utf-8").encode("utf-16"))


def flipped(*, at: int, bit: int = 0) -> Fault:
    """The right answer with one bit of one byte turned over."""
    return _changed(lambda raw: raw[:at] + bytes([raw[at] ^ (1 << bit)]) + raw[at + 1 :])


def appended(more: bytes) -> Fault:
    """The right answer with something after it."""
    return _changed(lambda raw: raw + more)


def _changed(change: Callable[[bytes], bytes]) -> Fault:
    def fault(_path: str, _asked: Mapping[str, str], right: Answer) -> Answer:
        raw = right.whole()
        if ("Content-Encoding", "gzip") in right.headers:
            raw = gzip.decompress(raw)
        headers = right.without("Content-Encoding")
        changed = change(raw)
        return replace(right, headers=headers, body=lambda: iter((changed,)), length=len(changed))

    return fault


# --- faults of state ----------------------------------------------------------------------


def always_304() -> Fault:
    """Nothing new, whatever the reader has; the right answer to one who has nothing."""

    def fault(_path: str, asked: Mapping[str, str], right: Answer) -> Answer:
        return Answer(304, right.headers) if "If-None-Match" in asked else right

    return fault


def stale(folder: Path) -> Fault:
    """What an older folder holds, as a cache in between would serve it."""
    return lambda path, asked, _right: _file_answer(folder, path, asked)


def unavailable(status: int = 503, *, retry_after: str | None = None) -> Fault:
    """A server's error, perhaps with a wish when to come again."""
    more = (("Retry-After", retry_after),) if retry_after is not None else ()
    raw = b"out of order\n"
    return lambda _path, _asked, _right: replace(
        Answer.of(raw, kind="text/plain", status=status),
        headers=(("Content-Type", "text/plain"), *more),
    )


def gone() -> Fault:
    """404."""
    return unavailable(404)


def redirect(to: str, *, status: int = 302) -> Fault:
    """Go elsewhere; `{path}` in the address is what was asked for."""
    return lambda path, _asked, _right: Answer(status, (("Location", to.format(path=path)),))


def dated(when: object) -> Fault:
    """The right answer from a server with another clock."""
    stamp = format_datetime(when, usegmt=True)  # type: ignore[arg-type]
    return lambda _path, _asked, right: replace(right, headers=(*right.headers, ("Date", stamp)))


# --- the server ---------------------------------------------------------------------------


@dataclass
class StaticSite:
    """A server of the files below a folder, from `with` to its end.

    Args:
        folder: What is served; it may change meanwhile.
        token: The password that requests must carry in a Basic authorization, if any.

    `requests` holds every request that was answered, `faults` what is wrong, by path.
    """

    folder: Path
    token: str | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.closing = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def bytes_sent(self) -> int:
        """How many bytes of bodies were sent."""
        return sum(request.sent for request in self.requests)

    def asked(self, path: str) -> list[Request]:
        """The requests for one path."""
        return [request for request in self.requests if request.path == path]

    def forget(self) -> None:
        """Begin to count anew, without faults."""
        self.requests.clear()
        self.faults.clear()

    def answer(self, path: str, asked: Mapping[str, str]) -> Answer:
        """What is sent to somebody who asks for a path."""
        if self.token is not None and not _is_allowed(asked.get("Authorization"), self.token):
            return Answer(401, (("WWW-Authenticate", 'Basic realm="site"'),))
        right = _file_answer(self.folder, path, asked)
        fault = self.faults.get(path) or self.faults.get("*")
        return fault(path, asked, right) if fault else right

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _is_allowed(authorization: str | None, token: str) -> bool:
    from base64 import b64decode

    _, _, encoded = (authorization or "").partition(" ")
    return b64decode(encoded).decode().endswith(f":{token}")


def _file_answer(folder: Path, path: str, asked: Mapping[str, str]) -> Answer:
    file = folder / unquote(path).lstrip("/")
    packed = file.with_name(file.name + ".gz")
    if not file.is_file() or ".." in Path(path).parts:
        return Answer.of(b"no such file\n", status=404, kind="text/plain")
    is_packed = "gzip" in asked.get("Accept-Encoding", "") and packed.is_file()
    raw = (packed if is_packed else file).read_bytes()
    tag = f'"{hashlib.sha256(raw).hexdigest()[:32]}"'
    headers = [("Content-Type", _TYPES.get(file.suffix, "application/octet-stream"))]
    headers += [("ETag", tag), ("Vary", "Accept-Encoding")]
    if tag in asked.get("If-None-Match", ""):
        return Answer(304, tuple(headers))
    if is_packed:
        headers.append(("Content-Encoding", "gzip"))
    return Answer(200, tuple(headers), lambda: iter((raw,)), len(raw))


class _Server(ThreadingHTTPServer):
    """A server that hangs up on everybody when it closes, so that no thread waits."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            forced_to_close(connection)
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    site: StaticSite
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a header a packet would cost more than the whole test
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay quiet."""

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def _serve(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path
        answer = self.site.answer(path, dict(self.headers.items()))
        self.send_response_only(answer.status)
        if "Date" not in dict(answer.headers):
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.length is None or not with_body:
            self.send_header("Connection", "close")
        if answer.length is not None and answer.status != 304:
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        sent = 0
        try:
            self.wfile.flush()
            if with_body and answer.status != 304:
                for block in self._paced(answer):
                    self.wfile.write(block)
                    self.wfile.flush()
                    sent += len(block)
        except OSError:
            self.close_connection = True
        if answer.length is None or sent != answer.length:
            self.close_connection = True
        self.site.requests.append(
            Request(self.command, path, dict(self.headers.items()), answer.status, sent)
        )

    def _paced(self, answer: Answer) -> Iterator[bytes]:
        closing = self.site.closing
        for block in answer.body():
            if closing.is_set():
                return
            if answer.bytes_per_s is None:
                if not block:
                    closing.wait(0.02)
                    self._check_listening()
                yield block
                continue
            rest = io.BytesIO(block)
            step = max(1, int(answer.bytes_per_s / 20))
            while piece := rest.read(step):
                yield piece
                if closing.wait(len(piece) / answer.bytes_per_s):
                    return

    def _check_listening(self) -> None:
        """Notice that the other side hung up while nothing is sent."""
        self.connection.setblocking(False)
        try:
            if self.connection.recv(1, socket.MSG_PEEK) == b"":
                raise ConnectionResetError
        except BlockingIOError:
            pass
        finally:
            self.connection.setblocking(True)
