"""Logistic curves in one or two features of a score, fitted without a penalty.

Features are centred and scaled on the way through, block by block; nothing of the size of
the scores is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from calreg.calibrate.fits.newton import least_point
from calreg.calibrate.fits.sums import (
    Float64s,
    OrderFreeSum,
    blocks,
    chosen_by_bits,
)
from calreg.labelled import Floats, Truth

__all__ = ["Features", "Rows", "derivatives", "least_curve", "raw_coefficients"]

Features: TypeAlias = Callable[[Floats], tuple[Float64s, ...]]
"""From a block of scores to new float64 arrays of their size: what the curve is made of."""

_ENOUGH = 50_000  # scores to find a start from


@dataclass(frozen=True, slots=True)
class _Unit:
    """Zero and one of a standardised feature, and how far from zero it gets."""

    zero: float
    one: float
    farthest: float


def _span(ends: Float64s) -> tuple[float, float]:
    """The middle and the width of a feature from its ends, which it has at the scores' ends."""
    low, high = float(ends.min()), float(ends.max())
    # The logarithm of a probability near 1 may be a constant but for 1e-20: then it is one.
    return low / 2 + high / 2, high - low if high - low > 1e-12 else 1.0


def _unit(middle: float, width: float, mean: float, square: float) -> _Unit:
    """The unit of a feature whose share of its width off the middle has these two means."""
    # Never below a millionth of the width: it is for good conditions, not for statistics.
    share = math.sqrt(max(square - mean * mean, 2.0**-40))
    return _Unit(middle + width * mean, width * share, (0.5 + abs(mean)) / share)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Scores and truth as a fit sees them.

    Args:
        scores: Raw, float32 or float64.
        truth: One per score.
        features: What the curve is made of.
        targets: What the curve should be where truth is 0, and where it is 1.
        units: Of each feature; `measured` sets them.
    """

    scores: Floats
    truth: Truth
    features: Features
    targets: tuple[float, float]
    units: tuple[_Unit, ...] = field(default=())

    @classmethod
    def measured(
        cls, scores: Floats, truth: Truth, features: Features, targets: tuple[float, float]
    ) -> Rows:
        """Rows with each feature centred at its mean and scaled by its standard deviation."""
        spans = list(map(_span, features(np.array([scores.min(), scores.max()]))))
        sums = [(OrderFreeSum(1.0), OrderFreeSum(1.0)) for _ in spans]
        for rows in blocks(scores.size):
            parts = zip(features(scores[rows]), spans, sums, strict=True)
            for feature, (middle, width), (total, squares) in parts:
                share = (feature - middle) / width
                squares.add(share * share)
                total.add(share)
        units = (
            _unit(*span, total.value / scores.size, squares.value / scores.size)
            for span, (total, squares) in zip(spans, sums, strict=True)
        )
        return cls(scores, truth, features, targets, tuple(units))

    def __iter__(self) -> Iterator[tuple[tuple[Float64s, ...], Float64s]]:
        """Standardised features and targets, block by block."""
        low, high = self.targets
        for rows in blocks(self.scores.size):
            features = self.features(self.scores[rows])
            for feature, unit in zip(features, self.units, strict=True):
                np.subtract(feature, unit.zero, out=feature)
                np.divide(feature, unit.one, out=feature)
            yield features, np.where(self.truth[rows], high, low)

    def some(self) -> Rows | None:
        """Enough of the rows to start from, the same ones in any order; None for no gain."""
        if self.scores.size <= 4 * _ENOUGH:
            return None
        chosen = chosen_by_bits(self.scores, _ENOUGH / self.scores.size)
        truth = self.truth[chosen]
        if not 100 < np.count_nonzero(truth) < truth.size - 100:
            return None
        return replace(self, scores=self.scores[chosen], truth=truth)


def derivatives(
    rows: Rows, used: Sequence[int], at: Float64s
) -> tuple[Float64s, Float64s, Float64s]:
    """Gradient by the intercept and the used features, their second derivatives, all gradients.

    Of the mean negative log-likelihood, at coefficients of standardised features.

    Args:
        rows: What is fitted.
        used: Places of the features with a coefficient; the others have 0.
        at: The intercept, then a coefficient per used feature.
    """
    bounds = [1.0] + [unit.farthest for unit in rows.units]
    first = [OrderFreeSum(bound) for bound in bounds]
    second = {
        (i, j): OrderFreeSum(bounds[i] * bounds[j] / 4)
        for i in (0, *(place + 1 for place in used))
        for j in (0, *(place + 1 for place in used))
        if i <= j
    }
    for features, targets in rows:
        weight = _residuals(features, targets, used, at)
        for total, feature in zip(first[1:], features, strict=True):
            total.add(targets * feature)
        first[0].add(targets)
        for (i, j), total in second.items():
            term = weight * features[j - 1] if j else weight.copy()
            total.add(term * features[i - 1] if i else term)
    gradient = np.array([total.value for total in first]) / rows.scores.size
    kept = [0, *(place + 1 for place in used)]
    curvature = np.array([[second[min(i, j), max(i, j)].value for j in kept] for i in kept])
    return gradient[kept], curvature / rows.scores.size, gradient


def _residuals(
    features: tuple[Float64s, ...], targets: Float64s, used: Sequence[int], at: Float64s
) -> Float64s:
    """The p (1 - p) of each row; `targets` become p - target."""
    curve = np.full(targets.size, -at[0])
    for place, coefficient in zip(used, at[1:], strict=True):
        curve -= coefficient * features[place]
    np.minimum(curve, 700.0, out=curve)  # where exp() still is a number
    np.exp(curve, out=curve)
    curve += 1.0
    np.divide(1.0, curve, out=curve)
    np.subtract(curve, targets, out=targets)
    curve *= 1.0 - curve
    return curve


def least_curve(rows: Rows, used: Sequence[int], start: Float64s | None = None) -> Float64s:
    """The intercept and the coefficients of the used features with the least loss.

    Raises:
        InputError: There are none: truth can be separated by the features.
    """
    if start is None:
        few = rows.some()
        start = _flat(rows, len(used)) if few is None else least_curve(few, used)
    return least_point(lambda at: derivatives(rows, used, at)[:2], start)


def _flat(rows: Rows, coefficients: int) -> Float64s:
    """The curve that is the mean of the targets everywhere."""
    low, high = rows.targets
    rate = low + (high - low) * np.count_nonzero(rows.truth) / rows.truth.size
    return np.array([math.log(rate / (1.0 - rate))] + [0.0] * coefficients)


def raw_coefficients(
    rows: Rows, used: Sequence[int], at: Float64s, kept: Callable[[float], float]
) -> tuple[float, ...]:
    """The intercept and every feature's coefficient, for features as they are.

    The coefficients are rounded by `kept` first, and the intercept then makes up for what
    that moved at the features' means; it is rounded to nine decimals of a logit, not to
    digits of its own: next to 0 those would be noise, and far from it too few.
    """
    slopes, intercept = [0.0] * len(rows.units), float(at[0])
    for place, coefficient in zip(used, at[1:], strict=True):
        slopes[place] = kept(float(coefficient) / rows.units[place].one)
        intercept -= slopes[place] * rows.units[place].zero
    return (round(intercept, 9), *slopes)
