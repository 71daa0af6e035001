"""One label under two calibrations: the raw scores whose outcome changes.

Most scores are decided by the interval they are in. The others, near a place where the
outcome turns, are put through both calibrations, so that the answer for every score is the
one that applying both to it would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Histogram, LabelCalibration
from calreg.retag.bounds import Bounds, bounds_of, breaks_of, is_bounded, is_straight
from calreg.retag.intervals import Intervals
from calreg.retag.outcomes import Bools, Bytes, Floats, Outcome, changes_between, outcome_of
from calreg.retag.rules import RetagRules
from calreg.retag.search import search

__all__ = ["LabelRetag", "changed_intervals", "decides_alike"]

_FEW = 4
_DOUBT_WEIGHT = 0.5
_ROUNDING = 4e-15
"""A straight line through two values in [0, 1] leaves those between by less than this."""


def changed_intervals(
    before: LabelCalibration | None, after: LabelCalibration | None, rules: RetagRules
) -> LabelRetag | None:
    """The scores of a label whose outcome changes; None for a softmax: ask for the whole head.

    Raises:
        InputError: As `LabelRetag`.
    """
    sides = [side for side in (before, after) if side is not None]
    if any(side.parameters.get("link") == "softmax" for side in sides):
        return None
    return LabelRetag(before, after, rules)


@dataclass(frozen=True)
class LabelRetag:
    """The raw scores of one label whose outcome changes.

    Args:
        before: The label's numbers until now; None if it had none.
        after: Its numbers from now on; None if it has none.
        rules: What counts as a change.

    Raises:
        InputError: One of them cannot be applied: as `calreg.methods.apply_method`, and for
            a softmax.

    >>> from calreg.documents import Distribution
    >>> old = LabelCalibration("minmax", {"p5": 0.0, "p95": 1.0}, Distribution(None))
    >>> new = LabelCalibration("minmax", {"p5": 0.0, "p95": 0.5}, Distribution(None))
    >>> LabelRetag(old, new, RetagRules(min_change=0.25)).contains(np.array([0.2, 0.25, 0.8]))
    array([False,  True, False])
    """

    before: LabelCalibration | None
    after: LabelCalibration | None
    rules: RetagRules

    def __post_init__(self) -> None:
        for side in (self.before, self.after):
            if side is not None:
                outcome_of(side, np.zeros(1))

    @cached_property
    def _found(self) -> tuple[Intervals, Intervals]:
        before, after = self.before, self.after
        if before is None or after is None:
            is_none = before is after
            return Intervals.nothing() if is_none else Intervals.everything(), Intervals.nothing()
        if decides_alike(before, after):
            return Intervals.nothing(), Intervals.nothing()
        if not (is_bounded(before) and is_bounded(after)):
            return Intervals.nothing(), Intervals.everything()
        breaks = np.concatenate([breaks_of(before), breaks_of(after)])
        return search(partial(_judged, before, after, self.rules), breaks)

    @property
    def sure(self) -> Intervals:
        """Where every score changes its outcome."""
        return self._found[0]

    @property
    def doubt(self) -> Intervals:
        """Where some may: these are put through both calibrations."""
        return self._found[1]

    @cached_property
    def possible(self) -> Intervals:
        """Outside of these no score changes its outcome; few of them, for a rough sieve."""
        sure, doubt = self._found
        lo, hi = np.append(sure.lo, doubt.lo), np.append(sure.hi, doubt.hi)
        order = np.argsort(lo)
        return Intervals(lo[order], hi[order]).outer(_FEW)

    def outcomes(self, scores: Floats) -> tuple[Outcome | None, Outcome | None]:
        """What each of the two calibrations makes of the scores; None by one without the label."""
        return tuple(  # type: ignore[return-value]  # two of them
            None if side is None else outcome_of(side, scores) for side in (self.before, self.after)
        )

    def changes(self, scores: Floats) -> Bytes:
        """Why each score's outcome changes, as a byte of reasons: by applying both."""
        before, after = self.outcomes(scores)
        return changes_between(before, after, np.isfinite(scores), self.rules)

    def contains(self, scores: NDArray[np.floating]) -> Bools:
        """Whether each score's outcome changes: what `changes` says, at the price of a look."""
        values = np.asarray(scores, np.float64)
        found = self.sure.contains(values)
        if not self.doubt.is_empty:
            near = self.doubt.contains(values)
            found[near] = self.changes(values[near]) > 0
        return found

    def share_of(self, histogram: Histogram) -> float:
        """About which share of a histogram's scores changes, from 0 to 1."""
        sure, doubt = self.sure.share_of(histogram), self.doubt.share_of(histogram)
        return min(sure + _DOUBT_WEIGHT * doubt, 1.0)


def decides_alike(before: LabelCalibration, after: LabelCalibration) -> bool:
    """Whether the two are one rule, whatever the evidence for it."""
    return (before.method, before.parameters, _cut(before)) == (
        after.method,
        after.parameters,
        _cut(after),
    )


def _cut(label: LabelCalibration) -> tuple[object, ...] | None:
    decision = label.decision
    if decision is None or decision.threshold is None:
        return None
    return decision.threshold, decision.comparator, decision.score_threshold, label.direction


def _judged(
    before: LabelCalibration, after: LabelCalibration, rules: RetagRules, lo: Floats, hi: Floats
) -> tuple[Bools, Bools]:
    """Of each range: whether all of its scores change, and whether none does."""
    old, new = bounds_of(before, lo, hi), bounds_of(after, lo, hi)
    changes = (old.never & new.always) | (old.always & new.never)
    stays = (old.never & new.never) | (old.always & new.always)
    if (old.low is None) != (new.low is None):
        return np.ones_like(changes), np.zeros_like(stays)
    if old.low is not None:
        is_straight_line = is_straight(before) and is_straight(after)
        least, most = _moves(old, new, is_straight_line=is_straight_line)
        changes |= (least >= rules.min_change) | (most <= -rules.min_change)
        stays &= (least > -rules.min_change) & (most < rules.min_change)
        changes_tier, keeps_tier = _tiers(old, new, rules)
        changes |= changes_tier
        stays &= keeps_tier
    return changes, stays


def _moves(old: Bounds, new: Bounds, *, is_straight_line: bool) -> tuple[Floats, Floats]:
    """By how much the value moves, at least and at most."""
    ends = (old.low, old.high, new.low, new.high)
    low_before, high_before, low_after, high_after = map(np.asarray, ends)
    with np.errstate(invalid="ignore", over="ignore"):
        if not is_straight_line:
            return low_after - high_before, high_after - low_before
        left = np.asarray(new.left) - np.asarray(old.left)
        right = np.asarray(new.right) - np.asarray(old.right)
        far = np.max(np.abs([low_before, high_before, low_after, high_after]), axis=0)
        # Nothing is rounded along a line that is level.
        is_level = (low_before == high_before) & (low_after == high_after)
        room = np.where(is_level, 0.0, _ROUNDING * np.maximum(far, 1.0))
        return np.minimum(left, right) - room, np.maximum(left, right) + room


def _tiers(old: Bounds, new: Bounds, rules: RetagRules) -> tuple[Bools, Bools]:
    """Whether the tier surely changes, and whether it surely stays."""
    cuts = np.array(rules.tiers, np.float64)
    ends = (old.low, old.high, new.low, new.high)
    low_before, high_before, low_after, high_after = (
        cuts.searchsorted(np.asarray(end), "right") for end in ends
    )
    changes = (high_before < low_after) | (high_after < low_before)
    stays = (low_before == high_before) & (low_after == high_after) & (low_before == low_after)
    return changes, stays
