"""Distinct scores with their counts: what a fit by ranks sees of a sample.

Equal scores cannot be told apart by any map, so they are one step here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.fits.sums import Float64s
from calreg.labelled import Floats, Truth

__all__ = ["Steps", "steps_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The distinct scores of a sample, ascending.

    Args:
        scores: float64, shape (n,).
        totals: How many items have each.
        positives: How many of those have truth 1.
    """

    scores: Float64s
    totals: NDArray[np.int64]
    positives: NDArray[np.int64]


def steps_of(scores: Floats, truth: Truth) -> Steps:
    """The distinct scores with their counts; the order of rows does not matter.

    Two sorts without indices and a search are several times faster than one sort with them.
    """
    ordered = np.sort(scores)
    is_first = np.empty(ordered.size, np.bool_)
    is_first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    distinct = ordered[starts]
    totals = np.diff(starts, append=ordered.size).astype(np.int64)
    is_rare = 2 * np.count_nonzero(truth) <= truth.size
    counted = np.sort(scores[truth if is_rare else ~truth])
    found = np.bincount(np.searchsorted(distinct, counted), minlength=distinct.size).astype(
        np.int64
    )
    positives = found if is_rare else totals - found
    return Steps(distinct.astype(np.float64) + 0.0, totals, positives)
