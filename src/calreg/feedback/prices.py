"""How far predicted prices were from those that were paid.

Pure. An error is prediction less outcome: a bias above zero says that predictions were too
dear. Sums are rounded once, so that no figure depends on the order of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.evaluate import Interval
from calreg.feedback.resampling import median_interval, percentile_interval, resampled_sums
from calreg.feedback.values import Numbers

__all__ = ["LEAST_PRICE", "PriceMetrics", "price_metrics", "price_ratios"]

LEAST_PRICE = 0.01
"""A ratio is taken of prices above this only: a cent says nothing of a factor."""

_WITH_INTERVAL = ("mae", "rmse", "bias", "mape", "median_ratio")


@dataclass(frozen=True, slots=True)
class PriceMetrics:
    """The figures of one set of price pairs; None is "no pair to say it from".

    Args:
        n: Pairs with both prices.
        mae: Mean absolute error, in the unit of the prices, as the next two.
        rmse: Root mean squared error.
        bias: Mean of prediction − outcome.
        mape: Mean of |error| / outcome, a ratio, where the outcome is above `LEAST_PRICE`.
        n_mape: Pairs where it is.
        median_ratio: Median of outcome / prediction, where both are above `LEAST_PRICE`.
        n_ratio: Pairs where they are.
        mean_outcome: Mean price that was paid.
        intervals: 95 % intervals by figure: of the median exact, of the others resampled.
    """

    n: int
    mae: float | None
    rmse: float | None
    bias: float | None
    mape: float | None
    n_mape: int
    median_ratio: float | None
    n_ratio: int
    mean_outcome: float | None
    intervals: Mapping[str, Interval | None]

    def to_json(self) -> dict[str, Any]:
        """Every figure by name, the same keys always."""
        ends = {f"{name}_interval": self.intervals.get(name) for name in _WITH_INTERVAL}
        return {
            "n": self.n,
            "mae": self.mae,
            "rmse": self.rmse,
            "bias": self.bias,
            "mape": self.mape,
            "n_mape": self.n_mape,
            "median_ratio": self.median_ratio,
            "n_ratio": self.n_ratio,
            "mean_outcome": self.mean_outcome,
            **{name: list(end) if end is not None else None for name, end in ends.items()},
        }


def price_metrics(
    predicted: Numbers, outcome: Numbers, *, seed: int = 0, confidence: float = 0.95
) -> PriceMetrics:
    """The figures of price pairs.

    Args:
        predicted: float64, shape (n,), finite; none at all is allowed.
        outcome: The same shape, finite.
        seed: Of the bootstrap.
        confidence: Of the intervals.

    References:
        Hyndman & Koehler (2006), Another look at measures of forecast accuracy, section 2.

    >>> found = price_metrics(np.array([4.0, 5.0]), np.array([2.0, 6.0]))
    >>> found.mae, found.bias
    (1.5, 0.5)
    """
    error = predicted - outcome
    absolute = np.abs(error)
    is_priced = outcome > LEAST_PRICE
    relative = np.divide(absolute, outcome, out=np.zeros_like(error), where=is_priced)
    n_mape = int(np.count_nonzero(is_priced))
    ratios = np.sort(price_ratios(predicted, outcome))
    squared = error * error
    mean_square = _mean(squared, error.size)
    intervals = _resampled(absolute, squared, error, relative, is_priced, seed, confidence)
    return PriceMetrics(
        n=error.size,
        mae=_mean(absolute, error.size),
        rmse=math.sqrt(mean_square) if mean_square is not None else None,
        bias=_mean(error, error.size),
        mape=_mean(relative, n_mape),
        n_mape=n_mape,
        median_ratio=float(np.median(ratios)) if ratios.size else None,
        n_ratio=ratios.size,
        mean_outcome=_mean(outcome, error.size),
        intervals={**intervals, "median_ratio": median_interval(ratios, confidence)},
    )


def price_ratios(predicted: Numbers, outcome: Numbers) -> Numbers:
    """Ratios outcome / prediction where both are above `LEAST_PRICE`, in the order of the pairs."""
    kept = (predicted > LEAST_PRICE) & (outcome > LEAST_PRICE)
    ratios: Numbers = outcome[kept] / predicted[kept]
    return ratios


def _mean(values: Numbers, count: int) -> float | None:
    return math.fsum(values.tolist()) / count if count else None


def _resampled(
    absolute: Numbers,
    squared: Numbers,
    error: Numbers,
    relative: Numbers,
    is_priced: NDArray[np.bool_],
    seed: int,
    confidence: float,
) -> dict[str, Interval | None]:
    if not error.size:
        return dict.fromkeys(("mae", "rmse", "bias", "mape"))
    ones = np.ones(error.size)
    columns = [ones, absolute, squared, error, relative, is_priced.astype(np.float64)]
    n, total, squares, signed, shares, priced = resampled_sums(columns, seed=seed).T
    mape = np.divide(shares, priced, out=np.full_like(shares, np.nan), where=priced > 0)
    drawn = {"mae": total / n, "rmse": np.sqrt(squares / n), "bias": signed / n, "mape": mape}
    return {name: percentile_interval(values, confidence) for name, values in drawn.items()}
