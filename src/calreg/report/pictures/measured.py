"""What a picture of one label shows, as numbers: curves, bins and counts, never items.

Everything is aggregated here, so that a picture of a million items is as large as one of a
thousand. `panels` draws it. A point on a curve is exact; only how many there are is limited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Confusion, Direction, LabelCalibration, Parameter
from calreg.evaluate import BINS, curve_points, ece, reliability
from calreg.labelled import Floats, LabelledScores, Truth
from calreg.methods import apply_method, softmax
from calreg.tuning import Outputs, Tuned, outputs_of
from calreg.tuning.maps import aligned

__all__ = [
    "MAX_POINTS",
    "Histogram",
    "LabelPicture",
    "Reliability",
    "Row",
    "Scale",
    "SetName",
    "measured",
]

MAX_POINTS = 160
"""Points of one curve at most; a panel is about as many pixels wide."""

_CELLS = 40
_OUTER = 0.001  # this share of the items at either end may be drawn in the last cell
_DIGITS = 6

Row = dict[str, Any]
SetName = Literal["calibration", "holdout"]
Scale = Literal["score", "logit", "probability"]


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram: per bin what was said and what came, and the error in figures."""

    name: Literal["before", "after"]
    bins: tuple[Row, ...]
    ece: float
    perfect: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of scores by truth.

    Args:
        cells: `lo`, `hi`, `truth`, `n`, and `height`: n upwards, -n for negatives.
        scale: What the scores are.
        cut: Where the label begins to fire, on this scale; None if nowhere.
        is_clipped: The last cells also hold what lies beyond them.
    """

    cells: tuple[Row, ...]
    scale: Scale
    cut: float | None
    is_clipped: bool


@dataclass(frozen=True, slots=True)
class LabelPicture:
    """All that is drawn of one label.

    Args:
        on: The set of reliability and histogram: the holdout where there is one.
        curves: Points of all sets: `set`, `place`, `recall`, `precision`, `fpr`, `threshold`.
        chosen: One point per set at the threshold; empty if it never fires.
        reliability: Before and after, as far as scores can be taken for probabilities.
        histogram: On `on`.
    """

    on: SetName
    curves: tuple[Row, ...]
    chosen: tuple[Row, ...]
    reliability: tuple[Reliability, ...]
    histogram: Histogram


@dataclass(frozen=True, slots=True, eq=False)
class _Set:
    name: SetName
    scores: LabelledScores
    outputs: Outputs


def measured(
    tuned: Tuned,
    calibration: LabelledScores,
    holdout: LabelledScores | None,
    labels: Sequence[str],
) -> dict[str, LabelPicture]:
    """What is drawn of some labels of a tuned head, in their order.

    Args:
        tuned: What was found on these very sets.
        calibration: What it was chosen on.
        holdout: What it was judged on.
        labels: Which of its labels.
    """
    sets = [_set(tuned, "calibration", calibration, labels)]
    if holdout is not None:
        sets.append(_set(tuned, "holdout", holdout, labels))
    is_softmax = tuned.request.link == "softmax"
    said = _softmax_of(sets[-1].scores) if is_softmax and tuned.request.map_method else {}
    return {label: _label(label, tuned, sets, said.get(label)) for label in labels}


def _set(tuned: Tuned, name: SetName, scores: LabelledScores, labels: Sequence[str]) -> _Set:
    chosen = tuned.calibrations()
    if tuned.request.link == "softmax":
        scores = aligned(scores)  # as they were tuned; a softmax needs all labels, drawn or not
    else:
        chosen = {label: chosen[label] for label in labels}
    return _Set(name, scores, outputs_of(chosen, scores, tuned.request))


def _label(label: str, tuned: Tuned, sets: Sequence[_Set], raw: Floats | None) -> LabelPicture:
    found = tuned.labels[label]
    one = found.label
    trials = {"calibration": found.calibration.trial, "holdout": None}
    if found.holdout is not None:
        trials["holdout"] = found.holdout.trial
    curves: list[Row] = []
    chosen: list[Row] = []
    fires = one.decision is not None and one.decision.threshold is not None
    for each in sets:
        trial = trials[each.name]
        counts = trial.confusion if trial is not None and fires else None
        values, direction = _decided_on(label, one, each)
        curves += _curve(each.name, values, each.scores.labels[label].truth, direction, counts)
        chosen += [] if counts is None else [_chosen(each.name, counts)]
    shown = sets[-1]
    return LabelPicture(
        on=shown.name,
        curves=tuple(curves),
        chosen=tuple(chosen),
        reliability=_reliabilities(label, one, shown, raw),
        histogram=_histogram(label, one, shown),
    )


def _is_by_output(one: LabelCalibration) -> bool:
    """The decision cannot be told from the label's raw score alone."""
    return one.method == "histogram" or one.parameters.get("link") == "softmax"


def _decided_on(label: str, one: LabelCalibration, each: _Set) -> tuple[Floats, Direction]:
    """What is ranked by: the same order as the decision's, so that its point is on the curve."""
    output = each.outputs.probabilities[label]
    if output is not None and _is_by_output(one):
        return output, "higher"
    return each.scores.labels[label].scores, one.direction or "higher"


# --- curves ---------------------------------------------------------------------------------


