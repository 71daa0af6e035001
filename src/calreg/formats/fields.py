"""Reading the fields of a foreign JSON object: the value, or a refusal with its pointer.

Each condition is written for good, so that a boolean, a NaN or a text is never a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from calreg.documents import (
    Calibration,
    Distribution,
    Histogram,
    Json,
    LabelCalibration,
    semantic_problems,
)
from calreg.errors import InputError
from calreg.names import HeadName

__all__ = ["Fields", "escaped", "label_problems", "minmax_label"]

_MAX_TEXT = 400
_MAX_COUNT = 10**15
_JUDGED_AS = HeadName("imported", "imported")  # the checks of a label do not ask for the head


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object of a foreign file, and its place.

    Args:
        data: The object.
        where: The file's path.
        pointer: The object's JSON pointer in the file.
    """

    data: Mapping[str, Any]
    where: str
    pointer: str = ""

    def refused(self, tail: str, problem: str) -> InputError:
        """The error that names file, pointer and problem; no tail is the object itself."""
        pointer = f"{self.pointer}/{tail}" if tail else self.pointer or "/"
        return InputError(f"at {pointer}: {problem}", where=self.where, code="format")

    def has(self, key: str) -> bool:
        """Whether the key is there with a value other than null."""
        return self.data.get(key) is not None

    def number(self, key: str) -> float:
        """A finite number that must be there."""
        value = self.data.get(key)
        if value is None:
            raise self.refused(escaped(key), "is missing, expected a number")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) <= 1e300 or not math.isfinite(value):
            raise self.refused(escaped(key), f"expected a finite number, got {_short(value)}")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """A finite number, or None where the file does not say."""
        return self.number(key) if self.has(key) else None

    def optional_share(self, key: str) -> float | None:
        """A number from 0 to 1, or None where the file does not say."""
        value = self.optional_number(key)
        if value is not None and not 0.0 <= value <= 1.0:
            raise self.refused(escaped(key), f"expected a number from 0 to 1, got {value}")
        return value

    def count(self, key: str, *, least: int = 0) -> int:
        """A whole number that must be there, at least `least`."""
        value = self.data.get(key)
        if value is None:
            raise self.refused(key, "is missing, expected a whole number")
        if type(value) is not int or not least <= value <= _MAX_COUNT:
            raise self.refused(
                key, f"expected a whole number of at least {least}, got {_short(value)}"
            )
        return value

    def optional_count(self, key: str, *, least: int = 0) -> int | None:
        """A whole number, or None where the file does not say."""
        return self.count(key, least=least) if self.has(key) else None

    def text(self, key: str) -> str:
        """A text of 1 to 400 characters that must be there."""
        value = self.data.get(key)
        if value is None:
            raise self.refused(key, "is missing, expected a text")
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
            raise self.refused(
                key, f"expected a text of 1 to {_MAX_TEXT} characters, got {_short(value)}"
            )
        return value

    def optional_text(self, key: str) -> str | None:
        """A text, or None where the file does not say."""
        return self.text(key) if self.has(key) else None

    def inner(self, key: str) -> Fields:
        """The object below a key."""
        value = self.data.get(key)
        if not isinstance(value, dict):
            raise self.refused(escaped(key), f"expected an object, got {_short(value)}")
        return Fields(value, self.where, f"{self.pointer}/{escaped(key)}")

    def entries(self, key: str) -> list[Fields]:
        """The objects of the list below a key."""
        value = self.data.get(key)
        if not isinstance(value, list):
            raise self.refused(key, f"expected a list, got {_short(value)}")
        for number, entry in enumerate(value):
            if not isinstance(entry, dict):
                raise self.refused(f"{key}/{number}", f"expected an object, got {_short(entry)}")
        return [
            Fields(entry, self.where, f"{self.pointer}/{escaped(key)}/{number}")
            for number, entry in enumerate(value)
        ]


def escaped(step: str) -> str:
    """A key as one step of a JSON pointer (RFC 6901)."""
    return step.replace("~", "~0").replace("/", "~1")


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def minmax_label(
    fields: Fields, label: str, *, samples: int | None, histogram: Histogram | None = None
) -> LabelCalibration:
    """The calibration of one label, after the checks every document goes through.

    Raises:
        InputError: A number that is none, p5 not below p95, a mean outside min and max, a
            label that could be no key.
    """
    found = LabelCalibration(
        method="minmax",
        parameters={"p5": fields.number("p5"), "p95": fields.number("p95")},
        distribution=Distribution(
            samples=samples,
            min=fields.optional_number("min"),
            max=fields.optional_number("max"),
            mean=fields.optional_number("mean"),
            std=fields.optional_number("std"),
            histogram=histogram,
        ),
    )
    if not (found.distribution.std is None or found.distribution.std >= 0.0):
        raise fields.refused("std", f"expected at least 0, got {found.distribution.std}")
    for tail, problem in label_problems(label, found):
        raise fields.refused(tail, problem)
    return found


def label_problems(label: str, found: LabelCalibration) -> Iterator[tuple[str, str]]:
    """What every document is checked for, of one label: pointer below the label, problem."""
    document: Json = Calibration(_JUDGED_AS, 1, {label: found}).to_json()
    for pointer, problem in semantic_problems("calibration", document):
        yield pointer.removeprefix("/labels/").partition("/")[2], problem
