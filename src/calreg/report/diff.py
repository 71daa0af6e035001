"""Two versions of a head, side by side: drift against thresholds, then the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from rich.text import Text

from calreg.decisions import DecisionShift, shift_limits
from calreg.documents import METRICS, QUANTILES, Calibration, LabelCalibration
from calreg.drift import FACTOR_SHIFT, FactorShift, HeadDrift, LabelDrift, factor_limit
from calreg.report.decisions import change_lines, is_plain
from calreg.report.factors import factor_change_lines, is_factors
from calreg.report.numbers import (
    UNICODE,
    Signs,
    about_text,
    count_text,
    limited_text,
    number_text,
)
from calreg.report.runs import METRIC_HEADERS
from calreg.report.table import Column, fits, rows

__all__ = ["diff_json", "diff_lines"]

_MAX_LABELS = 12
_DIGITS = 4
_LESS = {"p1", "p25", "p75", "p99"}  # what narrow terminals go without

Thresholds = Mapping[str, float]


def diff_lines(
    old: Calibration,
    new: Calibration,
    drift: HeadDrift,
    thresholds: Thresholds,
    *,
    width: int | None,
    signs: Signs = UNICODE,
) -> list[Text]:
    """What changed from `old` to `new`, the label that decided first."""
    title = f"{new.name}  v{old.version} {signs.arrow} v{new.version}  "
    lines = [Text.assemble((title, "bold"), _verdict(drift, signs)), Text()]
    labels = _ordered(old, new, drift)
    shown = labels[:_MAX_LABELS]
    if is_factors(old.labels) and is_factors(new.labels):
        sides = old.labels, new.labels
        lines += factor_change_lines(shown, sides, drift, thresholds, width=width, signs=signs)
        return [*lines, *_more_labels(len(labels) - len(shown), signs)]
    columns = _drift_columns(shown, drift, thresholds, signs)
    if not fits(columns, width):
        columns = _drift_columns(shown, drift, thresholds, signs, with_noise=False)
    lines += rows(columns, width=width, signs=signs)
    lines += _change_lines(shown, old, new, drift, thresholds, width=width, signs=signs)
    numbers = _number_columns(shown, old, new, signs)
    if not fits(numbers, width):
        numbers = [column for column in numbers if column.header not in _LESS]
    lines += [Text(), *rows(numbers, width=width, signs=signs)]
    return [*lines, *_more_labels(len(labels) - len(shown), signs)]


def _more_labels(more: int, signs: Signs) -> list[Text]:
    return [Text(f"{signs.more} {more:,} more labels (all with --json)", "dim")] if more else []


def _change_lines(
    labels: Sequence[str],
    old: Calibration,
    new: Calibration,
    drift: HeadDrift,
    thresholds: Thresholds,
    *,
    width: int | None,
    signs: Signs,
) -> list[Text]:
    """What became of decisions and parameters; nothing of heads that only rescale."""
    if is_plain(old.labels) and is_plain(new.labels):
        return []
    moved = {label: found.decision for label, found in drift.labels.items()}
    limits = shift_limits(thresholds)
    lines = change_lines(labels, old.labels, new.labels, moved, limits, width=width, signs=signs)
    return [Text(), *lines]


def _verdict(drift: HeadDrift, signs: Signs) -> Text:
    style = {"stable": "green", "unstable": "red", "undecided": "yellow"}[drift.verdict]
    parts: list[str] = [drift.verdict]
    if drift.evidence != "none":
        parts.append(f"evidence: {drift.evidence}")
    if drift.items_needed is not None:
        sides = " on both sides" if drift.reference_too_small else ""
        parts.append(f"{about_text(drift.items_needed, signs=signs)} items{sides} would tell")
    if drift.factor is None:  # a factor's noise is not known
        parts.append(f"noise if {drift.assumption}")
    return Text(signs.joined(parts), style)


def _ordered(old: Calibration, new: Calibration, drift: HeadDrift) -> list[str]:
    others = sorted((set(old.labels) | set(new.labels)) - {drift.label})
    return [drift.label, *others]


def _drift_columns(
    labels: Sequence[str],
    drift: HeadDrift,
    thresholds: Thresholds,
    signs: Signs,
    *,
    with_noise: bool = True,
) -> list[Column]:
    def cell(label: str, name: str) -> Text:
        return _metric(drift, label, name, thresholds[name], signs, with_noise=with_noise)

    return [
        Column("label", [*labels, "stable below"], can_shrink=True),
        *(
            Column(
                METRIC_HEADERS[name],
                [
                    *(cell(label, name) for label in labels),
                    Text(f"{thresholds[name]:g}", "dim"),
                ],
            )
            for name in METRICS
        ),
    ]


def _metric(
    drift: HeadDrift, label: str, name: str, limit: float, signs: Signs, *, with_noise: bool
) -> Text:
    """A metric, marked if it failed, and in brackets what sampling alone would give."""
    row = drift.labels.get(label)
    if row is None:
        return Text(signs.nothing)
    text = limited_text(row.metrics[name], limit, signs=signs)
    is_failed = name in row.failed_metrics
    found = Text(f"{text} {signs.failed}", "red") if is_failed else Text(text)
    noise = row.noise[name] if with_noise else None
    return (
        found
        if noise is None
        else Text.assemble(found, (f" ({number_text(noise, signs=signs)})", "dim"))
    )


def _number_columns(
    labels: Sequence[str], old: Calibration, new: Calibration, signs: Signs
) -> list[Column]:
    sides = [
        (label, side.version, side.labels.get(label)) for label in labels for side in (old, new)
    ]
    return [
        Column("label", [label for label, _, _ in sides], can_shrink=True),
        Column("", [f"v{version}" for _, version, _ in sides]),
        Column("samples", [_samples(found, signs) for _, _, found in sides], is_right=True),
        *(
            Column(name, [_quantile(found, name, signs) for _, _, found in sides], is_right=True)
            for name in QUANTILES
        ),
    ]


def _samples(found: LabelCalibration | None, signs: Signs) -> str:
    return signs.nothing if found is None else count_text(found.distribution.samples, signs=signs)


def _quantile(found: LabelCalibration | None, name: str, signs: Signs) -> str:
    if found is None:
        return signs.nothing
    low, high = found.bounds
    known: Mapping[str, float | None] = {"p5": low, "p95": high}
    quantiles = found.distribution.quantiles or known
    return number_text(quantiles.get(name), digits=_DIGITS, signs=signs)


def diff_json(
    old: Calibration, new: Calibration, drift: HeadDrift, thresholds: Thresholds
) -> dict[str, Any]:
    """The same for programs, unrounded and of all labels."""
    return {
        "head": new.name.full,
        "from": old.version,
        "to": new.version,
        **{part.name: getattr(drift, part.name) for part in fields(drift) if part.name != "labels"},
        "decision": _shift_json(drift.decision),
        "factor": _factor_json(drift.factor),
        "thresholds": {
            **thresholds,
            **shift_limits(thresholds),
            FACTOR_SHIFT: factor_limit(thresholds),
        },
        "labels": {
            label: {
                "from": _label_json(old.labels.get(label)),
                "to": _label_json(new.labels.get(label)),
                **_label_drift(drift.labels.get(label)),
            }
            for label in sorted(set(old.labels) | set(new.labels))
        },
    }


def _label_drift(found: LabelDrift | None) -> dict[str, Any]:
    if found is None:
        return {}
    parts = {part.name: getattr(found, part.name) for part in fields(found)}
    shifts = {"decision": _shift_json(found.decision), "factor": _factor_json(found.factor)}
    return {**parts, **shifts}


def _shift_json(shift: DecisionShift | None) -> dict[str, Any] | None:
    return None if shift is None else shift.to_json()


def _factor_json(shift: FactorShift | None) -> dict[str, Any] | None:
    return None if shift is None else asdict(shift)


def _label_json(found: LabelCalibration | None) -> dict[str, Any] | None:
    return None if found is None else found.to_json()
