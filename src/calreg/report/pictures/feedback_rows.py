"""What a picture of a feedback run shows, as numbers: those of its document, and none else.

A document may lack any part, and any figure may be absent: what is not there is in no row.
Groups are anybody's text, so that rows carry the text that is shown of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

__all__ = [
    "ALL",
    "Document",
    "Row",
    "bin_rows",
    "change_of",
    "error_rows",
    "factor_rows",
    "known",
    "part_of",
    "with_all",
    "worst_first",
]

Document = Mapping[str, Any]
Row = dict[str, Any]

ALL = "all prices"
"""What stands in the place of a group's name for all rows."""

_STATUSES = ("ok", "within_noise", "too_few")


def part_of(document: Document, *names: str) -> Mapping[str, Any]:
    """A part of a document, empty if it or one above it is not there."""
    part: Any = document
    for name in names:
        part = part.get(name)
        if not isinstance(part, Mapping):
            return {}
    return part  # type: ignore[no-any-return]  # a Mapping, as just seen


def known(value: object) -> float | None:
    """A finite number, or None."""
    is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None  # type: ignore[return-value]  # as it came, not converted


def change_of(before: object, after: object) -> float | None:
    """By which share a factor changes; None if one of the two is no factor.

    >>> change_of(0.5, 0.75), change_of(0.5, None)
    (0.5, None)
    """
    old, new = known(before), known(after)
    if old is None or new is None or not (old > 0.0 and new > 0.0):
        return None
    return new / old - 1.0


def worst_first(document: Document) -> list[str]:
    """The groups: first those that would need another factor, the largest change before."""
    suggestions, groups = part_of(document, "suggestions"), part_of(document, "groups")

    def need(name: str) -> tuple[int, float, float, str]:
        one = part_of(suggestions, name)
        status = one.get("status")
        rank = _STATUSES.index(status) if status in _STATUSES else len(_STATUSES)
        change = change_of(one.get("current_factor"), one.get("suggested_factor"))
        pairs = known(part_of(groups, name).get("n")) or 0
        return rank, -abs(math.log1p(change)) if change is not None else 0.0, -pairs, name

    return sorted({*suggestions, *groups}, key=need)


def error_rows(document: Document, shown: Mapping[str, str]) -> list[Row]:
    """Bias and MAE with their intervals and pairs, of all prices and of each group."""
    rows = [_errors(ALL, part_of(document, "price"))]
    rows += [_errors(text, part_of(document, "groups", name)) for name, text in shown.items()]
    return [row for row in rows if row["n"]]


def _errors(group: str, figures: Mapping[str, Any]) -> Row:
    row: Row = {"group": group, "n": known(figures.get("n")) or 0}
    for name in ("bias", "mae"):
        low, high = _ends(figures.get(f"{name}_interval"))
        row |= {name: known(figures.get(name)), f"{name}_low": low, f"{name}_high": high}
    return row


def factor_rows(document: Document, shown: Mapping[str, str]) -> list[Row]:
    """The factor in force and the suggested one of each group, also as a change."""
    return [
        _factor(text, part_of(document, "suggestions", name))
        for name, text in shown.items()
        if part_of(document, "suggestions", name)
    ]


def _factor(group: str, one: Mapping[str, Any]) -> Row:
    before = known(one.get("current_factor"))
    low, high = _ends(one.get("interval"))
    return {
        "group": group,
        "before": before,
        "suggested": known(one.get("suggested_factor")),
        "low": low,
        "high": high,
        "n": known(one.get("n")) or 0,
        "status": str(one.get("status")).replace("_", " "),
        "change": change_of(before, one.get("suggested_factor")),
        "change_low": change_of(before, low),
        "change_high": change_of(before, high),
    }


def bin_rows(document: Document) -> list[Row]:
    """The bins of probabilities that hold something, with their intervals."""
    bins = part_of(document, "probability").get("bins") or ()
    return [_bin(one) for one in bins if known(one.get("n")) and known(one.get("rate")) is not None]


def _bin(one: Mapping[str, Any]) -> Row:
    low, high = _ends(one.get("rate_interval"))
    return {
        "lo": one["lo"],
        "hi": one["hi"],
        "n": one["n"],
        "said": one["mean_probability"],
        "came": one["rate"],
        "low": low,
        "high": high,
    }


def _ends(interval: object) -> tuple[float | None, float | None]:
    if not isinstance(interval, Sequence) or isinstance(interval, str) or len(interval) != 2:
        return None, None
    low, high = (known(end) for end in interval)
    return (low, high) if low is not None and high is not None else (None, None)


def with_all(rows: Iterable[Row], *fields: str) -> list[Row]:
    """The rows that have all of these: an absent number is never drawn as one."""
    return [row for row in rows if all(row[field] is not None for field in fields)]
