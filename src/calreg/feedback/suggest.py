"""Which factor per group would have made predictions right in the middle.

Pure. A row implies the factor that would have made its prediction right: the factor in
force when predicting × outcome / prediction. A group's is the median of those, never their
mean, which noise inflates (by 28 % where predictions and outcomes each scatter with a
log-sd of 0.5). It is shrunk towards the current factor, on the scale of ratios, by the
weight n / (n + K): K pairs say as much as the factor in force does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from calreg.errors import InputError, UsageError
from calreg.feedback.prices import LEAST_PRICE
from calreg.feedback.resampling import median_interval
from calreg.feedback.values import (
    LEAST_FACTOR,
    MOST_FACTOR,
    Joined,
    Numbers,
    Status,
    Suggestion,
    Suggestions,
    Unsold,
    rows_by_group,
)

__all__ = ["MIN_PAIRS", "SHRINK", "shrunk", "suggest_factors"]

MIN_PAIRS = 10
"""Fewer pairs than this are too few to go by."""

SHRINK = 20.0
"""How many pairs the current factor weighs as much as."""

_NO_FACTOR = 1.0


def suggest_factors(
    joined: Joined,
    *,
    current: Mapping[str, float] | None = None,
    unsold: Unsold = "exclude",
    min_pairs: int = MIN_PAIRS,
    shrink: float = SHRINK,
    confidence: float = 0.95,
) -> Suggestions:
    """A suggestion for every group that has a row.

    Args:
        joined: Predictions and outcomes.
        current: Factors in force by group; where it has none, the one that the group's rows
            were predicted with.
        unsold: Whether prices of unsold items count.
        min_pairs: Fewer pairs are `too_few`, as are those that have no interval.
        shrink: K, at least 0; 0 takes the median as it is.
        confidence: Of the intervals.

    Raises:
        InputError: A current factor that nobody can have meant.
        UsageError: `min_pairs` below 1, or `shrink` that is no number from 0.

    References:
        Morris (1983), Parametric empirical Bayes inference: the weight n / (n + K).
    """
    _check(current or {}, min_pairs, shrink)
    has_factors = bool(np.isfinite(joined.factor).any())
    pairs = joined.price_pairs(unsold) & _is_ratio(joined)
    found, without = {}, 0
    for group, rows in rows_by_group(joined.group).items():
        in_force = _in_force(joined.factor[rows], (current or {}).get(group))
        kept = rows[pairs[rows]]
        if has_factors:  # a row that does not say its factor could imply any
            without += int(np.count_nonzero(np.isnan(joined.factor[kept])))
            kept = kept[np.isfinite(joined.factor[kept])]
        ratios = joined.outcome[kept] / joined.predicted[kept]
        implied = ratios * (joined.factor[kept] if has_factors else in_force)
        found[group] = _suggestion(in_force, ratios, implied, min_pairs, shrink, confidence)
    return Suggestions(found, _notes(joined, current, has_factors=has_factors, without=without))


def shrunk(factor: float, towards: float, n: int, shrink: float) -> float:
    """`factor`, moved towards another by the weight that `n` pairs leave to it.

    >>> shrunk(4.0, 1.0, 20, 20.0)
    2.0
    """
    weight = n / (n + shrink)
    return float(towards * (factor / towards) ** weight)


def _check(current: Mapping[str, float], min_pairs: int, shrink: float) -> None:
    if not min_pairs >= 1:
        raise UsageError(f"expected at least 1 pair, got {min_pairs}", hint="--min-pairs 10")
    if not 0.0 <= shrink < math.inf:
        raise UsageError(f"expected a shrinkage from 0, got {shrink!r}", hint="--shrink 20")
    for group, factor in current.items():
        if not LEAST_FACTOR <= factor <= MOST_FACTOR:
            raise InputError(
                f"the current factor of {group!r}: expected a number from {LEAST_FACTOR:g} to "
                f"{MOST_FACTOR:g}, got {factor!r}",
                code="factor",
            )


def _is_ratio(joined: Joined) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = (joined.predicted > LEAST_PRICE) & (joined.outcome > LEAST_PRICE)
    return kept


def _in_force(factors: Numbers, given: float | None) -> float:
    """The factor that is told; else the middle one of the rows', one that they really had."""
    if given is not None:
        return float(given)
    known = np.sort(factors[np.isfinite(factors)])
    return float(known[(known.size - 1) // 2]) if known.size else _NO_FACTOR


def _suggestion(
    in_force: float,
    ratios: Numbers,
    implied: Numbers,
    min_pairs: int,
    shrink: float,
    confidence: float,
) -> Suggestion:
    n = ratios.size
    if not n:
        return Suggestion(in_force, None, 0, "too_few", None, None, None)
    implied = np.sort(implied)
    middle = float(np.median(implied))
    ends = median_interval(implied, confidence)
    return Suggestion(
        current_factor=in_force,
        suggested_factor=shrunk(middle, in_force, n, shrink),
        n=n,
        status=_status(in_force, ends, n, min_pairs),
        median_ratio=float(np.median(ratios)),
        implied_factor=middle,
        interval=None
        if ends is None
        else (shrunk(ends[0], in_force, n, shrink), shrunk(ends[1], in_force, n, shrink)),
    )


def _status(in_force: float, ends: tuple[float, float] | None, n: int, min_pairs: int) -> Status:
    if ends is None or n < min_pairs:
        return "too_few"
    # Shrinking keeps the current factor where it is, so both intervals hold it or neither.
    return "within_noise" if ends[0] <= in_force <= ends[1] else "ok"


def _notes(
    joined: Joined, current: Mapping[str, float] | None, *, has_factors: bool, without: int
) -> tuple[str, ...]:
    notes = []
    if not has_factors:
        taken = "those given as current" if current else f"{_NO_FACTOR:g}"
        notes.append(
            "the predictions do not say which factor was in force: "
            f"{taken} {'are' if current else 'is'} taken for it"
        )
    if without:
        notes.append(f"{without:,} price pairs without a factor are left out of the suggestions")
    nameless = int(np.count_nonzero(joined.group == ""))
    if nameless:
        notes.append(f"{nameless:,} rows without a group are in no suggestion")
    return tuple(notes)
