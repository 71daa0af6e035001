"""The first page of the dashboard: have the heads settled, and which of them need a look?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from calreg.documents import METRICS
from calreg.pages.answers import missing_text, overview_answer
from calreg.pages.board import Place, age, ago, board, breakable, table
from calreg.pages.drawing import Draw
from calreg.pages.html import Html, Part, joined, tag
from calreg.pages.marks import METRIC_NAMES, metric_cell, sparkline, verdict_mark
from calreg.pages.observed import HeadSeen, Observed
from calreg.pages.runs import runs_picture
from calreg.pages.starting import start_form
from calreg.report.numbers import count_text, plural, version_text
from calreg.report.runs import METRIC_HEADERS

__all__ = ["ROWS", "listings", "overview_page"]

ROWS = 500
"""Heads on one page; the others follow, worst first."""

_MAX_WORDS = 12


def listings(observed: Observed) -> int:
    """How many pages the list of heads has."""
    return max(1, -(-len(observed.heads) // ROWS))


def overview_page(
    observed: Observed,
    place: Place,
    *,
    draw: Draw | None,
    number: int = 1,
    can_run: bool = False,
    is_signed_in: bool = False,
) -> bytes:
    """The first page, or a later part of its list of heads.

    Args:
        observed: The registry.
        place: Where the page lies.
        draw: What draws charts; None: there are none.
        number: Which part of the list, from 1.
        can_run: Whether a run can be started from here.
        is_signed_in: Whether whoever looks has shown a key already.
    """
    heads = observed.worst_first[(number - 1) * ROWS : number * ROWS]
    first: list[Part] = [tag("h1", overview_answer(observed)), _last_words(observed)]
    if number == 1:
        first += [
            start_form(place, is_signed_in=is_signed_in) if can_run else None,
            runs_picture(observed, draw) if observed.heads else None,
        ]
    else:
        first = [tag("h1", f"Heads, part {number} of {listings(observed)}")]
    return board(
        "Overview" if number == 1 else f"Heads {number}",
        *first,
        *([_search(), _list(heads, place), _pager(observed, place, number), _legend()]
          if heads else [_nothing(place)]),
        place=place,
        registry=observed.name,
        here="overview",
        commit=observed.commit,
    )  # fmt: skip


def _last_words(observed: Observed) -> Html | None:
    if not observed.runs:
        return None
    run = observed.runs[0].run
    parts: list[Part] = [
        f"Run {run.version}, ",
        ago(run.timestamp),
        f", of {plural(run.inputs.accepted, 'score')}.",
    ]
    if observed.published is None:
        parts.append(" Nothing is published yet.")
    else:
        parts += [f" Production reads index {observed.published.seq}, issued ",
                  ago(observed.published.issued), "."]  # fmt: skip
    return tag("p", *parts, class_="soft")


def _nothing(place: Place) -> Html:
    said = "A first run makes a version and a reference of every head"
    if place.is_served:
        return tag("p", f"{said}. Post scores (POST /scores), or name files of scores in "
                        "calreg.yaml, and start one.")  # fmt: skip
    return tag("p", f"{said}: ", tag("code", "calreg run scores/*.parquet"))


def _search() -> Html:
    return tag(
        "form",
        tag("label", "Filter ", tag("small", "(head, label or verdict; press /)", class_="soft"),
            for_="q"),
        tag("input", type="search", id="q", autocomplete="off", spellcheck="false"),
        " ",
        tag("output", for_="q", class_="soft count", aria_live="polite"),
        hidden=True,
        role="search",
    )  # fmt: skip


# --- the list -----------------------------------------------------------------------------------


def _list(heads: Sequence[HeadSeen], place: Place) -> Html:
    columns = [
        ("Head", False),
        ("Verdict", False),
        ("Reference", False),
        ("Newest", False),
        ("Items", True),
        *((METRIC_HEADERS[name], False) for name in METRICS),
        ("Versions", False),
    ]
    rows = [_row(head, place) for head in heads]
    whole = table(columns, rows, class_="list", id="heads")
    # The script filters the rows of one body.
    return Html(whole.replace("<tbody>", '<tbody class="found">', 1))


def _row(head: HeadSeen, place: Place) -> Html:
    newest = head.newest
    row = newest.row if newest is not None else None
    cells = (
        [metric_cell(row, name, row.thresholds[name]) for name in METRICS]
        if row is not None and row.reference_version is not None and row.factor is None
        else [_unmeasured(head)]
    )
    return tag(
        "tr",
        tag("th", tag("a", breakable(head.name.full), href=place.head(head.name)),
            _display_name(head), scope="row", class_="all"),
        tag("td", verdict_mark(head), _beside(head), class_="all"),
        tag("td", _reference(head), data_name="reference", class_="keep"),
        tag("td", _newest(head), data_name="newest"),
        tag("td", count_text(row.file_count) if row is not None else "–", class_="n",
            data_name="items"),
        *cells,
        tag("td", sparkline(head.points), class_="all",
            data_name="largest metric over versions" if len(head.points) > 1 else None),
        data_words=_words(head),
    )  # fmt: skip


def _display_name(head: HeadSeen) -> Html | None:
    if head.display_name is None or head.display_name == head.name.head:
        return None
    return tag("div", head.display_name, class_="soft small")


def _unmeasured(head: HeadSeen) -> Html:
    row = head.points[-1].row if head.points else None
    if row is not None and row.factor is not None:
        said = "factors, no scores"
    else:
        said = "nothing to compare with yet"
    return tag("td", said, colspan="6", class_="soft all")


def _beside(head: HeadSeen) -> Html | None:
    """What the verdict means, in a few words."""
    said = None
    if head.settled_since is not None:
        said = f"since v{head.settled_since}"
    elif (need := head.missing) is not None:
        said = f"needs {missing_text(need)}"
    elif head.newest is not None and head.standing == "unstable":
        others = [name for name in head.newest.row.failed_metrics if name not in METRICS]
        said = ", ".join(name.replace("_", " ") for name in others) or None
    return tag("div", said, class_="soft small") if said else None


def _reference(head: HeadSeen) -> Html:
    row = head.newest.row if head.newest is not None else None
    moved = (
        row is not None
        and row.reference_update == "updated"
        and row.reference_version is not None
        and row.reference_after == head.reference_version
    )
    now = version_text(head.reference_version)
    text = f"{version_text(row.reference_version)} → {now}" if moved and row is not None else now
    pin = tag("div", "pinned", class_="soft small") if head.pin is not None else None
    return joined([tag("span", text), pin])


def _newest(head: HeadSeen) -> Html | None:
    if head.newest is None:
        return tag("span", "–")
    unfit = head.newest.version in head.withdrawn
    return joined(
        [
            tag("span", f"v{head.newest.version}"),
            tag("span", " ✗ withdrawn", class_="bad") if unfit else None,
            " ",
            tag("small", age(head.newest.timestamp), class_="soft"),
        ]
    )


def _words(head: HeadSeen) -> str | None:
    labels = list(head.newest.row.labels) if head.newest is not None else []
    return " ".join(labels[:_MAX_WORDS]) or None


def _pager(observed: Observed, place: Place, number: int) -> Html | None:
    last = listings(observed)
    if last == 1:
        return None
    links = [
        tag(
            "a",
            f"{part}",
            href=place.listing(part),
            aria_current="page" if part == number else None,
        )
        for part, _ in zip(count(1), range(last), strict=False)
    ]
    said = f"{plural(len(observed.heads), 'head')}, worst first. Parts: "
    return tag("nav", said, joined(links, " "), aria_label="Parts of the list")


def _legend() -> Html:
    said = [
        tag("li", tag("b", METRIC_HEADERS[name]), f": {METRIC_NAMES[name]}") for name in METRICS
    ]
    lights = joined(
        [
            tag("span", "✓", class_="good"),
            " below its limit; ",
            tag("span", "≈", class_="warn"),
            " above it, but no more than sampling explains; ",
            tag("span", "✗", class_="bad"),
            " above it. The bar is the metric, the stroke its limit, ",
            "the ground behind the bar what sampling alone would show.",
        ]
    )
    return tag(
        "details",
        tag("summary", "What the columns say"),
        tag("p", lights),
        tag("p", "Every metric compares the newest version with the reference that was in use; "
                 "of a head with several labels it is that of the worst. The last column shows "
                 "the largest metric of each version; the dashed line is its limit."),
        tag("ul", *said),
    )  # fmt: skip
