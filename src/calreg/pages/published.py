"""The pages of a site, for people: what is published, of which model, with which numbers.

Each is made of values and is bytes; equal values, equal bytes. To show something new of a
head: a row or a paragraph in `head_page`. Links are relative, so that a site may lie in any
folder of any server, or be opened from a disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from calreg.documents import (
    QUANTILES,
    Calibration,
    Decision,
    Entry,
    Index,
    LabelCalibration,
    Withdrawal,
    Withdrawn,
)
from calreg.names import INDEX_PATH, INDEX_SIGNATURE_PATH, WITHDRAWN_PATH, HeadName, packed_path
from calreg.pages.frame import command, page, scrolled
from calreg.pages.html import Html, Part, joined, tag
from calreg.pages.picture import histogram_picture, number, score_cut
from calreg.signatures import PublicKey

__all__ = [
    "MAX_LISTED",
    "Row",
    "head_page",
    "head_page_path",
    "index_page",
    "missing_page",
    "model_page",
    "row_of",
]

MAX_LISTED = 2000
"""The most heads that the first page lists; beyond, it lists models."""

_MAX_LABELS = 200
_MAX_NAMED = 4
_PICTURES = (
    "The pictures are of the scores that the numbers were made from, in cells of equal width; "
    "heights are the roots of counts."
)


@dataclass(frozen=True, slots=True)
class Row:
    """What a list says of one head; `words` can be searched for and are not shown."""

    head: HeadName
    version: int
    labels: str
    methods: str
    date: str | None
    words: str | None = None


def row_of(calibration: Calibration, date: str | None) -> Row:
    """The line of a list for one head.

    Args:
        calibration: Its reference.
        date: When its version was made; None if that is not known.
    """
    methods = sorted({numbers.method for numbers in calibration.labels.values()})
    labels = list(calibration.labels)
    named, others = labels[:_MAX_NAMED], labels[_MAX_NAMED:]
    more = f" and {len(others)} more" if others else ""
    return Row(
        head=calibration.name,
        version=calibration.version,
        labels=", ".join(named) + more,
        methods=", ".join(methods),
        date=date,
        words=" ".join(others[:_MAX_LABELS]) or None,
    )


def head_page_path(head: HeadName) -> str:
    """Where a head's page lies: beside its reference."""
    return head.reference_path.removesuffix(".json") + ".html"


# --- the first page --------------------------------------------------------------------------


def index_page(
    index: Index,
    *,
    rows: Sequence[Row],
    signed_by: Sequence[PublicKey],
    threshold: int,
    withdrawn: Withdrawn,
    dashboard: str | None = None,
) -> bytes:
    """The first page: what is published, until when it is current, and who signed it.

    Args:
        index: The top of the publication.
        rows: All heads, or none if they are too many for one page.
        signed_by: The keys whose signatures were verified.
        threshold: How many must sign; 0 for a registry without keys.
        withdrawn: The versions unfit for use.
        dashboard: The way to it; None if there is none.
    """
    heads = sum(entry.heads for entry in index.models.values())
    return page(
        f"{index.registry}: calibrations",
        "./",
        tag("h1", index.registry),
        tag("p", _first_words(index, heads, signed_by)),
        tag(
            "p",
            tag("a", "Dashboard", href=dashboard),
            ": have the heads settled, and what has drifted?",
        )
        if dashboard
        else None,
        command("./"),
        *([_found_list(rows, "./"), _models(index)] if rows else [_model_list(index)]),
        _signatures(index, signed_by, threshold),
        _withdrawn_list(withdrawn),
        _files(index),
    )


def _first_words(index: Index, heads: int, signed_by: Sequence[PublicKey]) -> Html:
    signed = f"signed by {_plural(len(signed_by), 'key')}" if signed_by else "not signed"
    return joined(
        [
            f"{_plural(heads, 'reference')} of {_plural(len(index.models), 'model')}. ",
            f"Index {index.seq} was issued on ",
            _time(index.issued),
            f" and is {signed}; it counts as current until ",
            _time(index.expires),
            ".",
        ]
    )


def _found_list(rows: Sequence[Row], root: str) -> Html:
    is_dated = any(row.date for row in rows)
    names = ["Head", "Version", "Labels", "Method", *(["Made on"] if is_dated else [])]
    lines = [
        tag(
            "tr",
            tag("td", tag("a", row.head.full, href=root + head_page_path(row.head))),
            tag("td", f"v{row.version}"),
            tag("td", row.labels, class_="extra"),
            tag("td", row.methods, class_="extra"),
            tag("td", _day(row.date), class_="extra") if is_dated else None,
            data_words=row.words,
        )
        for row in rows
    ]
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    table = tag("table", head, tag("tbody", *lines, class_="found"), class_="list")
    return joined([tag("h2", "References", id="references"), _search("head or label"), table])


def _search(what: str) -> Html:
    return tag(
        "form",
        tag("label", "Search ", tag("small", f"({what}; press /)", class_="soft"), for_="q"),
        tag("div", tag("input", type="search", id="q", autocomplete="off", spellcheck="false")),
        tag("output", for_="q", class_="soft", aria_live="polite"),
        hidden=True,
        role="search",
    )


