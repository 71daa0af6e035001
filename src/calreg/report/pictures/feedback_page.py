"""The page of the feedback loop: the answer in words, the picture, and its figures as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calreg.report.numbers import count_text, number_text
from calreg.report.pictures.feedback_history import ACTIONS, Event, events_of, subject_of
from calreg.report.pictures.feedback_rows import (
    ALL,
    Document,
    Row,
    bin_rows,
    error_rows,
    factor_rows,
    known,
    part_of,
    worst_first,
)
from calreg.report.pictures.feedback_specification import MAX_GROUPS
from calreg.report.pictures.feedback_words import answer, facts, head_of, undrawn_text
from calreg.report.pictures.frame import Page, Table

__all__ = ["feedback_page"]


def feedback_page(document: Document, history: Sequence[Mapping[str, Any]] = ()) -> Page:
    """The page of a feedback run and of what came before it.

    Args:
        document: A document of suggestions as a mapping; any part may be missing.
        history: As `feedback_spec` takes it.
    """
    events, document = events_of(history, document), subject_of(document, history)
    said = [*facts(document, events), undrawn_text(worst_first(document)[MAX_GROUPS:])]
    tables = [_groups(document), _bins(document), _changes(events)]
    return Page(
        head=head_of(document),
        answer=answer(document, events),
        warnings=_warnings(document),
        said=". ".join(text.removesuffix(".") for text in said if text),
        tables=[table for table in tables if table.rows],
    )


def _warnings(document: Document) -> list[str]:
    rejected = sum(
        int(known(count) or 0) for count in part_of(document, "data", "rejects").values()
    )
    counted = [f"{rejected:,} lines and values were not accepted"] if rejected else []
    return [*map(str, document.get("warnings") or ()), *counted]


# --- the tables -----------------------------------------------------------------------------


def _within(low: float | None, high: float | None) -> str:
    return f"{number_text(low)} to {number_text(high)}" if low is not None else number_text(None)


def _groups(document: Document) -> Table:
    names = worst_first(document)
    # Every group by its own name: a page has room for them.
    apart = {name: name for name in names if name != ALL}
    errors = {row["group"]: row for row in error_rows(document, apart)}
    factors = {row["group"]: row for row in factor_rows(document, apart)}
    columns = ["pairs", "bias", "95 %", "MAE", "95 %", "factor", "suggested", "95 %", "of pairs"]
    return Table(
        "Errors of predicted prices (bias: predicted less paid), and factors, by group",
        [("group", True), *((name, False) for name in columns), ("status", True)],
        [
            [name, *_error_cells(errors.get(name)), *_factor_cells(factors.get(name))]
            for name in (ALL, *apart)
            if name in errors or name in factors
        ],
    )


def _error_cells(row: Row | None) -> list[str]:
    if row is None:
        return [number_text(None)] * 5
    return [
        count_text(row["n"]),
        number_text(row["bias"]),
        _within(row["bias_low"], row["bias_high"]),
        number_text(row["mae"]),
        _within(row["mae_low"], row["mae_high"]),
    ]


def _factor_cells(row: Row | None) -> list[str]:
    if row is None:
        return [number_text(None)] * 5
    return [
        number_text(row["before"]),
        number_text(row["suggested"]),
        _within(row["low"], row["high"]),
        count_text(row["n"]),
        row["status"],
    ]


def _bins(document: Document) -> Table:
    columns = ["items", "said, on average", "sold", "95 %"]
    return Table(
        "Probabilities of a sale, and what came",
        [("probability", True), *((name, False) for name in columns)],
        [
            [
                f"{row['lo']:g} to {row['hi']:g}",
                count_text(row["n"]),
                number_text(row["said"]),
                number_text(row["came"]),
                _within(row["low"], row["high"]),
            ]
            for row in bin_rows(document)
        ],
    )


def _changes(events: Sequence[Event]) -> Table:
    return Table(
        "Changes of factors, newest first",
        [("when (UTC)", True), ("what", True), ("group", True), ("from", False), ("to", False)],
        [
            [event.when, ACTIONS[event.action], name, number_text(before), number_text(after)]
            for event in reversed(events)
            for name, (before, after) in event.changes.items()
        ],
    )
