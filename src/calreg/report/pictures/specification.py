"""A tuned head as one Vega-Lite specification: a plain mapping, with all its data inside."""

from __future__ import annotations

from typing import Any

from calreg.labelled import LabelledScores
from calreg.report.pictures.legend import legend
from calreg.report.pictures.measured import SetName, measured
from calreg.report.pictures.panels import Notes, label_panels
from calreg.report.pictures.phrases import lines
from calreg.report.pictures.style import APART, CONFIG
from calreg.report.pictures.views import SCHEMA
from calreg.report.pictures.words import (
    answer,
    counts_text,
    cut_text,
    figure_text,
    label_sentence,
    undrawn_text,
    worst_first,
)
from calreg.tuning import Tuned, TunedLabel

__all__ = ["MAX_LABELS", "tune_spec"]

MAX_LABELS = 12
"""Labels drawn at most; the others are named."""


def tune_spec(
    head: str, tuned: Tuned, calibration: LabelledScores, holdout: LabelledScores | None
) -> dict[str, Any]:
    """The picture of a tuned head: a row per label, those first that need a look.

    Args:
        head: Its full name.
        tuned: What was found on these very sets.
        calibration: What it was chosen on.
        holdout: What it was judged on; it is what reliability and histograms show.

    Returns:
        A specification that holds curves, bins and counts, and never an item.
    """
    ordered = worst_first(tuned)
    drawn, undrawn = ordered[:MAX_LABELS], ordered[MAX_LABELS:]
    pictures = measured(tuned, calibration, holdout, drawn)
    sets: list[SetName] = ["calibration", "holdout"] if holdout is not None else ["calibration"]
    objectives = {label: tuned.request.objective_of(label) for label in drawn}
    rows = [
        label_panels(
            pictures[label],
            objectives[label] if tuned.labels[label].label.decision is not None else None,
            _notes(tuned.labels[label]),
            title=lines(label_sentence(tuned, label)),
            subtitle=counts_text(tuned.labels[label]),
        )
        for label in drawn
    ]
    key = legend(
        sets,
        has_limit=any(one is not None and one.limit is not None for one in objectives.values()),
        has_cut=any(picture.histogram.cut is not None for picture in pictures.values()),
    )
    said = [*lines(f"Shown: {_shown_text(sets)}"), *lines(undrawn_text(undrawn))]
    return {
        "$schema": SCHEMA,
        "description": f"{head}: {answer(tuned)}",
        "title": {
            # Of a single label its own row says the same.
            "text": head if len(drawn) == 1 else lines(f"{head}: {answer(tuned)}", 125),
            "subtitle": said,
            "fontSize": 15,
            "anchor": "start",
            "offset": 14,
        },
        "config": CONFIG,
        "spacing": 26,
        "vconcat": [key, *rows],
        **APART,
    }


def _notes(one: TunedLabel) -> Notes:
    return Notes(
        precision_recall=figure_text("AP", "average_precision", one),
        rates=figure_text("AUROC", "auroc", one),
        histogram=cut_text(one),
    )


def _shown_text(sets: list[SetName]) -> str:
    if "holdout" in sets:
        return "reliability and histograms of the holdout; curves of both sets"
    return "the items that the numbers were chosen on; fresh items do worse"
