"""Factors in words and columns: what `show`, `diff`, `history` and `run` say of them.

A label of such a head is a group, its factor what predictions of the group are multiplied
by, and its samples the pairs of prediction and outcome behind it. There are no scores, so
there is no percentile and no drift metric to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.text import Text

from calreg.decisions import METHOD_CHANGED
from calreg.documents import FactorRow, LabelCalibration
from calreg.drift import FACTOR_SHIFT, HeadDrift, factor_limit
from calreg.report.numbers import UNICODE, Signs, count_text, limited_text, number_text
from calreg.report.table import Column, fits, rows

__all__ = [
    "factor_change_lines",
    "factor_column",
    "factor_lines",
    "factor_text",
    "factor_trend_values",
    "is_factors",
]

Labels = Mapping[str, LabelCalibration]

_DIGITS = 4
_LESS = ("pairs before", "shift")  # what narrow terminals go without


def is_factors(labels: Labels) -> bool:
    """Whether a head holds factors: all of its labels do, or none."""
    return any(found.method == "factor" for found in list(labels.values())[:1])


def factor_text(row: FactorRow, *, signs: Signs = UNICODE) -> str:
    """A factor before and after, and its relative change; the factor alone where it stayed.

    >>> factor_text(FactorRow(1.0, 0.85, 0.15, {"factor_shift": 0.01}))
    '1.0000 → 0.8500 (-15.0 %)'
    >>> factor_text(FactorRow(None, 0.85, None, {"factor_shift": 0.01}))
    '0.8500'
    """
    after = _number(row.after, signs)
    if row.change is None or row.before == row.after:
        return after
    return f"{_number(row.before, signs)} {signs.arrow} {after} ({_percent(row.change)})"


def _percent(change: float) -> str:
    return f"{100.0 * change:+.1f} %"


def factor_column(
    moved: Sequence[FactorRow | None], failed: Sequence[Sequence[str]], signs: Signs = UNICODE
) -> list[Column]:
    """The factor of the group that decided, one row each; no column where no head has one.

    Args:
        moved: A row's factor; None where it has none.
        failed: What failed of the row.
        signs: What the stream can show.
    """
    if all(row is None for row in moved):
        return []
    cells = [_cell(*row, signs) for row in zip(moved, failed, strict=True)]
    return [Column("factor", cells)]


def _cell(row: FactorRow | None, failed: Sequence[str], signs: Signs) -> Text:
    if row is None:
        return Text(signs.nothing)
    text = factor_text(row, signs=signs)
    if METHOD_CHANGED in failed:
        return Text(f"{text}, other method {signs.failed}", "red")
    return Text(f"{text} {signs.failed}", "red") if FACTOR_SHIFT in failed else Text(text)


def factor_trend_values(
    labels: Sequence[Mapping[str, Mapping[str, Any]]], label: str
) -> list[float | None]:
    """A group's factor in run after run; None where it had none.

    Args:
        labels: The `labels` of a head's history rows, in their order.
        label: The group.
    """
    found = [rows_of.get(label, {}).get("factor") for rows_of in labels]
    return [None if one is None else float(one["after"]) for one in found]


def factor_lines(labels: Labels, *, width: int | None, signs: Signs = UNICODE) -> list[Text]:
    """The factors of one version: group, factor, pairs behind it."""
    groups = list(labels)
    columns = [
        Column("group", groups, can_shrink=True),
        Column("factor", _cells(groups, labels, _factor_text, signs), is_right=True),
        Column("pairs", _cells(groups, labels, _pairs_text, signs), is_right=True),
    ]
    return rows(columns, width=width, signs=signs)


def factor_change_lines(
    groups: Sequence[str],
    sides: tuple[Labels, Labels],
    drift: HeadDrift,
    thresholds: Mapping[str, float],
    *,
    width: int | None,
    signs: Signs = UNICODE,
) -> list[Text]:
    """Two versions' factors side by side, with the change of each, and the limit below.

    Args:
        groups: In the order of the table.
        sides: The labels of the older and of the newer version.
        drift: How far they are apart.
        thresholds: The head's limits.
        width: Columns of the terminal; None: no limit.
        signs: What the stream can show.
    """
    limit = factor_limit(thresholds)
    named = list(zip(("before", "after"), sides, strict=True))
    columns = [
        Column("group", [*groups, "stable below"], can_shrink=True),
        *(
            Column(title, [*_cells(groups, side, _factor_text, signs), ""], is_right=True)
            for title, side in named
        ),
        Column("change", [*(_change(sides, one, signs) for one in groups), ""], is_right=True),
        Column(
            "shift",
            [*(_shift(drift, one, limit, signs) for one in groups), Text(f"{limit:g}", "dim")],
        ),
        *(
            Column(f"pairs {title}", [*_cells(groups, side, _pairs_text, signs), ""], is_right=True)
            for title, side in named
        ),
    ]
    for header in _LESS:
        if not fits(columns, width):
            columns = [column for column in columns if column.header != header]
    return rows(columns, width=width, signs=signs)


def _cells(
    groups: Sequence[str],
    side: Labels,
    text_of: Callable[[LabelCalibration | None, Signs], str],
    signs: Signs,
) -> list[str]:
    return [text_of(side.get(group), signs) for group in groups]


def _factor(found: LabelCalibration | None) -> float | None:
    factor = found.parameters.get("factor") if found is not None else None
    return factor if isinstance(factor, float) else None


def _factor_text(found: LabelCalibration | None, signs: Signs) -> str:
    return _number(_factor(found), signs)


def _pairs_text(found: LabelCalibration | None, signs: Signs) -> str:
    return count_text(None if found is None else found.distribution.samples, signs=signs)


def _number(value: float | None, signs: Signs) -> str:
    return number_text(value, digits=_DIGITS, signs=signs)


def _change(sides: tuple[Labels, Labels], group: str, signs: Signs) -> str:
    before, after = (_factor(side.get(group)) for side in sides)
    if after is None:
        return signs.nothing if before is None else "gone"
    return "new" if before is None else _percent(after / before - 1.0)


def _shift(drift: HeadDrift, group: str, limit: float, signs: Signs) -> Text:
    row = drift.labels.get(group)
    if row is None or row.factor is None:
        return Text(signs.nothing)
    text = limited_text(row.factor.factor_shift, limit, signs=signs)
    return Text(f"{text} {signs.failed}", "red") if row.failed_metrics else Text(text)
