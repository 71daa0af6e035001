"""The panels of one label as Vega-Lite views: what is drawn where.

Limits, curves and marks of a panel share its scales. Labels stand in no field name and in
no expression: they are only ever text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calreg.calibrate.objectives import Objective
from calreg.evaluate import BINS
from calreg.report.pictures.measured import Histogram, LabelPicture, Reliability, Row, SetName
from calreg.report.pictures.reliability import Diagram, reliability_panel
from calreg.report.pictures.style import APART, FAINT, INK, SETS, TRUTHS, View
from calreg.report.pictures.views import COUNT, RATE, axis, named, shown

__all__ = ["Notes", "label_panels"]

_HEIGHT = 170
_WIDTH = 165
_WIDE = 220


@dataclass(frozen=True, slots=True)
class Notes:
    """A few words for each of the panels that all labels have."""

    precision_recall: str
    rates: str
    histogram: str


def label_panels(
    picture: LabelPicture,
    objective: Objective | None,
    notes: Notes,
    *,
    title: Sequence[str],
    subtitle: str,
) -> View:
    """One row of a page: all panels of a label under its sentence."""
    curves = [
        _precision_recall(picture, objective, notes.precision_recall),
        _rates(picture, objective, notes.rates),
    ]
    panels = [
        *(_reliability(one, picture) for one in picture.reliability),
        *(curves if picture.curves else []),
        _histogram(picture.histogram, picture.on, notes.histogram),
    ]
    heading = {"text": list(title), "subtitle": subtitle, "anchor": "start", "frame": "bounds"}
    return {"title": heading, "hconcat": panels, "spacing": 22, **APART}


_SET_TIP: View = {"field": "set", "type": "nominal", "title": "set"}


# --- sets -----------------------------------------------------------------------------------


def _by_set(index: int) -> View:
    names = list(SETS)
    return {
        "field": "set",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": names, "range": [SETS[name][index] for name in names]},
    }


def _rule(side: str, value: float) -> View:
    """The limit that was asked for."""
    return {
        "data": {"values": [{"limit": value}]},
        "mark": {"type": "rule", "color": INK, "strokeDash": [2, 2], "clip": True},
        "encoding": {side: {"field": "limit", "type": "quantitative"}},
    }


def _curves(rows: Sequence[Row], x: View, y: View, interpolate: str) -> View:
    """Curves in steps: between two scores there is nothing to choose."""
    return {
        "data": {"values": list(rows)},
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {
                    "type": "line",
                    "interpolate": interpolate,
                    "strokeWidth": 1.5,
                    "clip": True,
                },
                "encoding": {
                    "color": _by_set(0),
                    "strokeDash": _by_set(2),
                    "order": {"field": "place", "type": "quantitative"},
                },
            },
            {
                "mark": {"type": "point", "opacity": 0, "size": 25, "clip": True},
                "encoding": {
                    "detail": {"field": "set", "type": "nominal"},
                    "tooltip": [
                        _SET_TIP,
                        *shown(
                            ("threshold", "threshold", ".4~g"),
                            ("recall", "recall", ".3f"),
                            ("precision", "precision", ".3f"),
                            ("fpr", "FPR", ".4f"),
                        ),
                    ],
                },
            },
        ],
    }


def _points(rows: Sequence[Row], x: str, y: str) -> View:
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "point", "filled": True, "opacity": 1, "stroke": "white"},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": y, "type": "quantitative"},
            "color": _by_set(0),
            "shape": _by_set(1),
            "size": {**_by_set(3), "type": "ordinal"},
            "tooltip": [
                {**_SET_TIP, "title": "chosen, on"},
                *shown(
                    ("tp", "true positives", ",d"),
                    ("fp", "false positives", ",d"),
                    ("fn", "false negatives", ",d"),
                    ("tn", "true negatives", ",d"),
                    ("recall", "recall", ".4f"),
                    ("precision", "precision", ".4f"),
                    ("fpr", "FPR", ".4f"),
                ),
            ],
        },
    }


def _precision_recall(picture: LabelPicture, objective: Objective | None, note: str) -> View:
    x, y = axis("recall", "recall"), axis("precision", "precision")
    layers = [_curves(picture.curves, x, y, "step-before")]
    if objective is not None and objective.limit is not None:
        side = {"max-precision@recall": "x", "max-recall@precision": "y"}.get(objective.kind)
        layers += [_rule(side, objective.limit)] if side else []
    layers.append(_points(picture.chosen, "recall", "precision"))
    return {
        "title": named("Precision and recall", note),
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": layers,
    }


def _rates(picture: LabelPicture, objective: Objective | None, note: str) -> View:
    is_fpr = objective is not None and objective.kind == "max-recall@fpr"
    limit = objective.limit if objective is not None else None
    x = _fpr_axis(picture, limit if is_fpr else None)
    layers = [_curves(picture.curves, x, axis("recall", "recall"), "step-after")]
    if limit is not None and is_fpr:
        layers.append(_rule("x", limit))
    elif objective is not None and limit is not None and objective.kind == "max-precision@recall":
        layers.append(_rule("y", limit))
    layers.append(_points(picture.chosen, "fpr", "recall"))
    return {
        "title": named("Recall and false positives", note),
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": layers,
    }


def _fpr_axis(picture: LabelPicture, limit: float | None) -> View:
    """Zoomed to a limit; else all of it, its low end drawn wide."""
    if limit is None:
        values = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1]
        return axis(
            "fpr",
            "false positive rate (root scale)",
            scale={"type": "sqrt"},
            axis={"values": values, "labelExpr": RATE, "labelOverlap": "greedy"},
        )
    reached = [row["fpr"] for row in picture.chosen if row["fpr"] is not None]
    end = min(1.0, max(0.05, 5.0 * limit, *(1.25 * fpr for fpr in reached + _first(picture))))
    title = "false positive rate" + (f" (up to {end:.2g})" if end < 1.0 else "")
    return axis("fpr", title, (0.0, end), axis={"labelExpr": RATE})


def _first(picture: LabelPicture) -> list[float]:
    """Where the curve of each set first leaves the ground, so that it is seen doing so."""
    begins: dict[str, float] = {}
    for row in picture.curves:
        if row["recall"] > 0.0 and row["fpr"] is not None:
            begins.setdefault(row["set"], row["fpr"])
    return list(begins.values())


# --- reliability ----------------------------------------------------------------------------


def _reliability(found: Reliability, picture: LabelPicture) -> View:
    colour, shape, *_ = SETS[picture.on]
    name = found.name if len(picture.reliability) > 1 or found.name == "after" else "of the scores"
    look = Diagram(
        title=f"Reliability {name}, {picture.on}",
        note=f"ECE{BINS} {found.ece:.3f}, a perfect model {found.perfect:.3f}",
        came="share of positives",
        colour=colour,
        shape=shape,
        width=_WIDTH,
        height=_HEIGHT,
    )
    return reliability_panel(found.bins, look)


# --- histograms -----------------------------------------------------------------------------


def _histogram(found: Histogram, on: SetName, note: str) -> View:
    """Positives upwards, negatives downwards, by the root of their counts."""
    ground = {
        "data": {"values": [{"height": 0}]},
        "mark": {"type": "rule", "color": FAINT},
        "encoding": {"y": {"field": "height", "type": "quantitative"}},
    }
    cut = [_cut(found.cut)] if found.cut is not None else []
    # No tick stands at the top of this axis; the title would stand lower than its neighbours'.
    return {
        "title": named(f"Scores by truth, {on}", note, 12),
        "width": _WIDE,
        "height": _HEIGHT,
        "layer": [_bars(found), ground, *cut],
    }


def _bars(found: Histogram) -> View:
    edges = [row[end] for row in found.cells for end in ("lo", "hi")]
    edges += [found.cut] if found.cut is not None else []
    domain = (min(edges), max(edges)) if edges else (0.0, 1.0)
    most = max((row["n"] for row in found.cells), default=1)
    beyond = ", last cells hold the rest" if found.is_clipped else ""
    counts: View = {"labelExpr": COUNT, "values": _ticks(most)}
    room = 1.15 * most
    return {
        "data": {"values": list(found.cells)},
        "mark": {"type": "bar", "stroke": "white", "strokeWidth": 0.4},
        "encoding": {
            "x": axis("lo", found.scale + beyond, domain),
            "x2": {"field": "hi"},
            "y": axis(
                "height", "items (root scale)", (-room, room), scale={"type": "sqrt"}, axis=counts
            ),
            "y2": {"datum": 0},
            "color": {
                "field": "truth",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": list(TRUTHS), "range": list(TRUTHS.values())},
            },
            "tooltip": [
                {"field": "truth", "type": "nominal", "title": "truth"},
                *shown(("n", "items", ",d"), ("lo", "from", ".4~g"), ("hi", "to", ".4~g")),
            ],
        },
    }


def _cut(value: float) -> View:
    return {
        "data": {"values": [{"cut": value}]},
        "mark": {"type": "rule", "color": "black", "strokeWidth": 1.5},
        "encoding": {
            "x": {"field": "cut", "type": "quantitative"},
            "tooltip": [
                {"field": "cut", "type": "quantitative", "title": "fires from", "format": ".6~g"}
            ],
        },
    }


def _ticks(most: int) -> list[int]:
    """Counts worth a tick on a root scale, both ways."""
    up = [most] if most < 10 else [10 ** (len(str(most)) - 2), most]
    up = [tick for tick in up if tick]
    return [*(-tick for tick in reversed(up)), 0, *up]
