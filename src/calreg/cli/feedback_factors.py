"""Which factors are in force: what a file, a feedback folder or a registry says of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calreg.cli.feedback_folder import NAME
from calreg.documents import Calibration, kind_of, load_calibration, load_json, load_overrides
from calreg.errors import InputError
from calreg.files import read_file
from calreg.names import check_label

__all__ = ["check_current", "factors_in", "factors_of", "recordable", "who"]

_LARGEST = sys.float_info.max
_MAX_NAME = 200  # as schemas/overrides.schema.json says
_FORM = f'Expected {{"{NAME}": {{group: factor}}}}, or an overrides.json.'


def who(given: str | None) -> str:
    """Who does this: as told, else the name that this account has here."""
    import getpass

    if given is not None:
        return given
    try:
        return recordable(getpass.getuser())
    except (OSError, KeyError, ImportError):  # an account without a name
        return "unknown"


def recordable(name: str) -> str:
    r"""A name that nobody typed, as a record has room for it and a terminal can be shown it.

    >>> recordable("Ada\x1b[2J Lovelace")
    'Ada[2J Lovelace'
    """
    return "".join(filter(str.isprintable, name))[:_MAX_NAME].strip() or "unknown"


def factors_in(file: Path) -> dict[str, float]:
    """The factors that a file holds.

    It may be an overrides document, a reference or version of a head of factors, the plain
    `{"CONDITION_PRICE_FACTOR": {group: factor}}`, or `{group: factor}` itself.

    Raises:
        InputError: It cannot be read, or holds something else.
    """
    where, raw = str(file), read_file(file)
    data: Any = load_json(raw, where=where)
    if "schema" in data:
        kind, _ = kind_of(data, where=where)
        if kind == "calibration":
            return factors_of(load_calibration(raw, where=where))
        return dict(load_overrides(raw, where=where).factors)
    if NAME in data:
        if len(data) > 1:
            others = ", ".join(sorted(data.keys() - {NAME})[:3])
            raise InputError(f"holds more than {NAME}: {others}", where=where, code="factor")
        data = data[NAME]
    if not (isinstance(data, Mapping) and data):
        raise InputError("holds no factors", where=where, hint=_FORM, code="factor")
    return {group: _factor(group, value, where) for group, value in data.items()}


def factors_of(calibration: Calibration) -> dict[str, float]:
    """The factors that a head holds, by group.

    Raises:
        InputError: It holds something else.
    """
    found = {}
    for group, numbers in calibration.labels.items():
        factor = numbers.parameters.get("factor")
        if numbers.method != "factor" or not isinstance(factor, float):
            raise InputError(
                f"holds no factors: label {group!r} has the method {numbers.method!r}",
                where=calibration.name.full,
                hint="Factors have a head of their own.",
                code="method",
            )
        found[group] = factor
    return found


def _factor(group: str, value: Any, where: str) -> float:
    check_label(group)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and 0.0 < value <= _LARGEST):  # a whole number may be beyond any float
        raise InputError(
            f"group {group!r}: expected a factor above 0, got {repr(value)[:60]}",
            where=where,
            hint=_FORM,
            code="factor",
        )
    return float(value)


def check_current(given: Mapping[str, float], known: Mapping[str, float], *, where: str) -> None:
    """Refuse factors that are not those in force: one of the two is out of date.

    Raises:
        InputError: They differ.
    """
    for group in sorted(given.keys() | known.keys()):
        if given.get(group) != known.get(group):
            raise InputError(
                f"--current: group {group!r} has the factor {_text(given.get(group))}, "
                f"in force is {_text(known.get(group))}",
                where=where,
                hint="Leave --current out: what was applied last counts.",
                code="current",
            )


def _text(factor: float | None) -> str:
    return "none" if factor is None else repr(factor)
