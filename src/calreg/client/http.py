"""Files of a web server, each asked for once, whole and within bounds.

`Files` reads them over connections that are kept, within the deadline of the whole operation,
never more bytes than announced, decoded ones included. A redirect is followed on the same
server only, and a password goes to no other. Messages hold neither user, password nor query.

What a file means, and whether to try again, is decided by whoever asks. This never writes,
and keeps nothing between two runs.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from calreg import __version__
from calreg.client.address import Address, Proxy, proxy_for, shown_origin
from calreg.client.connection import Connection, Head, connected, garbled, over_tls, too_large
from calreg.client.deadline import Deadline
from calreg.errors import CalregError, TransportError

__all__ = ["Answer", "Files", "HttpStatusError"]

_AGENT = f"calreg/{__version__}"
_MAX_REDIRECTS = 5
_MAX_CONNECTIONS = 8
_MAX_TAG = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A store that nobody may list says 403 for what is not there.
_MISSING = frozenset({403, 404, 410})


class HttpStatusError(TransportError):
    """A server's own answer that it will not: by status."""

    default_code = "http-status"

    def __init__(self, message: str, *, status: int, retry_after: str | None) -> None:
        hint = _STATUS_HINTS.get(status)
        if status == 429 or status >= 500:
            hint = "Try again later."
            if retry_after is not None and retry_after.isdigit():
                hint = f"The server asks to be left alone for {int(retry_after[:9])} s."
        super().__init__(message, hint=hint)
        self.status = status


