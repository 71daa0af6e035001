"""The history in the store: derived from the registry, and always to be made anew from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, text

from calreg.errors import InputError
from calreg.names import HeadName, nearest
from calreg.store.database import Database
from calreg.store.keys import history_key
from calreg.store.tables import history, meta

__all__ = ["HistoryRows", "insert_history"]

_AT_ONCE = 1000

HistoryRow = Mapping[str, Any]


class HistoryRows:
    """The part of a store that keeps the history."""

    _database: Database

    def replace_history(self, registry: str, commit: str, rows: Iterable[HistoryRow]) -> int:
        """Keep these rows and no others; how many they are.

        Args:
            registry: What the registry is called.
            commit: The tip that the rows were read from.
            rows: As `calreg.registry` makes them, in any order.
        """
        with self._database.writing("history") as connection:
            connection.execute(delete(history))
            written = insert_history(connection, rows)
            _set(connection, {"history_registry": registry, "history_commit": commit})
        return written

    def add_history(self, commit: str, rows: Iterable[HistoryRow]) -> int:
        """Keep these rows too, in place of those of the same heads and versions."""
        known = list(rows)
        ids = [_id_of(row) for row in known]
        query = text(f"DELETE FROM history WHERE id IN {self._database.names}")
        with self._database.writing("history") as connection:
            connection.execute(query, {"names": self._database.many(ids)})
            written = insert_history(connection, known)
            _set(connection, {"history_commit": commit})
        return written

    def history_commit(self) -> str | None:
        """The registry's commit that the history is of; None: it was never read."""
        return self._meta("history_commit")

    def history_registry(self) -> str | None:
        """The name of the registry that the history is of; None: it was never read."""
        return self._meta("history_registry")

    def refuse_other(self, registry: str) -> None:
        """Nothing, if the store is of this registry, or of none yet.

        Raises:
            InputError: It is of another one.
        """
        known = self.history_registry()
        if known is not None and known != registry:
            raise InputError(
                f"is the store of {known}, not of {registry}",
                where=self._database.address.shown,
                hint="Name another store; or, if the registry is called differently now: "
                "calreg store rebuild --renamed",
                code="other-store",
            )

    def history_count(self) -> int:
        """How many rows the history has."""
        with self._database.reading() as connection:
            return int(connection.execute(text("SELECT count(*) FROM history")).scalar_one())

    def history(
        self, model: str | None = None, head: str | None = None, limit: int | None = 50
    ) -> list[dict[str, Any]]:
        """The newest rows, one per head and run, the newest run first, each with its `id`.

        Args:
            model: A model's path, the beginning of one up to a slash, or a pattern.
            head: A head's own or full name, or a pattern of either.
            limit: At most this many rows; None: all.

        Raises:
            InputError: No head of the history matches.
        """
        query = select(history).order_by(
            history.c.version.desc(), history.c.model_name, history.c.head_name
        )
        with self._database.reading() as connection:
            if model is not None or head is not None:
                name = _meta_in(connection, "history_registry") or "the store"
                chosen = _chosen(_heads(connection), model, head, name)
                # A list of names as one parameter, however long.
                full = text(f"model_name || '/' || head_name IN {self._database.names}")
                names = self._database.many([one.full for one in chosen])
                query = query.where(full.bindparams(bindparam("names", names)))
            found = connection.execute(query if limit is None else query.limit(limit))
            return [dict(row) for row in found.mappings()]

    def _meta(self, name: str) -> str | None:
        with self._database.reading() as connection:
            return _meta_in(connection, name)


def insert_history(connection: Connection, rows: Iterable[HistoryRow]) -> int:
    """Write rows; how many they were."""
    written = 0
    waiting: Iterator[HistoryRow] = iter(rows)
    while some := [{"id": _id_of(row), **row} for row in islice(waiting, _AT_ONCE)]:
        connection.execute(insert(history), some)
        written += len(some)
    return written


def _id_of(row: HistoryRow) -> str:
    return history_key(row["model_name"], row["head_name"], row["version"])


def _meta_in(connection: Connection, name: str) -> str | None:
    return connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()


def _set(connection: Connection, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        connection.execute(delete(meta).where(meta.c.name == name))
        connection.execute(insert(meta).values(name=name, value=value))


def _heads(connection: Connection) -> list[HeadName]:
    found = connection.execute(select(history.c.model_name, history.c.head_name).distinct())
    return sorted(HeadName(model, head) for model, head in found)


def _chosen(
    known: list[HeadName], model: str | None, head: str | None, registry: str
) -> list[HeadName]:
    of_model = [name for name in known if model is None or _is_of(name, model)]
    if not of_model and model is not None:
        models = sorted({name.model for name in known})
        raise _no_such("model", model, models, registry)
    chosen = [
        name
        for name in of_model
        if head is None or fnmatchcase(name.head, head) or fnmatchcase(name.full, head)
    ]
    if not chosen and head is not None:
        raise _no_such("head", head, [name.full for name in of_model], registry)
    return chosen


def _is_of(name: HeadName, model: str) -> bool:
    return f"{name.model}/".startswith(f"{model}/") or fnmatchcase(name.model, model)


def _no_such(what: str, wanted: str, known: list[str], registry: str) -> InputError:
    return InputError(
        f"no {what} {wanted!r} in {registry}",
        hint=nearest(wanted, known),
        code=f"no-such-{what}",
    )
