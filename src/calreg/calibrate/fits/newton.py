"""Where a convex function is least, by Newton's steps, and how many digits of it are kept.

Only derivatives are asked for, never the function: of a convex function they say enough,
and a logarithm per score and pass is saved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from calreg.calibrate.fits.sums import Float64s
from calreg.errors import InputError

__all__ = ["Derivatives", "Slopes", "least_between", "least_point", "significant"]

Slopes: TypeAlias = Callable[[float], tuple[float, float, float]]
"""First, second and third derivative at a number."""

Derivatives: TypeAlias = Callable[[Float64s], tuple[Float64s, Float64s]]
"""Gradient and matrix of second derivatives at a point."""

_MOST_STEPS = 200
_DIGITS = 10


def significant(value: float) -> float:
    """The number with ten significant digits.

    What an iteration ends with differs in its last digits from machine to machine, since
    exp() does; ten digits do not, and they are more than any sample tells.

    >>> significant(5.0562637691234567)
    5.056263769
    """
    return float(f"{value:.{_DIGITS - 1}e}")


def least_between(slopes: Slopes, start: float, low: float, high: float) -> float:
    """Where a convex function of a positive number is least, within [low, high].

    Halley's steps; where one leaves what is left of the interval, that is halved instead.
    A least point outside ends within 1e-9 of the end that is nearest to it.

    References:
        Halley's method: Gander (1985), On Halley's iteration method.
    """
    at = min(max(start, low), high)
    for _ in range(_MOST_STEPS):
        first, second, third = slopes(at)
        if first < 0:
            low = at
        else:
            high = at
        # Each step cubes the error: after one of 1e-5 nothing is left to gain.
        new = at + _halley(first, second, third)
        if abs(new - at) <= 1e-5 * at and low <= new <= high:
            return new
        at = new if low < new < high else math.sqrt(low * high)
        if not high - low > 1e-10 * low:
            break
    return at


def _halley(first: float, second: float, third: float) -> float:
    if not second > 0:  # flat as far as float64 can tell: the caller halves
        return math.nan
    bent = second - first * third / (2 * second)
    return -first / (bent if bent > second / 2 else second)


def least_point(derivatives: Derivatives, start: Float64s) -> Float64s:
    """Where a convex function is least, from `start`.

    Raises:
        InputError: No least point is near: the function goes on falling.
    """
    at, (gradient, curvature) = start, derivatives(start)
    for _ in range(_MOST_STEPS):
        step: Float64s = np.linalg.lstsq(curvature, -gradient, rcond=None)[0].astype(np.float64)
        gain = -float(gradient @ step)
        # The error is squared by each step; and a mean loss has no digits below 1e-16.
        if not np.max(np.abs(step) / (1 + np.abs(at))) > 1e-7 or not gain > 1e-22:
            return np.asarray(at + step)
        at, gradient, curvature = _along(derivatives, at, step, gain)
    raise InputError("the fit found no end: scores and truth have no best curve", code="fit")


def _along(
    derivatives: Derivatives, at: Float64s, step: Float64s, gain: float
) -> tuple[Float64s, Float64s, Float64s]:
    """The end of the step, or of the part of it that does not climb again."""
    share = 1.0
    while True:
        new = at + share * step
        gradient, curvature = derivatives(new)
        climb = float(gradient @ step)
        if climb <= 0.1 * gain or share < 1e-6:
            return new, gradient, curvature
        share *= min(0.5, max(0.1, gain / (gain + climb)))
