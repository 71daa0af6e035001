"""Which stretch of a label's scores can hold the best threshold.

Branch and bound: count the scores in buckets, bound what each bucket could reach, and keep
the stretch from the first to the last bucket that could still win. Counting is far cheaper
than sorting, and on most data leaves a few per cent of the scores to sort. Nothing is ever
left out that could win or tie: it only costs time if little can be left out.

References:
    Land & Doig (1960), Econometrica 28: branch and bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.targets import Target
from calreg.labelled import Floats, Truth

__all__ = ["Stretch", "narrowed"]

_FEW = 1 << 16  # sorting these takes no longer than looking at them twice
_BUCKETS = 4096
_BLOCK = 1 << 16  # with its work space it stays in a core's second-level cache
_SAMPLE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """All scores within two bounds, and how many lie above them.

    Args:
        scores: float32 or float64, shape (n,), finite.
        truth: bool, shape (n,).
        tp: Positives above the stretch.
        fp: Negatives above the stretch.
    """

    scores: Floats
    truth: Truth
    tp: int = 0
    fp: int = 0


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Bucket `i` holds `floor(score * factor) == base + i`; the end ones hold all beyond them.

    `factor` is a power of two and all numbers fit into the mantissa of the scores, so that
    neither the buckets of scores nor the edges between them are rounded.
    """

    factor: float
    base: float


def narrowed(scores: Floats, truth: Truth, target: Target) -> Stretch:
    """A stretch that holds every threshold that is the optimum, ties and all.

    It is empty if no threshold keeps the limits; else it may hold much or little else.
    """
    stretch = Stretch(scores, truth)
    while stretch.scores.size > _FEW:
        buckets = _buckets_for(stretch.scores)
        if buckets is None:
            break
        smaller = _without_hopeless(stretch, buckets, target)
        if 2 * smaller.scores.size > stretch.scores.size:
            break
        stretch = smaller
    return stretch


def _buckets_for(scores: Floats) -> _Buckets | None:
    """Buckets for the bulk of the scores; None if they cannot be told apart this way."""
    seen = np.sort(scores[:: max(1, scores.size // _SAMPLE)])
    low, high = float(seen[seen.size // 1000]), float(seen[-1 - seen.size // 1000])
    if not low < high:  # most are equal: spread over all there is
        low, high = float(scores.min()), float(scores.max())
    width = high - low
    if not 0.0 < width < math.inf:
        return None
    wanted = math.frexp(_BUCKETS / width)[1] - 1
    mantissa = np.finfo(scores.dtype).nmant
    exponent = min(wanted, mantissa - 1 - math.frexp(max(abs(low), abs(high)))[1])
    if not abs(exponent) <= np.finfo(scores.dtype).maxexp // 2:
        return None
    factor = math.ldexp(1.0, exponent)
    return _Buckets(factor, float(math.floor(low * factor)))


def _without_hopeless(stretch: Stretch, buckets: _Buckets, target: Target) -> Stretch:
    counts = _counts(stretch.scores, stretch.truth, buckets)[::-1]  # from the highest down
    tp = stretch.tp + np.cumsum(counts[:, 1])
    fp = stretch.fp + np.cumsum(counts[:, 0])
    # A bucket without positives only adds false positives: the score above it is as good.
    held = np.flatnonzero(counts[:, 1])
    may = target.may_hold(tp[held], fp[held] - counts[held, 0], fp[held])
    kept = held[may]
    if kept.size == 0:
        return Stretch(stretch.scores[:0], stretch.truth[:0], int(tp[-1]), int(fp[-1]))
    first, last = int(kept[0]), int(kept[-1])
    inside = _inside(stretch.scores, buckets, _BUCKETS - 1 - last, _BUCKETS - 1 - first)
    above = counts[:first].sum(axis=0)
    return Stretch(
        stretch.scores[inside],
        stretch.truth[inside],
        stretch.tp + int(above[1]),
        stretch.fp + int(above[0]),
    )


def _counts(scores: Floats, truth: Truth, buckets: _Buckets) -> NDArray[np.int64]:
    """int64, shape (buckets, 2): negatives and positives in each bucket."""
    kind = scores.dtype.type
    factor, base, last = kind(buckets.factor), kind(buckets.base), kind(_BUCKETS - 1)
    place = np.empty(min(_BLOCK, scores.size), dtype=scores.dtype)
    cell = np.empty(place.size, dtype=np.intp)
    counts = np.zeros(2 * _BUCKETS, dtype=np.int64)
    with np.errstate(over="ignore"):
        for start in range(0, scores.size, _BLOCK):
            block = scores[start : start + _BLOCK]
            at, to = place[: block.size], cell[: block.size]
            np.multiply(block, factor, out=at)
            np.floor(at, out=at)
            np.subtract(at, base, out=at)
            np.maximum(at, kind(0), out=at)
            np.minimum(at, last, out=at)
            np.add(at, at, out=at)
            np.add(at, truth[start : start + _BLOCK], out=at)
            to[...] = at
            counts += np.bincount(to, minlength=2 * _BUCKETS)
    return counts.reshape(_BUCKETS, 2)


def _inside(scores: Floats, buckets: _Buckets, low: int, high: int) -> Truth:
    """Which scores lie in the buckets from `low` to `high`."""
    kind, unit = scores.dtype.type, buckets.factor
    if unit < 1.0:
        # Tiny scores vanish when they are made smaller. Compare what was counted.
        scores, unit = scores * kind(unit), 1.0
    inside: Truth = (
        scores >= kind((buckets.base + low) / unit)
        if low > 0
        else np.ones(scores.size, dtype=np.bool_)
    )
    if high < _BUCKETS - 1:
        inside &= scores < kind((buckets.base + high + 1) / unit)
    return inside
