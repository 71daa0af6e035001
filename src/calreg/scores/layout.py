"""Which form a table has, and which column holds what.

Long tables name model, head and label in every row; wide ones have a column per label.
All files of one call have the same form. A new form is one class here and one reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from calreg.errors import InputError
from calreg.names import HeadName, check_label, slug, slug_path
from calreg.scores.sources import Source
from calreg.scores.table import ScoreTable

__all__ = [
    "Cell",
    "Columns",
    "Layout",
    "LongLayout",
    "NamedHead",
    "WideLayout",
    "check_distinct",
    "head_cells",
    "label_cells",
    "layout_of",
    "named_heads",
    "no_form",
]

_ONE_HEAD = re.compile(r"(score|logit)_(.+)", re.DOTALL)
_MANY_HEADS = re.compile(r"([^:]+/[^:/]+):(.+)", re.DOTALL)
_SHOWN = 10
_BOTH_FORMS = (
    "A long table has columns model, head, label and score; a wide one score_<label> or "
    "logit_<label> (with --head), or <model>/<head>:<label>."
)


@dataclass(frozen=True, slots=True)
class NamedHead:
    """A head's name, and the one it came with where that differs."""

    name: HeadName
    display_name: str | None


@dataclass(frozen=True, slots=True)
class LongLayout:
    """Columns of a long table; where `model` or `head` is None, `fixed` says it for all rows."""

    model: str | None
    head: str | None
    label: str
    score: str
    truth: str | None
    fixed: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of scores of a wide table."""

    column: str
    head: NamedHead
    label: str
    truth: str | None = None


@dataclass(frozen=True, slots=True)
class WideLayout:
    """The columns of scores of a wide table, per source in the order of the sources."""

    cells: tuple[tuple[Cell, ...], ...]


Layout: TypeAlias = LongLayout | WideLayout


def layout_of(table: ScoreTable, sources: Sequence[Source]) -> Layout:
    """The form that all sources have.

    Raises:
        InputError: A source that is neither form, lacks a column, or differs in form.
    """
    layouts = [_layout(table, source) for source in sources]
    first = layouts[0]
    for source, layout in zip(sources, layouts, strict=True):
        if type(layout) is not type(first):
            raise InputError(
                f"is a {_form(layout)} table, {sources[0].where} is a {_form(first)} one",
                where=source.where,
                hint="Read tables of one form at a time.",
                code="form",
            )
    if isinstance(first, LongLayout):
        return _one_long(layouts, sources)
    return WideLayout(
        tuple(
            cells for layout in layouts if isinstance(layout, WideLayout) for cells in layout.cells
        )
    )


def _form(layout: Layout) -> str:
    return "long" if isinstance(layout, LongLayout) else "wide"


def _one_long(layouts: Sequence[Layout], sources: Sequence[Source]) -> LongLayout:
    # Names differ at most in case, which the engine ignores; `truth` may be in some files only.
    found = [layout for layout in layouts if isinstance(layout, LongLayout)]
    for layout, source in zip(found, sources, strict=True):
        if (layout.model is None, layout.head is None) != (
            found[0].model is None,
            found[0].head is None,
        ):
            raise InputError(
                f"does not have the columns of {sources[0].where}",
                where=source.where,
                code="columns",
            )
    return next((layout for layout in found if layout.truth), found[0])


def _layout(table: ScoreTable, source: Source) -> Layout:
    columns = Columns(source.columns, table.columns, source.where)
    has_rows = columns.find("label") and columns.find("score")
    if has_rows and (columns.find("head") or table.head is not None):
        return _long(table, columns)
    cells = label_cells(table, columns) or _many_heads(table, columns)
    if cells:
        return WideLayout((cells,))
    return _long(table, columns)


class Columns:
    """A source's columns, looked up by role or by name, without regard to case."""

    def __init__(self, columns: Iterable[str], mapping: Mapping[str, str], where: str) -> None:
        self.names = tuple(columns)
        self.where = where
        self._mapping = mapping
        self._folded = {name.casefold(): name for name in self.names}

    def named(self, name: str) -> str | None:
        """The column of this name as it is spelt."""
        return self._folded.get(name.casefold())

    def find(self, role: str) -> str | None:
        """The column with this role, if there is one.

        Raises:
            InputError: A column was named for the role, and there is none of that name.
        """
        wanted = self._mapping.get(role)
        found = self.named(wanted or role)
        if wanted and found is None:
            raise self.missing(wanted, role)
        return found

    def need(self, role: str) -> str:
        """The column with this role."""
        found = self.find(role)
        if found is None:
            raise self.missing(role, role)
        return found

    def missing(self, name: str, role: str) -> InputError:
        """What to say about a column that is not there."""
        known = {
            self.named(self._mapping.get(other, other))
            for other in ("model", "head", "label", "score", "item", "truth", "id")
        }
        free = [column for column in self.names if column not in known]
        close = get_close_matches(role, free, n=1, cutoff=0.5)
        guess = (close or free[-1:] or ["NAME"])[0]
        return InputError(
            f"no column {name!r}; it has {_listed(self.names)}",
            where=self.where,
            hint=f"--column {role}={guess}",
            code="columns",
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _long(table: ScoreTable, columns: Columns) -> LongLayout:
    if not any(columns.find(role) for role in ("model", "head", "label", "score")):
        raise no_form(columns)
    fixed = ("", "")
    model = head = None
    if table.head is not None:
        if columns.find("head"):
            raise InputError(
                "names its heads in a column, and one head was named beside it",
                where=columns.where,
                hint="--head is for tables that do not name heads themselves.",
                code="form",
            )
        fixed = (table.head.model, table.head.head)
    else:
        model = columns.find("model") if table.model else columns.need("model")
        head = columns.need("head")
        fixed = (table.model or "", "")
    label, score = columns.need("label"), columns.need("score")
    return LongLayout(model, head, label, score, columns.find("truth"), fixed)


def no_form(columns: Columns) -> InputError:
    """What to say about a table that has none of the columns that make one."""
    return InputError(
        f"is neither a long nor a wide table; it has {_listed(columns.names)}",
        where=columns.where,
        hint=_BOTH_FORMS,
        code="form",
    )


def label_cells(table: ScoreTable, columns: Columns) -> tuple[Cell, ...]:
    """The columns `score_<label>` or `logit_<label>`; none if there are none.

    Raises:
        InputError: Both kinds, or nothing says whose scores they are.
    """
    found = [match for name in columns.names if (match := _ONE_HEAD.fullmatch(name))]
    if not found:
        return ()
    kinds = sorted({match[1] for match in found})
    if len(kinds) > 1:
        raise InputError(
            "has score_… and logit_… columns, one kind is needed",
            where=columns.where,
            hint="Leave out the ones that are not to be calibrated.",
            code="columns",
        )
    if table.head is None:
        if columns.find("model") and columns.find("head"):
            return ()
        raise InputError(
            f"columns {found[0][0]}, … are the scores of one head, which is not named",
            where=columns.where,
            hint="--head model/head",
            code="head-not-named",
        )
    head = NamedHead(table.head, None)
    return tuple(
        Cell(match[0], head, check_label(match[2]), columns.named(f"y_{match[2]}"))
        for match in found
    )


def _many_heads(table: ScoreTable, columns: Columns) -> tuple[Cell, ...]:
    found = head_cells(columns, model=table.model)
    if found and table.head is not None:
        raise InputError(
            f"names its heads in its columns ({found[0].column}, …), "
            "and one head was named beside it",
            where=columns.where,
            hint="--head is for tables that do not name heads themselves.",
            code="form",
        )
    return found


def head_cells(columns: Columns, *, model: str | None) -> tuple[Cell, ...]:
    """The columns `<model>/<head>:<label>`; none if there are none."""
    found = [match for name in columns.names if (match := _MANY_HEADS.fullmatch(name))]
    return tuple(
        Cell(match[0], _named(*_split(match[1], model)), check_label(match[2])) for match in found
    )


def _split(full: str, model: str | None) -> tuple[str, str]:
    """Model and head of a full name; where the model is known, a head may hold slashes."""
    if model is not None and full.startswith(f"{model}/"):
        return model, full.removeprefix(f"{model}/")
    before, _, head = full.rpartition("/")
    return before, head


def _named(model: str, head: str) -> NamedHead:
    name = HeadName(slug_path(model), slug(head))
    if name.model == model:
        return NamedHead(name, head if head != name.head else None)
    return NamedHead(name, f"{model}/{head}")


def named_heads(raw: Iterable[tuple[str, str]]) -> dict[tuple[str, str], NamedHead]:
    """The name of every head by its raw model and head.

    Raises:
        InputError: A name that has no slug, or two that have the same one.
    """
    found = {pair: _named(*pair) for pair in sorted(raw)}
    heads: dict[HeadName, str] = {}
    models: dict[str, str] = {}
    for (model, head), named in found.items():
        _claim(models, named.name.model, model, what="models")
        _claim(heads, named.name, f"{model}/{head}", what="heads")
    return found


def check_distinct(cells: Iterable[Cell], *, model: str | None) -> None:
    """Refuse a wide table in which two spellings of one head stand side by side.

    Raises:
        InputError: Two columns whose heads have the same name and were spelt differently.
    """
    raw = {_MANY_HEADS.fullmatch(cell.column) for cell in cells}
    named_heads({_split(match[1], model) for match in raw if match})


def _claim(claimed: dict[Any, str], key: Any, raw: str, *, what: str) -> None:
    other = claimed.setdefault(key, raw)
    if other != raw:
        raise InputError(
            f"{what} {other!r} and {raw!r} would both be called {str(key)!r}",
            hint="Names must differ in more than case and punctuation: rename one.",
            code="name-collision",
        )
