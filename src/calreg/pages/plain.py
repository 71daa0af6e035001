"""The frame of a page that stands by itself, with the dashboard's look: a form, a description."""

from __future__ import annotations

from calreg.pages.html import Html, Part, tag
from calreg.pages.look import SCRIPT, STYLE, policy

__all__ = ["plain_page"]


def plain_page(title: str, *parts: Part, root: str = "./") -> bytes:
    """A whole page without script.

    Args:
        title: What a browser calls it.
        parts: What stands in it.
        root: The way to the first page of the dashboard.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content=policy(SCRIPT, is_served=True),
        ),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(STYLE)),
    )
    way = tag("header", tag("nav", tag("a", "Overview", href=root), aria_label="Dashboard"))
    body = tag("body", way, tag("main", *parts, id="content"))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n".encode()