_STATUS_HINTS = {
    401: "Write user and password into the address: https://user:password@host/.",
    403: "Check user and password in the address.",
    407: "Write user and password into the proxy's address.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One file, as it was served.

    Args:
        body: Its bytes, decoded; empty if it is not modified.
        etag: What the server calls this state of it.
        kind: Its media type, in lower case; empty if the server does not say.
        is_unmodified: It is what the asker knows.
    """

    body: bytes
    etag: str | None = None
    kind: str = ""
    is_unmodified: bool = False


class Files:
    """The files below one address, read within one deadline; from `with` to its end.

    `bytes_read` counts all that came over the wire, heads included.
    """

    def __init__(self, address: Address, deadline: Deadline) -> None:
        self.address = address
        self._deadline = deadline
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._proxy = proxy_for(address)
        self.bytes_read = 0

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        self.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up all connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def get(
        self, path: str, *, max_bytes: int, etag: str | None = None, is_fresh: bool = False
    ) -> Answer:
        """One file.

        Args:
            path: Below the address.
            max_bytes: More than this, decoded, is refused; what does not fit is not read.
            etag: The state that the asker knows.
            is_fresh: Ask caches on the way to look at the server.

        Raises:
            TransportError: It cannot be had, or not in time, or not as a whole.
        """
        found = self._get(path, max_bytes, etag, is_fresh=is_fresh)
        if isinstance(found, Answer):
            return found
        raise self._refused(path, found)

    def find(self, path: str, *, max_bytes: int, is_fresh: bool = False) -> Answer | None:
        """One file, or None if the server has none at that path."""
        found = self._get(path, max_bytes, None, is_fresh=is_fresh)
        if isinstance(found, Answer):
            return found
        if found.status in _MISSING:
            return None
        raise self._refused(path, found)

    def find_all(self, wanted: Mapping[str, int], *, is_fresh: bool = False) -> dict[str, Answer]:
        """Those of several files that are there, by path; up to eight at a time.

        Args:
            wanted: Path to the most bytes it may have.
            is_fresh: Ask caches on the way to look at the server.

        Raises:
            TransportError: The first failure, which ends all.
        """
        return _Crowd(self, wanted, is_fresh=is_fresh).answers()

    # --- one question ---------------------------------------------------------------------

    def _get(self, path: str, max_bytes: int, etag: str | None, *, is_fresh: bool) -> Answer | Head:
        """The file, or the head of an answer that is none."""
        headers = {"Accept": "*/*", "Accept-Encoding": "gzip"}
        if etag is not None:
            headers["If-None-Match"] = etag
        if is_fresh:
            headers["Cache-Control"] = "no-cache"
        target = self.address.target(path)
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                found = self._asked(target, headers, max_bytes)
                if isinstance(found, Answer) or found.status not in _REDIRECTS:
                    return _checked(found, etag)
                target = self._redirected(target, found)
            raise TransportError(
                f"sent elsewhere more than {_MAX_REDIRECTS} times", code="redirect"
            )
        except CalregError as error:
            error.where = error.where or self.address.shown(path)
            raise

    def _asked(self, target: str, headers: Mapping[str, str], max_bytes: int) -> Answer | Head:
        connection, head = self._head_of(target, headers)
        before = connection.bytes_read
        is_whole = False
        try:
            if head.status == 200:
                found: Answer | Head = _answer(
                    head, b"".join(_decoded(connection, head, max_bytes))
                )
                is_whole = True
            else:
                # The body of a refusal is not read: it is short, or not worth it.
                found, is_whole = head, head.length == 0
        finally:
            with self._lock:
                self.bytes_read += connection.bytes_read - before
            self._put_back(connection, is_kept=is_whole and head.is_kept)
        return found

    def _head_of(self, target: str, headers: Mapping[str, str]) -> tuple[Connection, Head]:
        while True:
            connection = self._connection()
            before, is_used = connection.bytes_read, connection.is_used
            try:
                head = connection.ask(self._request(target, headers))
            except ConnectionError as error:
                connection.close()
                # A server may hang up on a connection that was idle; then a new one is made.
                if not is_used:
                    raise TransportError(
                        "the server hung up without an answer", code="truncated"
                    ) from error
            except BaseException:
                connection.close()
                raise
            else:
                with self._lock:
                    self.bytes_read += connection.bytes_read - before
                return connection, head

    def _request(self, target: str, headers: Mapping[str, str]) -> bytes:
        address = self.address
        sent = {"Host": address.netloc, "User-Agent": _AGENT, **headers}
        if address.authorization:
            sent["Authorization"] = address.authorization
        if self._proxy and address.scheme == "http":
            # A proxy is told the whole address; through a tunnel it hears nothing.
            return _request(f"http://{address.netloc}{target}", {**sent, **self._proxy.headers})
        return _request(target, sent)

    def _redirected(self, target: str, head: Head) -> str:
        """Where a redirect leads, if it stays on this server."""
        location = head.headers.get("location", "")
        found = self.address.redirected(target, location) if location else None
        if found is None:
            raise TransportError(
                f"sends us to {shown_origin(location)}, which is refused: it is another server",
                hint="If that is where the site is now, give its address.",
                code="redirect",
            )
        return found

    def _refused(self, path: str, head: Head) -> HttpStatusError:
        error = HttpStatusError(
            f"the server answers {head.status}{_WORDS.get(head.status, '')}",
            status=head.status,
            retry_after=head.headers.get("retry-after"),
        )
        error.where = self.address.shown(path)
        return error

    # --- connections ----------------------------------------------------------------------

    def _connection(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._connected()

    def _connected(self) -> Connection:
        address = self.address
        gate = self._proxy or address
        plain = connected(gate.host, gate.port, self._deadline)
        try:
            if address.scheme == "https":
                if self._proxy:
                    self._open_tunnel(Connection(plain, self._deadline), self._proxy)
                plain = over_tls(plain, address.host, self._deadline)
        except BaseException:
            plain.close()
            raise
        return Connection(plain, self._deadline)

    def _open_tunnel(self, connection: Connection, proxy: Proxy) -> None:
        to = f"{self.address.host_shown}:{self.address.port}"
        headers = {"Host": to, "User-Agent": _AGENT, **proxy.headers}
        try:
            head = connection.ask(_request(to, headers, method="CONNECT"))
        except ConnectionError as error:
            raise TransportError("the proxy hung up", code="unreachable") from error
        if head.status != 200:
            raise HttpStatusError(
                f"the proxy answers {head.status}{_WORDS.get(head.status, '')}",
                status=head.status,
                retry_after=None,
            )

    def _put_back(self, connection: Connection, *, is_kept: bool) -> None:
        if not is_kept:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)


_WORDS = {
    401: " (it wants user and password)",
    403: " (forbidden)",
    404: " (not found)",
    429: " (too many requests)",
    500: " (its own error)",
    502: " (what is behind it fails)",
    503: " (unavailable)",
    504: " (what is behind it is too slow)",
}


def _request(target: str, headers: Mapping[str, str], *, method: str = "GET") -> bytes:
    lines = (f"{name}: {value}" for name, value in headers.items())
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def _checked(found: Answer | Head, etag: str | None) -> Answer | Head:
    if isinstance(found, Answer) or found.status != 304:
        return found
    if etag is None:
        raise HttpStatusError(
            "the server answers 304 (not modified) to somebody who has nothing",
            status=304,
            retry_after=None,
        )
    return Answer(b"", _tag(found) or etag, is_unmodified=True)


def _answer(head: Head, body: bytes) -> Answer:
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Answer(body, _tag(head), kind)


def _tag(head: Head) -> str | None:
    """The answer's ETag, if it is one that can be sent back."""
    tag = head.headers.get("etag", "")
    return tag if 0 < len(tag) <= _MAX_TAG and tag.isascii() and tag.isprintable() else None


def _decoded(connection: Connection, head: Head, max_bytes: int) -> Iterator[bytes]:
    """The blocks of a file's bytes, `max_bytes` of them at most."""
    coding = head.headers.get("content-encoding", "identity").lower()
    if coding not in {"gzip", "x-gzip", "identity", ""}:
        raise garbled(f"it is encoded as {coding[:40]!r}, which nobody asked for")
    if "gzip" not in coding:
        _refuse_announced(head, max_bytes)
        yield from connection.body(head, max_bytes=max_bytes)
        return
    # gzip makes nothing longer than this, so that more is not even read.
    most = max_bytes + max_bytes // 1000 + 1024
    _refuse_announced(head, most)
    yield from _unzipped(connection.body(head, max_bytes=most), max_bytes)


def _refuse_announced(head: Head, max_bytes: int) -> None:
    if head.length is not None and head.length > max_bytes:
        raise too_large(max_bytes)


def _unzipped(blocks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    packer = zlib.decompressobj(wbits=31)
    left = max_bytes
    try:
        for block in blocks:
            rest = block
            while rest and not packer.eof:
                found = packer.decompress(rest, left + 1)
                left -= len(found)
                if left < 0:
                    raise too_large(max_bytes)
                yield found
                rest = packer.unconsumed_tail
            if packer.unused_data or (rest and packer.eof):
                raise garbled("something follows its compressed bytes")
    except zlib.error as error:
        raise garbled("it is not the gzip that it says it is") from error
    if not packer.eof:
        raise TransportError(
            "the answer broke off: its compressed bytes end early", code="truncated"
        )


class _Crowd:
    """Many questions at a time, over as many connections."""

    def __init__(self, files: Files, wanted: Mapping[str, int], *, is_fresh: bool) -> None:
        self._files, self._is_fresh = files, is_fresh
        self._wanted = iter(wanted.items())
        self._count = min(_MAX_CONNECTIONS, len(wanted))
        self._lock = threading.Lock()
        self._found: dict[str, Answer] = {}
        self._problems: list[BaseException] = []

    def answers(self) -> dict[str, Answer]:
        """All of them, or the first problem."""
        # One of the threads is ours.
        threads = [
            threading.Thread(target=self._work_aside, daemon=True) for _ in range(self._count - 1)
        ]
        for thread in threads:
            thread.start()
        try:
            self._work()
            for thread in threads:
                thread.join()
        except BaseException as interrupt:
            self._problems.append(interrupt)  # the others stop after what they are at
            raise
        if self._problems:
            raise self._problems[0]
        return self._found

    def _work(self) -> None:
        while not self._problems:
            with self._lock:
                path, max_bytes = next(self._wanted, ("", 0))
            if not path:
                return
            try:
                found = self._files.find(path, max_bytes=max_bytes, is_fresh=self._is_fresh)
            except CalregError as problem:
                self._problems.append(problem)
                return
            if found is not None:
                self._found[path] = found

    def _work_aside(self) -> None:
        try:
            self._work()
        except BaseException as problem:  # noqa: BLE001 -- raised where all are asked for
            self._problems.append(problem)
