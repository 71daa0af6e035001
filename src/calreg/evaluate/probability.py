"""Whether probabilities mean what they say: of items at 0.3, three in ten are positive.

Scores that reward both order and level (Brier, NLL), the calibration error with its
binning in its name, and the bins themselves for a picture. With few items even a perfect
model's error is not zero, so each error comes with what a perfect model would get.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.fits.sums import blocks, order_free_total
from calreg.documents import Json
from calreg.errors import InputError
from calreg.evaluate.checked import checked_probabilities
from calreg.evaluate.intervals import clopper_pearson
from calreg.labelled import Floats, Truth

__all__ = [
    "NLL_CLIP",
    "SCHEMES",
    "Ece",
    "ReliabilityBin",
    "Scheme",
    "brier",
    "ece",
    "nll",
    "reliability",
]

Scheme: TypeAlias = Literal["equal_width", "equal_mass"]

SCHEMES: tuple[Scheme, ...] = ("equal_width", "equal_mass")
"""How probabilities are put into bins; part of an error's name."""

NLL_CLIP = 2.0**-52
"""A probability of the truth below this counts as this: a certainty that was wrong costs 36.04."""


@dataclass(frozen=True, slots=True)
class Ece:
    """The expected calibration error, and how much of it is only the number of items.

    Args:
        value: The mean over items of |mean probability − share of positives| of their bin.
        perfect: What a perfectly calibrated model with these probabilities would get on average.
        debiased: sqrt(value² − perfect²), 0 where that is negative: what is left.
    """

    value: float
    perfect: float
    debiased: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability diagram.

    Args:
        lo: Its lower edge; for `equal_mass` the least probability in it.
        hi: Its upper edge; for `equal_mass` the greatest probability in it.
        n: Items in it, at least 1.
        mean_probability: What was said.
        rate: What came: the share of positives.
        low: Lower end of the rate's 95 % Clopper–Pearson interval.
        high: Its upper end.
    """

    lo: float
    hi: float
    n: int
    mean_probability: float
    rate: float
    low: float
    high: float

    def to_json(self) -> Json:
        """The bin as a plain object."""
        return {
            "lo": self.lo,
            "hi": self.hi,
            "n": self.n,
            "mean_probability": self.mean_probability,
            "rate": self.rate,
            "rate_interval": [self.low, self.high],
        }


def brier(probabilities: Floats, truth: Truth) -> float:
    """The mean squared distance of the probabilities from the truth, 0 to 1.

    Raises:
        InputError: A probability outside [0, 1], or no items.

    References:
        Brier (1950), Verification of forecasts, halved: one class is counted, not both.

    >>> brier(np.array([0.5, 1.0]), np.array([False, True]))
    0.125
    """
    checked_probabilities(probabilities, truth)
    terms = (np.square(p - y) for p, y in _blocks(probabilities, truth))
    return order_free_total(terms, 1.0) / truth.size


def nll(probabilities: Floats, truth: Truth) -> float:
    """The mean negative natural logarithm of what was said of the truth.

    Probabilities below `NLL_CLIP` count as `NLL_CLIP`, so that one item that was called
    impossible does not make the figure infinite.

    Raises:
        InputError: A probability outside [0, 1], or no items.

    References:
        Good (1952), Rational decisions, section 8.
    """
    checked_probabilities(probabilities, truth)
    terms = (
        np.log(np.maximum(np.where(y, p, 1.0 - p), NLL_CLIP))
        for p, y in _blocks(probabilities, truth)
    )
    return max(0.0, -order_free_total(terms, -math.log(NLL_CLIP)) / truth.size)


def ece(probabilities: Floats, truth: Truth, bins: int = 15, scheme: Scheme = "equal_width") -> Ece:
    """The expected calibration error, with what a perfect model would get on as many items.

    `equal_width`: bin i holds probabilities from i/bins up to, but not including,
    (i + 1)/bins; the last one includes 1. `equal_mass`: the edges are the sorted
    probabilities of rank floor(i·n/bins); equal probabilities are never parted, so
    there may be fewer bins.

    A perfect model's error is the mean absolute deviation of a sum of coins: in a bin of n
    items with mean p, the binomial's closed form, times the root of the ratio of the two
    variances, since the coins are not quite alike. Exact where a bin's probabilities are
    equal; elsewhere within a few per cent.

    The debiased error subtracts squares, since deviation and error of a bin add up as squares
    do: almost nothing is taken from an error much larger than `perfect`, nearly all from one
    no larger. It is no unbiased estimate, which |·| does not have: a perfect model still gets
    about a quarter of `perfect` on average, since it cannot be negative, and one whose error
    is about `perfect` a seventh too little.

    Raises:
        InputError: A probability outside [0, 1], no items, or fewer than 1 bin.

    References:
        Naeini, Cooper & Hauskrecht (2015), Obtaining well calibrated probabilities using
        Bayesian binning. De Moivre (1730), Miscellanea analytica: the mean absolute
        deviation of a binomial; Diaconis & Zabell (1991). The bias, and its subtraction from
        squares: Bröcker (2012), Ferro & Fricker (2012), Kumar, Liang & Ma (2019).
    """
    p = checked_probabilities(probabilities, truth)
    _, (n, came, said, variance) = _binned(p, truth, bins, scheme)
    value = min(1.0, math.fsum(np.abs(said - came).tolist()) / p.size)
    perfect = math.fsum(map(_mean_deviation, n.tolist(), said.tolist(), variance.tolist()))
    perfect = min(1.0, perfect / p.size)
    debiased = math.sqrt(max(0.0, (value - perfect) * (value + perfect)))
    return Ece(value=value, perfect=perfect, debiased=debiased)


def reliability(
    probabilities: Floats, truth: Truth, bins: int = 15, scheme: Scheme = "equal_width"
) -> tuple[ReliabilityBin, ...]:
    """The bins of `ece` that hold items, ascending, with what was said and what came.

    Raises:
        InputError: As `ece`.
    """
    p = checked_probabilities(probabilities, truth)
    (lo, hi), (n, came, said, _) = _binned(p, truth, bins, scheme)
    return tuple(
        ReliabilityBin(
            lo=float(lo[i]),
            hi=float(hi[i]),
            n=int(n[i]),
            mean_probability=min(1.0, float(said[i] / n[i])),
            rate=float(came[i] / n[i]),
            low=ends[0],
            high=ends[1],
        )
        for i in np.flatnonzero(n)
        for ends in [clopper_pearson(int(came[i]), int(n[i]))]
    )


_Numbers: TypeAlias = NDArray[Any]
_Ends: TypeAlias = tuple[_Numbers, _Numbers]

_GRID = 2.0**26  # 2^27 steps of a 2^26th are below 2^53, and so are those of what they leave


def _blocks(p: Floats, truth: Truth) -> Iterator[tuple[NDArray[np.float64], Truth]]:
    for block in blocks(p.size):
        yield np.asarray(p[block], dtype=np.float64), truth[block]


def _parts(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values as a coarse and a fine part, whose sums over 130 million items have no order."""
    coarse = np.floor(p * _GRID) / _GRID
    return coarse, np.round((p - coarse) * _GRID**2) / _GRID**2


