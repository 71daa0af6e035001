"""How far the decision of a label, and its probabilities, moved from those in use.

What documents hold is enough: thresholds, maps, and the counts of trials on one and the same
holdout. Values only; which shift is too large is the caller's to say.

To add a part of a decision that must not change unseen: one line in `_changes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from calreg.documents import (
    DEFAULT_SHIFT_LIMITS,
    INFORMATIONAL_CHANGES,
    PROBABILITY_METHODS,
    Json,
    LabelCalibration,
)
from calreg.methods import apply_method

__all__ = [
    "DECISION_FAILURES",
    "METHOD_CHANGED",
    "PROBABILITY_SHIFT",
    "THRESHOLD_SHIFT",
    "DecisionShift",
    "decision_shift",
    "shift_limits",
]

THRESHOLD_SHIFT = "threshold_shift"
"""What stands in `failed_metrics` when a label decides otherwise than its reference."""

PROBABILITY_SHIFT = "probability_shift"
"""What stands in `failed_metrics` when the same scores became other probabilities."""

METHOD_CHANGED = "method"
"""What stands in `failed_metrics` when a label is read by another method."""

DECISION_FAILURES = (THRESHOLD_SHIFT, PROBABILITY_SHIFT, METHOD_CHANGED)
"""What may fail beside the drift metrics, in the order in which it is reported."""


@dataclass(frozen=True, slots=True)
class DecisionShift:
    """From the reference's decision and map of one label to the new ones.

    Args:
        threshold_shift: |new - reference| of the threshold, 0 or more; None where there is
            no number on both sides, or none of one scale.
        probability_shift: The largest |new - reference| of the probability, 0 to 1, at the
            stored quantiles of the new raw scores, their least and their greatest; None
            where the new label stores none, or one side is no probability map.
        f1_change: New less reference, -1 to 1, on the same holdout; None where the two were
            not tried on the same one.
        fpr_change: The same of the false positive rate.
        recall_change: The same of the recall.
        changes: What is another than before, whatever the numbers say: some of `method`
            (with its link and scale), `direction`, `decision` (one side has none),
            `objective`, `status`, `threshold` (a number that became null, or back).
    """

    threshold_shift: float | None = None
    probability_shift: float | None = None
    f1_change: float | None = None
    fpr_change: float | None = None
    recall_change: float | None = None
    changes: tuple[str, ...] = ()

    @property
    def is_other(self) -> bool:
        """Whether a part is another that must not change; a status may."""
        return not INFORMATIONAL_CHANGES.issuperset(self.changes)

    def failures(self, limits: Mapping[str, float]) -> tuple[str, ...]:
        """Some of DECISION_FAILURES: what is not as before, if shifts below `limits` are.

        >>> limits = {"threshold_shift": 0.01, "probability_shift": 0.01}
        >>> DecisionShift(threshold_shift=0.01, probability_shift=0.009).failures(limits)
        ('threshold_shift',)
        """
        harmless = {METHOD_CHANGED, *INFORMATIONAL_CHANGES}
        failed = {name: not part < limits[name] for name, part in self._shifts().items()}
        failed[METHOD_CHANGED] = METHOD_CHANGED in self.changes
        if not harmless.issuperset(self.changes):
            failed[THRESHOLD_SHIFT] = True
        return tuple(name for name in DECISION_FAILURES if failed.get(name, False))

    def rank(self, limits: Mapping[str, float]) -> float:
        """How bad it is, for ordering: the shift in limits; a change is worse than any."""
        if self.is_other:
            return inf
        return max((part / limits[name] for name, part in self._shifts().items()), default=0.0)

    def _shifts(self) -> dict[str, float]:
        parts = {THRESHOLD_SHIFT: self.threshold_shift, PROBABILITY_SHIFT: self.probability_shift}
        return {name: part for name, part in parts.items() if part is not None}

    def to_json(self) -> Json:
        """All of it, for programs."""
        return {
            "threshold_shift": self.threshold_shift,
            "probability_shift": self.probability_shift,
            "f1_change": self.f1_change,
            "fpr_change": self.fpr_change,
            "recall_change": self.recall_change,
            "changes": list(self.changes),
        }


def shift_limits(thresholds: Mapping[str, float]) -> dict[str, float]:
    """What shifts must stay strictly below, by their names and by a head's settings."""
    return {name: thresholds.get(name, limit) for name, limit in DEFAULT_SHIFT_LIMITS.items()}


def decision_shift(new: LabelCalibration, reference: LabelCalibration) -> DecisionShift:
    """How far a label's decision and map moved; where there is none, nothing moved."""
    f1, fpr, recall = _rate_changes(new, reference)
    return DecisionShift(
        threshold_shift=_threshold_shift(new, reference),
        probability_shift=_probability_shift(new, reference),
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


_DECIMALS = 12
"""Of a probability's shift: exp differs in the last bit between machines, documents must not."""


def _probability_shift(new: LabelCalibration, reference: LabelCalibration) -> float | None:
    """The largest distance of the two maps where the new scores lie.

    A label of a softmax is seen on its own: as the sigmoid of its own scaled score, since
    its probability depends on the scores of other labels, which no document keeps item by
    item. That is the softmax itself for two labels whose probabilities add up to 1, and the
    odds against a logit of 0 for others: a stand-in, by which a moved temperature shows.
    """
    scores = _known_scores(new)
    if not scores or not {new.method, reference.method} <= set(PROBABILITY_METHODS):
        return None
    after, before = (_probabilities(side, scores) for side in (new, reference))
    return round(max(abs(now - then) for now, then in zip(after, before, strict=True)), _DECIMALS)


def _known_scores(label: LabelCalibration) -> list[float]:
    """Stored quantiles of the raw scores, and what else is known of where they lie."""
    kept = label.distribution
    ends = [end for end in (kept.min, kept.max) if end is not None]
    return [*kept.quantiles.values(), *ends] if kept.quantiles is not None else []


def _probabilities(label: LabelCalibration, scores: list[float]) -> list[float]:
    alone = {"link": "sigmoid"} if "link" in label.parameters else {}
    found: list[float] = apply_method(label.method, {**label.parameters, **alone}, scores).tolist()
    return found


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
        METHOD_CHANGED: _reading(new) != _reading(reference),
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


def _reading(label: LabelCalibration) -> tuple[object, ...]:
    """The method, and the words among its parameters: they make it another one."""
    return label.method, label.parameters.get("link"), label.parameters.get("scale")
