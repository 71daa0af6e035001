"""What is asked of a tuning: methods, objectives, direction, and how sure it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from calreg.calibrate.objectives import Objective, parse_objective
from calreg.documents import PROBABILITY_METHODS, Average
from calreg.errors import UsageError

__all__ = ["METHODS", "Request"]

METHODS = ("threshold", *PROBABILITY_METHODS)
"""What `--method` takes."""

Asked = Literal["auto", "higher", "lower"]

_BY_FPR = "max-recall@fpr"


@dataclass(frozen=True, slots=True)
class Request:
    """How to calibrate the labels of one head.

    Args:
        map_method: The probability method that comes first; None for thresholds on raw scores.
        objective: What thresholds are the optimum of; None for probabilities alone.
        objectives: Other objectives, by label.
        average: A threshold for each label, or one for all of them.
        link: "softmax" for labels of which exactly one is true; temperature only.
        direction: Whether high scores speak for a label; "auto" looks at its AUROC.
        directions: The same, by label.
        guarantee: The confidence with which an FPR limit must hold on fresh items.
        min_positives: A label with fewer positives gets no threshold.
        min_negatives: The same of negatives.
        bins: Bins of the histogram method.
        seed: Of the bootstrap intervals.

    Raises:
        UsageError: Parts that contradict each other.
    """

    map_method: str | None = None
    objective: Objective | None = field(default_factory=lambda: parse_objective("max-f1"))
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    average: Average = "per-label"
    link: Literal["sigmoid", "softmax"] = "sigmoid"
    direction: Asked = "auto"
    directions: Mapping[str, Asked] = field(default_factory=dict)
    guarantee: float | None = None
    min_positives: int = 1
    min_negatives: int = 1
    bins: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.map_method is None and self.objective is None:
            raise UsageError("neither a probability method nor an objective: nothing to do")
        if self.link == "softmax" and self.map_method != "temperature":
            raise UsageError(
                "a softmax needs --method temperature",
                hint="platt, beta, isotonic and histogram look at each label alone.",
            )
        if self.average != "per-label" and self.objectives:
            raise UsageError(
                f"--average {self.average} finds one threshold for all labels, "
                "and labels have objectives of their own",
                hint="Give one --objective without a label.",
            )
        if self.average != "per-label" and self.objective is None:
            raise UsageError(
                f"--average {self.average} finds one threshold, and none is asked for",
                hint="Add --objective, for example --objective max-f1.",
            )
        if self.guarantee is not None:
            self._check_guarantee(self.guarantee)

    def _check_guarantee(self, guarantee: float) -> None:
        if not 0.0 < guarantee < 1.0:
            raise UsageError(f"--guarantee: expected a confidence such as 0.95, got {guarantee}")
        wanted = [*self.objectives.values(), *([self.objective] if self.objective else [])]
        if not any(objective.kind == _BY_FPR for objective in wanted):
            raise UsageError(
                "--guarantee is for limits of the false positive rate",
                hint="--objective 'max-recall@fpr<=0.02' --guarantee 0.95",
            )

    @property
    def method(self) -> str:
        """The method as it stands in a document."""
        return self.map_method or "threshold"

    def direction_of(self, label: str) -> Asked:
        """Which way a label's scores point, as far as somebody said."""
        return self.directions.get(label, self.direction)

    def objective_of(self, label: str) -> Objective | None:
        """What a label's threshold is the optimum of; None if it gets none."""
        return self.objectives.get(label, self.objective)

    def guarantee_of(self, label: str) -> float | None:
        """The confidence a label's limit must hold with; None where it has no FPR limit."""
        objective = self.objective_of(label)
        is_by_fpr = objective is not None and objective.kind == _BY_FPR
        return self.guarantee if is_by_fpr else None

    def fpr_limit_of(self, label: str) -> float | None:
        """A label's limit of the false positive rate, if its objective has one."""
        objective = self.objective_of(label)
        is_by_fpr = objective is not None and objective.kind == _BY_FPR
        return objective.limit if objective is not None and is_by_fpr else None

    def to_json(self) -> dict[str, Any]:
        """Everything that changes a result, as it is recorded with a run."""
        return {
            "method": self.method,
            "objective": self.objective.text if self.objective is not None else None,
            "objectives": {label: found.text for label, found in sorted(self.objectives.items())},
            "average": self.average,
            "link": self.link,
            "direction": self.direction,
            "directions": dict(sorted(self.directions.items())),
            "guarantee": self.guarantee,
            "min_positives": self.min_positives,
            "min_negatives": self.min_negatives,
            "bins": self.bins,
            "seed": self.seed,
        }
