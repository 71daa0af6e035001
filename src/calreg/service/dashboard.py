"""The dashboard's pages, as the service hands them out: made once, kept, and told by their ETag.

A page is made of one view of the registry and kept until that moves; a head's page until the
head itself changes. They are made in a thread of their own, one at a time, and their charts
in a process of its own: a page that nobody asked for before takes a tenth of a second, and
whoever asks for numbers waits for none of it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from calreg.documents import timestamp_text
from calreg.errors import TransportError
from calreg.gate import Finding
from calreg.pages.board import Place, head_place, missing_page, top_place
from calreg.pages.findings import gate_page
from calreg.pages.observed import FoundByGate, Observed
from calreg.pages.one_head import head_key, head_page
from calreg.pages.overview import listings, overview_page
from calreg.pages.runs import Tried, runs_page
from calreg.retag import RetagRules
from calreg.service.drawing import easel
from calreg.service.runs import run_row
from calreg.service.served import Served
from calreg.service.state import State
from calreg.service.threads import Threads
from calreg.site.observing import detail_of, observe
from calreg.store import RunRecord

__all__ = ["Dashboard", "router"]

_MAX_KEPT_BYTES = 64 * 2**20
_TRIED = 20
_MAX_PATH = 500


class _Page(NamedTuple):
    """A page, ready to be sent."""

    raw: bytes
    packed: bytes
    etag: str
    status: int = 200

    @classmethod
    def of(cls, raw: bytes, status: int = 200) -> _Page:
        packed = gzip.compress(raw, 6, mtime=0)
        return cls(raw, packed, f'"{hashlib.sha256(raw).hexdigest()[:32]}"', status)


class Dashboard:
    """Makes pages of a state, and keeps them; for one thread.

    Args:
        state: What the service shares.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._easel = easel()
        self._draw = self._easel.draw
        settings = state.settings
        self._can_run = settings.calibrate_heads and bool(settings.keys)
        self._rules = RetagRules(settings.retag.min_change, settings.retag.tiers)
        self._observed: tuple[str | None, Observed] | None = None
        self._kept: OrderedDict[object, _Page] = OrderedDict()
        self._bytes = 0

    # Pages

    def overview(self, number: int, *, is_signed_in: bool) -> _Page:
        """The first page, or a later part of its list."""
        _, seen = self._look()
        number = min(number, listings(seen))

        def make(_: Served, observed: Observed) -> bytes:
            return overview_page(
                observed,
                top_place(is_served=True),
                draw=self._draw,
                number=number,
                can_run=self._can_run,
                is_signed_in=is_signed_in,
            )

        return self._of_view(("overview", number, is_signed_in), make)

    def head(self, full: str) -> _Page:
        """A head's page; one that says so if there is no such head."""
        served, observed = self._look()
        seen = observed.by_name.get(full)
        if seen is None:
            place = Place("../" * (full.count("/") + 1), is_served=True)
            return _Page.of(missing_page(observed.name, place), 404)
        place = head_place(seen.name, is_served=True)
        key = head_key(observed, seen, place, is_drawn=self._draw is not None)

        def make() -> bytes:
            detail = detail_of(served.snapshot, seen, rules=self._rules)
            return head_page(observed, detail, place, draw=self._draw)

        return self._keep(("head", key), make)

    def runs(self, *, is_signed_in: bool) -> _Page:
        """The page of runs, with those that this service was asked for."""
        tried = self._tried()

        def make(_: Served, observed: Observed) -> bytes:
            return runs_page(
                observed,
                top_place(is_served=True),
                draw=self._draw,
                tried=tried,
                can_run=self._can_run,
                is_signed_in=is_signed_in,
            )

        return self._of_view(("runs", tried, is_signed_in), make)

    def gate(self) -> _Page:
        """The page of what the gate says."""
        commit, findings = self._findings()

        def make(_: Served, observed: Observed) -> bytes:
            found = None
            if commit is not None:
                found = FoundByGate(_base(observed), commit, findings, heads=0)
            return gate_page(observed, found, top_place(is_served=True))

        return self._of_view(("gate", commit, findings), make)

    # What they are made of

    def _look(self) -> tuple[Served, Observed]:
        served = self._state.snapshot()
        if self._observed is None or self._observed[0] != served.commit:
            before = self._observed[1] if self._observed is not None else None
            observed = observe(self._state.registry, served.snapshot, before=before)
            self._observed = served.commit, observed
        return served, self._observed[1]

    def _tried(self) -> tuple[Tried, ...]:
        try:
            records = self._state.store.runs(_TRIED)
        except TransportError:
            return ()  # the registry's own runs are shown all the same
        return tuple(_tried(record, self._state) for record in records)

    def _findings(self) -> tuple[str | None, tuple[Finding, ...]]:
        try:
            found = self._state.store.findings()
        except TransportError:
            return None, ()
        return found.commit, tuple(Finding(**one) for one in found.findings)

    # What is kept

    def _of_view(self, key: tuple[object, ...], make: Callable[[Served, Observed], bytes]) -> _Page:
        served, observed = self._look()
        published = observed.published
        return self._keep((*key, served.commit, published), lambda: make(served, observed))

    def _keep(self, key: object, make: Callable[[], bytes]) -> _Page:
        found = self._kept.pop(key, None)
        if found is None:
            failures = self._easel.failures
            found = _Page.of(make())
            if self._easel.failures > failures:
                return found  # the next one who asks gets it whole
            self._bytes += len(found.raw) + len(found.packed)
        self._kept[key] = found
        while self._bytes > _MAX_KEPT_BYTES and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= len(old.raw) + len(old.packed)
        return found


