"""What a check of a meaning says, and where: JSON pointers and problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from calreg.errors import InputError
from calreg.names import HeadName, case_collision

__all__ = ["Problem", "escaped", "head_problems", "name_problems"]


Problem = tuple[str, str]
"""A JSON pointer and what is wrong there."""


def escaped(step: str) -> str:
    """One step of a JSON pointer."""
    return step.replace("~", "~0").replace("/", "~1")


def name_problems(pointer: str, check: Callable[[], object]) -> Iterator[Problem]:
    """What a check of a name says, if it refuses."""
    try:
        check()
    except InputError as error:
        yield pointer, error.message


def head_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the full names that `heads` has for keys."""
    for head in data["heads"]:
        yield from name_problems(f"/heads/{escaped(head)}", partial(HeadName.parse, head))
    if twins := case_collision(data["heads"]):
        yield "/heads", f"{twins[0]} and {twins[1]} differ only in case"
