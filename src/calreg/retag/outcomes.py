"""The outcomes of raw scores by two calibrations, compared: what a change is, score by score.

Everything else in this package must agree with what is found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.documents import LabelCalibration
from calreg.methods import apply_method, fires
from calreg.retag.rules import ADDED, FIRED, REMOVED, TIER, VALUE, RetagRules

__all__ = ["Bools", "Bytes", "Floats", "Outcome", "changes_between", "fired_by", "outcome_of"]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a calibration makes of scores: float64 and bool, of their shape.

    `value` is None where the label's method gives none (`threshold`), and NaN for a score
    that is no number. `fired` is False throughout for a label that does not decide.
    """

    value: Floats | None
    fired: Bools


def outcome_of(label: LabelCalibration, scores: Floats) -> Outcome:
    """What one label's calibration makes of its raw scores, float64.

    Raises:
        InputError: As `calreg.methods.apply_method`.
    """
    value = None
    if label.method != "threshold":
        value = np.empty(scores.shape, np.float64)
        apply_method(label.method, label.parameters, scores, out=value)
    return Outcome(value, fired_by(label, scores, value))


def fired_by(label: LabelCalibration, scores: Floats, value: Floats | None) -> Bools:
    """Whether the label fires, its values being known: as `calreg.methods.fires` says."""
    decision = label.decision
    if decision is None:
        return np.zeros(scores.shape, np.bool_)
    if decision.score_threshold is not None or decision.threshold is None or value is None:
        return np.asarray(fires(label, scores), np.bool_)
    # The same comparison as there, of the values that it would compute again.
    found: Bools = (value >= np.float64(decision.threshold)) & np.isfinite(scores)
    return found


def changes_between(
    before: Outcome | None, after: Outcome | None, readable: Bools, rules: RetagRules
) -> Bytes:
    """The reasons why each outcome changes, as a byte each; 0 where it does not.

    Args:
        before: The outcomes by the one calibration; None if it has no such label.
        after: Those by the other, of the same shape.
        readable: Where the scores are numbers; nothing changes where they are not.
        rules: What counts.
    """
    found = np.zeros(readable.shape, np.uint8)
    if before is None or after is None:
        if before is not after:
            found[readable] = ADDED if before is None else REMOVED
        return found
    found |= np.where(before.fired != after.fired, np.uint8(FIRED), np.uint8(0))
    if before.value is not None and after.value is not None:
        found |= _of_values(before.value, after.value, rules)
    elif before.value is not after.value:
        found |= np.uint8(VALUE)
    found[~readable] = 0
    return found


def _of_values(before: Floats, after: Floats, rules: RetagRules) -> Bytes:
    with np.errstate(invalid="ignore", over="ignore"):
        # For good: what cannot be told, as infinity - infinity, is not called the same.
        is_near = np.abs(after - before) < np.float64(rules.min_change)
    is_same = is_near | (before == after) | (np.isnan(before) & np.isnan(after))
    found = np.where(is_same, np.uint8(0), np.uint8(VALUE))
    if rules.tiers:
        cuts = np.array(rules.tiers, np.float64)
        known = ~(np.isnan(before) | np.isnan(after))
        moved = cuts.searchsorted(before, "right") != cuts.searchsorted(after, "right")
        found |= np.where(moved & known, np.uint8(TIER), np.uint8(0))
    return found
