"""How well scores put positives before negatives, whatever the threshold.

Ties are exact: two items with equal scores are never told apart, and nothing depends on
the order of rows. Both classes are sorted once, strictest score first; each figure is then
a count of ranks, in blocks, so that memory stays a small multiple of the scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Direction
from calreg.errors import InputError
from calreg.evaluate.checked import checked_scores
from calreg.evaluate.intervals import Interval, tail_of
from calreg.labelled import Floats, Truth

__all__ = [
    "Auroc",
    "CurvePoints",
    "FoundDirection",
    "Ranking",
    "auroc",
    "average_precision",
    "curve_points",
    "judge_direction",
]

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Auroc:
    """The area under the ROC curve: how often a positive comes before a negative.

    Args:
        value: Ties count half; 0.5 is no better than chance.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FoundDirection:
    """What scores say about which of their ends speaks for the label.

    Args:
        direction: "lower" only where that is sure; else "higher", what scores usually are.
        auroc: Of "higher"; below 0.5 low scores speak for the label.
        low: Lower end of its interval.
        high: Upper end of its interval.
        is_determined: 0.5 lies outside the interval.
    """

    direction: Direction
    auroc: float
    low: float
    high: float
    is_determined: bool


@dataclass(frozen=True, slots=True, eq=False)
class CurvePoints:
    """Some points of the exact curves, from the strictest threshold to the loosest.

    Args:
        threshold: A score at which items fire, shape (n_points,).
        precision: Of the firing items, those that are positive.
        recall: Of the positives, those that fire.
        fpr: Of the negatives, those that fire; 0 where there are none.
    """

    threshold: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    fpr: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Both classes' scores, each ascending after a sign that puts the strictest first.

    Args:
        positives: Scores times `sign`, truth 1.
        negatives: Scores times `sign`, truth 0.
        sign: -1 where high scores fire, 1 where low ones do.
    """

    positives: Floats
    negatives: Floats
    sign: int

    @classmethod
    def of(cls, scores: Floats, truth: Truth, direction: Direction) -> Ranking:
        """The ranking of scores in any order.

        Raises:
            InputError: A score that is not finite, or not one truth per score.
        """
        checked_scores(scores, truth)
        sign = -1 if direction == "higher" else 1
        sides = []
        for mask in (truth, ~truth):
            side = scores[mask]
            np.multiply(side, sign, out=side)
            side.sort()
            sides.append(side)
        return cls(sides[0], sides[1], sign)

    def auroc(self, confidence: float = 0.95) -> Auroc:
        """The area under the ROC curve, as `auroc` says.

        Raises:
            InputError: Truth of one class.
        """
        m, n = self.positives.size, self.negatives.size
        if not (m and n):
            raise InputError(
                f"expected items of both classes, got {m:,} positive and {n:,} negative",
                code="one-class",
            )
        before, of_positives = _placements(self.positives, self.negatives)
        _, of_negatives = _placements(self.negatives, self.positives)
        value = (2 * m * n - before) / (2 * m * n)
        z = NormalDist().inv_cdf(1.0 - tail_of(confidence))
        if m == 1 or n == 1 or not 0.0 < value < 1.0 or of_positives + of_negatives == 0.0:
            return Auroc(value, *_wilson_like(value, m, n, z))
        # Squared placements are in units of half an item of the other class.
        variance = of_positives / (4.0 * n * n * (m - 1) * m)
        variance += of_negatives / (4.0 * m * m * (n - 1) * n)
        return Auroc(value, *_logit_interval(value, z * math.sqrt(variance)))

    def average_precision(self) -> float:
        """The mean precision at the positives' scores, as `average_precision` says.

        Raises:
            InputError: No positives.
        """
        if not self.positives.size:
            raise InputError("expected at least one positive, got none", code="one-class")
        sums = []
        for block in _blocks(self.positives):
            tp = np.searchsorted(self.positives, block, side="right")
            fp = np.searchsorted(self.negatives, block, side="right")
            sums.append(float((tp / (tp + fp)).sum()))
        return min(1.0, math.fsum(sums) / self.positives.size)

    def at_top(self) -> tuple[float, int, int]:
        """The strictest score there is, and how many positives and negatives have it.

        Raises:
            InputError: No items.
        """
        first = [float(side[0]) for side in (self.positives, self.negatives) if side.size]
        if not first:
            raise InputError("expected at least one item, got none", code="scores")
        top = min(first)
        positives, negatives = (
            int(np.searchsorted(side, side.dtype.type(top), side="right"))
            for side in (self.positives, self.negatives)
        )
        return self.sign * top + 0.0, positives, negatives


def auroc(scores: Floats, truth: Truth, direction: Direction, confidence: float = 0.95) -> Auroc:
    """The area under the ROC curve, exact with ties, and its interval.

    The variance is DeLong's, from how each item is placed among those of the other class;
    the interval is made on the scale of the logit and carried back, so that it stays
    inside (0, 1). Where that variance says nothing (one item of a class, or complete
    separation, which has none) the interval is Newcombe's, which has a width there too.

    Args:
        scores: Shape (n,), finite.
        truth: Shape (n,), both classes.
        direction: Which end of the scores speaks for the label.
        confidence: Two-sided.

    Raises:
        InputError: Truth of one class, or a score that is not finite.

    References:
        DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more
        correlated ROC curves, eq. 4 to 6; in O(n log n) as Sun & Xu (2014).
        Pepe (2003), The statistical evaluation of medical tests, ch. 5.2: the logit scale.
        Newcombe (2006), Confidence intervals for an effect size measure based on the
        Mann–Whitney statistic, part 2, method 5.

    >>> truth = np.array([False, True, False, True])
    >>> auroc(np.array([0.25, 0.5, 0.5, 0.75]), truth, "higher").value
    0.875
    """
    return Ranking.of(scores, truth, direction).auroc(confidence)


def average_precision(scores: Floats, truth: Truth, direction: Direction = "higher") -> float:
    """The mean, over the positives, of the precision of all items that score no less.

    It is the step-wise area under precision over recall, without interpolation; the share
    of positives is what scores without any meaning get.

    Raises:
        InputError: No positives, or a score that is not finite.

    References:
        Zhu (2004), Recall, precision and average precision.

    >>> average_precision(np.array([0.25, 0.5, 0.75]), np.array([True, False, True]))
    0.8333333333333333
    """
    return Ranking.of(scores, truth, direction).average_precision()


def judge_direction(scores: Floats, truth: Truth) -> FoundDirection:
    """Which end of the scores speaks for the label, and whether that can be told.

    Raises:
        InputError: Truth of one class, or a score that is not finite.
    """
    found = auroc(scores, truth, "higher")
    is_lower = found.high < 0.5
    return FoundDirection(
        direction="lower" if is_lower else "higher",
        auroc=found.value,
        low=found.low,
        high=found.high,
        is_determined=is_lower or found.low > 0.5,
    )


def curve_points(
    scores: Floats, truth: Truth, direction: Direction, max_points: int = 400
) -> CurvePoints:
    """Points of the precision–recall and ROC curves, thinned where the eye sees no difference.

    Each point is exact; both ends are kept, and between them the first point past each of
    equal steps along the curves (in precision, recall and FPR together). "Never fires" has
    no threshold and is not among them.

    Raises:
        InputError: No positives, a score that is not finite, or `max_points` below 2.
    """
    ranking = Ranking.of(scores, truth, direction)
    if not ranking.positives.size:
        raise InputError("expected at least one positive, got none", code="one-class")
    if max_points < 2:
        raise InputError(f"expected at least 2 points, got {max_points}", code="curve")
    values = _distinct(ranking.positives, ranking.negatives)
    tp = np.searchsorted(ranking.positives, values, side="right")
    fp = np.searchsorted(ranking.negatives, values, side="right")
    curves = np.stack(
        [tp / (tp + fp), tp / ranking.positives.size, fp / max(1, ranking.negatives.size)]
    )
    kept = _thinned(curves, max_points)
    precision, recall, fpr = curves[:, kept]
    threshold = values[kept].astype(np.float64) * ranking.sign + 0.0
    return CurvePoints(threshold, precision, recall, fpr)


def _blocks(values: Floats) -> Iterator[Floats]:
    return (values[start : start + _BLOCK] for start in range(0, values.size, _BLOCK))


def _placements(side: Floats, other: Floats) -> tuple[int, float]:
    """Over `side`, of how many half items of `other` come before: sum, squares about the mean.

    The sum is exact; squares of blocks are joined as Chan, Golub & LeVeque (1983) do, so
    that items which are all placed alike have exactly none.
    """
    total, seen, squares = 0, 0, 0.0
    for block in _blocks(side):
        placed = np.searchsorted(other, block, side="left")
        placed += np.searchsorted(other, block, side="right")
        part = int(placed.sum())
        mean = part / block.size
        squares += float(((placed - mean) ** 2).sum())
        if seen:
            step = mean - total / seen
            squares += step * step * seen * block.size / (seen + block.size)
        total, seen = total + part, seen + block.size
    return total, squares


def _logit_interval(value: float, half_width: float) -> Interval:
    centre = math.log(value / (1.0 - value))
    reach = half_width / (value * (1.0 - value))
    return _sigmoid(centre - reach), _sigmoid(centre + reach)


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > -700.0 else 0.0


def _wilson_like(value: float, m: int, n: int, z: float) -> Interval:
    """The areas that lie `z` of their own standard errors away (Newcombe 2006, method 5)."""

    def is_beyond(area: float) -> bool:
        pairs = (m + n) / 2.0 - 1.0
        spread = 1.0 + pairs * ((1.0 - area) / (2.0 - area) + area / (1.0 + area))
        return abs(value - area) > z * math.sqrt(area * (1.0 - area) * spread / (m * n))

    ends = []
    for bound in (0.0, 1.0):
        outer, inner = bound, value
        for _ in range(60):
            middle = 0.5 * (outer + inner)
            outer, inner = (middle, inner) if is_beyond(middle) else (outer, middle)
        ends.append(inner)
    return ends[0], ends[1]


def _distinct(first: Floats, second: Floats) -> Floats:
    # Two sorted runs: numpy's stable sort merges them in one pass.
    merged = np.sort(np.concatenate([first, second]), kind="stable")
    is_new = np.empty(merged.size, dtype=np.bool_)
    is_new[:1] = True
    np.not_equal(merged[1:], merged[:-1], out=is_new[1:])
    return merged[is_new]


def _thinned(curves: NDArray[np.float64], max_points: int) -> NDArray[np.intp]:
    """Which points to keep, ascending: both ends, and the first past each equal step."""
    size = curves.shape[1]
    if size <= max_points:
        return np.arange(size)
    way: NDArray[Any] = np.abs(np.diff(curves, axis=1)).sum(axis=0).cumsum()
    steps = way[-1] * np.arange(1, max_points - 1) / (max_points - 1)
    inner = np.searchsorted(way, steps) + 1
    return np.unique(np.concatenate([[0], inner, [size - 1]]))
