"""Files of predictions or outcomes, as they are: with a mark in front, packed, or garbled.

Unlike tables of scores these come from many hands, and one bad line must not hide the
rest: the engine passes over what it cannot read, and `feedback_lines` says what that was.
Where the engine could not say on which line, a plain copy is read instead.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from calreg.errors import InputError
from calreg.names import nearest
from calreg.scores.engine import Connection, identifier, literal, rows_of, translated
from calreg.scores.sources import Format, format_of

__all__ = ["FeedbackFile", "object_of", "open_file"]

_MARK = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t|"
_SAMPLED = 10_000
_MAX_HEADER = 4 * 2**20
_BLOCK = 2**22
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class FeedbackFile:
    """One file, ready to be read.

    Args:
        name: What its owner calls it.
        path: What the engine reads: the file, or a plain copy with the same lines.
        shown_path: The same lines, before any was blanked.
        format: What it is.
        columns: Name as it is spelt to type in the engine; of JSONL, those of its first lines.
        delimiter: Of CSV.
        header_lines: Lines of CSV before the first row.
    """

    name: str
    path: str
    shown_path: str
    format: Format
    columns: Mapping[str, str]
    delimiter: str = ","
    header_lines: int = 0

    def named(self, name: str) -> str | None:
        """The column of this name as it is spelt."""
        folded = name.casefold()
        return next((one for one in self.columns if one.casefold() == folded), None)

    def cell(self, column: str) -> str:
        """The SQL of a column's cell in a row of `scan`."""
        if self.format == "csv":
            return f"c{list(self.columns).index(column)}"
        return identifier(column)

    def scan(self, columns: Sequence[str], *, rejects: str = "") -> str:
        """The SQL that reads these columns, with the number of the row as `record`.

        Args:
            columns: Those that are needed; of CSV all are read.
            rejects: Name for the table of the lines of CSV that were passed over.
        """
        if self.format == "parquet":
            scan = f"read_parquet([{literal(self.path)}], file_row_number = true)"
            return f"(SELECT *, file_row_number + 1 AS record FROM {scan})"
        scan = self._json(columns) if self.format == "jsonl" else self._csv(rejects)
        return f"(SELECT *, row_number() OVER () AS record FROM {scan})"

    def _json(self, columns: Sequence[str]) -> str:
        types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in dict.fromkeys(columns))
        return (
            f"read_json([{literal(self.path)}], format = 'newline_delimited', "
            f"columns = {{{types}}}, ignore_errors = true)"
        )

    def _csv(self, rejects: str) -> str:
        # Never with parallel = false: DuckDB 2.0 then drops an open quote at the end in silence.
        types = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(self.columns)))
        return (
            f"read_csv([{literal(self.path)}], auto_detect = false, header = false, "
            f"skip = {self.header_lines}, delim = {literal(self.delimiter)}, quote = '\"', "
            f"escape = '\"', strict_mode = true, columns = {{{types}}}, "
            f"store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{rejects}_scan')"
        )

    def no_column(self, wanted: str, say: str) -> InputError:
        """What to say about a column that is not there; `say` is how to name the right one."""
        names = list(self.columns)
        listed = ", ".join(names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return InputError(
            f"no column {wanted}; it has {listed}{more}",
            where=self.name,
            hint=f"Say which one it is: {_option(say)}NAME. {nearest(say.strip('-= '), names)}",
            code="columns",
        )


def _option(say: str) -> str:
    """How a role is named on the command line; `--time-column ` is an option of its own.

    >>> _option("key="), _option("--time-column ")
    ('--column key=', '--time-column ')
    """
    return say if say.startswith("--") else f"--column {say}"


def open_file(connection: Connection, path: str, folder: Path) -> FeedbackFile:
    """The file, with its columns; what has to be copied is copied to `folder`.

    Raises:
        InputError: A file that cannot be read, is empty, or is not what its name says.
    """
    kind, name = format_of(path), Path(path).name
    if kind == "parquet":
        return FeedbackFile(name, path, path, kind, _parquet_columns(connection, path))
    with _readable(name):
        plain = _plain(Path(path), folder, is_csv=kind == "csv")
        if kind == "csv":
            delimiter, columns, lines = _csv_header(plain, name)
            return FeedbackFile(name, str(plain), str(plain), kind, columns, delimiter, lines)
        return FeedbackFile(name, str(plain), str(plain), kind, _json_keys(plain, name))


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", where=name, hint="Save it as UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=name) from error


