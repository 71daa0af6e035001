"""The reliability diagram: per bin what came over what was said, and how many it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calreg.report.pictures.style import FAINT, View
from calreg.report.pictures.views import COUNT, axis, named, shown

__all__ = ["Diagram", "reliability_panel"]

_STRIP = 28
_NUMBERS = 14  # room for the counts above their bars


@dataclass(frozen=True, slots=True)
class Diagram:
    """How a reliability diagram looks.

    Args:
        title: What it is of.
        note: Its figures.
        came: What the share is a share of.
        colour: Of the marks.
        shape: Of the marks.
        width: In points.
        height: Of all of it.
        is_counted: Whether the counts stand above their bars, too.
    """

    title: str
    note: str
    came: str
    colour: str
    shape: str
    width: int
    height: int
    is_counted: bool = False

    @property
    def strip(self) -> int:
        """The height of the bars."""
        return _STRIP + (_NUMBERS if self.is_counted else 0)


def reliability_panel(bins: Sequence[Mapping[str, Any]], look: Diagram) -> View:
    """What came over what was said, and below it how many items each bin has.

    Args:
        bins: `lo`, `hi`, `n`, `said`, `came`, `low`, `high`; at least one.
        look: How it looks.
    """
    x = axis("said", None, axis={"labels": False, "ticks": False})
    y = axis("came", look.came)
    tip = shown(
        ("said", "said, on average", ".4f"),
        ("came", "came", ".4f"),
        ("low", "at least (95 %)", ".4f"),
        ("high", "at most (95 %)", ".4f"),
        ("n", "items", ",d"),
    )
    point = {
        "type": "point",
        "filled": True,
        "color": look.colour,
        "opacity": 1,
        "shape": look.shape,
        "size": 40,
    }
    diagram = {
        "title": named(look.title, look.note),
        "width": look.width,
        "height": look.height - look.strip - 6,
        "layer": [
            {
                "data": {"values": [{"said": 0, "came": 0}, {"said": 1, "came": 1}]},
                "mark": {"type": "line", "color": FAINT, "strokeDash": [2, 2], "strokeWidth": 1},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": list(bins)},
                "encoding": {"x": x, "tooltip": tip},
                "layer": [
                    {
                        "mark": {"type": "rule", "color": look.colour, "strokeWidth": 1.2},
                        "encoding": {"y": axis("low", look.came), "y2": {"field": "high"}},
                    },
                    {"mark": point, "encoding": {"y": y}},
                ],
            },
        ],
    }
    return {"vconcat": [diagram, _items(bins, tip, look)], "spacing": 6}


def _items(bins: Sequence[Mapping[str, Any]], tip: Sequence[View], look: Diagram) -> View:
    most = max(row["n"] for row in bins)
    # On a root scale: what stands above the tallest bar must fit below the top.
    room = most * (look.strip / _STRIP) ** 2 if look.is_counted else most
    bars: View = {
        "mark": {"type": "bar", "color": "#bbbbbb", "stroke": "white", "strokeWidth": 0.5},
        "encoding": {
            "x": axis("lo", "probability said"),
            "x2": {"field": "hi"},
            "y": axis(
                "n",
                "items",
                (0.0, room),
                scale={"type": "sqrt"},
                axis={"values": [0, most], "labelExpr": COUNT, "grid": False},
            ),
            "y2": {"datum": 0},
            "tooltip": list(tip),
        },
    }
    size = {"data": {"values": list(bins)}, "width": look.width, "height": look.strip}
    return {**size, "layer": [bars, _numbers()]} if look.is_counted else {**size, **bars}


def _numbers() -> View:
    """Each bin's count above the middle of its bar."""
    return {
        "transform": [{"calculate": "(datum.lo + datum.hi) / 2", "as": "middle"}],
        "mark": {"type": "text", "fontSize": 9, "baseline": "bottom", "dy": -2, "clip": False},
        "encoding": {
            "x": axis("middle", "probability said"),
            "y": {"field": "n", "type": "quantitative"},
            "text": {"field": "n", "type": "quantitative", "format": ".3~s"},
        },
    }
