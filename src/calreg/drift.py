"""How far a head's new calibration lies from the reference in use, and what that means.

Both sides come from what documents store; scores are not needed. Each label is judged on
its own and the worst decides. Nothing here promotes or writes: a verdict is a value.

Labels that decide are compared by their decision as well (`calreg.decisions`), after and
apart from the arrays, so that heads that only rescale pay nothing for it.

To add a metric: its name in `METRICS`, a row in `measure` and one in `noise.noise_of`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, starmap
from math import floor
from typing import Literal, NamedTuple

import numpy as np

from calreg.decisions import DECISION_FAILURES, DecisionShift, decision_shift, shift_limits
from calreg.documents.calibration import METRICS, LabelCalibration
from calreg.errors import InputError
from calreg.noise import noise_of, variance_factor
from calreg.summaries import Floats, Summaries, divergence, stack

__all__ = [
    "LABELS_CHANGED",
    "Assumption",
    "Evidence",
    "HeadDrift",
    "LabelDrift",
    "Pair",
    "Verdict",
    "drift_between",
    "drifts",
    "measure",
]

Assumption = Literal["independent", "grown"]
Verdict = Literal["stable", "unstable", "undecided"]
Evidence = Literal["drift", "noise", "none"]
Metrics = Mapping[str, float | None]

LABELS_CHANGED = "labels"
"""What stands last in `failed_metrics` when the two sides have different labels."""


@dataclass(frozen=True, slots=True)
class LabelDrift:
    """One label's metrics, their noise, and what failed: METRICS, then DECISION_FAILURES.

    `decision` is None where there is neither a decision nor a probability to compare.
    """

    metrics: Metrics
    noise: Metrics
    failed_metrics: tuple[str, ...]
    decision: DecisionShift | None = None


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
            means another probability or is read otherwise, then "labels" if their set changed.
        is_stable: Whether every metric of every label is strictly below its threshold, and
            every label decides and means what it did.
        verdict: What `is_stable` says, or that it could not be told.
        evidence: Whether a failed metric exceeds its noise. What a person or a rule changed
            (labels, method, objective, a threshold that came or went) is no chance: "drift".
            How far a threshold or a map moves by sampling alone is not known: a head that fails
            by the size of a shift is unstable, with evidence "none" unless something else has.
        label: The label that decided: the largest metric, or shift of its decision, relative
            to its limit; a changed decision goes before all of them.
        labels: Every new label's own drift.
        items_needed: About how many items would tell, when the evidence is noise; two digits.
        assumption: What the noise really assumes of the two samples.
        reference_too_small: No number of new items would tell; `items_needed` is then
            what both sides need (grown: what the reference needs).
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


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison to make: a head's new labels, those of its reference, and the limits.

    Args:
        new: The new version's labels; at least one.
        reference: The labels of the version the reference holds; None on a first run.
        thresholds: A limit for each of METRICS, and for shifts of decisions that are not to
            have DEFAULT_SHIFT_LIMITS.
        assume: "grown" if new's items include the reference's.
    """

    new: Mapping[str, LabelCalibration]
    reference: Mapping[str, LabelCalibration] | None
    thresholds: Mapping[str, float]
    assume: Assumption = "independent"


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
    starts = range(0, len(pairs), _BLOCK)
    return [found for start in starts for found in _block_drifts(pairs[start : start + _BLOCK])]


_BLOCK = 256
"""Heads computed together: enough to amortise numpy's calls, few enough for the caches."""


def _block_drifts(pairs: Sequence[Pair]) -> list[HeadDrift]:
    shared = [_shared_labels(pair) for pair in pairs]
    rows = [(pair, label) for pair, labels in zip(pairs, shared, strict=True) for label in labels]
    judged, grown = _judge(rows, [len(labels) for labels in shared], pairs)
    numbers = iter(_with_decisions(rows, judged))
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


class _Judged(NamedTuple):
    """What the arrays say of one label, as plain numbers."""

    drift: LabelDrift
    worst_noise: list[float | None]
    ranks: list[float]
    worst_rank: float
    is_beyond_noise: bool
    is_unexplained: bool
    has_failed_number: bool
    factor: float
    reference_factor: float
    decision_rank: float = 0.0


