"""Where a static site is, and by which proxy the environment wants it reached.

An address is text that was checked: https, or http on this machine, with nothing in it that
could end a line of a request. What it holds of secrets is sent to its own host, and shown to
nobody.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from calreg.errors import InputError, TransportError

__all__ = ["Address", "Proxy", "proxy_for", "shown_origin"]

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PORTS = {"https": 443, "http": 80}
_SAFE = "/%:@!$&'()*+,;=~-._"
_PROXY_PORT = 8080


@dataclass(frozen=True, slots=True)
class Address:
    """Where a site is: a folder of a web server.

    Args:
        scheme: `https`, or `http` on this machine.
        host: Without brackets.
        port: Stated or usual.
        path: The folder, with a slash at both ends, quoted.
        query: Sent with every request, as some stores want it; may hold a secret.
        authorization: The header made of user and password; None without them.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    authorization: str | None = None

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address that a person typed; the site's index or page may stand for its folder.

        Raises:
            InputError: No address of an encrypted server, or of one on this machine.
        """
        if not url.isprintable() or " " in url:
            raise _no_address("holds a blank or a control character")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _no_address("is not a URL") from None
        scheme = parts.scheme.lower()
        if scheme not in _PORTS or not host or host.startswith("-"):
            raise _no_address("has no usable host" if scheme in _PORTS else "is not https")
        if scheme == "http" and host not in _LOOPBACK:
            raise _no_address("is not encrypted")
        folder, slash, last = parts.path.rpartition("/")
        if last and last not in {"index.json", "index.html"}:
            folder = f"{folder}{slash}{last}"
        user, at, _ = parts.netloc.rpartition("@")
        return cls(
            scheme, _ascii_host(host), port or _PORTS[scheme],
            f"{quote(folder, _SAFE)}/" if folder else "/", quote(parts.query, _SAFE + "?"),
            _basic(user) if at else None,
        )  # fmt: skip

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a redirect must not leave."""
        return self.scheme, self.host, self.port

    @property
    def host_shown(self) -> str:
        """The host as it stands in an address."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def netloc(self) -> str:
        """Host and port as they stand in an address."""
        if self.port == _PORTS[self.scheme]:
            return self.host_shown
        return f"{self.host_shown}:{self.port}"

    def target(self, path: str) -> str:
        """What is asked for, for a file's path below the folder."""
        return f"{self.path}{path}{f'?{self.query}' if self.query else ''}"

    def redirected(self, target: str, location: str) -> str | None:
        """What to ask for where a redirect leads; None if that is another server."""
        here = f"{self.scheme}://{self.netloc}{target}"
        try:
            to = urlsplit(urljoin(here, quote(location, _SAFE + "?#[]")))
            origin = (to.scheme, to.hostname, to.port or _PORTS.get(to.scheme))
        except ValueError:
            return None
        return urlunsplit(("", "", to.path or "/", to.query, "")) if origin == self.origin else None

    def shown(self, path: str = "") -> str:
        """A file's address without anything secret."""
        return f"{self.scheme}://{self.netloc}{self.path}{path}"


def _no_address(problem: str) -> InputError:
    # What was typed is not repeated: it may hold a password.
    return InputError(
        f"the site's address {problem}",
        hint="Write it as https://example.org/calibrations.",
        code="source",
    )


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise _no_address("has no usable host") from None


def _basic(user: str) -> str:
    named = unquote(user if ":" in user else f"{user}:")
    return f"Basic {b64encode(named.encode()).decode('ascii')}"


def shown_origin(location: str) -> str:
    """The server that an address leads to, without anything secret.

    >>> shown_origin("https://me:secret@example.org/x?token=1")
    'https://example.org'
    """
    try:
        parts = urlsplit(location)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host.isprintable() or not host:
        return "no usable address"
    return f"{parts.scheme}://{host}"[:120]


@dataclass(frozen=True, slots=True)
class Proxy:
    """What stands between us and a server, and the headers that it wants."""

    host: str
    port: int
    headers: Mapping[str, str]


def proxy_for(address: Address) -> Proxy | None:
    """The proxy that the environment names for an address, as requests and curl read it.

    Raises:
        TransportError: It names one of a kind that is not supported.
    """
    # Its reader is imported only where there is something to read.
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment
    from urllib.request import proxy_bypass_environment as is_spared  # type: ignore[attr-defined]

    named = getproxies_environment()
    url = named.get(address.scheme) or named.get("all")
    if not url or is_spared(address.host, named):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or _PROXY_PORT
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "http" or not host or not host.isprintable():
        raise TransportError(
            f"the proxy for {address.scheme} is none that is supported",
            hint=f"{address.scheme}_proxy and all_proxy may name one as http://host:port.",
            code="proxy",
        )
    user, at, _ = parts.netloc.rpartition("@")
    headers = {"Proxy-Authorization": _basic(user)} if at else {}
    return Proxy(host, port, headers)
