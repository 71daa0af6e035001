"""Heads whose labels are groups with a factor: how far each factor moved.

There are no scores to describe, so no drift metric is judged: they are null. A factor is
compared as the number that predictions are multiplied by, relative to the one in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from calreg.decisions import METHOD_CHANGED
from calreg.documents import DEFAULT_FACTOR_SHIFT, LabelCalibration
from calreg.drift.values import (
    FACTOR_SHIFT,
    LABELS_CHANGED,
    NULLS,
    FactorShift,
    HeadDrift,
    LabelDrift,
    Pair,
)

__all__ = ["factor_drift", "factor_limit", "factor_shift", "holds_factors"]


def holds_factors(pair: Pair) -> bool:
    """Whether one side of a comparison is a head of factors: the labels of one all are."""
    return _is_factors(pair.new) or _is_factors(pair.reference or {})


def _is_factors(labels: Mapping[str, LabelCalibration]) -> bool:
    return any(label.method == "factor" for label in list(labels.values())[:1])


def factor_limit(thresholds: Mapping[str, float]) -> float:
    """What a factor's shift must stay strictly below, by a head's settings."""
    return thresholds.get(FACTOR_SHIFT, DEFAULT_FACTOR_SHIFT)


def factor_shift(new: LabelCalibration, reference: LabelCalibration | None) -> FactorShift | None:
    """A group's factor before and after; None where the new label holds none.

    >>> from calreg.documents import Distribution
    >>> one, other = (
    ...     LabelCalibration("factor", {"factor": each}, Distribution(40)) for each in (0.5, 0.25)
    ... )
    >>> factor_shift(other, one)
    FactorShift(before=0.5, after=0.25, factor_shift=0.5)
    """
    after, before = _factor(new), None if reference is None else _factor(reference)
    if after is None:
        return None
    return FactorShift(before, after, None if before is None else abs(after / before - 1.0))


def _factor(label: LabelCalibration) -> float | None:
    found = label.parameters.get("factor") if label.method == "factor" else None
    return found if isinstance(found, float) else None


def factor_drift(pair: Pair) -> HeadDrift:
    """The drift of a head that holds factors, or of one that held them before."""
    labels = {label: _label(pair, label) for label in sorted(pair.new)}
    failed = _failed(pair, labels)
    is_stable = pair.reference is not None and not failed
    limit = factor_limit(pair.thresholds)
    label = max(labels, key=lambda name: _rank(labels[name], limit))
    return HeadDrift(
        metrics=NULLS,
        noise=NULLS,
        failed_metrics=failed,
        is_stable=is_stable,
        verdict="stable" if is_stable else "unstable",
        # What a person or a rule changed is no chance; a factor's own noise is not known.
        evidence="drift" if {METHOD_CHANGED, LABELS_CHANGED} & set(failed) else "none",
        label=label,
        labels=labels,
        items_needed=None,
        assumption="independent",
        reference_too_small=False,
        factor=labels[label].factor,
    )


def _label(pair: Pair, label: str) -> LabelDrift:
    new, reference = pair.new[label], (pair.reference or {}).get(label)
    found = factor_shift(new, reference)
    if pair.reference is None:
        return LabelDrift(NULLS, NULLS, (), factor=found)
    if reference is not None and reference.method != new.method:
        return LabelDrift(NULLS, NULLS, (METHOD_CHANGED,), factor=found)
    shift = None if found is None else found.factor_shift
    is_same = shift is not None and shift < factor_limit(pair.thresholds)
    return LabelDrift(NULLS, NULLS, () if is_same else (FACTOR_SHIFT,), factor=found)


def _failed(pair: Pair, labels: Mapping[str, LabelDrift]) -> tuple[str, ...]:
    if pair.reference is None:
        return ()
    shared = pair.reference.keys() & labels.keys()
    # Of labels that are no longer there, or not yet, the set has changed; that is said last.
    some = {name for label in shared for name in labels[label].failed_metrics}
    failed = tuple(name for name in (FACTOR_SHIFT, METHOD_CHANGED) if name in some)
    return failed if shared == labels.keys() == pair.reference.keys() else (*failed, LABELS_CHANGED)


def _rank(label: LabelDrift, limit: float) -> float:
    """How bad it is, for ordering; a method or a label that is new is worse than any shift."""
    shift = None if label.factor is None else label.factor.factor_shift
    return inf if label.failed_metrics and shift is None else (shift or 0.0) / limit
