"""What a threshold is the best for: the objectives, and the words for them.

An objective is a value and its text: `max-f1`, `max-recall@fpr<=0.02`. Nothing here looks
at a score. To add one: a kind, a line in `EXAMPLES`, a way to read it, and what it
maximises in `calreg.calibrate.targets`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NoReturn, TypeAlias

from calreg.errors import UsageError

__all__ = ["EXAMPLES", "Kind", "Objective", "parse_objective"]

Kind: TypeAlias = Literal[
    "max-f",
    "max-recall@fpr",
    "max-precision@recall",
    "max-recall@precision",
    "min-cost",
    "youden",
]

EXAMPLES = (
    "max-f1",
    "max-f0.5",
    "max-recall@fpr<=0.02",
    "max-precision@recall>=0.9",
    "max-recall@precision>=0.8",
    "min-cost@fp=1,fn=20",
    "youden",
)
"""One objective of every form, as it is written."""

_LIMITED: Mapping[str, Kind] = MappingProxyType(
    {
        "max-recall@fpr<=": "max-recall@fpr",
        "max-precision@recall>=": "max-precision@recall",
        "max-recall@precision>=": "max-recall@precision",
    }
)
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_BETAS = (1e-3, 1e3)  # beyond them an F-measure is precision or recall in all digits


@dataclass(frozen=True, slots=True)
class Objective:
    """What a threshold is the optimum of; made by `parse_objective`.

    Args:
        kind: What is maximised or minimised, and which rate is limited.
        beta: For `max-f`: how many times as much recall weighs as precision.
        limit: For the limited kinds: of the rate named behind the `@`, in (0, 1).
        fp_cost: For `min-cost`: of one false positive.
        fn_cost: For `min-cost`: of one false negative.
    """

    kind: Kind
    beta: float | None = None
    limit: float | None = None
    fp_cost: float | None = None
    fn_cost: float | None = None

    @property
    def text(self) -> str:
        """The canonical text: one per objective, and `parse_objective` reads it back.

        >>> parse_objective("max-recall@fpr<=2e-2").text
        'max-recall@fpr<=0.02'
        """
        if self.beta is not None:
            return f"max-f{_written(self.beta)}"
        if self.fp_cost is not None and self.fn_cost is not None:
            return f"min-cost@fp={_written(self.fp_cost)},fn={_written(self.fn_cost)}"
        if self.limit is not None:
            head = next(head for head, kind in _LIMITED.items() if kind == self.kind)
            return head + _written(self.limit)
        return self.kind


def parse_objective(text: str) -> Objective:
    """The objective that a text names.

    Raises:
        UsageError: It names none, or its number is not one that makes sense.

    >>> parse_objective("max-f0.5").beta
    0.5
    """
    if text == "youden":
        return Objective("youden")
    for head, kind in _LIMITED.items():
        if text.startswith(head):
            return Objective(kind, limit=_rate(text, text[len(head) :]))
    if text.startswith("min-cost@"):
        return _min_cost(text)
    if re.match(r"max-f[\d.+-]", text) or text in {"max-f", "max-fnan", "max-finf"}:
        return Objective("max-f", beta=_beta(text, text.removeprefix("max-f")))
    raise _unknown(text)


def _written(number: float) -> str:
    return repr(number).removesuffix(".0")


def _number(text: str, part: str, expected: str) -> float:
    value = float(part) if _NUMBER.fullmatch(part) else math.nan
    if not 0.0 < value < math.inf:
        raise UsageError(
            f"{text!r}: expected {expected}, got {part!r}",
            hint=f"for example {_nearest(text)}",
            code="objective",
        )
    return value


def _rate(text: str, part: str) -> float:
    expected = "a rate between 0 and 1, both excluded"
    number = part.removesuffix("%")
    if number != part and _NUMBER.fullmatch(number):
        _refuse_percent(text, part, float(number))
    value = _number(text, part, expected)
    if value < 1.0:
        return value
    if 1.0 < value < 100.0:
        _refuse_percent(text, part, value)
    raise UsageError(
        f"{text!r}: expected {expected}, got {part!r}",
        hint=f"for example {_nearest(text)}",
        code="objective",
    )


def _refuse_percent(text: str, part: str, percent: float) -> NoReturn:
    meant = text.removesuffix(part) + _written(float(f"{percent / 100:.15g}"))
    raise UsageError(
        f"{text!r}: expected a rate between 0 and 1, both excluded, got {part!r}",
        hint=f"{part.removesuffix('%')} % is written {meant}",
        code="objective",
    )


def _beta(text: str, part: str) -> float:
    expected = "a positive number after max-f"
    value = _number(text, part, expected)
    least, most = _BETAS
    if not least <= value <= most:
        raise UsageError(
            f"{text!r}: expected beta between {least:g} and {most:g}, got {part!r}",
            hint="beyond that an F-measure is precision or recall alone",
            code="objective",
        )
    return value


def _min_cost(text: str) -> Objective:
    found = re.fullmatch(r"min-cost@(fp|fn)=([^,=]*),(fp|fn)=([^,=]*)", text)
    if found is None or found[1] == found[3]:
        raise UsageError(
            f"{text!r}: expected the cost of a false positive and of a false negative",
            hint="for example min-cost@fp=1,fn=20",
            code="objective",
        )
    costs = {found[1]: found[2], found[3]: found[4]}
    fp, fn = (_number(text, costs[name], f"a positive cost {name}=") for name in ("fp", "fn"))
    return Objective("min-cost", fp_cost=fp, fn_cost=fn)


def _nearest(text: str) -> str:
    import difflib  # for mistakes only

    return difflib.get_close_matches(text, EXAMPLES, n=1, cutoff=0.0)[0]


def _unknown(text: str) -> UsageError:
    import difflib  # for mistakes only

    meant = difflib.get_close_matches(text, EXAMPLES, n=1, cutoff=0.5)
    return UsageError(
        f"{text!r} is not an objective",
        hint=f"did you mean {meant[0]}?" if meant else f"one of {', '.join(EXAMPLES)}",
        code="objective",
    )
