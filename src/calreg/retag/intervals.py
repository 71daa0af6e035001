"""Sets of raw scores as disjoint intervals of float64, and the order in which they lie.

Which scores are in one is decided here, never why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calreg.documents import Histogram
from calreg.retag.outcomes import Bools, Floats

__all__ = ["LARGEST", "Intervals", "Keys", "key_of", "score_of"]

Keys: TypeAlias = NDArray[np.int64]

LARGEST = float(np.finfo(np.float64).max)

_SMALLEST_KEY = np.iinfo(np.int64).min
_FEW = 2


def key_of(scores: ArrayLike) -> Keys:
    """The place of each number among all float64 numbers: neighbours differ by 1, zeros are 0."""
    bits = np.asarray(scores, np.float64).view(np.int64)
    return np.where(bits < 0, _SMALLEST_KEY - bits, bits)


def score_of(keys: Keys) -> Floats:
    """The number at each place: the reverse of `key_of`."""
    return np.where(keys < 0, _SMALLEST_KEY - keys, keys).view(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Disjoint half-open intervals [lo, hi) of raw scores, ascending; float64 of one shape (n,).

    No NaN or infinity is in any, although an end may be infinite.
    """

    lo: Floats
    hi: Floats

    @classmethod
    def nothing(cls) -> Intervals:
        """No score at all."""
        return cls(np.empty(0), np.empty(0))

    @classmethod
    def everything(cls) -> Intervals:
        """Every score that is a number."""
        return cls(np.array([-LARGEST]), np.array([np.inf]))

    @classmethod
    def of_keys(cls, first: Keys, last: Keys) -> Intervals:
        """Closed ranges of places, in any order, put together where they touch."""
        if not first.size:
            return cls.nothing()
        order = np.argsort(first)
        first, last = first[order], last[order]
        starts = np.append(True, first[1:] != last[:-1] + 1)
        ends = np.append(starts[1:], True)
        return cls(score_of(first[starts]), score_of(last[ends] + 1))

    @property
    def is_empty(self) -> bool:
        """Whether no score is in any."""
        return not self.lo.size

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """The ends of each."""
        return list(zip(self.lo.tolist(), self.hi.tolist(), strict=True))

    def contains(self, scores: NDArray[np.floating]) -> Bools:
        """Whether each score is in an interval; never one that is NaN or infinite."""
        values = np.asarray(scores, np.float64)
        if self.lo.size > _FEW:
            edges = np.stack([self.lo, self.hi], axis=1).ravel()
            inside: Bools = edges.searchsorted(values, "right") % 2 == 1
            return inside & (values < np.inf) if np.isinf(edges[-1]) else inside
        found = np.zeros(values.shape, np.bool_)
        for lo, hi in zip(self.lo, self.hi, strict=True):
            found |= (values >= lo) & (values < hi)
        return found

    def outer(self, count: int) -> Intervals:
        """At most `count` intervals that cover these: the nearest ones are put together."""
        gaps = self.lo[1:] - self.hi[:-1]
        if gaps.size < count:
            return self
        kept = np.sort(np.argsort(-gaps, kind="stable")[: count - 1])
        return Intervals(
            np.append(self.lo[:1], self.lo[1:][kept]), np.append(self.hi[:-1][kept], self.hi[-1:])
        )

    def share_of(self, histogram: Histogram) -> float:
        """The share of a histogram's scores that are inside, from 0 to 1; an estimate.

        Scores count as spread evenly over their cell; those below and above all cells as
        lying at the ends.
        """
        if not histogram.total:
            return 0.0
        edges = np.linspace(histogram.lo, histogram.hi, len(histogram.counts) + 1)
        covered = np.zeros(edges.size - 1)
        for lo, hi in zip(self.lo, self.hi, strict=True):
            covered += np.clip(np.minimum(edges[1:], hi) - np.maximum(edges[:-1], lo), 0.0, None)
        inside: float = float(covered / np.diff(edges) @ np.array(histogram.counts, np.float64))
        outside = np.nextafter([histogram.lo, histogram.hi], [-np.inf, np.inf])
        below, above = self.contains(outside).tolist()
        inside += below * histogram.underflow + above * histogram.overflow
        return min(float(inside) / histogram.total, 1.0)