def _binned(
    p: Floats, truth: Truth, bins: int, scheme: Scheme
) -> tuple[_Ends, NDArray[np.float64]]:
    """Ends of the bins; per bin: items, sums of truth, of p, and of p (1 - p).

    The same for any order of the items: documents hold what follows from it.
    """
    if bins < 1:
        raise InputError(f"expected at least 1 bin, got {bins}", code="bins")
    if scheme == "equal_width":
        edges = np.arange(bins + 1) / bins
        inner, ends = edges[1:-1], (edges[:-1], edges[1:])
    else:
        inner, ends = _equal_mass(p, bins)
    size = inner.size + 1
    sums = np.zeros((4, size))
    fine = np.zeros((2, size))
    for said, came in _blocks(p, truth):
        where = np.searchsorted(inner, said, side="right")
        sums[0] += np.bincount(where, minlength=size)
        sums[1] += np.bincount(where[came], minlength=size)
        for row, values in enumerate((said, said * (1.0 - said))):
            upper, lower = _parts(values)
            sums[2 + row] += np.bincount(where, weights=upper, minlength=size)
            fine[row] += np.bincount(where, weights=lower, minlength=size)
    sums[2:] += fine
    return ends, sums


def _equal_mass(p: Floats, bins: int) -> tuple[_Numbers, _Ends]:
    """Inner edges, each the least of its bin, and the least and greatest of all bins."""
    ordered = np.sort(p)
    inner = np.unique(ordered[np.arange(1, bins) * p.size // bins]).astype(np.float64)
    inner = inner[inner > ordered[0]]
    starts = np.searchsorted(ordered, inner, side="left")
    lo = np.concatenate([ordered[:1], inner])
    return inner, (lo, np.concatenate([ordered[starts - 1], ordered[-1:]]))


def _mean_deviation(n: float, said: float, variance: float) -> float:
    """The expected |sum of n coins − its mean|, coins with this sum of means and variances."""
    mean = said / n if n else 0.0
    if not (0.0 < mean < 1.0 and variance > 0.0):
        return 0.0
    above = min(n, math.floor(said) + 1.0)
    logarithm = (
        math.lgamma(n + 1)
        - math.lgamma(above + 1)
        - math.lgamma(n - above + 1)
        + above * math.log(mean)
        + (n - above + 1) * math.log1p(-mean)
    )
    alike = 2.0 * above * math.exp(logarithm)
    return alike * math.sqrt(min(1.0, variance / (n * mean * (1.0 - mean))))
