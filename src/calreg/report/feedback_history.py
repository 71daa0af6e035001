"""What happened in the feedback: a line per run, application and revert, and the trends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from calreg.report.feedback import factor_text, money_text
from calreg.report.numbers import UNICODE, Signs, count_text, date_text, number_text, sparkline
from calreg.report.table import Column, fits, rows

__all__ = ["history_lines"]

_MAX_LINES = 30
_MAX_GROUPS = 20
_MAX_POINTS = 24
_LESS = ({"by"}, {"Brier"}, {"pairs"})

Line = Mapping[str, Any]


def history_lines(
    history: Sequence[Line], *, width: int | None, signs: Signs = UNICODE
) -> list[Text]:
    """The events, newest first, then MAE, and bias and factor of each group over time.

    Args:
        history: Lines of the feedback folder, oldest first.
        width: Columns of the terminal; None: no limit.
        signs: What the stream can show.
    """
    newest = list(reversed(history))
    shown = newest[: _MAX_LINES if width is not None else None]
    columns = _columns(shown, signs)
    for headers in _LESS:
        if not fits(columns, width):
            columns = [column for column in columns if column.header not in headers]
    lines = rows(columns, width=width, signs=signs)
    if more := len(newest) - len(shown):
        lines.append(Text(f"{signs.more} {more:,} earlier (all in a pipe, or --json)", "dim"))
    trends = _trends(history, signs)
    return [*lines, Text(), *rows(trends, width=width, signs=signs)] if trends else lines


def _columns(lines: Sequence[Line], signs: Signs) -> list[Column]:
    prices = [line.get("price") or {} for line in lines]
    said = [line.get("probability") or {} for line in lines]
    return [
        Column("when (UTC)", [date_text(line["timestamp"]) for line in lines]),
        Column("", [_action(line) for line in lines]),
        Column("id", [line["id"] for line in lines], can_shrink=True),
        Column("by", [line["by"] for line in lines], can_shrink=True),
        Column("pairs", [_blank(one, count_text(one.get("n"))) for one in prices], is_right=True),
        Column(
            "MAE",
            [_blank(one, money_text(one.get("mae"), signs=signs)) for one in prices],
            is_right=True,
        ),
        Column(
            "bias",
            [_blank(one, money_text(one.get("bias"), signs=signs)) for one in prices],
            is_right=True,
        ),
        Column(
            "Brier",
            [_blank(one, number_text(one.get("brier"), digits=4, signs=signs)) for one in said],
            is_right=True,
        ),
        Column("what", [_what(line, signs) for line in lines]),
    ]


def _blank(found: Line, text: str) -> str:
    return text if found else ""


def _action(line: Line) -> Text:
    return Text(line["action"], "" if line["action"] == "run" else "bold")


def _what(line: Line, signs: Signs) -> Text:
    """Which factors changed, or which rules fired."""
    fired = [alert["rule"] for alert in line.get("alerts") or () if alert["verdict"] == "fired"]
    if fired:
        return Text(f"{signs.failed} {', '.join(fired)}", "red")
    before, after = line.get("before") or {}, line.get("after")
    if after is None:
        return Text()
    moves = [
        f"{group} {factor_text(before.get(group), signs=signs)} {signs.arrow} "
        f"{factor_text(after.get(group), signs=signs)}"
        for group in sorted(before.keys() | after.keys())
        if before.get(group) != after.get(group)
    ]
    shown = ", ".join(moves[:3])
    more = f" and {len(moves) - 3} more" if len(moves) > 3 else ""
    return Text(f"{shown}{more}" or "no factor changed")


def _trends(history: Sequence[Line], signs: Signs) -> list[Column]:
    """MAE and bias of all and of every group, oldest first; none before the second run."""
    runs = [line for line in history if line["action"] == "run"][-_MAX_POINTS:]
    if len(runs) < 2:
        return []
    groups = sorted({group for line in runs for group in line.get("groups") or {}})[:_MAX_GROUPS]
    series = [[line.get("price") or {} for line in runs]] + [
        [(line.get("groups") or {}).get(group) or {} for line in runs] for group in groups
    ]
    factors: list[list[float | None]] = [[]] + [_factors(history, group) for group in groups]
    return [
        Column("", ["all", *groups], can_shrink=True),
        Column("MAE", [_spark(one, "mae", signs, low=0.0) for one in series]),
        Column("now", [money_text(one[-1].get("mae"), signs=signs) for one in series], True),
        Column("bias", [_spark(one, "bias", signs) for one in series]),
        Column("now", [money_text(one[-1].get("bias"), signs=signs) for one in series], True),
        Column("factor", [sparkline(one[-_MAX_POINTS:], signs=signs) for one in factors]),
        Column("now", [factor_text(one[-1], signs=signs) if one else "" for one in factors], True),
    ]


def _spark(figures: Sequence[Line], name: str, signs: Signs, *, low: float | None = None) -> str:
    return sparkline([one.get(name) for one in figures], low=low, signs=signs)


def _factors(history: Sequence[Line], group: str) -> list[float | None]:
    """The group's factor after every change, from before the first one."""
    found: list[float | None] = []
    for line in history:
        if line.get("after") is None:
            continue
        if not found:
            found.append((line.get("before") or {}).get(group))
        found.append(line["after"].get(group))
    return found
