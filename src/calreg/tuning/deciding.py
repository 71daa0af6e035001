"""The thresholds of a head: one per label or one for all, and the decision that holds them.

Thresholds are found on what the method puts out. Where that is a probability, the decision
also gets the raw score at which it changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from calreg.calibrate.fits import goes_by_rounding, score_cut
from calreg.calibrate.objectives import Objective
from calreg.calibrate.shared import best_shared_cut
from calreg.calibrate.thresholds import Cut, best_cut
from calreg.documents import Decision, Direction
from calreg.errors import InputError
from calreg.labelled import Floats, LabelledColumn, LabelledScores
from calreg.tuning.maps import Parameters
from calreg.tuning.request import Request

__all__ = ["Cuts", "clear_of_rounding", "cuts_of", "decision_of"]

_STEPS = 10**11

Cuts = Mapping[str, Cut]


def cuts_of(
    scores: LabelledScores,
    outputs: Mapping[str, Floats] | None,
    directions: Mapping[str, Direction],
    request: Request,
) -> tuple[Cuts, Cuts]:
    """The cut of every label, and the plain one of those that have a guarantee."""
    if request.objective is None:
        return {}, {}
    values = outputs or {label: column.scores for label, column in scores.labels.items()}
    ways: Mapping[str, Direction] = dict.fromkeys(directions, "higher") if outputs else directions
    if request.average != "per-label":
        return _shared(scores, values, ways, request, request.objective)
    chosen, empirical = {}, {}
    for label, column in scores.labels.items():
        objective = request.objective_of(label)
        if objective is None:
            continue
        guarantee = request.guarantee_of(label)

        def cut(
            guarantee: float | None,
            *,
            label: str = label,
            column: LabelledColumn = column,
            objective: Objective = objective,
        ) -> Cut:
            return best_cut(
                values[label],
                column.truth,
                objective,
                direction=ways[label],
                guarantee=guarantee,
                min_positives=request.min_positives,
                min_negatives=request.min_negatives,
            )

        chosen[label] = cut(guarantee)
        if guarantee is not None:
            empirical[label] = cut(None)
    return chosen, empirical


def _shared(
    scores: LabelledScores,
    values: Mapping[str, Floats],
    ways: Mapping[str, Direction],
    request: Request,
    objective: Objective,
) -> tuple[Cuts, Cuts]:
    falling = sorted(label for label, way in ways.items() if way == "lower")
    if 0 < len(falling) < len(ways):
        raise InputError(
            f"one threshold for all labels, but low scores speak for {', '.join(falling)}",
            hint="--average per-label, or a probability method first.",
            code="direction",
        )
    columns = [(values[label], column.truth) for label, column in scores.labels.items()]
    way: Direction = "lower" if falling else "higher"
    average: Literal["micro", "macro"] = "micro" if request.average == "micro" else "macro"

    def cut(guarantee: float | None) -> Cut:
        return best_shared_cut(
            columns, objective, average=average, direction=way, guarantee=guarantee
        )

    chosen = dict.fromkeys(scores.labels, cut(request.guarantee))
    empirical = {} if request.guarantee is None else dict.fromkeys(scores.labels, cut(None))
    return chosen, empirical


def decision_of(
    label: str,
    cut: Cut | None,
    column: LabelledColumn,
    maps: Mapping[str, Parameters] | None,
    outputs: Mapping[str, Floats] | None,
    directions: Mapping[str, Direction],
    request: Request,
) -> Decision | None:
    """A cut as production applies it; None for a label that gets no threshold."""
    objective = request.objective_of(label)
    if cut is None or objective is None:
        return None
    direction, threshold, raw_cut = directions[label], cut.threshold, None
    if maps is not None and outputs is not None and threshold is not None:
        raw_cut = score_cut(request.method, maps[label], column.scores, threshold, direction)
        if raw_cut is None and goes_by_rounding(request.method):
            threshold = clear_of_rounding(threshold, outputs[label])
    return Decision(
        threshold=threshold,
        comparator="<=" if maps is None and direction == "lower" else ">=",
        objective=objective.text,
        status=cut.status,
        average=request.average,
        score_threshold=raw_cut,
        guarantee=request.guarantee_of(label),
    )


def clear_of_rounding(threshold: float, outputs: Floats) -> float:
    """A threshold just below one of these outputs, with the same decision on all of them.

    The output that it was is computed anew wherever the threshold is applied, and exp() of
    another library may make it smaller by its last bits: the item would fire no more. Kept
    are eleven decimals, one step down; the threshold itself where an output lies between.

    >>> import numpy as np
    >>> clear_of_rounding(0.75, np.array([0.5, 0.75]))
    0.74999999999
    """
    lower = (math.floor(threshold * _STEPS) - 1) / _STEPS
    between = (outputs >= lower) & (outputs < threshold)
    return threshold if lower <= 0.0 or between.any() else lower
