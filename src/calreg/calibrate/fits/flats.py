"""Where an isotonic curve is flat: its corners, found without sorting all scores.

Over the count of items in the order of scores, the count of positives is a climbing path.
The isotonic curve is the slope of the path's lower convex hull, its flats are the hull's
edges. Most of the path stays clear of the hull, and its scores need no order.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.fits.sums import blocks
from calreg.calibrate.fits.ties import Steps, steps_of
from calreg.documents.decision import Direction
from calreg.labelled import Floats, Truth

__all__ = ["corner_steps", "flat_starts"]

Counts: TypeAlias = NDArray[np.int64]
Places: TypeAlias = NDArray[np.int32]

_FEW = 2**17  # scores that are sorted as fast as looked through
_BUCKETS = 2**16
_LENGTH = 2**17  # rows counted at once: as many as there are counts


def flat_starts(steps: Steps, *, direction: Direction) -> Counts:
    """Where each flat of the curve starts, as places in the steps."""
    from scipy.optimize import isotonic_regression

    rates = steps.positives / steps.totals
    found = isotonic_regression(rates, weights=steps.totals, increasing=direction == "higher")
    starts: Counts = np.asarray(found.blocks[:-1], np.int64)
    # Its running means are rounded; two flats that differ by that alone are one. Counts tell.
    while True:
        positives = np.add.reduceat(steps.positives, starts)
        totals = np.add.reduceat(steps.totals, starts)
        before, after = positives[:-1] * totals[1:], positives[1:] * totals[:-1]
        is_step = before < after if direction == "higher" else before > after
        if np.all(is_step):
            return starts
        starts = starts[np.append(True, is_step)]


def corner_steps(scores: Floats, truth: Truth, *, direction: Direction) -> Steps:
    """The sample's steps, those that no corner of the curve is near put together.

    The score of steps put together is NaN; the first and the last step always stand alone.
    The curve's flats are those of all steps.
    """
    low = float(scores.min())
    width = float(scores.max()) - low
    if scores.size < _FEW or not 1e-290 < width < math.inf:
        return steps_of(scores, truth)
    place, negatives, positives = _counted(scores, truth, low, _BUCKETS / width)
    rising = (negatives, positives) if direction == "higher" else (positives, negatives)
    is_near = _near_the_hull(*rising)
    chosen = is_near[place]
    near = steps_of(scores[chosen], truth[chosen])
    totals = negatives + positives
    far = np.flatnonzero(~is_near & (totals > 0))
    at = np.searchsorted(_places(near.scores, low, _BUCKETS / width), far)
    return Steps(
        np.insert(near.scores, at, np.nan),
        np.insert(near.totals, at, totals[far]),
        np.insert(near.positives, at, positives[far]),
    )


def _places(scores: Floats, low: float, per_unit: float) -> Places:
    """The bucket of each score: equally wide, and in floats, too, never falling with the score."""
    steps = (scores.astype(np.float64) - low) * per_unit
    return np.minimum(steps, _BUCKETS - 1, out=steps).astype(np.int32)


def _counted(
    scores: Floats, truth: Truth, low: float, per_unit: float
) -> tuple[Places, Counts, Counts]:
    """The bucket of each score, and the negatives and positives of each bucket."""
    place: Places = np.empty(scores.size, np.int32)
    counts: Counts = np.zeros(2 * _BUCKETS, np.int64)
    for rows in blocks(scores.size, _LENGTH):
        place[rows] = _places(scores[rows], low, per_unit)
        counts += np.bincount(2 * place[rows] + truth[rows], minlength=counts.size)
    return place, counts[::2], counts[1::2]


def _near_the_hull(negatives: Counts, positives: Counts) -> NDArray[np.bool_]:
    """The buckets within which the path may touch its hull, for a rising curve.

    Within a bucket the path is lowest if all negatives come first. Where even that corner is
    above the hull of the buckets' ends, which is nowhere below the path's, the bucket's part
    of the path is, too.
    """
    totals = negatives + positives
    used = np.flatnonzero(totals)
    steps = Steps(used.astype(np.float64), totals[used], positives[used])
    starts = flat_starts(steps, direction="higher")
    items, climbed = (np.append(0, np.cumsum(part)) for part in (totals, positives))
    ends = np.append(used[starts], totals.size)
    hull = np.interp(items[:-1] + negatives, items[ends], climbed[ends])
    # Whole counts: a hundredth is far more than rounding, and costs nothing.
    return np.asarray((totals > 0) & (climbed[:-1] <= hull + 0.01))