def _curve(
    name: SetName, values: Floats, truth: Truth, direction: Direction, counts: Confusion | None
) -> list[Row]:
    """The curve of one set, from "never" on; the chosen point is one of its points."""
    if not truth.any():
        return []  # no recall without positives
    found = curve_points(values, truth, direction, max_points=MAX_POINTS - 2)
    has_negatives = not truth.all()
    points = [
        (recall, fpr if has_negatives else None, precision, threshold)
        for recall, fpr, precision, threshold in zip(
            found.recall.tolist(),
            found.fpr.tolist(),
            found.precision.tolist(),
            found.threshold.tolist(),
            strict=True,
        )
    ]
    if counts is not None and counts.tp + counts.fp:
        # Its threshold is told by its mark; along the curve both rates only grow.
        points.append(
            (counts.recall, counts.fpr if has_negatives else None, counts.precision, None)
        )
        points.sort(key=lambda point: (point[0], point[1] or 0.0, point[3] is None))
    points.insert(0, (0.0, 0.0 if has_negatives else None, points[0][2], None))
    return [
        {
            "set": name,
            "place": place,
            "recall": _rounded(recall),
            "fpr": _rounded(fpr),
            "precision": _rounded(precision),
            "threshold": _rounded(threshold),
        }
        for place, (recall, fpr, precision, threshold) in enumerate(points)
    ]


def _chosen(name: SetName, counts: Confusion) -> Row:
    fires = counts.tp + counts.fp
    return {
        "set": name,
        "recall": counts.recall,
        "fpr": counts.fpr if counts.negatives else None,
        "precision": counts.precision if fires else None,
        **counts.to_json(),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")


# --- reliability ----------------------------------------------------------------------------


def _reliabilities(
    label: str, one: LabelCalibration, shown: _Set, raw: Floats | None
) -> tuple[Reliability, ...]:
    column = shown.scores.labels[label]
    if not column.truth.size:
        return ()
    after = shown.outputs.probabilities[label]
    before = raw
    if before is None and one.direction != "lower":
        before = _as_said(
            column.scores, is_logit=shown.scores.is_logit, is_mapped=after is not None
        )
    found = []
    if before is not None:
        found.append(_reliability("before", before, column.truth))
    if after is not None:
        found.append(_reliability("after", after, column.truth))
    return tuple(found)


def _as_said(scores: Floats, *, is_logit: bool, is_mapped: bool) -> Floats | None:
    """Raw scores as the probabilities they pretend to be; None if they do not."""
    wide = scores.astype(np.float64)
    if is_logit:
        parameters: dict[str, Parameter] = {"temperature": 1.0, "link": "sigmoid", "scale": "logit"}
        return apply_method("temperature", parameters, wide) if is_mapped else None
    # Some systems' floats end a little beyond 1; these are brought back, as when fitting.
    is_probability = wide.min() >= -0.01 and wide.max() <= 1.01
    return np.clip(wide, 0.0, 1.0) if is_probability else None


def _softmax_of(scores: LabelledScores) -> Mapping[str, Floats]:
    scale = "logit" if scores.is_logit else "probability"
    parameters: dict[str, Parameter] = {"temperature": 1.0, "link": "softmax", "scale": scale}
    columns = [column.scores.astype(np.float64) for column in scores.labels.values()]
    return dict(zip(scores.labels, softmax(parameters, columns), strict=True))


def _reliability(name: Literal["before", "after"], said: Floats, truth: Truth) -> Reliability:
    error = ece(said, truth, BINS)
    bins = [
        {
            "lo": _rounded(one.lo),
            "hi": _rounded(one.hi),
            "n": one.n,
            "said": _rounded(one.mean_probability),
            "came": _rounded(one.rate),
            "low": _rounded(one.low),
            "high": _rounded(one.high),
        }
        for one in reliability(said, truth, BINS)
    ]
    return Reliability(name, tuple(bins), error.value, error.perfect)


# --- histograms -----------------------------------------------------------------------------


def _histogram(label: str, one: LabelCalibration, shown: _Set) -> Histogram:
    column, output = shown.scores.labels[label], shown.outputs.probabilities[label]
    decision = one.decision
    values: NDArray[np.float64]
    if output is not None and _is_by_output(one):
        scale: Scale = "probability"
        values, cut = output.astype(np.float64), decision.threshold if decision else None
    else:
        scale = "logit" if shown.scores.is_logit else "score"
        values, cut = column.scores.astype(np.float64), _raw_cut(one)
    edges, is_clipped = _edges(values, cut, is_unit=scale == "probability")
    cells = []
    for truth, sign in ((True, 1), (False, -1)):
        inside = np.clip(values[column.truth == truth], edges[0], edges[-1])
        counts, _ = np.histogram(inside, edges)
        cells += [
            {
                "lo": _rounded(float(edges[i])),
                "hi": _rounded(float(edges[i + 1])),
                "truth": "positives" if truth else "negatives",
                "n": int(counts[i]),
                "height": sign * int(counts[i]),
            }
            for i in np.flatnonzero(counts)
        ]
    return Histogram(tuple(cells), scale, cut, is_clipped)


def _raw_cut(one: LabelCalibration) -> float | None:
    if one.decision is None:
        return None
    is_raw = one.method == "threshold"
    return one.decision.threshold if is_raw else one.decision.score_threshold


def _edges(
    values: NDArray[np.float64], cut: float | None, *, is_unit: bool
) -> tuple[NDArray[np.float64], bool]:
    """Equal cells; a few far outliers do not press all others into one of them."""
    if is_unit or not values.size:
        return np.linspace(0.0, 1.0, _CELLS + 1), False
    least, most = float(values.min()), float(values.max())
    low, high = (float(end) for end in np.quantile(values, [_OUTER, 1.0 - _OUTER]))
    if cut is not None:
        low, high = min(low, cut), max(high, cut)
        least, most = min(least, cut), max(most, cut)
    is_clipped = most - least > 3.0 * (high - low) > 0.0
    if not is_clipped:
        low, high = least, most
    if not low < high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _CELLS + 1), is_clipped
