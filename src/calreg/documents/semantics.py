"""What a document must mean, beyond what JSON Schema can say.

The one place for it: writers, readers and the gate all ask here. Each check takes the
plain object of a document that passed its schema and yields problems; it never repairs.
A new check is one generator here and one line in `_CHECKS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

from calreg.documents.calibration import METRICS, QUANTILES
from calreg.documents.schemas import Kind
from calreg.errors import InputError
from calreg.names import HeadName, case_collision, check_label

__all__ = ["Problem", "semantic_problems"]

Problem = tuple[str, str]
"""A JSON pointer and what is wrong there."""


def semantic_problems(kind: Kind, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything about a document that its schema allows and its meaning does not."""
    return _CHECKS[kind](data)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _name(pointer: str, check: Callable[[], object]) -> Iterator[Problem]:
    try:
        check()
    except InputError as error:
        yield pointer, error.message


def _calibration(data: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _name("/head", partial(HeadName, data["model"], data["head"]))
    for label, numbers in data["labels"].items():
        pointer = f"/labels/{_escaped(label)}"
        yield from _name(pointer, partial(check_label, label))
        yield from ((f"{pointer}{inner}", problem) for inner, problem in _label(numbers))


def _label(numbers: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _finite(numbers)
    if numbers["method"] == "minmax" and not numbers["p5"] < numbers["p95"]:
        yield "/p5", f"p5 {numbers['p5']} is not below p95 {numbers['p95']}"
    quantiles = numbers.get("quantiles")
    if quantiles is not None:
        yield from _quantiles(numbers, quantiles)
    yield from _summary(numbers)
    if numbers.get("histogram") is not None:
        yield from _histogram(numbers, numbers["histogram"])


def _finite(numbers: Mapping[str, Any]) -> Iterator[Problem]:
    # The strict reader lets no NaN through; a value made by a program might hold one.
    places = {
        **{f"/{key}": value for key, value in numbers.items()},
        **{f"/quantiles/{key}": value for key, value in (numbers.get("quantiles") or {}).items()},
    }
    for pointer, value in places.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield pointer, f"{value} is not a finite number"


def _quantiles(numbers: Mapping[str, Any], quantiles: Mapping[str, Any]) -> Iterator[Problem]:
    ladder = [("/min", numbers.get("min"))]
    ladder += [(f"/quantiles/{name}", quantiles[name]) for name in QUANTILES]
    ladder += [("/max", numbers.get("max"))]
    steps = [(pointer, value) for pointer, value in ladder if value is not None]
    for (_, lower), (pointer, higher) in pairwise(steps):
        if not lower <= higher:
            yield pointer, f"{higher} is below the quantile before it, {lower}"
    if numbers["method"] == "minmax":
        for name in ("p5", "p95"):
            if quantiles[name] != numbers[name]:
                yield f"/quantiles/{name}", f"{quantiles[name]} is not {name}, {numbers[name]}"


def _summary(numbers: Mapping[str, Any]) -> Iterator[Problem]:
    low, high, mean = numbers.get("min"), numbers.get("max"), numbers.get("mean")
    if low is not None and high is not None and not low <= high:
        yield "/min", f"min {low} is above max {high}"
    elif low is not None and high is not None and mean is not None and not low <= mean <= high:
        yield "/mean", f"mean {mean} is not between min {low} and max {high}"


def _histogram(numbers: Mapping[str, Any], histogram: Mapping[str, Any]) -> Iterator[Problem]:
    if not histogram["lo"] < histogram["hi"]:
        yield "/histogram/lo", f"lo {histogram['lo']} is not below hi {histogram['hi']}"
    total = sum(histogram["counts"]) + histogram["underflow"] + histogram["overflow"]
    if numbers["samples"] is not None and total != numbers["samples"]:
        yield "/histogram/counts", f"counts sum to {total}, samples are {numbers['samples']}"
    if (low := numbers.get("min")) is not None and (low < histogram["lo"]) != (
        histogram["underflow"] > 0
    ):
        yield "/histogram/underflow", f"{histogram['underflow']} does not fit min {low}"
    if (high := numbers.get("max")) is not None and (high > histogram["hi"]) != (
        histogram["overflow"] > 0
    ):
        yield "/histogram/overflow", f"{histogram['overflow']} does not fit max {high}"


def _model_run(data: Mapping[str, Any]) -> Iterator[Problem]:
    for head, row in data["heads"].items():
        pointer = f"/heads/{head}"
        yield from _name(pointer, partial(HeadName, data["model"], head))
        if row["label"] not in row["labels"]:
            yield f"{pointer}/label", f"{row['label']!r} is none of the head's labels"
        if row["is_stable"] != (row["verdict"] == "stable"):
            yield f"{pointer}/verdict", f"{row['verdict']!r} contradicts is_stable"
        if row["is_stable"] and not _all_below(row):
            yield f"{pointer}/is_stable", "true, but not every metric is below its threshold"
        moved = row["reference_after"] != row["reference_version"]
        if moved != (row["reference_update"] == "updated"):
            yield f"{pointer}/reference_update", "contradicts the versions before and after"


def _all_below(row: Mapping[str, Any]) -> bool:
    return not row["failed_metrics"] and all(
        row["metrics"][name] is not None and row["metrics"][name] < row["thresholds"][name]
        for name in METRICS
    )


def _run(data: Mapping[str, Any]) -> Iterator[Problem]:
    inputs = data["inputs"]
    counted = inputs["accepted"] + sum(inputs["rejected"].values())
    if inputs["kind"] in {"long", "wide"} and counted != inputs["rows"]:
        yield "/inputs/rows", f"{inputs['rows']} rows, but {counted} accepted and rejected"
    summary = data["summary"]
    if summary["stable_heads"] + summary["unstable_heads"] != summary["total_heads"]:
        yield "/summary/total_heads", "is not the sum of stable and unstable heads"


def _registry(data: Mapping[str, Any]) -> Iterator[Problem]:
    blocks = [("", data)] + [
        (f"/heads/{_escaped(pattern)}", block) for pattern, block in data.get("heads", {}).items()
    ]
    for pointer, block in blocks:
        grid = block.get("histogram")
        if grid is not None and not grid["lo"] < grid["hi"]:
            yield f"{pointer}/histogram/lo", f"lo {grid['lo']} is not below hi {grid['hi']}"


def _full_names(data: Mapping[str, Any]) -> Iterator[Problem]:
    for head in data["heads"]:
        yield from _name(f"/heads/{_escaped(head)}", partial(HeadName.parse, head))
    if twins := case_collision(data["heads"]):
        yield "/heads", f"{twins[0]} and {twins[1]} differ only in case"


def _move(data: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _name("/head", partial(HeadName.parse, data["head"]))


def _model_index(data: Mapping[str, Any]) -> Iterator[Problem]:
    for head in data["heads"]:
        yield from _name(f"/heads/{head}", partial(HeadName, data["model"], head))


def _nothing_more(_data: Mapping[str, Any]) -> Iterator[Problem]:
    return iter(())


_CHECKS: Mapping[Kind, Callable[[Mapping[str, Any]], Iterator[Problem]]] = {
    "calibration": _calibration,
    "index": _nothing_more,
    "lock": _full_names,
    "model-index": _model_index,
    "model-run": _model_run,
    "move": _move,
    "pins": _full_names,
    "registry": _registry,
    "run": _run,
}
