"""What became of the rows of a data set, counted, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from calreg.collect.target import Target

__all__ = ["MIN_SEEN", "CollectInterruptedError", "Collected", "Tally"]

MIN_SEEN = 100
"""So many items are looked at before their errors can stop the collecting."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Collected:
    """What an output holds now.

    Args:
        out: The output; until it is complete, a Parquet file is not there yet.
        journal: Where the records are: `out`, or the file that becomes it.
        labels: In the order of the columns.
        counts: `rows` read, `recorded` items and how many of them have `errors`, rows that
            were `nameless` or `duplicates`.
        resumed: How many of the records were there before.
        is_complete: Whether every row was dealt with.
        torn_bytes: Bytes of a record that was not written to its end, cut off.
        first_errors: The first items with an error, and what it was.
        aside: Where a restart moved what was there.
        warnings: `{code, message}` each.
    """

    out: Path
    journal: Path
    labels: tuple[str, ...]
    counts: Mapping[str, int]
    resumed: int
    is_complete: bool
    torn_bytes: int = 0
    first_errors: tuple[tuple[str, str], ...] = ()
    aside: tuple[str, ...] = ()
    warnings: tuple[Mapping[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "out": str(self.out),
            "journal": str(self.journal),
            "complete": self.is_complete,
            "labels": list(self.labels),
            **self.counts,
            "resumed": self.resumed,
            "torn_bytes": self.torn_bytes,
            "first_errors": [{"item": item, "error": text} for item, text in self.first_errors],
            "set_aside": list(self.aside),
            "warnings": [dict(one) for one in self.warnings],
        }


class CollectInterruptedError(KeyboardInterrupt):
    """Somebody stopped the collecting; the same request goes on.

    Args:
        collected: What there is.
    """

    def __init__(self, collected: Collected) -> None:
        super().__init__("interrupted")
        self.collected = collected


@dataclass(slots=True)
class Tally:
    """Counts while rows go by."""

    COUNTS: ClassVar = ("read", "recorded", "errors", "nameless", "duplicates")

    rows: int = 0
    read: int = 0
    recorded: int = 0
    errors: int = 0
    nameless: int = 0
    duplicates: int = 0
    resumed: int = 0
    torn_bytes: int = 0
    aside: tuple[str, ...] = ()
    first_errors: list[tuple[str, str]] = field(default_factory=list)
    first_duplicates: list[str] = field(default_factory=list)
    warnings: list[Mapping[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Tally:
        """A tally that begins with the counts by name."""
        tally = cls()
        for name in cls.COUNTS:
            setattr(tally, name, counts.get(name, 0))
        return tally

    def add_record(self, item: str, error: str | None) -> None:
        """Count one item that is recorded."""
        self.recorded += 1
        if error is not None:
            self.errors += 1
            self._show(item, error)

    def add_nameless(self, where: str) -> None:
        """Count one row that does not name its item."""
        self.nameless += 1
        self._show(where, "no item name")

    def _show(self, item: str, error: str) -> None:
        if len(self.first_errors) < _SHOWN:
            self.first_errors.append((item, error))

    def add_duplicate(self, item: str, where: str) -> None:
        """Count one row whose item came before."""
        self.duplicates += 1
        if len(self.first_duplicates) < _SHOWN:
            self.first_duplicates.append(f"{item!r} ({where})")

    def warn(self, code: str, message: str) -> None:
        """Remember something that a person should know."""
        self.warnings.append({"code": code, "message": message})

    def counts(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in self.COUNTS}

    def has_too_many(self, max_rate: float, *, at_end: bool) -> bool:
        """Whether more than that share of items has errors, once enough were seen."""
        seen = self.recorded + self.nameless
        if not (at_end or seen >= MIN_SEEN):
            return False
        return not (self.errors + self.nameless <= max_rate * seen)

    def in_words(self) -> str:
        """How many errors there are, and the first one."""
        bad, seen = self.errors + self.nameless, self.recorded + self.nameless
        first = f" (first: {': '.join(self.first_errors[0])})" if self.first_errors else ""
        return f"{bad:,} of {seen:,} items have errors{first}"

    def collected(self, target: Target, labels: tuple[str, ...], *, is_complete: bool) -> Collected:
        """The counts so far, for whoever asked for the collecting."""
        warnings = list(self.warnings)
        if self.first_duplicates:
            named = ", ".join(self.first_duplicates)
            message = (
                f"{self.duplicates:,} rows name an item that came before; the first of each "
                f"counts: {named}"
            )
            warnings.append({"code": "duplicates", "message": message})
        return Collected(
            target.out,
            target.out if is_complete else target.journal,
            labels,
            self.counts(),
            self.resumed,
            is_complete,
            self.torn_bytes,
            tuple(self.first_errors),
            self.aside,
            tuple(warnings),
        )
