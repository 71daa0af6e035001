"""Runs over HTTP: begin one, wait for it or follow it, ask what became of any.

A run belongs to the service, not to the request that began it: whoever goes away can ask for
it again by its id. Which error gets which status is decided in `problems`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from calreg.errors import InputError
from calreg.service.events import Event, Feed, TooManyListenersError
from calreg.service.problems import json_answer, problem_of
from calreg.service.run_answers import EVENTS, ONE, RUN, RUNS
from calreg.service.running import AlreadyRunningError, RunTicket
from calreg.service.state import State
from calreg.service.threads import Threads
from calreg.store import RunRecord

__all__ = ["router", "run_row"]

_HEARTBEAT_S = 15.0
_LEFT_S = 5.0  # of the time that a request may take; then it is told where to ask
_MAX_RUNS = 200
_PATH = "/admin/calibration/runs"
_STREAM = {"cache-control": "no-store", "x-accel-buffering": "no"}
_MAX_EVENT_ID = 12

RunId = Annotated[str, Path(max_length=100, pattern=r"^[0-9A-Za-z-]+$")]


def router(state: State, threads: Threads) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["runs"])
    _add_beginning(routes, state, threads)
    _add_asking(routes, state, threads)
    _add_following(routes, state, threads)
    return routes


# Beginning


def _add_beginning(routes: APIRouter, state: State, threads: Threads) -> None:
    most_s = state.settings.request_timeout_s
    patience_s = most_s - min(_LEFT_S, most_s / 2)

    @routes.post(
        "/admin/calibration/run",
        responses=RUN,
        response_class=Response,
        operation_id="run",
        summary="Compute all heads over all scores of the source, compare, commit.",
    )
    async def run(
        *,
        wait: Annotated[bool, Query(description="false: do not wait for the result.")] = True,
    ) -> Response:
        try:
            ticket = await threads.write(state.start_run, "api")
        except AlreadyRunningError as error:
            return _busy(error)
        return await _awaited(ticket, patience_s if wait else 0.0)


def _busy(error: AlreadyRunningError) -> Response:
    more = {"id": error.run_id, "location": f"{_PATH}/{error.run_id}"}
    return replace(problem_of(error), more=more).answer()


async def _awaited(ticket: RunTicket, patience_s: float) -> Response:
    """The result, or where to ask for it if it takes longer than somebody waits."""
    try:
        async with asyncio.timeout(patience_s):
            return json_answer(await ticket.finished())
    except TimeoutError:
        begun = {"id": ticket.id, "status": "running", **_places(ticket.id)}
        return json_answer(begun, 202, {"location": ticket.location})


def _places(run_id: str) -> dict[str, str]:
    return {"location": f"{_PATH}/{run_id}", "events": f"{_PATH}/{run_id}/events"}


# Asking


def _add_asking(routes: APIRouter, state: State, threads: Threads) -> None:
    @routes.get(
        _PATH,
        responses=RUNS,
        response_class=Response,
        operation_id="runs",
        summary="Runs that this service was asked for, the newest first.",
    )
    async def listing(limit: Annotated[int, Query(ge=1, le=_MAX_RUNS)] = 50) -> Response:
        found = await threads.read(state.store.runs, limit)
        rows = [run_row(record, state) for record in found]
        return json_answer({"status": "ok", "count": len(rows), "runs": rows})

    @routes.get(
        f"{_PATH}/{{run_id}}",
        responses=ONE,
        response_class=Response,
        operation_id="one_run",
        summary="How far a run is, and what came of it.",
    )
    async def one(run_id: RunId) -> Response:
        record = await threads.read(_record, state, run_id)
        return json_answer({**run_row(record, state), "result": record.result})


def _record(state: State, run_id: str) -> RunRecord:
    record = state.store.run(run_id)
    if record is None:
        raise InputError(
            f"there is no run {run_id!r}",
            hint=f"GET {_PATH} lists them; one that is published has a version, too.",
            code="no-such-run",
        )
    return record


def run_row(record: RunRecord, state: State) -> dict[str, Any]:
    """A run as programs and pages read it."""
    result: Mapping[str, Any] = record.result or {}
    is_cut_short = bool(record.error) and record.error.get("code") == "interrupted"
    return {
        "id": record.id,
        "status": "interrupted" if is_cut_short else record.state,
        "trigger": record.trigger,
        "started": record.started,
        "finished": record.finished,
        "progress": _progress(record, state),
        "version": result.get("calibration", {}).get("version"),
        "outcome": result.get("outcome"),
        "summary": result.get("summary"),
        "error": record.error,
        **_places(record.id),
    }


def _progress(record: RunRecord, state: State) -> dict[str, Any]:
    """How far it is: of one that goes on, fresher than what is kept."""
    ticket = state.runs.ticket(record.id) if record.state == "running" else None
    told = [] if ticket is None else ticket.feed.since(0)
    for event in reversed(told):
        if event.kind == "progress":
            return dict(event.data)
    return {"step": record.step, "done": record.done, "total": record.total}


# Following


def _add_following(routes: APIRouter, state: State, threads: Threads) -> None:
    @routes.get(
        f"{_PATH}/{{run_id}}/events",
        responses=EVENTS,
        response_class=Response,
        operation_id="run_events",
        summary="A run's progress and its result, as they come.",
    )
    async def events(
        run_id: RunId, last_event_id: Annotated[str, Header(max_length=_MAX_EVENT_ID)] = ""
    ) -> Response:
        feed = await threads.read(_feed, state, run_id)
        seen = int(last_event_id) if last_event_id.isascii() and last_event_id.isdecimal() else 0
        if feed.is_ended and not feed.since(seen):
            return Response(status_code=204)
        if feed.is_full:
            raise TooManyListenersError(f"too many listen to run {run_id} already")
        return StreamingResponse(_lines(feed, seen), 200, _STREAM, "text/event-stream")


def _feed(state: State, run_id: str) -> Feed:
    """What there is to hear of a run: of one that is forgotten here, its end alone."""
    ticket = state.runs.ticket(run_id)
    if ticket is not None:
        return ticket.feed
    record = _record(state, run_id)
    feed = Feed(kept=1)
    if record.result is not None:
        feed.publish("result", record.result, is_last=True)
    else:
        row = run_row(record, state)
        feed.publish("error", {"id": record.id, "error": row["error"]}, is_last=True)
    return feed


async def _lines(feed: Feed, seen: int) -> AsyncIterator[bytes]:
    with feed.subscribe(seen) as subscription:
        async with aclosing(subscription.events(heartbeat_s=_HEARTBEAT_S)) as events:
            async for event in events:
                yield b": nothing new\n\n" if event is None else _line(event)


def _line(event: Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (
        event.id,
        event.kind.encode(),
        to_json(dict(event.data)),
    )
