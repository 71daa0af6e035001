"""Which files a table consists of, and which columns each of them has.

Globs are expanded here, not in the engine, so that the engine is only ever given names of
files that exist. Nothing is fetched: a URL is refused.
"""

from __future__ import annotations

import csv
import glob
import gzip
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Literal

from calreg.errors import InputError
from calreg.names import nearest
from calreg.scores.engine import (
    Connection,
    connect,
    count_rows,
    first_non_object,
    literal,
    object_keys,
    rows_of,
    translated,
)

__all__ = ["Source", "about_rows", "find_files", "find_sources", "open_text", "reading"]

Format = Literal["csv", "jsonl", "parquet"]

_FORMATS: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_ENDINGS = frozenset({*_FORMATS, ".gz"})
_MAX_LISTED = 10_000
_NO_SCORES = "Nothing was scored, or nothing was written: look at what makes this file."
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_DELIMITERS = ",;\t|"
_SAMPLED_OBJECTS = 1000
_MAX_LINES = 5_000_000
_MAX_HEADER = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one format with the same columns in the same order.

    `columns` maps a column's name to its type in the engine; CSV and JSONL are all text.
    """

    format: Format
    paths: tuple[str, ...]
    columns: Mapping[str, str]
    delimiter: str = ","

    @property
    def where(self) -> str:
        """The name to put before an error: that of the file, or of the first of several."""
        return Path(self.paths[0]).name

    def scan(self, *, paths: Sequence[str] | None = None, row_number: bool = False) -> str:
        """The SQL that reads these files, or some of them."""
        listed = "[" + ", ".join(literal(path) for path in paths or self.paths) + "]"
        if self.format == "parquet":
            extra = ", file_row_number = true" if row_number else ""
            return f"read_parquet({listed}{extra})"
        types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.columns)
        if self.format == "jsonl":
            return (
                f"read_json({listed}, format = 'newline_delimited', columns = {{{types}}}, "
                f"maximum_object_size = {2**26})"
            )
        return (
            f"read_csv({listed}, auto_detect = false, header = true, delim = "
            f"{literal(self.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
            f"columns = {{{types}}})"
        )


def find_files(paths: Iterable[str]) -> tuple[str, ...]:
    """The absolute paths of all files that the paths and globs name, sorted, each once.

    Raises:
        InputError: A URL, a folder, a file that does not exist, a glob that matches nothing.
    """
    found: set[str] = set()
    for path in paths:
        found.update(_matches(path))
    if not found:
        raise InputError("no score files were named", code="no-files")
    return tuple(sorted(found))


def _matches(path: str) -> list[str]:
    if _URL.match(path):
        raise InputError(
            f"{path!r} is a URL; scores are read from local files only",
            hint="Download it first.",
            code="not-local",
        )
    if not path:
        raise InputError("a file name is empty", hint="Name a file or a glob.", code="no-files")
    if Path(path).is_dir():
        raise InputError("is a folder", where=path, hint=f"{path.rstrip('/')}/*.parquet")
    if Path(path).is_file():
        return [str(Path(path).resolve())]
    if not glob.has_magic(path):
        raise InputError("no such file", where=path, hint=_beside(path), code="no-files")
    matches = [str(Path(name).resolve()) for name in glob.iglob(path, recursive=True)]  # noqa: PTH207  # takes absolute globs
    files = [name for name in matches if Path(name).is_file()]
    if not files:
        hint = "Patterns are *, ?, [abc] and ** for folders; quote them for the shell or not."
        raise InputError("no file matches", where=path, hint=hint, code="no-files")
    return files


def _beside(path: str) -> str:
    """A hint that names the files there that could be meant."""
    folder = Path(path).parent
    if not folder.is_dir():
        return f"There is no folder {str(folder)!r} either."
    names = (entry.name for entry in islice(folder.iterdir(), _MAX_LISTED))
    tables = [name for name in names if Path(name).suffix in _ENDINGS]
    if not tables:
        return f"There is no score table in {str(folder.resolve())!r}."
    return nearest(Path(path).name, tables)


def format_of(path: str) -> Format:
    """The format that a file's name says it has.

    Raises:
        InputError: A name that says none.
    """
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
        if suffixes[-1:] in ([".parquet"], [".pq"]):
            raise InputError(
                "is a Parquet file in gzip", where=Path(path).name, hint="Unpack it first."
            )
    kind = _FORMATS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise InputError(
            "its name does not say what it is",
            where=Path(path).name,
            hint="Files of scores end in .csv, .jsonl, .ndjson (each also .gz) or .parquet.",
            code="format",
        )
    return kind


def find_sources(connection: Connection, files: Sequence[str]) -> tuple[Source, ...]:
    """The files, put together where format and columns are the same.

    Raises:
        InputError: A file that cannot be read, or is not what its name says.
    """
    grouped: dict[tuple[Format, str, tuple[tuple[str, str], ...]], list[str]] = {}
    for path in files:
        kind = format_of(path)
        delimiter, columns = _header(connection, path, kind)
        grouped.setdefault((kind, delimiter, tuple(columns.items())), []).append(path)
    return tuple(
        Source(kind, tuple(paths), dict(columns), delimiter)
        for (kind, delimiter, columns), paths in grouped.items()
    )


def about_rows(connection: Connection, source: Source) -> int:
    """How many rows a source has: exactly for Parquet, about for text."""
    if source.format == "parquet":
        return count_rows(connection, source.scan())
    with Path(source.paths[0]).open("rb") as file:
        lines = file.read(2**16).splitlines()[1:]
    width = max(sum(map(len, lines)) // max(len(lines), 1), 1) + 1
    return sum(Path(path).stat().st_size for path in source.paths) // width


def _header(connection: Connection, path: str, kind: Format) -> tuple[str, dict[str, str]]:
    name = Path(path).name
    if kind == "parquet":
        return ",", _parquet_columns(connection, path)
    try:
        with open_text(path) as file:
            return (
                _csv_header(file, name)
                if kind == "csv"
                else (
                    ",",
                    _json_keys(connection, file, name),
                )
            )
    except UnicodeDecodeError as error:
        raise InputError(
            "is not UTF-8 text", where=name, hint="Save it as UTF-8.", code="scores"
        ) from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=name, code="scores") from error


def _parquet_columns(connection: Connection, path: str) -> dict[str, str]:
    name = Path(path).name
    try:
        with Path(path).open("rb") as file:  # the engine's words for this are vague
            magic = file.read(4)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=name) from error
    if magic != b"PAR1":
        hint = "Name it by what it is: .csv, .jsonl or .parquet."
        raise InputError("is not a Parquet file", where=name, hint=hint, code="scores")
    with translated(name):
        rows = rows_of(connection, f"DESCRIBE SELECT * FROM read_parquet([{literal(path)}])")
        return {row[0]: row[1] for row in rows}


def open_text(path: str) -> IO[str]:
    """A CSV or JSONL file as text, unpacked if its name ends in .gz, line ends untouched."""
    if path.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return Path(path).open(encoding="utf-8-sig", newline="")


def _csv_header(file: IO[str], name: str) -> tuple[str, dict[str, str]]:
    first = file.readline(_MAX_HEADER)
    while first and not first.strip():
        first = file.readline(_MAX_HEADER)
    while first.count('"') % 2 and (more := file.readline(_MAX_HEADER)):
        first += more  # a name with a line break in it
    if not first.strip():
        raise InputError("is empty", where=name, hint=_NO_SCORES, code="empty")
    delimiter = max(_DELIMITERS, key=first.count)
    columns = next(csv.reader(io.StringIO(first), delimiter=delimiter))
    return delimiter, _unique(columns, name)


def _unique(columns: Sequence[str], name: str) -> dict[str, str]:
    folded: dict[str, str] = {}
    for column in columns:
        other = folded.setdefault(column.casefold(), column)
        if columns.count(column) > 1 or other != column:
            raise InputError(
                f"has the column {column!r} twice" + f" (as {other!r})" * (other != column),
                where=name,
                code="columns",
            )
    return dict.fromkeys(columns, "VARCHAR")


def _json_keys(connection: Connection, file: IO[str], name: str) -> dict[str, str]:
    lines = islice(_numbered_lines(file), _SAMPLED_OBJECTS)
    numbered = dict(lines)
    if not numbered:
        raise InputError("is empty", where=name, hint=_NO_SCORES, code="empty")
    _refuse_non_objects(connection, numbered, name)
    # Keys in order of appearance would make two files with the same keys two sources.
    return _unique(object_keys(connection, list(numbered.values())), name)


def _numbered_lines(file: IO[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(file, start=1) if line.strip())


def _refuse_non_objects(connection: Connection, numbered: Mapping[int, str], name: str) -> None:
    place = first_non_object(connection, list(numbered.values()))
    if place is not None:
        number, line = list(numbered.items())[place]
        raise InputError(
            f"line {number}: expected one JSON object, got {line.strip()[:40]!r}",
            where=name,
            code="scores",
        )


@contextmanager
def reading(source: Source) -> Iterator[None]:
    """Errors of the engine about a source become one line for the owner of the file."""
    try:
        with translated(source.where):
            yield
    except InputError as error:
        if source.format == "jsonl" and isinstance(error.__cause__, Exception):
            _refuse_broken_line(source)
        raise


def _refuse_broken_line(source: Source) -> None:
    # The engine counts the lines of JSON differently from an editor.
    with tempfile.TemporaryDirectory() as folder, connect((), folder=folder) as connection:
        for path in source.paths:
            try:
                with open_text(path) as file:
                    lines = islice(_numbered_lines(file), _MAX_LINES)
                    while some := dict(islice(lines, _SAMPLED_OBJECTS)):
                        _refuse_non_objects(connection, some, Path(path).name)
            except (OSError, EOFError, UnicodeDecodeError):
                continue  # what the engine said about it stands
