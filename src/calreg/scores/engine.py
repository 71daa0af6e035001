"""The one place that runs DuckDB: a locked-down connection, quoting, batches as arrays.

What a user typed reaches SQL only through `identifier` and `literal`. The connection reads
the files it was given and its own temporary folder, nothing else, and loads no extension.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.errors import CalregError, InputError, MissingExtraError

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Array",
    "Column",
    "Connection",
    "batches",
    "column_of",
    "connect",
    "count_rows",
    "first_non_object",
    "identifier",
    "insert_rows",
    "literal",
    "object_keys",
    "rows_of",
    "translated",
]

Array: TypeAlias = NDArray[Any]
Column: TypeAlias = tuple[Array, Array | None]
Connection: TypeAlias = "duckdb.DuckDBPyConnection"

_ENGINE_MEMORY = "600MB"
_TEXT_BUFFERS = 3  # which are null, where each ends, the bytes
_CSV_PLACE = re.compile(r"CSV Error on Line: (\d+)")
_CSV_COLUMNS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_FILE = re.compile(r"""file(?: = | ["'])(/[^"'\n]+)""")


def identifier(name: str) -> str:
    """A column's name as SQL reads it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL reads it."""
    return "'" + text.replace("'", "''") + "'"


def connect(readable: Sequence[str], *, writable: Sequence[str] = (), folder: str) -> Connection:
    """A connection in memory that may touch these files and this temporary folder only.

    Raises:
        MissingExtraError: DuckDB or nanoarrow is not installed.
    """
    try:
        import duckdb
        import nanoarrow  # noqa: F401  # found missing here, not in the middle of a stream
    except ImportError as error:
        raise MissingExtraError("develop", needs=str(error.name)) from error
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": _ENGINE_MEMORY,
            "temp_directory": folder,
            "threads": str(os.cpu_count() or 1),
        }
    )
    allowed = ", ".join(literal(path) for path in (*readable, *writable))
    connection.execute(f"SET allowed_paths = [{allowed}]")
    connection.execute(f"SET allowed_directories = [{literal(folder)}]")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET arrow_large_buffer_size = true")  # offsets of texts have 64 bits
    connection.execute("SET enable_external_access = false")
    _keep_casts(connection)
    connection.execute("SET lock_configuration = true")
    return connection


def _keep_casts(connection: Connection) -> None:
    """Let a TRY_CAST over a CSV column stay one.

    DuckDB 2.0's `type_pushdown` hands it to the CSV reader, whose own cast is strict: one
    word among the numbers would stop the reading instead of being counted as a reject.
    """
    known = rows_of(connection, "SELECT name FROM duckdb_optimizers()")
    if ("type_pushdown",) in known:
        connection.execute("SET disabled_optimizers = 'type_pushdown'")


def rows_of(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """All rows of a small result; the connection is free for the next query afterwards."""
    return connection.execute(query).fetchall()


def count_rows(connection: Connection, scan: str) -> int:
    """How many rows a scan has."""
    return int(rows_of(connection, f"SELECT count(*) FROM {scan}")[0][0])


def insert_rows(connection: Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Put rows into a table, whatever they hold: no text of theirs becomes SQL."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        listed = ", ".join(f"unnest(${number})" for number in range(1, len(columns) + 1))
        connection.execute(f"INSERT INTO {table} SELECT {listed}", columns)


def first_non_object(connection: Connection, lines: Sequence[str]) -> int | None:
    """The place of the first line that is not one JSON object; None if all are."""
    query = (
        "SELECT min(place) FROM (SELECT unnest($1) AS line, unnest(range(len($1))) AS place) "
        "WHERE CASE WHEN json_valid(line) THEN json_type(line) ELSE '' END <> 'OBJECT'"
    )
    found: int | None = connection.execute(query, [list(lines)]).fetchall()[0][0]
    return found


def object_keys(connection: Connection, lines: Sequence[str]) -> list[str]:
    """The keys that any of the JSON objects has, sorted."""
    query = "SELECT DISTINCT unnest(json_keys(line)) FROM (SELECT unnest($1) AS line)"
    return sorted(row[0] for row in connection.execute(query, [list(lines)]).fetchall())


def batches(
    connection: Connection, query: str
) -> Generator[list[tuple[Array, Array | None]], None, None]:
    """The result of a query, batch by batch: per column its array and where it is null.

    The mask is None where nothing is null. Texts are an array of objects; rows are in order.
    """
    from nanoarrow import c_array_stream

    with c_array_stream(connection.sql(query)) as stream:
        for batch in stream:
            view = batch.view()
            yield [column_of(view.child(number)) for number in range(batch.n_children)]


def column_of(view: Any) -> Column:
    """A column of a batch as an array of its own, and where it is null (None: nowhere)."""
    start, stop = view.offset, view.offset + view.length
    # A copy: the engine frees a batch's memory with the batch, whoever still looks at it.
    array = (
        _texts(view) if view.n_buffers == _TEXT_BUFFERS else np.array(view.buffer(1))[start:stop]
    )
    if view.null_count == 0:
        return array, None
    bits = np.frombuffer(view.buffer(0), dtype=np.uint8)
    valid = np.unpackbits(bits, count=stop, bitorder="little")[start:]
    return array, valid == 0


def _texts(view: Any) -> Array:
    ends = np.array(view.buffer(1))[view.offset : view.offset + view.length + 1].tolist()
    data = np.array(view.buffer(2)).tobytes()
    texts = np.empty(view.length, dtype=np.object_)
    if data.isascii():  # then a byte is a character, and one decoding does for all
        whole = data.decode("ascii")
        texts[:] = [whole[start:stop] for start, stop in pairwise(ends)]
    else:
        texts[:] = [data[start:stop].decode() for start, stop in pairwise(ends)]
    return texts


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Errors of the engine about a file become one line for the file's owner."""
    import duckdb

    try:
        yield
    except CalregError:
        raise
    except duckdb.Error as error:
        message = str(error)
        file = _FILE.search(message)
        where = Path(file[1]).name if file else where
        raise InputError(_one_line(message), where=where, code="scores") from error


def _one_line(message: str) -> str:
    place = _CSV_PLACE.search(message)
    line = f"line {place[1]}: " if place else ""
    if found := _CSV_COLUMNS.search(message):
        return f"{line}expected {found[1]} columns, got {found[2]}"
    if "unterminated quote" in message.lower():
        return f"{line}a quoted value does not end"
    if "unicode" in message.lower() or "utf-8" in message.lower():
        return f"{line}is not UTF-8 text"
    if "Malformed JSON" in message:
        return f"{line}is not one JSON object per line"
    if "magic bytes" in message:
        return "is not a Parquet file"
    return f"cannot be read: {message.splitlines()[0]}"
