"""`POST /scores`: batches of rows into the store, each batch whole or, if asked, what is valid.

A batch that was answered is on the disk. It is idempotent: sent again after a broken
connection it changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from calreg.service.batches import Batch, judged, rows_of_json, rows_of_lines
from calreg.service.documented import INGESTED, REFUSED_ROWS, ROWS_BODY, problems
from calreg.service.metrics import Metrics
from calreg.service.problems import Problem, json_answer
from calreg.service.state import State
from calreg.service.threads import Threads
from calreg.store import PutCounts

__all__ = ["router"]

_READERS = {
    "application/json": rows_of_json,
    "application/x-ndjson": rows_of_lines,
    "application/jsonl": rows_of_lines,
}


def router(state: State, threads: Threads, metrics: Metrics) -> APIRouter:
    """The route of this module."""
    routes = APIRouter(tags=["scores"])

    @routes.post(
        "/scores",
        responses=INGESTED | REFUSED_ROWS | problems(400, 415),
        response_class=Response,
        openapi_extra=ROWS_BODY,
        operation_id="put_scores",
        summary="Store scores, by item, head and label; the last one wins.",
    )
    async def put(
        request: Request,
        partial: Annotated[bool, Query(description="Keep the valid rows of a batch.")] = False,  # noqa: FBT002 -- a parameter of the URL
    ) -> Response:
        kind = request.headers.get("content-type", "application/json")
        rows_of = _READERS.get(kind.partition(";")[0].strip().lower())
        if rows_of is None:
            return _unknown_kind(kind)
        body = await request.body()

        def store() -> tuple[Batch, PutCounts | None]:
            batch = judged(rows_of(body))
            if batch.counts and not partial:
                return batch, None
            return batch, state.store.put_scores(batch.rows)

        batch, counts = await threads.write(store)
        metrics.rows_came(counts, batch.counts)
        if counts is None:
            return _refused(batch)
        state.on_scores(counts)
        return json_answer(_answer(batch, counts))

    return routes


def _answer(batch: Batch, counts: PutCounts) -> dict[str, Any]:
    return {"accepted": len(batch.rows), **counts._asdict(), "rejects": batch.rejects()}


def _refused(batch: Batch) -> Response:
    bad, all_rows = batch.counts.total(), batch.counts.total() + len(batch.rows)
    first = batch.first[0]
    return Problem(
        422,
        "rejects",
        f"{bad:,} of {all_rows:,} rows are not acceptable; nothing was stored",
        hint="Correct them, or keep the valid ones: ?partial=true",
        where=f"/rows/{first.row}: {first.reason}",
        more={"rejects": batch.rejects()},
    ).answer()


def _unknown_kind(kind: str) -> Response:
    return Problem(
        415,
        "content-type",
        f"cannot read {kind[:100]!r}",
        hint=f"Send {' or '.join(sorted(_READERS))}.",
        headers={"accept-post": ", ".join(_READERS)},
    ).answer()
