"""Histogram binning: the rate of truth among scores of about the same rank."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.fits.accepted import refuse_unfit
from calreg.calibrate.fits.sums import blocks
from calreg.documents.calibration import Parameter
from calreg.documents.decision import Direction
from calreg.errors import UsageError
from calreg.labelled import Floats, Truth

__all__ = ["fit_histogram"]

Counts: TypeAlias = NDArray[np.int64]

MOST_BINS = 1001
"""As many as a document holds."""


def fit_histogram(
    scores: Floats, truth: Truth, *, bins: int = 15, direction: Direction
) -> dict[str, Parameter]:
    """Bins of about as many scores each, and the rate of truth 1 in each.

    An edge is the lowest score of the bin above it. Equal scores are never in two bins, so
    bins are only about equal, and may be fewer than asked for. Values need not rise.

    Args:
        scores: Of one label, finite.
        truth: One per score.
        bins: At most so many, 2 to 1,001.
        direction: From which end scores are cut where two cuts are equally near.

    Returns:
        The parameters of method `histogram`: one value more than edges.

    Raises:
        InputError: Nothing to fit; two distinct scores already make two bins.
        UsageError: Another number of bins.

    References:
        Zadrozny & Elkan (2001), Obtaining calibrated probability estimates, section 3.

    >>> fit_histogram(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, False, False, True]),
    ...     bins=2, direction="higher")
    {'edges': (3.0,), 'values': (0.0, 0.5)}
    """
    if not 2 <= bins <= MOST_BINS:
        raise UsageError(f"expected 2 to {MOST_BINS:,} bins, got {bins}")
    refuse_unfit(scores, truth)
    ordered = np.sort(scores)
    edges = ordered[_cuts(ordered, bins, from_above=direction == "lower")].astype(np.float64)
    totals, positives = np.zeros((2, edges.size + 1), np.int64)
    for rows in blocks(scores.size):
        place = np.searchsorted(edges, scores[rows], side="right")
        totals += np.bincount(place, minlength=totals.size)
        positives += np.bincount(place[truth[rows]], minlength=totals.size)
    return {"edges": tuple((edges + 0.0).tolist()), "values": tuple((positives / totals).tolist())}


def _cuts(ordered: Floats, bins: int, *, from_above: bool) -> Counts:
    """Ranks between different scores, those nearest to equal shares; never the two ends."""
    shares = np.arange(1, bins) * ordered.size  # in units of 1/bins of a score: whole numbers
    at = ordered[shares // bins]
    below, above = (np.searchsorted(ordered, at, side=side) for side in ("left", "right"))
    down, up = shares - bins * below, bins * above - shares
    is_above = up <= down if from_above else up < down
    is_above = (is_above & (above < ordered.size)) | (below == 0)
    return np.unique(np.where(is_above, above, below))
