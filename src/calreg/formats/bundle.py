"""The bundle, version 1: labels with their bounds, and metadata; no head is named.

One bundle is written per head, at the sidecar's place. Read back, a bundle is one head: it
is called like its file, and its model comes from the path, the labels' `model_key`, or
"imported", which is what that system itself calls a model it was not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calreg.documents import Calibration, Json, LabelCalibration, canonical_bytes, digest_of
from calreg.formats.fields import Fields, minmax_label
from calreg.formats.values import (
    Asked,
    Imported,
    ImportedHead,
    Options,
    head_name,
    path_words,
    target_paths,
)

__all__ = ["is_mine", "read", "write"]

# "histogram" says how that system found p5 and p95; they are applied as minmax.
_METHODS = ("minmax", "histogram")
_SUMMARY = ("min", "max", "mean", "std")


def is_mine(data: Mapping[str, Any]) -> bool:
    """Whether an object looks like a bundle."""
    return "labels" in data


def read(data: Mapping[str, Any], where: str, asked: Asked) -> Imported:
    """The one head of a bundle; see `calreg.formats.read`."""
    fields, words = Fields(data, where), path_words(where)
    if fields.has("metadata"):
        _check_version(fields.inner("metadata"))
    labels = fields.inner("labels")
    if not labels.data:
        raise fields.refused("labels", "holds no label")
    named = [labels.inner(label) for label in sorted(labels.data)]
    chosen = asked.model or words.backbone or _model_key(named) or "imported"
    name, shown = head_name(asked, chosen, words.base, where=where, pointer="/labels")
    head = ImportedHead(
        name=name,
        display_name=shown,
        labels={
            label: _label(inner, label)
            for label, inner in zip(sorted(labels.data), named, strict=True)
        },
        version=words.version,
        head_type=words.head_type,
    )
    return Imported(
        "nomarr-bundle",
        (head,),
        notes=tuple(_notes(head, chosen, asked)),
        options=Options(
            head_types={name.full: head.head_type} if head.head_type else {},
            generated_at=_generated_at(fields),
        ),
    )


def _generated_at(fields: Fields) -> str | None:
    if not fields.has("metadata"):
        return None
    return fields.inner("metadata").optional_text("generated_at")


def _check_version(metadata: Fields) -> None:
    version = metadata.optional_text("version")
    if version not in {None, "v1"}:
        raise metadata.refused("version", f"expected 'v1', got {version!r}")


def _model_key(labels: list[Fields]) -> str | None:
    keys = {fields.optional_text("model_key") for fields in labels}
    if len(keys) > 1:
        raise labels[0].refused("model_key", "differs from label to label")
    return keys.pop()


def _label(fields: Fields, label: str) -> LabelCalibration:
    method = fields.optional_text("method")
    if method not in {None, *_METHODS}:
        raise fields.refused("method", f"expected one of {', '.join(_METHODS)}, got {method!r}")
    samples = fields.optional_count("samples", least=1) or fields.optional_count("n")
    return minmax_label(fields, label, samples=samples or None)  # there, n = 0 is "not known"


def _notes(head: ImportedHead, chosen: str, asked: Asked) -> list[str]:
    notes = []
    if asked.head is None:
        notes.append(f"{head.name}: a bundle names no head, so it is called like its file")
    if asked.head is None and chosen == "imported":
        notes.append(f"{head.name}: the bundle names no model; say which with --model")
    if any(label.distribution.samples is None for label in head.labels.values()):
        notes.append(f"{head.name}: the bundle does not say how many scores are behind it")
    return notes


def write(calibrations: list[Calibration], options: Options) -> dict[str, bytes]:
    """A bundle per head; see `calreg.formats.write`."""
    paths = target_paths(calibrations, options)
    return {
        path: canonical_bytes(_document(calibration, options))
        for path, calibration in paths.items()
    }


def _document(calibration: Calibration, options: Options) -> Json:
    labels = {label: _numbers(found) for label, found in calibration.labels.items()}
    metadata: Json = {
        "version": "v1",
        "source": "calreg",
        "global_version": digest_of(canonical_bytes(labels)),
        "calibration_count": len(labels),
    }
    if options.generated_at is not None:
        metadata["generated_at"] = options.generated_at
    return {"labels": labels, "metadata": metadata}


def _numbers(label: LabelCalibration) -> Json:
    # `n` and the summary are more than the format asks for: its reader takes `n` and skips
    # what it does not know, and so nothing is lost on the way back.
    evidence = label.distribution
    data: Json = {"method": label.method, **label.parameters, "n": evidence.samples}
    data |= {key: getattr(evidence, key) for key in _SUMMARY}
    return {key: value for key, value in data.items() if value is not None}
