"""The table again, with what calibrations make of every raw score beside it.

The engine streams from file to file, so memory stays flat. Original columns are kept as
they are; those of CSV and JSONL are text and are written as the text they were. A long
table gets the columns `calibrated`, `p` and `fires`, of which only those that any of its
calibrations needs; a wide one `calibrated_<label>`, `p_<label>` and `fires_<label>`, or, where
its columns name heads, `calibrated:<model>/<head>:<label>` and so on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from calreg.documents.calibration import Calibration
from calreg.errors import InputError, UsageError
from calreg.names import HeadName
from calreg.scores.apply_choice import Choice, Tally
from calreg.scores.apply_long import long_query
from calreg.scores.apply_wide import wide_query
from calreg.scores.engine import Connection, connect, literal, translated
from calreg.scores.layout import LongLayout, layout_of
from calreg.scores.sources import find_files, find_sources
from calreg.scores.table import AppliedCounts, ScoreTable

__all__ = ["apply_scores"]

_MAX_NAMED = 50  # of the target's name in that of the file beside it: a name has a limit
_FORMATS = {".csv": "FORMAT csv, HEADER true", ".parquet": "FORMAT parquet"}


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
    target = _checked_target(out, files)
    part = target.with_name(f".{target.name[:_MAX_NAMED]}.{os.getpid()}.part")
    with (
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
        connect(files, writable=[str(part)], folder=folder) as connection,
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
        _write(connection, " UNION ALL BY NAME ".join(parts), part, target, where=sources[0].where)
    if progress is not None:
        progress(tally.rows, tally.rows)
    return AppliedCounts(
        out, tally.rows, tally.calibrated, tally.unreadable, tally.raw, tally.fired
    )


def _checked_target(out: Path, files: Sequence[str]) -> Path:
    if out.suffix.lower() not in _FORMATS:
        raise UsageError(f"expected an output that ends in .csv or .parquet, got {out.name!r}")
    target = out.resolve()
    if str(target) in files:
        raise InputError("is one of the tables to read", where=str(out), code="output")
    try:
        is_folder = target.is_dir()
    except OSError as error:
        raise _unwritable(target, error) from error
    if is_folder:
        raise InputError("is a folder", where=str(out), code="output")
    if not target.parent.is_dir():
        raise InputError(
            "there is no such folder to write to", where=str(out.parent), code="output"
        )
    return target


def _unwritable(target: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot be written: {(error.strerror or 'unknown').lower()}",
        where=str(target),
        code="output",
    )


def _write(connection: Connection, query: str, part: Path, target: Path, *, where: str) -> None:
    options = f"{_FORMATS[target.suffix.lower()]}, USE_TMP_FILE false"
    try:
        part.touch()
    except OSError as error:  # the engine would say that the scores cannot be read
        raise _unwritable(target, error) from error
    try:
        with translated(where):
            connection.execute(f"COPY ({query}) TO {literal(str(part))} ({options})")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
