"""What a calibration must mean, beyond what its schema can say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any
from unicodedata import category

from calreg.documents.calibration import METHOD_PARAMETERS, QUANTILES
from calreg.documents.pointers import Problem, escaped, name_problems
from calreg.names import HeadName, check_label

__all__ = ["calibration_problems"]


def calibration_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with a calibration that passed its schema."""
    yield from name_problems("/head", partial(HeadName, data["model"], data["head"]))
    for label, numbers in data["labels"].items():
        pointer = f"/labels/{escaped(label)}"
        yield from name_problems(pointer, partial(check_label, label))
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
