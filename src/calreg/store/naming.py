"""Ids for the names of items, and names for ids: one question for many of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from calreg.store.database import Database

__all__ = ["ids_of", "names_of"]


def ids_of(connection: Connection, database: Database, names: Sequence[str]) -> dict[str, int]:
    """The ids of those names that are known."""
    query = text(f"SELECT name, id FROM items WHERE name IN {database.names}")
    found = connection.execute(query, {"names": database.many(names)})
    return dict(map(tuple, found))


def names_of(connection: Connection, database: Database, ids: Sequence[int]) -> dict[int, str]:
    """The names of those ids that are given out."""
    query = text(f"SELECT id, name FROM items WHERE id IN {database.ids}")
    found = connection.execute(query, {"ids": database.many(ids)})
    return dict(map(tuple, found))
