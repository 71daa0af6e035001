"""What a database may refuse, in words that say what to do; passwords never among them.

Only what an operator can mend becomes a `StoreError`. A statement that is wrong, or a rule
of the tables that is broken, is a bug and stays what it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import exc

from calreg.errors import InputError, TransportError

__all__ = ["StoreError", "told"]


class StoreError(TransportError):
    """The database is down, full, locked or broken; nothing that was answered is lost."""

    default_code = "store-down"


# SQLite's own name for what went wrong, as far as it tells people what to do.
_SQLITE = {
    "SQLITE_BUSY": ("store-busy", "another program keeps the database locked", "Try again."),
    "SQLITE_LOCKED": ("store-busy", "another program keeps the database locked", "Try again."),
    "SQLITE_FULL": ("store-full", "no space left", "Make room on its disk; nothing is lost."),
    "SQLITE_READONLY": ("store-down", "may not be written", "Check its owner and its mode."),
    "SQLITE_CANTOPEN": ("store-down", "cannot be opened", "Check its folder, owner and mode."),
    "SQLITE_CORRUPT": ("store-broken", "the file is damaged", "Bring it back from a backup."),
    "SQLITE_IOERR": ("store-down", "the disk reports an error", "Look at the system's log."),
    "SQLITE_PERM": ("store-down", "no permission", "Check its owner and its mode."),
}
# PostgreSQL's errors by SQLSTATE, or by its first two characters, their class. One that comes
# before there is a connection has none, and says enough.
_POSTGRESQL = {
    "53100": ("store-full", "Make room for the database; nothing is lost."),
    "40": ("store-busy", "Try again."),
    "55": ("store-busy", "Try again."),
    "42": ("store-down", "The user needs CREATE on the database, once."),
}
_NO_PERMISSION = "42501"
_DOWN_HINT = "Start it, make it (createdb), or check the store's URL; what was answered is kept."


@contextmanager
def told(where: str, driver_error: type[Exception]) -> Iterator[None]:
    """Errors of a database as a `StoreError` of this place.

    Args:
        where: The place, as anybody may see it.
        driver_error: What the driver raises where it is asked past SQLAlchemy.

    Raises:
        StoreError: It is down, full, locked or broken.
        InputError: The file is no database.
    """
    try:
        yield
    except (exc.TimeoutError, exc.DBAPIError, driver_error) as error:
        known = _known(error, where)
        if known is None:
            raise
        raise known from error


def _known(error: Exception, where: str) -> Exception | None:
    if isinstance(error, exc.TimeoutError):
        message = "every connection has been in use for too long"
        return StoreError(message, where=where, hint="Try again.", code="store-busy")
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause, where)
    return _of_postgresql(cause, where)


def _of_sqlite(cause: sqlite3.Error, where: str) -> Exception | None:
    name = str(getattr(cause, "sqlite_errorname", ""))
    if name == "SQLITE_NOTADB":
        return InputError(
            "is not an SQLite database",
            where=where,
            hint="Name another file, or move this one away: a store is made where none is.",
            code="store-file",
        )
    for begin, (code, message, hint) in _SQLITE.items():
        if name.startswith(begin):
            return StoreError(message, where=where, hint=hint, code=code)
    return None


def _of_postgresql(cause: Any, where: str) -> Exception | None:
    state = getattr(cause, "sqlstate", None) or ""
    # The driver has its own classes of these names, and is imported where it is used.
    is_lost = {"OperationalError", "InterfaceError"} & {
        kind.__name__ for kind in type(cause).__mro__
    }
    if not (is_lost or state == _NO_PERMISSION):
        return None
    known = _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    code, hint = known or ("store-down", _DOWN_HINT)
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    message = lines[0] if lines else "does not answer"
    return StoreError(message, where=where, hint=hint, code=code)
