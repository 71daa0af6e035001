"""A line of the feedback history: a run, an application or a revert, as it is written and read.

The file lies where anybody can edit it. What is read has the shape that its readers take
for granted, and nothing in it can steer a terminal; what has not is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any
from unicodedata import category

from calreg.documents import Application, Suggestions, load_json
from calreg.errors import InputError

__all__ = ["Entry", "change_line", "is_printable", "read_line", "run_line"]

Entry = Mapping[str, Any]

_ACTIONS = ("run", "apply", "revert")
_EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(("price", "probability", "holding", "groups", "before", "after")),
    "alerts": [],
    "why": "",
}
_STEERING = frozenset({"Cc", "Cs"})
_NUMBERS = ("price", "probability", "holding", "before", "after")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def run_line(document: Suggestions, *, by: str, **more: Any) -> dict[str, Any]:
    """A run's line of the history; what it does not say is null.

    Args:
        document: What the run said.
        by: Who made it.
        more: Figures, `before` and `alerts`.
    """
    own = {"id": document.id, "timestamp": document.timestamp, "by": by, "action": "run"}
    return {**_EMPTY, **own, "data_digest": document.data_digest, **more}


def change_line(entry: Application) -> dict[str, Any]:
    """The line of an application or a revert."""
    own = entry.to_json()
    return {**_EMPTY, **own}


def read_line(raw: bytes, *, where: str) -> Entry:
    """The line that these bytes are; what it does not say is null.

    Raises:
        InputError: They are none.
    """
    line = load_json(raw, where=where)
    texts = [line.get(key) for key in ("id", "timestamp", "by", "action")]
    is_ours = all(isinstance(text, str) for text in texts) and line["action"] in _ACTIONS
    if not (is_ours and _ID.fullmatch(line["id"]) and _has_shape(line) and is_printable(line)):
        raise InputError("is no line of a feedback history", where=where, code="document")
    return {**_EMPTY, "data_digest": None, **line}


def _has_shape(line: Entry) -> bool:
    """Whether every part is what its readers take it for; an absent one is null."""
    groups, alerts = line.get("groups") or {}, line.get("alerts") or []
    return (
        isinstance(line.get("data_digest"), str | None)
        and all(_are_numbers(line.get(part)) for part in _NUMBERS)
        and isinstance(groups, Mapping)
        and all(_are_numbers(figures) for figures in groups.values())
        and isinstance(alerts, list)
        and all(isinstance(alert, Mapping) and _is_alert(alert) for alert in alerts)
    )


def _are_numbers(block: Any) -> bool:
    if block is None:
        return True
    return isinstance(block, Mapping) and all(
        value is None or (isinstance(value, int | float) and _is_finite(value))
        for value in block.values()
    )


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _is_alert(alert: Mapping[str, Any]) -> bool:
    return all(isinstance(alert.get(key), str) for key in ("rule", "verdict"))


def is_printable(value: Any) -> bool:
    """Whether a terminal can be shown all of it; reasons are not shown."""
    if isinstance(value, Mapping):
        shown = {key: inner for key, inner in value.items() if key != "why"}
        return all(is_printable(key) and is_printable(shown[key]) for key in shown)
    if isinstance(value, list):
        return all(map(is_printable, value))
    # As for labels: a group may hold a no-break space, which Python calls unprintable.
    return not isinstance(value, str) or not any(category(sign) in _STEERING for sign in value)
