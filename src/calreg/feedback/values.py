"""The values of the feedback loop: what was joined, and what is suggested from it.

Arrays hold one element per matched key, in the order of the keys. Absence is NaN, -1 or
the empty text, and never stands for a number. Nothing here reads a file or computes a
figure. A new column of the joined rows is a field here
and a role in the reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.evaluate import Interval
from calreg.labelled import Texts

__all__ = [
    "LEAST_FACTOR",
    "MOST_FACTOR",
    "REASONS",
    "UNSOLD",
    "Joined",
    "Keys",
    "Numbers",
    "Reject",
    "Status",
    "Suggestion",
    "Suggestions",
    "Unsold",
    "digest_of_rows",
    "rows_by_group",
]

Numbers: TypeAlias = NDArray[np.float64]
Status: TypeAlias = Literal["ok", "too_few", "within_noise"]
Unsold: TypeAlias = Literal["exclude", "include"]

LEAST_FACTOR, MOST_FACTOR = 1e-6, 1e6
"""Between these a factor is one that somebody may have meant, both included."""

UNSOLD: tuple[Unsold, ...] = ("exclude", "include")
"""What may become of the prices of unsold items."""

REASONS: Mapping[str, str] = {
    "garbled": "garbled",
    "no_key": "without a key",
    "not_a_number": "not a number",
    "nan": "NaN",
    "infinite": "infinite",
    "out_of_range": "out of range",
    "not_a_boolean": "not true, false, 1, 0, yes or no",
    "not_a_time": "not a time",
}
"""Why a line (the first two) or a value of it was rejected, in words."""


@dataclass(frozen=True, slots=True)
class Keys:
    """How many keys stand where; a key that stands more than once is counted once."""

    matched: int
    predicted_only: int
    outcome_only: int
    predicted_more_than_once: int = 0
    outcome_more_than_once: int = 0

    def to_json(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


def _shown(name: str) -> str:
    # Somebody else named the file and its columns; a terminal is shown what they are called.
    return name if name.isprintable() else repr(name)


@dataclass(frozen=True, slots=True)
class Reject:
    """One line or value that was not accepted, and where it stands.

    `line` counts from 1: a line of the file for CSV and JSONL (the first of a row that spans
    several), a row for Parquet. `column` is None where the whole line is meant.
    """

    source: str
    line: int | None
    column: str | None
    reason: str
    value: str

    def __str__(self) -> str:
        unit = "row" if self.source.lower().endswith((".parquet", ".pq")) else "line"
        place = f" {unit} {self.line:,}" if self.line is not None else ""
        column = f"{_shown(self.column)} " if self.column is not None else ""
        return f"{_shown(self.source)}{place}: {column}{REASONS[self.reason]} ({self.value})"

    def to_json(self) -> dict[str, Any]:
        """The reject as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Predictions and outcomes of the same keys.

    Args:
        keys: Text, shape (n,), ascending.
        predicted: Price that was predicted; NaN where missing, like all of its type.
        outcome: Price that was realized.
        probability: Of a sale within the horizon, in [0, 1].
        hazard: Predicted share of the unsold that sells per day.
        days: From offer to sale, or how long an unsold item was watched.
        horizon: Days within which a sale counts.
        factor: The factor that was in force when predicting.
        sold: int8, 1 yes, 0 no, -1 missing.
        group: Text; empty where missing.
        counts: Keys on either side.
        rejects: The first rejected lines and values, by place.
        reject_counts: All of them, by reason.
        rows: Rows of predictions and of outcomes, rejected ones included.
        files: Names of the files, predictions first.
        columns: Role to the name of the column that was read for it, predictions' and outcomes'.
        digest: sha256 of the rows here, in any order; `digest_of_rows`.
        notes: What a person should know about the reading, in sentences.
    """

    keys: Texts
    predicted: Numbers
    outcome: Numbers
    probability: Numbers
    hazard: Numbers
    days: Numbers
    horizon: Numbers
    factor: Numbers
    sold: NDArray[np.int8]
    group: Texts
    counts: Keys
    rejects: tuple[Reject, ...] = ()
    reject_counts: Mapping[str, int] = field(default_factory=dict)
    rows: tuple[int, int] = (0, 0)
    files: tuple[str, ...] = ()
    columns: tuple[Mapping[str, str], Mapping[str, str]] = field(default_factory=lambda: ({}, {}))
    digest: str = ""
    notes: tuple[str, ...] = ()

    def price_pairs(self, unsold: Unsold = "exclude") -> NDArray[np.bool_]:
        """Which rows have both prices and count: shape (n,).

        An item that did not sell has no price that anybody paid, whatever its cell says.
        """
        pairs = np.isfinite(self.predicted) & np.isfinite(self.outcome)
        return pairs if unsold == "include" else pairs & (self.sold != 0)


def rows_by_group(group: Texts) -> dict[str, NDArray[np.intp]]:
    """The rows of every group, ascending, by the group's name; those without one are in none."""
    texts = group.tolist()
    names = sorted(set(texts))
    numbers = {name: number for number, name in enumerate(names)}
    # Small integers are sorted by radix; no loop of Python's goes over the rows.
    kind = np.int16 if len(names) < 2**15 else np.intp
    codes = np.fromiter(map(numbers.__getitem__, texts), kind, len(texts))
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    return {name: part for name, part in zip(names, parts, strict=False) if name}


def digest_of_rows(
    keys: Texts, numbers: Sequence[Numbers], sold: NDArray[np.int8], group: Texts
) -> str:
    """sha256 of joined rows that stand in the order of their keys, whatever file they came from.

    Args:
        keys: Ascending, each once.
        numbers: Arrays in the order of the fields of `Joined`; every NaN is the same.
        sold: 1, 0 or -1.
        group: Text.
    """
    sha = hashlib.sha256()
    for texts in (keys, group):
        listed = texts.tolist()
        sha.update(np.fromiter(map(len, listed), "<i8", len(listed)).tobytes())
        sha.update("".join(listed).encode("utf-8", "surrogatepass"))
    for values in numbers:
        # Adding 0.0 makes one zero of two; a NaN may have any of many bit patterns.
        same = np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8")
        sha.update(same.tobytes())
    sha.update(sold.astype("<i1").tobytes())
    return sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the pairs of one group say about its factor.

    Args:
        current_factor: The one in force.
        suggested_factor: Shrunk towards the current one; None without a pair.
        n: Pairs behind it.
        status: `ok`; `too_few` pairs to go by; `within_noise` where the interval holds the
            current factor.
        median_ratio: Median of outcome / prediction; None without a pair.
        implied_factor: The factor that would have made the median prediction right, unshrunk.
        interval: Of the suggested factor, 95 %; None with too few pairs to have one.
    """

    current_factor: float
    suggested_factor: float | None
    n: int
    status: Status
    median_ratio: float | None
    implied_factor: float | None
    interval: Interval | None

    def to_json(self) -> dict[str, Any]:
        """The suggestion as plain values."""
        data = asdict(self)
        return {**data, "interval": list(self.interval) if self.interval is not None else None}


@dataclass(frozen=True, slots=True)
class Suggestions:
    """A suggestion per group, by name, and what to know about all of them."""

    groups: Mapping[str, Suggestion]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The groups' suggestions as plain values."""
        return {group: one.to_json() for group, one in self.groups.items()}
