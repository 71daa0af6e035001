"""Which items came before, by a 16-byte digest of their name, on disk.

The list is a private temporary file that the system forgets with the process; nothing is
left of it whatever happens. Memory is that of a small cache, for a thousand items or ten
million.
"""

from __future__ import annotations

import errno
import hashlib
import sqlite3
from types import TracebackType
from typing import Self

__all__ = ["SeenItems"]

_CACHE_KIB = 8192


class SeenItems:
    """A set of names that does not grow in memory."""

    def __init__(self) -> None:
        # An empty name is a database in a temporary file without a name.
        self._connection = sqlite3.connect("", isolation_level=None)
        for line in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID",
            "BEGIN",
        ):
            self._connection.execute(line)
        self._cursor = self._connection.cursor()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def add(self, name: str) -> bool:
        """Whether the name is new; from now on it is not.

        Raises:
            OSError: There is no room for the list.
        """
        raw = name.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        try:
            self._cursor.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,))
        except sqlite3.Error as error:
            raise OSError(errno.EIO, f"the temporary list of items: {error}") from error
        return self._cursor.rowcount == 1
