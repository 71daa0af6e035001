"""What a run found and decided, as frozen values: as a whole, per model, per head.

A run is recorded twice over: `runs/3.json` says what went in and which models came out,
`<model>/v3/run.json` says what happened to each head. Together they are the history that
`calreg history` shows and the claims that a gate checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from calreg.documents.calibration import METRICS
from calreg.documents.settings import DEFAULT_SHIFT_LIMITS
from calreg.documents.strict import Json, canonical_bytes, digest_of

__all__ = [
    "INFORMATIONAL_CHANGES",
    "DecisionRow",
    "Evidence",
    "FactorRow",
    "HeadRow",
    "LabelRow",
    "ModelRun",
    "ReferenceUpdate",
    "Run",
    "RunInputs",
    "Verdict",
    "milliseconds",
    "timestamp_text",
]

Verdict = Literal["stable", "unstable", "undecided"]
Evidence = Literal["drift", "noise", "none"]
ReferenceUpdate = Literal["updated", "unchanged", "held"]
Metrics = Mapping[str, float | None]

INFORMATIONAL_CHANGES = frozenset({"status"})
"""Changes of a decision that fail nothing: a status says why a threshold is what it is.

Whether a label fires is said by its threshold, which is compared by itself.
"""


def timestamp_text(when: datetime) -> str:
    """An aware time as it stands in documents: UTC, milliseconds, `Z`.

    >>> from datetime import UTC
    >>> timestamp_text(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
    '2026-01-02T03:04:05.678Z'
    """
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(timestamp: str) -> int:
    """Milliseconds since 1970 of a document's time.

    >>> milliseconds("1970-01-01T00:00:01.500Z")
    1500
    """
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


def _metrics(data: Mapping[str, Any]) -> Metrics:
    return {name: None if data[name] is None else float(data[name]) for name in METRICS}


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """How far a label's decision moved from the reference's; see `calreg.decisions`.

    `limits` has what each shift must stay strictly below, by its name.
    """

    threshold_shift: float | None
    probability_shift: float | None
    f1_change: float | None
    fpr_change: float | None
    recall_change: float | None
    changes: tuple[str, ...]
    limits: Mapping[str, float]

    @property
    def is_other(self) -> bool:
        """Whether a part is another that must not change; a status may."""
        return not INFORMATIONAL_CHANGES.issuperset(self.changes)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DecisionRow:
        return cls(
            threshold_shift=_float(data["threshold_shift"]),
            probability_shift=_float(data["probability_shift"]),
            f1_change=_float(data["f1_change"]),
            fpr_change=_float(data["fpr_change"]),
            recall_change=_float(data["recall_change"]),
            changes=tuple(data["changes"]),
            limits={name: float(data["limits"][name]) for name in DEFAULT_SHIFT_LIMITS},
        )


def _decision(data: Mapping[str, Any] | None) -> DecisionRow | None:
    return None if data is None else DecisionRow.from_json(data)


@dataclass(frozen=True, slots=True)
class FactorRow:
    """A group's factor before and after a run, and its relative change; see `calreg.drift`.

    `before` is None where the reference has none, and so is the shift; `limits` has what the
    shift must stay strictly below, by its name.
    """

    before: float | None
    after: float
    factor_shift: float | None
    limits: Mapping[str, float]

    @property
    def change(self) -> float | None:
        """After / before - 1, with its sign."""
        return None if self.before is None else self.after / self.before - 1.0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FactorRow:
        return cls(
            before=_float(data["before"]),
            after=float(data["after"]),
            factor_shift=_float(data["factor_shift"]),
            limits={name: float(limit) for name, limit in data["limits"].items()},
        )


def _factor(data: Mapping[str, Any] | None) -> FactorRow | None:
    return None if data is None else FactorRow.from_json(data)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One label of a head in one run.

    `p5` and `p95` are of the raw scores; None where a document does not hold them.
    `decision` is None where there is neither a decision nor a probability to compare,
    `factor` where the label holds none.
    """

    p5: float | None
    p95: float | None
    samples: int | None
    metrics: Metrics
    noise: Metrics
    failed_metrics: tuple[str, ...]
    decision: DecisionRow | None = None
    factor: FactorRow | None = None

    def to_json(self) -> Json:
        return _plain_fields(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabelRow:
        return cls(
            p5=_float(data["p5"]),
            p95=_float(data["p95"]),
            samples=data["samples"],
            metrics=_metrics(data["metrics"]),
            noise=_metrics(data["noise"]),
            failed_metrics=tuple(data["failed_metrics"]),
            decision=_decision(data.get("decision")),
            factor=_factor(data.get("factor")),
        )


@dataclass(frozen=True, slots=True)
class HeadRow:
    """One head in one run: its drift, its verdict, and what became of its reference.

    `label` is the one that decided; `p5`, `p95` and `range` are that label's, None where its
    document does not hold them. `decision` is that of the label whose decision moved most,
    `factor` that of the label that decided.
    `reference_version` is what the run compared with, `reference_after` what the reference
    holds once the run is committed. `reason` says why a reference was held, or moved
    against the rule.
    """

    digest: str
    file_count: int | None
    label: str
    p5: float | None
    p95: float | None
    range: float | None
    reference_version: int | None
    reference_digest: str | None
    reference_after: int | None
    reference_update: ReferenceUpdate
    reason: str | None
    is_stable: bool
    verdict: Verdict
    evidence: Evidence
    failed_metrics: tuple[str, ...]
    metrics: Metrics
    noise: Metrics
    noise_assumption: str
    items_needed: int | None
    thresholds: Mapping[str, float]
    labels: Mapping[str, LabelRow]
    display_name: str | None = None
    decision: DecisionRow | None = None
    factor: FactorRow | None = None

    def to_json(self) -> Json:
        return _plain_fields(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HeadRow:
        values: dict[str, Any] = {field.name: data.get(field.name) for field in fields(cls)}
        values |= {
            "p5": _float(data["p5"]),
            "p95": _float(data["p95"]),
            "range": _float(data["range"]),
            "failed_metrics": tuple(data["failed_metrics"]),
            "metrics": _metrics(data["metrics"]),
            "noise": _metrics(data["noise"]),
            "thresholds": {name: float(data["thresholds"][name]) for name in METRICS},
            "labels": {
                label: LabelRow.from_json(row) for label, row in sorted(data["labels"].items())
            },
            "decision": _decision(data.get("decision")),
            "factor": _factor(data.get("factor")),
        }
        return cls(**values)


@dataclass(frozen=True, slots=True)
class ModelRun:
    """The part of a run that concerns one model: a row per head."""

    model: str
    version: int
    timestamp: str
    heads: Mapping[str, HeadRow]

    SCHEMA = "calreg/model-run/1.0"

    def to_json(self) -> Json:
        return {
            "schema": self.SCHEMA,
            "model": self.model,
            "version": self.version,
            "timestamp": self.timestamp,
            "heads": {head: row.to_json() for head, row in self.heads.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelRun:
        return cls(
            model=data["model"],
            version=data["version"],
            timestamp=data["timestamp"],
            heads={head: HeadRow.from_json(row) for head, row in sorted(data["heads"].items())},
        )

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())

    @property
    def digest(self) -> str:
        """The sha256 of the document's canonical bytes."""
        return digest_of(self.to_bytes())


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What went into a run.

    `digest` is that of the accepted scores: the same for any order, format or number of
    files. `kind` says where they came from: `scores`, or the format they were imported from.
    """

    digest: str
    kind: str
    rows: int
    accepted: int
    rejected: Mapping[str, int]
    files: tuple[str, ...]

    def to_json(self) -> Json:
        return _plain_fields(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunInputs:
        values = {field.name: data[field.name] for field in fields(cls)}
        return cls(**{**values, "files": tuple(data["files"])})


@dataclass(frozen=True, slots=True)
class Run:
    """A run as a whole.

    `options` are all settings that change a result; `excluded` maps a head that was left
    out to the reason; `models` maps a model to the digest of its part of the run.
    """

    version: int
    timestamp: str
    tool: str
    registry: str
    inputs: RunInputs
    options: Mapping[str, Any]
    excluded: Mapping[str, str]
    models: Mapping[str, str]
    summary: Mapping[str, int]

    SCHEMA = "calreg/run/1.0"

    def to_json(self) -> Json:
        return {"schema": self.SCHEMA, **_plain_fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Run:
        values = {field.name: data[field.name] for field in fields(cls)}
        return cls(**{**values, "inputs": RunInputs.from_json(data["inputs"])})

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())

    @property
    def digest(self) -> str:
        """The sha256 of the document's canonical bytes."""
        return digest_of(self.to_bytes())


_OPTIONAL = frozenset({"display_name", "decision", "factor"})


def _plain_fields(value: Any) -> Json:
    """A frozen value as JSON; what is not there of _OPTIONAL is left out."""
    named = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        key: _plain(inner)
        for key, inner in named.items()
        if not (key in _OPTIONAL and inner is None)
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value
