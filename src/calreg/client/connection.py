"""One connection that speaks HTTP/1.1, and ends when the deadline does, whatever is sent.

It reads answers and judges their form: lines, headers, how long a body is and whether all of
it came. Every wait is for what is left of the whole operation, so that no server, dripping
bytes one at a time, outlives it. What an answer means is `http`'s. Written upon sockets,
because `http.client` and what it imports cost more than a question that is answered by
"nothing new": docs/decisions/0017.

References:
    RFC 9112, HTTP/1.1: messages (4), headers (5), framing of bodies (6), chunks (7.1).
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from calreg.client.deadline import Deadline
from calreg.errors import RegistryError, TransportError

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["STALL_S", "Connection", "Head", "connected", "garbled", "over_tls", "too_large"]

STALL_S = 20.0
"""Seconds of silence after which a server is given up, if the deadline allows that long."""

_BLOCK = 256 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_MAX_LINE_BYTES = 16 * 1024
_MAX_REMARKS = 8
_BODILESS = frozenset({204, 304})
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9]{2})(?: .*)?", re.DOTALL)
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of an answer.

    Args:
        status: The three digits.
        headers: By lower-case name; what came twice is joined by commas.
        is_kept: Whether the server lets the connection be used again.
    """

    status: int
    headers: Mapping[str, str]
    is_kept: bool

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks that say how long they are."""
        return "transfer-encoding" in self.headers

    @property
    def length(self) -> int | None:
        """The bytes of the body as it travels; None if only its end says so."""
        if self.status in _BODILESS:
            return 0
        stated = self.headers.get("content-length")
        return None if stated is None or self.is_chunked else int(stated)


def garbled(problem: str) -> TransportError:
    """The error for an answer that is not HTTP as we understand it."""
    return TransportError(f"the answer is garbled: {problem}", code="garbled")


def too_large(max_bytes: int) -> RegistryError:
    """The error for an answer with more bytes than anybody announced or allowed."""
    return RegistryError(
        f"has more than the {max_bytes:,} bytes that are expected", code="too-large"
    )


def _truncated(problem: str) -> TransportError:
    return TransportError(f"the answer broke off: {problem}", code="truncated")


def connected(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A socket to the first address of a host that answers.

    Raises:
        TransportError: None does, or the host is not known.
    """
    addresses = _resolved(host, port, deadline)
    problem = "it has no address"
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        found = socket.socket(family, kind, protocol)
        try:
            # Of several addresses the first must not use up all the time.
            found.settimeout(min(STALL_S, deadline.left_s() / (len(addresses) - number)))
            found.connect(address)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            found.close()
            problem = (error.strerror or str(error)).lower()
        except BaseException:
            found.close()
            raise
        else:
            return found
    deadline.left_s()
    raise _unreachable(host, problem)


def _unreachable(host: str, problem: str) -> TransportError:
    return TransportError(
        f"cannot reach {host}: {problem}",
        hint="Check the address and the network.",
        code="unreachable",
    )


_Addresses = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]]


def _resolved(host: str, port: int, deadline: Deadline) -> _Addresses:
    found: list[_Addresses] = []
    problems: list[OSError] = []

    def look() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:
            problems.append(error if isinstance(error, OSError) else OSError(str(error)))

    # The system's own look-up knows no time limit: it is left behind if it takes too long.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(min(STALL_S, deadline.left_s()))
    if found:
        return found[0]
    deadline.left_s()
    if problems:
        raise _unreachable(host, (problems[0].strerror or str(problems[0])).lower())
    raise _unreachable(host, f"its name was not found within {STALL_S:g} s")


def over_tls(plain: socket.socket, host: str, deadline: Deadline) -> socket.socket:
    """The socket with TLS upon it, the host's certificate checked.

    Raises:
        TransportError: The certificate is not good for this host, or this is no TLS.
    """
    import os
    import ssl

    # The names that requests and curl listen to; SSL_CERT_FILE is OpenSSL's own.
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    context = _tls_context(named or None)
    plain.settimeout(min(STALL_S, deadline.left_s()))
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise TransportError(
            f"{host} has no certificate that we trust: {error.verify_message}",
            hint="For a certificate authority of your own, name its file in SSL_CERT_FILE.",
            code="certificate",
        ) from error
    except OSError as error:
        deadline.left_s()
        raise _unreachable(host, (error.strerror or str(error)).lower()) from error


@cache
def _tls_context(authorities: str | None) -> SSLContext:
    """How certificates are checked: against a file or folder, or what the system trusts."""
    import os
    import ssl

    try:
        if authorities is not None and os.path.isdir(authorities):  # noqa: PTH112 -- no Path for one question
            return ssl.create_default_context(capath=authorities)
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise TransportError(
            f"cannot read the certificate authorities in {authorities}: {error}",
            hint="REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE name a file or a folder.",
            code="certificate",
        ) from error


