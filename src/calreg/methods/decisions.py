"""Which scores make a label fire.

A raw cut is compared with the raw score wherever there is one: it is the same decision on
every machine, while the last bit of an exponential is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calreg.documents import Decision, LabelCalibration
from calreg.errors import InputError
from calreg.methods.arrays import raw_scores
from calreg.methods.maps import apply_method

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from calreg.methods.arrays import Floats

__all__ = ["decision_of", "fires"]


def fires(label: LabelCalibration, scores: ArrayLike, *, output: ArrayLike | None = None) -> Any:
    """Whether the label fires, score by score.

    A score that is NaN or infinite never fires; nor does a label whose threshold is None.
    Comparisons are made in float64: a float32 score is never rounded up to a threshold.

    Args:
        label: The label's numbers, with a decision.
        scores: Raw scores, any shape.
        output: The label's probabilities, of the scores' shape: needed for a softmax,
            ignored for what follows from the label's own scores. float64, since thresholds
            are; float32 is taken for what it says.

    Returns:
        bool, of the scores' shape; a scalar for a scalar.

    Raises:
        InputError: The label has no decision, as every `minmax`; a softmax without `output`;
            what is no number.
    """
    import numpy as np

    decision = decision_of(label)
    given = raw_scores(scores)
    if decision.threshold is None:
        fired: Any = np.zeros(given.shape, np.bool_)
        return fired if given.ndim else fired[()]
    if decision.score_threshold is not None:
        fired = _meets(given, decision.score_threshold, falls=label.direction == "lower")
    elif label.method == "threshold":
        fired = _meets(given, decision.threshold, falls=decision.comparator == "<=")
    else:
        fired = _meets(_output(label, given, output), decision.threshold, falls=False)
    fired &= np.isfinite(given)
    return fired


def decision_of(label: LabelCalibration) -> Decision:
    """The label's decision.

    Raises:
        InputError: It has none.
    """
    if label.decision is None:
        raise InputError(
            f"nothing fires by method {label.method!r} without a threshold",
            hint="Thresholds come from scores with truth: calreg tune.",
            code="no-decision",
        )
    return label.decision


def _meets(values: Floats, threshold: float, *, falls: bool) -> Any:
    import numpy as np

    # A float64 scalar, not a Python float: that one NumPy would round to float32 for float32.
    cut = np.float64(threshold)
    return values <= cut if falls else values >= cut


def _output(label: LabelCalibration, scores: Floats, output: ArrayLike | None) -> Floats:
    """What the threshold is compared with, in float64 where it is computed here."""
    import numpy as np

    if label.parameters.get("link") != "softmax":
        unrounded: Floats = np.empty(scores.shape, np.float64)
        apply_method(label.method, label.parameters, scores, out=unrounded)
        return unrounded
    if output is None:
        raise InputError(
            "a softmax decides on probabilities, which need the scores of all its labels",
            hint="Decide for the head as a whole.",
            code="method",
        )
    found = raw_scores(output)
    if found.shape != scores.shape:
        raise InputError(f"output: expected shape {scores.shape}, got {found.shape}", code="scores")
    return found
