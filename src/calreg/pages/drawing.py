"""From a Vega-Lite specification to a picture inside a page.

The one place of the pages that draws. What the library makes is put together anew from a
short list of elements and attributes: nothing else gets into a page, and a picture is a
fifth of its size. The library is an extra; `drawer` says whether it is there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET  # reads what the library just wrote

from calreg.pages.html import Html, tag
from calreg.pages.specs import Spec

__all__ = ["Draw", "drawer"]

Draw = Callable[[Spec, str], Html]
"""From a specification, and the words that say the same, to a picture."""

_KEPT = {
    "g": ("transform",),
    "path": ("d", "transform", "fill", "stroke", "stroke-width", "stroke-dasharray"),
    "line": ("transform", "x2", "y2", "stroke", "stroke-width", "stroke-dasharray"),
    "text": ("transform", "text-anchor", "fill", "font-size"),
}
_NUMBER = re.compile(r"-?\d+\.\d+")
_COLOUR = re.compile(r"var\(--[a-z]+\)|none")
_NOWHERE = frozenset({"translate(0,0)", ""})


def drawer() -> Draw | None:
    """What draws; None if the library is not installed."""
    try:
        import vl_convert
    except ImportError:
        return None

    def draw(spec: Spec, words: str) -> Html:
        svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
        return _picture(svg, words)

    return draw


def _picture(svg: str, words: str) -> Html:
    root = ET.fromstring(svg)  # noqa: S314  # see above
    box = root.get("viewBox", "")
    width, height = (math.ceil(float(number)) for number in box.split()[2:])
    return tag(
        "svg",
        *_children(root),
        viewBox=f"0 0 {width} {height}",
        class_="chart",
        fill="none",
        role="img",
        aria_label=words,
    )


def _children(element: ET.Element) -> Iterator[Html]:
    for child in element:
        kind = child.tag.rpartition("}")[2]
        if kind in _KEPT and child.get("display") != "none":
            yield from _kept(kind, child)


def _kept(kind: str, element: ET.Element) -> Iterator[Html]:
    found = {
        name.replace("-", "_"): _rounded(value)
        for name in _KEPT[kind]
        if (value := element.get(name)) is not None and value not in _NOWHERE
    }
    if kind == "g":
        inside = list(_children(element))
        if inside and found:
            yield tag("g", *inside, **found)
        else:
            yield from inside
        return
    colours = [found[name] for name in ("fill", "stroke") if name in found]
    if not all(map(_COLOUR.fullmatch, colours)):
        return  # the library's own ground and frame
    if kind == "text":
        yield tag("text", element.text, **found)
    elif any(colour != "none" for colour in colours):
        yield tag(kind, **found)


def _rounded(value: str) -> str:
    return _NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), value)
