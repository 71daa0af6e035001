"""Intervals of figures that are made of sums, by drawing the items anew.

The bootstrap draws n of n items with replacement. Where there are many, they are dealt
into blocks at random, and blocks are drawn: the sums of blocks vary as the sums of items
do, so that the interval is the same but for a few per cent of its width, and a million
items cost what five hundred do. The generator is made here from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calreg.evaluate import Interval
from calreg.evaluate.intervals import tail_of
from calreg.feedback.values import Numbers

__all__ = ["BLOCKS", "RESAMPLES", "median_interval", "percentile_interval", "resampled_sums"]

RESAMPLES = 1000
"""How many sets are drawn."""

BLOCKS = 500
"""Up to so many items are drawn one by one; more are dealt into so many blocks."""

_DIGITS = 12  # the last digits of a resampled sum differ between processors


def resampled_sums(columns: Sequence[Numbers], *, seed: int) -> Numbers:
    """The sums of every column over sets drawn anew, shape (RESAMPLES, len(columns)).

    Args:
        columns: float64, shape (n,) each, n at least 1; a row is an item.
        seed: Of numpy's PCG64. Its draws are the same with the same version of numpy.

    References:
        Efron & Tibshirani (1993), An introduction to the bootstrap, ch. 13.
        Politis, Romano & Wolf (1999), Subsampling, ch. 2: blocks of exchangeable items.
    """
    generator = np.random.default_rng(seed)
    size = columns[0].size
    blocks = min(size, BLOCKS)
    sums = np.stack(columns, axis=1) if size <= BLOCKS else _dealt(columns, blocks, generator)
    drawn = generator.integers(0, blocks, size=(RESAMPLES, blocks))
    drawn += np.arange(RESAMPLES)[:, None] * blocks
    times = np.bincount(drawn.ravel(), minlength=RESAMPLES * blocks)
    found: Numbers = times.reshape(RESAMPLES, blocks).astype(np.float64) @ sums
    return found


def _dealt(columns: Sequence[Numbers], blocks: int, generator: np.random.Generator) -> Numbers:
    place = generator.permutation(columns[0].size) % blocks
    return np.stack([np.bincount(place, column, minlength=blocks) for column in columns], axis=1)


def percentile_interval(values: Numbers, confidence: float = 0.95) -> Interval | None:
    """Between which two the middle share of resampled figures lies; None if there is none.

    A NaN is a set that gives no figure, and is left out.
    """
    tail = tail_of(confidence)
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    low, high = np.quantile(known, [tail, 1.0 - tail])
    return _rounded(float(low)), _rounded(float(high))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def median_interval(
    ordered: NDArray[np.float64], confidence: float = 0.95
) -> tuple[float, float] | None:
    """Between which two of the values the median lies, at least with this confidence.

    Exact whatever the distribution: how many of n values are below the median is binomial.
    It is what a bootstrap of the median tends to, without drawing.

    Args:
        ordered: Ascending, shape (n,).
        confidence: Two-sided. Up to five values have no such interval at 95 %: None.

    References:
        Thompson (1936), On confidence ranges for the median; Conover (1999), Practical
        nonparametric statistics, ch. 3.2.

    >>> median_interval(np.arange(1.0, 7.0))
    (1.0, 6.0)
    """
    rank = _lowest_rank(ordered.size, tail_of(confidence))
    if rank < 1:
        return None
    return float(ordered[rank - 1]), float(ordered[ordered.size - rank])


def _lowest_rank(size: int, tail: float) -> int:
    """The highest k for which fewer than k of `size` fair coins come with at most `tail`."""
    from scipy.special import betainc

    low, high = 0, size // 2 + 1
    while high - low > 1:
        middle = (low + high) // 2
        # Fewer than k heads, as the incomplete beta function has it.
        is_rare = float(betainc(size - middle + 1, middle, 0.5)) <= tail
        low, high = (middle, high) if is_rare else (low, middle)
    return low
