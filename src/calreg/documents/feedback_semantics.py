"""What the documents of the feedback loop must mean, beyond what JSON Schema can say.

`calreg.documents.semantics` asks here; nobody else does.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from calreg.errors import InputError
from calreg.names import check_label

__all__ = ["Problem", "overrides_problems", "suggestions_problems"]

Problem = tuple[str, str]
"""A JSON pointer and what is wrong there."""

_LARGEST = sys.float_info.max  # a whole number in JSON may have any number of digits


def overrides_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything about an overrides document that its schema allows and its meaning does not."""
    yield from _not_finite("", data)
    yield from _group_names("/factors", data["factors"])
    bounds, history = data["bounds"], data["history"]
    if not bounds["min_factor"] <= bounds["max_factor"]:
        yield (
            "/bounds/min_factor",
            f"{bounds['min_factor']} is above max_factor {bounds['max_factor']}",
        )
    for place, entry in enumerate(history):
        for key in ("before", "after"):
            yield from _group_names(f"/history/{place}/{key}", entry[key])
    yield from _chain(history)
    if history and history[-1]["after"] != data["factors"]:
        yield "/factors", "are not what the last entry of the history left"


def _chain(history: list[Mapping[str, Any]]) -> Iterator[Problem]:
    """Each entry starts where the one before it ended, and has an id of its own."""
    seen: set[str] = set()
    for place, entry in enumerate(history):
        if entry["id"] in seen:
            yield f"/history/{place}/id", f"{entry['id']!r} stands there twice"
        seen.add(entry["id"])
    for place, (earlier, later) in enumerate(pairwise(history), start=1):
        if later["before"] != earlier["after"]:
            yield f"/history/{place}/before", "is not what the entry before it left"


def suggestions_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything about suggestions that their schema allows and their meaning does not."""
    yield from _not_finite("", data)
    for key in ("groups", "suggestions"):
        yield from _group_names(f"/{key}", data[key])
    yield from _intervals("", data)
    counted = data["data"]["keys"]
    if data.get("keys", counted) != counted:
        yield "/keys", "are not those in /data/keys"
    if data.get("joined", counted["matched"]) != counted["matched"]:
        yield "/joined", f"{data['joined']} joined, but {counted['matched']} keys matched"


def _group_names(pointer: str, block: Mapping[str, Any]) -> Iterator[Problem]:
    for group in block:
        try:
            check_label(group)
        except InputError as error:
            yield _under(pointer, group), error.message


def _intervals(pointer: str, value: Any) -> Iterator[Problem]:
    if isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _intervals(f"{pointer}/{place}", inner)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            is_interval = key == "interval" or key.endswith("_interval")
            if not (is_interval and isinstance(inner, list) and len(inner) == 2):
                yield from _intervals(_under(pointer, key), inner)
            elif None not in inner and not inner[0] <= inner[1]:  # an end may be unseen
                yield _under(pointer, key), f"{inner[0]} is above {inner[1]}"


def _not_finite(pointer: str, value: Any) -> Iterator[Problem]:
    # The strict reader lets no NaN through; a value made by a program might hold one.
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _not_finite(_under(pointer, key), inner)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _not_finite(f"{pointer}/{place}", inner)
    elif isinstance(value, float) and not math.isfinite(value):
        yield pointer, f"{value} is not a finite number"
    elif isinstance(value, int) and abs(value) > _LARGEST:
        yield pointer, "is too large for a number"


def _under(pointer: str, key: str) -> str:
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
