"""What answers look like, for the API's description: fields, statuses, headers.

Answers are sent as they are, not made from these classes; the tests of the service hold the two
together. A new answer is one class here, named where its route is declared.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "DONE",
    "ENQUEUED",
    "HEALTH",
    "HISTORY",
    "INGESTED",
    "LEASED",
    "METRICS",
    "REFERENCE",
    "REFERENCE_PARAMETERS",
    "REFUSED_ROWS",
    "ROWS_BODY",
    "ErrorAnswer",
    "problems",
]

Responses = dict[int | str, dict[str, Any]]


class Error(BaseModel):
    """What is wrong, in one line; what to do about it; where it is."""

    code: str
    message: str
    hint: str | None
    where: str | None


class ErrorAnswer(BaseModel):
    """An error, in the shape that the command line's `--json` has too."""

    error: Error


class HistoryRow(BaseModel):
    """What one run found for one head."""

    model_config = ConfigDict(extra="allow")

    id: str
    model_name: str
    head_name: str
    version: int
    file_count: int
    timestamp: Annotated[int, Field(description="Milliseconds since 1970.")]
    p5: float | None
    p95: float | None
    range: float | None
    reference_version: int | None
    apd_p5: float | None
    apd_p95: float | None
    srd: float | None
    jsd: float | None
    median_drift: float | None
    iqr_drift: float | None
    is_stable: bool


class History(BaseModel):
    """History rows, the newest run first."""

    status: Literal["ok"]
    count: int
    runs: list[HistoryRow]


class Rejected(BaseModel):
    """One row that was not accepted, by its place in the batch, from 0."""

    row: int
    reason: str
    message: str


class Rejects(BaseModel):
    """The rows that were not accepted: how many, why, and the first hundred."""

    count: int
    counts: dict[str, int]
    first: list[Rejected]


class Ingested(BaseModel):
    """What a batch came to; the rows accepted are new, changed, the same or repeated in it."""

    accepted: int
    new_items: int
    new: int
    changed: int
    same: int
    repeated: int
    rejects: Rejects


class RefusedRows(ErrorAnswer):
    """A batch of which nothing was stored, since rows of it are not acceptable."""

    rejects: Rejects | None = None


class Enqueued(BaseModel):
    """How many items were put in the queue that were not waiting there already."""

    enqueued: int
    message: str


class Leased(BaseModel):
    """Items for one tagger alone, until a time in seconds since 1970."""

    lease: str
    until: float
    items: list[str]


class Done(BaseModel):
    """Items that are out of the queue; and those that this lease does not hold."""

    done: int
    unknown: int


class Health(BaseModel):
    """How the service is; `ok` or what is wrong, part by part."""

    status: Literal["ok", "degraded"]
    store: str
    registry: str
    worker: str
    version: str
    uptime_s: float


def problems(*statuses: int) -> Responses:
    """Statuses of errors, described."""
    return {status: {"model": ErrorAnswer} for status in statuses}


def _text_header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string"}}


_HEADERS = {
    "ETag": _text_header("The sha256 of the bytes, quoted."),
    "Cache-Control": _text_header("Keep it, and ask each time whether it is still the same."),
    "X-Calreg-Version": _text_header("The version that the reference holds, as v3."),
    "X-Calreg-Stamp": _text_header("To be stored with results: registry, head, version, digest."),
}
_REFERENCE_SCHEMA = {
    "type": "object",
    "description": "A calibration, as schemas/calibration.schema.json says.",
}

REFERENCE: Responses = {
    200: {
        "description": "The reference's bytes.",
        "headers": _HEADERS,
        "content": {"application/json": {"schema": _REFERENCE_SCHEMA}},
    },
    304: {"description": "It is what `If-None-Match` names.", "headers": _HEADERS},
}
REFERENCE_PARAMETERS = {
    "parameters": [
        {
            "name": "model",
            "in": "path",
            "required": True,
            "description": "The model's path, its slashes as they are.",
            "schema": {"type": "string", "minLength": 1},
        },
        {
            "name": "head",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        },
        {
            "name": "If-None-Match",
            "in": "header",
            "description": "The ETag of what is at hand.",
            "schema": {"type": "string"},
        },
    ]
}
HISTORY: Responses = {200: {"model": History}}
INGESTED: Responses = {200: {"model": Ingested}}
REFUSED_ROWS: Responses = {422: {"model": RefusedRows}}
ENQUEUED: Responses = {200: {"model": Enqueued}}
LEASED: Responses = {200: {"model": Leased}}
DONE: Responses = {200: {"model": Done}}
HEALTH: Responses = {200: {"model": Health}, 503: {"model": Health}}
METRICS: Responses = {
    200: {
        "description": "Figures for Prometheus.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}

_ROW_SCHEMA = {
    "type": "object",
    "required": ["item", "head", "label", "score"],
    "properties": {
        "item": {"type": "string", "minLength": 1, "maxLength": 2000},
        "model": {"type": ["string", "null"], "maxLength": 400},
        "head": {
            "type": "string",
            "minLength": 1,
            "maxLength": 500,
            "description": "The head's own name; its full name where no model is given.",
        },
        "label": {"type": "string", "minLength": 1, "maxLength": 200},
        "score": {"type": "number", "description": "Finite."},
    },
}
ROWS_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["rows"],
                    "additionalProperties": False,
                    "properties": {"rows": {"type": "array", "items": _ROW_SCHEMA}},
                },
                "example": {
                    "rows": [
                        {
                            "item": "a.flac",
                            "model": "essentia/effnet",
                            "head": "mood_happy",
                            "label": "happy",
                            "score": 0.73,
                        }
                    ]
                },
            },
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "A row per line, as JSON."}
            },
        },
    }
}
