"""What a registry holds now: all heads at a glance, or one head in full."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.text import Text

from calreg.documents import (
    Calibration,
    HeadRow,
    Histogram,
    LabelCalibration,
    Pin,
    Withdrawal,
    Withdrawn,
)
from calreg.report.decisions import decision_json, decision_lines, head_columns, is_plain
from calreg.report.factors import factor_lines, is_factors
from calreg.report.numbers import (
    UNICODE,
    Signs,
    count_text,
    date_text,
    number_text,
    plural,
    sparkline,
    version_text,
)
from calreg.report.runs import failed_text, verdict_cell
from calreg.report.table import Column, fits, rows

__all__ = [
    "HeadStatus",
    "head_json",
    "head_lines",
    "overview_json",
    "overview_lines",
    "withdrawn_text",
]

_T = TypeVar("_T")

_COARSE = 20
_MAX_SHOWN = 40
_LESS = ({"min", "max"}, {"method"}, {"shape"})  # what narrow terminals go without
_LESS_OF_HEADS = ({"since (UTC)"}, {"FPR"}, {"items", "labels"}, {"method"})


@dataclass(frozen=True, slots=True)
class HeadStatus:
    """One head as it stands: what its reference holds, and what the last run said of it.

    `since` is the time of the run that made the version; `latest` the newest version there
    is, None where only one was asked for.
    """

    name: str
    calibration: Calibration
    digest: str
    since: str | None = None
    latest: int | None = None
    last_row: HeadRow | None = None
    pin: Pin | None = None
    withdrawn: Mapping[int, Withdrawal] = field(default_factory=dict)

    @property
    def unfit(self) -> Withdrawal | None:
        """Why the version shown is withdrawn; None if it is not."""
        return self.withdrawn.get(self.calibration.version)


def overview_lines(
    registry: str,
    heads: Sequence[HeadStatus],
    *,
    width: int | None,
    signs: Signs = UNICODE,
    withdrawn: Withdrawn | None = None,
) -> list[Text]:
    """Every head of a registry: version, items, verdict of the last run, age, pin.

    Heads that lost their only reference are named below, by what `withdrawn` says.
    """
    lost = _lost_lines(heads, withdrawn) if withdrawn is not None else []
    if not heads:
        return [Text(f"{registry}  no heads yet"), *lost, Text("Next: calreg run SCORES")]
    shown = _screenful(heads, width)
    pinned = sum(head.pin is not None for head in heads)
    total = signs.joined([plural(len(heads), "head"), f"{pinned} pinned" if pinned else ""])
    lines = [Text(f"{registry}  {total}"), Text()]
    columns = _head_columns(shown, signs)
    if not all(is_plain(head.calibration.labels) for head in shown):
        found = head_columns([head.calibration.labels for head in shown], signs)
        columns[5:5] = [one for one in found if {*map(str, one.cells)} != {signs.nothing}]
        columns = _narrowed(columns, _LESS_OF_HEADS, width)
    lines += rows(columns, width=width, signs=signs)
    return [*lines, *_rest(len(heads) - len(shown), "head", signs), *lost]


def _lost_lines(heads: Sequence[HeadStatus], withdrawn: Withdrawn) -> list[Text]:
    there = {head.name for head in heads}
    return [
        Text(f"{name} has no reference: {withdrawn_text(versions)}", "red")
        for name, versions in withdrawn.heads.items()
        if name not in there and versions
    ]


def withdrawn_text(versions: Mapping[int, Withdrawal]) -> str:
    """Every withdrawn version of a head, with since when, by whom and why."""
    return "; ".join(f"v{version} {found.text}" for version, found in versions.items())


def _head_columns(heads: Sequence[HeadStatus], signs: Signs) -> list[Column]:
    columns = [
        Column("head", [head.name for head in heads], can_shrink=True),
        Column("reference", [version_text(head.calibration.version) for head in heads]),
        Column("since (UTC)", [_since(head, signs) for head in heads]),
        Column(
            "items",
            [count_text(head.calibration.samples, signs=signs) for head in heads],
            is_right=True,
        ),
        Column(
            "labels", [count_text(len(head.calibration.labels)) for head in heads], is_right=True
        ),
        Column("last run", [_last_run(head, signs) for head in heads]),
        Column("pin", [_pin(head.pin) for head in heads], can_shrink=True),
    ]
    return columns if any(head.pin for head in heads) else columns[:-1]


def _narrowed(
    columns: list[Column], less: Sequence[Collection[str]], width: int | None
) -> list[Column]:
    """The columns without those that a narrow terminal goes without."""
    for headers in less:
        if not fits(columns, width):
            columns = [column for column in columns if column.header not in headers]
    return columns


def _screenful(found: Sequence[_T], width: int | None) -> Sequence[_T]:
    """What a terminal shows of many; a pipe gets all, since a program may be reading."""
    return found if width is None else found[:_MAX_SHOWN]


def _rest(more: int, what: str, signs: Signs) -> list[Text]:
    text = f"{signs.more} {plural(more, 'more ' + what)} (all in a pipe, or with --json)"
    return [Text(text, "dim")] if more > 0 else []


def _since(head: HeadStatus, signs: Signs) -> str:
    return signs.nothing if head.since is None else date_text(head.since)


def _last_run(head: HeadStatus, signs: Signs) -> Text:
    if head.last_row is None:
        return Text(signs.nothing)
    version = version_text(head.latest, signs=signs)
    return Text.assemble(f"{version} ", verdict_cell(head.last_row))


def _pin(pin: Pin | None) -> Text:
    if pin is None:
        return Text()
    until = f" until {pin.until[:10]}" if pin.until else ""
    return Text(f"v{pin.pinned_to}{until}: {pin.why}", "yellow")


def overview_json(registry: str, heads: Sequence[HeadStatus]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "registry": registry,
        "count": len(heads),
        "heads": {head.name: _status_json(head) for head in heads},
    }


def _status_json(head: HeadStatus) -> dict[str, Any]:
    last = head.last_row
    return {
        "version": head.calibration.version,
        "digest": head.digest,
        "display_name": head.calibration.display_name,
        "since": head.since,
        "samples": head.calibration.samples,
        "labels": sorted(head.calibration.labels),
        "decisions": _decisions_json(head.calibration),
        "latest_version": head.latest,
        "verdict": last.verdict if last else None,
        "evidence": last.evidence if last else None,
        "failed_metrics": list(last.failed_metrics) if last else None,
        "pin": head.pin.to_json() if head.pin else None,
    }


def _decisions_json(found: Calibration) -> dict[str, Any]:
    """What labels do that are more than rescaled; {} if none is."""
    return {
        label: decision_json(numbers)
        for label, numbers in sorted(found.labels.items())
        if numbers.method != "minmax"
    }


def head_lines(
    head: HeadStatus,
    *,
    reference: int | None,
    versions: Sequence[int],
    width: int | None,
    signs: Signs = UNICODE,
) -> list[Text]:
    """One version of a head: its labels, their numbers and shapes."""
    found = head.calibration
    what = "reference" if found.version == reference else "not the reference"
    if head.unfit is not None:
        what = head.unfit.text
    facts = [
        f"v{found.version} ({what})",
        _evidence_text(found),
        f"run of {date_text(head.since)} UTC" if head.since else "",
        f"called {found.display_name!r} where it came from" if found.display_name else "",
    ]
    lines = [Text(f"{head.name}  {signs.joined(facts)}", "bold"), Text()]
    shown = _screenful(list(found.labels), width)
    labels = {label: found.labels[label] for label in shown}
    lines += _labels_lines(labels, width=width, signs=signs)
    lines += _rest(len(found.labels) - len(shown), "label", signs)
    lines += [Text(), Text(f"versions   {_versions(versions, reference)}")]
    if head.last_row is not None:
        lines.append(
            Text.assemble(
                f"last run   {version_text(head.latest)} ", _verdict(head.last_row, signs)
            )
        )
    if head.pin is not None:
        lines.append(Text.assemble("pinned     ", _pin(head.pin)))
    if head.withdrawn:
        lines.append(Text.assemble("withdrawn  ", (withdrawn_text(head.withdrawn), "red")))
    return [*lines, Text(f"digest     {head.digest}")]


def _evidence_text(found: Calibration) -> str:
    """How much stands behind a head: the items of its best label, the pairs of all groups."""
    if found.samples is None:
        return ""
    if not is_factors(found.labels):
        return plural(found.samples, "item")
    return plural(sum(one.distribution.samples or 0 for one in found.labels.values()), "pair")


def _labels_lines(
    labels: Mapping[str, LabelCalibration], *, width: int | None, signs: Signs
) -> list[Text]:
    if is_factors(labels):
        return factor_lines(labels, width=width, signs=signs)
    columns = _label_columns(labels, signs)
    lines: list[Text] = []
    if not is_plain(labels):
        lines = [*decision_lines(labels, width=width, signs=signs), Text()]
        columns = [column for column in columns if column.header != "method"]
    return [*lines, *rows(_narrowed(columns, _LESS, width), width=width, signs=signs)]


def _verdict(row: HeadRow, signs: Signs) -> Text:
    failed = failed_text(row, signs)
    return Text.assemble(verdict_cell(row), f"  {failed}" if failed else "")


def _versions(versions: Sequence[int], reference: int | None) -> str:
    shown = [f"v{number}{'*' if number == reference else ''}" for number in versions[-15:]]
    earlier = len(versions) - len(shown)
    first = [f"{earlier} earlier"] if earlier else []
    return " ".join([*first, *shown]) + ("  (* reference)" if reference in versions else "")


def _label_columns(labels: Mapping[str, LabelCalibration], signs: Signs) -> list[Column]:
    def numbers(values: Sequence[float | None]) -> list[str]:
        return [number_text(value, digits=4, signs=signs) for value in values]

    found = list(labels.values())
    known = [label.distribution for label in found]
    medians = [part.quantiles["p50"] if part.quantiles else None for part in known]
    bounds = [label.bounds for label in found]
    return [
        Column("label", list(labels), can_shrink=True),
        Column("method", [label.method for label in found]),
        Column("p5", numbers([low for low, _ in bounds]), is_right=True),
        Column("median", numbers(medians), is_right=True),
        Column("p95", numbers([high for _, high in bounds]), is_right=True),
        Column("min", numbers([part.min for part in known]), is_right=True),
        Column("max", numbers([part.max for part in known]), is_right=True),
        Column("samples", [count_text(part.samples, signs=signs) for part in known], is_right=True),
        Column("shape", [_shape(part.histogram, signs) for part in known]),
    ]


def _shape(histogram: Histogram | None, signs: Signs) -> str:
    """The histogram on 20 cells; square roots, so that a tail is still seen."""
    if histogram is None:
        return signs.nothing
    step = len(histogram.counts) // _COARSE
    cells = [sum(histogram.counts[i * step : (i + 1) * step]) ** 0.5 for i in range(_COARSE)]
    drawn = sparkline([0.0, *cells], signs=signs)[1:]
    return f"{histogram.lo:g} {drawn} {histogram.hi:g}"


def head_json(
    head: HeadStatus, *, reference: int | None, versions: Sequence[int]
) -> dict[str, Any]:
    """One version of a head for programs; the document itself is under `calibration`."""
    return {
        "head": head.name,
        "version": head.calibration.version,
        "is_reference": head.calibration.version == reference,
        "reference_version": reference,
        "versions": list(versions),
        "digest": head.digest,
        "since": head.since,
        "pin": head.pin.to_json() if head.pin else None,
        "withdrawn": head.unfit.to_json() if head.unfit else None,
        "withdrawn_versions": {f"v{v}": one.to_json() for v, one in head.withdrawn.items()},
        "last_run": head.last_row.to_json() if head.last_row else None,
        "last_run_version": head.latest,
        "decisions": _decisions_json(head.calibration),
        "calibration": head.calibration.to_json(),
    }
