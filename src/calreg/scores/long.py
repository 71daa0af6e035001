"""Reading long tables: one row per item and label, the group found in SQL.

Model, head and label are looked up in enumerations, which costs the engine one look per
entry of a Parquet dictionary instead of one per row. The enumerations come from the first
rows; should a later row hold a name that is in none of them, all names are collected first
and reading starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from calreg.scores.engine import (
    Column,
    Connection,
    batches,
    identifier,
    literal,
    rows_of,
)
from calreg.scores.expressions import type_of, value_sql
from calreg.scores.gather import Gather
from calreg.scores.layout import LongLayout
from calreg.scores.sources import Source, reading

__all__ = ["LongReading", "Names", "place_sql", "read_long"]

_SAMPLED_ROWS = 50_000
_MAX_DENSE = 65_536
_type_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Names:
    """All raw models, heads and labels, each sorted; a group is one of each.

    `known` holds the codes that occur, ascending, if there are too many combinations to
    number them all; a group's number then is its code's place in `known`.
    """

    parts: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    complete: bool
    known: NDArray[np.int64] | None = None

    @property
    def groups(self) -> int:
        """How many group numbers there are."""
        if self.known is not None:
            return self.known.size
        return int(np.prod([len(part) for part in self.parts], dtype=np.int64))

    def of(self, group: int) -> tuple[str, str, str]:
        """Model, head and label of a group."""
        code = group if self.known is None else int(self.known[group])
        code, label = divmod(code, len(self.parts[2]))
        model, head = divmod(code, len(self.parts[1]))
        return self.parts[0][model], self.parts[1][head], self.parts[2][label]


@dataclass(frozen=True, slots=True)
class LongReading:
    """What the first look at a long table found."""

    names: Names
    gather: Gather
    rows: int
    seen: NDArray[np.int64]
    """Per group the rows with null for a score: a label all of which is rejected is one too."""


class _UnknownNameError(Exception):
    """A row holds a name that the first rows did not."""


def read_long(
    connection: Connection,
    layout: LongLayout,
    sources: Sequence[Source],
    make_gather: Callable[[int], Gather],
    tick: Callable[[int], None],
) -> LongReading:
    """Go through all rows once, or twice if names turn up late."""
    names = _names(connection, layout, sources, limit=_SAMPLED_ROWS)
    try:
        return _read(connection, layout, sources, names, make_gather, tick)
    except _UnknownNameError:
        names = _names(connection, layout, sources, limit=None)
        return _read(connection, layout, sources, names, make_gather, tick)


def _columns(layout: LongLayout) -> tuple[str | None, str | None, str]:
    return layout.model, layout.head, layout.label


def _names(
    connection: Connection, layout: LongLayout, sources: Sequence[Source], *, limit: int | None
) -> Names:
    rows: set[tuple[str, ...]] = set()
    columns = [column for column in _columns(layout) if column is not None]
    listed = ", ".join(f"CAST({identifier(column)} AS VARCHAR)" for column in columns)
    for source in sources:
        part = f"SELECT {listed} FROM {source.scan()}" + (f" LIMIT {limit}" if limit else "")
        with reading(source):
            rows.update(rows_of(connection, f"SELECT DISTINCT * FROM ({part})"))
    found = [{row[n] for row in rows if row[n]} for n in range(len(columns))]
    by_column = dict(zip(columns, found, strict=True))
    model, head, label = (
        tuple(sorted(by_column[column])) if column is not None else (fixed,)
        for column, fixed in zip(_columns(layout), (*layout.fixed, ""), strict=True)
    )
    names = Names((model, head, label), complete=limit is None)
    if names.groups <= _MAX_DENSE:
        return names
    if limit is not None:
        return _names(connection, layout, sources, limit=None)
    return Names(names.parts, complete=True, known=_codes(names, layout, rows))


def _codes(names: Names, layout: LongLayout, rows: set[tuple[str, ...]]) -> NDArray[np.int64]:
    places = [{name: n for n, name in enumerate(part)} for part in names.parts]
    codes = []
    for row in rows:
        if all(row):
            texts = iter(row)
            code = 0
            for column, place in zip(_columns(layout), places, strict=True):
                code = code * len(place) + (0 if column is None else place[next(texts)])
            codes.append(code)
    return np.array(sorted(codes), dtype=np.int64)


def _code_sql(connection: Connection, layout: LongLayout, names: Names, source: Source) -> str:
    total = int(np.prod([len(part) for part in names.parts], dtype=np.int64))
    integer = "UTINYINT" if total <= 2**8 else "USMALLINT" if total <= 2**16 else "BIGINT"
    code, alone = "", []
    for column, part in zip(_columns(layout), names.parts, strict=True):
        if column is None:
            continue
        place = place_sql(connection, column, part, source)
        if len(part) == 1:
            alone.append(f"{place} IS NOT NULL")  # cheaper than arithmetic that adds 0
        elif code:
            code = f"({code}) * CAST({len(part)} AS {integer}) + CAST({place} AS {integer})"
        else:
            code = f"CAST({place} AS {integer})"
    code = code or f"CAST(0 AS {integer})"
    return f"CASE WHEN {' AND '.join(alone)} THEN {code} END" if alone else code


def place_sql(connection: Connection, column: str, part: Sequence[str], source: Source) -> str:
    """The place of a column's text in `part`, from 0; null where it is none of them."""
    enum = f"calreg_names_{next(_type_numbers)}"
    connection.execute(f"CREATE TYPE {enum} AS ENUM ({', '.join(map(literal, part))})")
    text = identifier(column)
    if type_of(source, column) != "VARCHAR":
        text = f"CAST({text} AS VARCHAR)"
    return f"enum_code(TRY_CAST({text} AS {enum}))"


def _read(
    connection: Connection,
    layout: LongLayout,
    sources: Sequence[Source],
    names: Names,
    make_gather: Callable[[int], Gather],
    tick: Callable[[int], None],
) -> LongReading:
    gather = make_gather(names.groups)
    reader = _Reader(names, gather, tick)
    try:
        for source in sources:
            code = _code_sql(connection, layout, names, source)
            value = value_sql(source, layout.score, layout.truth)
            query = f"SELECT {code}, {value} FROM {source.scan()}"
            with reading(source), closing(batches(connection, query)) as stream:
                for batch in stream:
                    reader.take(*batch)
    except BaseException:
        gather.close()
        raise
    return LongReading(names, gather, reader.rows, reader.seen)


class _Reader:
    """Sorts a batch's rows into accepted ones, rejected ones and unknown names."""

    def __init__(self, names: Names, gather: Gather, tick: Callable[[int], None]) -> None:
        self._names = names
        self._gather = gather
        self._tick = tick
        self.rows = 0
        self.seen = np.zeros(names.groups, dtype=np.int64)

    def take(
        self,
        codes_column: Column,
        scores_column: Column,
    ) -> None:
        """One batch: codes and scores with their masks of nulls."""
        (codes, nameless), (scores, nulls) = codes_column, scores_column
        self.rows += codes.size
        if nameless is not None:
            if not self._names.complete:
                raise _UnknownNameError
            named = ~nameless
            codes, scores = codes[named], scores[named]
            nulls = None if nulls is None else nulls[named]
        if self._names.known is not None:
            codes = np.searchsorted(self._names.known, codes)
        if nulls is not None:
            self.seen += np.bincount(codes[nulls], minlength=self.seen.size)
            codes, scores = codes[~nulls], scores[~nulls]
        self._gather.add(codes, scores)
        self._tick(self.rows)
