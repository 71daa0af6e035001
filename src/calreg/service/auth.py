"""Who may: keys, sessions of a browser, and how often somebody may be wrong.

A key is a random token of 256 bits, so it is stored as its plain sha256 and needs no slow
hash; it is compared with every key there is, in the same time for all of them. A browser
shows its key once and then a cookie, which is worth nothing after a restart. What needs a
key is one pure function, `needs_key`: whatever is not known to be open does.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address, ip_address

from calreg.errors import UsageError
from calreg.service.settings import Key, is_key_name

__all__ = [
    "COOKIE",
    "SESSION_S",
    "Failures",
    "Keys",
    "Sessions",
    "needs_key",
    "new_key",
    "token_of",
]

COOKIE = "calreg_session"
SESSION_S = 12 * 3600

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_GUARDED = ("admin", "retag")
# What a person without a key must reach to show one.
_ALWAYS_OPEN = frozenset({"/sign-in", "/sign-out"})
_MAX_TOKEN = 512


def new_key(name: str) -> tuple[str, Key]:
    """A new key: what its owner keeps, and what the configuration holds.

    Raises:
        UsageError: It cannot be called so.
    """
    if not is_key_name(name):
        raise UsageError(
            f"a key cannot be called {name[:100]!r}",
            hint="Use letters, digits, '.', '_', '@' and '-', first a letter or digit.",
        )
    token = f"calreg_{secrets.token_urlsafe(32)}"
    return token, Key(name, _digest(token))


def needs_key(method: str, path: str, *, is_private: bool) -> bool:
    """Whether a request needs a key.

    >>> needs_key("GET", "/calibrations/m/h", is_private=False)
    False
    >>> needs_key("GET", "/admin/calibration/history", is_private=False)
    True
    """
    if path in _ALWAYS_OPEN:
        return False
    first = path.removeprefix("/").partition("/")[0]
    return is_private or method not in _SAFE or first in _GUARDED


class Keys:
    """The keys of a configuration."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def owner(self, token: str) -> str | None:
        """The name of the key that a token is; None if it is none."""
        shown = _digest(token[:_MAX_TOKEN])
        found = None
        for key in self._keys:  # all of them, whichever is the right one
            if hmac.compare_digest(shown, key.sha256):
                found = key.name
        return found if len(token) <= _MAX_TOKEN else None


class Sessions:
    """Cookies of those who showed a key; a restart ends them all.

    Args:
        clock: Seconds since 1970.
        secret: What cookies are signed with; else made here.
    """

    def __init__(self, clock: Callable[[], float], *, secret: bytes | None = None) -> None:
        self._clock = clock
        self._secret = secret or secrets.token_bytes(32)

    def begin(self, owner: str) -> str:
        """A cookie for the owner of a key."""
        text = f"{int(self._clock()) + SESSION_S}.{owner}"
        return f"{self._signature(text)}.{text}"

    def owner(self, cookie: str) -> str | None:
        """Whose cookie it is; None if it is forged or too old."""
        signature, _, text = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            return None
        until, _, owner = text.partition(".")
        return owner if self._clock() < int(until) else None

    def _signature(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


class Failures:
    """How often an address may still be wrong: a bucket of tries that fills up again.

    Args:
        clock: Seconds, from anywhere, never backwards.
        tries: So many at once.
        refill_s: Seconds until one more.
        addresses: Of so many addresses the last ones are remembered.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        tries: int = 20,
        refill_s: float = 3.0,
        addresses: int = 10_000,
    ) -> None:
        self._clock, self._tries, self._refill_s = clock, tries, refill_s
        self._limit = addresses
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def wait_s(self, address: str) -> float:
        """Count one failure; seconds to wait if it was one too many, else 0."""
        now, key = self._clock(), _network(address)
        left, seen = self._left.pop(key, (float(self._tries), now))
        left = min(float(self._tries), left + (now - seen) / self._refill_s)
        is_fine = left >= 1.0
        self._left[key] = (left - 1.0 if is_fine else left, now)
        if len(self._left) > self._limit:
            self._left.popitem(last=False)
        return 0.0 if is_fine else (1.0 - left) * self._refill_s


def token_of(headers: Mapping[str, str]) -> str | None:
    """The key in a request's headers, `Authorization: Bearer …`; None without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _network(address: str) -> str:
    """Whoever has one IPv6 address has a whole /64 of them."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else found.exploded[:19]
    return address


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
