"""All labels of a head at once: what a softmax needs, and what serves every method.

Labels are named by their keys in a calibration; the columns are the caller's scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calreg.documents import LabelCalibration
from calreg.errors import InputError
from calreg.methods.arrays import raw_scores
from calreg.methods.decisions import fires
from calreg.methods.maps import apply_method
from calreg.methods.shared import softmax

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from calreg.methods.arrays import Floats

__all__ = ["apply_head", "head_columns", "head_fires", "is_shared"]


def is_shared(labels: Mapping[str, LabelCalibration]) -> bool:
    """Whether the head's labels share one softmax."""
    return any(label.parameters.get("link") == "softmax" for label in labels.values())


def head_columns(
    labels: Mapping[str, LabelCalibration], columns: Mapping[str, ArrayLike]
) -> dict[str, Floats]:
    """The raw scores of a head's labels, as arrays of one shape.

    Raises:
        InputError: A label that the head has not, shapes that differ, what is no number;
            for a softmax, a label of the head without scores.
    """
    for name in columns:
        if name not in labels:
            raise InputError(
                f"no label {name!r} in this head; it has {', '.join(sorted(labels))}",
                code="unknown-label",
            )
    missing = sorted(labels.keys() - columns.keys())
    if missing and is_shared(labels):
        raise InputError(
            f"a softmax needs the scores of all labels; missing: {', '.join(missing)}",
            code="scores",
        )
    given = {name: _column(name, scores) for name, scores in columns.items()}
    first = next(iter(given), "")
    for name, column in given.items():
        if column.shape != given[first].shape:
            raise InputError(
                f"scores of one head differ in shape: {first!r} has {given[first].shape}, "
                f"{name!r} {column.shape}",
                code="scores",
            )
    return given


def _column(name: str, scores: ArrayLike) -> Floats:
    try:
        return raw_scores(scores)
    except InputError as error:
        error.where = f"label {name!r}"
        raise


def apply_head(
    labels: Mapping[str, LabelCalibration], columns: Mapping[str, ArrayLike]
) -> dict[str, Any]:
    """Calibrated scores or probabilities, by label.

    Raises:
        InputError: As `head_columns` and `apply_method`.
    """
    given = head_columns(labels, columns)
    if is_shared(labels):
        return _shared(labels, given)
    return {
        name: apply_method(labels[name].method, labels[name].parameters, scores)
        for name, scores in given.items()
    }


def head_fires(
    labels: Mapping[str, LabelCalibration], columns: Mapping[str, ArrayLike]
) -> dict[str, Any]:
    """Whether each label fires, score by score; a NaN or infinite score never does.

    Under a softmax no label fires for an item of which one label's score is NaN or infinite.

    Raises:
        InputError: As `head_columns` and `fires`.
    """
    import numpy as np

    given = head_columns(labels, columns)
    outputs: Mapping[str, Any] = {}
    if is_shared(labels):
        outputs = _shared(
            labels, {name: scores.astype(np.float64) for name, scores in given.items()}
        )
    return {
        name: fires(labels[name], scores, output=outputs.get(name))
        for name, scores in given.items()
    }


def _shared(labels: Mapping[str, LabelCalibration], given: Mapping[str, Floats]) -> dict[str, Any]:
    # Any label's parameters: a document whose labels differ in them is refused.
    parameters = labels[next(iter(given))].parameters
    return dict(zip(given, softmax(parameters, list(given.values())), strict=True))
