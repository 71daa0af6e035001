"""Each method as a map of one label's raw scores.

Probabilities are computed in float64 whatever the scores are, and rounded once. The steps of
a map are each monotone in floating point as well, so that a higher score never gets the
lower output by rounding. A new method is one function from parameters to a transform of a
block, and one line in `_PROBABILITY_MAPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from calreg.documents import Parameter
from calreg.errors import InputError
from calreg.methods.arrays import checked_out, in_blocks, raw_scores
from calreg.methods.parameters import (
    PROBABILITY_CLIP,
    is_logit_scale,
    knots,
    number,
    positive,
    word,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from calreg.methods.arrays import Floats, Transform

__all__ = ["apply_method"]


def apply_method(
    method: str,
    parameters: Mapping[str, Parameter],
    scores: ArrayLike,
    *,
    out: Floats | None = None,
) -> Any:
    """Calibrated scores or probabilities, by one label's method and parameters.

    A score that is no number (NaN or an infinity) gives NaN: what is not known never becomes
    a number. With s the score and σ(z) = 1 / (1 + exp(-z)):

    - `minmax`: clip((s - p5) / (p95 - p5), 0, 1), in the precision of the output.
    - `temperature`: σ(logit / temperature).
    - `platt`: σ(slope · s + intercept).
    - `beta`: σ(a ln p - b ln(1 - p) + c).
    - `isotonic`: linear between the knots (x, y), constant outside.
    - `histogram`: the value of the score's bin; a score on an edge belongs to the higher bin.
    - `factor`: s · factor, in the precision of the output.

    Where the scale is "logit", s is the logit and p is σ(s); where it is "probability", p is
    s brought into [1e-7, 1 - 1e-7], and the logit ln(p / (1 - p)).

    Args:
        method: The method's name in a document.
        parameters: Its parameters, by their names in a document.
        scores: Numbers of any shape. float32 stays float32; everything else becomes float64.
        out: Where to write; float32 or float64, of the scores' shape. May be the scores.
            A float64 one gets unrounded probabilities of float32 scores, too: thresholds
            are compared with those.

    Returns:
        `out`, or a new array of the scores' shape; a scalar for a scalar.

    Raises:
        InputError: Text, truth values, a method that is unknown or has no such map,
            parameters that are not the method's, a range that is empty in the precision of
            the output, or an `out` that does not fit.

    References:
        Platt (1999), eq. 2; Guo et al. (2017), eq. 9; Kull et al. (2017), eq. 4;
        Zadrozny & Elkan (2001, 2002) for histogram and isotonic.

    >>> apply_method("minmax", {"p5": 0.25, "p95": 0.75}, [0.0, 0.5, 1.0]).tolist()
    [0.0, 0.5, 1.0]
    >>> apply_method("platt", {"slope": 2.0, "intercept": -1.0}, [0.5]).tolist()
    [0.5]
    """
    import numpy as np

    given = raw_scores(scores)
    result = np.empty(given.shape, given.dtype) if out is None else checked_out(out, given)
    if method == "minmax":
        in_blocks(given, result, _minmax(parameters, result.dtype.type), result.dtype)
    elif method == "factor":
        in_blocks(given, result, _factor(parameters, result.dtype.type), result.dtype)
    else:
        in_blocks(given, result, _probability(method, parameters), np.float64)
    return result if out is not None or result.ndim else result[()]


def _probability(method: str, parameters: Mapping[str, Parameter]) -> Transform:
    if method == "threshold":
        raise InputError(
            "method 'threshold' decides on raw scores; it calibrates none",
            hint="Ask what fires, not for calibrated scores.",
            code="method",
        )
    make = _PROBABILITY_MAPS.get(method)
    if make is None:
        raise InputError(
            f"method {method!r} is unknown to this program",
            hint="Upgrade calreg.",
            code="calibration",
        )
    return make(parameters)


def _minmax(parameters: Mapping[str, Parameter], kind: Callable[[float], Any]) -> Transform:
    p5, p95 = number(parameters, "p5"), number(parameters, "p95")
    low, width = kind(p5), kind(p95 - p5)
    if not 0 < width < float("inf"):
        raise InputError(
            f"degenerate calibration: p5 {p5} and p95 {p95} leave no range in {width.dtype}",
            code="degenerate",
        )
    return partial(_minmax_block, low, width)


def _minmax_block(low: Any, width: Any, scores: Floats, out: Floats) -> None:
    import numpy as np

    np.subtract(scores, low, out=out)
    np.divide(out, width, out=out)
    np.clip(out, 0, 1, out=out)


def _factor(parameters: Mapping[str, Parameter], kind: Callable[[float], Any]) -> Transform:
    factor = kind(positive(parameters, "factor"))
    if not 0 < factor < float("inf"):
        raise InputError(
            f"parameter 'factor': {parameters['factor']} is no factor in {factor.dtype}",
            code="degenerate",
        )
    return partial(_factor_block, factor)


def _factor_block(factor: Any, scores: Floats, out: Floats) -> None:
    import numpy as np

    np.multiply(scores, factor, out=out)


def _temperature(parameters: Mapping[str, Parameter]) -> Transform:
    if word(parameters, "link", ("sigmoid", "softmax")) == "softmax":
        raise InputError(
            "a softmax needs the scores of all labels of the head, got those of one",
            hint="Apply the head as a whole.",
            code="method",
        )
    temperature = positive(parameters, "temperature")
    return partial(_temperature_block, temperature, is_logit_scale(parameters))


def _temperature_block(temperature: float, is_logit: bool, scores: Floats, out: Floats) -> None:  # noqa: FBT001
    import numpy as np

    if is_logit:
        np.divide(scores, temperature, out=out)
    else:
        np.clip(scores, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP, out=out)
        np.divide(out, 1.0 - out, out=out)
        np.log(out, out=out)
        np.divide(out, temperature, out=out)
    _sigmoid(out)


def _platt(parameters: Mapping[str, Parameter]) -> Transform:
    return partial(_platt_block, number(parameters, "slope"), number(parameters, "intercept"))


def _platt_block(slope: float, intercept: float, scores: Floats, out: Floats) -> None:
    import numpy as np

    np.multiply(scores, slope, out=out)
    np.add(out, intercept, out=out)
    _sigmoid(out)


def _beta(parameters: Mapping[str, Parameter]) -> Transform:
    a, b, c = (number(parameters, key) for key in "abc")
    return partial(_beta_block, (a, b, c), is_logit_scale(parameters))


def _beta_block(
    parameters: tuple[float, float, float],
    is_logit: bool,  # noqa: FBT001
    scores: Floats,
    out: Floats,
) -> None:
    import numpy as np

    a, b, c = parameters
    if is_logit:
        # ln p = -softplus(-x), ln(1 - p) = -softplus(x): never the logarithm of a rounded 0.
        against = _softplus(scores)
        support = np.negative(_softplus(np.negative(scores)))
    else:
        inside = np.clip(scores, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP)
        against = np.negative(np.log1p(np.negative(inside)))
        support = np.log(inside)
    np.multiply(support, a, out=out)
    out += b * against
    out += c
    _sigmoid(out)


_FAR = 40.0
"""From here on ln(1 + exp(x)) is x in float64."""


def _softplus(values: Floats) -> Floats:
    """ln(1 + exp(x)), finite for every finite x, and rising in floating point as well."""
    import numpy as np

    near: Floats = np.log1p(np.exp(np.minimum(values, _FAR)))
    near += np.maximum(values - _FAR, 0.0)
    return near


def _sigmoid(values: Floats) -> None:
    """1 / (1 + exp(-z)), in place.

    exp overflows to infinity below -709, which gives the right 0. The other usual form,
    e / (1 + e) for negative z, is no better there and not monotone in its last bit.
    """
    import numpy as np

    np.negative(values, out=values)
    np.exp(values, out=values)
    np.add(values, 1.0, out=values)
    np.divide(1.0, values, out=values)


def _isotonic(parameters: Mapping[str, Parameter]) -> Transform:
    import numpy as np

    x, y = (np.array(part, np.float64) for part in knots(parameters, "x", "y", more=0))
    with np.errstate(over="ignore"):
        width = np.append(np.diff(x), 1.0)
    return partial(_isotonic_block, (x, y, width, np.append(np.diff(y), 0.0)))


def _isotonic_block(
    curve: tuple[Floats, Floats, Floats, Floats], scores: Floats, out: Floats
) -> None:
    import numpy as np

    x, y, width, rise = curve
    np.clip(scores, x[0], x[-1], out=out)
    left = np.searchsorted(x, out, side="right") - 1
    np.subtract(out, x[left], out=out)
    np.divide(out, width[left], out=out)
    np.multiply(out, rise[left], out=out)
    np.add(out, y[left], out=out)
    # Rounding must not carry a value past its next knot. fmin and fmax also take that knot
    # where the distance of two knots is too far for a float (infinity / infinity).
    bound = np.fmax if y[-1] < y[0] else np.fmin
    bound(out, y[np.minimum(left + 1, y.size - 1)], out=out)


def _histogram(parameters: Mapping[str, Parameter]) -> Transform:
    import numpy as np

    edges, values = knots(parameters, "edges", "values", more=1)
    return partial(_histogram_block, np.array(edges), np.array(values))


def _histogram_block(edges: Floats, values: Floats, scores: Floats, out: Floats) -> None:
    import numpy as np

    np.take(values, np.searchsorted(edges, scores, side="right"), out=out)


_PROBABILITY_MAPS: Mapping[str, Callable[[Mapping[str, Parameter]], Transform]] = {
    "temperature": _temperature,
    "platt": _platt,
    "beta": _beta,
    "isotonic": _isotonic,
    "histogram": _histogram,
}
