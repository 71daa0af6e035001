"""The rows of a table with truth as arrays, label by label, for either form.

Scores and truth never pass through Python objects; only texts that were asked for do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from calreg.errors import InputError
from calreg.labelled import Floats, LabelledColumn, Texts, Truth
from calreg.scores.engine import Array, Column, Connection, batches, rows_of
from calreg.scores.expressions import number_sql, truth_sql
from calreg.scores.labelled_layout import LabelledLong, LabelledSource, LabelledWide, text_sql
from calreg.scores.layout import Cell
from calreg.scores.long import place_sql
from calreg.scores.sources import reading

__all__ = ["Found", "labels_of_long", "read_long", "read_wide"]

_Form = TypeVar("_Form", LabelledWide, LabelledLong)

# The engine's time to plan a query grows with the square of its columns.
_MAX_TOGETHER = 200

_NO_SCORES = np.empty(0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Found:
    """What the rows hold.

    `cells` counts the scores that were looked at, accepted or not.
    """

    labels: Mapping[str, LabelledColumn]
    rows: int
    cells: int
    items: Texts | None
    keys: tuple[Texts, ...]

    @property
    def accepted(self) -> int:
        """How many scores were accepted."""
        return sum(column.scores.size for column in self.labels.values())


def _accepted(scores: Column, truth: Column) -> Truth:
    good: Truth = np.isfinite(scores[0])
    for _, nulls in (scores, truth):
        if nulls is not None:
            good &= ~nulls
    return good


def _texts(parts: Sequence[Array]) -> Texts:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.object_)


@dataclass(slots=True)
class _Parts:
    """One label's accepted scores, batch by batch."""

    scores: list[Floats] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)
    rows: list[NDArray[np.intp] | range] = field(default_factory=list)

    def add(self, scores: Column, truth: Column, first: int) -> None:
        """Take over a batch whose first row is row `first` of the table."""
        good = _accepted(scores, truth)
        if good.all():
            self.scores.append(scores[0])
            self.truth.append(truth[0].astype(np.bool_))
            self.rows.append(range(first, first + good.size))
            return
        self.scores.append(scores[0][good])
        self.truth.append(truth[0][good].astype(np.bool_))
        self.rows.append(np.flatnonzero(good) + first)

    def column(self, every: NDArray[np.intp]) -> LabelledColumn:
        """All of it; the parts are let go, so that memory holds them once and a half."""
        scores = np.concatenate(self.scores) if self.scores else _NO_SCORES
        truth = np.concatenate(self.truth) if self.truth else np.empty(0, dtype=np.bool_)
        self.scores, self.truth = [], []
        if scores.size == every.size:
            return LabelledColumn(scores, truth, every)
        parts = [np.arange(r.start, r.stop) if isinstance(r, range) else r for r in self.rows]
        rows = np.concatenate(parts) if parts else np.empty(0, dtype=np.intp)
        return LabelledColumn(scores, truth, rows)


def read_wide(
    connection: Connection,
    sources: Sequence[LabelledSource],
    labels: Sequence[str],
    *,
    with_items: bool,
    tick: Callable[[int], None],
) -> Found:
    """The labels of a wide table; every file is read once."""
    parts = {label: _Parts() for label in labels}
    texts: list[list[Array]] = []
    rows = cells = 0
    for source, form in _forms(sources, LabelledWide):
        chosen = [cell for cell in form.cells if cell.label in parts]
        first = rows
        for start in range(0, len(chosen), _MAX_TOGETHER):
            some, rows = chosen[start : start + _MAX_TOGETHER], first
            for scores, truths, kept in _wide_batches(
                connection, source, some, with_items=with_items
            ):
                for cell, column, truth in zip(some, scores, truths, strict=True):
                    parts[cell.label].add(column, truth, rows)
                if start == 0:
                    texts.append(kept)
                rows += scores[0][0].size
                cells += scores[0][0].size * len(some)
                tick(cells)
    every = np.arange(rows)
    columns = {label: part.column(every) for label, part in parts.items()}
    items, keys = _split(texts, has_items=with_items and sources[0].item is not None)
    return Found(columns, rows, cells, items, keys)