def _judge(
    rows: Sequence[tuple[Pair, str]], sizes: Sequence[int], pairs: Sequence[Pair]
) -> tuple[list[_Judged], list[bool]]:
    """Every shared label's numbers, and per head whether it passes for grown."""
    if not rows:
        return [], [pair.assume == "grown" for pair in pairs]
    new = stack([pair.new[label] for pair, label in rows])
    reference = stack([(pair.reference or {})[label] for pair, label in rows])
    grown = _grown_heads(new, reference, sizes, pairs)
    is_grown = np.repeat(np.array(grown), sizes)
    thresholds = np.array([[pair.thresholds[name] for name in METRICS] for pair in pairs])
    limits = np.repeat(thresholds, sizes, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # NaN is an answer here
        metrics = measure(new, reference)
        family = np.repeat(np.array(sizes, dtype=np.int64), sizes)
        noise, worst = (
            np.where(np.isfinite(metrics), each, np.nan)
            for each in noise_of(new, reference, is_grown, family)
        )
        factors = (
            variance_factor(new.samples, reference.samples, is_grown),
            1.0 / reference.samples,
        )
        return _conclude(metrics, (noise, worst), limits, factors), grown


def _conclude(
    metrics: Floats, noises: tuple[Floats, Floats], limits: Floats, factors: tuple[Floats, Floats]
) -> list[_Judged]:
    """Compare arrays of shape (6, n_labels) and hand them on label by label."""
    own, worst = noises
    is_failed = ~(metrics < limits)
    has_failed_number = is_failed & np.isfinite(metrics)
    ranks = _ranks(metrics, limits)
    columns = (
        map(_label_drift, _plain(metrics), _plain(own), is_failed.T.tolist()),
        _plain(worst),
        ranks.T.tolist(),
        ranks.max(axis=0).tolist(),
        (has_failed_number & (metrics > worst)).any(axis=0).tolist(),
        (has_failed_number & ~(metrics <= worst)).any(axis=0).tolist(),
        has_failed_number.any(axis=0).tolist(),
        *(factor.tolist() for factor in factors),
    )
    return list(starmap(_Judged, zip(*columns, strict=True)))


def _label_drift(
    metrics: list[float | None], noise: list[float | None], is_failed: list[bool]
) -> LabelDrift:
    failed = tuple(compress(METRICS, is_failed))
    return LabelDrift(_named(metrics), _named(noise), failed)


def _named(values: Iterable[float | None]) -> Metrics:
    return dict(zip(METRICS, values, strict=True))


def _plain(values: Floats) -> list[list[float | None]]:
    """Rows per label of plain floats, None for what is not a finite number."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    rows: list[list[float | None]] = plain.T.tolist()
    return rows


def _grown_heads(
    new: Summaries, reference: Summaries, sizes: Sequence[int], pairs: Sequence[Pair]
) -> list[bool]:
    """Per head whether new's scores can include the reference's: no stored cell shrank."""
    can_be = (
        (new.samples >= reference.samples)
        & (new.grid == reference.grid).all(axis=1)
        & (new.counts >= reference.counts).all(axis=1)
    )
    ends = np.cumsum(sizes)
    return [
        pair.assume == "grown" and bool(can_be[end - size : end].all())
        for pair, size, end in zip(pairs, sizes, ends, strict=True)
    ]


@np.errstate(divide="ignore", invalid="ignore", over="ignore")  # NaN is an answer here
def measure(new: Summaries, reference: Summaries) -> Floats:
    """The six metrics, shape (6, n_labels), NaN where a side lacks what they need."""
    apart = np.abs(new.bounds - reference.bounds)
    return np.stack(
        [
            apart[:, 0],
            apart[:, 1],
            _relative_change(_width(new.bounds), _width(reference.bounds)),
            _jsd(new, reference),
            np.abs(new.quantile("p50") - reference.quantile("p50")),
            _relative_change(
                new.quantile("p75") - new.quantile("p25"),
                reference.quantile("p75") - reference.quantile("p25"),
            ),
        ]
    )


def _width(bounds: Floats) -> Floats:
    return bounds[:, 1] - bounds[:, 0]


def _relative_change(new: Floats, reference: Floats) -> Floats:
    """|new - reference| / reference; of a zero reference 0 if new is zero too, else NaN."""
    otherwise = np.where((reference == 0.0) & (new == 0.0), 0.0, np.nan)
    return np.divide(np.abs(new - reference), reference, out=otherwise, where=reference > 0.0)


def _jsd(new: Summaries, reference: Summaries) -> Floats:
    """The Jensen-Shannon distance on the coarse cells, 0 to 1; NaN on different grids.

    References:
        Endres & Schindelin (2003), A new metric for probability distributions.
    """
    p, q = new.coarse(), reference.coarse()
    squared = divergence(p / p.sum(axis=0), q / q.sum(axis=0)).sum(axis=0)
    # Rounding may leave -1e-17; minimum and maximum hand a NaN on.
    distance = np.sqrt(np.minimum(np.maximum(squared, 0.0), 1.0))
    return np.where((new.grid == reference.grid).all(axis=1), distance, np.nan)


_PASSING = 1.0 - 2.0**-51
_NULL = 1.0 - 2.0**-52


def _ranks(metrics: Floats, thresholds: Floats) -> Floats:
    """How bad each metric is: its size relative to its threshold, for ordering only.

    A null fails, so it ranks above all that pass; it has no size, so it ranks below every
    number that fails, whatever the division rounds to.
    """
    ratio = np.divide(metrics, thresholds, out=np.full_like(metrics, np.inf), where=thresholds > 0)
    passing = np.minimum(ratio, _PASSING)
    failing = np.where(np.isfinite(metrics), np.fmax(ratio, 1.0), _NULL)
    return np.where(metrics < thresholds, passing, failing)


# --- decisions ----------------------------------------------------------------------------


def _with_decisions(rows: Sequence[tuple[Pair, str]], judged: list[_Judged]) -> list[_Judged]:
    """The same, with what is to say of the labels that do more than rescale."""
    for place, (pair, label) in enumerate(rows):
        new, reference = pair.new[label], (pair.reference or {})[label]
        if new.method == reference.method == "minmax":
            continue
        shift = decision_shift(new, reference)
        if shift != DecisionShift() or new.decision is not None:
            judged[place] = _with_decision(judged[place], shift, shift_limits(pair.thresholds))
    return judged


def _with_decision(row: _Judged, shift: DecisionShift, limits: Mapping[str, float]) -> _Judged:
    failures = shift.failures(limits)
    failed = (*row.drift.failed_metrics, *failures)
    return row._replace(
        drift=replace(row.drift, failed_metrics=failed, decision=shift),
        worst_rank=max(row.worst_rank, shift.rank(limits)),
        decision_rank=shift.rank(limits),
        is_beyond_noise=row.is_beyond_noise or shift.is_other,
        # A decision's noise is not known: no number of items would explain the shift.
        is_unexplained=row.is_unexplained or bool(failures),
    )


def _worst_decision(rows: Iterable[_Judged]) -> DecisionShift | None:
    """That of the label whose decision moved most; of equals the first by name."""
    deciding = [row for row in rows if row.drift.decision is not None]
    if not deciding:
        return None
    return max(deciding, key=lambda row: row.decision_rank).drift.decision


# --- verdicts -----------------------------------------------------------------------------

_NULLS: Metrics = dict.fromkeys(METRICS)


def _head(pair: Pair, judged: Mapping[str, _Judged], *, is_grown: bool) -> HeadDrift:
    is_changed = pair.reference is not None and pair.new.keys() != pair.reference.keys()
    failed = _failed(pair, judged, is_changed=is_changed)
    evidence = _evidence(judged.values(), is_changed=is_changed)
    needed = _Needed(None, is_reference_too_small=False)
    if evidence == "noise":
        needed = _items_needed(judged.values(), pair.thresholds, is_grown=is_grown)
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
        decision=_worst_decision(judged.values()),
    )


def _all_labels(pair: Pair, judged: Mapping[str, _Judged]) -> Mapping[str, LabelDrift]:
    """Every new label's drift; without counterpart null, which fails but on a first run."""
    alone = LabelDrift(_NULLS, _NULLS, () if pair.reference is None else METRICS)
    return {label: judged[label].drift if label in judged else alone for label in sorted(pair.new)}


def _failed(pair: Pair, judged: Mapping[str, _Judged], *, is_changed: bool) -> tuple[str, ...]:
    if pair.reference is None:
        return ()
    some = {name for row in judged.values() for name in row.drift.failed_metrics}
    failed = tuple(name for name in METRICS if name in some or not judged)
    failed += tuple(name for name in DECISION_FAILURES if name in some)
    return (*failed, LABELS_CHANGED) if is_changed else failed


def _evidence(judged: Collection[_Judged], *, is_changed: bool) -> Evidence:
    if is_changed or any(row.is_beyond_noise for row in judged):
        return "drift"
    if any(row.is_unexplained for row in judged):
        return "none"  # a failed number whose noise is not known
    return "noise" if any(row.has_failed_number for row in judged) else "none"


def _verdict(pair: Pair, judged: Collection[_Judged], failed: tuple[str, ...]) -> Verdict:
    if pair.reference is None or LABELS_CHANGED in failed:
        return "unstable"
    if not failed:
        return "stable"
    return "unstable" if any(row.is_unexplained for row in judged) else "undecided"


def _worst(rows: Sequence[_Judged]) -> tuple[Metrics, Metrics]:
    """Each metric of its worst label, and its noise as the worst of all; of equals the first."""
    if not rows:
        return _NULLS, _NULLS
    metrics: dict[str, float | None] = {}
    noise: dict[str, float | None] = {}
    for name, ranks in zip(METRICS, zip(*(row.ranks for row in rows), strict=True), strict=True):
        worst = rows[ranks.index(max(ranks))]
        metrics[name] = worst.drift.metrics[name]
        noise[name] = worst.worst_noise[METRICS.index(name)]
    return metrics, noise


def _deciding(judged: Mapping[str, _Judged]) -> str:
    """The label with the largest metric relative to its threshold, first by name of equals."""
    return max(judged, key=lambda label: judged[label].worst_rank)


# --- how many items would tell ------------------------------------------------------------


_LEAST_FACTOR = 1e-12
"""A factor that takes a million million items: fewer are advice, more are not."""


class _Needed(NamedTuple):
    items: int | None
    is_reference_too_small: bool


def _items_needed(
    judged: Iterable[_Judged], thresholds: Mapping[str, float], *, is_grown: bool
) -> _Needed:
    """The least number of new items with which every failed metric's noise is below its limit.

    A larger library cannot bring new nearer to a reference that is itself uncertain: then
    it is what both sides need, or of a library that grows, what its reference needs.
    """
    limits = [(row, limit) for row in judged for limit in _factor_limits(row, thresholds)]
    if not all(limit > _LEAST_FACTOR for _, limit in limits):
        return _Needed(None, is_reference_too_small=False)
    spare = [limit - row.reference_factor for row, limit in limits]
    if not is_grown and all(part > _LEAST_FACTOR for part in spare):
        return _Needed(_about(1.0 / min(spare)), is_reference_too_small=False)
    sides = 1.0 if is_grown else 2.0
    least = min(limit for _, limit in limits)
    return _Needed(_about(sides / least), is_reference_too_small=True)


def _about(items: float) -> int:
    """The next number upwards with two digits and zeros: it is an estimate, and reads as one.

    >>> _about(155_200.5), _about(99.2), _about(7.0)
    (160000, 100, 8)
    """
    least = floor(items) + 1
    unit: int = 10 ** max(len(str(least)) - 2, 0)
    return -(-least // unit) * unit


def _factor_limits(row: _Judged, thresholds: Mapping[str, float]) -> list[float]:
    """Per failed metric the variance factor at which its noise equals its threshold.

    Noise goes with the square root of the factor.
    """
    return [
        row.factor * (max(thresholds[name], 0.0) / noise) ** 2 if noise > 0.0 else 0.0
        for name in row.drift.failed_metrics
        if (noise := row.worst_noise[METRICS.index(name)]) is not None
    ]
