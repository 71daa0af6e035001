"""What every figure asks of its input, said once: one finite number per item, one truth each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.errors import InputError
from calreg.labelled import Floats, Truth

__all__ = ["checked_firing", "checked_probabilities", "checked_scores", "checked_truth"]


def checked_truth(truth: Truth) -> Truth:
    """`truth`, if it is a list of yes and no.

    Raises:
        InputError: Not of type bool, or not one per item.
    """
    if truth.dtype != np.bool_ or truth.ndim != 1:
        raise InputError(
            f"expected truth as bool, shape (n,), got {truth.dtype}, shape {truth.shape}",
            code="truth",
        )
    return truth


def checked_scores(scores: Floats, truth: Truth) -> Floats:
    """`scores`, if they are finite and as many as `truth`.

    Raises:
        InputError: NaN or infinity, no floats, or another number of items than `truth`.
    """
    _check_alike("scores", scores, checked_truth(truth))
    if not np.issubdtype(scores.dtype, np.floating):
        raise InputError(f"expected scores as floats, got {scores.dtype}", code="scores")
    if not _extremes_within(scores, -np.inf, np.inf):
        raise InputError("scores must be finite, got NaN or infinity", code="scores")
    return scores


def checked_probabilities(probabilities: Floats, truth: Truth) -> Floats:
    """`probabilities`, if they lie in [0, 1] and are as many as `truth`.

    Raises:
        InputError: One that is NaN or outside [0, 1], no items, or another number than `truth`.
    """
    _check_alike("probabilities", probabilities, checked_truth(truth))
    if not truth.size:
        raise InputError("expected at least one item, got none", code="probabilities")
    if not (probabilities.min() >= 0.0 and probabilities.max() <= 1.0):
        raise InputError(
            "expected probabilities in [0, 1], got "
            f"{float(probabilities.min())!r} to {float(probabilities.max())!r}",
            code="probabilities",
        )
    return probabilities


def checked_firing(fires: NDArray[np.bool_], truth: Truth) -> NDArray[np.bool_]:
    """`fires`, if it says yes or no for each item of `truth`.

    Raises:
        InputError: Not of type bool, or another number of items than `truth`.
    """
    _check_alike("decisions", fires, checked_truth(truth))
    if fires.dtype != np.bool_:
        raise InputError(f"expected decisions as bool, got {fires.dtype}", code="decisions")
    return fires


def _check_alike(what: str, values: NDArray[Any], truth: Truth) -> None:
    if values.shape != truth.shape:
        raise InputError(
            f"expected as many {what} as truth, got shapes {values.shape} and {truth.shape}",
            code="truth",
        )


def _extremes_within(values: Floats, low: float, high: float) -> bool:
    # NaN spreads through min and max, so two passes without a temporary see it.
    return not values.size or bool(low < values.min() and values.max() < high)
