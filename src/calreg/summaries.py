"""What documents keep of many labels, as arrays: a row per label, NaN where one is silent.

The metrics and their noise are computed on these, for all labels of all heads at once.
Only +, -, *, / and sqrt touch the numbers, never a vendor's log or exp: those round
differently from machine to machine, and a run's document must not.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.documents.calibration import CELLS, QUANTILES, LabelCalibration

__all__ = ["COARSE_CELLS", "Floats", "Summaries", "divergence", "log2", "stack"]

Floats: TypeAlias = NDArray[np.float64]

COARSE_CELLS = 20
"""Cells of the grid on which divergence is measured; underflow and overflow come on top."""

_PROBABILITIES = tuple(QUANTILES)
_QUANTILES_OF = itemgetter(*_PROBABILITIES)
_NO_QUANTILES = (None,) * len(_PROBABILITIES)
_PACK = struct.Struct(f"={CELLS + 2}q")
_NO_COUNTS = _PACK.pack(*(0,) * (CELLS + 2))


@dataclass(frozen=True, slots=True)
class Summaries:
    """One side of many comparisons.

    Args:
        samples: float64, shape (n_labels,): how many scores each label has.
        bounds: float64, shape (n_labels, 2): p5 and p95 of the raw scores.
        quantiles: float64, shape (n_labels, 7), in the order of `QUANTILES`.
        extremes: float64, shape (n_labels, 2): the least and the greatest score.
        grid: float64, shape (n_labels, 2): `lo` and `hi` of the histogram.
        counts: float64, shape (n_labels, 102): underflow, the stored cells, overflow.
    """

    samples: Floats
    bounds: Floats
    quantiles: Floats
    extremes: Floats
    grid: Floats
    counts: Floats

    def quantile(self, name: str) -> Floats:
        """One stored quantile of every label, shape (n_labels,)."""
        return self.quantiles[:, _PROBABILITIES.index(name)]

    def take(self, rows: NDArray[np.intp]) -> Summaries:
        """The labels at some positions, in that order."""
        return Summaries(*(getattr(self, each.name)[rows] for each in fields(self)))

    def coarse(self) -> Floats:
        """Counts on the coarse grid, shape (22, n_labels): underflow, 20 cells, overflow.

        Cells lie on the first axis, so that sums over them add in one order on any machine.
        """
        cells = self.counts.T
        inner = cells[1:-1].reshape(COARSE_CELLS, CELLS // COARSE_CELLS, -1).sum(axis=1)
        return np.concatenate([cells[:1], inner, cells[-1:]])


def stack(labels: Sequence[LabelCalibration]) -> Summaries:
    """The evidence of labels as arrays, in the order given."""
    rows = [_row(label) for label in labels]
    # numpy reads None as NaN, which is what this module means by it.
    numbers = np.array([row for row, _ in rows], dtype=np.float64).reshape(len(rows), -1)
    packed = b"".join([counts for _, counts in rows])
    counts = np.frombuffer(packed, dtype=np.int64).reshape(len(rows), CELLS + 2)
    return Summaries(
        samples=numbers[:, 0],
        bounds=numbers[:, 1:3],
        extremes=numbers[:, 3:5],
        grid=numbers[:, 5:7],
        quantiles=numbers[:, 7:],
        counts=counts.astype(np.float64),
    )


def _row(label: LabelCalibration) -> tuple[tuple[float | None, ...], bytes]:
    kept = label.distribution
    histogram = kept.histogram
    quantiles = _NO_QUANTILES if kept.quantiles is None else _QUANTILES_OF(kept.quantiles)
    p5, p95 = label.bounds
    if histogram is None or len(histogram.counts) != CELLS:
        return (kept.samples, p5, p95, kept.min, kept.max, None, None, *quantiles), _NO_COUNTS
    numbers = (kept.samples, p5, p95, kept.min, kept.max, histogram.lo, histogram.hi, *quantiles)
    return numbers, _PACK.pack(histogram.underflow, *histogram.counts, histogram.overflow)


def divergence(p: Floats, q: Floats) -> Floats:
    """Each cell's part of the squared Jensen-Shannon distance of `p` and `q`, base 2.

    Exactly 0 where p = q; a cell that one side lacks counts half of what the other has.

    References:
        Lin (1991), Divergence measures based on the Shannon entropy, eq. 3.1.

    >>> divergence(np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.0, 0.5]))
    array([0.  , 0.25, 0.25])
    """
    middle = 0.5 * (p + q)
    return 0.5 * (_weighted_log2(p, middle) + _weighted_log2(q, middle))


def _weighted_log2(p: Floats, middle: Floats) -> Floats:
    is_empty = p == 0.0  # 0 log 0 = 0; a NaN is not empty and stays NaN
    ratio = np.divide(p, middle, out=np.ones_like(p), where=~is_empty)
    return p * log2(ratio)


def log2(x: Floats) -> Floats:
    """The binary logarithm of positive numbers, to 2e-16, with the same bits on any machine.

    numpy takes the processor vendor's vector logarithm where there is one, and those
    differ in the last bit.

    >>> log2(np.array([0.125, 1.0, 2.0]))
    array([-3.,  0.,  1.])
    """
    mantissa, exponent = np.frexp(x)
    is_low = mantissa < _SQRT_HALF
    mantissa = np.where(is_low, 2.0 * mantissa, mantissa)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = np.full_like(s, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        series *= square
        series += coefficient
    result: Floats = s * series + (exponent - is_low)
    return result


_SQRT_HALF = 0.7071067811865476
# log2(m) = (2 / ln 2) artanh((m - 1) / (m + 1)); |s| <= 0.172, so 11 terms reach 2^-53.
_SERIES = tuple(2.8853900817779268 / (2 * k + 1) for k in range(11))
