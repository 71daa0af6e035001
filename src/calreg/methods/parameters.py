"""A method's parameters, checked where they are used.

Documents are checked when they are read; a caller may hand in anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Real

from calreg.documents import Parameter
from calreg.errors import InputError

__all__ = ["PROBABILITY_CLIP", "is_logit_scale", "knots", "number", "positive", "word"]

PROBABILITY_CLIP = 1e-7
"""How near to 0 and 1 a score on the probability scale may come before its logit is taken."""


def number(parameters: Mapping[str, Parameter], key: str) -> float:
    """A parameter that is a finite number.

    Raises:
        InputError: It is missing, or something else.
    """
    value = parameters.get(key)
    if isinstance(value, Real) and math.isfinite(value):
        return float(value)
    raise _refused(key, "a finite number", value)


def positive(parameters: Mapping[str, Parameter], key: str) -> float:
    """A parameter that is a finite number above 0; else an InputError."""
    value = number(parameters, key)
    if value > 0.0:
        return value
    raise _refused(key, "a number above 0", value)


def word(parameters: Mapping[str, Parameter], key: str, allowed: Sequence[str]) -> str:
    """A parameter that is one of a few words; else an InputError."""
    value = parameters.get(key)
    if isinstance(value, str) and value in allowed:
        return value
    raise _refused(key, " or ".join(map(repr, allowed)), value)


def is_logit_scale(parameters: Mapping[str, Parameter]) -> bool:
    """Whether the raw scores are logits; else they are on the scale of probabilities."""
    return word(parameters, "scale", ("logit", "probability")) == "logit"


def knots(
    parameters: Mapping[str, Parameter], x: str, y: str, *, more: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Strictly ascending places and the values that belong to them, `more` of these.

    Raises:
        InputError: They are no such places and values.
    """
    places, values = _numbers(parameters, x), _numbers(parameters, y)
    if not (
        places
        and math.isfinite(places[0])
        and math.isfinite(places[-1])
        and all(low < high for low, high in pairwise(places))
    ):
        raise _refused(x, "ascending numbers", places)
    expected = len(places) + more
    if not (len(values) == expected and all(0.0 <= value <= 1.0 for value in values)):
        raise _refused(y, f"{expected} numbers between 0 and 1", values)
    return places, values


def _numbers(parameters: Mapping[str, Parameter], key: str) -> tuple[float, ...]:
    values = parameters.get(key)
    if isinstance(values, Sequence) and all(isinstance(value, Real) for value in values):
        return tuple(map(float, values))
    raise _refused(key, "numbers", values)


def _refused(key: str, expected: str, got: object) -> InputError:
    shown = repr(got)
    return InputError(
        f"parameter {key!r}: expected {expected}, got {shown[:60]}{'…' * (len(shown) > 60)}",
        code="calibration",
    )