def _wide_batches(
    connection: Connection,
    source: LabelledSource,
    cells: Sequence[Cell],
    *,
    with_items: bool,
) -> Iterator[tuple[Sequence[Column], Sequence[Column], list[Array]]]:
    """Scores and truth of each cell, and the texts of the rows."""
    truths = list(dict.fromkeys(cell.truth for cell in cells if cell.truth is not None))
    values = [number_sql(source.source, cell.column) for cell in cells]
    values += [truth_sql(source.source, truth) for truth in truths]
    values += source.texts(with_items=with_items)
    places = [len(cells) + truths.index(cell.truth or "") for cell in cells]
    for batch in _stream(connection, source, values):
        of_texts = [column[0] for column in batch[len(cells) + len(truths) :]]
        yield batch[: len(cells)], [batch[place] for place in places], of_texts


def _forms(
    sources: Sequence[LabelledSource], kind: type[_Form]
) -> Iterator[tuple[LabelledSource, _Form]]:
    return ((one, one.form) for one in sources if isinstance(one.form, kind))


def _stream(
    connection: Connection, source: LabelledSource, values: Sequence[str]
) -> Iterator[list[Column]]:
    query = f"SELECT {', '.join(values)} FROM {source.scan()}"
    with reading(source.source), closing(batches(connection, query)) as stream:
        yield from stream


def _split(
    texts: Sequence[Sequence[Array]], *, has_items: bool
) -> tuple[Texts | None, tuple[Texts, ...]]:
    """The items, if there are any, and the keys, of all batches."""
    joined = [_texts(parts) for parts in zip(*texts, strict=True)]
    if has_items:
        return (joined[0], tuple(joined[1:])) if joined else (None, ())
    return None, tuple(joined)


def labels_of_long(connection: Connection, sources: Sequence[LabelledSource]) -> list[str]:
    """The labels that rows of a long table name, sorted."""
    found: set[str] = set()
    for source, form in _forms(sources, LabelledLong):
        with reading(source.source):
            query = f"SELECT DISTINCT {text_sql(form.label)} FROM {source.scan()}"
            found.update(row[0] for row in rows_of(connection, query) if row[0])
    return sorted(found)


def read_long(
    connection: Connection,
    sources: Sequence[LabelledSource],
    labels: Sequence[str],
    *,
    with_items: bool,
    tick: Callable[[int], None],
) -> Found:
    """The labels of a long table: a row of the result is an item, else a row of the table.

    Raises:
        InputError: An item stands twice for one label, or has two texts of one key.
    """
    has_items = sources[0].item is not None
    rows = _LongRows(has_items=has_items)
    for source, form in _forms(sources, LabelledLong):
        place = _label_sql(connection, source, form, labels)
        values = [place, number_sql(source.source, form.score)]
        values += [truth_sql(source.source, form.truth), *source.texts(with_items=True)]
        for batch in _stream(connection, source, values):
            rows.add(batch, nameless=len(labels))
            tick(rows.rows)
    if not rows.rows:
        return Found({}, 0, 0, None, ())
    items, ids = rows.items()
    columns = _columns(rows, labels, ids, items)
    keys = _split(rows.texts, has_items=has_items)[1]
    if ids is not None:
        keys = tuple(_per_item(ids, key, items) for key in keys)
    return Found(
        columns,
        rows.rows if items is None else items.size,
        rows.rows,
        items if with_items else None,
        keys,
    )


def _label_sql(
    connection: Connection, source: LabelledSource, form: LabelledLong, labels: Sequence[str]
) -> str:
    """The label's place among the labels; null where the row lacks a name."""
    if not labels:
        return "CAST(NULL AS USMALLINT)"
    kind = "USMALLINT" if len(labels) < 2**16 else "INTEGER"
    place = f"CAST({place_sql(connection, form.label, labels, source.source)} AS {kind})"
    named = " AND ".join(f"coalesce({text_sql(name)}, '') <> ''" for name in form.names)
    return f"CASE WHEN {named} THEN {place} END"


