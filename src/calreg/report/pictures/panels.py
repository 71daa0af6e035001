"""The panels of one label as Vega-Lite views: what is drawn where, in which shape and colour.

A view is a plain mapping. Sets differ by shape and dash beside their colour, classes by
their side of the axis, so that nothing is lost in print or to a colour-blind eye; the
colours are Okabe & Ito's (2008). Labels stand in no field name and in no expression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calreg.calibrate.objectives import Objective
from calreg.evaluate import BINS
from calreg.report.pictures.measured import Histogram, LabelPicture, Reliability, Row, SetName

__all__ = ["APART", "CONFIG", "Notes", "View", "label_panels", "legend"]

View = dict[str, Any]

# Views that stand beside each other would else share one scale of colours.
APART: View = {"resolve": {"scale": dict.fromkeys(("color", "shape", "strokeDash"), "independent")}}

_HEIGHT = 170
_WIDTH = 185
_WIDE = 250
_STRIP = 28

_INK = "#333333"
_FAINT = "#8a8a8a"
_SETS: Mapping[SetName, tuple[str, str, list[int]]] = {
    "calibration": ("#D55E00", "circle", [5, 3]),
    "holdout": ("#0072B2", "diamond", [1, 0]),
}
_TRUTHS = {"positives": "#009E73", "negatives": "#7d7d7d"}

CONFIG: View = {
    "background": "white",
    "font": "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif",
    "view": {"stroke": "#cccccc"},
    "axis": {
        "gridColor": "#eeeeee",
        "domainColor": _FAINT,
        "tickColor": _FAINT,
        "labelColor": _INK,
        "titleColor": _INK,
        "labelFontSize": 10,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "tickCount": 5,
    },
    "title": {
        "anchor": "start",
        "color": _INK,
        "fontSize": 12,
        "fontWeight": "bold",
        "subtitleColor": "#555555",
        "subtitleFontSize": 11,
        "offset": 8,
    },
    "concat": {"spacing": 16},
}


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


def _named(text: str, note: str) -> View:
    """A panel's own title, lighter than the sentence above it, and its figure."""
    return {
        "text": text,
        "subtitle": note or " ",  # all panels of a row begin at one height
        "fontSize": 11,
        "fontWeight": "normal",
        "subtitleFontSize": 10,
        "color": _INK,
        "frame": "group",
        "offset": 8,
    }


def _axis(
    field: str, title: str | None, domain: Sequence[float] | None = (0.0, 1.0), **more: Any
) -> View:
    scale: View = {"nice": False, "zero": False}
    if domain is not None:
        scale["domain"] = list(domain)
    scale |= more.pop("scale", {})
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, **more}


def _shown(*fields: tuple[str, str, str]) -> list[View]:
    """A tooltip: field, name and number format."""
    return [
        {"field": field, "type": "quantitative", "title": title, "format": form}
        for field, title, form in fields
    ]


_SET_TIP: View = {"field": "set", "type": "nominal", "title": "set"}


# --- sets -----------------------------------------------------------------------------------


def _by_set(index: int) -> View:
    names = list(_SETS)
    return {
        "field": "set",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": names, "range": [_SETS[name][index] for name in names]},
    }