class Connection:
    """A socket, what was read of it and not yet used, and how long all of it may take."""

    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self.socket = plain
        self._deadline = deadline
        self._rest = bytearray()
        self._is_at_end = False
        self._is_untouched = True
        self.bytes_read = 0
        self.is_used = False

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def ask(self, request: bytes) -> Head:
        """Send a request and read the head of its answer.

        Raises:
            TransportError: It broke off, or is not HTTP.
            ConnectionError: The server hung up before it answered with a single byte.
        """
        self._is_untouched = True
        self.socket.settimeout(min(STALL_S, self._deadline.left_s()))
        try:
            self.socket.sendall(request)
        except TimeoutError as error:
            raise self._stalled() from error
        for _ in range(_MAX_REMARKS):
            head = self._head()
            if head.status >= 200:  # 100 and its like come before the answer itself
                self.is_used = True
                return head
        raise garbled("more remarks than answer")

    def body(self, head: Head, *, max_bytes: int) -> Iterator[bytes]:
        """The body of an answer as it travels, block by block, all of it.

        Raises:
            TransportError: It is larger than allowed, or ends before its end.
        """
        blocks = self._chunked() if head.is_chunked else self._plain(head.length)
        total = 0
        for block in blocks:
            total += len(block)
            if total > max_bytes:
                raise too_large(max_bytes)
            yield block

    # --- heads ----------------------------------------------------------------------------

    def _head(self) -> Head:
        lines = self._head_lines()
        found = _STATUS_LINE.fullmatch(lines[0])
        if found is None:
            raise garbled("it is not HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            header = _HEADER.fullmatch(line)
            if header is None:
                raise garbled("a header is malformed")
            name, value = header[1].decode("ascii").lower(), header[2].decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        _check_framing(headers)
        words = {word.strip().lower() for word in headers.get("connection", "").split(",")}
        is_kept = "close" not in words and (found[1] != b"0" or "keep-alive" in words)
        return Head(int(found[2]), headers, is_kept)

    def _head_lines(self) -> list[bytes]:
        lines: list[bytes] = []
        total = 0
        while line := self._line():
            lines.append(line)
            total += len(line)
            if total > _MAX_HEAD_BYTES:
                raise garbled(f"its headers have more than {_MAX_HEAD_BYTES // 1024} KiB")
        if not lines:
            raise garbled("it begins with an empty line")
        return lines

    def _line(self) -> bytes:
        searched = 0
        while (end := self._rest.find(b"\n", searched)) < 0:
            searched = len(self._rest)
            if searched > _MAX_LINE_BYTES:
                raise garbled(f"a line has more than {_MAX_LINE_BYTES // 1024} KiB")
            if not self._more():
                if self._is_untouched:
                    raise ConnectionResetError("hung up without an answer")
                raise _truncated("in the middle of a line")
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line.removesuffix(b"\r")

    # --- bodies ---------------------------------------------------------------------------

    def _plain(self, length: int | None) -> Iterator[bytes]:
        """So many bytes; without a length, all there are until the server hangs up."""
        left = length
        while left is None or left > 0:
            if not self._rest and not self._more():
                if left is None:
                    return
                raise _truncated(f"{left:,} of {length:,} bytes are missing")
            block = bytes(self._rest[:left])
            del self._rest[: len(block)]
            left = None if left is None else left - len(block)
            yield block

    def _chunked(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield from self._plain(size)
            if self._line():
                raise garbled("a chunk is longer than it says")
        for _ in range(100):
            if not self._line():
                return
        raise garbled("too many trailers")

    def _chunk_size(self) -> int:
        found = _CHUNK.fullmatch(self._line())
        if found is None:
            raise garbled("a chunk does not say how long it is")
        return int(found[1], 16)

    # --- bytes ----------------------------------------------------------------------------

    def _more(self) -> bool:
        """Wait for more bytes; False at the end of all."""
        while not self._is_at_end:
            left = self._deadline.left_s()
            self.socket.settimeout(min(STALL_S, left))
            try:
                block = self.socket.recv(_BLOCK)
            except TimeoutError as error:
                if left > STALL_S:
                    raise self._stalled() from error
                continue  # the deadline says the rest
            except OSError as error:
                if self._is_untouched:
                    raise ConnectionResetError("hung up without an answer") from error
                raise _truncated((error.strerror or str(error)).lower()) from error
            self._rest += block
            self._is_untouched = self._is_untouched and not block
            self.bytes_read += len(block)
            self._is_at_end = not block
            return bool(block)
        return False

    def _stalled(self) -> TransportError:
        self._deadline.left_s()
        return TransportError(f"nothing came for {STALL_S:g} s", code="timeout")


def _check_framing(headers: Mapping[str, str]) -> None:
    """Refuse an answer that leaves open where it ends."""
    coding = headers.get("transfer-encoding")
    if coding is not None and coding.lower() != "chunked":
        raise garbled(f"its transfer coding is {coding[:40]!r}")
    if coding is not None and "content-length" in headers:
        raise garbled("it has a length and chunks")
    length = headers.get("content-length")
    if length is not None and not _LENGTH.fullmatch(length):
        raise garbled(f"its length is {length[:40]!r}")
