"""How far the decision of a label moved from the one in use.

What documents hold is enough: thresholds, and the counts of trials on one and the same
holdout. Values only; which shift is too large is the caller's to say.

To add a part of a decision that must not change unseen: one line in `_changes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from calreg.documents import DEFAULT_THRESHOLD_SHIFT, Json, LabelCalibration

__all__ = [
    "DECISION_FAILURES",
    "METHOD_CHANGED",
    "THRESHOLD_SHIFT",
    "DecisionShift",
    "decision_shift",
    "shift_limit",
]

THRESHOLD_SHIFT = "threshold_shift"
"""What stands in `failed_metrics` when a label decides otherwise than its reference."""

METHOD_CHANGED = "method"
"""What stands in `failed_metrics` when a label is read by another method."""

DECISION_FAILURES = (THRESHOLD_SHIFT, METHOD_CHANGED)
"""What may fail beside the drift metrics, in the order in which it is reported."""


@dataclass(frozen=True, slots=True)
class DecisionShift:
    """From the reference's decision of one label to the new one.

    Args:
        threshold_shift: |new - reference| of the threshold, 0 or more; None where there is
            no number on both sides, or none of one scale.
        f1_change: New less reference, -1 to 1, on the same holdout; None where the two were
            not tried on the same one.
        fpr_change: The same of the false positive rate.
        recall_change: The same of the recall.
        changes: What is another than before, whatever the numbers say: some of `method`,
            `direction`, `decision` (one side has none), `objective`, `status`, `threshold`
            (a number that became null, or back).
    """

    threshold_shift: float | None
    f1_change: float | None
    fpr_change: float | None
    recall_change: float | None
    changes: tuple[str, ...]

    def failures(self, limit: float) -> tuple[str, ...]:
        """Some of DECISION_FAILURES: what is not as before, if shifts below `limit` are.

        >>> DecisionShift(0.01, None, None, None, ()).failures(0.01)
        ('threshold_shift',)
        """
        is_moved = self.threshold_shift is not None and not self.threshold_shift < limit
        is_other = any(change != METHOD_CHANGED for change in self.changes)
        failed = (is_moved or is_other, METHOD_CHANGED in self.changes)
        return tuple(name for name, is_so in zip(DECISION_FAILURES, failed, strict=True) if is_so)

    def rank(self, limit: float) -> float:
        """How bad it is, for ordering: the shift in limits; a change is worse than any."""
        return inf if self.changes else (self.threshold_shift or 0.0) / limit

    def to_json(self) -> Json:
        """All of it, for programs."""
        return {
            "threshold_shift": self.threshold_shift,
            "f1_change": self.f1_change,
            "fpr_change": self.fpr_change,
            "recall_change": self.recall_change,
            "changes": list(self.changes),
        }


def shift_limit(thresholds: Mapping[str, float]) -> float:
    """What a threshold's shift must stay strictly below, by a head's settings."""
    return thresholds.get(THRESHOLD_SHIFT, DEFAULT_THRESHOLD_SHIFT)


def decision_shift(new: LabelCalibration, reference: LabelCalibration) -> DecisionShift:
    """How far a label's decision moved; of a label that decides nothing, nothing moved."""
    f1, fpr, recall = _rate_changes(new, reference)
    return DecisionShift(
        threshold_shift=_threshold_shift(new, reference),
        f1_change=f1,
        fpr_change=fpr,
        recall_change=recall,
        changes=tuple(_changes(new, reference)),
    )


def _threshold_shift(new: LabelCalibration, reference: LabelCalibration) -> float | None:
    """On raw scores if both sides say where they cut those, else on one method's output."""
    sides = _raw_cut(new), _raw_cut(reference)
    if None in sides and new.method == reference.method:
        sides = _output_cut(new), _output_cut(reference)
    after, before = sides
    return None if after is None or before is None else abs(after - before)


def _raw_cut(label: LabelCalibration) -> float | None:
    decision = label.decision
    if decision is None:
        return None
    # The output of the method `threshold` is the raw score itself.
    return decision.threshold if label.method == "threshold" else decision.score_threshold


def _output_cut(label: LabelCalibration) -> float | None:
    return None if label.decision is None else label.decision.threshold


def _rate_changes(
    new: LabelCalibration, reference: LabelCalibration
) -> tuple[float | None, float | None, float | None]:
    after, before = new.holdout, reference.holdout
    if after is None or before is None or after.digest != before.digest:
        return None, None, None
    now, then = after.confusion, before.confusion
    if now is None or then is None:
        return None, None, None
    return now.f1 - then.f1, now.fpr - then.fpr, now.recall - then.recall


def _changes(new: LabelCalibration, reference: LabelCalibration) -> list[str]:
    after, before = new.decision, reference.decision
    directions = {new.direction, reference.direction} - {None}
    found = {
        METHOD_CHANGED: new.method != reference.method,
        "direction": len(directions) > 1,
        "decision": (after is None) != (before is None),
    }
    if after is not None and before is not None:
        # The same words mean another optimum for all labels at once, or with a guarantee.
        after_by = (after.objective, after.average, after.guarantee)
        found["objective"] = after_by != (before.objective, before.average, before.guarantee)
        found["status"] = after.status != before.status
        found["threshold"] = (after.threshold is None) != (before.threshold is None)
    return [name for name, is_so in found.items() if is_so]
