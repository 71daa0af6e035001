"""One threshold for all labels of a head.

`micro` pools the cells of all labels and is the optimum of the pooled counts. `macro` is the
optimum of the mean of what each label is worth at the shared threshold. Both are exact over
every distinct score of all labels, with the ties of `calreg.calibrate.thresholds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.objectives import Objective
from calreg.calibrate.targets import Counts, exact
from calreg.calibrate.thresholds import Cut, best_cut, confusion_at, prepared
from calreg.documents.decision import Confusion, Direction
from calreg.errors import InputError, UsageError
from calreg.labelled import Floats, Truth

__all__ = ["best_shared_cut"]

_EPSILON = 2.0**-52


def best_shared_cut(
    columns: Sequence[tuple[Floats, Truth]],
    objective: Objective,
    *,
    average: Literal["micro", "macro"],
    direction: Direction = "higher",
    guarantee: float | None = None,
) -> Cut:
    """The one threshold that is the exact optimum for all labels together.

    Args:
        columns: Scores and truth of each label, as `best_cut` takes them.
        objective: With `macro` one that has a value for each label: `max-f`, `youden`,
            `min-cost` (whose mean is the pooled cost divided by the number of labels).
        average: What is optimised.
        direction: Of all labels.
        guarantee: Refused for more than one label: the cells of one item are not independent,
            and the bound is for negatives that are.

    Returns:
        The cut with the pooled counts.

    Raises:
        InputError: No labels; scores or truth that nothing can be tuned on.
        UsageError: `macro` of an objective with a limit, or a guarantee.
    """
    if not columns:
        raise InputError("no labels", code="scores")
    if guarantee is not None and len(columns) > 1:
        raise UsageError(
            "a guarantee holds for one label, not for the pooled cells of several",
            hint="ask for a threshold per label: --average per-label",
            code="guarantee",
        )
    if average == "micro" or objective.kind == "min-cost" or len(columns) == 1:
        scores = np.concatenate([np.asarray(scores) for scores, _ in columns])
        truth = np.concatenate([np.asarray(truth) for _, truth in columns])
        return best_cut(scores, truth, objective, direction=direction, guarantee=guarantee)
    if objective.kind not in {"max-f", "youden"}:
        raise UsageError(
            f"{objective.text} has no mean over labels: its limit is kept or not",
            hint="ask for --average micro or per-label, or for max-f1 or youden",
            code="average",
        )
    return _best_mean(columns, objective, direction)


@dataclass(frozen=True, slots=True, eq=False)
class _Label:
    """The scores of one label, ascending, and what the counts at a threshold are worth."""

    positives: Floats
    negatives: Floats
    objective: Objective

    def counts(self, thresholds: Floats) -> tuple[Counts, Counts]:
        tp = self.positives.size - np.searchsorted(self.positives, thresholds)
        fp = self.negatives.size - np.searchsorted(self.negatives, thresholds)
        return tp, fp

    def worth(self, tp: Any, fp: Any) -> Any:
        """Of arrays of counts in float64, of fractions exactly; nothing fired is worth 0."""
        rational = isinstance(tp, Fraction)
        if self.objective.kind == "youden":
            return tp / self.positives.size - fp / self.negatives.size
        extra = exact(self.objective.beta or 1.0) ** 2 * self.positives.size
        return tp / (tp + fp + (extra if rational else float(extra)))


def _best_mean(
    columns: Sequence[tuple[Floats, Truth]], objective: Objective, direction: Direction
) -> Cut:
    sign = -1.0 if direction == "lower" else 1.0
    labels = [
        _sorted(scores, truth, objective, sign, f"label {number} of {len(columns)}")
        for number, (scores, truth) in enumerate(columns, start=1)
    ]
    threshold, worth = _highest(labels, _near_the_top(labels))
    if not worth > 0:
        return _cut(columns, None, direction)
    return _cut(columns, sign * threshold + 0.0, direction)


def _sorted(scores: Floats, truth: Truth, objective: Objective, sign: float, place: str) -> _Label:
    try:
        scores, truth = prepared(scores, truth)
    except InputError as error:
        raise InputError(error.message, hint=error.hint, where=place, code=error.code) from error
    wide = scores.astype(np.float64) * sign
    return _Label(np.sort(wide[truth]), np.sort(wide[~truth]), objective)


def _near_the_top(labels: Sequence[_Label]) -> NDArray[np.float64]:
    """All scores at which the sum could be the highest, and few others.

    Down the scores of all labels each one changes what its own label is worth, so one running
    sum of the changes is the sum over labels at every score.
    """
    scores, gains, is_positive = (
        np.concatenate(parts) for parts in zip(*map(_changes, labels), strict=True)
    )
    order = np.argsort(-scores)
    scores, sums = scores[order], np.cumsum(gains[order])
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    # A score of negatives alone never beats the one above it.
    risen = np.diff(np.cumsum(is_positive[order])[last], prepend=0) > 0
    last = last[risen]
    rounding = 4 * _EPSILON * scores.size * len(labels)
    near: NDArray[np.float64] = scores[last[sums[last] >= sums[last].max() - rounding]]
    return near


def _changes(label: _Label) -> tuple[NDArray[np.float64], NDArray[np.float64], Truth]:
    """Every distinct score, the change of worth there, and whether a positive has it."""
    scores = np.unique(np.concatenate([label.positives, label.negatives]))[::-1]
    tp, fp = label.counts(scores)
    gains = np.diff(label.worth(tp, fp), prepend=0.0)
    return scores, gains, np.diff(tp, prepend=0) > 0


def _highest(labels: Sequence[_Label], thresholds: NDArray[np.float64]) -> tuple[float, Fraction]:
    """The highest threshold of the highest exact sum, and that sum."""
    counts = [label.counts(thresholds) for label in labels]
    sums = sum(
        (label.worth(*both) for label, both in zip(labels, counts, strict=True)),
        start=np.zeros(thresholds.size),
    )
    rounding = _EPSILON * len(labels) * (len(labels) + 4)
    best, found = Fraction(-len(labels) - 1), thresholds[0]
    for at in np.flatnonzero(sums >= sums.max() - rounding):
        worth = Fraction(0)
        for label, (tp, fp) in zip(labels, counts, strict=True):
            worth += label.worth(Fraction(int(tp[at])), Fraction(int(fp[at])))
        if worth > best or (worth == best and thresholds[at] > found):
            best, found = worth, thresholds[at]
    return float(found), best


def _cut(
    columns: Sequence[tuple[Floats, Truth]], threshold: float | None, direction: Direction
) -> Cut:
    confusion = Confusion(0, 0, 0, 0)
    for scores, truth in columns:
        confusion += confusion_at(scores, truth, threshold, direction)
    if threshold is None:
        return Cut(None, "fires_never", confusion)
    fires_always = confusion.fn + confusion.tn == 0
    return Cut(threshold, "fires_always" if fires_always else "ok", confusion)
