"""Labels that both sides have, judged one by one: their numbers beside noise and limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress, starmap
from typing import NamedTuple

import numpy as np

from calreg.decisions import DecisionShift, decision_shift, shift_limits
from calreg.documents.calibration import METRICS
from calreg.drift.metrics import measure, ranks_of
from calreg.drift.values import LabelDrift, Metrics, Pair
from calreg.noise import noise_of, variance_factor
from calreg.summaries import Floats, Summaries, stack

__all__ = ["Judged", "judge", "with_decisions", "worst_decision"]


class Judged(NamedTuple):
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


def judge(
    rows: Sequence[tuple[Pair, str]], sizes: Sequence[int], pairs: Sequence[Pair]
) -> tuple[list[Judged], list[bool]]:
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
) -> list[Judged]:
    """Compare arrays of shape (6, n_labels) and hand them on label by label."""
    own, worst = noises
    is_failed = ~(metrics < limits)
    has_failed_number = is_failed & np.isfinite(metrics)
    ranks = ranks_of(metrics, limits)
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
    return list(starmap(Judged, zip(*columns, strict=True)))


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


# --- decisions ----------------------------------------------------------------------------


def with_decisions(rows: Sequence[tuple[Pair, str]], judged: list[Judged]) -> list[Judged]:
    """The same, with what is to say of the labels that do more than rescale."""
    for place, (pair, label) in enumerate(rows):
        new, reference = pair.new[label], (pair.reference or {})[label]
        if new.method == reference.method == "minmax":
            continue
        shift = decision_shift(new, reference)
        if shift != DecisionShift() or new.decision is not None:
            judged[place] = _with_decision(judged[place], shift, shift_limits(pair.thresholds))
    return judged


def _with_decision(row: Judged, shift: DecisionShift, limits: Mapping[str, float]) -> Judged:
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


def worst_decision(rows: Iterable[Judged]) -> DecisionShift | None:
    """That of the label whose decision moved most; of equals the first by name."""
    deciding = [row for row in rows if row.drift.decision is not None]
    if not deciding:
        return None
    return max(deciding, key=lambda row: row.decision_rank).drift.decision
