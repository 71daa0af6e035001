"""HTML put together from values: whatever is not HTML already becomes text, always.

`tag` is the only way to write an element, and it escapes what it is given; so no label, name
or comment can become markup, whoever wrote it. Nothing here knows what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["Html", "Part", "code", "joined", "tag"]

_VOID = frozenset({"br", "input", "link", "meta", "wbr"})


class Html(str):
    """Text that is HTML already. Only this module and constants make it."""

    __slots__ = ()


Part = str | None
"""What an element may hold: HTML, text that is escaped, or nothing."""


def tag(name: str, /, *parts: Part, **attributes: str | bool | None) -> Html:
    """One element.

    Args:
        name: Its name.
        parts: What it holds; text is escaped.
        attributes: With `_` for `-`, and one at the end for a name that Python keeps for
            itself. True is an attribute without a value, None and False none at all.

    >>> tag("a", "p5 < p95", href="x?a&b", class_=None)
    '<a href="x?a&amp;b">p5 &lt; p95</a>'
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(parts)}</{name}>")


def code(line: str) -> Html:
    """A command to be typed; where it has to be broken, it is not within an option's name.

    >>> code("calreg diff --json")
    '<code>calreg diff <span class="opt">--json</span></code>'
    """
    words = (
        tag("span", word, class_="opt") if word.startswith("--") else word
        for word in line.split(" ")
    )
    return tag("code", joined(words, " "))


def joined(parts: Iterable[Part], between: str = "") -> Html:
    """The parts one after the other, text escaped.

    >>> joined(["<", Html("<br>"), None])
    '&lt;<br>'
    """
    return Html(
        between.join(
            part if isinstance(part, Html) else escape(part) for part in parts if part is not None
        )
    )
