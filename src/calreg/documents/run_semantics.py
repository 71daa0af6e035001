"""What a run and its parts must mean, beyond what their schemas can say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from calreg.documents.calibration import METRICS
from calreg.documents.pointers import Problem, name_problems
from calreg.documents.run import INFORMATIONAL_CHANGES
from calreg.names import HeadName

__all__ = ["model_run_problems", "run_problems"]


def model_run_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with a model's part of a run."""
    for head, row in data["heads"].items():
        pointer = f"/heads/{head}"
        yield from name_problems(pointer, partial(HeadName, data["model"], head))
        if row["label"] not in row["labels"]:
            yield f"{pointer}/label", f"{row['label']!r} is none of the head's labels"
        if row["is_stable"] != (row["verdict"] == "stable"):
            yield f"{pointer}/verdict", f"{row['verdict']!r} contradicts is_stable"
        if row["is_stable"] and not _all_below(row):
            yield f"{pointer}/is_stable", "true, but not every metric is below its threshold"
        if len({row[name] is None for name in ("p5", "p95", "range")}) > 1:
            yield f"{pointer}/range", "p5, p95 and range are known together or not at all"
        moved = row["reference_after"] != row["reference_version"]
        if moved != (row["reference_update"] == "updated"):
            yield f"{pointer}/reference_update", "contradicts the versions before and after"


def _all_below(row: Mapping[str, Any]) -> bool:
    """No metric fails, and no label decides otherwise than its reference; or no factor moved."""
    parts = (row, *row["labels"].values())
    if any("factor" in part for part in parts):
        return not row["failed_metrics"] and all(map(_keeps_factor, parts))
    return (
        not row["failed_metrics"]
        and all(
            row["metrics"][name] is not None and row["metrics"][name] < row["thresholds"][name]
            for name in METRICS
        )
        and all(
            set(moved["changes"]) <= INFORMATIONAL_CHANGES
            and all(
                moved[name] is None or moved[name] < limit
                for name, limit in moved["limits"].items()
            )
            for part in parts
            if (moved := part.get("decision")) is not None
        )
    )


def _keeps_factor(part: Mapping[str, Any]) -> bool:
    """A factor that is nearly the one before; heads of factors have no metrics to judge by."""
    moved = part.get("factor")
    return (
        moved is not None
        and moved["factor_shift"] is not None
        and moved["factor_shift"] < moved["limits"]["factor_shift"]
        and all(part["metrics"][name] is None for name in METRICS)
    )


def run_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with a run as a whole."""
    inputs = data["inputs"]
    counted = inputs["accepted"] + sum(inputs["rejected"].values())
    if inputs["kind"] in {"long", "wide"} and counted != inputs["rows"]:
        yield "/inputs/rows", f"{inputs['rows']} rows, but {counted} accepted and rejected"
    summary = data["summary"]
    if summary["stable_heads"] + summary["unstable_heads"] != summary["total_heads"]:
        yield "/summary/total_heads", "is not the sum of stable and unstable heads"
