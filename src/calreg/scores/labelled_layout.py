"""Which columns of a table with truth hold what, for the one head that is asked for.

The forms are those of `calreg.scores.layout`; new here are the truth, the rows that count,
and further columns that are kept as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from calreg.errors import InputError
from calreg.names import HeadName, check_label, nearest
from calreg.scores.engine import Connection, identifier, literal, rows_of
from calreg.scores.layout import (
    Cell,
    Columns,
    check_distinct,
    head_cells,
    label_cells,
    named_heads,
    no_form,
)
from calreg.scores.sources import Source, reading
from calreg.scores.table import ScoreTable

__all__ = [
    "LabelledLong",
    "LabelledSource",
    "LabelledWide",
    "chosen_labels",
    "labelled_sources",
    "no_rows",
    "text_sql",
]

_MAX_VALUES = 1000
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LabelledWide:
    """A column of scores per label, each cell with its truth."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class LabelledLong:
    """A row per item and label; `names` are the columns that may not be empty."""

    label: str
    score: str
    truth: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelledSource:
    """One source: its form, and beside it the columns of text and the rows that count.

    `condition` is SQL, empty for all rows; `keys` are spelt as in the source; `heads` are
    those that the source names, none if it does not name heads.
    """

    source: Source
    form: LabelledWide | LabelledLong
    item: str | None
    keys: tuple[str, ...]
    condition: str
    heads: frozenset[HeadName] = frozenset()

    @property
    def is_logit(self) -> bool:
        """The columns say that the scores are logits."""
        form = self.form
        names = [form.score] if isinstance(form, LabelledLong) else [c.column for c in form.cells]
        return all(name.casefold().startswith("logit") for name in names)

    def scan(self) -> str:
        """The SQL of the rows that count."""
        chosen = f" WHERE {self.condition}" if self.condition else ""
        return f"{self.source.scan()}{chosen}"

    def texts(self, *, with_items: bool) -> tuple[str, ...]:
        """The SQL of the item, if wanted, and of every key; empty text for null."""
        item = (self.item,) if with_items and self.item is not None else ()
        return tuple(f"coalesce({text_sql(name)}, '')" for name in (*item, *self.keys))


def text_sql(column: str) -> str:
    """A column as text."""
    return f"CAST({identifier(column)} AS VARCHAR)"


def labelled_sources(
    connection: Connection,
    table: ScoreTable,
    sources: Sequence[Source],
    *,
    keys: Sequence[str],
    where: Mapping[str, str],
) -> tuple[LabelledSource, ...]:
    """What every source holds of the table's head.

    Raises:
        InputError: No head was named, a form or column is missing, or sources differ in form.
    """
    if table.head is None:
        raise InputError(
            "the head whose scores these are is not named",
            where=sources[0].where,
            hint="--head model/head",
            code="head-not-named",
        )
    found = [_labelled(connection, table, table.head, one, keys, where) for one in sources]
    for other in found[1:]:
        _refuse_difference(found[0], other)
    # A file per head is usual: those that name others only are passed over.
    of_head = tuple(one for one in found if not one.heads or table.head in one.heads)
    if not of_head:
        known = frozenset[HeadName]().union(*(one.heads for one in found))
        raise InputError(
            f"has no scores of {table.head.full!r}",
            where=found[0].source.where if len(found) == 1 else f"{len(found)} tables",
            hint=nearest(table.head.full, (name.full for name in known)),
            code="no-head",
        )
    return of_head


def _refuse_difference(first: LabelledSource, other: LabelledSource) -> None:
    where, known = other.source.where, first.source.where
    if type(other.form) is not type(first.form):
        forms = ("long", "wide") if isinstance(other.form, LabelledLong) else ("wide", "long")
        raise InputError(
            f"is a {forms[0]} table, {known} is a {forms[1]} one",
            where=where,
            hint="Read tables of one form at a time.",
            code="form",
        )
    if (other.item is None) != (first.item is None):
        named, lacking = (first, other) if other.item is None else (other, first)
        raise InputError(
            f"has no column {named.item!r}, {named.source.where} has one",
            where=lacking.source.where,
            hint="Items are told apart in all files or in none: --column item=NAME",
            code="columns",
        )


def _labelled(
    connection: Connection,
    table: ScoreTable,
    head: HeadName,
    source: Source,
    keys: Sequence[str],
    where: Mapping[str, str],
) -> LabelledSource:
    columns = Columns(source.columns, table.columns, source.where)
    conditions = [
        f"{text_sql(_existing(columns, name))} = {literal(text)}" for name, text in where.items()
    ]
    form: LabelledWide | LabelledLong
    if _is_long(columns):
        form, heads, of_head = _long(connection, table, head, columns, source)
        conditions += of_head
    else:
        form, heads = _wide(table, head, columns)
    return LabelledSource(
        source,
        form,
        columns.find("item") or columns.named("id"),
        tuple(_existing(columns, name) for name in keys),
        " AND ".join(conditions),
        heads,
    )


