"""The frame of every page of the dashboard: where one is, where one can go, and its parts.

Pages link to each other relatively, so that they work below any address, and, as files,
from a disk. `Place` says how: the same pages are served and written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calreg.names import HeadName
from calreg.pages.html import Html, Part, joined, tag
from calreg.pages.look import RUN_SCRIPT, SCRIPT, STYLE, policy

__all__ = [
    "Place",
    "age",
    "ago",
    "board",
    "breakable",
    "day",
    "head_place",
    "missing_page",
    "scrolled",
    "table",
    "top_place",
]

Page = Literal["overview", "runs", "gate", "head"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page lies.

    Args:
        root: The way to the first page's folder: `./`, `../`, …
        is_served: By the service, not a file.
        has_references: Whether the pages of published references lie beside the dashboard.
    """

    root: str
    is_served: bool
    has_references: bool = False

    @property
    def overview(self) -> str:
        """The way to the first page."""
        return self.root if self.is_served else f"{self.root}index.html"

    def page(self, name: str) -> str:
        """The way to another page of the top."""
        return f"{self.root}{name}" if self.is_served else f"{self.root}{name}.html"

    def listing(self, number: int) -> str:
        """The way to a part of the list of heads, from 1."""
        if number == 1:
            return self.overview
        return f"{self.root}?page={number}" if self.is_served else f"{self.root}heads-{number}.html"

    def head(self, name: HeadName) -> str:
        """The way to a head's page."""
        end = "" if self.is_served else ".html"
        return f"{self.root}heads/{name.full}{end}"


def top_place(*, is_served: bool, has_references: bool = False) -> Place:
    """The place of the first page, and of those beside it."""
    return Place("./", is_served, has_references)


def head_place(name: HeadName, *, is_served: bool, has_references: bool = False) -> Place:
    """The place of a head's page."""
    return Place("../" * (name.full.count("/") + 1), is_served, has_references)


def board(
    title: str,
    *parts: Part,
    place: Place,
    registry: str,
    here: Page,
    commit: str | None,
) -> bytes:
    """A whole page.

    Args:
        title: What a browser calls it.
        parts: What stands in it.
        place: Where it lies.
        registry: What the registry is called.
        here: Which page it is.
        commit: What it was made from; None: what it shows does not depend on it.
    """
    scripts = (SCRIPT, RUN_SCRIPT) if place.is_served else (SCRIPT,)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content=policy(*scripts, is_served=place.is_served),
        ),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title} – {registry}"),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        _header(place, registry, here),
        tag("main", *parts, id="content", tabindex="-1"),
        _footer(place, commit),
        *(tag("script", Html(script)) for script in scripts),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n".encode()


def _header(place: Place, registry: str, here: Page) -> Html:
    links = {"overview": place.overview, "runs": place.page("runs"), "gate": place.page("gate")}
    shown = [
        tag("a", name.capitalize(), href=way, aria_current="page" if name == here else None)
        for name, way in links.items()
    ]
    if place.has_references:
        shown.append(tag("a", "Published", href=f"{place.root}../index.html"))
    return tag("header", tag("strong", registry), tag("nav", *shown, aria_label="Dashboard"))


def _footer(place: Place, commit: str | None) -> Html:
    parts = []
    if commit is not None:
        parts.append(tag("span", "Made from commit ", tag("code", commit[:12]), "."))
    if place.is_served:
        parts.append(tag("a", "API", href=f"{place.root}docs"))
        parts.append(tag("a", "Sign in or out", href=f"{place.root}sign-in"))
    return tag("footer", joined(parts, " · ")) if parts else Html()


def missing_page(registry: str, place: Place) -> bytes:
    """What is shown for an address where nothing is."""
    return board(
        "Not found",
        tag("h1", "Nothing is here."),
        tag("p", f"{registry} has no such head. ",
            tag("a", "All that it has", href=place.overview), "."),
        place=place,
        registry=registry,
        here="head",
        commit=None,
    )  # fmt: skip


# --- parts --------------------------------------------------------------------------------------


def table(
    columns: list[tuple[str, bool]],
    rows: list[Html],
    *,
    caption: str | None = None,
    **attributes: str | None,
) -> Html:
    """A table.

    Args:
        columns: Names, and whether a column is of numbers.
        rows: Its lines, complete.
        caption: What it is.
        attributes: Of the table.
    """
    heads = [
        tag("th", name, scope="col", class_="n" if is_number else None)
        for name, is_number in columns
    ]
    return tag(
        "table",
        tag("caption", caption) if caption else None,
        tag("thead", tag("tr", *heads)),
        tag("tbody", *rows),
        **attributes,
    )


def scrolled(inside: Html, label: str) -> Html:
    """A table that may be wider than a telephone; it can be scrolled by keyboard too."""
    return tag("div", inside, class_="wide", role="region", aria_label=label, tabindex="0")


def day(stamp: str) -> Html:
    """A time, to the day."""
    return tag("time", stamp[:10], datetime=stamp)


def ago(stamp: str) -> Html:
    """A time to the day; a script adds how long ago it was."""
    return tag("time", stamp[:10], datetime=stamp, data_ago=True)


def age(stamp: str) -> Html:
    """A time to the day; where there is a script, how long ago it was, in its place."""
    return tag("time", stamp[:10], datetime=stamp, data_age=True)


def breakable(path: str) -> Html:
    """A path that may go on in the next line after each of its steps."""
    return joined([part for step in path.split("/") for part in ("/", tag("wbr"), step)][2:])
