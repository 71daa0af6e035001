"""Scores in: batches of rows, each written whole or not at all, and idempotent."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from calreg.errors import InputError
from calreg.failpoints import reach
from calreg.names import HeadName, check_label
from calreg.store.database import Database
from calreg.store.naming import ids_of
from calreg.store.values import PutCounts, Revision, Row, check_items

__all__ = ["Ingest"]

Label = tuple[str, str]  # the head's full name, the label
_MAX_ITEMS = 2**40  # a label's and an item's id in one number of 64 bits


class _Batch(NamedTuple):
    """Rows with ids for names, by label and item, each of them once."""

    labels: NDArray[np.int64]
    items: NDArray[np.int64]
    scores: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_]) -> _Batch:
        """Some of the rows."""
        return _Batch(self.labels[chosen], self.items[chosen], self.scores[chosen])


class Ingest:
    """The part of a store that takes scores."""

    _database: Database
    _label_ids: dict[Label, int]

    def put_scores(self, rows: Sequence[Row]) -> PutCounts:
        """Write a batch; a score that is there already is replaced by the new one.

        Args:
            rows: In any order; of two rows for one item and label, the later counts.

        Raises:
            InputError: A score is no finite number, or a name cannot be one; nothing is kept.
            StoreError: The database is down or full; nothing is kept.
        """
        if not rows:
            return PutCounts(0, 0, 0, 0)
        names, heads, labels, raw = zip(*rows, strict=True)
        scores = _finite(raw, rows)
        items = dict.fromkeys(names)
        check_items(list(items))
        pairs = list(zip(heads, labels, strict=True))
        wanted = dict.fromkeys(pairs)
        _check_labels(label for label in wanted if label not in self._label_ids)
        with self._database.writing("scores") as connection:
            label_ids = self._labels_in(connection, list(wanted))
            item_ids, new_items = _items_in(connection, self._database, list(items))
            batch = _batch_of(
                np.array([label_ids[pair] for pair in pairs], dtype=np.int64),
                np.array([item_ids[name] for name in names], dtype=np.int64),
                scores,
            )
            if self._database.is_sqlite:
                new, changed = _write_sqlite(connection, batch)
            else:
                first_new = max(item_ids.values()) + 1 - new_items
                new, changed = _write_postgresql(connection, batch, first_new)
            reach("scores-written")
            if new or changed or new_items:
                connection.execute(_COUNT, {"items": new_items, "scores": new})
        reach("scores-committed")
        self._label_ids.update(label_ids)  # not before it is sure that they stay
        same = len(batch.scores) - new - changed
        return PutCounts(new_items, new, changed, same, len(rows) - len(batch.scores))

    def revision(self) -> Revision:
        """How many items and scores there are, and how often that changed."""
        with self._database.reading() as connection:
            found = connection.execute(text("SELECT items, scores, change FROM totals")).one()
        return Revision(*found)

    def items(self) -> int:
        """How many items have a score."""
        return self.revision().items

    def _labels_in(self, connection: Connection, wanted: list[Label]) -> dict[Label, int]:
        known = self._label_ids
        if not all(label in known for label in wanted):
            known = _known_labels(connection)
            new = [label for label in wanted if label not in known]
            first = max(known.values(), default=0) + 1
            known |= {label: number for number, label in enumerate(new, start=first)}
            if new:
                connection.execute(_NEW_LABEL, [_label_row(known[label], label) for label in new])
        return {label: known[label] for label in wanted}


_COUNT = text(
    "UPDATE totals SET items = items + :items, scores = scores + :scores, change = change + 1"
)
_NEW_LABEL = text("INSERT INTO labels (id, model, head, label) VALUES (:id, :model, :head, :label)")


def _label_row(number: int, label: Label) -> dict[str, object]:
    name = HeadName.parse(label[0])
    return {"id": number, "model": name.model, "head": name.head, "label": label[1]}


def _known_labels(connection: Connection) -> dict[Label, int]:
    found = connection.execute(text("SELECT model, head, label, id FROM labels"))
    return {(f"{model}/{head}", label): number for model, head, label, number in found}


def _check_labels(labels: Iterable[Label]) -> None:
    for head, label in labels:
        HeadName.parse(head)
        check_label(label)


def _finite(raw: Sequence[float], rows: Sequence[Row]) -> NDArray[np.float64]:
    try:
        scores = np.frombuffer(array("d", raw))
        is_finite = np.isfinite(scores)
    except (TypeError, OverflowError):
        is_finite = np.array([_is_number(score) for score in raw])
    if not is_finite.all():
        row = rows[int(np.argmin(is_finite))]
        raise InputError(
            f"item {row.item!r}, {row.head} {row.label!r}: "
            f"expected a finite score, got {row.score!r}",
            code="score",
        )
    return scores + 0.0  # SQLite has no negative zero


def _is_number(score: Any) -> bool:
    try:
        array("d", [score])
    except (TypeError, OverflowError):
        return False
    return True


def _items_in(
    connection: Connection, database: Database, names: list[str]
) -> tuple[Mapping[str, int], int]:
    """The id of every name, and how many of them are new."""
    found = ids_of(connection, database, names)
    new = [name for name in names if name not in found]
    if new:
        # One writer at a time, so that nobody else gives out the same.
        first = (connection.execute(text("SELECT max(id) FROM items")).scalar() or 0) + 1
        ids = range(first, first + len(new))
        _insert_items(connection, ids, new, is_sqlite=database.is_sqlite)
        found |= dict(zip(new, ids, strict=True))
    return found, len(new)


def _insert_items(connection: Connection, ids: range, names: list[str], *, is_sqlite: bool) -> None:
    if is_sqlite:
        connection.exec_driver_sql(
            "INSERT INTO items (id, name) VALUES (?, ?)", list(zip(ids, names, strict=True))
        )
    else:
        connection.exec_driver_sql(
            "INSERT INTO items (id, name) SELECT * FROM unnest(%b::bigint[], %b::text[])",
            (list(ids), names),
        )


def _batch_of(
    labels: NDArray[np.int64], items: NDArray[np.int64], scores: NDArray[np.float64]
) -> _Batch:
    """The rows in the order of the table, of equal ones the last."""
    keys = labels * _MAX_ITEMS + items
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    kept = order[np.append(ordered[1:] != ordered[:-1], True)]
    return _Batch(labels[kept], items[kept], scores[kept])


def _write_sqlite(connection: Connection, batch: _Batch) -> tuple[int, int]:
    """How many scores are new, and how many of the others changed."""
    columns = (batch.labels.tolist(), batch.items.tolist(), batch.scores.tolist())
    rows = list(zip(*columns, strict=True))
    new = connection.exec_driver_sql(_SQLITE_NEW, rows).rowcount
    if new == len(rows):
        return new, 0
    moved = [(score, label, item, score) for label, item, score in rows]
    return new, connection.exec_driver_sql(_SQLITE_CHANGED, moved).rowcount


def _write_postgresql(
    connection: Connection, batch: _Batch, first_new_item: int
) -> tuple[int, int]:
    """As for SQLite; scores of items that are new cannot be there yet, and are copied in."""
    is_new = batch.items >= first_new_item
    copied = batch.where(is_new)
    if len(copied.scores):
        _copy(connection, copied)
    rest = batch.where(~is_new)
    if not len(rest.scores):
        return len(copied.scores), 0
    columns = (rest.labels.tolist(), rest.items.tolist(), rest.scores.tolist())
    new = connection.exec_driver_sql(_POSTGRESQL_NEW, columns).rowcount
    changed = 0
    if new < len(rest.scores):
        changed = connection.exec_driver_sql(_POSTGRESQL_CHANGED, columns).rowcount
    return len(copied.scores) + new, changed


def _copy(connection: Connection, batch: _Batch) -> None:
    # PostgreSQL's binary form of COPY: the number of fields, each with its length before it.
    rows = np.empty(len(batch.scores), dtype=_COPIED)
    for name, value in (("fields", 3), ("size1", 4), ("size2", 8), ("size3", 8)):
        rows[name] = value
    rows["label"], rows["item"], rows["score"] = batch
    cursor: Any = connection.connection.cursor()
    with cursor.copy(_POSTGRESQL_COPY) as copy:
        copy.write(_COPY_HEADER + rows.tobytes() + _COPY_END)


_COPIED = np.dtype(
    [
        ("fields", ">i2"),
        ("size1", ">i4"),
        ("label", ">i4"),
        ("size2", ">i4"),
        ("item", ">i8"),
        ("size3", ">i4"),
        ("score", ">f8"),
    ]
)
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_SQLITE_NEW = "INSERT OR IGNORE INTO scores (label_id, item_id, score) VALUES (?, ?, ?)"
_SQLITE_CHANGED = "UPDATE scores SET score = ? WHERE label_id = ? AND item_id = ? AND score <> ?"
_POSTGRESQL_COPY = "COPY scores (label_id, item_id, score) FROM STDIN (FORMAT binary)"
_POSTGRESQL_NEW = (
    "INSERT INTO scores (label_id, item_id, score) "
    "SELECT * FROM unnest(%b::int[], %b::bigint[], %b::float8[]) "
    "ON CONFLICT (label_id, item_id) DO NOTHING"
)
_POSTGRESQL_CHANGED = (
    "UPDATE scores SET score = put.score "
    "FROM unnest(%b::int[], %b::bigint[], %b::float8[]) AS put (label_id, item_id, score) "
    "WHERE scores.label_id = put.label_id AND scores.item_id = put.item_id "
    "AND scores.score <> put.score"
)
