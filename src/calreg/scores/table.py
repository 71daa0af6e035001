"""The values that go into reading scores and come out of it.

Nothing here reads a file. A table is named by its paths; what it holds is found out by
`calreg.scores.layout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from calreg.documents.calibration import Distribution
from calreg.errors import UsageError
from calreg.names import HeadName

__all__ = [
    "REASONS",
    "ROLES",
    "AppliedCounts",
    "HeadScores",
    "Reject",
    "ScoreTable",
    "Scores",
]

ROLES = ("model", "head", "label", "score", "item", "truth")
"""What a column of a long table can be for; `--column ROLE=NAME` maps them."""

REASONS = {
    "missing_name": "without model, head or label",
    "missing": "missing",
    "not_a_number": "not a number",
    "nan": "NaN",
    "infinite": "infinite",
    "bad_truth": "truth not 0 or 1",
}
"""Why a score is rejected, in the order in which the reasons are looked for, in words."""


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Where scores are, before anything is opened.

    Args:
        paths: Files and globs: `.csv`, `.jsonl`, `.ndjson` (each also with `.gz`), `.parquet`.
        columns: Role (see `ROLES`) to the name of the column that has it, where they differ.
        head: The one head of a table that does not name heads itself.
        model: The model of a long table without a column for it.

    Raises:
        UsageError: A role that is none.
    """

    paths: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    head: HeadName | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        for role in self.columns:
            if role not in ROLES:
                raise UsageError(
                    f"{role!r} is not a role of a column", hint=f"Roles are {', '.join(ROLES)}."
                )


@dataclass(frozen=True, slots=True)
class Reject:
    """One score that was not accepted, and where it stands.

    `line` counts from 1: a line of the file for CSV and JSONL (the first of a row that spans
    several), a row for Parquet; None where it could not be told.
    """

    reason: str
    source: str
    line: int | None
    value: str

    def __str__(self) -> str:
        unit = "row" if self.source.endswith((".parquet", ".pq")) else "line"
        place = f" {unit} {self.line:,}" if self.line is not None else ""
        return f"{self.source}{place}: {REASONS[self.reason]} ({self.value})"


@dataclass(frozen=True, slots=True)
class HeadScores:
    """What the scores of one head look like; a label of which all were rejected has 0 samples."""

    name: HeadName
    display_name: str | None
    labels: Mapping[str, Distribution]


@dataclass(frozen=True, slots=True)
class Scores:
    """What was read: a distribution per head and label, and what was not accepted.

    `digest` names the accepted scores whatever the order of rows, the number of files and
    their format. In a wide table every cell counts as a row. `kind` is the table's form, or a
    store, which has no files.
    """

    heads: Mapping[HeadName, HeadScores]
    digest: str
    rows: int
    accepted: int
    rejected: Mapping[str, int]
    first_rejects: tuple[Reject, ...]
    files: tuple[str, ...]
    kind: Literal["long", "wide", "store"]


@dataclass(frozen=True, slots=True)
class AppliedCounts:
    """What `apply_scores` wrote: rows, calibrated scores, empty ones, raw ones passed through.

    `fired` counts the scores that fire by `<model>/<head>:<label>`, for labels that decide.
    """

    out: Path
    rows: int
    calibrated: int
    unreadable: int
    raw: int
    fired: Mapping[str, int] = field(default_factory=dict)
