"""Isotonic regression: the best curve that never turns, made of rates of truth.

Its values are ratios of two counts, so they are exact; the knots are the ends of its flats.
"""

from __future__ import annotations

import numpy as np

from calreg.calibrate.fits.accepted import refuse_unfit
from calreg.calibrate.fits.flats import corner_steps, flat_starts
from calreg.documents.calibration import Parameter
from calreg.documents.decision import Direction
from calreg.errors import InputError
from calreg.labelled import Floats, Truth

__all__ = ["fit_isotonic"]

MOST_KNOTS = 100_000
"""As many as a document holds."""


def fit_isotonic(scores: Floats, truth: Truth, *, direction: Direction) -> dict[str, Parameter]:
    """The knots of the curve with the least squared error, and the least NLL, that never turns.

    Args:
        scores: Of one label, finite; equal ones are pooled first.
        truth: One per score.
        direction: "higher" for a curve that never falls, "lower" for one that never rises.

    Returns:
        The parameters of method `isotonic`: x strictly ascending, y the rate of truth 1.

    Raises:
        InputError: Nothing to fit, or more than 100,000 knots.

    References:
        Barlow & Brunk (1972), The isotonic regression problem and its dual.
        Zadrozny & Elkan (2002), Transforming classifier scores, section 3.

    >>> fit_isotonic(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True]),
    ...     direction="higher")
    {'x': (1.0, 2.0, 3.0, 4.0), 'y': (0.0, 0.5, 0.5, 1.0)}
    """
    refuse_unfit(scores, truth)
    steps = corner_steps(scores, truth, direction=direction)
    starts = flat_starts(steps, direction=direction)
    rates = np.add.reduceat(steps.positives, starts) / np.add.reduceat(steps.totals, starts)
    ends = np.append(starts[1:], steps.scores.size) - 1
    # A flat of one score has one knot, any other two.
    places, owners = np.unique(np.append(starts, ends), return_index=True)
    refuse_too_many(places.size)
    y = np.tile(rates, 2)[owners]
    return {"x": tuple(steps.scores[places].tolist()), "y": tuple(y.tolist())}


def refuse_too_many(knots: int) -> None:
    """Nothing, if a document can hold so many knots.

    Raises:
        InputError: It cannot; some 40 million scores can need as many.
    """
    if knots > MOST_KNOTS:
        raise InputError(
            f"the curve has {knots:,} knots, at most {MOST_KNOTS:,} can be stored",
            hint="Take 'histogram' or 'platt'.",
            code="fit",
        )