def _models(index: Index) -> Html:
    links = (
        tag("li", tag("a", model, href=f"./{model}/index.html"), f" {entry.heads:,}")
        for model, entry in index.models.items()
    )
    return joined([tag("h2", "Models"), tag("ul", *links, class_="named")])


def _model_list(index: Index) -> Html:
    lines = [
        tag(
            "tr",
            tag("td", tag("a", model, href=f"./{model}/index.html")),
            tag("td", f"{entry.heads:,}", class_="n"),
        )
        for model, entry in index.models.items()
    ]
    head = tag("tr", tag("th", "Model", scope="col"), tag("th", "Heads", scope="col", class_="n"))
    table = tag("table", tag("thead", head), tag("tbody", *lines, class_="found"))
    return joined([tag("h2", "Models"), _search("model"), table])


def _signatures(index: Index, signed_by: Sequence[PublicKey], threshold: int) -> Html:
    title = tag("h2", "Signatures")
    if not signed_by:
        said = "Nobody signed this index: who reads it trusts whoever serves it."
        return joined([title, tag("p", said)])
    keys = [
        tag("li", tag("code", key.fingerprint), f" {key.comment}" if key.comment else None)
        for key in signed_by
    ]
    rule = (
        f"Clients accept an index that {threshold} of the keys in list {index.keys} signed. "
        "Compare the fingerprints with those that you were told elsewhere: this page is no proof "
        "of itself."
    )
    return joined([title, tag("p", rule), tag("ul", *keys)])


def _withdrawn_list(withdrawn: Withdrawn, only: str | None = None) -> Html | None:
    """The versions that are unfit for use, of all heads or of one."""
    rows = [
        tag(
            "tr",
            None if only else tag("td", head),
            tag("td", f"v{version}"),
            tag("td", _day(found.since)),
            tag("td", found.why),
            tag("td", _name(found)),
        )
        for head, version, found in _withdrawals(withdrawn, only)
    ]
    if not rows:
        return None
    names = [*([] if only else ["Head"]), "Version", "Since", "Why", "By"]
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    table = scrolled(tag("table", head, tag("tbody", *rows)), "Withdrawn versions")
    said = tag("p", "Unfit for any use. Clients refuse them, even where they are installed.")
    return joined([tag("h2", "Withdrawn versions", class_="bad"), said, table])


def _withdrawals(withdrawn: Withdrawn, only: str | None) -> Iterator[tuple[str, int, Withdrawal]]:
    for head, versions in withdrawn.heads.items():
        if only in {None, head}:
            for version, found in sorted(versions.items()):
                yield head, version, found


def _name(found: Withdrawal) -> str:
    # An address behind the name is in the document; a page need not hand it to every robot.
    return found.by.partition(" <")[0]


def _files(index: Index) -> Html:
    links = [INDEX_PATH, *([INDEX_SIGNATURE_PATH] if index.keys else [])]
    links += [f"keys/{index.keys}.json"] if index.keys else []
    links += [WITHDRAWN_PATH] if index.withdrawn else []
    shown = joined([tag("a", path, href=f"./{path}") for path in links], " · ")
    made = tag("p", "Made from commit ", tag("code", index.commit[:12]), ". For programs: ", shown)
    return tag("footer", made)


# --- a model ---------------------------------------------------------------------------------


def model_page(index: Index, model: str, rows: Sequence[Row], *, is_packed: bool) -> bytes:
    """The page of a model: its heads.

    Args:
        index: The top of the publication.
        model: Its name.
        rows: All its heads.
        is_packed: Whether it has one file of all references.
    """
    root = _root(model.count("/") + 1)
    links = [INDEX_PATH, *([packed_path("").removeprefix("/")] if is_packed else [])]
    shown = joined([tag("a", name, href=f"./{name}") for name in links], " · ")
    return page(
        f"{model}: calibrations of {index.registry}",
        root,
        tag("h1", _breakable(model)),
        tag("p", f"{_plural(len(rows), 'reference')} in index {index.seq} of {index.registry}."),
        command(root, model),
        _found_list(rows, root),
        tag("footer", tag("p", "For programs: ", shown)),
        trail=tag("a", index.registry, href=f"{root}index.html"),
    )


def _root(depth: int) -> str:
    return "../" * depth


# --- a head ----------------------------------------------------------------------------------


