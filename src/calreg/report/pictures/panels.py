"""The panels of one label as Vega-Lite views: what is drawn where.

Limits, curves and marks of a panel share its scales. Labels stand in no field name and in
no expression: they are only ever text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calreg.calibrate.objectives import Objective
from calreg.evaluate import BINS
from calreg.report.pictures.measured import Histogram, LabelPicture, Reliability, Row, SetName
from calreg.report.pictures.style import APART, FAINT, INK, SETS, TRUTHS, View

__all__ = ["Notes", "label_panels"]

_HEIGHT = 170
_WIDTH = 165
_WIDE = 220
_STRIP = 28

# Not the axis's `format`, which rounds 0.25 to 0.3 where steps are wide.
_COUNT = "format(abs(datum.value), '.3~s')"
_RATE = "format(datum.value, '.3~g')"


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


def _named(text: str, note: str, offset: int = 8) -> View:
    """A panel's own title, lighter than the sentence above it, and its figure."""
    return {
        "text": text,
        "subtitle": note or " ",  # all panels of a row begin at one height
        "fontSize": 11,
        "fontWeight": "normal",
        "subtitleFontSize": 10,
        "color": INK,
        "frame": "group",
        "offset": offset,
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
    names = list(SETS)
    return {
        "field": "set",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": names, "range": [SETS[name][index] for name in names]},
    }


def _rule(axis: str, value: float) -> View:
    """The limit that was asked for."""
    return {
        "data": {"values": [{"limit": value}]},
        "mark": {"type": "rule", "color": INK, "strokeDash": [2, 2], "clip": True},
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
        "mark": {"type": "point", "filled": True, "opacity": 1, "stroke": "white"},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": y, "type": "quantitative"},
            "color": _by_set(0),
            "shape": _by_set(1),
            "size": {**_by_set(3), "type": "ordinal"},
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
            axis={"values": values, "labelExpr": _RATE, "labelOverlap": "greedy"},
        )
    reached = [row["fpr"] for row in picture.chosen if row["fpr"] is not None]
    end = min(1.0, max(0.05, 5.0 * limit, *(1.25 * fpr for fpr in reached + _first(picture))))
    title = "false positive rate" + (f" (up to {end:.2g})" if end < 1.0 else "")
    return _axis("fpr", title, (0.0, end), axis={"labelExpr": _RATE})


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
    colour, shape, *_ = SETS[picture.on]
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
                "mark": {"type": "line", "color": FAINT, "strokeDash": [2, 2], "strokeWidth": 1},
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
                axis={"values": [0, most], "labelExpr": _COUNT, "grid": False},
            ),
            "y2": {"datum": 0},
            "tooltip": list(tip),
        },
    }


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
        "title": _named(f"Scores by truth, {on}", note, 12),
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
    counts: View = {"labelExpr": _COUNT, "values": _ticks(most)}
    room = 1.15 * most
    return {
        "data": {"values": list(found.cells)},
        "mark": {"type": "bar", "stroke": "white", "strokeWidth": 0.4},
        "encoding": {
            "x": _axis("lo", found.scale + beyond, domain),
            "x2": {"field": "hi"},
            "y": _axis(
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
                *_shown(("n", "items", ",d"), ("lo", "from", ".4~g"), ("hi", "to", ".4~g")),
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
