"""What the shapes mean: drawn with the same marks as in the panels, once for all of them.

Vega-Lite's own legends belong to one scale each; this one shows a set's line and mark
together, and the lines that have no scale.
"""

from __future__ import annotations

from collections.abc import Sequence

from calreg.report.pictures.measured import SetName
from calreg.report.pictures.style import INK, SETS, TRUTHS, View

__all__ = ["Entry", "legend", "strip"]

_WIDTH = 900
_SWATCH = 26
_LETTER = 6  # about as wide as one of this size


def legend(sets: Sequence[SetName], *, has_limit: bool, has_cut: bool) -> View:
    """A strip of swatches and words; only of what is drawn."""
    entries = [*(_of_set(name) for name in sets), *_of_truths()]
    if has_cut:
        stroke = {"type": "point", "shape": "stroke", "angle": 90, "size": 200, "color": "black"}
        entries.append(("threshold", [stroke]))
    dotted = {"type": "rule", "color": INK, "strokeDash": [2, 2]}
    entries.append(("limit, or the ideal" if has_limit else "the ideal", [dotted]))
    return strip(entries)


Entry = tuple[str, list[View]]
"""Words, and the marks that they explain."""


def strip(entries: Sequence[Entry]) -> View:
    """Swatches and their words, side by side."""
    layers: list[View] = []
    place = 0
    for text, marks in entries:
        layers += [_swatch(mark, place) for mark in marks]
        layers.append(_words(text, place + _SWATCH + 6))
        place += _SWATCH + 26 + _LETTER * len(text)
    return {"width": _WIDTH, "height": 14, "view": {"stroke": None}, "layer": layers}


def _of_set(name: SetName) -> Entry:
    colour, shape, dash, _ = SETS[name]
    line = {"type": "rule", "color": colour, "strokeDash": dash, "strokeWidth": 1.5}
    point = {"type": "point", "filled": True, "color": colour, "shape": shape, "size": 90}
    return f"{name}, its mark where chosen", [line, point]


def _of_truths() -> list[Entry]:
    sides = {"positives": "up", "negatives": "down"}
    return [
        (f"{name} ({side})", [{"type": "bar", "color": TRUTHS[name], "height": 9}])
        for name, side in sides.items()
    ]


def _swatch(mark: View, place: int) -> View:
    """A mark in the middle of a swatch, or along it."""
    is_long = mark["type"] in {"rule", "bar"}
    row = {"x": place if is_long else place + _SWATCH / 2, "x2": place + _SWATCH, "y": 0.5}
    end: View = {"x2": {"field": "x2"}} if is_long else {}
    return {
        "data": {"values": [row]},
        "mark": {**mark, "opacity": 1},
        "encoding": {**_position(), **end},
    }


def _words(text: str, place: int) -> View:
    return {
        "data": {"values": [{"x": place, "y": 0.5}]},
        "mark": {
            "type": "text",
            "text": text,
            "align": "left",
            "baseline": "middle",
            "fontSize": 11,
            "color": INK,
        },
        "encoding": _position(),
    }


def _position() -> View:
    plain: View = {"type": "quantitative", "axis": None}
    return {
        "x": {"field": "x", "scale": {"domain": [0, _WIDTH], "nice": False}, **plain},
        "y": {"field": "y", "scale": {"domain": [0, 1]}, **plain},
    }
