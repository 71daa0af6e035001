"""The panels of a feedback run as Vega-Lite views: errors and factors by group, calibration.

One row per group goes through all panels that stand side by side. Groups stand in no field
name and in no expression: they are only ever text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from calreg.report.pictures.feedback_rows import Row, with_all
from calreg.report.pictures.feedback_words import factor_text
from calreg.report.pictures.legend import Entry
from calreg.report.pictures.reliability import Diagram, reliability_panel
from calreg.report.pictures.style import FAINT, INK, View
from calreg.report.pictures.views import axis, named, shown

__all__ = ["BLUE", "STATUSES", "calibration_panel", "error_panels", "factor_panels", "legend_of"]

BLUE = "#0072B2"

STATUSES: Mapping[str, tuple[str, str, int]] = {
    "ok": (BLUE, "diamond", 110),
    "within noise": (FAINT, "circle", 70),
    "too few": (FAINT, "cross", 70),
}
"""Colour, shape and size of a suggestion, by its status."""

_STEP = 22
_WIDTH = 190
_CALIBRATION = 250
_REACH = 10.0  # an interval that reaches so many times further than the middle one is cut

_SIGNED = "datum.value ? format(datum.value, '+.3~g') : '0'"
_PERCENT = "(datum.value ? format(100 * datum.value, '+.3~g') : '0') + ' %'"


def legend_of(*, has_factors: bool) -> list[Entry]:
    """What the marks of these panels mean."""
    dotted = {"type": "rule", "color": INK, "strokeDash": [2, 2]}
    bar = {"type": "rule", "color": INK, "strokeWidth": 1.5}
    entries: list[Entry] = [("95 % interval", [bar]), ("no error, no change, the ideal", [dotted])]
    if has_factors:
        entries += [
            (f"suggested: {status}", [_point(colour, shape, size)])
            for status, (colour, shape, size) in STATUSES.items()
        ]
    return entries


def _point(colour: str, shape: str, size: int) -> View:
    return {
        "type": "point",
        "filled": True,
        "opacity": 1,
        "color": colour,
        "shape": shape,
        "size": size,
    }


# --- by group -------------------------------------------------------------------------------


def error_panels(rows: Sequence[Row], groups: Sequence[str]) -> list[View]:
    """Bias and MAE with their intervals, and how many pairs they are of.

    Args:
        rows: As `error_rows` gives them.
        groups: What stands on the axis, from top to bottom.
    """
    tip = shown(
        ("n", "pairs", ",d"),
        ("bias", "bias", ".4~g"),
        ("bias_low", "bias, at least (95 %)", ".4~g"),
        ("bias_high", "bias, at most (95 %)", ".4~g"),
        ("mae", "MAE", ".4~g"),
        ("mae_low", "MAE, at least (95 %)", ".4~g"),
        ("mae_high", "MAE, at most (95 %)", ".4~g"),
    )
    marks = [_point(BLUE, "circle", 60)]
    return [
        {
            "title": named(
                "Bias: predicted less paid", _cut_text(rows, "bias", "below 0: too low")
            ),
            **_forest(rows, groups, "bias", tip, _SIGNED, marks, has_names=True),
        },
        {
            "title": named("Mean absolute error", _cut_text(rows, "mae", "in the unit of prices")),
            **_forest(rows, groups, "mae", tip, "format(datum.value, '.3~s')", marks),
        },
        _texts([{**row, "text": f"{row['n']:,}"} for row in rows], groups, "pairs", 44, "right"),
    ]


def factor_panels(
    rows: Sequence[Row], groups: Sequence[str], *, has_names: bool = False
) -> list[View]:
    """The change from the factor in force to the suggested one, with its interval and status.

    Args:
        rows: As `factor_rows` gives them.
        groups: What stands on the axis, from top to bottom.
        has_names: Whether no panel to the left names the groups.
    """
    tip = [
        *shown(
            ("before", "factor in force", ".5~g"),
            ("suggested", "suggested", ".5~g"),
            ("low", "at least (95 %)", ".5~g"),
            ("high", "at most (95 %)", ".5~g"),
            ("n", "pairs", ",d"),
        ),
        {"field": "status", "type": "nominal", "title": "status"},
    ]
    marks = [{**_point(*look), "_status": status} for status, look in STATUSES.items()]
    forest = _forest(rows, groups, "change", tip, _PERCENT, marks, has_names=has_names)
    return [
        {
            "title": named(
                "Factor: change suggested", _cut_text(rows, "change", "from the one in force")
            ),
            **forest,
        },
        _texts(
            [{**row, "text": factor_text(row)} for row in rows],
            groups,
            "in force → suggested",
            165,
            "left",
        ),
    ]


def _forest(
    rows: Sequence[Row],
    groups: Sequence[str],
    field: str,
    tip: Sequence[View],
    label: str,
    marks: Sequence[View],
    *,
    has_names: bool = False,
) -> View:
    """A mark and its interval per group, over a line at zero."""
    low, high = f"{field}_low", f"{field}_high"
    drawn = [{**row, "field": row[field]} for row in with_all(rows, field)]
    domain = _domain(drawn, field)
    y = _group_axis(groups, has_names=has_names)
    # Every layer has the same axis; of two that differ, both titles and ticks would be drawn.
    x = {"title": None, "axis": {"labelExpr": label, "tickCount": 4, "labelOverlap": "greedy"}}
    zero: View = {
        "data": {"values": [{field: 0}]},
        "mark": {"type": "rule", "color": INK, "strokeDash": [2, 2]},
        "encoding": {"x": {**axis(field, None, domain), **x}},
    }
    bars: View = {
        "data": {"values": with_all(drawn, low, high)},
        "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5, "clip": True},
        "encoding": {
            "y": y,
            "x": {**axis(low, None, domain), **x},
            "x2": {"field": high},
            "tooltip": list(tip),
        },
    }
    points = [_marks(mark, drawn, field, domain, y, x, tip) for mark in marks]
    return {
        "width": _WIDTH,
        "height": {"step": _STEP},
        "layer": [zero, bars, *(one for one in points if one["data"]["values"])],
    }


def _marks(
    mark: View,
    rows: Sequence[Row],
    field: str,
    domain: Sequence[float],
    y: View,
    x: View,
    tip: Sequence[View],
) -> View:
    """The rows of one status, or all where the mark has none."""
    status = mark.get("_status")
    return {
        "data": {"values": [row for row in rows if status in {None, row.get("status")}]},
        "mark": {name: value for name, value in mark.items() if name != "_status"},
        "encoding": {
            "y": y,
            "x": {**axis(field, None, domain), **x},
            "tooltip": [{"field": "group", "type": "nominal", "title": "group"}, *tip],
        },
    }


def _group_axis(groups: Sequence[str], *, has_names: bool) -> View:
    names: View = {"labelLimit": 330, "ticks": False, "domain": False, "labelFontSize": 11}
    none: View = {"labels": False, "ticks": False, "domain": False}
    return {
        "field": "group",
        "type": "nominal",
        "title": None,
        "sort": None,
        "scale": {"domain": list(groups)},
        "axis": {**(names if has_names else none), "grid": True},
    }


def _domain(rows: Sequence[Row], field: str) -> list[float]:
    """Zero and every mark; of the intervals as much as leaves room for the others."""
    points = [row[field] for row in rows]
    ends = [end for row in rows for end in _ends(row, field)]
    reaches = [max(map(abs, (row[field], *_ends(row, field)))) for row in rows]
    limit = max([_REACH * median(reaches), *map(abs, points)]) if rows else 1.0
    low = min([0.0, *points, *(max(end, -limit) for end in ends)])
    high = max([0.0, *points, *(min(end, limit) for end in ends)])
    room = 0.06 * (high - low) or 1.0
    # Where nothing is below zero, zero is the edge.
    return [low - room if low < 0.0 else 0.0, high + room if high > 0.0 or low == 0.0 else 0.0]


def _ends(row: Row, field: str) -> list[float]:
    return [end for end in (row[f"{field}_low"], row[f"{field}_high"]) if end is not None]


def _cut_text(rows: Sequence[Row], field: str, text: str) -> str:
    """The text, and that intervals go on beyond the edge where they do."""
    drawn = with_all(rows, field)
    low, high = _domain(drawn, field)
    is_cut = any(not low <= end <= high for row in drawn for end in _ends(row, field))
    return f"{text}; the longest is cut" if is_cut else text


def _texts(rows: Sequence[Row], groups: Sequence[str], title: str, width: int, align: str) -> View:
    """A column of texts, in the rows of the panels beside it."""
    place = width if align == "right" else 0
    heading = named(title, "")
    if align == "right":
        heading |= {"anchor": "end"}
    return {
        "title": heading,
        "width": width,
        "height": {"step": _STEP},
        "view": {"stroke": None},
        "data": {"values": list(rows)},
        "mark": {"type": "text", "align": align, "fontSize": 11, "color": INK, "limit": 190},
        "encoding": {
            "y": {**_group_axis(groups, has_names=False), "axis": None},
            "x": {"value": place},
            "text": {"field": "text", "type": "nominal"},
        },
    }


# --- probabilities --------------------------------------------------------------------------


def calibration_panel(bins: Sequence[Row], note: str) -> View:
    """What share of the items sold over the probability that was said."""
    look = Diagram(
        title="Probability of a sale",
        note=note,
        came="share that sold",
        colour=BLUE,
        shape="circle",
        width=_CALIBRATION,
        height=_CALIBRATION,
        is_counted=True,
    )
    return reliability_panel(bins, look)
