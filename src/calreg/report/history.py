"""What runs found over time: a table, newest first, and a trend per head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from calreg.documents import METRICS, DecisionRow, FactorRow, Withdrawal, timestamp_text
from calreg.report.decisions import shift_columns
from calreg.report.factors import factor_column, factor_trend_values
from calreg.report.numbers import (
    UNICODE,
    Signs,
    count_text,
    date_text,
    limited_text,
    number_text,
    sparkline,
    version_text,
)
from calreg.report.runs import METRIC_HEADERS, verdict_word
from calreg.report.table import Column, fits, rows

__all__ = ["history_lines"]

Row = Mapping[str, Any]
_OF_SCORES = {"p5", "p95", *METRIC_HEADERS.values()}
_MAX_TRENDS = 20
_LESS = ({"label", "p5", "p95"}, {"when (UTC)", "items"})  # what narrow terminals go without


def history_lines(
    history: Sequence[Row], *, width: int | None, signs: Signs = UNICODE
) -> list[Text]:
    """The table of rows as given, then the trend of each head with more than one row.

    Args:
        history: Rows with the fields of a history row, newest first.
        width: Columns of the terminal; None: no limit.
        signs: What the stream can show.
    """
    columns = _columns(history, signs, METRICS)
    if history and all(row["factor"] is not None for row in history):
        # Factors have no scores to describe.
        columns = [column for column in columns if column.header not in _OF_SCORES]
    elif not fits(columns, width):
        columns = _columns(history, signs, ("jsd",))
    for headers in _LESS:
        if not fits(columns, width):
            columns = [column for column in columns if column.header not in headers]
    lines = [*rows(columns, width=width, signs=signs), *_withdrawn_lines(history)]
    trends = _trends(history, signs)
    if not fits(trends, width):
        trends = [column for column in trends if column.header != "label"]
    return [*lines, Text(), *rows(trends, width=width, signs=signs)] if trends else lines


def _columns(history: Sequence[Row], signs: Signs, metrics: Sequence[str]) -> list[Column]:
    def number(key: str) -> list[str]:
        return [number_text(row[key], signs=signs) for row in history]

    return [
        Column("head", [_name(row) for row in history], can_shrink=True),
        Column("version", [_version(row, signs) for row in history]),
        Column("when (UTC)", [_when(row) for row in history]),
        Column(
            "items",
            [count_text(row["file_count"], signs=signs) for row in history],
            is_right=True,
        ),
        Column("label", [str(row["label"]) for row in history], can_shrink=True),
        Column("p5", number("p5"), is_right=True),
        Column("p95", number("p95"), is_right=True),
        *(
            Column(METRIC_HEADERS[name], [_metric(row, name, signs) for row in history])
            for name in metrics
        ),
        *_decision_columns(history, signs),
        *_factor_column(history, signs),
        Column("verdict", [_verdict(row) for row in history]),
        Column("reference", [_reference(row, signs) for row in history]),
    ]


def _version(row: Row, signs: Signs) -> Text:
    text = version_text(row["version"], signs=signs)
    return Text(text) if row.get("withdrawn") is None else Text(f"{text} {signs.failed}", "red")


def _withdrawn_lines(history: Sequence[Row]) -> list[Text]:
    """Which of the rows are of versions that are unfit for use, and why."""
    found = [
        (row, Withdrawal.from_json(row["withdrawn"])) for row in history if row.get("withdrawn")
    ]
    lines = [Text(f"{_name(row)} v{row['version']} {why.text}", "red") for row, why in found]
    return [Text(), *lines] if lines else []


def _name(row: Row) -> str:
    return f"{row['model_name']}/{row['head_name']}"


def _when(row: Row) -> str:
    return date_text(timestamp_text(datetime.fromtimestamp(row["timestamp"] / 1000, UTC)))


def _metric(row: Row, name: str, signs: Signs) -> Text:
    text = limited_text(row[name], row["thresholds"][name], signs=signs)
    is_failed = name in row["failed_metrics"]
    return Text(f"{text} {signs.failed}", "red") if is_failed else Text(text)


def _decision_columns(history: Sequence[Row], signs: Signs) -> list[Column]:
    found = [row["decision"] for row in history]
    moved = [None if data is None else DecisionRow.from_json(data) for data in found]
    return shift_columns(moved, [row["failed_metrics"] for row in history], signs=signs)


def _factor_column(history: Sequence[Row], signs: Signs) -> list[Column]:
    found = [row["factor"] for row in history]
    moved = [None if data is None else FactorRow.from_json(data) for data in found]
    return factor_column(moved, [row["failed_metrics"] for row in history], signs)


def _verdict(row: Row) -> Text:
    if row["reference_version"] is None:
        return Text("new", "cyan")
    return verdict_word(row["verdict"], row["evidence"])


def _reference(row: Row, signs: Signs) -> str:
    before = version_text(row["reference_version"], signs=signs)
    if row["reference_update"] == "updated":
        return f"{before} {signs.arrow} {version_text(row['reference_after'], signs=signs)}"
    return f"{before} held" if row["reference_update"] == "held" else before


def _trends(history: Sequence[Row], signs: Signs) -> list[Column]:
    """Per head the p5 and p95 of the label that decided last, and the worst jsd."""
    by_head: dict[str, list[Row]] = {}
    for row in reversed(history):
        by_head.setdefault(_name(row), []).append(row)
    shown = [(name, found) for name, found in by_head.items() if len(found) > 1][:_MAX_TRENDS]
    if not shown:
        return []
    columns = [
        Column("trend, oldest first", [name for name, _ in shown], can_shrink=True),
        Column("versions", [_span(found, signs) for _, found in shown]),
        Column("label", [str(found[-1]["label"]) for _, found in shown], can_shrink=True),
        Column("p5", [_score_trend(found, "p5", signs) for _, found in shown]),
        Column("p95", [_score_trend(found, "p95", signs) for _, found in shown]),
        Column("jsd", [_jsd_trend(found, signs) for _, found in shown]),
        Column("factor", [_factor_trend(found, signs) for _, found in shown]),
    ]
    return [column for column in columns if {*map(str, column.cells)} != {signs.nothing}]


def _span(found: Sequence[Row], signs: Signs) -> str:
    return f"v{found[0]['version']} {signs.arrow} v{found[-1]['version']}"


def _score_trend(found: Sequence[Row], key: str, signs: Signs) -> str:
    label = found[-1]["label"]
    values = [row["labels"].get(label, {}).get(key) for row in found]
    # Full height is ten thresholds at least: what would never fail looks flat.
    least = 10 * found[-1]["thresholds"][f"apd_{key}"]
    return _drawn(values, sparkline(values, least=least, signs=signs), signs)


def _jsd_trend(found: Sequence[Row], signs: Signs) -> str:
    values = [row["jsd"] for row in found]
    least = 2 * found[-1]["thresholds"]["jsd"]
    return _drawn(values, sparkline(values, low=0.0, least=least, signs=signs), signs)


def _factor_trend(found: Sequence[Row], signs: Signs) -> str:
    values = factor_trend_values([row["labels"] for row in found], str(found[-1]["label"]))
    return _drawn(values, sparkline(values, least=0.1, signs=signs), signs)


def _drawn(values: Sequence[float | None], line: str, signs: Signs) -> str:
    known = [value for value in values if value is not None]
    return f"{line} {number_text(known[-1], signs=signs)}" if known else signs.nothing
