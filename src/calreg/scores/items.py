"""Tables of items that nobody scored yet: which there are, and their rows one by one.

Rows come file by file in the order of the paths, each as the columns it has; never more
than a few of them are held. Values of CSV are texts, those of JSONL and Parquet what they
are. Nothing here knows what an item is for. The way back, from lines of records to one
Parquet file, is `write_parquet`.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calreg.errors import InputError
from calreg.scores.engine import (
    Connection,
    connect,
    count_rows,
    identifier,
    literal,
    rows_of,
    translated,
)
from calreg.scores.sources import Source, find_files, find_sources, open_text, reading

__all__ = ["ItemRow", "ItemTable", "open_items", "read_items", "write_parquet"]

_MAX_FIELD = 2**26  # characters of one CSV value, as of one JSONL line
_FETCHED = 256


@dataclass(frozen=True, slots=True)
class ItemTable:
    """Files of items, a source for each, and how many rows they have together."""

    sources: tuple[Source, ...]
    rows: int

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, in the order in which they are read."""
        return tuple(Path(source.paths[0]) for source in self.sources)


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One row: its values by column, and where it stands (a line; a row for Parquet)."""

    values: dict[str, Any]
    source: str
    line: int

    @property
    def where(self) -> str:
        """The place, in words."""
        unit = "row" if self.source.endswith((".parquet", ".pq")) else "line"
        return f"{self.source} {unit} {self.line:,}"


def open_items(paths: Iterable[str], *, without: Sequence[Path] = ()) -> ItemTable:
    """The tables that paths and globs name; all of them are read once, to count their rows.

    Args:
        paths: Files and globs, as for tables of scores.
        without: Files that a glob may match and that are not meant.

    Raises:
        InputError: As for tables of scores; a file that is broken anywhere; no row at all.
    """
    unwanted = {str(path.resolve()) for path in without}
    files = [path for path in find_files(paths) if path not in unwanted]
    if not files:
        raise InputError("the data set is the output itself", code="no-files")
    with (
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
        connect(files, folder=folder) as connection,
    ):
        sources = tuple(find_sources(connection, [path])[0] for path in files)
        rows = sum(_counted(connection, source) for source in sources)
    if not rows:
        raise InputError("holds no rows", where=sources[0].where, code="empty")
    return ItemTable(sources, rows)


def _counted(connection: Connection, source: Source) -> int:
    with reading(source):
        return count_rows(connection, source.scan())


def read_items(table: ItemTable) -> Iterator[ItemRow]:
    """Every row of every file, in order.

    Raises:
        InputError: A file that is broken, or has become so.
    """
    for source in table.sources:
        if source.format == "parquet":
            yield from _parquet_rows(source)
        elif source.format == "jsonl":
            yield from _jsonl_rows(source)
        else:
            yield from _csv_rows(source)


def _parquet_rows(source: Source) -> Iterator[ItemRow]:
    names, where = list(source.columns), source.where
    with (
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
        connect(source.paths, folder=folder) as connection,
        reading(source),
    ):
        result = connection.execute(f"SELECT * FROM {source.scan()}")
        done = 0
        while rows := result.fetchmany(_FETCHED):
            for line, row in enumerate(rows, start=done + 1):
                yield ItemRow(dict(zip(names, row, strict=True)), where, line)
            done += len(rows)


def _jsonl_rows(source: Source) -> Iterator[ItemRow]:
    where = source.where
    with open_text(source.paths[0]) as file:
        for line, text in enumerate(file, start=1):
            if text.strip():
                yield ItemRow(_object(text, where, line), where, line)


def _object(text: str, where: str, line: int) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"line {line}: expected one JSON object, got {text.strip()[:40]!r}",
            where=where,
            code="scores",
        )
    return found


def _csv_rows(source: Source) -> Iterator[ItemRow]:
    csv.field_size_limit(_MAX_FIELD)
    names, where = list(source.columns), source.where
    with open_text(source.paths[0]) as file:
        reader = csv.reader(file, delimiter=source.delimiter, strict=True)
        try:
            rows = filter(None, reader)  # an empty line is no row
            next(rows, None)
            for row in rows:
                if len(row) != len(names):
                    raise InputError(
                        f"line {reader.line_num}: expected {len(names)} columns, got {len(row)}",
                        where=where,
                        code="scores",
                    )
                yield ItemRow(dict(zip(names, row, strict=True)), where, reader.line_num)
        except csv.Error as error:
            raise InputError(
                f"line {reader.line_num}: {error}", where=where, code="scores"
            ) from error


def write_parquet(
    lines: Path, part: Path, *, texts: Sequence[str], numbers: Sequence[str], truths: Sequence[str]
) -> None:
    """Write lines of JSON objects as one Parquet file, in their order, onto the disk.

    Args:
        lines: A `.jsonl` file.
        part: The file to write; whatever it was.
        texts: Keys that become columns of text.
        numbers: Keys that become float64.
        truths: Keys that become whole numbers where all values are 0, 1 or absent, else text.
    """
    file = str(lines.resolve())
    kinds = dict.fromkeys((*texts, *truths), "VARCHAR") | dict.fromkeys(numbers, "DOUBLE")
    scan = _record_scan(file, kinds)
    with (
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
        connect([file], writable=[str(part)], folder=folder) as connection,
        translated(lines.name),
    ):
        first, *others = map(identifier, texts)
        columns = [first, *map(identifier, numbers), *_truths_sql(connection, scan, truths)]
        connection.execute(
            f"COPY (SELECT {', '.join([*columns, *others])} FROM {scan}) "
            f"TO {literal(str(part))} (FORMAT parquet, USE_TMP_FILE false)"
        )
    with part.open("rb") as written:
        os.fsync(written.fileno())


def _record_scan(file: str, columns: Mapping[str, str]) -> str:
    kinds = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns.items())
    return (
        f"read_json([{literal(file)}], format = 'newline_delimited', columns = {{{kinds}}}, "
        f"maximum_object_size = {2**26})"
    )


def _truths_sql(connection: Connection, scan: str, truths: Sequence[str]) -> list[str]:
    """The columns of truth: as whole numbers if they are."""
    if not truths:
        return []
    whole = [f"TRY_CAST({identifier(name)} AS DOUBLE)" for name in truths]
    tests = ", ".join(
        f"coalesce(bool_and({identifier(name)} IS NULL OR trim({identifier(name)}) = '' "
        f"OR coalesce({number} IN (0, 1), false)), true)"
        for name, number in zip(truths, whole, strict=True)
    )
    are_whole = rows_of(connection, f"SELECT {tests} FROM {scan}")[0]
    return [
        f"CAST({number} AS TINYINT) AS {identifier(name)}" if is_whole else identifier(name)
        for name, number, is_whole in zip(truths, whole, are_whole, strict=True)
    ]
