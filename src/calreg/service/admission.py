"""Whether a request may go on to its route, told from its first line and its headers alone.

In this order: where a page sent it from, whose key it shows, whether this place may calibrate,
how large it says it is. Nothing of the body is read before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from math import ceil
from urllib.parse import quote, urlsplit

from starlette.types import Scope

from calreg.config import SWITCH
from calreg.service.auth import COOKIE, Failures, Keys, Sessions, needs_key, token_of
from calreg.service.limits import too_large
from calreg.service.problems import Problem
from calreg.service.settings import Settings

__all__ = ["Admission", "too_many_failures"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_OF_STRANGERS = 16 * 2**10


class Admission:
    """What `settings` let through.

    Args:
        settings: Keys, limits, whether this place may calibrate.
        clock: Seconds since 1970, for sessions.
        monotonic: Seconds from anywhere, for the failures.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self.keys = Keys(settings.keys)
        self.sessions = Sessions(clock)
        self.failures = Failures(monotonic)

    def refusal(self, scope: Scope) -> Problem | None:
        """Why a request goes no further; None if it does. `scope["owner"]` is whose key it is."""
        method, path = scope["method"], scope["path"]
        headers = _headers(scope)
        # To lease items is to change something, whatever the method says.
        is_act = method not in _SAFE or path.startswith("/retag/")
        if is_act and _is_foreign(headers):
            return Problem(
                403,
                "foreign-origin",
                f"a page of {headers.get('origin', 'another site')[:200]} may not do this",
                hint="Programs send no Origin; pages of this service send their own.",
            )
        scope["owner"] = self._owner(headers)
        is_private = self._settings.private and not _is_liveness(scope)
        if scope["owner"] is None and needs_key(method, path, is_private=is_private):
            return self._unknown(scope, headers)
        if path.startswith("/admin/") and not self._settings.calibrate_heads:
            return self._production()
        return self._too_large(scope, headers)

    def most_bytes(self, scope: Scope) -> int:
        """How large a body may be: nobody without a key takes a share of the memory for batches."""
        most = self._settings.max_body_bytes
        return most if scope.get("owner") is not None else min(most, _MOST_OF_STRANGERS)

    def _owner(self, headers: Mapping[str, str]) -> str | None:
        token = token_of(headers)
        if token is not None:
            return self.keys.owner(token)
        cookie = _cookie(headers.get("cookie", ""))
        return self.sessions.owner(cookie) if cookie else None

    def _unknown(self, scope: Scope, headers: Mapping[str, str]) -> Problem:
        is_person = "text/html" in headers.get("accept", "") and token_of(headers) is None
        if is_person and not needs_key(scope["method"], scope["path"], is_private=False):
            target = {"location": f"/sign-in?next={quote(scope['path'])}"}
            return Problem(303, "unauthorized", "a key is needed", headers=target)
        wait_s = self.failure(scope)
        if wait_s > 0:
            return too_many_failures(wait_s)
        how = {"www-authenticate": "Bearer"}
        return Problem(401, "unauthorized", "a key is needed", headers=how)

    def failure(self, scope: Scope) -> float:
        """Count somebody's failure; seconds to wait if it was one too many, else 0."""
        client = scope.get("client")
        return self.failures.wait_s(client[0] if client else "unknown")

    def _production(self) -> Problem:
        where = self._settings.config_file or "calreg.yaml"
        is_by_file = self._settings.switch_from != SWITCH
        put_right = f"Set calibrate_heads: true in {where}" if is_by_file else f"Set {SWITCH}=1"
        return Problem(
            403,
            "production-mode",
            f"production mode (calibrate_heads is false by {self._settings.switch_from}): "
            "this service calibrates nothing",
            hint=f"{put_right} and start it again.",
        )

    def _too_large(self, scope: Scope, headers: Mapping[str, str]) -> Problem | None:
        size, most = headers.get("content-length", "0"), self.most_bytes(scope)
        is_fine = size.isascii() and size.isdecimal() and len(size) < 20 and int(size) <= most
        return None if is_fine else too_large(most)


def too_many_failures(wait_s: float) -> Problem:
    """The answer to whoever was wrong too often."""
    seconds = ceil(wait_s)
    return Problem(
        429,
        "too-many-failures",
        f"too many wrong keys from this address; try again in {seconds} s",
        headers={"retry-after": str(seconds)},
    )


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a browser sent it from a page that is not ours; programs send no `Origin`."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    try:
        return urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        return True


def _cookie(header: str) -> str | None:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def _is_liveness(scope: Scope) -> bool:
    """Whether whoever restarts dead processes asks: it has no key, and is told nothing."""
    return bool(scope["path"] == "/health" and scope["query_string"] == b"live")