def _existing(columns: Columns, name: str) -> str:
    found = columns.named(name)
    if found is None:
        listed = ", ".join(columns.names[: 2 * _SHOWN])
        more = len(columns.names) - 2 * _SHOWN
        raise InputError(
            f"no column {name!r}; it has {listed}{f' and {more} more' if more > 0 else ''}",
            where=columns.where,
            hint=nearest(name, columns.names),
            code="columns",
        )
    return found


def _is_long(columns: Columns) -> bool:
    label, score = columns.find("label"), columns.find("score")
    if label is not None and score is not None and label == columns.find("truth"):
        raise InputError(
            f"column {label!r} is the truth, and nothing names the label of a row",
            where=columns.where,
            hint="For the scores of one label call their column score_<label>.",
            code="columns",
        )
    return label is not None and score is not None


def _wide(
    table: ScoreTable, head: HeadName, columns: Columns
) -> tuple[LabelledWide, frozenset[HeadName]]:
    cells, heads = label_cells(table, columns), frozenset[HeadName]()
    if not cells:
        every = head_cells(columns, model=table.model)
        check_distinct(every, model=table.model)
        heads = frozenset(cell.head.name for cell in every)
        cells = tuple(cell for cell in every if cell.head.name == head)
    if not cells and not heads:
        for role, other in (("score", "label"), ("label", "score")):
            if columns.find(other) is not None:
                raise columns.missing(role, role)
        raise no_form(columns)
    shared = columns.find("truth")
    is_mapped = "truth" in table.columns
    with_truth = (
        replace(cell, truth=shared if is_mapped else columns.named(f"y_{cell.label}") or shared)
        for cell in cells
    )
    return LabelledWide(tuple(with_truth)), heads


def _long(
    connection: Connection, table: ScoreTable, head: HeadName, columns: Columns, source: Source
) -> tuple[LabelledLong, frozenset[HeadName], list[str]]:
    """The columns of a long table, its heads, and the SQL of the rows of the one."""
    label, score, truth = (columns.need(role) for role in ("label", "score", "truth"))
    head_column = columns.find("head")
    model_column = columns.find("model") if head_column is not None else None
    naming = tuple(name for name in (model_column, head_column) if name is not None)
    form = LabelledLong(label, score, truth, (*naming, label))
    if not naming:
        return form, frozenset(), []
    listed = ", ".join(text_sql(name) for name in naming)
    with reading(source):
        rows = rows_of(connection, f"SELECT DISTINCT {listed} FROM {source.scan()}")
    model = table.model or head.model
    raw = {row if len(row) == 2 else (model, *row): row for row in rows if all(row)}
    named = named_heads(raw)
    tests = [
        f"{text_sql(column)} = {literal(text)}"
        for pair, one in named.items()
        if one.name == head
        for column, text in zip(naming, raw[pair], strict=True)
    ]
    # A row that does not say whose it is is looked at: it is rejected, not passed over.
    empty = [f"coalesce({text_sql(name)}, '') = ''" for name in naming]
    condition = f"({' AND '.join(tests) or 'false'} OR {' OR '.join(empty)})"
    return form, frozenset(one.name for one in named.values()), [condition]


def chosen_labels(
    known: Sequence[str], labels: Sequence[str] | None, where: str
) -> tuple[str, ...]:
    """The labels to read, in the order of the table.

    Raises:
        InputError: One that the table does not have.
    """
    for label in labels or () if known else ():  # no rows at all are somebody else's matter
        if label not in known:
            raise InputError(
                f"no label {label!r}", where=where, hint=nearest(label, known), code="no-label"
            )
    chosen = known if labels is None else [label for label in known if label in labels]
    return tuple(map(check_label, chosen))


def no_rows(
    connection: Connection, sources: Sequence[LabelledSource], where: Mapping[str, str]
) -> InputError:
    """What to say about a table of which no row is left."""
    name = sources[0].source.where if len(sources) == 1 else f"{len(sources)} tables"
    if not where:
        return InputError(
            "has no rows",
            where=name,
            hint="A header alone says nothing: look at what makes this table.",
            code="empty",
        )
    wanted = " and ".join(f"{column} = {text!r}" for column, text in where.items())
    hint = "Each of these occurs, but not together."
    for column, text in where.items():
        values = _values(connection, sources, column)
        if text not in values:
            hint = f"{column}: {nearest(text, values)}"
            break
    return InputError(f"has no rows with {wanted}", where=name, hint=hint, code="empty")


def _values(connection: Connection, sources: Sequence[LabelledSource], column: str) -> set[str]:
    values: set[str] = set()
    for one in sources:
        query = f"SELECT DISTINCT {text_sql(column)} FROM {one.source.scan()} LIMIT {_MAX_VALUES}"
        with reading(one.source):
            values.update(row[0] for row in rows_of(connection, query) if row[0])
    return values
