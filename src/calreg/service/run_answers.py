"""What the answers about runs look like, for the API's description; see `documented`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from calreg.service.documented import Error, ErrorAnswer, problems

__all__ = ["BEGUN", "EVENTS", "ONE", "RUN", "RUNS"]

Responses = dict[int | str, dict[str, Any]]
Metric = float | None


class LabelNumbers(BaseModel):
    """One label of a head."""

    p5: float | None
    p95: float | None
    method: str


class DriftMetrics(BaseModel):
    """The worst label's drift from the version that the reference held; null in a first run."""

    apd_p5: Metric
    apd_p95: Metric
    srd: Metric
    jsd: Metric
    median_drift: Metric
    iqr_drift: Metric
    is_stable: bool
    failed_metrics: list[str]


class HeadAnswer(BaseModel):
    """One head in a run."""

    model_name: str
    head_name: str
    labels: dict[str, LabelNumbers]
    drift_metrics: DriftMetrics
    is_stable: bool
    reference_version: Annotated[int | None, Field(description="What it was compared with.")]
    reference_after: int | None
    verdict: str
    evidence: str


class CalibrationAnswer(BaseModel):
    """A run's numbers, by head."""

    version: int
    library_size: Annotated[int, Field(description="Items of the head that has the most.")]
    heads: dict[str, HeadAnswer]


class Summary(BaseModel):
    """How many heads of which verdict."""

    total_heads: int
    stable_heads: int
    unstable_heads: int


class Waiting(BaseModel):
    """A run that is committed and could not be pushed: why, and what publishes it."""

    commit: str | None
    code: str
    message: str
    hint: str | None


class RunAnswer(BaseModel):
    """What a run came to."""

    id: str
    status: Literal["ok"]
    calibration: CalibrationAnswer
    saved_files: dict[str, str]
    reference_updates: dict[str, Literal["updated", "unchanged", "held"]]
    summary: Summary
    outcome: Annotated[
        Literal["committed", "already-done"],
        Field(description="`already-done`: an earlier run of the same scores, which this names."),
    ]
    commit: str | None
    branch: str | None
    pushed: bool
    waiting: Annotated[Waiting | None, Field(description="Kept in the outbox, and why.")]
    excluded: dict[str, str]
    rejects: dict[str, int]
    timestamp: str
    message: str
    warnings: list[str]


class Progress(BaseModel):
    """How far a run is: scores of how many, and what is being done."""

    step: str
    done: int
    total: int


class Begun(BaseModel):
    """A run that goes on."""

    id: str
    status: Literal["running"]
    location: str
    events: str


class RunRow(BaseModel):
    """A run that this service was asked for, or began by itself."""

    id: str
    status: Literal["running", "ok", "failed", "interrupted"]
    trigger: str
    started: Annotated[float, Field(description="Seconds since 1970.")]
    finished: float | None
    progress: Progress
    version: int | None
    outcome: str | None
    summary: Summary | None
    error: Error | None
    location: str
    events: str


class OneRun(RunRow):
    """The same, with its answer."""

    result: RunAnswer | None


class RunRows(BaseModel):
    """Runs, the newest first."""

    status: Literal["ok"]
    count: int
    runs: list[RunRow]


class OneAtATime(ErrorAnswer):
    """The run that goes on; or what the registry refused."""

    id: str | None = None
    location: str | None = None


_LOCATION = {
    "Location": {"description": "Where it can be asked for.", "schema": {"type": "string"}}
}

RUN: Responses = {
    200: {"model": RunAnswer},
    202: {
        "model": Begun,
        "description": "It goes on: as was wished, or because it takes longer than a request may.",
        "headers": _LOCATION,
    },
    409: {
        "model": OneAtATime,
        "description": "Another run goes on (its `id`), or the registry refuses.",
    },
    **problems(422),
}
BEGUN: Responses = {202: {"model": Begun, "headers": _LOCATION}}
RUNS: Responses = {200: {"model": RunRows}}
ONE: Responses = {200: {"model": OneRun}, **problems(404)}
EVENTS: Responses = {
    200: {
        "description": "Server-sent events: `started`, `progress`, then `result` or `error`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "All was told before `Last-Event-ID`: nothing will follow."},
    **problems(404),
}
