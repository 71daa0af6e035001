"""What is compared, and what came out: the values of drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from calreg.decisions import DecisionShift
from calreg.documents.calibration import METRICS, LabelCalibration

__all__ = [
    "FACTOR_SHIFT",
    "LABELS_CHANGED",
    "NULLS",
    "Assumption",
    "Evidence",
    "FactorShift",
    "HeadDrift",
    "LabelDrift",
    "Metrics",
    "Pair",
    "Verdict",
]

Assumption = Literal["independent", "grown"]
Verdict = Literal["stable", "unstable", "undecided"]
Evidence = Literal["drift", "noise", "none"]
Metrics = Mapping[str, float | None]

NULLS: Metrics = dict.fromkeys(METRICS)
"""The metrics of what cannot be compared."""

LABELS_CHANGED = "labels"
"""What stands last in `failed_metrics` when the two sides have different labels."""

FACTOR_SHIFT = "factor_shift"
"""What stands in `failed_metrics` when predictions are multiplied by another factor."""


@dataclass(frozen=True, slots=True)
class FactorShift:
    """From the reference's factor of one group to the new one.

    `before` is None where the reference has no factor for it; `factor_shift` is
    |after / before - 1|, None then.
    """

    before: float | None
    after: float
    factor_shift: float | None


@dataclass(frozen=True, slots=True)
class LabelDrift:
    """One label's metrics, their noise, and what failed: METRICS, then DECISION_FAILURES.

    `decision` is None where there is neither a decision nor a probability to compare,
    `factor` where the label holds none; one that does has null metrics, and fails by
    FACTOR_SHIFT or by its method.
    """

    metrics: Metrics
    noise: Metrics
    failed_metrics: tuple[str, ...]
    decision: DecisionShift | None = None
    factor: FactorShift | None = None


@dataclass(frozen=True, slots=True)
class HeadDrift:
    """One head's drift: the worst label's numbers, and the verdict on all of them.

    Args:
        metrics: Per metric the worst label's: a failing number is worse than None, and
            None worse than a passing number.
        noise: Per metric that of the same label, as the worst of all labels: of a head with
            one label the label's own, of a head with more of them larger.
        failed_metrics: Those that failed for some label, in METRICS order, then
            "threshold_shift", "probability_shift" and "method" if a label decides otherwise,
            means another probability or is read otherwise ("factor_shift" and "method" of
            factors), then "labels" if their set changed.
        is_stable: Whether every metric of every label is strictly below its threshold, and
            every label decides and means what it did.
        verdict: What `is_stable` says, or that it could not be told.
        evidence: Whether a failed metric exceeds its noise. What a person or a rule changed
            (labels, method, objective, a threshold that came or went) is no chance: "drift".
            How far a threshold or a map moves by sampling alone is not known: a head that fails
            by the size of a shift is unstable, with evidence "none" unless something else has.
            A head of factors has null metrics and no noise: it is stable if every factor's
            shift is below its limit, else unstable.
        label: The label that decided: the largest metric, or shift of its decision, relative
            to its limit; a changed decision goes before all of them.
        labels: Every new label's own drift.
        items_needed: About how many items would tell, when the evidence is noise; two digits.
        assumption: What the noise really assumes of the two samples.
        reference_too_small: No number of new items would tell; `items_needed` is then
            what both sides need (grown: what the reference needs).
        decision: That of the label whose decision moved most; None where there is none.
        factor: That of the label that decided; None where it holds none.
    """

    metrics: Metrics
    noise: Metrics
    failed_metrics: tuple[str, ...]
    is_stable: bool
    verdict: Verdict
    evidence: Evidence
    label: str
    labels: Mapping[str, LabelDrift]
    items_needed: int | None
    assumption: Assumption
    reference_too_small: bool
    decision: DecisionShift | None = None
    factor: FactorShift | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison to make: a head's new labels, those of its reference, and the limits.

    Args:
        new: The new version's labels; at least one.
        reference: The labels of the version the reference holds; None on a first run.
        thresholds: A limit for each of METRICS, and for shifts of decisions and factors that
            are not to have DEFAULT_SHIFT_LIMITS and DEFAULT_FACTOR_SHIFT.
        assume: "grown" if new's items include the reference's.
    """

    new: Mapping[str, LabelCalibration]
    reference: Mapping[str, LabelCalibration] | None
    thresholds: Mapping[str, float]
    assume: Assumption = "independent"
