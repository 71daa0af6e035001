"""Parts of which panels are made: titles, axes, tooltips, as Vega-Lite has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calreg.report.pictures.style import INK, View

__all__ = ["COUNT", "RATE", "SCHEMA", "axis", "named", "shown"]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

# Not the axis's `format`, which rounds 0.25 to 0.3 where steps are wide.
COUNT = "format(abs(datum.value), '.3~s')"
RATE = "format(datum.value, '.3~g')"


def named(text: str, note: str, offset: int = 8) -> View:
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


def axis(
    field: str, title: str | None, domain: Sequence[float] | None = (0.0, 1.0), **more: Any
) -> View:
    """A field on an axis that ends where its domain does."""
    scale: View = {"nice": False, "zero": False}
    if domain is not None:
        scale["domain"] = list(domain)
    scale |= more.pop("scale", {})
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, **more}


def shown(*fields: tuple[str, str, str]) -> list[View]:
    """A tooltip: field, name and number format."""
    return [
        {"field": field, "type": "quantitative", "title": title, "format": form}
        for field, title, form in fields
    ]
