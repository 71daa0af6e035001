"""Comparing over a long table: the engine sieves its rows by the intervals of their label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calreg.names import HeadName, check_label
from calreg.retag import HeadRetag
from calreg.scores.engine import identifier, insert_rows, literal, rows_of
from calreg.scores.expressions import double_sql
from calreg.scores.layout import LongLayout, named_heads
from calreg.scores.retag_blocks import CHANGED, Block, Changes, blocks
from calreg.scores.retag_plan import Key
from calreg.scores.retag_staging import Stage
from calreg.scores.sources import Source, reading

__all__ = ["LongTable", "open_long"]

_OWN = "calreg_"
_POSSIBLE, _SURE = f"{_OWN}possible", f"{_OWN}sure"
_Raw = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class LongTable:
    """A long table, looked at once to see which heads and labels it has.

    `raw` are the names as they are written; `counts` the rows and readable scores of each;
    `nameless` the rows that lack a name; `is_part` whether other rows are not meant;
    `score` the column of scores.
    """

    stage: Stage
    relations: tuple[tuple[Source, str], ...]
    raw: Mapping[_Raw, Key]
    counts: Mapping[Key, tuple[int, int]]
    nameless: int
    is_part: bool
    score: str

    @property
    def rows(self) -> int:
        """All rows that are meant."""
        return sum(rows for rows, _ in self.counts.values()) + self.nameless

    @property
    def looks(self) -> int:
        """How many scores a sieve looks at, at most."""
        return sum(readable for _, readable in self.counts.values())

    def columns(self) -> Iterator[tuple[str, Sequence[Key]]]:
        """The column of scores, and whose they are."""
        yield self.score, list(self.counts)

    def sieve(self, heads: Mapping[HeadName, HeadRetag], changes: Changes) -> Iterator[int]:
        """Put the rows that may change through both calibrations; yields how many were."""
        self._write_ranges(_POSSIBLE, heads, changes.places)
        has_items = self.stage.has_items
        listed = "r.place, t.s" + ", t.i" * has_items
        for source, relation in self.relations:
            query = f"SELECT {listed} FROM {_within(relation, _POSSIBLE)}"
            with reading(source):
                for block in blocks(self.stage.connection, query, has_items=has_items):
                    _add(block, heads, changes)
                    changes.end(block)
                    yield block.rows

    def _write_ranges(
        self, ranges: str, heads: Mapping[HeadName, HeadRetag], places: Mapping[Key, int]
    ) -> None:
        """Intervals of the labels as a table, by the names as they are written."""
        connection = self.stage.connection
        connection.execute(
            f"CREATE OR REPLACE TABLE {ranges} "
            "(m VARCHAR, h VARCHAR, l VARCHAR, place INTEGER, lo DOUBLE, hi DOUBLE)"
        )
        rows = [
            (*names, places[key], lo, hi)
            for names, key in self.raw.items()
            if not heads[key[0]].is_same
            for lo, hi in getattr(heads[key[0]].labels[key[1]], ranges.removeprefix(_OWN)).pairs
        ]
        insert_rows(connection, ranges, rows)

    def items(
        self, heads: Mapping[HeadName, HeadRetag], changes: Changes
    ) -> tuple[int | None, int | None]:
        """How many items there are, and how many have any change, once all are sieved.

        None where the table does not name them.
        """
        if not self.stage.has_items:
            return None, None
        test = "true"
        if self.is_part:
            named = (f"({', '.join(map(literal, names))})" for names in self.raw)
            test = f"(m, h, l) IN ({', '.join(named)})"
        of_all = [f"SELECT i FROM {relation} WHERE {test}" for _, relation in self.relations]
        changed = self.changed_items(heads, changes)
        return self._distinct(" UNION ALL ".join(of_all)), self._distinct(changed)

    def changed_items(self, heads: Mapping[HeadName, HeadRetag], changes: Changes) -> str:
        """The SQL of the items with any change, as `i`, some of them often; once all are sieved."""
        parts = [f"SELECT item AS i FROM {CHANGED}"]
        if changes.kept != "all":
            # The engine finds what is certain by itself: most of it, and no text moves.
            self._write_ranges(_SURE, heads, changes.places)
            parts += [f"SELECT i FROM {_within(one, _SURE)}" for _, one in self.relations]
        return " UNION ALL ".join(parts)

    def _distinct(self, items: str) -> int:
        found = f"SELECT DISTINCT i FROM ({items}) WHERE i IS NOT NULL"
        with reading(self.relations[0][0]):
            return int(rows_of(self.stage.connection, f"SELECT count(*) FROM ({found})")[0][0])


def open_long(
    stage: Stage, layout: LongLayout, sources: Sequence[Source], *, only: HeadName | None
) -> LongTable:
    """Look at a long table, of which only one head may be meant.

    Raises:
        InputError: Columns that hold no numbers, names that are refused.
    """
    relations = tuple((source, stage.of(source, _columns(layout, source))) for source in sources)
    counts: dict[tuple[str | None, ...], tuple[int, int]] = {}
    for source, relation in relations:
        counted = "count(*), count(*) FILTER (isfinite(s))"
        query = f"SELECT m, h, l, {counted} FROM {relation} GROUP BY ALL"
        with reading(source):
            for *names, rows, readable in rows_of(stage.connection, query):
                before = counts.get(tuple(names), (0, 0))
                counts[tuple(names)] = before[0] + rows, before[1] + readable
    named = {_texts(names): found for names, found in counts.items() if all(names)}
    nameless = sum(rows for names, (rows, _) in counts.items() if not all(names))
    heads = named_heads({(model, head) for model, head, _ in named})
    raw = {
        (model, head, label): (heads[model, head].name, check_label(label))
        for model, head, label in sorted(named)
    }
    meant = {names: key for names, key in raw.items() if only in {None, key[0]}}
    return LongTable(
        stage,
        relations,
        meant,
        {key: named[names] for names, key in meant.items()},
        nameless if only is None else 0,
        is_part=only is not None or bool(nameless),
        score=layout.score,
    )


def _texts(names: Sequence[str | None]) -> _Raw:
    model, head, label = map(str, names)
    return model, head, label


def _columns(layout: LongLayout, source: Source) -> dict[str, str]:
    names = zip("mhl", (layout.model, layout.head, layout.label), (*layout.fixed, ""), strict=True)
    columns = {
        name: literal(fixed) if column is None else f"CAST({identifier(column)} AS VARCHAR)"
        for name, column, fixed in names
    }
    return columns | {"s": double_sql(source, layout.score)}


def _within(relation: str, ranges: str) -> str:
    """The rows whose score is in a range of their label."""
    return (
        f"{relation} t JOIN {ranges} r "
        "ON t.m = r.m AND t.h = r.h AND t.l = r.l AND t.s >= r.lo AND t.s < r.hi"
    )


def _add(block: Block, heads: Mapping[HeadName, HeadRetag], changes: Changes) -> None:
    places, scores = block.columns
    order = np.argsort(places, kind="stable")
    bounds = np.flatnonzero(np.diff(places[order])) + 1
    for rows in np.split(order, bounds):
        if rows.size:
            name, label = changes.keys[int(places[rows[0]])]
            found = scores[rows]
            one = heads[name].labels[label]
            changes.add((name, label), rows, found, one.outcomes(found), sure=one.sure)
