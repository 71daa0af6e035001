"""Whether predicted probabilities of a sale came true.

Pure. The figures are those of `calreg.evaluate`; here they get ten bins, all ten whether
or not they hold rows, and resampled intervals. A row counts if it has a probability and is
known to have sold or not: an empty cell is neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.evaluate import Ece, Interval, brier, clopper_pearson, ece
from calreg.feedback.resampling import percentile_interval, resampled_sums
from calreg.feedback.values import Numbers

__all__ = [
    "EDGES",
    "ProbabilityBin",
    "ProbabilityMetrics",
    "probability_metrics",
]

EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Ends of the bins, as they are written: each is [lo, hi), the last one [0.9, 1]."""

_BINS = len(EDGES) - 1


@dataclass(frozen=True, slots=True)
class ProbabilityBin:
    """The rows whose probability lies in [lo, hi); of an empty bin, figures are None.

    `rate` is the share that sold, `rate_interval` its 95 % Clopper–Pearson interval.
    """

    lo: float
    hi: float
    n: int
    mean_probability: float | None
    rate: float | None
    rate_interval: Interval | None

    def to_json(self) -> dict[str, Any]:
        """The bin as plain values."""
        ends = self.rate_interval
        return {**asdict(self), "rate_interval": list(ends) if ends is not None else None}


@dataclass(frozen=True, slots=True)
class ProbabilityMetrics:
    """The figures of one set of probabilities; None is "no row to say it from".

    Args:
        n: Rows with a probability that are known to have sold or not.
        brier: Mean squared distance from what came.
        ece10: Expected calibration error over the ten bins, with what a perfect model would
            get and what is left of it.
        mean_probability: What was said.
        base_rate: What came.
        bins: All ten.
        intervals: 95 % intervals by figure, resampled. Resampling adds noise to every bin,
            so that of `ece10` lies high, and above a very small one.
    """

    n: int
    brier: float | None
    ece10: Ece | None
    mean_probability: float | None
    base_rate: float | None
    bins: tuple[ProbabilityBin, ...]
    intervals: Mapping[str, Interval | None]

    def to_json(self) -> dict[str, Any]:
        """Every figure by name, the same keys always."""
        found = self.ece10
        ends = {f"{name}_interval": self.intervals.get(name) for name in ("brier", "ece10")}
        return {
            "n": self.n,
            "brier": self.brier,
            "ece10": found.value if found is not None else None,
            "ece10_perfect": found.perfect if found is not None else None,
            "ece10_debiased": found.debiased if found is not None else None,
            "mean_probability": self.mean_probability,
            "base_rate": self.base_rate,
            **{name: list(end) if end is not None else None for name, end in ends.items()},
            "bins": [one.to_json() for one in self.bins],
        }


def probability_metrics(
    probability: Numbers, sold: NDArray[np.int8], *, seed: int = 0, confidence: float = 0.95
) -> ProbabilityMetrics:
    """The figures of probabilities against what came.

    Args:
        probability: float64, shape (n,), in [0, 1] or NaN where missing.
        sold: int8, the same shape: 1, 0, or -1 where missing.
        seed: Of the bootstrap.
        confidence: Of the intervals of `brier` and `ece10`.

    Raises:
        InputError: A probability outside [0, 1].

    References:
        Brier (1950), Verification of forecasts, halved; Naeini, Cooper & Hauskrecht (2015),
        Obtaining well calibrated probabilities using Bayesian binning.

    >>> found = probability_metrics(np.array([0.5, 1.0]), np.array([0, 1], dtype=np.int8))
    >>> found.brier, found.ece10.value
    (0.125, 0.25)
    """
    known = (sold >= 0) & ~np.isnan(probability)
    said, came = probability[known], sold[known] == 1
    if not said.size:
        nothing = dict.fromkeys(("brier", "ece10"))
        return ProbabilityMetrics(0, None, None, None, None, _bins(said, came), nothing)
    return ProbabilityMetrics(
        n=said.size,
        brier=brier(said, came),
        ece10=ece(said, came, _BINS),
        mean_probability=math.fsum(said.tolist()) / said.size,
        base_rate=int(np.count_nonzero(came)) / said.size,
        bins=_bins(said, came),
        intervals=_resampled(said, came, seed, confidence),
    )


def _places(said: Numbers) -> NDArray[np.intp]:
    """The bin of each probability."""
    return np.searchsorted(np.array(EDGES[1:-1]), said, side="right")


def _bins(said: Numbers, came: NDArray[np.bool_]) -> tuple[ProbabilityBin, ...]:
    order = np.argsort(_places(said), kind="stable")
    counts = np.bincount(_places(said), minlength=_BINS)
    parts = np.split(order, np.cumsum(counts)[:-1])
    return tuple(
        _bin(lo, hi, said[rows], came[rows])
        for lo, hi, rows in zip(EDGES[:-1], EDGES[1:], parts, strict=True)
    )


def _bin(lo: float, hi: float, said: Numbers, came: NDArray[np.bool_]) -> ProbabilityBin:
    n, sales = said.size, int(np.count_nonzero(came))
    if not n:
        return ProbabilityBin(lo, hi, 0, None, None, None)
    mean = math.fsum(said.tolist()) / n
    return ProbabilityBin(lo, hi, n, mean, sales / n, clopper_pearson(sales, n))


def _resampled(
    said: Numbers, came: NDArray[np.bool_], seed: int, confidence: float
) -> dict[str, Interval | None]:
    place, gap = _places(said), said - came
    ones, squares = np.ones(said.size), gap * gap
    # A bin's share of the error is the absolute sum of what was said less what came in it.
    of_bins = [np.where(place == number, gap, 0.0) for number in range(_BINS)]
    drawn = resampled_sums([ones, squares, *of_bins], seed=seed)
    n = drawn[:, 0]
    found = {"brier": drawn[:, 1] / n, "ece10": np.abs(drawn[:, 2:]).sum(axis=1) / n}
    return {name: percentile_interval(values, confidence) for name, values in found.items()}
