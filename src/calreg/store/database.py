"""Connections to the one database of a store, and what SQLite and PostgreSQL say differently.

SQLite has one writer at a time, so one connection writes and the others may only read; a
writer waits for its turn here, and for other programs by SQLite's own locks. In PostgreSQL
a lock by name stands for that, where order matters. Every reading is of one moment.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event

from calreg.errors import InputError
from calreg.store.address import Address
from calreg.store.failures import StoreError, told
from calreg.store.tables import SCHEMA

__all__ = ["Database"]

_CONNECT_S = 5
_READERS = 40
_WRITER_CACHE_KB = 128 * 1024
_READER_CACHE_KB = 8 * 1024
_CHECKPOINT_PAGES = 16_384  # 64 MB: batches in any order touch the same pages again
_LOCKS = {"layout": 1, "scores": 2, "queue": 3, "history": 4, "runs": 5}
_APPLICATION = 0x63616C72  # "calr"
_LOCK_SPACE = _APPLICATION


class Database:
    """The engines of a store.

    Args:
        address: Where it is.
        wait_s: How long to wait for a lock or a connection that others have.
    """

    def __init__(self, address: Address, *, wait_s: float) -> None:
        self.address = address
        self.is_sqlite = address.kind == "sqlite"
        self._writer, self._reader = (
            _sqlite_engines(address, wait_s)
            if self.is_sqlite
            else _postgresql_engines(address, wait_s)
        )
        self._driver_error: type[Exception] = self._writer.dialect.loaded_dbapi.Error
        self._opened = None if address.file is None else _identity(address.file)

    # Values that a statement takes many of, as one parameter.
    @property
    def ids(self) -> str:
        """The ids in the parameter `:ids`, as a subquery."""
        return _JSON_EACH.format("ids") if self.is_sqlite else _UNNEST.format("ids", "bigint")

    @property
    def names(self) -> str:
        """The texts in the parameter `:names`, as a subquery."""
        return _JSON_EACH.format("names") if self.is_sqlite else _UNNEST.format("names", "text")

    def many(self, values: Sequence[int] | Sequence[str]) -> Any:
        """Many values as the one parameter that `ids` and `names` unfold."""
        return json.dumps(values, ensure_ascii=False) if self.is_sqlite else list(values)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees the store as it is at one moment, and cannot write."""
        with told(self.address.shown, self._driver_error), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(
        self, lock: Literal["layout", "scores", "queue", "history", "runs"] | None = None
    ) -> Iterator[Connection]:
        """A connection that writes all or nothing; with a lock, alone among those with it."""
        self._refuse_another_file()
        with told(self.address.shown, self._driver_error), self._writer.begin() as connection:
            if lock is not None and not self.is_sqlite:
                connection.exec_driver_sql(
                    "SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, _LOCKS[lock])
                )
            yield connection

    def _refuse_another_file(self) -> None:
        """Refuse to write into a file that nobody would find again.

        Raises:
            StoreError: It was removed or replaced while it was open.
        """
        file = self.address.file
        if file is not None and _identity(file) != self._opened:
            raise StoreError(
                "the file was removed or replaced while it was open",
                where=self.address.shown,
                hint="Put it back as it was, or start again with what is there now.",
            )

    def close(self) -> None:
        """Let go of all connections."""
        self._reader.dispose()
        self._writer.dispose()


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None  # which is no file's
    return found.st_dev, found.st_ino


_JSON_EACH = "(SELECT value FROM json_each(:{}))"
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)
_UNNEST = "(SELECT unnest(CAST(:{} AS {}[])))"


def _sqlite_engines(address: Address, wait_s: float) -> tuple[Engine, Engine]:
    _make_file(Path(str(address.file)))
    writer = create_engine(
        address.url,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": wait_s},
        pool_size=1,
        max_overflow=0,
        pool_timeout=wait_s,
    )
    reader = create_engine(
        address.url,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": wait_s},
        pool_size=4,
        max_overflow=_READERS,
        pool_timeout=wait_s,
    )
    _prepare_sqlite(writer, "BEGIN IMMEDIATE", _WRITER_CACHE_KB, is_reader=False)
    _prepare_sqlite(reader, "BEGIN", _READER_CACHE_KB, is_reader=True)
    return writer, reader


def _prepare_sqlite(engine: Engine, begin: str, cache_kb: int, *, is_reader: bool) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The driver would begin a transaction by itself, only before a write, and never an
        # immediate one.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"cache_size=-{cache_kb}",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
            f"journal_size_limit={256 * 2**20}",
            f"query_only={'ON' if is_reader else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _make_file(file: Path) -> None:
    """Make the file for its owner alone; SQLite gives what it puts beside it the same mode.

    Raises:
        InputError: Something else is there, or it cannot be made.
    """
    try:
        if not file.exists():
            _make_new(file)
        is_file = file.is_file()
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise InputError(f"cannot be made: {reason}", where=str(file), code="store-file") from error
    if not is_file:
        raise InputError("is not a file", where=str(file), code="store-file")


def _make_new(file: Path) -> None:
    # Two programs that open a new file at once would fall out over its journal's mode, for
    # which SQLite does not wait. So it comes with one, and of two files the first stays.
    number, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    os.close(number)
    try:
        with closing(sqlite3.connect(name, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
        with suppress(FileExistsError):
            os.link(name, file)
    except sqlite3.Error as error:
        raise OSError(errno.EIO, str(error), name) from error
    finally:
        Path(name).unlink()


def _postgresql_engines(address: Address, wait_s: float) -> tuple[Engine, Engine]:
    writer = create_engine(
        address.url,
        hide_parameters=True,
        connect_args={"connect_timeout": _CONNECT_S},
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=_READERS,
        pool_timeout=wait_s,
        isolation_level="READ COMMITTED",
    )

    @event.listens_for(writer, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.execute(f"SET search_path TO {SCHEMA}")
        # What was answered must be on the disk, whatever the server thinks good for others.
        connection.execute(_DURABLE)
        connection.execute(f"SET lock_timeout TO '{wait_s * 1000:.0f}ms'")
        connection.commit()

    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return writer, reader
