"""From raw scores to probabilities: fit the map of every label, and apply it.

Fits are by negative log-likelihood, whatever is decided on their output afterwards. Labels
of a softmax are fitted and applied together, on the rows that all of them have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.fits import (
    fit_beta,
    fit_histogram,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)
from calreg.documents import Direction, Parameter
from calreg.errors import InputError
from calreg.labelled import Floats, LabelledColumn, LabelledScores
from calreg.methods import apply_method, softmax
from calreg.tuning.request import Request

__all__ = ["Parameters", "aligned", "fit_maps", "probabilities"]

Parameters = Mapping[str, Parameter]


def aligned(scores: LabelledScores) -> LabelledScores:
    """The same with only the rows that every label has: what a softmax needs."""
    columns = list(scores.labels.values())
    kept = columns[0].rows
    for column in columns[1:]:
        kept = np.intersect1d(kept, column.rows, assume_unique=True)
    if all(column.rows.size == kept.size for column in columns):
        return scores
    labels = {
        label: _only(column, np.isin(column.rows, kept, assume_unique=True))
        for label, column in scores.labels.items()
    }
    return replace(scores, labels=labels)


def _only(column: LabelledColumn, which: NDArray[np.bool_]) -> LabelledColumn:
    return LabelledColumn(column.scores[which], column.truth[which], column.rows[which])


def fit_maps(
    scores: LabelledScores, directions: Mapping[str, Direction], request: Request
) -> dict[str, Parameters]:
    """The parameters of every label's map.

    Raises:
        InputError: A label's scores cannot be mapped that way; named in `where`.
    """
    if request.map_method == "temperature":
        return _temperature(scores, directions, request)
    return {
        label: _fit(label, column, scores, directions[label], request)
        for label, column in scores.labels.items()
    }


def _scale(scores: LabelledScores) -> Literal["logit", "probability"]:
    return "logit" if scores.is_logit else "probability"


def _temperature(
    scores: LabelledScores, directions: Mapping[str, Direction], request: Request
) -> dict[str, Parameters]:
    for label in scores.labels:
        _refuse_falling(label, directions[label], "temperature")
    columns = [(column.scores, column.truth) for column in scores.labels.values()]
    found = fit_temperature(columns, link=request.link, scale=_scale(scores))
    return dict.fromkeys(scores.labels, found)


def _fit(
    label: str,
    column: LabelledColumn,
    scores: LabelledScores,
    direction: Direction,
    request: Request,
) -> Parameters:
    raw, truth = column.scores, column.truth
    try:
        match request.map_method:
            case "platt":
                return fit_platt(raw, truth)
            case "beta":
                _refuse_falling(label, direction, "beta")
                return fit_beta(raw, truth, scale=_scale(scores))
            case "isotonic":
                return fit_isotonic(raw, truth, direction=direction)
            case "histogram":
                return fit_histogram(raw, truth, bins=request.bins, direction=direction)
    except InputError as error:
        if error.where is None:
            error.where = f"label {label!r}"
        raise
    raise InputError(f"method {request.map_method!r} is none that can be fitted")


def _refuse_falling(label: str, direction: Direction, method: str) -> None:
    if direction == "lower":
        raise InputError(
            f"low scores speak for it, and {method} only knows high ones",
            where=f"label {label!r}",
            hint="--method platt or --method isotonic work in either direction.",
            code="direction",
        )


def probabilities(
    scores: LabelledScores, maps: Mapping[str, Parameters], request: Request
) -> dict[str, Floats]:
    """Every label's probabilities, float64, in the order of its scores."""
    raw = {label: column.scores.astype(np.float64) for label, column in scores.labels.items()}
    if request.link == "softmax":
        first = next(iter(maps.values()))
        return dict(zip(raw, softmax(first, list(raw.values())), strict=True))
    return {label: apply_method(request.method, maps[label], raw[label]) for label in raw}
