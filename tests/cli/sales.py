"""Predictions and sales of a month, in files, with a known ratio of the two per group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATIOS = {"new": 1.0, "used": 0.8, "parts": 0.7}
FACTORS = {"new": 1.0, "used": 0.9, "parts": 0.4}


@dataclass(frozen=True)
class Month:
    """The two files of one month."""

    predictions: Path
    outcomes: Path

    @property
    def words(self) -> tuple[Path, Path]:
        """As they stand on a command line."""
        return self.predictions, self.outcomes


def month(
    folder: Path,
    *,
    ratios: Mapping[str, float] = RATIOS,
    factors: Mapping[str, float] | None = FACTORS,
    n: int = 60,
    seed: int = 0,
    scatter: float = 0.05,
) -> Month:
    """Sales that went for `ratios` times what was predicted, give or take `scatter`.

    Args:
        folder: Where the files are written; made if it is not there.
        ratios: The middle of outcome / prediction, per group.
        factors: The factors in force when predicting; None leaves the column out.
        n: Items per group; every fifth does not sell.
        seed: Of the noise.
        scatter: The log-sd of the noise.
    """
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    predictions, outcomes = [], ["sku,sold_price,sold,holding_days"]
    for group, ratio in ratios.items():
        prices = np.round(generator.uniform(20.0, 80.0, n), 2)
        paid = np.round(prices * ratio * np.exp(generator.normal(0.0, scatter, n)), 2)
        chances = np.round(generator.uniform(0.5, 1.0, n), 3)
        for number in range(n):
            key = f"{group}-{number:04}"
            row = {
                "sku": key,
                "predicted_price": prices[number],
                "probability": chances[number],
                "condition": group,
                "horizon_days": 60,
            }
            known = {} if factors is None else {"factor": factors[group]}
            predictions.append(json.dumps({**row, **known}))
            is_sold = number % 5 != 0
            outcomes.append(f"{key},{paid[number]},true,{number}" if is_sold else f"{key},,false,")
    made = Month(folder / "predictions.jsonl", folder / "outcomes.csv")
    made.predictions.write_text("\n".join(predictions) + "\n", encoding="utf-8")
    made.outcomes.write_text("\n".join(outcomes) + "\n", encoding="utf-8")
    return made
