"""Many values of one item and label become one score.

Pure. The values are one item's, in the order in which the scorer gave them: one per
window, per token, per frame. A new reducer is one function here and one line in `_NAMED`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from calreg.errors import UsageError

__all__ = ["Reducer", "Reducers", "parse_reducer", "parse_reducers"]

_TOP = re.compile(r"mean-top([1-9][0-9]{0,8})")
_HINT = "Reducers are mean, max, last and mean-top<k>, such as mean-top5."


@dataclass(frozen=True, slots=True)
class Reducer:
    """A way to one score, by its name."""

    name: str

    def __call__(self, values: Sequence[float]) -> float:
        """The one score.

        Args:
            values: At least one, all finite.

        >>> Reducer("mean-top2")([0.25, 1.0, 0.5]), Reducer("last")([0.25, 1.0, 0.5])
        (0.75, 0.5)
        """
        top = _TOP.fullmatch(self.name)
        if top is not None:
            return _mean(sorted(values, reverse=True)[: int(top[1])])
        return _NAMED[self.name](values)


def _mean(values: Sequence[float]) -> float:
    # The exactly rounded sum of what is divided first: no order of addition, no overflow.
    low, high = min(values), max(values)
    scale = max(abs(low), abs(high))
    if not (0.0 < scale < math.inf):
        return low
    exponent = math.frexp(scale)[1]
    total = math.fsum(math.ldexp(value, -exponent) for value in values)
    mean = math.ldexp(total / len(values), exponent)
    return min(max(mean, low), high)


def _last(values: Sequence[float]) -> float:
    return values[-1]


_NAMED: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": _mean,
    "max": max,
    "last": _last,
}


def parse_reducer(text: str) -> Reducer:
    """The reducer of that name.

    Raises:
        UsageError: There is none.
    """
    if text not in _NAMED and _TOP.fullmatch(text) is None:
        raise UsageError(f"--reduce: no reducer {text!r}", hint=_HINT)
    return Reducer(text)


@dataclass(frozen=True, slots=True)
class Reducers:
    """Which reducer a label's values go through; None where none was asked for."""

    default: Reducer | None = None
    by_label: Mapping[str, Reducer] = field(default_factory=dict)

    def of(self, label: str) -> Reducer | None:
        """The label's own reducer, or that of all labels."""
        return self.by_label.get(label, self.default)

    def to_json(self) -> dict[str, str]:
        """Label to reducer; `*` is every other label."""
        every = {} if self.default is None else {"*": self.default.name}
        return every | {label: one.name for label, one in self.by_label.items()}


def parse_reducers(texts: Sequence[str]) -> Reducers:
    """What `mean` and `label=max` say together.

    Raises:
        UsageError: No such reducer, or two for one label.

    >>> parse_reducers(["mean", "a=b=max"]).to_json()
    {'*': 'mean', 'a=b': 'max'}
    """
    found: dict[str, Reducer] = {}
    for text in texts:
        label, equals, name = text.rpartition("=")
        key = label if equals else ""
        if equals and not label:
            raise UsageError(f"--reduce: expected REDUCER or LABEL=REDUCER, got {text!r}")
        if key in found:
            raise UsageError(f"--reduce: {f'label {key!r}' if key else 'every label'} has two")
        found[key] = parse_reducer(name)
    default = found.pop("", None)
    return Reducers(default, found)
