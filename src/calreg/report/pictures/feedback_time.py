"""The panels of a history as Vega-Lite views: errors run by run, and factors over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calreg.report.pictures.feedback_history import Event, in_force, marks
from calreg.report.pictures.feedback_panels import BLUE
from calreg.report.pictures.feedback_rows import Row, with_all
from calreg.report.pictures.legend import Entry
from calreg.report.pictures.style import INK, View
from calreg.report.pictures.views import axis, named, shown

__all__ = ["factor_panel", "history_legend", "trend_panels"]

_ORANGE = "#D55E00"
_DID: Mapping[str, View] = {
    # A suggestion is drawn around what may have been applied of it.
    "suggested": {"shape": "circle", "filled": False, "color": INK, "size": 110},
    "applied": {"shape": "diamond", "filled": True, "color": BLUE, "size": 90},
    "reverted": {"shape": "square", "filled": True, "color": _ORANGE, "size": 70},
}

_WIDTH = 195
_HEIGHT = 95
_TREND = 230
_LEAST = 0.05  # a factor's axis spans at least this share of it, so that little looks little
_MINUTE = 60_000
_MINUTES = 5 * _MINUTE
_DAYS = 3 * 24 * 60 * _MINUTE

# A label at the very top would push the panel's title above its neighbours'.
_BOUND: View = {"labelBound": True, "labelFlush": True}

_WHEN: View = {"field": "when", "type": "nominal", "title": "when (UTC)"}


def history_legend(did: Sequence[str]) -> list[Entry]:
    """What the marks of these panels mean; only of what is drawn."""
    line = {"type": "rule", "color": BLUE, "strokeWidth": 1.5}
    entries: list[Entry] = [("factor in force", [line])]
    for what, look in _DID.items():
        if what in did:
            entries.append((f"{what}", [_mark(look)]))
    return entries


def _mark(look: View) -> View:
    return {"type": "point", "opacity": 1, "strokeWidth": 1.5, "clip": True, **look}


def _time_axis(events: Sequence[Event]) -> View:
    """The same for every panel: from the first event to the last."""
    first, last = events[0].time, events[-1].time
    room = _room(events)
    return {
        "field": "time",
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc", "domain": [first - room, last + room], "nice": False},
        "axis": {
            "tickCount": 3,
            "format": _time_format(last - first),
            "labelOverlap": "greedy",
            "grid": False,
        },
    }


def _room(events: Sequence[Event]) -> int:
    """What is left free on either side; of a single moment, a minute."""
    return (events[-1].time - events[0].time) // 20 or _MINUTE


def _time_format(span: int) -> str:
    if span > _DAYS:
        return "%Y-%m-%d"
    return "%d %b %H:%M" if span > _MINUTES else "%H:%M:%S"


def _domain(values: Sequence[float], least: float) -> list[float]:
    low, high = min(values), max(values)
    missing = max(least * max(abs(low), abs(high)) - (high - low), 0.0) or (low == high)
    room = 0.12 * (high - low) + missing / 2
    return [low - room, high + room]


# --- errors ---------------------------------------------------------------------------------


def trend_panels(rows: Sequence[Row], events: Sequence[Event], height: int) -> list[View]:
    """MAE and bias of all prices with their intervals, run by run.

    Args:
        rows: As `run_rows` gives them.
        events: What the time axis spans.
        height: Of a panel.
    """
    return [
        _trend(rows, events, "mae", "Mean absolute error, run by run", height),
        _trend(rows, events, "bias", "Bias, run by run: below 0 is too low", height),
    ]


def _trend(
    rows: Sequence[Row], events: Sequence[Event], field: str, title: str, height: int
) -> View:
    low, high = f"{field}_low", f"{field}_high"
    drawn = with_all(rows, field)
    ends = [row[end] for row in with_all(drawn, low, high) for end in (low, high)]
    domain = _domain([0.0, *ends, *(row[field] for row in drawn)], 0.0)
    if field == "mae":
        domain[0] = 0.0
    x, y = _time_axis(events), axis(field, None, domain, axis=_BOUND)
    tip = [
        _WHEN,
        *shown(
            (field, field, ".4~g"),
            (low, "at least (95 %)", ".4~g"),
            (high, "at most (95 %)", ".4~g"),
            ("n", "pairs", ",d"),
        ),
    ]
    bars: View = {
        "data": {"values": with_all(drawn, low, high)},
        "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
        "encoding": {"x": x, "y": axis(low, None, domain, axis=_BOUND), "y2": {"field": high}},
    }
    return {
        "title": named(title, "", 12),
        "width": _TREND,
        "height": height,
        "layer": [
            {
                "data": {"values": [{field: 0}]},
                "mark": {"type": "rule", "color": INK, "strokeDash": [2, 2]},
                "encoding": {"y": y},
            },
            bars,
            {
                "data": {"values": drawn},
                "mark": {
                    "type": "line",
                    "color": BLUE,
                    "strokeWidth": 1.5,
                    "point": {"color": BLUE, "filled": True, "size": 50},
                },
                "encoding": {"x": x, "y": y, "tooltip": tip},
            },
        ],
    }


# --- factors --------------------------------------------------------------------------------


def factor_panel(events: Sequence[Event], group: str, title: str, note: str) -> View:
    """The factor of one group over time: in force as a line in steps, what was done as marks.

    Args:
        events: By time.
        group: Its name.
        title: How it is shown.
        note: What became of it, in words.
    """
    line, did = in_force(events, group), marks(events, group)
    domain = _domain([row["factor"] for row in [*line, *did]], _LEAST)
    x, y = _time_axis(events), axis("factor", None, domain, axis=_BOUND)
    tip = [
        _WHEN,
        {"field": "what", "type": "nominal", "title": "what"},
        *shown(("before", "from", ".5~g"), ("factor", "to", ".5~g")),
    ]
    steps: View = {
        "data": {"values": _extended(line, events)},
        "mark": {
            "type": "line",
            "interpolate": "step-after",
            "color": BLUE,
            "strokeWidth": 1.5,
            "clip": True,
        },
        "encoding": {"x": x, "y": y, "order": {"field": "place", "type": "quantitative"}},
    }
    points = [
        {
            "data": {"values": [row for row in did if row["what"] == what]},
            "mark": _mark(look),
            "encoding": {"x": x, "y": y, "tooltip": tip},
        }
        for what, look in _DID.items()
        if any(row["what"] == what for row in did)
    ]
    return {
        "title": named(title, note),
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": [steps, *points],
    }


def _extended(line: Sequence[Row], events: Sequence[Event]) -> list[Row]:
    """The factor stays in force after the last event that says so."""
    if not line:
        return []
    return [*line, {**line[-1], "place": len(line), "time": events[-1].time + _room(events)}]
