"""Every head's drift and its verdict, from its labels'."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from calreg.decisions import DECISION_FAILURES
from calreg.documents.calibration import METRICS, LabelCalibration
from calreg.drift.factors import factor_drift, holds_factors
from calreg.drift.judged import Judged, judge, with_decisions, worst_decision
from calreg.drift.needed import Needed, items_needed
from calreg.drift.values import (
    LABELS_CHANGED,
    NULLS,
    Assumption,
    Evidence,
    HeadDrift,
    LabelDrift,
    Metrics,
    Pair,
    Verdict,
)
from calreg.errors import InputError

__all__ = ["drift_between", "drifts"]


def drift_between(
    new: Mapping[str, LabelCalibration],
    reference: Mapping[str, LabelCalibration] | None,
    *,
    thresholds: Mapping[str, float],
    assume: Assumption = "independent",
) -> HeadDrift:
    """One head's drift from its reference, or from nothing on a first run.

    Raises:
        InputError: No label, or a metric without a threshold.
    """
    return drifts([Pair(new, reference, thresholds, assume)])[0]


def drifts(pairs: Sequence[Pair]) -> list[HeadDrift]:
    """The drift of many heads, in the order given, computed together.

    Raises:
        InputError: A head without labels, or a metric without a threshold.
    """
    for pair in pairs:
        _check(pair)
    measured = [pair for pair in pairs if not holds_factors(pair)]
    starts = range(0, len(measured), _BLOCK)
    found = [one for start in starts for one in _block_drifts(measured[start : start + _BLOCK])]
    if len(measured) == len(pairs):
        return found
    others = iter(found)
    return [factor_drift(pair) if holds_factors(pair) else next(others) for pair in pairs]


_BLOCK = 256
"""Heads computed together: enough to amortise numpy's calls, few enough for the caches."""


def _block_drifts(pairs: Sequence[Pair]) -> list[HeadDrift]:
    shared = [_shared_labels(pair) for pair in pairs]
    rows = [(pair, label) for pair, labels in zip(pairs, shared, strict=True) for label in labels]
    judged, grown = judge(rows, [len(labels) for labels in shared], pairs)
    numbers = iter(with_decisions(rows, judged))
    return [
        _head(pair, {label: next(numbers) for label in labels}, is_grown=is_grown)
        for pair, labels, is_grown in zip(pairs, shared, grown, strict=True)
    ]


def _check(pair: Pair) -> None:
    if not pair.new:
        raise InputError("a head without labels has no drift, expected at least one label")
    missing = [name for name in METRICS if name not in pair.thresholds]
    if missing:
        raise InputError(f"no drift threshold for {', '.join(missing)}")


def _shared_labels(pair: Pair) -> list[str]:
    return sorted(pair.new.keys() & (pair.reference or {}).keys())


# --- verdicts -----------------------------------------------------------------------------


def _head(pair: Pair, judged: Mapping[str, Judged], *, is_grown: bool) -> HeadDrift:
    is_changed = pair.reference is not None and pair.new.keys() != pair.reference.keys()
    failed = _failed(pair, judged, is_changed=is_changed)
    evidence = _evidence(judged.values(), is_changed=is_changed)
    needed = Needed(None, is_reference_too_small=False)
    if evidence == "noise":
        needed = items_needed(judged.values(), pair.thresholds, is_grown=is_grown)
    metrics, noise = _worst(list(judged.values()))
    return HeadDrift(
        metrics=metrics,
        noise=noise,
        failed_metrics=failed,
        is_stable=pair.reference is not None and not failed,
        verdict=_verdict(pair, judged.values(), failed),
        evidence=evidence,
        label=_deciding(judged) if judged else min(pair.new),
        labels=_all_labels(pair, judged),
        items_needed=needed.items,
        assumption="grown" if is_grown else "independent",
        reference_too_small=needed.is_reference_too_small,
        decision=worst_decision(judged.values()),
    )


def _all_labels(pair: Pair, judged: Mapping[str, Judged]) -> Mapping[str, LabelDrift]:
    """Every new label's drift; without counterpart null, which fails but on a first run."""
    alone = LabelDrift(NULLS, NULLS, () if pair.reference is None else METRICS)
    return {label: judged[label].drift if label in judged else alone for label in sorted(pair.new)}


def _failed(pair: Pair, judged: Mapping[str, Judged], *, is_changed: bool) -> tuple[str, ...]:
    if pair.reference is None:
        return ()
    some = {name for row in judged.values() for name in row.drift.failed_metrics}
    failed = tuple(name for name in METRICS if name in some or not judged)
    failed += tuple(name for name in DECISION_FAILURES if name in some)
    return (*failed, LABELS_CHANGED) if is_changed else failed


def _evidence(judged: Collection[Judged], *, is_changed: bool) -> Evidence:
    if is_changed or any(row.is_beyond_noise for row in judged):
        return "drift"
    if any(row.is_unexplained for row in judged):
        return "none"  # a failed number whose noise is not known
    return "noise" if any(row.has_failed_number for row in judged) else "none"


def _verdict(pair: Pair, judged: Collection[Judged], failed: tuple[str, ...]) -> Verdict:
    if pair.reference is None or LABELS_CHANGED in failed:
        return "unstable"
    if not failed:
        return "stable"
    return "unstable" if any(row.is_unexplained for row in judged) else "undecided"


def _worst(rows: Sequence[Judged]) -> tuple[Metrics, Metrics]:
    """Each metric of its worst label, and its noise as the worst of all; of equals the first."""
    if not rows:
        return NULLS, NULLS
    metrics: dict[str, float | None] = {}
    noise: dict[str, float | None] = {}
    for name, ranks in zip(METRICS, zip(*(row.ranks for row in rows), strict=True), strict=True):
        worst = rows[ranks.index(max(ranks))]
        metrics[name] = worst.drift.metrics[name]
        noise[name] = worst.worst_noise[METRICS.index(name)]
    return metrics, noise


def _deciding(judged: Mapping[str, Judged]) -> str:
    """The label with the largest metric relative to its threshold, first by name of equals."""
    return max(judged, key=lambda label: judged[label].worst_rank)
