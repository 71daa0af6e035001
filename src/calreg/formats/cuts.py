"""Decisions as other systems have them: one number that raw scores are compared with.

Those systems know raw scores only, and their files have no null. So a decision on a
probability goes out as the raw score that makes the same one, or not at all; and a label
that never fires goes out as a number that no score reaches, or not at all.
"""

from __future__ import annotations

import re

from calreg.documents import (
    Calibration,
    Comparator,
    Decision,
    Direction,
    Distribution,
    LabelCalibration,
)
from calreg.errors import InputError

__all__ = [
    "IMPORTED",
    "fpr_limit",
    "fpr_objective",
    "raw_cut",
    "recall_limit",
    "recall_objective",
    "threshold_label",
]

IMPORTED = "imported"
"""The objective of a threshold whose file does not say what it is the optimum of."""

_COMPARATORS: dict[Direction, Comparator] = {"higher": ">=", "lower": "<="}
_RATE = r"([0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)"
_FPR = re.compile(rf"max-recall@fpr<={_RATE}")
_RECALL = re.compile(rf"max-precision@recall>={_RATE}")


def fpr_objective(limit: float | None) -> str:
    """The objective that a limit of the false positive rate stands for.

    >>> fpr_objective(0.02), fpr_objective(None)
    ('max-recall@fpr<=0.02', 'imported')
    """
    return IMPORTED if limit is None else f"max-recall@fpr<={_text(limit)}"


def recall_objective(limit: float | None) -> str:
    """The objective that a least recall stands for.

    >>> recall_objective(0.9)
    'max-precision@recall>=0.9'
    """
    return IMPORTED if limit is None else f"max-precision@recall>={_text(limit)}"


def _text(limit: float) -> str:
    return repr(limit).removesuffix(".0")


def fpr_limit(objective: str) -> float | None:
    """The limit that an objective sets to the false positive rate, if it does."""
    found = _FPR.fullmatch(objective)
    return float(found[1]) if found else None


def recall_limit(objective: str) -> float | None:
    """The recall that an objective asks for, if it does."""
    found = _RECALL.fullmatch(objective)
    return float(found[1]) if found else None


def threshold_label(
    threshold: float | None, *, objective: str, direction: Direction, samples: int | None = None
) -> LabelCalibration:
    """A label that fires by its raw score alone; no threshold is one that was infeasible."""
    return LabelCalibration(
        method="threshold",
        parameters={},
        distribution=Distribution(samples=samples),
        direction=direction,
        decision=Decision(
            threshold=threshold,
            comparator=_COMPARATORS[direction],
            objective=objective,
            status="ok" if threshold is not None else "infeasible",
        ),
    )


def raw_cut(
    calibration: Calibration, label: str, *, direction: Direction, fmt: str
) -> float | None:
    """The raw score from which (`higher`) or up to which (`lower`) a label fires; None: never.

    Raises:
        InputError: The label has no decision, fires the other way round, or its decision is
            no cut of the raw score.
    """
    found = calibration.labels[label]
    place = f"{calibration.name} label {label!r}"
    if found.decision is None:
        raise _refused(
            f"{place} has no threshold ({found.method} alone decides nothing)",
            f"Name the heads to export; {fmt} is for those that calreg tune gave thresholds.",
        )
    if found.direction != direction:
        raise _refused(
            f"{place} fires at {found.direction} scores; {fmt} can only say "
            f"score {_COMPARATORS[direction]} threshold",
            "Another format may hold it, or calreg apply makes the decisions themselves.",
        )
    decision = found.decision
    if decision.threshold is None or found.method == "threshold":
        return decision.threshold
    if decision.score_threshold is None:
        raise _refused(
            f"{place} is decided on the probability of {found.method}, "
            f"and no cut of the raw score says the same; {fmt} has raw scores only",
            "calreg apply makes the decisions themselves.",
        )
    return decision.score_threshold


def _refused(message: str, hint: str) -> InputError:
    return InputError(message, hint=hint, code="format")