def head_page(
    index: Index,
    calibration: Calibration,
    entry: Entry,
    *,
    date: str | None,
    withdrawn: Withdrawn,
) -> bytes:
    """The page of a head: the numbers of each label, with a picture of what they came from."""
    name = calibration.name
    root = _root(name.model.count("/") + 1)
    labels = list(calibration.labels.items())
    document = name.reference_path.rpartition("/")[2]
    return page(
        f"{name.full} v{calibration.version}",
        root,
        tag("h1", _breakable(name.full)),
        tag("p", calibration.display_name, class_="soft") if calibration.display_name else None,
        tag("p", *_head_words(calibration, date)),
        command(root, name.full),
        tag("h2", "Labels"),
        tag("p", _PICTURES, class_="soft"),
        tag(
            "div",
            *(_label(label, numbers) for label, numbers in labels[:_MAX_LABELS]),
            class_="cols",
        ),
        _left_out(len(labels)),
        _withdrawn_list(withdrawn, name.full),
        tag("h2", "Document"),
        _facts(
            {
                "file": tag("a", document, href=f"./{document}"),
                "bytes": f"{entry.size:,}",
                "sha256": tag("code", entry.digest),
            }
        ),
        trail=joined(
            [
                tag("a", index.registry, href=f"{root}index.html"),
                tag("a", name.model, href="./index.html"),
            ],
            " / ",
        ),
    )


def _head_words(calibration: Calibration, date: str | None) -> list[Part]:
    methods = sorted({numbers.method for numbers in calibration.labels.values()})
    count = _plural(len(calibration.labels), "label")
    samples = calibration.samples
    scores = f", from {_plural(samples, 'score')}" if samples else ""
    made = [", made on ", _day(date)] if date else []
    return [f"Version {calibration.version}", *made, f": {count} by {', '.join(methods)}{scores}."]


def _left_out(labels: int) -> Html | None:
    if labels <= _MAX_LABELS:
        return None
    return tag("p", f"{labels - _MAX_LABELS:,} more labels are in the document.")


def _label(label: str, numbers: LabelCalibration) -> Html:
    samples = numbers.distribution.samples
    facts: dict[str, Part] = dict(_parameters(numbers))
    if samples is not None:
        facts["scores"] = f"{samples:,}"
    if numbers.decision is not None:
        facts["chosen for"] = numbers.decision.objective
    return tag(
        "section",
        tag("h3", label),
        tag("p", _rule(numbers)),
        histogram_picture(label, numbers),
        _facts(facts),
        _quantiles(numbers),
    )


def _rule(numbers: LabelCalibration) -> str:
    """What the numbers do to a score, in words."""
    low, high = numbers.bounds
    said = []
    if numbers.method == "minmax" and low is not None and high is not None:
        said.append(f"Scores from {number(low)} (p5) to {number(high)} (p95) become 0 to 1.")
    elif numbers.method == "factor":
        said.append(f"Predictions are multiplied by {_shown(numbers.parameters['factor'])}.")
    elif numbers.method != "threshold":
        said.append(f"Scores become probabilities by {numbers.method}.")
    if numbers.decision is not None:
        said.append(_fires(numbers.decision, numbers))
    return " ".join(said)


def _fires(decision: Decision, numbers: LabelCalibration) -> str:
    if decision.threshold is None:
        return f"It never fires ({decision.status.replace('_', ' ')})."
    output = "score" if numbers.method == "threshold" else "output"
    cut = score_cut(numbers)
    raw = f", which is a score of {number(cut)}" if output == "output" and cut is not None else ""
    return f"It fires if the {output} {decision.comparator} {number(decision.threshold)}{raw}."


def _parameters(numbers: LabelCalibration) -> Iterator[tuple[str, str]]:
    if numbers.method == "minmax":
        return
    for name, value in numbers.parameters.items():
        yield name.replace("_", " "), _shown(value)


def _shown(value: float | str | tuple[float, ...]) -> str:
    if isinstance(value, tuple):
        return f"{_plural(len(value), 'knot')}, {number(value[0])} to {number(value[-1])}"
    return value if isinstance(value, str) else number(value)


def _quantiles(numbers: LabelCalibration) -> Html | None:
    known = numbers.distribution.quantiles
    if known is None:
        return None
    names = tag("tr", *(tag("th", name, scope="col", class_="n") for name in QUANTILES))
    values = tag("tr", *(tag("td", number(known[name]), class_="n") for name in QUANTILES))
    return scrolled(tag("table", tag("thead", names), tag("tbody", values)), "Quantiles")


def _facts(facts: Mapping[str, Part]) -> Html | None:
    if not facts:
        return None
    return tag(
        "dl", *(part for key, value in facts.items() for part in (tag("dt", key), tag("dd", value)))
    )


# --- nothing ---------------------------------------------------------------------------------


def missing_page(registry: str) -> bytes:
    """What is shown for an address where nothing is. It does not know where it is shown."""
    return page(
        "Not found",
        "/",
        tag("h1", "Nothing is here"),
        tag("p", f"{registry} has no such page or file. A head may have been renamed, or not be "
                 "published any more; the first page of the site lists all that are."),
    )  # fmt: skip


# --- small things ----------------------------------------------------------------------------


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _breakable(path: str) -> Html:
    """A path that may go on in the next line after each of its steps."""
    return joined([part for step in path.split("/") for part in ("/", tag("wbr"), step)][2:])


def _time(stamp: str) -> Html:
    return tag("time", f"{stamp[:10]} {stamp[11:16]} UTC", datetime=stamp)


def _day(stamp: str | None) -> Html | None:
    return tag("time", stamp[:10], datetime=stamp) if stamp else None