def _rule(axis: str, value: float) -> View:
    """The limit that was asked for."""
    return {
        "data": {"values": [{"limit": value}]},
        "mark": {"type": "rule", "color": _INK, "strokeDash": [2, 2], "clip": True},
        "encoding": {axis: {"field": "limit", "type": "quantitative"}},
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
                        *_shown(
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
        "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1, "stroke": "white"},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": y, "type": "quantitative"},
            "color": _by_set(0),
            "shape": _by_set(1),
            "tooltip": [
                {**_SET_TIP, "title": "chosen, on"},
                *_shown(
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
    x, y = _axis("recall", "recall"), _axis("precision", "precision")
    layers = [_curves(picture.curves, x, y, "step-before")]
    if objective is not None and objective.limit is not None:
        axis = {"max-precision@recall": "x", "max-recall@precision": "y"}.get(objective.kind)
        layers += [_rule(axis, objective.limit)] if axis else []
    layers.append(_points(picture.chosen, "recall", "precision"))
    return {
        "title": _named("Precision and recall", note),
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": layers,
    }


def _rates(picture: LabelPicture, objective: Objective | None, note: str) -> View:
    is_fpr = objective is not None and objective.kind == "max-recall@fpr"
    limit = objective.limit if objective is not None else None
    x = _fpr_axis(picture, limit if is_fpr else None)
    layers = [_curves(picture.curves, x, _axis("recall", "recall"), "step-after")]
    if limit is not None and is_fpr:
        layers.append(_rule("x", limit))
    elif objective is not None and limit is not None and objective.kind == "max-precision@recall":
        layers.append(_rule("y", limit))
    layers.append(_points(picture.chosen, "fpr", "recall"))
    return {
        "title": _named("Recall and false positives", note),
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": layers,
    }


def _fpr_axis(picture: LabelPicture, limit: float | None) -> View:
    """Zoomed to a limit; else all of it, its low end drawn wide."""
    if limit is None:
        values = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1]
        return _axis(
            "fpr",
            "false positive rate (root scale)",
            scale={"type": "sqrt"},
            axis={"values": values, "format": "~g", "labelOverlap": "greedy"},
        )
    reached = [row["fpr"] for row in picture.chosen if row["fpr"] is not None]
    end = min(1.0, max(0.05, 5.0 * limit, *(1.25 * fpr for fpr in reached + _first(picture))))
    title = "false positive rate" + (f" (up to {end:.2g})" if end < 1.0 else "")
    return _axis("fpr", title, (0.0, end), axis={"format": "~g"})


def _first(picture: LabelPicture) -> list[float]:
    """Where the curve of each set first leaves the ground, so that it is seen doing so."""
    begins: dict[str, float] = {}
    for row in picture.curves:
        if row["recall"] > 0.0 and row["fpr"] is not None:
            begins.setdefault(row["set"], row["fpr"])
    return list(begins.values())


# --- reliability ----------------------------------------------------------------------------


def _reliability(found: Reliability, picture: LabelPicture) -> View:
    """What came over what was said, and below it how many items each bin has."""
    colour, shape, _ = _SETS[picture.on]
    name = found.name if len(picture.reliability) > 1 or found.name == "after" else "of the scores"
    x = _axis("said", None, axis={"labels": False, "ticks": False})
    y = _axis("came", "share of positives")
    tip = _shown(
        ("said", "said, on average", ".4f"),
        ("came", "came", ".4f"),
        ("low", "at least (95 %)", ".4f"),
        ("high", "at most (95 %)", ".4f"),
        ("n", "items", ",d"),
    )
    diagram = {
        "title": _named(
            f"Reliability {name}, {picture.on}",
            f"ECE{BINS} {found.ece:.3f}, a perfect model {found.perfect:.3f}",
        ),
        "width": _WIDTH,
        "height": _HEIGHT - _STRIP - 6,
        "layer": [
            {
                "data": {"values": [{"said": 0, "came": 0}, {"said": 1, "came": 1}]},
                "mark": {"type": "line", "color": _FAINT, "strokeDash": [2, 2], "strokeWidth": 1},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": list(found.bins)},
                "encoding": {"x": x, "tooltip": tip},
                "layer": [
                    {
                        "mark": {"type": "rule", "color": colour, "strokeWidth": 1.2},
                        "encoding": {
                            "y": _axis("low", "share of positives"),
                            "y2": {"field": "high"},
                        },
                    },
                    {
                        "mark": {
                            "type": "point",
                            "filled": True,
                            "color": colour,
                            "opacity": 1,
                            "shape": shape,
                            "size": 40,
                        },
                        "encoding": {"y": y},
                    },
                ],
            },
        ],
    }
    return {"vconcat": [diagram, _items(found, tip)], "spacing": 6}


def _items(found: Reliability, tip: Sequence[View]) -> View:
    most = max(row["n"] for row in found.bins)
    return {
        "data": {"values": list(found.bins)},
        "width": _WIDTH,
        "height": _STRIP,
        "mark": {"type": "bar", "color": "#bbbbbb", "stroke": "white", "strokeWidth": 0.5},
        "encoding": {
            "x": _axis("lo", "probability said"),
            "x2": {"field": "hi"},
            "y": _axis(
                "n",
                "items",
                (0.0, most),
                scale={"type": "sqrt"},
                axis={"values": [0, most], "format": "~s", "grid": False},
            ),
            "y2": {"datum": 0},
            "tooltip": list(tip),
        },
    }


# --- histograms -----------------------------------------------------------------------------


def _histogram(found: Histogram, on: SetName, note: str) -> View:
    """Positives upwards, negatives downwards, by the root of their counts."""
    edges = [row[end] for row in found.cells for end in ("lo", "hi")]
    if found.cut is not None:
        edges.append(found.cut)
    domain = (min(edges), max(edges)) if edges else (0.0, 1.0)
    most = max((row["n"] for row in found.cells), default=1)
    x = _axis(
        "lo", found.scale + (", last cells hold the rest" if found.is_clipped else ""), domain
    )
    layers: list[View] = [
        {
            "data": {"values": list(found.cells)},
            "mark": {"type": "bar", "stroke": "white", "strokeWidth": 0.4},
            "encoding": {
                "x": x,
                "x2": {"field": "hi"},
                "y": _axis(
                    "height",
                    "items (root scale)",
                    (-1.15 * most, 1.15 * most),
                    scale={"type": "sqrt"},
                    axis={"labelExpr": "format(abs(datum.value), '~s')", "values": _ticks(most)},
                ),
                "y2": {"datum": 0},
                "color": {
                    "field": "truth",
                    "type": "nominal",
                    "legend": None,
                    "scale": {"domain": list(_TRUTHS), "range": list(_TRUTHS.values())},
                },
                "tooltip": [
                    {"field": "truth", "type": "nominal", "title": "truth"},
                    *_shown(("n", "items", ",d"), ("lo", "from", ".4~g"), ("hi", "to", ".4~g")),
                ],
            },
        },
        {
            "data": {"values": [{"height": 0}]},
            "mark": {"type": "rule", "color": _FAINT},
            "encoding": {"y": {"field": "height", "type": "quantitative"}},
        },
    ]
    if found.cut is not None:
        layers.append(_cut(found.cut))
    return {
        "title": _named(f"Scores by truth, {on}", note),
        "width": _WIDE,
        "height": _HEIGHT,
        "layer": layers,
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


# --- legend ---------------------------------------------------------------------------------


def legend(sets: Sequence[SetName], *, has_limit: bool, has_cut: bool) -> View:
    """What the shapes mean, drawn with the same marks, once for all panels."""
    entries: list[View] = []
    place = 0

    def add(text: str, *marks: View) -> None:
        nonlocal place
        data = {"values": [{"x": place, "x2": place + 26, "y": 0.5}]}
        for mark in marks:
            extent = {"x2": {"field": "x2"}} if mark["type"] in {"rule", "bar"} else {}
            at = "x" if extent else "middle"
            encoding = {"x": _legend_axis("x"), **extent, "y": _legend_y()}
            if at == "middle":
                encoding["x"] = _legend_axis("middle")
            values = {"values": [{**data["values"][0], "middle": place + 13}]}
            entries.append({"data": values, "mark": mark, "encoding": encoding})
        words = {"type": "text", "align": "left", "text": text, "fontSize": 11, "color": _INK}
        entries.append(
            {
                "data": {"values": [{"x": place + 32, "y": 0.5}]},
                "mark": {**words, "baseline": "middle"},
                "encoding": {"x": _legend_axis("x"), "y": _legend_y()},
            }
        )
        place += 32 + 6 * len(text) + 20

    for name in sets:
        colour, shape, dash = _SETS[name]
        line = {"type": "rule", "color": colour, "strokeDash": dash, "strokeWidth": 1.5}
        point = {
            "type": "point",
            "filled": True,
            "color": colour,
            "shape": shape,
            "size": 90,
            "opacity": 1,
        }
        add(f"{name}, its mark where chosen", line, point)
    for name, side in (("positives", "up"), ("negatives", "down")):
        add(f"{name} ({side})", {"type": "bar", "color": _TRUTHS[name], "height": 9})
    if has_cut:
        add(
            "threshold",
            {
                "type": "point",
                "shape": "stroke",
                "angle": 90,
                "size": 200,
                "color": "black",
                "opacity": 1,
            },
        )
    add(
        "limit, or the ideal" if has_limit else "the ideal",
        {"type": "rule", "color": _INK, "strokeDash": [2, 2]},
    )
    return {"width": _LEGEND_WIDTH, "height": 14, "view": {"stroke": None}, "layer": entries}


_LEGEND_WIDTH = 900


def _legend_axis(field: str) -> View:
    return {
        "field": field,
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, _LEGEND_WIDTH], "nice": False},
    }


def _legend_y() -> View:
    return {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1]}}
