"""What goes into a store and comes out of it, as values; and how long a name may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from calreg.errors import InputError

__all__ = [
    "MAX_ITEM_BYTES",
    "Delivery",
    "DoneCounts",
    "Findings",
    "Lease",
    "PutCounts",
    "QueueCounts",
    "Revision",
    "Row",
    "RunRecord",
    "check_items",
]

MAX_ITEM_BYTES = 2000
"""An item's name as UTF-8; what PostgreSQL can index is a little more."""


class Row(NamedTuple):
    """A score of one item; `head` is the head's full name."""

    item: str
    head: str
    label: str
    score: float


class PutCounts(NamedTuple):
    """What a batch of rows came to; the last four add up to its length.

    `repeated` counts the rows that a later row of the same batch replaced.
    """

    new_items: int
    new: int
    changed: int
    same: int
    repeated: int = 0


class Revision(NamedTuple):
    """How far the scores are: `change` grows with every write that changed one."""

    items: int
    scores: int
    change: int


class Lease(NamedTuple):
    """Items that one tagger works on until a time (seconds since 1970)."""

    id: str
    items: list[str]
    until: float


class DoneCounts(NamedTuple):
    """Items that are done; and those that this lease does not hold, or no longer."""

    done: int
    unknown: int


class QueueCounts(NamedTuple):
    """Items to tag again: those that wait, and those that somebody works on."""

    waiting: int
    leased: int


RunState = Literal["running", "ok", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run that a service was asked for, as far as it came.

    `started` and `finished` are seconds since 1970; `revision` is of the scores it saw.
    """

    id: str
    trigger: str
    state: RunState
    started: float
    finished: float | None
    done: int
    total: int
    step: str
    revision: Revision
    result: Any
    error: Any


class Delivery(NamedTuple):
    """An event on its way to a URL."""

    id: int
    url: str
    event: str
    body: str
    created: float
    attempts: int


class Findings(NamedTuple):
    """What the gate says of a commit; None and nothing before it was first asked."""

    commit: str | None
    findings: Sequence[Mapping[str, Any]]


def check_items(names: Sequence[str]) -> None:
    """Nothing, if each is a name that both databases can hold.

    Raises:
        InputError: One is empty, longer than `MAX_ITEM_BYTES`, holds a NUL, or is no Unicode
            text.
    """
    try:
        text = "\n".join(names)
        text.encode()
        # A character is four bytes at most: names of a usual length need no closer look.
        is_short = max(map(len, names), default=0) * 4 <= MAX_ITEM_BYTES
        if is_short and all(names) and "\0" not in text:
            return
    except (TypeError, UnicodeEncodeError):
        pass  # which one it is, is said below
    for name in names:
        if (problem := _problem(name)) is not None:
            raise InputError(f"item {str(name)[:60]!r} {problem}", code="item")


def _problem(name: object) -> str | None:
    if not isinstance(name, str):
        return f"is not text but {type(name).__name__}"
    if not name:
        return "is empty"
    if "\0" in name:
        return "holds a NUL character"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no text"
    if size > MAX_ITEM_BYTES:
        return f"has {size} bytes as UTF-8, at most {MAX_ITEM_BYTES} are allowed"
    return None
