"""The best threshold of one label, among every distinct score and "never".

Exact: the optimum over all candidates, with ties decided by rule and not by rounding. The
rule is DESIGN 6: the highest threshold, after a higher recall where precision is maximised
and a higher precision where recall is; never firing counts as higher than every score. For
labels that fire on low scores everything is mirrored: the lowest threshold wins.

Only the score of a positive can be the best threshold: at any other, the next score above it
has the same true positives and fewer false ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.guarantee import allowed_false_positives, empirical_false_positives
from calreg.calibrate.narrowing import Stretch, narrowed
from calreg.calibrate.objectives import Objective
from calreg.calibrate.targets import Counts, target_of
from calreg.documents.decision import Confusion, Direction, Status
from calreg.errors import InputError, UsageError
from calreg.labelled import Floats, Truth

__all__ = ["Cut", "best_cut", "confusion_at", "nearest_below", "prepared"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A threshold, how it was come by, and the counts that it has.

    Args:
        threshold: Exactly one of the scores, zero without a sign; None never fires.
        status: `ok` and `fires_always` have a threshold, the others have none.
        confusion: On the scores that it was chosen on.
    """

    threshold: float | None
    status: Status
    confusion: Confusion


def best_cut(
    scores: Floats,
    truth: Truth,
    objective: Objective,
    *,
    direction: Direction = "higher",
    guarantee: float | None = None,
    min_positives: int = 1,
    min_negatives: int = 1,
) -> Cut:
    """The threshold that is the exact optimum of an objective on these scores.

    Args:
        scores: float32 or float64, shape (n,), finite; not changed.
        truth: bool, shape (n,).
        objective: What to optimise.
        direction: `lower` fires where the score is at most the threshold.
        guarantee: For a limit of the false positive rate: the confidence with which it holds
            on fresh items; None takes the limit on these.
        min_positives: With fewer there is no threshold, but a status.
        min_negatives: The same for negatives.

    Raises:
        InputError: No scores, not finite, all equal, or truth of one class.
        UsageError: A guarantee for what is no limit of the false positive rate.

    >>> from calreg.calibrate.objectives import parse_objective
    >>> cut = best_cut(
    ...     np.array([0.25, 0.5, 0.75, 1.0]),
    ...     np.array([False, True, False, True]),
    ...     parse_objective("max-recall@fpr<=0.02"),
    ... )
    >>> cut.threshold, cut.confusion.to_json()
    (1.0, {'tp': 1, 'fp': 0, 'fn': 1, 'tn': 2})
    """
    scores, truth = prepared(scores, truth)
    positives = int(np.count_nonzero(truth))
    negatives = truth.size - positives
    max_fp = _max_fp(objective, negatives, guarantee)
    lacking = _too_few(positives >= min_positives, negatives >= min_negatives and max_fp != -1)
    if lacking is not None:
        return _never(lacking, positives, negatives)
    target = target_of(objective, positives, negatives, max_fp=max_fp)
    sign = -1.0 if direction == "lower" else 1.0
    stretch = narrowed(-scores if direction == "lower" else scores, truth, target)
    thresholds, tp, fp = _candidates(stretch)
    best = target.best(tp, fp)
    if best is None:
        return _never("infeasible", positives, negatives)
    found = int(tp[best]), int(fp[best])
    if not target.is_worth(*found):
        return _never("fires_never", positives, negatives)
    status: Status = "fires_always" if found == (positives, negatives) else "ok"
    confusion = Confusion(found[0], found[1], positives - found[0], negatives - found[1])
    return Cut(sign * float(thresholds[best]) + 0.0, status, confusion)


def confusion_at(
    scores: Floats, truth: Truth, threshold: float | None, direction: Direction = "higher"
) -> Confusion:
    """The counts that a threshold has on some scores; a score that is NaN does not fire.

    >>> confusion_at(np.array([0.25, 0.75]), np.array([False, True]), 0.5)
    Confusion(tp=1, fp=0, fn=0, tn=1)
    """
    positives = int(np.count_nonzero(truth))
    negatives = truth.size - positives
    if threshold is None:
        return Confusion(0, 0, positives, negatives)
    # A plain Python float would be cast down to the float32 of the scores.
    cut = np.float64(threshold)
    fires = scores <= cut if direction == "lower" else scores >= cut
    fired = int(np.count_nonzero(fires))
    tp = int(np.count_nonzero(fires & truth))
    return Confusion(tp, fired - tp, positives - tp, negatives - (fired - tp))


