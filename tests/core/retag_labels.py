"""Labels of every method to compare, and the outcome of a score as `calreg.methods` says it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from calreg.documents import Decision, Distribution, LabelCalibration
from calreg.errors import InputError
from calreg.methods import apply_method, decision_of, fires

NO_EVIDENCE = Distribution(None)
ROUND = st.integers(-20, 120).map(lambda n: n / 100)
UNIT = st.one_of(st.integers(0, 100).map(lambda n: n / 100), st.floats(0, 1))
ANY = st.one_of(ROUND, st.floats(-3, 3))
ABOVE_0 = st.one_of(st.sampled_from([0.5, 1.0, 1.1, 2.0]), st.floats(0.05, 20))
SCALES = st.sampled_from(["logit", "probability"])


def label(method, parameters, decision=None, direction=None):
    return LabelCalibration(method, parameters, NO_EVIDENCE, direction, decision)


def minmax(p5=0.0, p95=1.0):
    return label("minmax", {"p5": p5, "p95": p95})


def platt(slope=6.0, intercept=-3.0, decision=None):
    return label("platt", {"slope": slope, "intercept": intercept}, decision, "higher")


def cut(threshold, direction="higher"):
    """A label that decides on raw scores."""
    return label("threshold", {}, at(threshold, "<=" if direction == "lower" else ">="), direction)


def at(threshold, comparator=">=", score_threshold=None):
    status = "infeasible" if threshold is None else "ok"
    return Decision(threshold, comparator, "max-f1", status, score_threshold=score_threshold)


@st.composite
def parameters(draw):
    """A method with parameters, some of them round, so that outcomes tie."""
    method = draw(st.sampled_from(
        ["minmax", "threshold", "temperature", "platt", "beta", "isotonic", "histogram", "factor"]
    ))  # fmt: skip
    if method == "minmax":
        p5 = draw(ANY)
        return method, {"p5": p5, "p95": p5 + draw(ABOVE_0)}
    if method == "temperature":
        given = {"temperature": draw(ABOVE_0), "link": "sigmoid", "scale": draw(SCALES)}
        return method, given
    if method == "platt":
        return method, {"slope": draw(st.floats(-20, 20)), "intercept": draw(ANY)}
    if method == "beta":
        signs = st.sampled_from([1.0, 1.0, 1.0, -1.0])
        a, b = (draw(signs) * draw(ABOVE_0) for _ in "ab")
        return method, {"a": a, "b": b, "c": draw(ANY), "scale": draw(SCALES)}
    if method == "factor":
        return method, {"factor": draw(ABOVE_0)}
    if method == "threshold":
        return method, {}
    places = tuple(sorted(draw(st.sets(ANY, min_size=1, max_size=6))))
    more = method == "histogram"
    count = len(places) + more
    values = draw(st.lists(UNIT, min_size=count, max_size=count))
    if method == "histogram":
        return method, {"edges": places, "values": tuple(values)}
    return method, {"x": places, "y": tuple(sorted(values, reverse=draw(st.booleans())))}


@st.composite
def labels(draw):
    """A label, with or without a decision."""
    method, given = draw(parameters())
    decides = method == "threshold" or (method not in {"minmax", "factor"} and draw(st.booleans()))
    if not decides:
        return label(method, given)
    threshold = draw(st.one_of(st.none(), UNIT))
    falls = method == "threshold" and draw(st.booleans())
    raw = None
    if method != "threshold" and threshold is not None:
        raw = draw(st.one_of(st.none(), ANY))
    decision = at(threshold, "<=" if falls else ">=", raw)
    return label(method, given, decision, "lower" if falls else "higher")


@st.composite
def pairs(draw):
    """Two labels: any two, or one and the same with its numbers moved a little."""
    before = draw(labels())
    if draw(st.booleans()):
        return before, draw(labels())
    moved = {}
    for key, value in before.parameters.items():
        shift = draw(st.sampled_from([0.0, 0.01, -0.01, 0.02, 0.05, 1e-9, 0.1]))
        if isinstance(value, str):
            moved[key] = value
        elif isinstance(value, tuple):
            lift = shift if key in {"y", "values"} else 0.0
            moved[key] = tuple(min(max(one + lift, 0.0), 1.0) if lift else one for one in value)
        else:
            moved[key] = (
                value * (1.0 + shift) if key in {"temperature", "factor"} else value + shift
            )
    if before.method == "minmax":  # a range that is turned around is refused
        moved["p95"] = max(moved["p95"], moved["p5"] + 0.05)
    return before, replace(before, parameters=moved)


def outcome_by_methods(side, scores):
    """Value or None, and fired, as production finds them; nothing decided is nothing fired."""
    value = None
    if side.method != "threshold":
        value = apply_method(side.method, side.parameters, scores)
    try:
        decision_of(side)
    except InputError:
        return value, np.zeros(scores.shape, bool)
    return value, fires(side, scores)


def changes_by_methods(before, after, scores, rules):
    """Whether each outcome changes: both calibrations applied to every score, and compared."""
    readable = np.isfinite(scores)
    if before is None or after is None:
        return readable & (before is not after)
    (old, fired_before), (new, fired_after) = (
        outcome_by_methods(side, scores) for side in (before, after)
    )
    changed = fired_before != fired_after
    if (old is None) != (new is None):
        changed |= True
    elif old is not None:
        with np.errstate(invalid="ignore"):
            changed |= np.abs(new - old) >= rules.min_change
        for one in rules.tiers:
            changed |= (old >= one) != (new >= one)
    return changed & readable
