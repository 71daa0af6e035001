"""How pictures look: colours, shapes and sizes that mean the same in every panel.

Sets differ by shape and dash beside their colour, classes by their side of the axis, so
that nothing is lost in print or to a colour-blind eye. A view is a plain mapping.

References:
    Okabe & Ito (2008), Color universal design: the colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calreg.report.pictures.measured import SetName

__all__ = ["APART", "CONFIG", "FAINT", "INK", "SETS", "TRUTHS", "View"]

View = dict[str, Any]

INK = "#333333"
FAINT = "#8a8a8a"

SETS: Mapping[SetName, tuple[str, str, list[int], int]] = {
    "calibration": ("#D55E00", "circle", [5, 3], 190),
    "holdout": ("#0072B2", "diamond", [1, 0], 100),
}
"""Colour, shape, dash and size of each set's marks; of two at one place both are seen."""

TRUTHS = {"positives": "#009E73", "negatives": "#7d7d7d"}

# Views that stand beside each other would else share one scale of colours.
APART: View = {
    "resolve": {"scale": dict.fromkeys(("color", "shape", "size", "strokeDash"), "independent")}
}

CONFIG: View = {
    "background": "white",
    "font": "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif",
    "view": {"stroke": "#cccccc"},
    "axis": {
        "gridColor": "#eeeeee",
        "domainColor": FAINT,
        "tickColor": FAINT,
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 10,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "tickCount": 5,
    },
    "title": {
        "anchor": "start",
        "color": INK,
        "fontSize": 12,
        "fontWeight": "bold",
        "subtitleColor": "#555555",
        "subtitleFontSize": 11,
        "offset": 8,
    },
    "concat": {"spacing": 16},
}
