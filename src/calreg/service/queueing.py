"""The re-tag queue over HTTP: what goes in, who works on what, what is done.

Everything goes in, or only what changes between the references of some time and now; the
latter is found by comparing raw scores with the intervals in which outcomes change.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from starlette.responses import Response

from calreg.names import MAX_VERSION
from calreg.service.changed import changed_items
from calreg.service.documented import DONE, ENQUEUED, LEASED, problems
from calreg.service.problems import json_answer
from calreg.service.since import references_of
from calreg.service.state import State
from calreg.service.threads import Threads
from calreg.store import MAX_ITEM_BYTES

__all__ = ["router"]

_MAX_LEASED = 10_000
_MAX_DONE = 100_000
_AT_ONCE = 100_000
_LONGEST_SINCE = 1000


_SINCE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MAX_VERSION},
        {"type": "string", "minLength": 1, "maxLength": 1000},
    ],
    "description": "A run's number, a commit, a time or a stamp.",
}


def _since(value: Any) -> int | str:
    """A whole number or a text; one check for both, so that the error names one place."""
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_SINCE:
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 1 <= value <= MAX_VERSION and value == int(value):
        return int(value)
    raise ValueError("expected a run's number, a commit, a time or a stamp")


class RetagRequest(BaseModel):
    """Which items to tag again: those that change since a version, commit, time or stamp."""

    model_config = ConfigDict(extra="forbid", strict=True)

    only: Literal["changed"]
    since: Annotated[Any, BeforeValidator(_since), WithJsonSchema(_SINCE_SCHEMA)]


_Item = Annotated[str, Field(min_length=1, max_length=MAX_ITEM_BYTES)]


class DoneRequest(BaseModel):
    """Items that were tagged again under a lease."""

    model_config = ConfigDict(extra="forbid", strict=True)

    lease: Annotated[str, Field(max_length=100)]
    items: Annotated[list[_Item], Field(max_length=_MAX_DONE)]


def router(state: State, threads: Threads) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["retag"])

    @routes.post(
        "/admin/calibration/retag-all",
        responses=ENQUEUED,
        response_class=Response,
        operation_id="retag_all",
        summary="Put every item in the queue.",
    )
    async def retag_all() -> Response:
        enqueued = await threads.write(state.store.enqueue, "all", reason="all")
        return json_answer(
            {"enqueued": enqueued, "message": f"{_items(enqueued)} put in the queue"}
        )

    @routes.post(
        "/admin/calibration/retag",
        responses=ENQUEUED | problems(400, 404, 409),
        response_class=Response,
        operation_id="retag",
        summary="Put those items in the queue whose outcome changes, and no others.",
    )
    async def retag(wanted: RetagRequest) -> Response:
        return json_answer(await threads.write(_enqueue_changed, state, wanted.since))

    @routes.get(
        "/retag/next",
        responses=LEASED,
        response_class=Response,
        operation_id="retag_next",
        summary="Lease the next items; they come back by themselves when the time is over.",
    )
    async def following(n: Annotated[int, Query(ge=1, le=_MAX_LEASED)] = 100) -> Response:
        lease = await threads.write(state.store.lease, n, seconds=state.settings.lease_s)
        return json_answer({"lease": lease.id, "until": lease.until, "items": lease.items})

    @routes.post(
        "/retag/done",
        responses=DONE | problems(400),
        response_class=Response,
        operation_id="retag_done",
        summary="Take items out of the queue; those that a lease no longer holds stay.",
    )
    async def done(finished: DoneRequest) -> Response:
        counts = await threads.write(state.store.done, finished.lease, finished.items)
        return json_answer(counts._asdict())

    return routes


def _enqueue_changed(state: State, since: int | str) -> dict[str, object]:
    """Put the items that change in the queue; what is answered."""
    now = state.snapshot().snapshot
    before = references_of(state.registry, now, since)
    ids = changed_items(state.store, before.references, now.references, state.settings.retag)
    reason = f"changed since {before.name}"
    enqueued = sum(
        state.store.enqueue(ids[start : start + _AT_ONCE], reason=reason)
        for start in range(0, len(ids), _AT_ONCE)
    )
    total = state.store.revision().items
    share = f" ({len(ids) / total:.1%})" if total else ""
    return {
        "enqueued": enqueued,
        "message": f"{_items(len(ids))} of {total:,}{share} {reason}; "
        f"{_items(enqueued)} put in the queue",
        "changed": len(ids),
        "items": total,
    }


def _items(number: int) -> str:
    return "1 item" if number == 1 else f"{number:,} items"
