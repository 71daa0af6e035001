"""A head's page: can it be relied on, what has moved, and what would a promotion change?

Nothing on it depends on the commit, only on what the head itself is: a page that was made is
good until its head changes (`head_key`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from calreg import __version__
from calreg.documents import METRICS, HeadRow
from calreg.pages.answers import WORDS, head_answer
from calreg.pages.board import Place, ago, board, breakable, day, scrolled, table
from calreg.pages.drawing import Draw
from calreg.pages.html import Html, Part, code, joined, tag
from calreg.pages.label_numbers import is_of_factors, label_numbers, percent
from calreg.pages.look import RUN_SCRIPT, SCRIPT, STYLE
from calreg.pages.marks import METRIC_NAMES, metric_cell, standing_mark, verdict_mark
from calreg.pages.observed import HeadDetail, HeadSeen, LabelPoint, LabelSeen, Observed, Point
from calreg.pages.specs import band_spec, distribution_spec, metric_spec
from calreg.report.numbers import count_text, limited_text, number_text, plural, version_text
from calreg.report.runs import METRIC_HEADERS

__all__ = ["head_key", "head_page"]

_MAX_DRAWN = 4
_LOOK = STYLE + SCRIPT + RUN_SCRIPT
_LINE, _DASHED = "M0 4H16", "M0 4H6M10 4H16"


def head_page(observed: Observed, detail: HeadDetail, place: Place, *, draw: Draw | None) -> bytes:
    """The page of a head.

    Args:
        observed: The registry.
        detail: The head.
        place: Where the page lies.
        draw: What draws charts; None: there are none.
    """
    head = detail.seen
    return board(
        head.name.full,
        tag("h1", tag("small", breakable(head.name.full), _called(head)), head_answer(head)),
        tag("p", verdict_mark(head), " ", *_facts(observed, head, place)),
        *_notices(head),
        *_retag(detail),
        *_drift(head, draw),
        *_labels(detail, draw),
        *label_numbers(detail),
        *_versions(head),
        place=place,
        registry=observed.name,
        here="head",
        commit=None,
    )


def head_key(observed: Observed, head: HeadSeen, place: Place, *, is_drawn: bool) -> str:
    """The same for the same page: a digest of all that `head_page` depends on.

    Args:
        observed: The registry.
        head: Its versions, each by the digest of its document, and its reference's.
        place: Where the page lies.
        is_drawn: Whether there are charts.
    """
    points = [
        (point.version, point.timestamp, point.row.digest, point.row.reference_digest,
         point.row.reference_after, point.row.reason, point.standing)
        for point in head.points
    ]  # fmt: skip
    of_head = (head.name, head.reference_version, head.reference_digest, head.display_name)
    by_hand = (head.pin, tuple(head.withdrawn.items()))
    around = (observed.name, observed.published is None, place, is_drawn, __version__, _LOOK)
    return sha256(repr((points, of_head, by_hand, around)).encode()).hexdigest()


def _called(head: HeadSeen) -> str | None:
    is_other = head.display_name is not None and head.display_name != head.name.head
    return f" · {head.display_name}" if is_other else None


def _facts(observed: Observed, head: HeadSeen, place: Place) -> Iterator[Part]:
    newest = head.newest
    if newest is not None:
        items = newest.row.file_count
        of = f" of {plural(items, 'item')}" if items is not None else ""
        yield joined([f"Newest v{newest.version}, ", ago(newest.timestamp), f",{of[3:] and of}"])
        yield ". "
    if head.reference_version is not None:
        yield f"The reference is v{head.reference_version}"
        yield _reference_links(observed, head, place)
        yield "."


def _reference_links(observed: Observed, head: HeadSeen, place: Place) -> Html | None:
    if place.is_served:
        way = f"{place.root}calibrations/{head.name.full}"
        return joined([" (", tag("a", "document", href=way), ")"])
    if place.has_references and observed.published is not None:
        page = head.name.reference_path.removesuffix(".json") + ".html"
        return joined([" (", tag("a", "what is published", href=f"{place.root}../{page}"), ")"])
    return None


def _notices(head: HeadSeen) -> Iterator[Part]:
    pin = head.pin
    if pin is not None:
        until = joined([" until ", day(pin.until)]) if pin.until else None
        yield tag("p", f"Pinned to v{pin.pinned_to} since ", day(pin.since), until,
                  f" by {_person(pin.by)}: {pin.why}")  # fmt: skip
    for version, found in sorted(head.withdrawn.items()):
        yield tag("p", tag("b", f"✗ v{version} is withdrawn", class_="bad"), " since ",
                  day(found.since), f" by {_person(found.by)}: {found.why}")  # fmt: skip


def _person(by: str) -> str:
    # An address behind the name is in the document; a page need not hand it to every robot.
    return by.partition(" <")[0]


# --- what a promotion would change --------------------------------------------------------------


def _retag(detail: HeadDetail) -> Iterator[Part]:
    if detail.new_version is None or detail.before_version is None:
        return
    if detail.new_version == detail.before_version or is_of_factors(detail):
        return
    way = f"v{detail.before_version} to v{detail.new_version}"
    found = detail.retag_range
    yield tag("h2", "What it changes" if detail.is_moved else "What a promotion would change")
    if found is None:
        yield tag("p", f"How many items change their outcome from {way} cannot be told from "
                       "what is stored; ", tag("code", "calreg retag"), " tells it from the "
                       "scores.")  # fmt: skip
        return
    verb = "changed" if detail.is_moved else "would change"
    yield tag("p", f"Moving the reference from {way} {verb} the outcome of "
                   f"{_share_text(*found)} of the items, estimated from the scores of "
                   f"v{detail.new_version}. ", code(_retag_command(detail)),
              " lists them.")  # fmt: skip


def _share_text(least: float, most: float) -> str:
    low, high = percent(least), percent(most)
    if most <= 0.0:
        return "none"
    return f"about {low}" if low == high else f"{low} to {high}"


def _retag_command(detail: HeadDetail) -> str:
    name = detail.seen.name.full
    return (
        f"calreg retag SCORES --from {name}@v{detail.before_version} "
        f"--to {name}@v{detail.new_version}"
    )


# --- drift over versions ------------------------------------------------------------------------


def _drift(head: HeadSeen, draw: Draw | None) -> Iterator[Part]:
    compared = [point for point in head.points if point.row.reference_version is not None]
    measured = [
        point for point in compared if any(v is not None for v in point.row.metrics.values())
    ]
    if not measured:
        return
    yield tag("h2", "Drift from the reference, version by version")
    if draw is not None and len(measured) > 1:
        keys = [
            _key("its value", _LINE, "var(--new)"),
            _key("its limit", _DASHED, "var(--mark)"),
            _key("what sampling alone would show", "M0 0H16V8H0Z", None, fill="var(--noise)"),
            tag("span", "✕ not below its limit", class_="key bad"),
        ]
        yield tag("p", *keys, class_="small")
        yield tag("div", *_multiples(measured, draw), class_="charts small")
    yield tag("details", tag("summary", "The numbers"), _drift_table(measured),
              open=draw is None or len(measured) == 1)  # fmt: skip


def _multiples(points: Sequence[Point], draw: Draw) -> Iterator[Html]:
    for name in METRICS:
        spec = metric_spec(points, name)
        if spec is None:
            continue
        words = _metric_words(points, name)
        title = tag("b", METRIC_HEADERS[name])
        yield tag("figure", tag("figcaption", title, f" {METRIC_NAMES[name]}"), draw(spec, words))


def _metric_words(points: Sequence[Point], name: str) -> str:
    known = [point for point in points if point.row.metrics[name] is not None]
    last = known[-1].row
    failed = [f"v{point.version}" for point in known if name in point.row.failed_metrics]
    return (
        f"{METRIC_NAMES[name]} over {plural(len(known), 'version')}: "
        f"{number_text(last.metrics[name], digits=4)} in v{known[-1].version}, "
        f"limit {last.thresholds[name]:g}; "
        + (f"not below its limit in {', '.join(failed[-10:])}." if failed else "always below it.")
    )


def _drift_table(points: Sequence[Point]) -> Html:
    columns = [("Version", False), ("Against", False), ("Items", True)]
    columns += [(METRIC_HEADERS[name], False) for name in METRICS]
    rows = [
        tag(
            "tr",
            tag("th", f"v{point.version}", scope="row"),
            tag("td", version_text(point.row.reference_version)),
            tag("td", count_text(point.row.file_count), class_="n"),
            *(metric_cell(point.row, name, point.row.thresholds[name], in_list=False)
              for name in METRICS),
        )
        for point in reversed(points)
    ]  # fmt: skip
    return scrolled(table(columns, rows), "Drift by version")


def _key(words: str, path: str, stroke: str | None, *, fill: str | None = None) -> Html:
    mark = tag("path", d=path, stroke=stroke, stroke_width="2" if stroke else None, fill=fill)
    return tag("span", tag("svg", mark, viewBox="0 0 16 8", aria_hidden="true"), words,
               class_="key")  # fmt: skip


# --- where the scores lie -----------------------------------------------------------------------


def _labels(detail: HeadDetail, draw: Draw | None) -> Iterator[Part]:
    drawn = [label for label in detail.labels[:_MAX_DRAWN] if draw is not None]
    pictures = [picture for label in drawn for picture in _pictures(detail, label, draw)]
    if not pictures:
        return
    yield tag("h2", "Where the scores lie")
    yield tag("p", *_sides(detail), class_="small")
    yield tag("div", *pictures, class_="charts")
    more = len(detail.labels) - len(drawn)
    if more > 0:
        yield tag("p", f"{plural(more, 'more label')} in the table below.", class_="soft")


def _sides(detail: HeadDetail) -> list[Html]:
    keys = []
    if detail.before_version is not None and detail.before_version != detail.new_version:
        what = "what it replaced" if detail.is_moved else "the reference"
        keys.append(_key(f"v{detail.before_version}, {what}", "M0 0H16V8H0Z", None,
                         fill="var(--ref)"))  # fmt: skip
        keys.append(_key(f"p5 and p95 of v{detail.before_version}", _DASHED, "var(--refline)"))
    if detail.new_version is not None:
        what = ", the newest" + (" and the reference" if detail.is_moved else "")
        keys.append(_key(f"v{detail.new_version}{what}", _LINE, "var(--new)"))
    if len(detail.seen.points) > 1:
        keys.append(tag("span", "◆ the reference moved", class_="key moved"))
    return keys


def _pictures(detail: HeadDetail, label: LabelSeen, draw: Draw | None) -> Iterator[Html]:
    if draw is None:
        return
    spec = distribution_spec(label)
    if spec is not None:
        yield tag("figure", tag("figcaption", tag("b", label.name), " scores"),
                  draw(spec, _distribution_words(detail, label)))  # fmt: skip
    band = band_spec(label.trend, _references(detail.seen, label)) if len(label.trend) > 1 else None
    if band is not None:
        yield tag("figure",
                  tag("figcaption", tag("b", label.name), " p5, median and p95 by version"),
                  draw(band, _band_words(label)), _trend_table(label))  # fmt: skip


def _references(head: HeadSeen, label: LabelSeen) -> dict[int, LabelPoint]:
    """What the reference held after each version, as far as it is known."""
    by_version = {point.version: point for point in label.trend}
    held = {point.version: point.row.reference_after for point in head.points}
    return {
        version: by_version[after]
        for version, after in held.items()
        if after is not None and after in by_version
    }


def _distribution_words(detail: HeadDetail, label: LabelSeen) -> str:
    said = []
    for version, numbers in (
        (detail.before_version, label.before),
        (detail.new_version, label.new),
    ):
        if numbers is None or version is None:
            continue
        low, high = numbers.bounds
        said.append(
            f"v{version}: {count_text(numbers.distribution.samples)} scores, 90 % of them between "
            f"{number_text(low)} and {number_text(high)}"
        )
    return f"Histogram of the scores of {label.name}. {'; '.join(dict.fromkeys(said))}."


def _band_words(label: LabelSeen) -> str:
    first, last = label.trend[0], label.trend[-1]
    return (
        f"p5 and p95 of {label.name} from v{first.version} to v{last.version}: "
        f"{number_text(first.p5)} and {number_text(first.p95)} at first, "
        f"{number_text(last.p5)} and {number_text(last.p95)} at last."
    )


def _trend_table(label: LabelSeen) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", f"v{point.version}", scope="row"),
            *(tag("td", number_text(value, digits=4), class_="n")
              for value in (point.p5, point.median, point.p95)),
        )
        for point in reversed(label.trend)
    ]  # fmt: skip
    columns = [("Version", False), ("p5", True), ("median", True), ("p95", True)]
    return tag("details", tag("summary", "The numbers"),
               scrolled(table(columns, rows), f"p5, median and p95 of {label.name}"),
               class_="fit")  # fmt: skip


# --- versions -----------------------------------------------------------------------------------


def _versions(head: HeadSeen) -> Iterator[Part]:
    if not head.points:
        return
    columns = [("Version", False), ("When", False), ("Items", True), ("Verdict", False),
               ("Failed", False), ("Reference afterwards", False)]  # fmt: skip
    rows = [_version(head, point) for point in reversed(head.points)]
    yield tag("h2", "Versions")
    yield scrolled(table(columns, rows), "Versions")


def _version(head: HeadSeen, point: Point) -> Html:
    row = point.row
    unfit = head.withdrawn.get(point.version)
    note = tag("div", "✗ withdrawn", class_="bad small") if unfit is not None else None
    return tag(
        "tr",
        tag("th", f"v{point.version}", note, scope="row"),
        tag("td", ago(point.timestamp)),
        tag("td", count_text(row.file_count), class_="n"),
        tag("td", standing_mark(point.standing, WORDS[point.standing])),
        tag("td", _failed(row)),
        tag("td", version_text(row.reference_after),
            tag("div", _why(row), class_="soft small") if _why(row) else None),
    )  # fmt: skip


def _failed(row: HeadRow) -> str:
    thresholds: Mapping[str, float] = row.thresholds
    said = [
        f"{METRIC_HEADERS[name]} {limited_text(row.metrics[name], thresholds[name])}"
        if name in METRIC_HEADERS
        else name.replace("_", " ")
        for name in row.failed_metrics
    ]
    return ", ".join(said) if row.reference_version is not None else ""


def _why(row: HeadRow) -> str | None:
    if row.reference_update == "updated":
        return "moved" if row.reference_version is not None else "the first"
    return row.reason if row.reference_update == "held" else None
