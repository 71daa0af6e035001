"""When a label fires, and how that did on items whose truth is known.

A `Decision` is what production applies; a `Trial` is the evidence for it: what came out
on one set of items with truth. Both are parts of a calibration document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from calreg.documents.strict import Json

__all__ = [
    "AVERAGES",
    "FIGURES",
    "STATUSES",
    "Average",
    "Comparator",
    "Confusion",
    "Decision",
    "Direction",
    "Status",
    "Trial",
]

Comparator: TypeAlias = Literal[">=", "<="]
Direction: TypeAlias = Literal["higher", "lower"]
Average: TypeAlias = Literal["per-label", "micro", "macro"]
Status: TypeAlias = Literal[
    "ok", "infeasible", "fires_never", "fires_always", "too_few_positives", "too_few_negatives"
]

AVERAGES: tuple[Average, ...] = ("per-label", "micro", "macro")
"""Whether a threshold was chosen for its label alone, or one for all labels of the head."""

STATUSES: tuple[Status, ...] = (
    "ok",
    "infeasible",
    "fires_never",
    "fires_always",
    "too_few_positives",
    "too_few_negatives",
)
"""What came of looking for a threshold; only `ok` and `fires_always` have one."""

FIGURES = (
    "auroc",
    "average_precision",
    "brier",
    "nll",
    "ece15_equal_width",
    "ece15_equal_mass",
)
"""Figures of a trial beside its counts; the last four are of probabilities."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Items by truth and decision; every rate is 0 where it would be 0 / 0.

    >>> Confusion(tp=29, fp=1, fn=20, tn=164).fpr
    0.006060606060606061
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def positives(self) -> int:
        """Items whose truth is 1."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Items whose truth is 0."""
        return self.fp + self.tn

    @property
    def total(self) -> int:
        """All items."""
        return self.positives + self.negatives

    @property
    def precision(self) -> float:
        """The share of firing items that are positive."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """The share of positives that fire."""
        return _ratio(self.tp, self.positives)

    @property
    def fpr(self) -> float:
        """The share of negatives that fire."""
        return _ratio(self.fp, self.negatives)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return self.f_beta(1.0)

    def f_beta(self, beta: float) -> float:
        """The F-measure in which recall weighs `beta` times as much as precision.

        References:
            van Rijsbergen (1979), Information Retrieval, ch. 7.
        """
        weight = beta * beta
        return _ratio(
            (1.0 + weight) * self.tp, (1.0 + weight) * self.tp + weight * self.fn + self.fp
        )

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    def to_json(self) -> Json:
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn, "tn": self.tn}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Confusion:
        return cls(tp=data["tp"], fp=data["fp"], fn=data["fn"], tn=data["tn"])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """When a label fires: its output against a threshold; None never fires.

    Args:
        threshold: On the scale of the method's output: the raw score for `threshold`, the
            probability for a probability method.
        comparator: How the output must stand to the threshold to fire.
        objective: What the threshold is the optimum of, in the words of the command line.
        status: What came of looking for it.
        average: Whether it was chosen for this label or for all labels at once.
        score_threshold: The same decision as a cut of the raw score, in the label's
            direction; exact where the probability is only as exact as its arithmetic. None
            for `threshold` itself, and where no such cut exists.
        guarantee: The confidence with which the objective's limit holds on fresh items;
            None for the plain empirical optimum.
    """

    threshold: float | None
    comparator: Comparator
    objective: str
    status: Status
    average: Average = "per-label"
    score_threshold: float | None = None
    guarantee: float | None = None

    def to_json(self) -> Json:
        """Flat, as it stands beside the method's parameters."""
        data: Json = {
            "threshold": self.threshold,
            "comparator": self.comparator,
            "objective": self.objective,
            "status": self.status,
            "average": self.average,
        }
        if self.score_threshold is not None:
            data["score_threshold"] = self.score_threshold
        if self.guarantee is not None:
            data["guarantee"] = self.guarantee
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Decision:
        return cls(
            threshold=_float(data["threshold"]),
            comparator=data["comparator"],
            objective=data["objective"],
            status=data["status"],
            average=data["average"],
            score_threshold=_float(data.get("score_threshold")),
            guarantee=_float(data.get("guarantee")),
        )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a label did on one set of items with truth.

    Args:
        digest: sha256 that names the set: by its items and their truth where items have
            names, else by scores and truth; whatever the order of rows.
        positives: Items whose truth is 1.
        negatives: Items whose truth is 0.
        confusion: Counts under the label's decision; None if it has none.
        figures: Some of `FIGURES`.
    """

    digest: str
    positives: int
    negatives: int
    confusion: Confusion | None
    figures: Mapping[str, float]

    def to_json(self) -> Json:
        counts = self.confusion.to_json() if self.confusion is not None else {}
        return {
            "digest": self.digest,
            "positives": self.positives,
            "negatives": self.negatives,
            **counts,
            **self.figures,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        return cls(
            digest=data["digest"],
            positives=data["positives"],
            negatives=data["negatives"],
            confusion=Confusion.from_json(data) if "tp" in data else None,
            figures={name: float(data[name]) for name in FIGURES if name in data},
        )
