"""What every request passes on its way in, and every answer on its way out.

In: `admission` says whether it may go on; its body is counted and timed. Out: the headers that
keep browsers careful, and a line in the metrics. Here ends every error: what nobody foresaw
becomes an answer that says nothing of the inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from calreg.service.admission import Admission
from calreg.service.limits import Body, Budget
from calreg.service.problems import Problem, bug_problem
from calreg.service.settings import Settings

__all__ = ["Guard", "Watcher"]

_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
# Pages carry a policy of their own, which names the digests of their script and style.
_NOT_MODIFIED = 304
_PAGE_POLICY = b"frame-ancestors 'none'; base-uri 'none'"
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_REFUSED = 400

_Header = tuple[bytes, bytes]


class Watcher(Protocol):
    """Who is told of every answer."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answer; the route as it is declared, so that there are few of them."""


class _Reply:
    """One answer on its way out.

    A refusal that comes before the body has is sent whole, and the connection ends after it;
    not at once, or else who is still sending would never read it.
    """

    def __init__(self, send: Send, body: Body, *, is_head: bool) -> None:
        self._send, self._body = send, body
        self._is_head = is_head
        self._is_early = False
        self.status = 0
        self.is_complete = False
        self.on_start: Callable[[], None] = _nothing

    async def send(self, message: Message) -> None:
        """One part of it; its headers are completed."""
        if message["type"] == "http.response.start":
            self.on_start()
            self.status = message["status"]
            self._is_early = self.status >= _REFUSED and not self._body.is_complete
            message["headers"] = _with_headers(
                message.get("headers", ()), self.status, ends=self._is_early
            )
            await self._send(message)
            return
        self.is_complete = not message.get("more_body", False)
        if self._is_head:
            message = {**message, "body": b""}
        if self.is_complete and self._is_early:
            await self._send({**message, "more_body": True})
            await self._body.linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)


def _nothing() -> None:
    """Nothing is to be done when an answer begins."""


class Guard:
    """The service's outermost layer.

    Args:
        app: What answers.
        settings: Limits.
        admission: Who may.
        watcher: Who is told of every answer.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, admission: Admission, watcher: Watcher
    ) -> None:
        self._app = app
        self._settings = settings
        self.admission = admission
        self._watcher = watcher
        self._budget = Budget(settings.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the beginning and the end of the service."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        began, method = perf_counter(), scope["method"]
        # Whoever may get something may ask about it.
        is_head = method == "HEAD" and not _is_an_act(scope["path"])
        if is_head:
            scope = {**scope, "method": "GET"}
        body = self._body_of(scope, receive)
        reply = _Reply(send, body, is_head=is_head)
        try:
            problem = await self._routed(scope, body, reply)
            if problem is not None:
                await problem.answer()(scope, body.receive, reply.send)
        finally:
            body.release()
            route = getattr(scope.get("route"), "path", "none")
            self._watcher.answered(method, route, reply.status, perf_counter() - began)

    def _body_of(self, scope: Scope, receive: Receive) -> Body:
        settings = self._settings
        return Body(
            receive,
            most=settings.max_body_bytes,
            timeout_s=settings.body_timeout_s,
            budget=self._budget,
            is_complete=not any(_announces_body(*header) for header in scope["headers"]),
        )

    async def _routed(self, scope: Scope, body: Body, reply: _Reply) -> Problem | None:
        """Have the route answer; what is to be answered instead, if it may or could not."""
        limit = asyncio.timeout(self._settings.request_timeout_s)
        try:
            refusal = self.admission.refusal(scope)
            if refusal is not None:
                return refusal
            body.most = self.admission.most_bytes(scope)
            async with limit:
                # An answer that has begun may take its time: events go on for hours.
                reply.on_start = lambda: limit.reschedule(None)
                await self._app(scope, body.receive, reply.send)
        except ClientDisconnect:
            return None
        except TimeoutError as error:
            if reply.status or not limit.expired():
                return _bug(error, reply)
            return _took_too_long(self._settings.request_timeout_s)
        except Exception as error:  # noqa: BLE001 -- the service's edge: every error is an answer
            return _bug(error, reply)
        finally:
            reply.on_start = _nothing
        return None


def _announces_body(name: bytes, value: bytes) -> bool:
    return name == b"transfer-encoding" or (name == b"content-length" and value != b"0")


def _is_an_act(path: str) -> bool:
    """Whether getting it does something, or never ends: asking about it is refused then."""
    return path.startswith("/retag/") or path.endswith("/events")


def _bug(error: Exception, reply: _Reply) -> Problem | None:
    """The answer to a bug, unless there is one already (the framework tells again what it told)."""
    if reply.is_complete:
        return None
    problem = bug_problem(error)
    if reply.status:  # too late to say it: the connection is cut, so that nobody takes it for whole
        raise error
    return problem


def _took_too_long(timeout_s: float) -> Problem:
    return Problem(
        504,
        "timeout",
        f"this took more than {timeout_s:g} s",
        hint="What was begun goes on; ask for less, or later.",
    )


def _with_headers(
    headers: Iterable[tuple[bytes, bytes]], status: int, *, ends: bool
) -> list[_Header]:
    found = list(headers)
    given = dict(found)
    wanted = dict(_HEADERS)
    is_page = given.get(b"content-type", b"").startswith(b"text/html")
    # Headers of a 304 replace those that a browser has kept: a page would lose its style.
    if status != _NOT_MODIFIED:
        wanted[b"content-security-policy"] = _PAGE_POLICY if is_page else _POLICY
    if ends:
        wanted[b"connection"] = b"close"
    return [*found, *(pair for pair in wanted.items() if pair[0] not in given)]
