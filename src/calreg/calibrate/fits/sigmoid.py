"""Two and three numbers that bend raw scores into probabilities: Platt's and beta scaling.

Both are logistic regressions without a penalty, on the score itself or on its logarithms.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NoReturn, TypeAlias

import numpy as np

from calreg.calibrate.fits.accepted import refuse_beyond_unit, refuse_unfit
from calreg.calibrate.fits.logistic import Rows, derivatives, least_curve, raw_coefficients
from calreg.calibrate.fits.logs import clipped, logs_of_logit, logs_of_probability
from calreg.calibrate.fits.newton import significant
from calreg.calibrate.fits.sums import Float64s
from calreg.documents.calibration import Parameter
from calreg.errors import InputError, UsageError
from calreg.labelled import Floats, Truth

__all__ = ["fit_beta", "fit_platt"]


Places: TypeAlias = tuple[int, ...]


def fit_platt(scores: Floats, truth: Truth) -> dict[str, Parameter]:
    """Slope and intercept of Platt's sigmoid, for raw scores of any scale.

    Targets are smoothed as if one more item of each class had been seen, so that scores
    which separate the truth perfectly have a curve, too. The slope is negative where low
    scores speak for the label.

    Returns:
        The parameters of method `platt`: the slope with ten significant digits, the
        intercept with nine decimals.

    Raises:
        InputError: Nothing to fit, or scores that say nothing about the truth.

    References:
        Platt (1999), Probabilistic outputs for support vector machines, section 2.2.
        Lin, Lin & Weng (2007), A note on Platt's probabilistic outputs.

    >>> fit_platt(np.array([-1.0, 1.0]), np.array([False, True]))
    {'slope': 0.6931471806, 'intercept': 0.0}
    """
    refuse_unfit(scores, truth)
    positives = int(np.count_nonzero(truth))
    targets = 1 / (truth.size - positives + 2), (positives + 1) / (positives + 2)
    rows = Rows.measured(scores, truth, _itself, targets)
    at = least_curve(rows, (0,))
    if not abs(at[1]) > 1e-9:
        raise InputError(
            "the scores say nothing about the truth: Platt's slope is 0", code="no-optimum"
        )
    intercept, slope = raw_coefficients(rows, (0,), at, significant)
    return {"slope": slope, "intercept": intercept + 0.0}


def _itself(scores: Floats) -> tuple[Float64s, ...]:
    return (scores.astype(np.float64),)


def fit_beta(
    scores: Floats, truth: Truth, *, scale: Literal["logit", "probability"]
) -> dict[str, Parameter]:
    """a, b >= 0 and c of beta calibration: σ(a ln s - b ln(1 - s) + c).

    The best curve that nowhere falls: where a or b alone would be negative, the other and
    c are fitted without it.

    Args:
        scores: Of one label.
        truth: One per score.
        scale: "probability" for s itself, brought into [1e-7, 1 - 1e-7]; "logit" for its
            logit.

    Returns:
        The parameters of method `beta`: a and b with ten significant digits, c with nine
        decimals.

    Raises:
        InputError: Nothing to fit, scores beyond [-0.01, 1.01], or no best curve: the scores
            separate the truth, or do not rise with it.

    References:
        Kull, Silva Filho & Flach (2017), Beta calibration, section 4.
    """
    low, high = refuse_unfit(scores, truth)
    if scale not in {"logit", "probability"}:
        raise UsageError(f"no beta calibration for scale {scale!r}")
    if scale == "probability":
        refuse_beyond_unit(low, high)
    _refuse_endless(scores, truth, is_clipped=scale == "probability")
    features = logs_of_probability if scale == "probability" else logs_of_logit
    rows = Rows.measured(scores, truth, features, (0.0, 1.0))
    used, at = _least_rising(rows)
    c, a, b = raw_coefficients(rows, used, at, significant)
    return {"a": a, "b": b, "c": c + 0.0, "scale": scale}


def _refuse_endless(scores: Floats, truth: Truth, *, is_clipped: bool) -> None:
    """Refuse scores that part the truth at one score, ties included: no curve is steepest.

    References:
        Silvapulle (1981), On the existence of maximum likelihood estimators.
    """
    read = clipped if is_clipped else partial(np.asarray, dtype=np.float64)
    ends = [(part.min(), part.max()) for part in (scores[truth], scores[~truth])]
    (lowest_positive, highest_positive), (lowest_negative, highest_negative) = (
        read(np.array(pair)) for pair in ends
    )
    if not lowest_positive < highest_negative:
        raise InputError(
            "no finite optimum: the scores separate the truth perfectly",
            hint="Take more items, or 'platt', whose smoothed targets stay finite.",
            code="no-optimum",
        )
    if not lowest_negative < highest_positive:
        _refuse_falling()


def _refuse_falling() -> NoReturn:
    raise InputError(
        "no rising curve fits better than a flat one: higher scores do not go with truth 1",
        hint="Where low scores speak for the label, take 'platt' or 'isotonic'.",
        code="no-optimum",
    )


def _least_rising(rows: Rows) -> tuple[Places, Float64s]:
    """The features with a positive coefficient, and the least curve made of them.

    The loss is convex. If the best curve of one feature cannot be bettered by some of the
    other, it is the best rising curve; if neither can stand alone, both are in it, and the
    least curve of both is finite, since no rising curve separates the truth.
    """
    used, start = _guess(rows)
    if start is not None and len(used) == 2:
        at = least_curve(rows, used, start)
        if np.all(at[1:] > 0):
            return used, at
    alone = []
    for place in (1, 0) if used == (1,) else (0, 1):
        at = least_curve(rows, (place,), start if used == (place,) else None)
        if at[1] > 0:
            if derivatives(rows, (place,), at)[2][2 - place] >= -1e-12:
                return (place,), at
            alone.append((place, at))
    if not alone:
        _refuse_falling()
    place, at = alone[0]
    start = np.array([at[0], 0.0, 0.0])
    start[1 + place] = at[1]
    return (0, 1), least_curve(rows, (0, 1), start)


def _guess(rows: Rows) -> tuple[Places, Float64s | None]:
    """What is the answer for some of the rows; if it is both features, they have one for all."""
    few = rows.some()
    if few is None:
        return (), None
    try:
        _refuse_endless(few.scores, few.truth, is_clipped=few.features is logs_of_probability)
        return _least_rising(few)
    except InputError:  # the few have none; that says nothing about all
        return (), None
