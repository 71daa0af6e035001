"""What an objective asks of the counts at a threshold, decided without rounding.

Counts are integers and limits are decimals as they were written, so every comparison here
has an exact answer: two thresholds tie only if they do. Floats are used to leave out what
is too far away to tie. All that is maximised or limited grows with true positives and
falls with false positives, which is what lets `calreg.calibrate.narrowing` skip most scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.objectives import Objective

__all__ = ["Counts", "Linear", "Share", "Target", "exact", "target_of"]

Counts: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

_SAFE = 2**61  # sums of two such products still fit into 64 bits
_ROUNDING = 1e-13  # many times what three float64 operations can be off, relative


class Measure(Protocol):
    """A number that is to be as high as possible."""

    def highest(self, tp: Counts, fp: Counts) -> NDArray[np.intp]:
        """Where it is highest: every index of an exact tie, ascending."""
        ...

    def may_reach(self, bound: tuple[Counts, Counts], floor: tuple[Counts, Counts]) -> Flags:
        """Which of `bound` are not surely below the highest of `floor`."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """`gain` for each true positive less `loss` for each false positive; integers."""

    gain: int
    loss: int

    def values(self, tp: Counts, fp: Counts) -> NDArray[Any]:
        """Exact, int64 where that is wide enough and Python integers where not."""
        found: NDArray[Any] = _times(tp, self.gain) - _times(fp, self.loss)
        return found

    def highest(self, tp: Counts, fp: Counts) -> NDArray[np.intp]:
        """Every index of an exact tie, ascending."""
        values = self.values(tp, fp)
        return np.flatnonzero(values == values.max())

    def may_reach(self, bound: tuple[Counts, Counts], floor: tuple[Counts, Counts]) -> Flags:
        """Which of `bound` are as high as the highest of `floor`."""
        reached: Flags = self.values(*bound) >= self.values(*floor).max()
        return reached


@dataclass(frozen=True, slots=True)
class Share:
    """`tp / (tp + fp + extra)`: precision, and with `extra` every F-measure but for a factor."""

    extra: Fraction

    def values(self, tp: Counts, fp: Counts) -> NDArray[np.float64]:
        """Rounded; `tp` must not be 0."""
        return tp / (tp + fp + float(self.extra))

    def highest(self, tp: Counts, fp: Counts) -> NDArray[np.intp]:
        """Every index of an exact tie, ascending."""
        values = self.values(tp, fp)
        top = int(np.argmax(values))
        near = np.flatnonzero(values >= values[top] * (1.0 - _ROUNDING))
        while True:
            ahead = self._ahead(tp, fp, near, top)
            if not np.any(ahead > 0):
                tied: NDArray[np.intp] = near[ahead == 0]
                return tied
            near = near[ahead > 0]
            top = int(near[0])

    def _ahead(self, tp: Counts, fp: Counts, near: NDArray[np.intp], top: int) -> NDArray[Any]:
        """By how much each beats the one at `top`, in some unit: the sign is exact."""
        over, under = self.extra.numerator, self.extra.denominator
        most = (int(tp[top]) + int(fp.max()) + int(tp.max())) * under + over
        kind = np.int64 if most * int(tp.max()) < _SAFE else object
        part = tp[near].astype(kind)
        whole = (tp[near] + fp[near]).astype(kind) * under + over
        top_whole = (int(tp[top]) + int(fp[top])) * under + over
        ahead: NDArray[Any] = part * top_whole - whole * int(tp[top])
        return ahead

    def may_reach(self, bound: tuple[Counts, Counts], floor: tuple[Counts, Counts]) -> Flags:
        """Which of `bound` are not surely below the highest of `floor`."""
        reached: Flags = self.values(*bound) >= self.values(*floor).max() * (1.0 - _ROUNDING)
        return reached


@dataclass(frozen=True, slots=True)
class Target:
    """What is maximised, in this order, among the counts that keep the limits.

    Args:
        measures: The first decides; the next ones decide its ties.
        max_fp: At most so many false positives; None is any number.
        min_tp: At least so many true positives.
        min_precision: At least this share of what fires is positive.
        never: Never firing is an answer, too: by this measure it is worth 0.
    """

    measures: tuple[Measure, ...]
    max_fp: int | None = None
    min_tp: int = 1
    min_precision: Fraction | None = None
    never: Linear | None = None

    def keeps_limits(self, tp: Counts, fp: Counts) -> Flags:
        """Which counts are within all limits."""
        kept = tp >= self.min_tp
        if self.max_fp is not None:
            kept &= fp <= self.max_fp
        if self.min_precision is not None:
            share = self.min_precision
            gain, loss = share.denominator - share.numerator, share.numerator
            kept &= (_times(tp, gain) >= _times(fp, loss)).astype(bool)
        return kept

    def best(self, tp: Counts, fp: Counts) -> int | None:
        """The first index of the optimum; None if no counts keep the limits.

        Args:
            tp: int64, at falling thresholds, at least 1.
            fp: The same for false positives.
        """
        left = np.flatnonzero(self.keeps_limits(tp, fp))
        if left.size == 0:
            return None
        for measure in self.measures:
            left = left[measure.highest(tp[left], fp[left])]
        return int(left[0])

    def is_worth(self, tp: int, fp: int) -> bool:
        """Whether firing on these beats never firing; a tie goes to never."""
        return self.never is None or tp * self.never.gain > fp * self.never.loss

    def may_hold(self, tp: Counts, fp_before: Counts, fp: Counts) -> Flags:
        """Which buckets of scores can hold the optimum, going down from the highest.

        Args:
            tp: True positives with all scores down to the end of each bucket; at least 1.
            fp_before: False positives before each bucket.
            fp: False positives down to its end.
        """
        possible = self.keeps_limits(tp, fp_before)
        met = self.keeps_limits(tp, fp)
        if np.any(met) and np.any(possible):
            floor = tp[met], fp[met]
            bound = tp[possible], fp_before[possible]
            possible[possible] = self.measures[0].may_reach(bound, floor)
        return possible


def exact(number: float) -> Fraction:
    """The decimal that a float was written as: 0.1 is a tenth.

    >>> exact(0.1)
    Fraction(1, 10)
    """
    return Fraction(repr(number))


def target_of(
    objective: Objective, positives: int, negatives: int, *, max_fp: int | None = None
) -> Target:
    """What an objective asks on so many positives and negatives.

    Args:
        objective: With the numbers that its kind needs.
        positives: Scores with truth 1, at least 1.
        negatives: Scores with truth 0, at least 1.
        max_fp: For a limit of the false positive rate: how many false positives that is.
    """
    limit = exact(objective.limit or 0.0)
    recall, precision = Linear(1, 0), Share(Fraction(0))
    match objective.kind:
        case "max-f":
            return Target((Share(exact(objective.beta or 1.0) ** 2 * positives),))
        case "max-recall@fpr":
            return Target((recall,), max_fp=max_fp)
        case "max-precision@recall":
            return Target((precision, recall), min_tp=-(-limit * positives // 1))
        case "max-recall@precision":
            return Target((recall, precision), min_precision=limit)
        case "min-cost":
            gain, loss = exact(objective.fn_cost or 1.0), exact(objective.fp_cost or 1.0)
            unit = gain.denominator * loss.denominator
            saved = Linear(int(gain * unit), int(loss * unit))
            return Target((saved,), never=saved)
        case "youden":
            informed = Linear(negatives, positives)
            return Target((informed,), never=informed)


def _times(counts: Counts, weight: int) -> NDArray[Any]:
    if counts.size and int(counts.max()) * weight >= _SAFE:
        wide: NDArray[Any] = counts.astype(object) * weight
        return wide
    return counts * weight
