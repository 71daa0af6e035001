"""On which line a row stands, and which lines are no rows at all.

The engine numbers rows, not lines, and for JSONL does not say what it passed over. What
is asked for here is little: the file is read once more, as far as the last of it.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from calreg.scores.engine import Connection, identifier, rows_of
from calreg.scores.feedback_files import FeedbackFile

__all__ = ["GarbledLine", "csv_garbled", "csv_starts", "json_lines", "lines_of", "shortened"]

_MAX_VALUE = 40
_BLANK = b" \t\r\n"
_BLOCK = 2**22


@dataclass(frozen=True, slots=True)
class GarbledLine:
    """A line that is no row: its number, and its text."""

    line: int
    text: str


def shortened(text: str) -> str:
    """A rejected text as it is shown: between quotes, not too long."""
    cut = text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"
    return repr(cut) if cut else "empty"


def lines_of(
    file: FeedbackFile, records: Collection[int], garbled: Collection[int] = ()
) -> dict[int, int]:
    """The line on which each record starts, from 1; of Parquet, the row.

    Args:
        file: Where they stand.
        records: Numbers of rows as `FeedbackFile.scan` gives them.
        garbled: Lines of CSV that the engine passed over.
    """
    if file.format == "parquet":
        return {record: record for record in records}
    if file.format == "jsonl":
        return {record: line for record, line, _ in json_lines(file, records)}
    wanted, found = set(records), dict[int, int]()
    for record, line in csv_starts(file, garbled) if wanted else ():
        if record in wanted:
            found[record] = line
            if len(found) == len(wanted):
                break
    return found


def json_lines(file: FeedbackFile, records: Collection[int]) -> Iterator[tuple[int, int, bytes]]:
    """Record, line and text of these records; the engine passes over blank lines."""
    wanted, record = set(records), 0
    if not wanted:
        return
    with Path(file.path).open("rb") as lines:
        for number, text in enumerate(lines, start=1):
            if text.isspace() and not text.strip(_BLANK):
                continue
            record += 1
            if record in wanted:
                yield record, number, text
                wanted.discard(record)
                if not wanted:
                    return


def csv_starts(file: FeedbackFile, garbled: Collection[int] = ()) -> Iterator[tuple[int, int]]:
    """Record and line of every row of CSV, as far as a value that is too long to be one."""
    passed, record = frozenset(garbled), 0
    with Path(file.path).open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        for _ in range(file.header_lines):
            lines.readline()
        reader = csv.reader(lines, delimiter=file.delimiter)
        while True:
            line = file.header_lines + reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error:
                yield record + 1, line
                return
            if row is None:
                return
            if row and line not in passed:
                record += 1
                yield record, line


def csv_garbled(connection: Connection, file: FeedbackFile, rejects: str) -> list[GarbledLine]:
    """The lines of CSV that the engine passed over, as they stand in the file."""
    query = f"SELECT DISTINCT line_byte_position FROM {identifier(rejects)} ORDER BY 1"
    found, line, done = [], 1, 0
    with Path(file.shown_path).open("rb") as lines:
        for (position,) in rows_of(connection, query):
            line += _count_line_ends(lines, done, position - 1)
            done = position - 1
            lines.seek(done)
            while (text := lines.readline()) and not text.strip(b"\r\n"):
                line += 1  # the engine counts blank lines to what comes after them
                done += len(text)
            found.append(GarbledLine(line, text.decode("utf-8", "replace").rstrip("\r\n")))
    return found


def _count_line_ends(lines: IO[bytes], start: int, stop: int) -> int:
    lines.seek(start)
    count = 0
    while start < stop and (block := lines.read(min(_BLOCK, stop - start))):
        count += block.count(b"\n")
        start += len(block)
    return count
