"""What a comparison of two sets of calibrations over a table found, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calreg.names import HeadName
from calreg.retag.rules import REASONS

__all__ = ["LabelCounts", "Mover", "RetagCounts", "Tallies"]


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """One head's label: its readable scores, those whose outcome changes, and why, by reason.

    A score may change for several reasons.
    """

    head: HeadName
    label: str
    scores: int
    changed: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Mover:
    """A score whose calibrated value moves far; `item` is None where the table names none."""

    item: str | None
    head: HeadName
    label: str
    score: float
    before: float
    after: float
    why: str

    @property
    def move(self) -> float:
        """How far, without its sign."""
        return abs(self.after - self.before)


@dataclass(frozen=True, slots=True)
class RetagCounts:
    """What changes, and what does not.

    `labels` are those that the table has, by head and label. `items` counts the different
    items of the table and `changed_items` those of which any outcome changes; both are exact,
    and None for a table with a row per item and label that does not name its items.
    `unreadable` scores are in no count and change nothing. `absent` are heads whose calibration
    changed and of which the table has no scores.
    """

    labels: tuple[LabelCounts, ...]
    items: int | None
    changed_items: int | None
    rows: int
    unreadable: int
    movers: tuple[Mover, ...]
    absent: tuple[HeadName, ...] = ()

    @property
    def scores(self) -> int:
        """All readable scores."""
        return sum(one.scores for one in self.labels)

    @property
    def changed(self) -> int:
        """The scores whose outcome changes."""
        return sum(one.changed for one in self.labels)

    @property
    def reasons(self) -> dict[str, int]:
        """The scores that change, by reason."""
        return {name: sum(one.reasons[name] for one in self.labels) for name in REASONS}

    @property
    def saved(self) -> float:
        """The share of the library that need not be tagged again, from 0 to 1.

        Of items; of scores where the table does not name its items.
        """
        if self.items is None or self.changed_items is None:
            return 1.0 - self.changed / self.scores if self.scores else 1.0
        return 1.0 - self.changed_items / self.items if self.items else 1.0


@dataclass(slots=True)
class Tallies:
    """Counts of one label while the table is read."""

    changed: int = 0
    reasons: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
