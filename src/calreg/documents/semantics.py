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
from unicodedata import category

from calreg.documents.calibration import METHOD_PARAMETERS, METRICS, QUANTILES
from calreg.documents.feedback_semantics import overrides_problems, suggestions_problems
from calreg.documents.run import INFORMATIONAL_CHANGES
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
    yield from _shared_softmax(data["labels"])
    if len({numbers["method"] == "factor" for numbers in data["labels"].values()}) > 1:
        yield "/labels", "hold factors and other methods; a head's labels are all factors or none"


def _label(numbers: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _finite(numbers)
    yield from _method(numbers)
    yield from _decision(numbers)
    for name in ("calibration", "holdout"):
        if (trial := numbers.get(name)) is not None:
            yield from ((f"/{name}{inner}", problem) for inner, problem in _trial(trial))
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


def _method(numbers: Mapping[str, Any]) -> Iterator[Problem]:
    """The parameters are those of the method, and can be applied."""
    method = numbers["method"]
    foreign = _PARAMETERS - set(METHOD_PARAMETERS[method])
    if method == "minmax":
        foreign |= _OF_TUNED
        if not numbers["p5"] < numbers["p95"]:
            yield "/p5", f"p5 {numbers['p5']} is not below p95 {numbers['p95']}"
    if method == "factor":
        # What describes scores has no place beside a factor: it is made of pairs.
        foreign |= _OF_TUNED | _OF_SCORES
        if not numbers["factor"] > 0.0:
            yield "/factor", f"{numbers['factor']} is not above 0"
    for key in sorted(foreign & numbers.keys()):
        yield f"/{key}", f"is no part of method {method!r}"
    if "scale" in numbers and numbers.get("is_logit") not in {None, numbers["scale"] == "logit"}:
        yield "/is_logit", f"{numbers['is_logit']} contradicts scale {numbers['scale']!r}"
    if method == "isotonic":
        yield from _curve(numbers, "x", "y", same=0)
        falls = numbers["direction"] == "lower"
        rising = numbers["y"][::-1] if falls else numbers["y"]
        yield from _ascending("/y", rising, strictly=False)
    if method == "histogram":
        yield from _curve(numbers, "edges", "values", same=1)


_PARAMETERS = frozenset(key for keys in METHOD_PARAMETERS.values() for key in keys)
_DECISION = frozenset({"threshold", "comparator", "objective", "status", "average"})
_OF_TUNED = _DECISION | {
    *("score_threshold", "guarantee", "direction", "calibration", "holdout", "is_logit"),
}

_OF_SCORES = frozenset({"min", "max", "mean", "std", "quantiles", "histogram"})


def _curve(numbers: Mapping[str, Any], x: str, y: str, *, same: int) -> Iterator[Problem]:
    if len(numbers[y]) != len(numbers[x]) + same:
        yield f"/{y}", f"{len(numbers[y])} numbers for {len(numbers[x])} of {x}"
    yield from _ascending(f"/{x}", numbers[x], strictly=True)
    for place, value in enumerate(numbers[y]):
        if not 0.0 <= value <= 1.0:
            yield f"/{y}/{place}", f"{value} is not between 0 and 1"


def _ascending(pointer: str, values: list[float], *, strictly: bool) -> Iterator[Problem]:
    for place, (lower, higher) in enumerate(pairwise(values), start=1):
        if not (lower < higher or (not strictly and lower == higher)):
            yield f"{pointer}/{place}", f"{higher} does not follow {lower}"


def _decision(numbers: Mapping[str, Any]) -> Iterator[Problem]:
    """Where there is one, it is whole, and its parts say the same."""
    present = _DECISION & numbers.keys()
    if not present:
        yield from (
            (f"/{key}", "is there without a threshold")
            for key in sorted({"score_threshold", "guarantee"} & numbers.keys())
        )
        return
    if missing := sorted(_DECISION - present):
        yield "", f"has a decision without {', '.join(missing)}"
        return
    if any(category(sign) in {"Cc", "Cs"} for sign in numbers["objective"]):
        yield "/objective", "holds control characters"
    fires = numbers["status"] in {"ok", "fires_always"}
    if fires != (numbers["threshold"] is not None):
        yield "/threshold", f"{numbers['threshold']} contradicts status {numbers['status']!r}"
    if numbers["threshold"] is None and "score_threshold" in numbers:
        yield "/score_threshold", "is there although the label never fires"
    is_raw = numbers["method"] == "threshold"
    falls = is_raw and numbers.get("direction") == "lower"
    if numbers["comparator"] != ("<=" if falls else ">="):
        yield "/comparator", f"{numbers['comparator']} contradicts direction and method"
    yield from (_raw_decision if is_raw else _probable_decision)(numbers)


def _raw_decision(numbers: Mapping[str, Any]) -> Iterator[Problem]:
    if "score_threshold" in numbers:
        yield "/score_threshold", "is the threshold itself for method 'threshold'"


def _probable_decision(numbers: Mapping[str, Any]) -> Iterator[Problem]:
    threshold = numbers["threshold"]
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        yield "/threshold", f"{threshold} is no probability"
    if "score_threshold" in numbers and not _goes_its_way(numbers):
        yield "/score_threshold", "is there although the output does not go with the direction"


def _goes_its_way(numbers: Mapping[str, Any]) -> bool:
    """Whether a probability nowhere falls as scores speak more for the label: a cut can say it."""
    falls = numbers.get("direction") == "lower"
    match numbers["method"]:
        case "platt":
            return bool(numbers["slope"] < 0 if falls else numbers["slope"] > 0)
        case "histogram":
            values = numbers["values"][::-1] if falls else numbers["values"]
            return all(lower <= higher for lower, higher in pairwise(values))
        case "temperature":
            return not falls and numbers["link"] == "sigmoid"
        case "beta":
            return not falls
        case _:  # an isotonic curve that turns, or goes the other way, is refused anyway
            return True


def _trial(trial: Mapping[str, Any]) -> Iterator[Problem]:
    counts = {"tp", "fp", "fn", "tn"} & trial.keys()
    if counts and len(counts) < 4:
        yield "", f"has only {', '.join(sorted(counts))} of the four counts"
    elif counts:
        if trial["tp"] + trial["fn"] != trial["positives"]:
            yield "/positives", f"{trial['positives']} is not tp + fn"
        if trial["fp"] + trial["tn"] != trial["negatives"]:
            yield "/negatives", f"{trial['negatives']} is not fp + tn"


def _shared_softmax(labels: Mapping[str, Any]) -> Iterator[Problem]:
    """Labels of one softmax have one temperature, one scale, and are the whole head."""
    shared = {label: found for label, found in labels.items() if found.get("link") == "softmax"}
    if not shared:
        return
    if len(labels) < 2 or len(shared) < len(labels):
        yield "/labels", "softmax needs two labels or more, and all of the head's"
    if len({(found["temperature"], found["scale"]) for found in shared.values()}) > 1:
        yield "/labels", "labels of one softmax differ in temperature or scale"


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


def _index(data: Mapping[str, Any]) -> Iterator[Problem]:
    for model in data["models"]:
        yield from _name(f"/models/{_escaped(model)}", partial(HeadName, model, "x"))
    if twins := case_collision(data["models"]):
        yield "/models", f"{twins[0]} and {twins[1]} differ only in case"
    if not data["issued"] < data["expires"]:
        yield "/expires", f"{data['expires']} is not after issued, {data['issued']}"


def _lock(data: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _full_names(data)
    sources = 1 + len(data.get("upstream", ()))
    for head, entry in data["heads"].items():
        if entry.get("origin", 0) >= sources:
            yield (
                f"/heads/{_escaped(head)}/origin",
                f"{entry['origin']} is none of {sources} sources",
            )
    for source in (data, *data.get("upstream", ())):
        trust = source.get("trust")
        if trust and trust["threshold"] > len(trust["keys"]):
            yield "/trust/threshold", f"{trust['threshold']} of {len(trust['keys'])} keys"


def _keys(data: Mapping[str, Any]) -> Iterator[Problem]:
    if data["threshold"] > len(data["keys"]):
        yield "/threshold", f"{data['threshold']} is more than there are keys, {len(data['keys'])}"
    if (data["number"] == 1) != (data["previous"] is None):
        yield "/previous", "the first list, and only it, has none before it"


def _packed(data: Mapping[str, Any]) -> Iterator[Problem]:
    for head in data["references"]:
        yield from _name(f"/references/{head}", partial(HeadName, data["model"], head))


_CHECKS: Mapping[Kind, Callable[[Mapping[str, Any]], Iterator[Problem]]] = {
    "calibration": _calibration,
    "index": _index,
    "keys": _keys,
    "lock": _lock,
    "model-index": _model_index,
    "model-run": _model_run,
    "move": _move,
    "overrides": overrides_problems,
    "pins": _full_names,
    "references": _packed,
    "registry": _registry,
    "run": _run,
    "suggestions": suggestions_problems,
    "withdrawn": _full_names,
}
