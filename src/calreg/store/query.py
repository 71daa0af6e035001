"""Questions in SQL about the history: one statement that reads one table, for a limited time.

In SQLite an authorizer lets a statement read `history` and nothing else. In PostgreSQL it
runs as a subquery, prepared, in a transaction that may not write: the server refuses what is
no query, and who asks has the store's password anyway.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

from sqlalchemy import Connection, StaticPool, create_engine

from calreg.errors import InputError
from calreg.store.database import Database
from calreg.store.failures import StoreError
from calreg.store.history import HistoryRow, insert_history
from calreg.store.tables import METADATA, history

__all__ = ["Answer", "Query", "query_rows"]

MAX_ROWS = 100_000
_TIME_S = 30.0
_MAX_BYTES = 64 * 2**20  # of one value
_STEPS = 10_000  # of SQLite's machine, between two looks at the clock
_TABLES = frozenset({"history", "json_each", "json_tree"})
# SQLite makes these two when they are first named, which an authorizer takes for a write.
_MADE_KNOWN = "SELECT 1 FROM json_each('[]'), json_tree('[]')"
_REFUSED_FUNCTIONS = frozenset({"load_extension"})


class Answer(NamedTuple):
    """Columns and rows; `is_cut` where there were more than `MAX_ROWS`.

    Values are as JSON has them; a column of JSON is text.
    """

    columns: list[str]
    rows: list[list[Any]]
    is_cut: bool


class Query:
    """The part of a store that answers questions."""

    _database: Database

    def query(self, sql: str, *, timeout_s: float = _TIME_S) -> Answer:
        """What a SELECT over the table `history` finds.

        Raises:
            InputError: It is no such statement, is wrong, or takes too long.
        """
        with self._database.reading() as connection:
            if self._database.is_sqlite:
                return _asked_sqlite(connection, sql, timeout_s)
            return _asked_postgresql(connection, sql, timeout_s, self._database.address.shown)


def query_rows(rows: Iterable[HistoryRow], sql: str, *, timeout_s: float = _TIME_S) -> Answer:
    """What a SELECT over the table `history` finds, where there is no store.

    Args:
        rows: The history, as `calreg.registry` makes it; kept in memory meanwhile.
        sql: One statement as SQLite understands it.
        timeout_s: For the statement alone.

    Raises:
        InputError: It is no such statement, is wrong, or takes too long.
    """
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            history.create(connection)
            insert_history(connection, rows)
        with engine.connect() as connection:
            return _asked_sqlite(connection, sql, timeout_s)
    finally:
        engine.dispose()


def _asked_sqlite(connection: Connection, sql: str, timeout_s: float) -> Answer:
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(f"expected a connection of sqlite3, got {type(raw).__name__}")
    deadline = time.monotonic() + timeout_s
    raw.execute(_MADE_KNOWN).close()
    largest = raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
    raw.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    raw.set_authorizer(_authorized)
    try:
        with _sqlite_told(timeout_s), closing(raw.cursor()) as cursor:
            cursor.execute(sql)
            if cursor.description is None:
                raise _no_query("it asks for nothing")
            columns = [column[0] for column in cursor.description]
            return _answer(columns, cursor.fetchmany(MAX_ROWS + 1))
    finally:
        raw.set_authorizer(None)
        raw.set_progress_handler(None, 0)
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, largest)


def _authorized(
    action: int, first: str | None, second: str | None, _database: str | None, _by: str | None
) -> int:
    is_fine = (
        action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE}
        or (action == sqlite3.SQLITE_READ and _may_read(str(first), second))
        or (action == sqlite3.SQLITE_FUNCTION and second not in _REFUSED_FUNCTIONS)
    )
    return sqlite3.SQLITE_OK if is_fine else sqlite3.SQLITE_DENY


def _may_read(table: str, column: str | None) -> bool:
    if table in _TABLES:
        return True
    # A name that the statement itself gave to rows, of which it reads no column.
    is_of_the_store = table in METADATA.tables or table.startswith("sqlite_")
    return not column and not is_of_the_store


@contextmanager
def _sqlite_told(timeout_s: float) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        if name == "SQLITE_INTERRUPT":
            raise _too_long(timeout_s) from error
        if name == "SQLITE_AUTH":
            raise _no_query("it may read the table history and nothing else") from error
        raise _no_query(str(error)) from error
    except (ValueError, UnicodeError) as error:  # a NUL, half of a surrogate pair
        raise _no_query(str(error)) from error


def _asked_postgresql(connection: Connection, sql: str, timeout_s: float, where: str) -> Answer:
    import psycopg
    from psycopg.types.json import set_json_loads

    raw = connection.connection.driver_connection
    if not isinstance(raw, psycopg.Connection):
        raise TypeError(f"expected a connection of psycopg, got {type(raw).__name__}")
    # A statement of its own lines, as a subquery: no COPY, no SET; prepared: only one.
    query = f"SELECT * FROM (\n{sql.strip().rstrip(';')}\n) AS asked LIMIT {MAX_ROWS + 1}"
    try:
        with raw.cursor() as cursor:
            set_json_loads(_as_text, cursor)
            cursor.execute(f"SET LOCAL statement_timeout = {int(timeout_s * 1000)}")
            cursor.execute(query.encode(), prepare=True)
            columns = [column.name for column in cursor.description or ()]
            return _answer(columns, cursor.fetchall())
    except psycopg.errors.QueryCanceled as error:
        raise _too_long(timeout_s) from error
    except (psycopg.Error, UnicodeError) as error:
        if isinstance(error, psycopg.Error) and error.sqlstate is None:
            raise StoreError("does not answer", where=where) from error
        raise _no_query(str(error).splitlines()[0]) from error


def _as_text(raw: str | bytes) -> str:
    return raw if isinstance(raw, str) else bytes(raw).decode()


def _answer(columns: list[str], rows: Sequence[Sequence[Any]]) -> Answer:
    kept = [[_plain(value) for value in row] for row in rows[:MAX_ROWS]]
    return Answer(columns, kept, len(rows) > MAX_ROWS)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        value = int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


def _no_query(problem: str) -> InputError:
    return InputError(
        f"not a query of the history: {problem}",
        hint="Write one SELECT over the table history, such as: "
        "SELECT head_name, version, jsd FROM history ORDER BY jsd DESC",
        code="sql",
    )


def _too_long(timeout_s: float) -> InputError:
    return InputError(
        f"the query took longer than {timeout_s:g} s", hint="Ask for less.", code="sql-time"
    )