def _plain(path: Path, folder: Path, *, is_csv: bool) -> Path:
    """The file, or a copy without a mark, a packing, or two kinds of line ends."""
    is_packed = path.suffix.lower() == ".gz"
    open_binary = cast(
        Callable[[], IO[bytes]], partial(gzip.open if is_packed else Path.open, path, "rb")
    )
    with open_binary() as file:
        is_marked = file.read(len(_MARK)) == _MARK
    ends = is_csv and (is_packed or _has_mixed_ends(path))
    if not (is_packed or is_marked or ends):
        return path
    copy = folder / path.name.removesuffix(path.suffix if is_packed else "")
    with open_binary() as file, copy.open("wb") as out:
        if is_marked:
            file.seek(len(_MARK))
        for block in _unified(_blocks(file)) if ends else _blocks(file):
            out.write(block)
    return copy


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(partial(file.read, _BLOCK), b"")


def _has_mixed_ends(path: Path) -> bool:
    """Whether there are lone line feeds beside those after a carriage return, or none at all."""
    feeds = returns = both = 0
    with path.open("rb") as file:
        for block in _blocks(file):
            feeds += block.count(b"\n")
            returns += block.count(b"\r")
            both += block.count(b"\r\n")
    return returns > 0 and not feeds == returns == both


def _unified(blocks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for block in blocks:
        whole = held + block
        held = b"\r" if whole.endswith(b"\r") else b""
        yield whole.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    yield held.replace(b"\r", b"\n")


def _parquet_columns(connection: Connection, path: str) -> dict[str, str]:
    name = Path(path).name
    with _readable(name), Path(path).open("rb") as file:  # the engine's words are vague
        magic = file.read(4)
    if magic != b"PAR1":
        hint = "Name it by what it is: .csv, .jsonl or .parquet."
        raise InputError("is not a Parquet file", where=name, hint=hint)
    with translated(name):
        rows = rows_of(connection, f"DESCRIBE SELECT * FROM read_parquet([{literal(path)}])")
    return _unique((row[0] for row in rows), name) | {row[0]: row[1] for row in rows}


def _csv_header(path: Path, name: str) -> tuple[str, dict[str, str], int]:
    """The delimiter, the columns, and how many lines stand before the first row."""
    lines = 1
    with path.open("rb") as file:  # as text it would be decoded far beyond the header
        raw = file.readline(_MAX_HEADER)
        while raw and not raw.strip():
            raw = file.readline(_MAX_HEADER)
            lines += 1
        while raw.count(b'"') % 2 and (more := file.readline(_MAX_HEADER)):
            raw += more  # a name with a line break in it
            lines += 1
    first = raw.decode("utf-8")
    if not first.strip():
        raise InputError("is empty", where=name, hint="Nothing was written to it.", code="empty")
    delimiter = max(_DELIMITERS, key=first.count)
    columns = next(csv.reader(io.StringIO(first), delimiter=delimiter))
    return delimiter, _unique((column.strip() for column in columns), name), lines


def _unique(columns: Iterable[str], name: str) -> dict[str, str]:
    folded: dict[str, str] = {}
    for column in columns:
        other = folded.get(column.casefold())
        if other is not None:
            also = f" (as {other!r})" if other != column else ""
            raise InputError(f"has the column {column!r} twice{also}", where=name, code="columns")
        folded[column.casefold()] = column
    return dict.fromkeys(folded.values(), "VARCHAR")


def _json_keys(path: Path, name: str) -> dict[str, str]:
    """The keys of the first objects, in order of appearance; garbled lines are passed over."""
    keys: dict[str, str] = {}
    is_empty = True
    with path.open("rb") as file:
        for line in islice(file, _SAMPLED):
            is_empty = is_empty and not line.strip()
            for key in object_of(line) or ():
                keys.setdefault(key.casefold(), key)
    if is_empty:
        raise InputError("is empty", where=name, hint="Nothing was written to it.", code="empty")
    if not keys:
        raise InputError("holds no JSON object on its first lines", where=name, code="garbled")
    return dict.fromkeys(keys.values(), "VARCHAR")


def object_of(line: bytes) -> dict[str, Any] | None:
    """The JSON object that a line is, to the letter (NaN is no JSON); None if it is none."""
    try:
        found = json.loads(line.decode("utf-8"), parse_constant=_refused)
    except (ValueError, RecursionError):  # bytes that are no text are a ValueError, too
        return None
    return found if isinstance(found, dict) else None


def _refused(constant: str) -> None:
    raise ValueError(constant)
