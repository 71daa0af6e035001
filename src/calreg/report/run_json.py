"""What a run found, for programs: the shape that DESIGN calls fixed, and more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calreg.documents import HeadRow, ModelRun, Run
from calreg.report.runs import heads_of

__all__ = ["run_json"]

_LABEL = ("p5", "p95", "samples", "metrics", "noise", "failed_metrics", "decision", "factor")


def run_json(
    run: Run, models: Mapping[str, ModelRun], *, commit: str | None, status: str, pushed: bool
) -> dict[str, Any]:
    """A run as one document.

    Args:
        run: The run as a whole.
        models: Its part for every model.
        commit: The commit it became; None where there is none.
        status: `committed`, `dry-run`, `written` (not committed) or `already-done`.
        pushed: Whether the remote has it.
    """
    return {
        "version": run.version,
        "commit": commit,
        "status": status,
        "pushed": pushed,
        "registry": run.registry,
        "timestamp": run.timestamp,
        "heads": {name: _head(row) for name, row in sorted(heads_of(models.values()).items())},
        "excluded": dict(run.excluded),
        "rejects": dict(run.inputs.rejected),
        "inputs": run.inputs.to_json(),
        "summary": dict(run.summary),
    }


def _head(row: HeadRow) -> dict[str, Any]:
    # All fields of the history row, so that no number on the screen is missing here.
    data = row.to_json()
    data["labels"] = {
        label: {key: part[key] for key in _LABEL if key in part}
        for label, part in data["labels"].items()
    }
    return data