def _tried(record: RunRecord, state: State) -> Tried:
    row = run_row(record, state)
    error = row["error"]
    started = datetime.fromtimestamp(record.started, UTC)
    return Tried(
        id=record.id,
        trigger=record.trigger,
        started=timestamp_text(started),
        status=row["status"],
        step=row["progress"]["step"] if row["status"] == "running" else None,
        problem=error["message"] if error else None,
        version=row["version"],
        is_known=row["outcome"] == "already-done",
    )


def _base(observed: Observed) -> str | None:
    published = observed.published
    return f"index {published.seq}, which production reads" if published is not None else None


# --- routes -------------------------------------------------------------------------------------


def router(state: State, threads: Threads) -> APIRouter:
    """The routes of this module; they are for people, and no part of the API's description."""
    routes = APIRouter(include_in_schema=False)
    dashboard = Dashboard(state)

    @routes.get("/")
    async def overview(request: Request) -> Response:
        number = _number(request.query_params.get("page", "1"))
        is_signed_in = _is_signed_in(request)
        page = await threads.draw(dashboard.overview, number, is_signed_in=is_signed_in)
        return _answer(request, page)

    @routes.get("/heads/{full:path}")
    async def head(request: Request, full: str) -> Response:
        return _answer(request, await threads.draw(dashboard.head, full[:_MAX_PATH]))

    @routes.get("/runs")
    async def runs(request: Request) -> Response:
        is_signed_in = _is_signed_in(request)
        page = await threads.draw(dashboard.runs, is_signed_in=is_signed_in)
        return _answer(request, page)

    @routes.get("/gate")
    async def gate(request: Request) -> Response:
        return _answer(request, await threads.draw(dashboard.gate))

    return routes


def _is_signed_in(request: Request) -> bool:
    return request.scope.get("owner") is not None


def _number(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 7
    return max(1, int(text)) if is_number else 1


def _answer(request: Request, page: _Page) -> Response:
    headers = {
        "etag": page.etag,
        # A cache may keep it, and asks each time whether it is still the same.
        "cache-control": "private, no-cache",
        "vary": "accept-encoding, cookie, authorization",
    }
    known = request.headers.get("if-none-match", "")
    if page.status == 200 and page.etag in known.replace("W/", "").replace(" ", "").split(","):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(page.packed, page.status, headers, "text/html; charset=utf-8")
    return Response(page.raw, page.status, headers, "text/html; charset=utf-8")
