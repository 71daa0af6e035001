"""A decision on the output of a map, said again as a cut of the raw score.

The cut is exact wherever it is applied; an output is only as exact as somebody's exp().
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from calreg.documents.calibration import Parameter
from calreg.documents.decision import Direction
from calreg.labelled import Floats
from calreg.methods import apply_method

__all__ = ["goes_by_rounding", "score_cut"]

_STORED = frozenset({"isotonic", "histogram"})  # their outputs have the same bits everywhere


def goes_by_rounding(method: str) -> bool:
    """Whether the last bits of a method's outputs are a processor's or a library's own."""
    return method not in _STORED


def score_cut(
    method: str,
    parameters: Mapping[str, Parameter],
    scores: Floats,
    threshold: float | None,
    direction: Direction,
) -> float | None:
    """The last of these scores whose output reaches the threshold, as a cut of the raw score.

    The lowest one where high scores speak for the label, the highest one where low ones do:
    every score from there on fires, and no other.

    Args:
        method: The method's name in a document.
        parameters: Of that method.
        scores: What was tuned on, float32 or float64.
        threshold: On the method's output; None never fires.
        direction: Whether high or low scores speak for the label.

    Returns:
        None if none fires, or if the map does not go one way in that direction (a softmax
        looks at other scores, too; values of a histogram may turn). None, too, if all fire
        for a curve of stored values: it goes on as it is beyond the last score, and so do
        decisions on its output.

    >>> score_cut("platt", {"slope": 2.0, "intercept": -1.0}, np.array([0.25, 0.5, 0.75]), 0.5,
    ...     "higher")
    0.5
    """
    if threshold is None or not _goes(method, parameters, direction):
        return None
    outputs = np.empty(scores.shape, np.float64)
    apply_method(method, parameters, scores, out=outputs)
    firing = scores[outputs >= threshold]
    if not firing.size or (firing.size == scores.size and method in _STORED):
        return None
    # Which of the two zeros is the least of both is chance; the sum is 0.0 for either.
    return float(firing.min() if direction == "higher" else firing.max()) + 0.0


def _goes(method: str, parameters: Mapping[str, Parameter], direction: Direction) -> bool:
    """Whether the map goes up somewhere, and nowhere down, with scores that speak for the label."""
    steps = np.asarray(_steps(method, parameters))
    if direction == "lower":
        steps = -steps
    return bool(np.all(steps >= 0) and np.any(steps > 0))


def _steps(method: str, parameters: Mapping[str, Parameter]) -> Floats:
    """The signs in which the output goes with the score; NaN if it depends on more."""
    match method:
        case "platt":
            return np.array([parameters["slope"]], np.float64)
        case "isotonic":
            return np.diff(np.array(parameters["y"], np.float64))
        case "histogram":
            return np.diff(np.array(parameters["values"], np.float64))
        case "temperature" if parameters["link"] != "sigmoid":
            return np.array([np.nan])
        case _:  # minmax, beta and the temperature of labels apart rise
            return np.array([1.0])
