"""The state export, version 2: every head and label in one file, with sparse histograms.

`histogram_bins` lists the bins that hold something by their lower edge (`val`). Scores
outside the grid are clamped into its first and last bin and counted a second time in
`underflow_count` and `overflow_count`; here they are kept apart, as calreg does. A file
whose bins do not add up to `n` that way, or with the outliers apart, keeps its bounds and
loses its histogram, and the notes say so.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from calreg.documents import CELLS, Calibration, Histogram, Json, LabelCalibration, canonical_bytes
from calreg.errors import InputError
from calreg.formats.fields import Fields, minmax_label
from calreg.formats.values import (
    Asked,
    Imported,
    ImportedHead,
    Options,
    backbone_of,
    head_name,
)
from calreg.names import HeadName

__all__ = ["STATE_PATH", "is_mine", "read", "write"]

STATE_PATH = "calibration_state.json"
_FORMAT = "nomarr_calibration_state"
_VERSION = 2
_MAX_BINS = 10**6
_EDGE_TOLERANCE = 1e-3  # of a bin: edges are computed by others in floating point


def is_mine(data: Mapping[str, Any]) -> bool:
    """Whether an object looks like a state export."""
    return data.get("format") == _FORMAT or "calibrations" in data


def read(data: Mapping[str, Any], where: str, asked: Asked) -> Imported:
    """Every head of a state export; see `calreg.formats.read`."""
    fields = Fields(data, where)
    if fields.text("format") != _FORMAT:
        raise fields.refused("format", f"expected {_FORMAT!r}, got {fields.text('format')!r}")
    if fields.count("version") != _VERSION:
        raise fields.refused("version", f"expected {_VERSION}, got {fields.count('version')}")
    entries = [_named(entry, asked) for entry in fields.entries("calibrations")]
    if asked.head is not None:
        _check_one_head(fields)
    entries.sort(key=lambda named: named[:2])
    excluded: dict[str, str] = {}
    notes = ["a state file has no quantiles; histograms are kept as 100 cells"]
    heads = []
    for name, group in groupby(entries, key=lambda named: named[0]):
        head = _head(name, [entry for _, _, entry in group], excluded, notes)
        if head is not None:
            heads.append(head if asked.head is None else replace(head, display_name=None))
    if not heads:
        raise fields.refused("calibrations", "holds no calibration that counted a score")
    dates = {
        backbone_of(name): entry.text("embedder_release_date")
        for name, _, entry in entries
        if entry.has("embedder_release_date")
    }
    options = Options(embedder_release_dates=dates)
    return Imported("nomarr-state", tuple(heads), tuple(notes), excluded, options)


def _named(entry: Fields, asked: Asked) -> tuple[HeadName, str, Fields]:
    backbone = asked.model or entry.text("backbone")
    pointer = f"{entry.pointer}/head_name"
    shown = entry.text("head_name")
    name, _ = head_name(asked, backbone, shown, where=entry.where, pointer=pointer)
    return name, entry.text("label"), entry


def _check_one_head(fields: Fields) -> None:
    there = {(e.text("backbone"), e.text("head_name")) for e in fields.entries("calibrations")}
    if len(there) > 1:
        raise fields.refused("calibrations", f"holds {len(there)} heads, and one name was given")


def _head(
    name: HeadName, entries: list[Fields], excluded: dict[str, str], notes: list[str]
) -> ImportedHead | None:
    labels: dict[str, LabelCalibration] = {}
    for entry in entries:
        label = entry.text("label")
        if label in labels:
            raise entry.refused("label", f"{label!r} stands twice for {name}")
        samples = entry.count("n")
        if samples == 0:
            # p5 = lo and p95 = hi are placeholders there, not percentiles of anything.
            excluded[name.full] = f"label {label!r} has no scores"
            return None
        found = _histogram(entry, samples)
        if isinstance(found, str):
            notes.append(f"{name} {label}: histogram not kept, {found}")
        cells = None if isinstance(found, str) else found
        labels[label] = minmax_label(entry, label, samples=samples, histogram=cells)
    shown = entries[0].text("head_name")
    return ImportedHead(name, None if name.head == shown else shown, labels)


def _histogram(entry: Fields, samples: int) -> Histogram | str:
    """The stored cells that the fine bins add up to, or why there are none."""
    grid = entry.inner("histogram")
    lo, hi, bins = grid.number("lo"), grid.number("hi"), grid.count("bins", least=1)
    if not lo < hi:
        raise grid.refused("lo", f"lo {lo} is not below hi {hi}")
    if bins > _MAX_BINS:
        raise grid.refused("bins", f"expected at most {_MAX_BINS}, got {bins}")
    if not entry.has("histogram_bins"):
        return "the file holds none"
    fine = _fine_counts(entry, lo, (hi - lo) / bins, bins)
    if bins % CELLS:
        return f"{bins} bins do not divide into {CELLS} cells"
    under = entry.optional_count("underflow_count") or 0
    over = entry.optional_count("overflow_count") or 0
    total = sum(fine.values())
    if total == samples and fine.get(0, 0) >= under and fine.get(bins - 1, 0) >= over:
        fine[0] = fine.get(0, 0) - under
        fine[bins - 1] = fine.get(bins - 1, 0) - over
    elif total + under + over != samples:
        return f"its bins hold {total:,} scores, n is {samples:,}"
    return Histogram(lo, hi, _rebinned(fine, bins // CELLS), under, over)


def _fine_counts(entry: Fields, lo: float, width: float, bins: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for cell in entry.entries("histogram_bins"):
        value = cell.number("val")
        place = (value - lo) / width
        index = math.floor(place + 0.5)
        if not (0 <= index < bins and abs(place - index) <= _EDGE_TOLERANCE):
            raise cell.refused("val", f"{value} is the lower edge of no bin")
        if index in found:
            raise cell.refused("val", f"the bin at {value} stands twice")
        found[index] = cell.count("count")
    return found


def _rebinned(fine: Mapping[int, int], bins_per_cell: int) -> tuple[int, ...]:
    counts = [0] * CELLS
    for index, count in fine.items():
        counts[index // bins_per_cell] += count
    return tuple(counts)


def write(calibrations: list[Calibration], options: Options) -> dict[str, bytes]:
    """One file with every label of every head; see `calreg.formats.write`."""
    entries = [
        _entry(calibration, label, options)
        for calibration in calibrations
        for label in sorted(calibration.labels)
    ]
    _check_unique(entries)
    data = {"format": _FORMAT, "version": _VERSION, "calibrations": entries}
    return {STATE_PATH: canonical_bytes(data)}


def _check_unique(entries: list[Json]) -> None:
    seen: set[tuple[str, str, str]] = set()
    for entry in entries:
        key = (entry["backbone"], entry["head_name"], entry["label"])
        if key in seen:
            raise InputError(
                f"two heads would both be written as {key[0]} {key[1]} with label {key[2]!r}",
                hint="Export them into different folders, or give one another file base.",
                code="format",
            )
        seen.add(key)


def _entry(calibration: Calibration, label: str, options: Options) -> Json:
    head, found = calibration.name, calibration.labels[label]
    evidence, base, backbone = found.distribution, options.base_of(calibration), backbone_of(head)
    if evidence.samples is None:
        raise InputError(
            f"{head} label {label!r} does not say how many scores are behind it, "
            "which a state file must",
            hint="Export it as nomarr-sidecar or nomarr-bundle.",
            code="format",
        )
    key = f"{backbone}:{base}:{label}".encode()
    entry: Json = {
        "backbone": backbone,
        "embedder_release_date": options.embedder_release_dates.get(backbone),
        "head_name": base,
        "label": label,
        "calibration_def_hash": hashlib.md5(key, usedforsecurity=False).hexdigest(),
        **found.parameters,
        "n": evidence.samples,
        **_histogram_fields(evidence.histogram),
    }
    summary = {name: getattr(evidence, name) for name in ("min", "max", "mean", "std")}
    return entry | {name: value for name, value in summary.items() if value is not None}


def _histogram_fields(histogram: Histogram | None) -> Json:
    if histogram is None:
        # Its reader insists on a grid; no list of bins says that nothing was counted on it.
        grid = {"lo": 0.0, "hi": 1.0, "bins": CELLS, "bin_width": 1.0 / CELLS}
        return {"histogram": grid, "underflow_count": 0, "overflow_count": 0}
    width = (histogram.hi - histogram.lo) / CELLS
    counts = list(histogram.counts)
    counts[0] += histogram.underflow
    counts[-1] += histogram.overflow
    return {
        "histogram": {
            "lo": histogram.lo,
            "hi": histogram.hi,
            "bins": CELLS,
            "bin_width": width,
        },
        "histogram_bins": [
            {"val": histogram.lo + width * cell, "count": count}
            for cell, count in enumerate(counts)
            if count
        ],
        "underflow_count": histogram.underflow,
        "overflow_count": histogram.overflow,
    }
