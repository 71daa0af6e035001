"""Scores out: the scores of each label as arrays, all of one moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from calreg.errors import InputError
from calreg.names import nearest
from calreg.store.database import Database
from calreg.store.naming import names_of

__all__ = ["Arrays"]

_BLOCK = 1_000_000
_PAIR = np.dtype([("item", np.int64), ("score", np.float64)])

Block = tuple[NDArray[np.int64], NDArray[np.float64]]


class Arrays:
    """The part of a store that hands scores out."""

    _database: Database

    def score_arrays(
        self, heads: Collection[str] | None = None
    ) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
        """Head, label and scores (float64, in the order of the items) of every label.

        All are of the moment when the first was asked for, whatever is written meanwhile.

        Args:
            heads: Full names; None: all. A head without scores has no label, so none comes.
        """
        wanted = None if heads is None else set(heads)
        with self._database.reading() as connection:
            for number, head, label in _labels(connection):
                if wanted is None or head in wanted:
                    yield head, label, self._scores_of(connection, number)

    def item_scores(self, head: str, label: str, *, block: int = _BLOCK) -> Iterator[Block]:
        """The ids of items and their scores, by id, some at a time; all of one moment.

        Raises:
            InputError: No score of that head and label was ever put.
        """
        with self._database.reading() as connection:
            ids = {(head, label): number for number, head, label in _labels(connection)}
            if (head, label) not in ids:
                raise _unknown(head, label, ids)
            yield from self._blocks(connection, ids[head, label], block)

    def item_names(self, ids: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The names of items, in the order of their ids.

        Raises:
            InputError: There is no item of an id.
        """
        wanted = [int(number) for number in ids]
        with self._database.reading() as connection:
            names = names_of(connection, self._database, wanted)
        missing = next((number for number in wanted if number not in names), None)
        if missing is not None:
            raise InputError(f"no item with the id {missing}", code="no-such-item")
        return [names[number] for number in wanted]

    def _scores_of(self, connection: Connection, label: int) -> NDArray[np.float64]:
        if self._database.is_sqlite:
            found = _sqlite_rows(connection, "SELECT score", label)
            return np.fromiter(chain.from_iterable(found), dtype=np.float64)
        blocks = [scores for _, scores in self._blocks(connection, label, _BLOCK)]
        return np.concatenate(blocks) if blocks else np.empty(0)

    def _blocks(self, connection: Connection, label: int, block: int) -> Iterator[Block]:
        if not self._database.is_sqlite:
            yield from _postgresql_blocks(connection, label, block)
            return
        found = _sqlite_rows(connection, "SELECT item_id, score", label)
        while len(some := np.fromiter(islice(found, block), dtype=_PAIR)):
            yield np.ascontiguousarray(some["item"]), np.ascontiguousarray(some["score"])


def _labels(connection: Connection) -> list[tuple[int, str, str]]:
    query = "SELECT id, model, head, label FROM labels ORDER BY model, head, label"
    return [
        (number, f"{model}/{head}", label)
        for number, model, head, label in connection.execute(text(query))
    ]


def _unknown(head: str, label: str, known: Collection[tuple[str, str]]) -> InputError:
    labels = {one for name, one in known if name == head}
    if labels:
        return InputError(
            f"no scores of label {label!r}", where=head, hint=nearest(label, labels),
            code="no-such-label",
        )  # fmt: skip
    heads = {name for name, _ in known}
    return InputError(f"no scores of head {head!r}", hint=nearest(head, heads), code="no-such-head")


def _sqlite_rows(connection: Connection, select: str, label: int) -> Iterator[Any]:
    # The driver's own cursor: a million rows a second more than through SQLAlchemy's.
    cursor = connection.connection.cursor()
    cursor.execute(f"{select} FROM scores WHERE label_id = ? ORDER BY item_id", (label,))
    return iter(cursor)  # type: ignore[call-overload, no-any-return]


# One value of all scores at once: no Python object for any of them.
_PACKED = """
SELECT string_agg(int8send(item_id), ''::bytea), string_agg(float8send(score), ''::bytea)
FROM (SELECT item_id, score FROM scores WHERE label_id = %b AND item_id > %b
      ORDER BY item_id LIMIT %b) AS block
"""


def _postgresql_blocks(connection: Connection, label: int, block: int) -> Iterator[Block]:
    after = -1
    while True:
        found = connection.exec_driver_sql(_PACKED, (label, after, block)).one()
        if found[0] is None:
            return
        items = np.frombuffer(bytes(found[0]), dtype=">i8").astype(np.int64)
        scores = np.frombuffer(bytes(found[1]), dtype=">f8").astype(np.float64)
        if not (items[1:] > items[:-1]).all():
            # Both are in the one order of the subquery, which is nearly always the one asked
            # for; to ask for it again costs the server a sort of each.
            order = np.argsort(items)
            items, scores = items[order], scores[order]
        yield items, scores
        after = int(items[-1])
