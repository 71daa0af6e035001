"""The figures of labels that decide, from their counts, and what a policy says to them.

Conditions are written for good, so that a figure that is missing or no number fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from calreg.documents import (
    PROBABILITY_METHODS,
    Calibration,
    Confusion,
    GateSettings,
    LabelCalibration,
    Trial,
)
from calreg.evaluate import bootstrap_intervals

__all__ = [
    "ECE",
    "covers",
    "drop_problem",
    "figures_of",
    "has_probabilities",
    "least_f1",
    "limit_problems",
    "shared_trials",
    "trial_of",
]

ECE = "ece15_equal_width"

Figures = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit of a policy: its key, the figure, and whether that must be at least it."""

    key: str
    figure: str
    is_floor: bool


_LIMITS = (
    _Limit("min_f1", "F1", is_floor=True),
    _Limit("max_fpr", "FPR", is_floor=False),
    _Limit("min_recall", "recall", is_floor=True),
    _Limit("min_precision", "precision", is_floor=True),
)
_ECE_LIMIT = _Limit("max_ece", "ECE", is_floor=False)


def trial_of(label: LabelCalibration) -> Trial | None:
    """What a label is judged by: items kept apart, if there were any."""
    return label.holdout if label.holdout is not None else label.calibration


def shared_trials(before: LabelCalibration, after: LabelCalibration) -> tuple[Trial, Trial] | None:
    """The trials of two labels on the same items; None if they cannot be compared.

    The holdouts, if there is one on either side: then nothing else counts. Without any the
    items that both thresholds were chosen on.
    """
    has_holdout = before.holdout is not None or after.holdout is not None
    name = "holdout" if has_holdout else "calibration"
    then, now = getattr(before, name), getattr(after, name)
    if then is None or now is None or then.digest != now.digest:
        return None
    return then, now


def has_probabilities(label: LabelCalibration) -> bool:
    """Whether what comes out of a label's method is a probability."""
    return label.method in PROBABILITY_METHODS


def figures_of(confusion: Confusion | None, ece: float | None) -> Figures:
    """The figures by name; None where there is nothing to make them of."""
    if confusion is None:
        return dict.fromkeys(("F1", "FPR", "recall", "precision")) | {"ECE": ece}
    return {
        "F1": confusion.f1,
        "FPR": confusion.fpr,
        "recall": confusion.recall,
        "precision": confusion.precision,
        "ECE": ece,
    }


def limit_problems(
    label: LabelCalibration, figures: Figures, policy: GateSettings, where: str
) -> Iterator[str]:
    """Every limit that a label's figures do not keep.

    Args:
        label: What it is; only a label that decides has rates, only one with probabilities ECE.
        figures: As `figures_of` gives them.
        policy: What is asked.
        where: Of which items the figures are.
    """
    limits = _LIMITS if label.decision is not None else ()
    for limit in (*limits, *((_ECE_LIMIT,) if has_probabilities(label) else ())):
        asked: float | None = getattr(policy, limit.key)
        if asked is None:
            continue
        value = figures[limit.figure]
        if value is None:
            yield f"has no {limit.figure} {where}, and {limit.key} is {asked:.6g}"
        elif not (value >= asked if limit.is_floor else value <= asked):
            word = "below" if limit.is_floor else "above"
            yield f"{limit.figure} {where} is {value:.4g}, {word} {limit.key} {asked:.6g}"


def drop_problem(
    before: Confusion, after: Confusion, policy: GateSettings, where: str
) -> tuple[str, bool] | None:
    """That F1 fell by more than is allowed, and whether chance may be all there is to it."""
    if policy.max_f1_drop is None or after.f1 >= before.f1 - policy.max_f1_drop:
        return None
    text = (
        f"F1 {where} falls from {before.f1:.4g} to {after.f1:.4g}, by more than max_f1_drop "
        f"{policy.max_f1_drop:.6g}"
    )
    return text, covers(after, before.f1)


def covers(confusion: Confusion, f1: float) -> bool:
    """Whether the 95 % interval of F1, from these counts, reaches up to another F1."""
    if not 0 < confusion.total < 2**53:
        return False
    return bootstrap_intervals(confusion, seed=0)["f1"][1] >= f1


def least_f1(calibration: Calibration | None) -> float | None:
    """The least F1 of the labels that decide; None where none does, or one has no counts."""
    labels = calibration.labels.values() if calibration is not None else ()
    found = [trial_of(label) for label in labels if label.decision is not None]
    counts = [trial.confusion if trial is not None else None for trial in found]
    if not counts or None in counts:
        return None
    return min(count.f1 for count in counts if count is not None)
