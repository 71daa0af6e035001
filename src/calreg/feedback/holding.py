"""How many items sold, and how long it took, with those that have not sold yet.

Pure. The mean of days over sold items only is too short: those that take longest are not
among them. An unsold item says that it took longer than it was watched (it is *censored*
there), and the product-limit estimate uses that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.errors import UsageError
from calreg.evaluate import Interval, clopper_pearson
from calreg.evaluate.intervals import tail_of
from calreg.feedback.values import Joined, Numbers

__all__ = [
    "Holding",
    "SurvivalCurve",
    "holding",
    "predicted_median_days",
    "survival_curve",
]

_HALF = 0.5 + 1e-12  # a product of fractions that is one half may come out a hair above
_MAX_DAYS = 1e6
_STEPS = 200
_CLOSE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class SurvivalCurve:
    """The share still unsold after each day on which something sold.

    Args:
        days: float64, ascending.
        unsold: After that day, the same shape, descending.
        low: Lower end of its 95 % interval; NaN where it has none.
        high: Upper end.
    """

    days: Numbers
    unsold: Numbers
    low: Numbers
    high: Numbers

    def median(self) -> float | None:
        """The first day after which at most half are unsold; None if that never comes."""
        return _first(self.days, self.unsold <= _HALF)

    def median_interval(self) -> tuple[float | None, float | None]:
        """The days for which one half is within the curve's interval; None is "not seen".

        References:
            Brookmeyer & Crowley (1982), A confidence interval for the median survival time.
        """
        return _first(self.days, self.low <= _HALF), _first(self.days, self.high <= _HALF)


@dataclass(frozen=True, slots=True)
class Holding:
    """Sell-through and holding days of one set of rows; None is "nothing to say it from".

    Args:
        n: Rows known to have sold or not.
        sold: Of them, sold.
        sell_through: The share of the two.
        sell_through_interval: 95 %, Clopper–Pearson.
        n_days: Rows of which it is known how long they were held or watched.
        censored: Of them, unsold.
        unplaced: Unsold rows of which it is not known how long they were watched.
        median_days: The Kaplan–Meier median; None where fewer than half sold in time, and
            where unsold rows could all not be placed: that of sold ones alone is too short.
        median_days_interval: Its ends; one that was not seen is None.
        predicted_median_days: What the predicted hazards of these rows say.
    """

    n: int
    sold: int
    sell_through: float | None
    sell_through_interval: Interval | None
    n_days: int
    censored: int
    unplaced: int
    median_days: float | None
    median_days_interval: tuple[float | None, float | None]
    predicted_median_days: float | None

    def to_json(self) -> dict[str, Any]:
        """Every figure by name, the same keys always."""
        ends = self.sell_through_interval
        return {
            "n": self.n,
            "sold": self.sold,
            "sell_through": self.sell_through,
            "sell_through_interval": list(ends) if ends is not None else None,
            "n_days": self.n_days,
            "censored": self.censored,
            "unplaced": self.unplaced,
            "median_days": self.median_days,
            "median_days_interval": list(self.median_days_interval),
            "predicted_median_days": self.predicted_median_days,
        }


def holding(
    joined: Joined,
    *,
    rows: NDArray[np.intp] | None = None,
    default_horizon: float | None = None,
) -> Holding:
    """Sell-through and holding days, of all rows or of some.

    A sold row counts with its days. An unsold one is censored at its days or its horizon,
    whichever comes first: it may have sold after the horizon. A row of which neither is
    known says nothing of days, nor does one of which it is not known whether it sold.

    Args:
        joined: Predictions and outcomes.
        rows: Those that count; None for all.
        default_horizon: Of rows that do not say theirs, in days; None for none.

    Raises:
        UsageError: A horizon that is no number above 0.
    """
    if default_horizon is not None and not 0.0 < default_horizon < np.inf:
        raise UsageError(f"expected a horizon above 0 days, got {default_horizon!r}")
    kept = slice(None) if rows is None else rows
    sold, hazard = joined.sold[kept], joined.hazard[kept]
    days, horizon = joined.days[kept], joined.horizon[kept]
    if default_horizon is not None:
        horizon = np.where(np.isnan(horizon), default_horizon, horizon)
    n, count = int(np.count_nonzero(sold >= 0)), int(np.count_nonzero(sold == 1))
    watched = np.where(sold == 1, days, np.fmin(days, horizon))
    known = (sold >= 0) & np.isfinite(watched)
    censored = int(np.count_nonzero(sold[known] == 0))
    unplaced = n - count - censored
    curve = survival_curve(watched[known], sold[known] == 1)
    is_one_sided = unplaced > 0 and censored == 0
    return Holding(
        n=n,
        sold=count,
        sell_through=count / n if n else None,
        sell_through_interval=clopper_pearson(count, n) if n else None,
        n_days=int(np.count_nonzero(known)),
        censored=censored,
        unplaced=unplaced,
        median_days=None if is_one_sided else curve.median(),
        median_days_interval=(None, None) if is_one_sided else curve.median_interval(),
        predicted_median_days=predicted_median_days(hazard[~np.isnan(hazard)]),
    )


def survival_curve(
    days: Numbers, is_sold: NDArray[np.bool_], *, confidence: float = 0.95
) -> SurvivalCurve:
    """The share still unsold, by day, from items of which some were only watched so long.

    The interval is made on the scale of log(−log), so that it stays inside (0, 1).

    Args:
        days: float64, shape (n,), finite: of the sale, or the last day an item was seen unsold.
        is_sold: Which of the two.
        confidence: Two-sided, of the share on each day.

    References:
        Kaplan & Meier (1958), Nonparametric estimation from incomplete observations;
        Greenwood (1926), The natural duration of cancer; Kalbfleisch & Prentice (2002),
        The statistical analysis of failure time data, eq. 1.13.

    >>> curve = survival_curve(np.array([1.0, 2.0, 3.0, 9.0]), np.array([True, False, True, False]))
    >>> curve.days.tolist(), curve.unsold.tolist(), curve.median()
    ([1.0, 3.0], [0.75, 0.375], 3.0)
    """
    from statistics import NormalDist

    ordered = np.sort(days)
    sold_days, sales = np.unique(days[is_sold], return_counts=True)
    at_risk = days.size - np.searchsorted(ordered, sold_days, side="left")
    unsold = np.cumprod(1.0 - sales / at_risk, dtype=np.float64)
    left = at_risk - sales
    # The last sale may leave nobody: then the variance has no value, and neither has the end.
    steps = np.divide(sales, at_risk * left, out=np.full(sales.size, np.nan), where=left > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.sqrt(np.cumsum(steps)) / np.log(unsold)
    z = NormalDist().inv_cdf(1.0 - tail_of(confidence))
    low: Numbers = unsold ** np.exp(-z * reach)
    high: Numbers = unsold ** np.exp(z * reach)
    return SurvivalCurve(sold_days, unsold, low, high)


def predicted_median_days(hazard: Numbers) -> float | None:
    """The day by which half of the items are expected to have sold; None if that never comes.

    Args:
        hazard: float64, shape (n,), at least 0: each item's share per day, so that it is
            unsold after t days with probability exp(−hazard × t).
    """
    if not hazard.size or float(np.exp(-hazard * _MAX_DAYS).mean()) > 0.5:
        return None
    days = 0.0
    for _ in range(_STEPS):
        # The expected share falls ever more slowly: Newton's steps come from below, and stay.
        unsold = np.exp(-hazard * days)
        step = (float(unsold.mean()) - 0.5) / float((hazard * unsold).mean())
        days += step
        if not step > _CLOSE * days:
            break
    return float(f"{days:.9g}")


def _first(days: Numbers, reached: NDArray[np.bool_]) -> float | None:
    places = np.flatnonzero(reached)
    return float(days[places[0]]) if places.size else None
