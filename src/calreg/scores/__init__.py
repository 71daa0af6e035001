"""Scores in: tables of raw scores to distributions per head and label, and back out again.

`read_scores` goes through the files once, in bounded memory, and counts what it rejects;
`read_labelled` hands back scores with their truth; `apply_scores` writes the table again with
calibrated scores, probabilities and decisions beside the raw ones; `retag_scores` says which
items change their outcome between two calibrations; `described` takes arrays for a table. The
only package that knows DuckDB. A new file format is one entry in `sources`; a new form of table
one class in `layout` and one reader like `long` and `wide`.
"""

from __future__ import annotations

from calreg.scores.apply import apply_scores
from calreg.scores.given import described
from calreg.scores.labelled import read_labelled
from calreg.scores.read import DEFAULT_MEMORY_BYTES, read_scores
from calreg.scores.retag import retag_scores
from calreg.scores.table import (
    REASONS,
    AppliedCounts,
    HeadScores,
    Reject,
    Scores,
    ScoreTable,
)

__all__ = [
    "DEFAULT_MEMORY_BYTES",
    "REASONS",
    "AppliedCounts",
    "HeadScores",
    "Reject",
    "ScoreTable",
    "Scores",
    "apply_scores",
    "described",
    "read_labelled",
    "read_scores",
    "retag_scores",
]
