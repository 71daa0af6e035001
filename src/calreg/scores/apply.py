"""The table again, with a calibrated score beside every raw one.

The engine streams from file to file, so memory stays flat. Original columns are kept as
they are; those of CSV and JSONL are text and are written as the text they were. A long
table gets the column `calibrated`; a wide one `calibrated_<label>`, or, where its columns
name heads, `calibrated:<model>/<head>:<label>`.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calreg.documents.calibration import Calibration, LabelCalibration
from calreg.errors import InputError, UsageError
from calreg.names import HeadName
from calreg.scores.engine import Connection, connect, identifier, literal, rows_of, translated
from calreg.scores.expressions import double_sql, type_of
from calreg.scores.layout import Cell, LongLayout, WideLayout, layout_of, named_heads
from calreg.scores.sources import Source, find_files, find_sources, reading
from calreg.scores.table import AppliedCounts, ScoreTable

__all__ = ["apply_scores"]

_FORMATS = {".csv": "FORMAT csv, HEADER true", ".parquet": "FORMAT parquet"}
_SEPARATOR = "\x1f"
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Line:
    """`(score - p5) / span`, clipped; None for both lets the raw score through."""

    p5: float | None
    span: float | None


@dataclass(slots=True)
class _Tally:
    """Counts while the plan is made; everything is known before anything is written."""

    rows: int = 0
    calibrated: int = 0
    unreadable: int = 0
    raw: int = 0

    def add(self, line: _Line, readable: int, unreadable: int) -> None:
        """Count scores that one line applies to."""
        self.unreadable += unreadable
        if line.span is None:
            self.raw += readable
        else:
            self.calibrated += readable


def apply_scores(
    table: ScoreTable,
    out: Path,
    *,
    calibrations: Mapping[HeadName, Calibration],
    missing: Literal["refuse", "raw"] = "refuse",
    progress: Callable[[int, int], None] | None = None,
) -> AppliedCounts:
    """Write the table to `out` with calibrated scores, float64 in [0, 1].

    A score that is missing, no number, NaN or infinite becomes null and is counted.

    Args:
        table: Where the scores are.
        out: A `.csv` or `.parquet` file; replaced in one step once it is complete.
        calibrations: What to apply, by head.
        missing: What to do with a head or label that has none: refuse the table, or write
            the raw score, counted.
        progress: Is told at the start and the end how many rows of how many are written.

    Raises:
        InputError: As `read_scores`; a head or label without a calibration; an output that
            is one of the inputs or cannot be written.
        UsageError: An output whose name does not end in .csv or .parquet.
    """
    files = find_files(table.paths)
    target = _checked_target(out, files)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with (
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
        connect(files, writable=[str(part)], folder=folder) as connection,
    ):
        sources = find_sources(connection, files)
        layout = layout_of(table, sources)
        plan = _Plan(connection, calibrations, missing)
        if isinstance(layout, LongLayout):
            query = plan.long(layout, sources)
        else:
            query = plan.wide(layout, sources)
        tally = plan.tally
        if progress is not None:
            progress(0, tally.rows)
        _write(connection, query, part, target, where=sources[0].where)
    if progress is not None:
        progress(tally.rows, tally.rows)
    return AppliedCounts(out, tally.rows, tally.calibrated, tally.unreadable, tally.raw)


def _checked_target(out: Path, files: Sequence[str]) -> Path:
    if out.suffix.lower() not in _FORMATS:
        raise UsageError(f"expected an output that ends in .csv or .parquet, got {out.name!r}")
    target = out.resolve()
    if str(target) in files:
        raise InputError("is one of the tables to read", where=str(out), code="output")
    if target.is_dir():
        raise InputError("is a folder", where=str(out), code="output")
    if not target.parent.is_dir():
        raise InputError(
            "there is no such folder to write to", where=str(out.parent), code="output"
        )
    return target


def _write(connection: Connection, query: str, part: Path, target: Path, *, where: str) -> None:
    options = f"{_FORMATS[target.suffix.lower()]}, USE_TMP_FILE false"
    try:
        with translated(where):
            connection.execute(f"COPY ({query}) TO {literal(str(part))} ({options})")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class _Plan:
    """Finds out which calibration goes where, counts, and makes the SQL."""

    def __init__(
        self,
        connection: Connection,
        calibrations: Mapping[HeadName, Calibration],
        missing: Literal["refuse", "raw"],
    ) -> None:
        self._connection = connection
        self._calibrations = calibrations
        self._missing = missing
        self.tally = _Tally()

    def long(self, layout: LongLayout, sources: Sequence[Source]) -> str:
        """The query that writes a long table."""
        _refuse_taken(sources, ["calibrated"])
        key = _key_sql(layout)
        counts = self._long_counts(layout, sources, key)
        raw = {text: self._raw_name(layout, text) for text in counts if text is not None}
        named = named_heads({(model, head) for model, head, _ in raw.values()})
        lines = self._lines(
            {text: (named[model, head].name, label) for text, (model, head, label) in raw.items()}
        )
        for text, (rows, readable) in counts.items():
            self.tally.rows += rows
            line = lines.get(text or "", _Line(None, 0.0))
            self.tally.add(
                line,
                readable if text is not None else 0,
                rows - readable if text is not None else rows,
            )
        if lines:
            listed = ", ".join(map(literal, lines))
            self._connection.execute(f"CREATE TYPE calreg_keys AS ENUM ({listed})")
            place = f"enum_code(TRY_CAST({key} AS calreg_keys)) + 1"
            p5 = f"{_doubles([line.p5 for line in lines.values()])}[{place}]"
            span = f"{_doubles([line.span for line in lines.values()])}[{place}]"
        else:
            p5 = span = "CAST(NULL AS DOUBLE)"
        return _union(
            f"SELECT *, CASE WHEN {key} IS NOT NULL THEN "
            f"{_calibrated_sql(double_sql(source, layout.score), p5, span)} END AS calibrated "
            f"FROM {source.scan()}"
            for source in sources
        )

    def _raw_name(self, layout: LongLayout, text: str) -> tuple[str, str, str]:
        parts = iter(text.split(_SEPARATOR))
        model = next(parts) if layout.model is not None else layout.fixed[0]
        head = next(parts) if layout.head is not None else layout.fixed[1]
        return model, head, next(parts)

    def _long_counts(
        self, layout: LongLayout, sources: Sequence[Source], key: str
    ) -> dict[str | None, tuple[int, int]]:
        counts: dict[str | None, tuple[int, int]] = {}
        for source in sources:
            readable = f"count(*) FILTER (isfinite({double_sql(source, layout.score)}))"
            query = f"SELECT {key}, count(*), {readable} FROM {source.scan()} GROUP BY ALL"
            with reading(source):
                for text, rows, good in rows_of(self._connection, query):
                    before = counts.get(text, (0, 0))
                    counts[text] = (before[0] + rows, before[1] + good)
        return dict(sorted(counts.items(), key=lambda item: item[0] or ""))

    def wide(self, layout: WideLayout, sources: Sequence[Source]) -> str:
        """The query that writes a wide table."""
        cells = [cell for of_source in layout.cells for cell in of_source]
        _refuse_taken(sources, [_new_column(cell) for cell in cells])
        lines = self._lines({cell.column: (cell.head.name, cell.label) for cell in cells})
        parts = []
        for source, of_source in zip(sources, layout.cells, strict=True):
            self._count_wide(source, of_source, lines)
            added = ", ".join(_cell_sql(source, cell, lines[cell.column]) for cell in of_source)
            parts.append(f"SELECT *, {added} FROM {source.scan()}")
        return _union(parts)

    def _count_wide(
        self, source: Source, cells: Sequence[Cell], lines: Mapping[str, _Line]
    ) -> None:
        readable = ", ".join(
            f"count(*) FILTER (isfinite({double_sql(source, cell.column)}))" for cell in cells
        )
        with reading(source):
            query = f"SELECT count(*), {readable} FROM {source.scan()}"
            rows, *good = rows_of(self._connection, query)[0]
        self.tally.rows += rows
        for cell, count in zip(cells, good, strict=True):
            self.tally.add(lines[cell.column], count, rows - count)

    def _lines(self, wanted: Mapping[str, tuple[HeadName, str]]) -> dict[str, _Line]:
        found = {key: self._calibration(*pair) for key, pair in wanted.items()}
        lacking = sorted({pair for key, pair in wanted.items() if found[key] is None})
        if lacking and self._missing == "refuse":
            raise _no_calibration(lacking, self._calibrations)
        return {
            key: _Line(None, None) if one is None else _line(one, wanted[key])
            for key, one in found.items()
        }

    def _calibration(self, name: HeadName, label: str) -> LabelCalibration | None:
        head = self._calibrations.get(name)
        return None if head is None else head.labels.get(label)


def _line(calibration: LabelCalibration, of: tuple[HeadName, str]) -> _Line:
    if calibration.method != "minmax":
        raise InputError(
            f"cannot apply method {calibration.method!r}", where=f"{of[0]}, label {of[1]!r}"
        )
    p5, p95 = calibration.parameters["p5"], calibration.parameters["p95"]
    span = p95 - p5
    if not (math.isfinite(p5) and 0 < span < math.inf):
        raise InputError(
            f"expected p5 < p95, got {p5!r} and {p95!r}",
            where=f"{of[0]}, label {of[1]!r}",
            code="degenerate",
        )
    return _Line(p5, span)


def _no_calibration(
    lacking: Sequence[tuple[HeadName, str]], known: Mapping[HeadName, Calibration]
) -> InputError:
    heads = sorted({name.full for name, _ in lacking if name not in known})
    labels = [f"{name} label {label!r}" for name, label in lacking if name in known]
    listed = heads + labels
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return InputError(
        f"no calibration for {', '.join(listed[:_SHOWN])}{more}",
        hint="Leave them out, or let their raw scores through: --missing raw",
        code="no-calibration",
    )


def _refuse_taken(sources: Sequence[Source], new: Sequence[str]) -> None:
    for source in sources:
        for column in new:
            if type_of(source, column) is not None:
                raise InputError(
                    f"has a column {column!r} already", where=source.where, code="columns"
                )


def _key_sql(layout: LongLayout) -> str:
    columns = [layout.model, layout.head, layout.label]
    names = [f"CAST({identifier(column)} AS VARCHAR)" for column in columns if column is not None]
    empty = " OR ".join(f"{name} IS NULL OR {name} = ''" for name in names)
    return f"CASE WHEN NOT ({empty}) THEN {f' || {literal(_SEPARATOR)} || '.join(names)} END"


def _calibrated_sql(score: str, p5: str, span: str) -> str:
    # The same operations on float64 in the same order as numpy's: the same bits.
    scaled = f"least(greatest(({score} - {p5}) / {span}, CAST(0 AS DOUBLE)), CAST(1 AS DOUBLE))"
    chosen = f"CASE WHEN {span} IS NULL THEN {score} ELSE {scaled} END"
    return f"CASE WHEN isfinite({score}) THEN {chosen} END"


def _cell_sql(source: Source, cell: Cell, line: _Line) -> str:
    score = double_sql(source, cell.column)
    calibrated = _calibrated_sql(score, _double(line.p5), _double(line.span))
    return f"{calibrated} AS {identifier(_new_column(cell))}"


def _new_column(cell: Cell) -> str:
    if cell.column.endswith(f":{cell.label}"):
        return f"calibrated:{cell.column}"
    return f"calibrated_{cell.label}"


def _double(value: float | None) -> str:
    # From text: a bare 0.1 is a decimal to the engine, and its way to DOUBLE is not exact.
    return "CAST(NULL AS DOUBLE)" if value is None else f"CAST('{value!r}' AS DOUBLE)"


def _doubles(values: Sequence[float | None]) -> str:
    texts = ", ".join("NULL" if value is None else f"'{value!r}'" for value in values)
    return f"CAST([{texts}] AS DOUBLE[])"


def _union(parts: Iterable[str]) -> str:
    return " UNION ALL BY NAME ".join(parts)
