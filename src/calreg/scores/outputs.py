"""What a label's calibration makes of its scores, in SQL: the arithmetic of `calreg.methods`.

The same operations on DOUBLE in the same order as there: calibrated scores have the same
bits, probabilities differ at most in the last ones, where exp and ln of two libraries do. A
new method is one function from parameters to SQL, and one line in `_PROBABILITIES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from calreg.documents.calibration import LabelCalibration, Parameter
from calreg.errors import InputError
from calreg.methods import PROBABILITY_CLIP
from calreg.scores.engine import Connection

__all__ = [
    "Cut",
    "Output",
    "Outputs",
    "as_double",
    "as_doubles",
    "by_place",
    "cut_of",
    "factor_of",
    "guarded",
    "is_shared",
    "minmax_line",
    "rescaled",
    "shared_columns",
    "shared_logit",
    "shared_output",
]


@dataclass(frozen=True, slots=True)
class Output:
    """SQL of what a label's scores become; None for what its calibration does not say.

    `readable` is the SQL of whether the score is one; all else is null where it is not.
    """

    readable: str
    calibrated: str | None = None
    probability: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """When a label fires: at the threshold and above, or below where it `falls`; None never."""

    threshold: float | None
    falls: bool
    of_probability: bool

    def sql(self, score: str, probability: str | None) -> str:
        """Whether it fires; null only where what is compared is."""
        if self.threshold is None:
            return "false"
        value = probability if self.of_probability and probability is not None else score
        return f"{value} {'<=' if self.falls else '>='} {as_double(self.threshold)}"


def as_double(value: float | None) -> str:
    """A number as SQL reads it, exactly."""
    # From text: a bare 0.1 is a decimal to the engine, and its way to DOUBLE is not exact.
    return "CAST(NULL AS DOUBLE)" if value is None else f"CAST('{value!r}' AS DOUBLE)"


def as_doubles(values: Sequence[float | None]) -> str:
    """A list of numbers as SQL reads it, exactly."""
    texts = ", ".join("NULL" if value is None else f"'{value!r}'" for value in values)
    return f"CAST([{texts}] AS DOUBLE[])"


def rescaled(score: str, p5: str, span: str) -> str:
    """`(score - p5) / span`, clipped to [0, 1]."""
    # The same operations on float64 in the same order as numpy's: the same bits.
    return f"least(greatest(({score} - {p5}) / {span}, CAST(0 AS DOUBLE)), CAST(1 AS DOUBLE))"


def by_place(place: str, parts: Sequence[str], *, first: int = 1) -> str:
    """The part whose number the place is, numbered from `first`: a balanced tree of cases."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    lower = by_place(place, parts[:half], first=first)
    upper = by_place(place, parts[half:], first=first + half)
    return f"CASE WHEN {place} < {first + half} THEN {lower} ELSE {upper} END"


def is_shared(calibration: LabelCalibration) -> bool:
    """Whether the label's probability needs the scores of all labels of its head."""
    return calibration.parameters.get("link") == "softmax"


class Outputs:
    """Makes the SQL of outputs; knots of curves become variables of the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._variables = 0

    def raw(self, score: str) -> Output:
        """The score as it is."""
        readable = f"isfinite({score})"
        return Output(readable, calibrated=guarded(readable, score))

    def of(self, calibration: LabelCalibration, score: str) -> Output:
        """What a label makes of its own scores; `score` is SQL of a DOUBLE.

        Raises:
            InputError: A method that is none, or a range that is empty.
        """
        readable = f"isfinite({score})"
        found = Output(readable)
        if calibration.method == "minmax":
            p5, span = minmax_line(calibration)
            made = rescaled(score, as_double(p5), as_double(span))
            return replace(found, calibrated=guarded(readable, made))
        if calibration.method == "factor":
            made = f"{score} * {as_double(factor_of(calibration))}"
            return replace(found, calibrated=guarded(readable, made))
        if calibration.method != "threshold":
            made = self._probability(calibration.method, calibration.parameters, score)
            return replace(found, probability=guarded(readable, made))
        return found

    def _probability(self, method: str, parameters: Mapping[str, Parameter], score: str) -> str:
        if method == "isotonic":
            return self._isotonic(parameters, score)
        if method == "histogram":
            values = self._variable(_numbers(parameters, "values"))
            return f"{values}[1 + {self._bisected(_numbers(parameters, 'edges'), score)}]"
        make = _PROBABILITIES.get(method)
        if make is None:
            raise InputError(f"cannot apply method {method!r}", code="method")
        return make(parameters, score)

    def _variable(self, values: Sequence[float]) -> str:
        self._variables += 1
        name = f"calreg_{self._variables}"
        self._connection.execute(f"SET VARIABLE {name} = {as_doubles(values)}")
        return f"getvariable('{name}')"

    def _bisected(self, edges: Sequence[float], value: str) -> str:
        """How many of the edges are at most the value: numpy's searchsorted, side right."""
        depth = len(edges).bit_length()
        padded = [*edges, *[math.inf] * (2**depth - 1 - len(edges))]
        knots = self._variable(padded)
        steps = [2**step for step in reversed(range(depth))]
        return (
            f"list_reduce({steps}, lambda place, step: place + "
            f"CASE WHEN {value} >= {knots}[place + step] THEN step ELSE 0 END, 0)"
        )

    def _isotonic(self, parameters: Mapping[str, Parameter], score: str) -> str:
        x, y = _numbers(parameters, "x"), _numbers(parameters, "y")
        inside = f"least(greatest({score}, {as_double(x[0])}), {as_double(x[-1])})"
        knots, values = self._variable(x), self._variable(y)
        widths = self._variable([high - low for low, high in pairwise(x)] + [1.0])
        rises = self._variable([high - low for low, high in pairwise(y)] + [0.0])
        ends = self._variable([*y[1:], y[-1]])
        bound = "greatest" if y[-1] < y[0] else "least"
        # A list of one, so that the place is looked for once.
        return (
            f"list_transform([{self._bisected(x, inside)}], lambda i: {bound}("
            f"({inside} - {knots}[i]) / {widths}[i] * {rises}[i] + {values}[i], {ends}[i]))[1]"
        )


