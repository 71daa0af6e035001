"""Blocks of scores put through both calibrations: counts, the farthest movers, a table of changes.

A block is some rows of a table as the engine hands them over: a number of columns and,
where the table has one, the column of its items. That one stays as it is: no text of an item
becomes an object here, but for those of the few movers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.retag import (
    REASONS,
    Intervals,
    Mover,
    Outcome,
    RetagRules,
    Tallies,
    changes_between,
    reason_text,
)
from calreg.scores.engine import Connection, column_of
from calreg.scores.retag_plan import Key

__all__ = ["CHANGED", "Block", "Changes", "Kept", "blocks"]

Floats: TypeAlias = NDArray[np.float64]
Kept: TypeAlias = Literal["all", "unsure", "none"]

CHANGED = "calreg_changed"
"""The table of changes: item, place of head and label, score, before, after, why."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows: their columns of numbers, NaN for null, and their items as the engine has them."""

    columns: tuple[NDArray[Any], ...]
    items: Any | None
    rows: int

    def item(self, row: int) -> str | None:
        """The text of one row's item."""
        if self.items is None:
            return None
        view = self.items.view()
        at = view.offset + row
        if view.null_count and not np.array(view.buffer(0))[at // 8] >> (at % 8) & 1:
            return None
        start, stop = np.array(view.buffer(1), copy=False)[at : at + 2].tolist()
        return np.array(view.buffer(2), copy=False)[start:stop].tobytes().decode()


def blocks(connection: Connection, query: str, *, has_items: bool) -> Iterator[Block]:
    """The rows of a query, in order; with `has_items` its last column is text: the items."""
    from nanoarrow import c_array_stream

    with c_array_stream(connection.sql(query)) as stream:
        for batch in stream:
            view = batch.view()
            numbers = range(batch.n_children - has_items)
            columns = tuple(_filled(*column_of(view.child(number))) for number in numbers)
            items = batch.child(batch.n_children - 1) if has_items else None
            yield Block(columns, items, batch.length)


def _filled(array: NDArray[Any], nulls: NDArray[Any] | None) -> NDArray[Any]:
    if nulls is not None:
        array[nulls] = np.nan
    return array


@dataclass(frozen=True, slots=True)
class _Found:
    """The changes of one label in a block: which rows, and what they are."""

    place: int
    rows: NDArray[np.intp]
    scores: Floats
    before: Floats
    after: Floats
    why: NDArray[np.uint8]

    def of(self, some: NDArray[np.intp]) -> _Found:
        """Some of them."""
        return _Found(
            self.place,
            self.rows[some],
            self.scores[some],
            self.before[some],
            self.after[some],
            self.why[some],
        )


class Changes:
    """Takes outcomes, block by block, and keeps what changes.

    Args:
        connection: Where the table of changes is made, if one is wanted.
        keys: Heads and labels by their places.
        rules: What counts as a change.
        limit: How many of the farthest movers to keep.
        kept: Which changes are wanted as a table: all of them; those of scores that no interval
            of certain change holds; or none.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Sequence[Key],
        rules: RetagRules,
        *,
        limit: int,
        kept: Kept,
    ) -> None:
        # A cursor of its own: the other is in the middle of a query.
        self._connection = connection.cursor()
        self.keys = tuple(keys)
        self.places = {key: place for place, key in enumerate(self.keys)}
        self._rules = rules
        self._limit = limit
        self.kept = kept
        self._found: list[_Found] = []
        self._listed: list[_Found] = []
        self.tallies = [Tallies() for _ in keys]
        self.movers: list[Mover] = []
        self._connection.execute(
            f"CREATE TABLE {CHANGED} (item VARCHAR, place INTEGER, score DOUBLE, "
            "before DOUBLE, after DOUBLE, why UTINYINT)"
        )

    def add(
        self,
        key: Key,
        rows: NDArray[np.intp],
        scores: Floats,
        outcomes: tuple[Outcome | None, Outcome | None],
        *,
        sure: Intervals | None = None,
    ) -> NDArray[np.intp]:
        """Take the scores of one label, with the rows of the block that they are in.

        Args:
            key: Head and label.
            rows: Of the block, one per score.
            scores: Raw ones.
            outcomes: What the two calibrations make of them.
            sure: Where all scores change their outcome.

        Returns:
            The rows in which its outcome changes.
        """
        before, after = outcomes
        why = changes_between(before, after, np.isfinite(scores), self._rules)
        kept = np.flatnonzero(why)
        if not kept.size:
            return kept
        place = self.places[key]
        sides = [_values(side, kept) for side in outcomes]
        found = _Found(place, rows[kept], scores[kept], sides[0], sides[1], why[kept])
        self._count(place, found.why)
        self._found.append(found)
        if self.kept == "unsure":
            inside = sure is not None and sure.contains(found.scores)
            found = found.of(np.flatnonzero(~np.asarray(inside)))
        if self.kept != "none" and found.rows.size:
            self._listed.append(found)
        return rows[kept]

    def _count(self, place: int, why: NDArray[np.uint8]) -> None:
        tally = self.tallies[place]
        tally.changed += why.size
        counts = np.bincount(why, minlength=2 * max(REASONS.values()))
        every = np.arange(counts.size)
        for name, bit in REASONS.items():
            tally.reasons[name] += int(counts[(every & bit) > 0].sum())

    def end(self, block: Block) -> None:
        """Keep what was found in a block, all of its labels having been added."""
        for one in self._found:
            self._move(one, block)
        if self._listed and block.items is not None:
            self._insert(self._listed, block)
        self._found, self._listed = [], []

    def _move(self, found: _Found, block: Block) -> None:
        """Keep the farthest movers; of equal ones those that came first."""
        if not self._limit:
            return
        moves = np.abs(found.after - found.before)
        least = self.movers[-1].move if len(self.movers) == self._limit else 0.0
        far = np.flatnonzero(moves > least)
        if not far.size:
            return
        order = far[np.argsort(-moves[far], kind="stable")][: self._limit]
        head, label = self.keys[found.place]
        for n in order.tolist():
            mover = Mover(
                block.item(int(found.rows[n])),
                head,
                label,
                float(found.scores[n]),
                float(found.before[n]),
                float(found.after[n]),
                reason_text(int(found.why[n])),
            )
            self.movers.append(mover)
        self.movers.sort(key=lambda mover: -mover.move)
        del self.movers[self._limit :]

    def _insert(self, found: Sequence[_Found], block: Block) -> None:
        of_row = np.arange(block.rows, dtype=np.int32)
        items = _table({"row": _array(of_row), "item": block.items}, block.rows)
        self._connection.register("calreg_rows", _listed(found))
        self._connection.register("calreg_items", items)
        self._connection.execute(
            f"INSERT INTO {CHANGED} SELECT item, place, score, before, after, why "
            "FROM calreg_rows JOIN calreg_items USING (row)"
        )
        self._connection.unregister("calreg_rows")
        self._connection.unregister("calreg_items")


def _listed(found: Sequence[_Found]) -> Any:
    """The changes of a block as a table that the engine reads where it lies."""
    sizes = [one.rows.size for one in found]
    columns: dict[str, NDArray[Any]] = {
        "row": np.concatenate([one.rows for one in found]).astype(np.int32),
        "place": np.repeat([one.place for one in found], sizes).astype(np.int32),
        "score": np.concatenate([one.scores for one in found]),
        "before": np.concatenate([one.before for one in found]),
        "after": np.concatenate([one.after for one in found]),
        "why": np.concatenate([one.why for one in found]),
    }
    return _table({name: _array(column) for name, column in columns.items()}, sum(sizes))


def _values(side: Outcome | None, kept: NDArray[np.intp]) -> Floats:
    if side is None or side.value is None:
        return np.full(kept.size, np.nan)
    return side.value[kept]


def _array(data: NDArray[Any]) -> Any:
    import nanoarrow

    kind = getattr(nanoarrow, data.dtype.name)()  # int32, float64, uint8: the same names
    return nanoarrow.c_array_from_buffers(kind, data.size, [None, data])


def _table(columns: Mapping[str, Any], rows: int) -> Any:
    import nanoarrow

    schema = nanoarrow.struct({name: array.schema for name, array in columns.items()})
    parts = columns.values()
    return nanoarrow.Array(
        nanoarrow.c_array_from_buffers(schema, rows, [None], children=parts, move=False)
    )
