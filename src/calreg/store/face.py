"""A store, opened: all its parts over one database."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import text

from calreg.store.address import Address
from calreg.store.arrays import Arrays
from calreg.store.database import Database
from calreg.store.history import HistoryRows
from calreg.store.ingest import Ingest
from calreg.store.layout import bring_up_to_date, layout_of
from calreg.store.outgoing import Outgoing
from calreg.store.query import Query
from calreg.store.queue import Queue
from calreg.store.runs import Runs

__all__ = ["Store"]


class Store(Ingest, Arrays, HistoryRows, Query, Queue, Runs, Outgoing):
    """Scores, history, the re-tag queue, runs, deliveries and findings in one database.

    Every method is one transaction, and may be called from any thread. What a method
    answered is on the disk; what raised changed nothing.

    Raises:
        StoreError: The database is down, full, locked or broken (of every method).
    """

    def __init__(self, address: Address, *, now: Callable[[], float], wait_s: float) -> None:
        self.address = address
        self._database = Database(address, wait_s=wait_s)
        self._now = now
        self._label_ids = {}

    @classmethod
    def open(
        cls,
        url: str | Address,
        *,
        now: Callable[[], float] = time.time,
        wait_s: float = 30.0,
    ) -> Store:
        """The store at a URL; its tables are made, or brought to this program's layout.

        Runs whose process has ended become interrupted.

        Args:
            url: As SQLAlchemy writes it, of SQLite or PostgreSQL; a relative file starts in
                the current folder.
            now: The clock.
            wait_s: How long to wait for a lock that others have.

        Raises:
            InputError: No URL of a store, a file that is no database, or a newer layout.
            StoreError: The database is down.
        """
        store = cls(url if isinstance(url, Address) else Address.parse(url), now=now, wait_s=wait_s)
        try:
            bring_up_to_date(store._database)
            store.interrupt_runs()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.address.kind

    @property
    def shown(self) -> str:
        """Where the store is, without user and password."""
        return self.address.shown

    @property
    def file(self) -> Path | None:
        """The file of an SQLite store."""
        return self.address.file

    def layout(self) -> int:
        """The number of the tables' layout."""
        with self._database.reading() as connection:
            return layout_of(connection) or 0

    def check(self) -> None:
        """Nothing, if the database answers.

        Raises:
            StoreError: It does not.
        """
        with self._database.reading() as connection:
            connection.execute(text("SELECT 1 FROM totals")).all()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
