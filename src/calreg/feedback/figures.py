"""All figures of a run, of all rows and of every group: what is reported and compared.

Pure. What each figure means is said where it is computed: `prices`, `probability`,
`holding`. To add a kind of figures: a field here, and its part of `to_json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.feedback.holding import Holding, holding
from calreg.feedback.prices import PriceMetrics, price_metrics
from calreg.feedback.probability import ProbabilityMetrics, probability_metrics
from calreg.feedback.values import Joined, Unsold, rows_by_group

__all__ = ["FeedbackFigures", "feedback_figures", "feedback_figures_by_group"]


@dataclass(frozen=True, slots=True)
class FeedbackFigures:
    """The figures of one set of rows."""

    price: PriceMetrics
    probability: ProbabilityMetrics
    holding: Holding

    def flat(self) -> dict[str, float | None]:
        """Figure to number, None where there is none: what alert rules are about."""
        price, said, held = self.price, self.probability, self.holding
        return {
            "mae": price.mae,
            "rmse": price.rmse,
            "bias": price.bias,
            "mape": price.mape,
            "median_ratio": price.median_ratio,
            "mean_outcome": price.mean_outcome,
            "brier": said.brier,
            "ece10": said.ece10.value if said.ece10 is not None else None,
            "sell_through": held.sell_through,
            "median_days": held.median_days,
        }

    def to_json(self) -> dict[str, Any]:
        """The three kinds by name."""
        return {
            "price": self.price.to_json(),
            "probability": self.probability.to_json(),
            "holding": self.holding.to_json(),
        }

    def group_json(self) -> dict[str, Any]:
        """As a group is reported: its price figures themselves, beside them the other kinds."""
        rest = self.to_json()
        return {**rest.pop("price"), **rest}


def feedback_figures(
    joined: Joined,
    *,
    unsold: Unsold = "exclude",
    seed: int = 0,
    default_horizon: float | None = None,
) -> FeedbackFigures:
    """The figures of all rows.

    Args:
        joined: Predictions and outcomes.
        unsold: Whether prices of unsold items count.
        seed: Of the bootstrap.
        default_horizon: Of rows that do not say theirs, in days; None for none.

    Raises:
        UsageError: A horizon that is no number above 0.
    """
    rows = np.arange(joined.keys.size)
    return _figures(joined, rows, joined.price_pairs(unsold), seed, default_horizon)


def feedback_figures_by_group(
    joined: Joined,
    *,
    unsold: Unsold = "exclude",
    seed: int = 0,
    default_horizon: float | None = None,
) -> dict[str, FeedbackFigures]:
    """The figures of every group that has a row, by name; otherwise as `feedback_figures`."""
    pairs = joined.price_pairs(unsold)
    return {
        name: _figures(joined, rows, pairs, seed, default_horizon)
        for name, rows in rows_by_group(joined.group).items()
    }


def _figures(
    joined: Joined,
    rows: NDArray[np.intp],
    pairs: NDArray[np.bool_],
    seed: int,
    default_horizon: float | None,
) -> FeedbackFigures:
    kept = rows[pairs[rows]]
    return FeedbackFigures(
        price_metrics(joined.predicted[kept], joined.outcome[kept], seed=seed),
        probability_metrics(joined.probability[rows], joined.sold[rows], seed=seed),
        holding(joined, rows=rows, default_horizon=default_horizon),
    )
