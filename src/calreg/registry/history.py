"""History rows: what a run found for one head, flat, as other programs read it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from calreg.documents import METRICS, HeadRow, ModelRun, Withdrawn, milliseconds
from calreg.names import HeadName

__all__ = ["history_row", "history_rows"]


def history_rows(
    parts: Iterable[ModelRun], heads: Collection[HeadName], withdrawn: Withdrawn
) -> Iterator[dict[str, Any]]:
    """A row per head and run, in the order of the parts, for the heads asked for.

    `withdrawn` of a row says why its version is unfit for use, and is None if it is not.
    """
    for part in parts:
        for head, row in part.heads.items():
            name = HeadName(part.model, head)
            if name in heads:
                unfit = withdrawn.of(name.full, part.version)
                found = history_row(part, name, row)
                yield {**found, "withdrawn": unfit.to_json() if unfit is not None else None}


def history_row(part: ModelRun, name: HeadName, row: HeadRow) -> dict[str, Any]:
    """One row; `p5`, `p95` and `range` are those of the label that decided."""
    document = row.to_json()
    return {
        "model_name": name.model,
        "head_name": name.head,
        "version": part.version,
        "file_count": row.file_count,
        "timestamp": milliseconds(part.timestamp),
        "p5": row.p5,
        "p95": row.p95,
        "range": row.range,
        "reference_version": row.reference_version,
        **{metric: row.metrics[metric] for metric in METRICS},
        "is_stable": row.is_stable,
        "label": row.label,
        "labels": document["labels"],
        "verdict": row.verdict,
        "evidence": row.evidence,
        "failed_metrics": document["failed_metrics"],
        "noise": document["noise"],
        "noise_assumption": row.noise_assumption,
        "items_needed": row.items_needed,
        "thresholds": document["thresholds"],
        "decision": document.get("decision"),
        "factor": document.get("factor"),
        "reference_after": row.reference_after,
        "reference_update": row.reference_update,
        "reason": row.reason,
        "digest": row.digest,
        "display_name": row.display_name,
    }
