"""What can be fitted at all, said before anything is.

A caller who knows the label puts its name before the message.
"""

from __future__ import annotations

import numpy as np

from calreg.errors import InputError
from calreg.labelled import Floats, Truth

__all__ = ["refuse_beyond_unit", "refuse_unfit"]

_BEYOND = 0.01  # fastText's scores reach 1.00001; logits do not stay this near to [0, 1]


def refuse_unfit(scores: Floats, truth: Truth) -> tuple[float, float]:
    """The lowest and the highest score, if there is anything to fit.

    Raises:
        InputError: No scores, scores that are not finite, constant scores, truth of one
            class, or another number of scores than of truths.
    """
    if scores.shape != truth.shape:
        raise InputError(
            f"expected one truth per score, got {truth.size:,} for {scores.size:,}", code="fit"
        )
    if not scores.size:
        raise InputError("no scores to fit", code="fit")
    low, high = float(scores.min()), float(scores.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("scores must be finite, got NaN or infinity", code="scores")
    if not low < high:
        raise InputError(f"all scores are {low!r}: they cannot tell truth apart", code="constant")
    positives = int(np.count_nonzero(truth))
    if positives in (0, truth.size):
        raise InputError(
            f"truth is {int(positives > 0)} for all {truth.size:,} scores, expected both 0 and 1",
            code="one-class",
        )
    return low, high


def refuse_beyond_unit(low: float, high: float) -> None:
    """Nothing, if scores from `low` to `high` may be probabilities.

    Raises:
        InputError: They reach beyond [-0.01, 1.01].
    """
    if not (low >= -_BEYOND and high <= 1 + _BEYOND):
        raise InputError(
            f"scores from {low!r} to {high!r} are no probabilities, expected 0 to 1",
            hint="If they are logits, call their columns logit_<label>.",
            code="scale",
        )
