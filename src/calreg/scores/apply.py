"""The table again, with what calibrations make of every raw score beside it.

The engine streams from file to file, so memory stays flat. Original columns are kept as
they are; those of CSV and JSONL are text and are written as the text they were. A long
table gets the columns `calibrated`, `p` and `fires`, of which only those that any of its
calibrations needs; a wide one `calibrated_<label>`, `p_<label>` and `fires_<label>`, or, where
its columns name heads, `calibrated:<model>/<head>:<label>` and so on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from calreg.documents.calibration import Calibration
from calreg.names import HeadName
from calreg.scores.apply_choice import Choice, Tally
from calreg.scores.apply_long import long_query
from calreg.scores.apply_wide import wide_query
from calreg.scores.engine import connect, translated
from calreg.scores.layout import LongLayout, layout_of
from calreg.scores.sources import find_files, find_sources
from calreg.scores.table import AppliedCounts, ScoreTable
from calreg.scores.targets import TABLES, begun, target_of

__all__ = ["apply_scores"]


def apply_scores(
    table: ScoreTable,
    out: Path,
    *,
    calibrations: Mapping[HeadName, Calibration],
    missing: Literal["refuse", "raw"] = "refuse",
    progress: Callable[[int, int], None] | None = None,
) -> AppliedCounts:
    """Write the table to `out` with calibrated scores, probabilities and decisions.

    The first two are float64 in [0, 1]. A score that is missing, no number, NaN or infinite
    gives null and is counted; one score of a softmax gives it for all labels of its row.

    Args:
        table: Where the scores are.
        out: A `.csv` or `.parquet` file; replaced in one step once it is complete.
        calibrations: What to apply, by head.
        missing: What to do with a head or label that has none: refuse the table, or write
            the raw score, counted.
        progress: Is told at the start and the end how many rows of how many are written.

    Raises:
        InputError: As `read_scores`; a head or label without a calibration; an output that
            is one of the inputs or cannot be written; a softmax whose labels are not all
            in one row.
        UsageError: An output whose name does not end in .csv or .parquet.
    """
    files = find_files(table.paths)
    target = target_of(out, files, TABLES)
    with (
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
        connect(files, writable=[str(target.part)], folder=folder) as connection,
    ):
        sources = find_sources(connection, files)
        layout = layout_of(table, sources)
        choice, tally = Choice(calibrations, missing), Tally()
        if isinstance(layout, LongLayout):
            parts = long_query(connection, layout, sources, choice, tally)
        else:
            parts = wide_query(connection, layout, sources, choice, tally)
        if progress is not None:
            progress(0, tally.rows)
        # Empty at first: the engine would say of a full disk that the scores cannot be read.
        with begun([target]):
            with translated(sources[0].where):
                target.write(connection, " UNION ALL BY NAME ".join(parts))
            target.put_in_place()
    if progress is not None:
        progress(tally.rows, tally.rows)
    return AppliedCounts(
        out, tally.rows, tally.calibrated, tally.unreadable, tally.raw, tally.fired
    )
