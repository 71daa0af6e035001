"""One head's calibration as a frozen value: numbers per label, and the evidence for them.

The JSON form is in `schemas/calibration.schema.json`; what a schema cannot say is in
`calreg.documents.semantics`. Nothing here computes: it holds, reads and writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from calreg.documents.decision import Decision, Direction, Trial
from calreg.documents.strict import Json, canonical_bytes, digest_of
from calreg.names import HeadName

__all__ = [
    "CELLS",
    "METHOD_PARAMETERS",
    "METRICS",
    "PROBABILITY_METHODS",
    "QUANTILES",
    "Calibration",
    "Distribution",
    "Histogram",
    "LabelCalibration",
    "Parameter",
]

METRICS = ("apd_p5", "apd_p95", "srd", "jsd", "median_drift", "iqr_drift")
"""The six drift metrics, in the order in which they are reported."""

QUANTILES = {
    "p1": 0.01,
    "p5": 0.05,
    "p25": 0.25,
    "p50": 0.50,
    "p75": 0.75,
    "p95": 0.95,
    "p99": 0.99,
}
"""The stored quantiles and their probabilities, ascending."""

CELLS = 100
"""Cells of a stored histogram, equally wide, underflow and overflow apart."""

Parameter: TypeAlias = float | str | tuple[float, ...]
"""A number, a word such as the scale of the scores, or the knots of a curve."""

METHOD_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "minmax": ("p5", "p95"),
    "threshold": (),
    "temperature": ("temperature", "link", "scale"),
    "platt": ("slope", "intercept"),
    "beta": ("a", "b", "c", "scale"),
    "isotonic": ("x", "y"),
    "histogram": ("edges", "values"),
    "factor": ("factor",),
}
"""What each method needs to be applied, by its name in a document.

`threshold` needs a decision only. A `factor` is what predictions of a group, the label, are
multiplied by; its evidence is the number of pairs. A `scale` says whether raw scores are "logit" or
"probability"; a `link` is "sigmoid" (labels apart) or "softmax" (all labels of the head).
"""

PROBABILITY_METHODS = ("temperature", "platt", "beta", "isotonic", "histogram")
"""Methods whose output is the probability that an item is positive."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of scores on an equal grid: cell i is [lo + i·w, lo + (i+1)·w), the last closed.

    `underflow` counts scores below `lo`, `overflow` those above `hi`.
    """

    lo: float
    hi: float
    counts: tuple[int, ...]
    underflow: int
    overflow: int

    @property
    def total(self) -> int:
        """All scores counted, inside the grid and outside."""
        return sum(self.counts) + self.underflow + self.overflow

    def to_json(self) -> Json:
        return {
            "lo": self.lo,
            "hi": self.hi,
            "counts": list(self.counts),
            "underflow": self.underflow,
            "overflow": self.overflow,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Histogram:
        return cls(
            lo=float(data["lo"]),
            hi=float(data["hi"]),
            counts=tuple(data["counts"]),
            underflow=data["underflow"],
            overflow=data["overflow"],
        )


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a document keeps of the scores of one label.

    Computed ones are complete. Imported ones hold what the other system kept; None is
    "not known" and makes every metric that needs it null.

    `quantiles` maps the names in `QUANTILES` to scores, all of them or none.
    """

    samples: int | None
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: Mapping[str, float] | None = None
    histogram: Histogram | None = None


_SUMMARY = ("min", "max", "mean", "std")


@dataclass(frozen=True, slots=True)
class LabelCalibration:
    """How to read one label's raw scores: a method, its parameters, and the evidence.

    `decision` says when the label fires, `direction` whether high or low scores speak for
    it, `is_logit` whether the scores it was tuned on were logits; all are None for what is
    only rescaled, and `is_logit` where nobody said. `calibration` is the trial on the items the
    numbers were chosen on, `holdout` the one on items kept apart.
    """

    method: str
    parameters: Mapping[str, Parameter]
    distribution: Distribution
    direction: Direction | None = None
    decision: Decision | None = None
    calibration: Trial | None = None
    holdout: Trial | None = None
    is_logit: bool | None = None

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The 5th and 95th percentile of the raw scores; None where they are not known."""
        low, high = self.parameters.get("p5"), self.parameters.get("p95")
        if isinstance(low, float) and isinstance(high, float):
            return low, high
        known = self.distribution.quantiles
        return (None, None) if known is None else (known["p5"], known["p95"])

    def to_json(self) -> Json:
        evidence = self.distribution
        data: Json = {"method": self.method, "samples": evidence.samples}
        data.update({key: _plain(value) for key, value in self.parameters.items()})
        if self.direction is not None:
            data["direction"] = self.direction
        if self.is_logit is not None:
            data["is_logit"] = self.is_logit
        if self.decision is not None:
            data.update(self.decision.to_json())
        data.update(
            {key: getattr(evidence, key) for key in _SUMMARY if getattr(evidence, key) is not None}
        )
        if evidence.quantiles is not None:
            data["quantiles"] = dict(evidence.quantiles)
        if evidence.histogram is not None:
            data["histogram"] = evidence.histogram.to_json()
        trials = {"calibration": self.calibration, "holdout": self.holdout}
        data.update({key: trial.to_json() for key, trial in trials.items() if trial is not None})
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabelCalibration:
        quantiles = data.get("quantiles")
        histogram = data.get("histogram")
        return cls(
            method=data["method"],
            parameters={key: _parameter(data[key]) for key in METHOD_PARAMETERS[data["method"]]},
            distribution=Distribution(
                samples=data["samples"],
                **{key: _float_or_none(data.get(key)) for key in _SUMMARY},
                quantiles=quantiles and {key: float(quantiles[key]) for key in QUANTILES},
                histogram=histogram and Histogram.from_json(histogram),
            ),
            direction=data.get("direction"),
            decision=Decision.from_json(data) if "threshold" in data else None,
            calibration=_trial(data.get("calibration")),
            holdout=_trial(data.get("holdout")),
            is_logit=data.get("is_logit"),
        )


def _plain(value: Parameter) -> float | str | list[float]:
    return list(value) if isinstance(value, tuple) else value


def _parameter(value: Any) -> Parameter:
    if isinstance(value, str):
        return value
    return tuple(map(float, value)) if isinstance(value, list) else float(value)


def _trial(data: Mapping[str, Any] | None) -> Trial | None:
    return None if data is None else Trial.from_json(data)


def _float_or_none(value: float | None) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A head's calibration of one version, as it lies in the registry."""

    name: HeadName
    version: int
    labels: Mapping[str, LabelCalibration]
    display_name: str | None = None

    SCHEMA = "calreg/calibration/1.0"

    @property
    def samples(self) -> int | None:
        """Scores behind the best-covered label; None if no label says."""
        known = [
            label.distribution.samples
            for label in self.labels.values()
            if label.distribution.samples is not None
        ]
        return max(known, default=None)

    def to_json(self) -> Json:
        data: Json = {
            "schema": self.SCHEMA,
            "model": self.name.model,
            "head": self.name.head,
            "version": self.version,
            "labels": {label: numbers.to_json() for label, numbers in self.labels.items()},
        }
        if self.display_name is not None:
            data["display_name"] = self.display_name
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """The value of an object that passed the schema and the semantic checks."""
        return cls(
            name=HeadName(data["model"], data["head"]),
            version=data["version"],
            labels={
                label: LabelCalibration.from_json(numbers)
                for label, numbers in sorted(data["labels"].items())
            },
            display_name=data.get("display_name"),
        )

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())

    @property
    def digest(self) -> str:
        """The sha256 of the document's canonical bytes."""
        return digest_of(self.to_bytes())
