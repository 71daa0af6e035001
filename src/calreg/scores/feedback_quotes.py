"""Quotes in CSV that are opened and not closed, and the rows that they swallow.

A lone quote makes one value of everything up to the next one, or to the end of the file:
the engine counts one bad line, or none, and thousands of rows are gone. No value that is
read here has a line break in it, so such a quote is found, its line blanked in a copy, and
the copy read again: then that line is bad by itself, and the others are rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from calreg.errors import InputError
from calreg.scores.engine import Connection, identifier, rows_of
from calreg.scores.feedback_files import FeedbackFile
from calreg.scores.feedback_layout import Staged, in_file, place_of
from calreg.scores.feedback_lines import csv_starts

__all__ = ["blanked", "broken_row", "open_quote"]

_OPEN = "'UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM'"
_BREAK = "chr(10)"


def open_quote(connection: Connection, rejects: str) -> int | None:
    """Where in the file the first row begins that has an open quote, in bytes; None if none."""
    query = (
        f"SELECT min(line_byte_position) - 1 FROM {identifier(rejects)} "
        f"WHERE error_type IN ({_OPEN}) AND contains(trim(csv_line, {_BREAK}), {_BREAK})"
    )
    found: int | None = rows_of(connection, query)[0][0]
    return found


def broken_row(
    connection: Connection, staged: Staged, number: int, file: FeedbackFile, garbled: Sequence[int]
) -> int | None:
    """Where the first row begins that has a line break in what is read; None if none."""
    texts = ["key", *(['"group"'] if "group" in staged.roles else [])]
    tests = [f"contains({text}, {_BREAK})" for text in texts]
    tests.append(f"len(list_filter(bad, lambda one: contains(one, {_BREAK}))) > 0")
    query = (
        f"SELECT min(place) - {place_of(number, 0)} FROM {staged.table} "
        f"WHERE ({' OR '.join(tests)}) AND {in_file(number)}"
    )
    wanted = rows_of(connection, query)[0][0]
    if wanted is None:
        return None
    line = 1
    for record, line in csv_starts(file, garbled):  # noqa: B007  # the last one is the broken row
        if record == wanted:
            break
    with Path(file.path).open("rb") as lines:
        return sum(len(lines.readline()) for _ in range(line - 1))


def blanked(file: FeedbackFile, start: int, folder: Path) -> FeedbackFile:
    """A copy of the file with blanks for the line at byte `start`; blank lines are passed over.

    Raises:
        InputError: There is no quote on it: the row is too long for another reason.
    """
    copy = folder / f"blanked-{Path(file.shown_path).name}"
    if str(copy) != file.path:
        shutil.copyfile(file.path, copy)
    with copy.open("r+b") as lines:
        lines.seek(start)
        while (text := lines.readline()) and not text.strip():
            start += len(text)
        if b'"' not in text:
            raise InputError("a row goes on for too long", where=file.name, code="garbled")
        lines.seek(start)
        lines.write(b" " * len(text.rstrip(b"\r\n")))
    return replace(file, path=str(copy))
