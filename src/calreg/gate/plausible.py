"""Whether the numbers kept of one label's scores can be of one set of scores.

A histogram says between which edges each score of a rank lies, so it bounds every quantile, the
extremes and the mean. Who writes a calibration by hand gets one of them wrong sooner or later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from math import ceil, floor, inf

from calreg.documents import CELLS, QUANTILES, Distribution, Histogram

__all__ = ["misfits"]

_OF_A_CELL = 1e-6
"""A score on an edge may be counted on either side of it; by so much of a cell it may be off."""


def misfits(kept: Distribution) -> Iterator[tuple[str, str]]:
    """What cannot be of the same scores as the histogram: the key, and why."""
    histogram = kept.histogram
    if histogram is None or not histogram.total:
        return
    seen = _Seen(kept, histogram)
    known = {"min": (0.0, kept.min), "max": (1.0, kept.max)}
    known |= {name: (p, (kept.quantiles or {}).get(name)) for name, p in QUANTILES.items()}
    for name, (probability, value) in known.items():
        low, high = seen.bounds(probability)
        if value is not None and not low <= value <= high:
            yield name, f"{value:.6g} is not between {low:.6g} and {high:.6g}, as counted"
    if kept.mean is not None:
        low, high = seen.mean_bounds()
        if not low <= kept.mean <= high:
            yield "mean", f"{kept.mean:.6g} is not between {low:.6g} and {high:.6g}, as counted"
    if kept.std is not None and kept.min is not None and kept.max is not None:
        most = (kept.max - kept.min) / 2.0
        if not kept.std <= most * (1.0 + 1e-9):
            yield "std", f"{kept.std:.6g} is more than half the range, {most:.6g}"


class _Seen:
    """The counts of a histogram as bounds, cell by cell, underflow and overflow included."""

    def __init__(self, kept: Distribution, histogram: Histogram) -> None:
        width = (histogram.hi - histogram.lo) / CELLS
        edges = [histogram.lo + width * cell for cell in range(CELLS)] + [histogram.hi]
        self._spare = width * _OF_A_CELL
        self._lows = [-inf if kept.min is None else kept.min, *edges]
        self._highs = [*edges, inf if kept.max is None else kept.max]
        self._counts = [histogram.underflow, *histogram.counts, histogram.overflow]
        self._below = list(accumulate(self._counts))
        self._total = histogram.total

    def bounds(self, probability: float) -> tuple[float, float]:
        """Between what a quantile lies, which is on the line between the two nearest ranks."""
        rank = (self._total - 1) * probability
        first = bisect_right(self._below, floor(rank))
        last = bisect_right(self._below, min(ceil(rank), self._total - 1))
        return self._lows[first] - self._spare, self._highs[last] + self._spare

    def mean_bounds(self) -> tuple[float, float]:
        """Between what the mean lies: all scores at the lower edges, or at the upper ones."""
        filled = [place for place, count in enumerate(self._counts) if count]
        low = sum(self._counts[place] * self._lows[place] for place in filled) / self._total
        high = sum(self._counts[place] * self._highs[place] for place in filled) / self._total
        return low - self._spare, high + self._spare
