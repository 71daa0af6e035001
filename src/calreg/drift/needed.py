"""How many items would tell drift from noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import floor
from typing import NamedTuple

from calreg.documents.calibration import METRICS
from calreg.drift.judged import Judged

__all__ = ["Needed", "items_needed"]

_LEAST_FACTOR = 1e-12
"""A factor that takes a million million items: fewer are advice, more are not."""


class Needed(NamedTuple):
    """How many items would tell; None where no number would."""

    items: int | None
    is_reference_too_small: bool


def items_needed(
    judged: Iterable[Judged], thresholds: Mapping[str, float], *, is_grown: bool
) -> Needed:
    """The least number of new items with which every failed metric's noise is below its limit.

    A larger library cannot bring new nearer to a reference that is itself uncertain: then
    it is what both sides need, or of a library that grows, what its reference needs.
    """
    limits = [(row, limit) for row in judged for limit in _factor_limits(row, thresholds)]
    if not all(limit > _LEAST_FACTOR for _, limit in limits):
        return Needed(None, is_reference_too_small=False)
    spare = [limit - row.reference_factor for row, limit in limits]
    if not is_grown and all(part > _LEAST_FACTOR for part in spare):
        return Needed(_about(1.0 / min(spare)), is_reference_too_small=False)
    sides = 1.0 if is_grown else 2.0
    least = min(limit for _, limit in limits)
    return Needed(_about(sides / least), is_reference_too_small=True)


def _about(items: float) -> int:
    """The next number upwards with two digits and zeros: it is an estimate, and reads as one.

    >>> _about(155_200.5), _about(99.2), _about(7.0)
    (160000, 100, 8)
    """
    least = floor(items) + 1
    unit: int = 10 ** max(len(str(least)) - 2, 0)
    return -(-least // unit) * unit


def _factor_limits(row: Judged, thresholds: Mapping[str, float]) -> list[float]:
    """Per failed metric the variance factor at which its noise equals its threshold.

    Noise goes with the square root of the factor.
    """
    return [
        row.factor * (max(thresholds[name], 0.0) / noise) ** 2 if noise > 0.0 else 0.0
        for name in row.drift.failed_metrics
        if (noise := row.worst_noise[METRICS.index(name)]) is not None
    ]
