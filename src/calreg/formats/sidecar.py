"""The sidecar: one JSON file per head, beside the model's files.

`<backbone>/heads/<type>/<file base>-calibration[-v<N>].json`. Its reader applies
clip((x - p5) / (p95 - p5), 0, 1) to a label whose `method` is "minmax", and only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calreg.documents import (
    DEFAULT_MIN_SAMPLES,
    Calibration,
    Json,
    LabelCalibration,
    canonical_bytes,
)
from calreg.formats.fields import Fields, minmax_label
from calreg.formats.values import (
    Asked,
    Imported,
    ImportedHead,
    Options,
    backbone_of,
    head_name,
    path_words,
    target_paths,
)

__all__ = ["is_mine", "read", "write"]

_OWN_KEYS = frozenset({"calibration_version", "calibration_method", "backbone", "head_type"})
_KEPT_PER_LABEL = frozenset({"method", "samples", "p5", "p95", "mean", "std", "min", "max"})
_SUMMARY = ("min", "max", "mean", "std")


def is_mine(data: Mapping[str, Any]) -> bool:
    """Whether an object looks like a sidecar."""
    return "labels" in data and not _OWN_KEYS.isdisjoint(data)


def read(data: Mapping[str, Any], where: str, asked: Asked) -> Imported:
    """The head of one sidecar; see `calreg.formats.read`."""
    fields, words = Fields(data, where), path_words(where)
    if fields.has("calibration_method"):
        _check_method(fields, "calibration_method")
    backbone = fields.optional_text("backbone") or words.backbone
    if backbone is None and asked.model is None and asked.head is None:
        raise fields.refused("backbone", "is missing, and the path has no <backbone>/heads/")
    base = fields.optional_text("model") or words.base
    chosen = asked.model or str(backbone)
    name, shown = head_name(asked, chosen, base, where=where, pointer="/model")
    head = ImportedHead(
        name=name,
        display_name=shown,
        labels=_labels(fields),
        version=fields.optional_count("calibration_version", least=1) or words.version,
        head_type=fields.optional_text("head_type") or words.head_type,
    )
    notes = tuple(_notes(fields, head))
    return Imported("nomarr-sidecar", (head,), notes, options=_options(fields, head))


def _options(fields: Fields, head: ImportedHead) -> Options:
    least = fields.optional_count("min_samples")
    return Options(
        head_types={head.name.full: head.head_type} if head.head_type else {},
        library_size=fields.optional_count("library_size"),
        min_samples=DEFAULT_MIN_SAMPLES if least is None else least,
    )


def _labels(fields: Fields) -> dict[str, LabelCalibration]:
    labels = fields.inner("labels")
    if not labels.data:
        raise fields.refused("labels", "holds no label")
    return {label: _label(labels.inner(label), label) for label in sorted(labels.data)}


def _label(fields: Fields, label: str) -> LabelCalibration:
    _check_method(fields, "method")
    return minmax_label(fields, label, samples=fields.optional_count("samples", least=1))


def _check_method(fields: Fields, key: str) -> None:
    method = fields.text(key)
    if method != "minmax":
        raise fields.refused(key, f"expected 'minmax', got {method!r}")


def _notes(fields: Fields, head: ImportedHead) -> list[str]:
    unknown = {key for numbers in fields.data["labels"].values() for key in numbers}
    notes = [f"{head.name}: a sidecar has no quantiles and no histogram to measure drift with"]
    if extra := sorted(unknown - _KEPT_PER_LABEL):
        notes.append(f"{head.name}: unknown fields of labels not kept: {', '.join(extra)}")
    return notes


def write(calibrations: list[Calibration], options: Options) -> dict[str, bytes]:
    """A sidecar per head; see `calreg.formats.write`."""
    paths = target_paths(calibrations, options)
    return {
        path: canonical_bytes(_document(calibration, options))
        for path, calibration in paths.items()
    }


def _document(calibration: Calibration, options: Options) -> Json:
    size = calibration.samples if options.library_size is None else options.library_size
    data: Json = {
        "calibration_version": calibration.version,
        "calibration_method": "minmax",
        "library_size": size,
        "min_samples": options.min_samples_of.get(calibration.name.full, options.min_samples),
        "model": options.base_of(calibration),
        "head_type": options.type_of(calibration.name),
        "backbone": backbone_of(calibration.name),
        "labels": {label: _numbers(found) for label, found in calibration.labels.items()},
    }
    # Absent says "not known"; null would be a number to a reader that does not check.
    return {key: value for key, value in data.items() if value is not None}


def _numbers(label: LabelCalibration) -> Json:
    evidence = label.distribution
    data: Json = {"method": label.method, **label.parameters, "samples": evidence.samples}
    data |= {key: getattr(evidence, key) for key in _SUMMARY}
    return {key: value for key, value in data.items() if value is not None}
