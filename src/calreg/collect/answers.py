"""What a scorer answered for one item, as scores per label.

Pure. A number stays the number it is, as float64; whatever is none is a problem of that
item and label, and never becomes 0.0. What cannot be a matter of one item (a sequence that
nothing reduces, a label that is no text) is refused, because every other item has it too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calreg.collect.reducers import Reducers
from calreg.errors import InputError
from calreg.names import case_collision, check_label

__all__ = ["Answered", "Failure", "LabelRules", "labels_of", "scores_of"]

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Failure:
    """The scorer raised for this item: the exception's type and its message's first line."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One item's scores: None where there is none, and then `error` says why."""

    scores: Mapping[str, float | None]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What is known of the labels before anything is scored.

    Args:
        chosen: The labels that were asked for; empty: those of the first answers.
        single: The label of an answer that is a plain number.
        reducers: What makes one score of many values.
    """

    chosen: tuple[str, ...] = ()
    single: str = "score"
    reducers: Reducers = field(default_factory=Reducers)


def labels_of(answers: Iterable[Any], rules: LabelRules) -> tuple[str, ...]:
    """The labels that a first batch of answers has, or that were chosen; none if all failed.

    Raises:
        InputError: A label that cannot be one, or two that differ only in case.
    """
    found = dict.fromkeys(map(check_label, rules.chosen))
    if not found:
        for answer in answers:
            if isinstance(answer, Mapping):
                found.update(dict.fromkeys(map(_label, answer)))
            elif answer is not None and not isinstance(answer, Failure):
                found[rules.single] = None
    if (clash := case_collision(found)) is not None:
        raise InputError(
            f"labels {clash[0]!r} and {clash[1]!r} differ only in case",
            hint="Their columns could not be told apart; rename one in the scorer.",
            code="labels",
        )
    if found:
        _check_reducers(rules, found)
    return tuple(found)


def _label(key: object) -> str:
    if not isinstance(key, str):
        raise InputError(
            f"the scorer's labels must be texts, got {_shown(key)}",
            hint='Return {"label": number} for every item.',
            code="scorer-answer",
        )
    return check_label(str(key))


def _check_reducers(rules: LabelRules, labels: Iterable[str]) -> None:
    there = list(labels)
    for label in rules.reducers.by_label:
        if label not in there:
            raise InputError(
                f"--reduce names label {label!r}; the scorer gives {', '.join(there)}",
                code="labels",
            )


def scores_of(answer: Any, labels: Sequence[str], rules: LabelRules) -> Answered:
    """What one item's answer says about each label.

    Raises:
        InputError: A sequence of values, and no reducer for it.
    """
    if isinstance(answer, Failure):
        return Answered(dict.fromkeys(labels), answer.text)
    if isinstance(answer, Mapping):
        given: Mapping[Any, Any] = answer
    elif len(labels) == 1 and answer is not None:
        given = {labels[0]: answer}
    else:
        expected = f"a mapping of {', '.join(labels)}" if labels else "a number or a mapping"
        return Answered(dict.fromkeys(labels), f"expected {expected}, got {_shown(answer)}")
    scores: dict[str, float | None] = {}
    problems = []
    for label in labels:
        score = _score(given[label], label, rules) if label in given else "missing"
        scores[label] = score if isinstance(score, float) else None
        if isinstance(score, str):
            problems.append(f"{label}: {score}")
    if not rules.chosen:
        problems += [f"unexpected label {_shown(key)}" for key in given if key not in labels]
    return Answered(scores, "; ".join(problems) or None)


def _score(value: Any, label: str, rules: LabelRules) -> float | str:
    """The score as a number, or what is wrong with it."""
    if not _is_many(value):
        return _number(value)
    reducer = rules.reducers.of(label)
    if reducer is None:
        raise InputError(
            f"the scorer gives {len(value)} values for label {label!r}, expected one number",
            hint="Say how they become one: --reduce mean, max, last or mean-top<k>.",
            code="scorer-answer",
        )
    numbers = []
    for place, one in enumerate(value, start=1):
        number = _number(one)
        if isinstance(number, str):
            return f"value {place}: {number}"
        numbers.append(number)
    return reducer(numbers) if numbers else "no values"


def _is_many(value: Any) -> bool:
    if isinstance(value, float | int | str | bytes | Mapping):
        return False
    try:
        len(value)
    except TypeError:  # an array without dimensions has __len__ and no length
        return False
    return True


def _number(value: Any) -> float | str:
    if type(value) is float and math.isfinite(value):  # nearly always
        return value
    if value is None:
        return "missing"
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        return f"not a number ({_shown(value)})"
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return f"not a number ({_shown(value)})"
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else "infinite"


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | None) else type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
