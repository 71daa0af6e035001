"""What becomes of factors: a line per group with before and after, the largest changes first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from calreg.feedback.bounds import Bounds, FactorDecision
from calreg.report.feedback import factor_text
from calreg.report.numbers import UNICODE, Signs
from calreg.report.table import Column, fits, rows

__all__ = ["factor_lines"]

_MAX_GROUPS = 40
_LESS = ({"suggested"}, {"change"})  # what narrow terminals go without


def factor_lines(
    decisions: Sequence[FactorDecision],
    bounds: Bounds | None,
    *,
    width: int | None,
    signs: Signs = UNICODE,
) -> list[Text]:
    """The table of decisions and the line that sums it up.

    Args:
        decisions: One per group.
        bounds: What they were kept within; None where they were not.
        width: Columns of the terminal; None: no limit.
        signs: What the stream can show.
    """
    ordered = sorted(decisions, key=lambda one: (-_size(one), one.group))
    shown = ordered[: _MAX_GROUPS if width is not None else None]
    columns = _columns(shown, signs)
    for headers in _LESS:
        if not fits(columns, width):
            columns = [column for column in columns if column.header not in headers]
    lines = rows(columns, width=width, signs=signs)
    if more := len(ordered) - len(shown):
        lines.append(Text(f"{signs.more} {more:,} more groups (all in a pipe, or --json)", "dim"))
    return [*lines, Text(), Text(_summary(decisions, bounds, signs))]


def _size(one: FactorDecision) -> float:
    if one.action == "held" or one.after is None:
        return 0.0
    return abs(math.log(one.after / (one.before or 1.0)))


def _columns(decisions: Sequence[FactorDecision], signs: Signs) -> list[Column]:
    def factors(values: Sequence[float | None]) -> list[str]:
        return [factor_text(value, signs=signs) for value in values]

    return [
        Column("group", [one.group for one in decisions], can_shrink=True),
        Column("before", factors([one.before for one in decisions]), is_right=True),
        Column("suggested", factors([one.suggested for one in decisions]), is_right=True),
        Column("after", factors([one.after for one in decisions]), is_right=True),
        Column("change", [_change(one) for one in decisions], is_right=True),
        Column("", [_action(one) for one in decisions]),
        Column("why", [one.reason for one in decisions]),
    ]


def _change(one: FactorDecision) -> str:
    if one.action == "held" or one.after is None or one.before is None:
        return ""
    return f"{100.0 * (one.after / one.before - 1.0):+.1f} %"


def _action(one: FactorDecision) -> Text:
    return Text(one.action, "dim" if one.action == "held" else "bold")


def _summary(decisions: Sequence[FactorDecision], bounds: Bounds | None, signs: Signs) -> str:
    moved = sum(one.action != "held" for one in decisions)
    parts = [f"{moved:,} of {len(decisions):,} factors change", f"{len(decisions) - moved:,} held"]
    if bounds is not None:
        parts.append(
            f"bounds {bounds.min_factor:g} to {bounds.max_factor:g}, "
            f"at most {100.0 * bounds.max_step:g} % at once"
        )
    return signs.joined(parts)