def cut_of(calibration: LabelCalibration) -> Cut | None:
    """When the label fires; None if it does not decide.

    A raw cut is compared wherever there is one: it is the same decision on every machine.
    """
    decision = calibration.decision
    if decision is None:
        return None
    if decision.threshold is None:
        return Cut(None, falls=False, of_probability=False)
    if decision.score_threshold is not None:
        falls = calibration.direction == "lower"
        return Cut(decision.score_threshold, falls=falls, of_probability=False)
    is_raw = calibration.method == "threshold"
    return Cut(decision.threshold, decision.comparator == "<=", of_probability=not is_raw)


def minmax_line(calibration: LabelCalibration) -> tuple[float, float]:
    """p5 and p95 - p5 of a minmax.

    Raises:
        InputError: They leave no range.
    """
    p5, p95 = _number(calibration.parameters, "p5"), _number(calibration.parameters, "p95")
    span = p95 - p5
    if not (math.isfinite(p5) and 0 < span < math.inf):
        raise InputError(f"expected p5 < p95, got {p5!r} and {p95!r}", code="degenerate")
    return p5, span


def factor_of(calibration: LabelCalibration) -> float:
    """What the scores of a factor's label, predictions, are multiplied by.

    Raises:
        InputError: It is no number above 0.
    """
    factor = _number(calibration.parameters, "factor")
    if not 0.0 < factor < math.inf:
        raise InputError(f"expected a factor above 0, got {factor!r}", code="degenerate")
    return factor


def shared_logit(calibration: LabelCalibration, score: str) -> str:
    """What a softmax takes of a label."""
    if calibration.parameters["scale"] == "logit":
        return score
    return f"ln({_clipped(score)})"


def shared_columns(
    calibration: LabelCalibration, logits: Sequence[str], readable: Sequence[str], top: str
) -> tuple[str, str]:
    """SQL of the largest logit of a head's labels, and of the softmax's denominator."""
    temperature = as_double(_number(calibration.parameters, "temperature"))
    parts = ", ".join(f"exp(({logit} - {top}) / {temperature})" for logit in logits)
    largest = f"CASE WHEN {' AND '.join(readable)} THEN list_max([{', '.join(logits)}]) END"
    return largest, f"CASE WHEN {top} IS NOT NULL THEN list_sum([{parts}]) END"


def shared_output(calibration: LabelCalibration, logit: str, top: str, total: str) -> Output:
    """What a label of a softmax makes of its scores, given the head's top and total."""
    temperature = as_double(_number(calibration.parameters, "temperature"))
    readable = f"{total} IS NOT NULL"
    made = f"exp(({logit} - {top}) / {temperature}) / {total}"
    return Output(readable, probability=guarded(readable, made))


def guarded(readable: str, made: str) -> str:
    """What is made of a score; null where it is none."""
    return f"CASE WHEN {readable} THEN {made} END"


def _number(parameters: Mapping[str, Parameter], key: str) -> float:
    value = parameters.get(key)
    if isinstance(value, float | int):
        return float(value)
    raise InputError(f"parameter {key!r}: expected a number, got {value!r}", code="calibration")


def _numbers(parameters: Mapping[str, Parameter], key: str) -> tuple[float, ...]:
    value = parameters.get(key)
    if isinstance(value, tuple) and value:
        return value
    raise InputError(f"parameter {key!r}: expected numbers, got {value!r}", code="calibration")


def _clipped(score: str) -> str:
    low, high = as_double(PROBABILITY_CLIP), as_double(1.0 - PROBABILITY_CLIP)
    return f"least(greatest({score}, {low}), {high})"


def _sigmoid(logit: str) -> str:
    # exp overflows to infinity for very low logits, which gives the right 0.
    return f"(1 / (1 + exp(-({logit}))))"


def _temperature(parameters: Mapping[str, Parameter], score: str) -> str:
    logit = score
    if parameters["scale"] != "logit":
        logit = f"ln({_clipped(score)} / (1 - {_clipped(score)}))"
    return _sigmoid(f"{logit} / {as_double(_number(parameters, 'temperature'))}")


def _platt(parameters: Mapping[str, Parameter], score: str) -> str:
    slope, intercept = (as_double(_number(parameters, key)) for key in ("slope", "intercept"))
    return _sigmoid(f"{score} * {slope} + {intercept}")


def _beta(parameters: Mapping[str, Parameter], score: str) -> str:
    a, b, c = (as_double(_number(parameters, key)) for key in "abc")
    if parameters["scale"] == "logit":
        support, against = f"-({_softplus(f'(-{score})')})", _softplus(score)
    else:
        support, against = f"ln({_clipped(score)})", f"-ln(1 - {_clipped(score)})"
    return _sigmoid(f"({support}) * {a} + {b} * ({against}) + {c}")


def _softplus(value: str) -> str:
    # From 40 on ln(1 + exp(x)) is x in float64.
    far = as_double(40.0)
    return f"ln(1 + exp(least({value}, {far}))) + greatest({value} - {far}, CAST(0 AS DOUBLE))"


_PROBABILITIES: Mapping[str, Callable[[Mapping[str, Parameter], str], str]] = {
    "temperature": _temperature,
    "platt": _platt,
    "beta": _beta,
}