def nearest_below(
    scores: Floats, threshold: float, direction: Direction = "higher"
) -> float | None:
    """The nearest score that does not fire: any cut from there to the threshold decides alike.

    None if every score fires. The score itself is not among those cuts.

    >>> nearest_below(np.array([0.25, 0.5, 1.0]), 1.0)
    0.5
    """
    cut = np.float64(threshold)
    silent = scores[scores > cut] if direction == "lower" else scores[scores < cut]
    if silent.size == 0:
        return None
    return float(silent.min() if direction == "lower" else silent.max()) + 0.0


def prepared(scores: Floats, truth: Truth) -> tuple[Floats, Truth]:
    """Scores and truth of one label as they can be tuned on: two values, two classes.

    Raises:
        InputError: No scores, not finite, all equal, or truth of one class.
    """
    scores, truth = np.asarray(scores), np.asarray(truth)
    if scores.ndim != 1 or scores.shape != truth.shape or truth.dtype != np.bool_:
        raise InputError(
            f"expected scores and bool truth of one length, got shape {scores.shape} "
            f"and {truth.shape} of {truth.dtype}",
            code="scores",
        )
    if scores.size == 0:
        raise InputError("no scores", code="scores")
    if scores.dtype not in (np.float32, np.float64):
        scores = scores.astype(np.float64)
    low, high = float(scores.min()), float(scores.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("scores must be finite, got NaN or infinity", code="scores")
    _check_can_be_told_apart(low, high, int(np.count_nonzero(truth)), truth.size)
    return scores, truth


def _check_can_be_told_apart(low: float, high: float, positives: int, size: int) -> None:
    if positives in (0, size):
        lacking, there = ("positive", 0) if positives == 0 else ("negative", 1)
        raise InputError(
            f"expected truth of both classes, got no {lacking}: all {size:,} are {there}",
            hint="a threshold separates two classes; label some items of the other one",
            code="one-class",
        )
    if low == high:
        raise InputError(
            f"expected scores that differ, got {size:,} times {high + 0.0!r}",
            hint="a constant score decides nothing; look at what wrote it",
            code="constant",
        )


def _max_fp(objective: Objective, negatives: int, guarantee: float | None) -> int | None:
    """How many false positives are allowed; -1 if there are too few negatives to say."""
    limit = objective.limit
    if objective.kind != "max-recall@fpr" or limit is None:
        if guarantee is not None:
            raise UsageError(
                f"a guarantee is for limits of the false positive rate, got {objective.text}",
                hint="for example max-recall@fpr<=0.02",
                code="guarantee",
            )
        return None
    if guarantee is None:
        return empirical_false_positives(negatives, limit)
    allowed = allowed_false_positives(negatives, limit, guarantee)
    return -1 if allowed is None else allowed


def _too_few(has_positives: bool, has_negatives: bool) -> Status | None:  # noqa: FBT001
    if not has_positives:
        return "too_few_positives"
    return None if has_negatives else "too_few_negatives"


def _never(status: Status, positives: int, negatives: int) -> Cut:
    return Cut(None, status, Confusion(0, 0, positives, negatives))


def _candidates(stretch: Stretch) -> tuple[Floats, Counts, Counts]:
    """Every distinct score of a positive, from the highest down, and the counts there."""
    positives = stretch.scores[stretch.truth]
    negatives = stretch.scores[~stretch.truth]
    positives.sort()
    negatives.sort()
    first: NDArray[np.bool_] = np.ones(positives.size, dtype=np.bool_)
    np.not_equal(positives[1:], positives[:-1], out=first[1:])
    rank = np.flatnonzero(first)[::-1]
    thresholds = positives[rank]
    tp = stretch.tp + positives.size - rank
    fp = stretch.fp + negatives.size - np.searchsorted(negatives, thresholds)
    return thresholds, tp, fp
