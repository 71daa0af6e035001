"""What a label's outcome can be over a whole range of raw scores, known from its two ends.

A calibration's map is monotone between its breaks, so the ends of a range without a break
bound every value inside. Maps made of exponentials and logarithms get some room besides,
since those are right to the last bits only. Nothing here is sampled: what cannot be bounded
is left open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from calreg.documents import LabelCalibration, Parameter
from calreg.methods import PROBABILITY_CLIP
from calreg.retag.intervals import Keys, key_of
from calreg.retag.outcomes import Bools, Floats, Outcome, outcome_of

__all__ = ["Bounds", "bounds_of", "breaks_of", "is_bounded", "is_straight"]

_ROOM = 1e-12
"""By how much a probability may be off what its neighbours say, a thousandfold of what it is."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a label makes of ranges of scores, one entry per range.

    `low` and `high` bound the value, None where the method gives none; `left` and `right` are
    the values at the two ends. `never` and `always` say whether no score of the range fires,
    or each of them.
    """

    low: Floats | None
    high: Floats | None
    left: Floats | None
    right: Floats | None
    never: Bools
    always: Bools


def is_bounded(label: LabelCalibration) -> bool:
    """Whether the label's map is known to be monotone between its breaks."""
    parameters = label.parameters
    if label.method not in _BREAKS or parameters.get("link") == "softmax":
        return False
    if label.method == "beta":  # of two signs: it rises and falls
        return _number(parameters, "a") * _number(parameters, "b") >= 0.0
    if label.method == "isotonic":
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.diff(_numbers(parameters, "x"))).all())
    return True


def is_straight(label: LabelCalibration) -> bool:
    """Whether the label's map is a straight line between its breaks."""
    return label.method in {"minmax", "factor", "isotonic", "histogram"}


def breaks_of(label: LabelCalibration) -> Keys:
    """Places among all numbers at which a range has to begin: breaks, and where scores lie."""
    known = label.distribution
    # Where the scores are, the search is to be fine from the start.
    guides = [*(known.quantiles or {}).values(), known.min, known.max]
    if known.histogram is not None:
        guides += [known.histogram.lo, known.histogram.hi]
    places = key_of([guide for guide in guides if guide is not None])
    return np.concatenate([places, _BREAKS[label.method](label.parameters), _cut_keys(label)])


def _cut_keys(label: LabelCalibration) -> Keys:
    """Where a cut of raw scores begins to hold, or ceases to."""
    decision = label.decision
    cut = None
    if decision is not None:
        cut = decision.threshold if label.method == "threshold" else decision.score_threshold
    if cut is None:
        return np.empty(0, np.int64)
    return _from(np.array([cut]))


def bounds_of(label: LabelCalibration, lo: Floats, hi: Floats) -> Bounds:
    """The bounds over the ranges [lo, hi], both ends included, none with a break inside."""
    left, right = outcome_of(label, lo), outcome_of(label, hi)
    low = high = None
    if left.value is not None and right.value is not None:
        low, high = np.minimum(left.value, right.value), np.maximum(left.value, right.value)
        room = _room(label, lo, hi)
        if room is not None:
            low, high = low - room, high + room
    never, always = _firing(label, left, right, low, high)
    return Bounds(low, high, left.value, right.value, never, always)


def _firing(
    label: LabelCalibration,
    left: Outcome,
    right: Outcome,
    low: Floats | None,
    high: Floats | None,
) -> tuple[Bools, Bools]:
    decision = label.decision
    if decision is None or decision.threshold is None:
        return ~left.fired, left.fired  # at neither end, nor between
    if decision.score_threshold is None and low is not None and high is not None:
        return high < decision.threshold, low >= decision.threshold
    return ~(left.fired | right.fired), left.fired & right.fired


def _room(label: LabelCalibration, lo: Floats, hi: Floats) -> Floats | None:
    """By how much values inside may leave what the ends say; None: not at all."""
    if is_straight(label):
        return None
    room = np.full(lo.shape, _ROOM)
    if label.method == "beta":
        # A sum whose parts may be far larger than itself.
        a, b, c = (abs(_number(label.parameters, key)) for key in "abc")
        far = np.maximum(np.abs(lo), np.abs(hi)) + 1.0
        part = far if label.parameters["scale"] == "logit" else np.minimum(far, 17.0)
        with np.errstate(over="ignore"):
            room += 1e-14 * ((a + b) * part + c)
    return room


def _number(parameters: Mapping[str, Parameter], key: str) -> float:
    return float(parameters[key])  # type: ignore[arg-type]  # apply_method has checked it


def _numbers(parameters: Mapping[str, Parameter], key: str) -> Floats:
    return np.array(parameters[key], np.float64)


def _from(places: Floats) -> Keys:
    """Ranges begin at each of the places and just above it."""
    keys = key_of(places)
    return np.concatenate([keys, keys + 1])


def _minmax(parameters: Mapping[str, Parameter]) -> Keys:
    p5 = _number(parameters, "p5")
    top = key_of([p5 + (_number(parameters, "p95") - p5)])
    # Where the line meets 1 exactly may be no float64: a range of a few of them holds it.
    return np.concatenate([_from(np.array([p5])), top - 3, top + 4])


def _knots(parameters: Mapping[str, Parameter]) -> Keys:
    return _from(_numbers(parameters, "x"))


def _edges(parameters: Mapping[str, Parameter]) -> Keys:
    return _from(_numbers(parameters, "edges"))


def _clips(parameters: Mapping[str, Parameter]) -> Keys:
    if parameters.get("scale") == "probability":
        return _from(np.array([PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP]))
    return np.empty(0, np.int64)


def _none(_parameters: Mapping[str, Parameter]) -> Keys:
    return np.empty(0, np.int64)


_BREAKS: Mapping[str, Callable[[Mapping[str, Parameter]], Keys]] = {
    "minmax": _minmax,
    "factor": _none,
    "threshold": _none,
    "temperature": _clips,
    "platt": _none,
    "beta": _clips,
    "isotonic": _knots,
    "histogram": _edges,
}
