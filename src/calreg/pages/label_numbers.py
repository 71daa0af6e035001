"""The labels of a head as a table: where their scores lie, how far they moved, what they decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calreg.documents import METRICS, HeadRow, LabelCalibration, Parameter
from calreg.pages.board import scrolled, table
from calreg.pages.html import Html, Part, tag
from calreg.pages.marks import metric_cell
from calreg.pages.observed import HeadDetail, LabelSeen
from calreg.report.numbers import count_text, number_text, plural
from calreg.report.runs import METRIC_HEADERS

__all__ = ["is_of_factors", "label_numbers", "percent"]

_MAX_LABELS = 200


def label_numbers(detail: HeadDetail) -> Iterator[Part]:
    """A line per label; of factors what they are and were."""
    shown = detail.labels[:_MAX_LABELS]
    if not shown:
        return
    row = detail.seen.newest.row if detail.seen.newest is not None else None
    has_metrics = row is not None and row.reference_version is not None and row.factor is None
    yield tag("h2", "Labels")
    if is_of_factors(detail):
        yield scrolled(_factors(shown), "Factors")
        return
    columns = [("Label", False), ("Method", False), ("Scores", True), ("p5", False), ("p95", False)]
    columns += [(METRIC_HEADERS[name], False) for name in METRICS] if has_metrics else []
    columns += [("Decision", False), ("Changes", True)]
    rows = [_label_row(label, row if has_metrics else None) for label in shown]
    yield scrolled(table(columns, rows), "Labels")
    if len(detail.labels) > len(shown):
        yield tag("p", f"{len(detail.labels) - len(shown):,} more labels are in the document.")


def _factors(labels: Sequence[LabelSeen]) -> Html:
    rows = []
    for label in labels:
        now, was = _factor(label.new), _factor(label.before)
        samples = label.new.distribution.samples if label.new is not None else None
        change = f"{100 * (now / was - 1):+.1f} %" if now is not None and was else "–"
        cells = (number_text(was), number_text(now), change, count_text(samples))
        rows.append(
            tag(
                "tr",
                tag("th", label.name, scope="row"),
                *(tag("td", cell, class_="n") for cell in cells),
            )
        )
    names = ("Factor before", "Factor now", "Change", "Pairs")
    return table([("Group", False), *((name, True) for name in names)], rows)


def _factor(numbers: LabelCalibration | None) -> float | None:
    found = numbers.parameters.get("factor") if numbers is not None else None
    return found if isinstance(found, float) else None


def _label_row(label: LabelSeen, row: HeadRow | None) -> Html:
    numbers = label.new or label.before
    found = row.labels.get(label.name) if row is not None else None
    cells: list[Html] = []
    if row is not None:
        cells = (
            [metric_cell(found, name, row.thresholds[name], in_list=False) for name in METRICS]
            if found is not None
            else [tag("td", "not in both versions", colspan="6", class_="bad")]
        )
    share = label.retag_share
    return tag(
        "tr",
        tag("th", label.name, scope="row"),
        tag("td", numbers.method if numbers is not None else "–", _parameters(label),
            class_="keep"),
        tag("td", count_text(numbers.distribution.samples if numbers else None), class_="n"),
        tag("td", _moved_text(label, 0), class_="keep"),
        tag("td", _moved_text(label, 1), class_="keep"),
        *cells,
        tag("td", _decision(label)),
        tag("td", percent(share) if share is not None else "–", class_="n",
            title="Share of items whose outcome differs between the two versions"),
    )  # fmt: skip


def _parameters(label: LabelSeen) -> Html | None:
    """What a method other than minmax is set to, in both versions where that differs."""
    if label.new is None or label.new.method == "minmax":
        return None
    was = label.before.parameters if label.before is not None else {}
    said = [
        f"{name} {_shown(was[name])} → {_shown(value)}"
        if name in was and was[name] != value
        else f"{name} {_shown(value)}"
        for name, value in label.new.parameters.items()
    ]
    return tag("div", *(tag("div", one) for one in said), class_="soft small") if said else None


def _shown(value: Parameter) -> str:
    if isinstance(value, tuple):
        return plural(len(value), "knot")
    return value if isinstance(value, str) else number_text(value)


def _moved_text(label: LabelSeen, end: int) -> str:
    """A bound in both versions: `0.102 → 0.114`."""
    now = label.new.bounds[end] if label.new is not None else None
    was = label.before.bounds[end] if label.before is not None else None
    if was is None or was == now:
        return number_text(now)
    return f"{number_text(was)} → {number_text(now)}"


def _decision(label: LabelSeen) -> str:
    now, was = _fires(label.new), _fires(label.before)
    if was in {now, "–"}:
        return now
    return f"{was} → {now}"


def _fires(numbers: LabelCalibration | None) -> str:
    if numbers is None or numbers.decision is None:
        return "–"
    decision = numbers.decision
    if decision.threshold is None:
        return "never"
    return f"{decision.comparator} {number_text(decision.threshold)}"


def is_of_factors(detail: HeadDetail) -> bool:
    """Whether the head holds factors of predictions, and so no scores."""
    known = [numbers for label in detail.labels for numbers in (label.new, label.before)]
    return any(numbers is not None and numbers.method == "factor" for numbers in known)


def percent(share: float) -> str:
    """A share of items, with two digits."""
    if share <= 0.0:
        return "none"
    return (
        "less than 0.1 %"
        if share < 0.001
        else f"{100 * share:.2g} %"
        if share < 0.1
        else (f"{100 * share:.0f} %")
    )