class _LongRows:
    """All rows of a long table, batch by batch, in the order of the table."""

    def __init__(self, *, has_items: bool) -> None:
        self._has_items = has_items
        self._numbers: dict[object, int] = {}
        self._nameless = count()
        self.rows = 0
        self.codes: list[Array] = []
        self.scores: list[Floats] = []
        self.truth: list[Truth] = []
        self.good: list[Truth] = []
        self.ids: list[NDArray[np.intp]] = []
        self.texts: list[list[Array]] = []

    def add(self, batch: Sequence[Column], *, nameless: int) -> None:
        """Take over a batch; a row without a label gets the code `nameless`."""
        (codes, lacking), scores, truth, *texts = batch
        good = _accepted(scores, truth)
        if lacking is not None:
            codes = np.where(lacking, codes.dtype.type(nameless), codes)
            good &= ~lacking
        self.rows += codes.size
        self.codes.append(codes)
        self.scores.append(scores[0])
        self.truth.append(truth[0].astype(np.bool_))
        self.good.append(good)
        self.texts.append([column[0] for column in texts])
        if self._has_items:
            named = (text or (next(self._nameless),) for text in self.texts[-1][0])
            numbers = self._numbers
            ids = (numbers.setdefault(name, len(numbers)) for name in named)
            self.ids.append(np.fromiter(ids, dtype=np.intp, count=codes.size))

    def items(self) -> tuple[Texts | None, NDArray[np.intp] | None]:
        """What the items are called, in order of appearance, and which is each row's."""
        if not self._has_items:
            return None, None
        items = np.empty(len(self._numbers), dtype=np.object_)
        items[:] = [name if isinstance(name, str) else "" for name in self._numbers]
        self._numbers = {}
        return items, np.concatenate(self.ids)


def _columns(
    rows: _LongRows, labels: Sequence[str], ids: NDArray[np.intp] | None, items: Texts | None
) -> dict[str, LabelledColumn]:
    codes, good = np.concatenate(rows.codes), np.concatenate(rows.good)
    scores, truth = np.concatenate(rows.scores), np.concatenate(rows.truth)
    rows.codes, rows.good, rows.scores, rows.truth = [], [], [], []
    # numpy's stable sort of 16-bit integers is a radix sort.
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(labels) + 1))
    found = {}
    for number, label in enumerate(labels):
        of_label = order[ends[number - 1] if number else 0 : ends[number]]
        if ids is not None and items is not None:
            _refuse_twice(ids[of_label], items, label)
            of_label = of_label[np.argsort(ids[of_label], kind="stable")]
        of_label = of_label[good[of_label]]
        places = of_label if ids is None else ids[of_label]
        found[label] = LabelledColumn(scores[of_label], truth[of_label], places)
    return found


def _refuse_twice(ids: NDArray[np.intp], items: Texts, label: str) -> None:
    times = np.bincount(ids, minlength=items.size)
    again = np.flatnonzero(times > 1)
    if again.size:
        others = f", and {again.size - 1:,} more items" if again.size > 1 else ""
        raise InputError(
            f"item {items[again[0]]!r} stands {times[again[0]]} times for label {label!r}{others}",
            hint="Keep one score per item and label: --column item=NAME names what tells them "
            "apart, --where COLUMN=TEXT chooses rows.",
            code="item-twice",
        )


def _per_item(ids: NDArray[np.intp], texts: Texts, items: Texts | None) -> Texts:
    """A key's text per item, which all rows of an item must agree on."""
    first = np.empty(0 if items is None else items.size, dtype=np.intp)
    first[ids[::-1]] = np.arange(ids.size)[::-1]
    found: Texts = texts[first]
    unlike = np.flatnonzero(texts != found[ids])
    if unlike.size and items is not None:
        place = unlike[0]
        raise InputError(
            f"item {items[ids[place]]!r} has two texts of one key, "
            f"{found[ids[place]]!r} and {texts[place]!r}",
            hint="A key says something of the item: name a column that is the same in its rows.",
            code="key-twice",
        )
    return found
