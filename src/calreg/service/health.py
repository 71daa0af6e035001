"""`GET /health`: how the service is, told at once, however its parts are.

The parts are asked in a thread of their own, at most once a second; whoever asks meanwhile
gets what was found last. A part that does not answer in time is not well.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from time import monotonic
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from calreg import __version__
from calreg.errors import CalregError
from calreg.git import redact
from calreg.service.documented import HEALTH
from calreg.service.problems import json_answer
from calreg.service.state import State
from calreg.service.threads import Threads

__all__ = ["Health", "router"]

LOG = logging.getLogger("calreg.service")

# Within a second nothing is asked again; what is older than that is asked again by itself,
# and what is older than a few is waited for.
_FRESH_S = 1.0
_STALE_S = 4.0
_TIMEOUT_S = 3.0
_LONGEST = 200
_CODE = re.compile(r"[a-z-]+(?=: )")

Parts = dict[str, str]
_UNKNOWN: Parts = dict.fromkeys(("store", "registry", "worker"), "does not answer")
_HARMLESS = frozenset({"ok", "no process", "does not answer"})


class Health:
    """How the parts of a service are.

    Args:
        look: Asks them; may block, may raise.
        threads: Where it is called.
        clock: Seconds from anywhere.
        timeout_s: A part that takes longer is not well.
    """

    def __init__(
        self,
        look: Callable[[], Parts],
        threads: Threads,
        clock: Callable[[], float] = monotonic,
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._look, self._threads, self._clock = look, threads, clock
        self._began, self._timeout_s = clock(), timeout_s
        self._found: Parts = {}
        self._found_at = float("-inf")
        self._asking: asyncio.Future[Parts] | None = None

    async def now(self) -> dict[str, Any]:
        """The parts as they were a moment ago, and for how long the service has been up."""
        if self._age_s() >= _FRESH_S and self._asking is None:
            self._asking = asyncio.ensure_future(self._threads.watch(self._look))
            self._asking.add_done_callback(self._answered)
        if self._asking is not None and self._age_s() >= _STALE_S:
            await asyncio.wait([self._asking], timeout=self._timeout_s)
        parts = self._found if self._age_s() < _STALE_S else _UNKNOWN
        is_well = all(word == "ok" for word in parts.values())
        return {
            "status": "ok" if is_well else "degraded",
            **parts,
            "version": __version__,
            "uptime_s": round(self._clock() - self._began, 1),
        }

    def _age_s(self) -> float:
        return self._clock() - self._found_at

    def _answered(self, asking: asyncio.Future[Parts]) -> None:
        self._asking = None
        if asking.cancelled():
            return
        error = asking.exception()
        if error is not None:
            LOG.error("nobody can tell how the service is", exc_info=error)
            return
        self._found, self._found_at = asking.result(), self._clock()


def look_at(state: State) -> Parts:
    """How store, registry and worker are: `ok`, or what is wrong in one line."""
    return {
        "store": _said(state.store.check),
        "registry": redact(state.problem or "ok")[:_LONGEST],
        # A fresh one begins by itself; a moment without one is no harm.
        "worker": "ok" if state.worker.pid is not None else "no process",
    }


def _said(ask: Callable[[], object]) -> str:
    try:
        ask()
    except CalregError as error:
        return redact(f"{error.code}: {error.message}")[:_LONGEST]
    return "ok"


def _briefly(word: str) -> str:
    """What a stranger is told: addresses, users and paths of the inside are none of theirs.

    >>> _briefly("ok"), _briefly("store-down: connection to 10.0.0.5 failed"), _briefly("/a: b")
    ('ok', 'store-down', 'not well')
    """
    code = _CODE.match(word)
    return word if word in _HARMLESS else code[0] if code else "not well"


def router(state: State, threads: Threads) -> APIRouter:
    """The route of this module."""
    routes = APIRouter(tags=["operate"])
    health = Health(lambda: look_at(state), threads)

    @routes.get(
        "/health",
        responses=HEALTH,
        response_class=Response,
        operation_id="health",
        summary="How the service is; /health?live says only that it is there.",
    )
    async def now(request: Request) -> Response:
        if request.url.query == "live":
            return json_answer({"status": "ok"})
        found = await health.now()
        if request.scope.get("owner") is None:
            found |= {part: _briefly(found[part]) for part in _UNKNOWN}
        return json_answer(found, 200 if found["status"] == "ok" else 503)

    return routes
