"""The feedback loop as one Vega-Lite specification: a plain mapping, with all its data inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calreg.report.pictures.feedback_history import (
    Event,
    events_of,
    factor_groups,
    marks,
    run_rows,
    subject_of,
)
from calreg.report.pictures.feedback_panels import (
    calibration_panel,
    error_panels,
    factor_panels,
    legend_of,
)
from calreg.report.pictures.feedback_rows import (
    ALL,
    Document,
    bin_rows,
    error_rows,
    factor_rows,
    worst_first,
)
from calreg.report.pictures.feedback_time import factor_panel, history_legend, trend_panels
from calreg.report.pictures.feedback_words import (
    answer,
    changed_text,
    facts,
    head_of,
    probability_note,
    undrawn_text,
)
from calreg.report.pictures.legend import strip
from calreg.report.pictures.phrases import lines, told_apart
from calreg.report.pictures.style import APART, CONFIG, View
from calreg.report.pictures.views import SCHEMA

__all__ = ["MAX_GROUPS", "feedback_spec"]

MAX_GROUPS = 16
"""Groups drawn at most; the others are named."""

_COLUMNS = 4
_TREND_HEIGHT = 250


def feedback_spec(document: Document, history: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The picture of a feedback run and of what came before it.

    Args:
        document: A document of suggestions as a mapping; any part may be missing.
        history: Rows with `timestamp`, `action`, `before`, `after` and, of runs, `price`.

    Returns:
        A specification whose numbers are those of the document and the history. A part that
        there is nothing for is not drawn.
    """
    events = events_of(history, document)
    document = subject_of(document, history)
    names = worst_first(document)
    with_factors = factor_groups(events)
    groups = [*(name for name in names if name in with_factors)]
    groups += [name for name in with_factors if name not in names]
    parts = [
        *_by_group(document, names),
        *_over_runs(document, events),
        *_over_time(events, groups),
    ]
    head, text = head_of(document), answer(document, events)
    undrawn = {*names[MAX_GROUPS:], *groups[MAX_GROUPS:]} - {*names[:MAX_GROUPS]}
    said = [head, *facts(document, events), undrawn_text(sorted(undrawn))]
    return {
        "$schema": SCHEMA,
        "description": f"{head}: {text}",
        "title": {
            "text": lines(text, 110),
            "subtitle": [line for text in said for line in lines(text)],
            "fontSize": 15,
            "anchor": "start",
            "offset": 14,
        },
        "config": CONFIG,
        "spacing": 22,
        "vconcat": parts or [strip([("there is nothing to draw yet", [])])],
        **APART,
    }


def _row(title: str, panels: Sequence[View]) -> View:
    heading = {"text": title, "anchor": "start", "frame": "group"}
    return {"title": heading, "hconcat": list(panels), "spacing": 14, **APART}


def _heading(titles: Sequence[str]) -> str:
    text = ", and ".join(titles)
    return text[0].upper() + text[1:]


def _by_group(document: Document, names: Sequence[str]) -> Iterable[View]:
    shown = told_apart(names[:MAX_GROUPS], taken=[ALL])
    errors, factors = error_rows(document, shown), factor_rows(document, shown)
    with_rows = {row["group"] for row in [*errors, *factors]}
    groups = [group for group in (ALL, *shown.values()) if group in with_rows]
    if not groups:
        return
    panels = [*error_panels(errors, groups)] if errors else []
    if factors:
        panels += factor_panels(factors, groups, has_names=not panels)
    yield strip(legend_of(has_factors=bool(factors)))
    titles = ["how far off prices were"] if errors else []
    titles += ["the factors that would mend it"] if factors else []
    yield _row(_heading(titles), panels)


def _over_runs(document: Document, events: Sequence[Event]) -> Iterable[View]:
    bins, runs = bin_rows(document), run_rows(events)
    panels = [calibration_panel(bins, probability_note(document))] if bins else []
    titles = ["whether probabilities came true"] if bins else []
    if len(runs) > 1:
        panels += trend_panels(runs, events, _TREND_HEIGHT)
        titles.append("how far off prices were over time")
    if panels:
        yield _row(_heading(titles), panels)


def _over_time(events: Sequence[Event], groups: Sequence[str]) -> Iterable[View]:
    if not groups:
        return
    groups = groups[:MAX_GROUPS]
    shown = told_apart(groups)
    panels = [
        factor_panel(events, group, shown[group], changed_text(events, group)) for group in groups
    ]
    did = {row["what"] for group in groups for row in marks(events, group)}
    yield strip(history_legend(sorted(did)))
    for start in range(0, len(panels), _COLUMNS):
        title = "Factors over time" if not start else ""
        yield _row(title, panels[start : start + _COLUMNS])
