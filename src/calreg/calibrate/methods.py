"""From the description of a label's scores to a calibration, or to why there is none.

Nothing here looks at scores: what a method needs is in the distribution.
"""

from __future__ import annotations

from calreg.documents.calibration import Distribution, LabelCalibration
from calreg.errors import InputError

__all__ = ["label_problem", "minmax"]


def label_problem(distribution: Distribution, *, min_samples: int) -> str | None:
    """Why a label cannot be calibrated, in words for its user; None if it can.

    Args:
        distribution: A complete one, or one with `samples` 0.
        min_samples: Fewer scores than this are refused, not guessed from.

    >>> label_problem(Distribution(samples=0), min_samples=100)
    'empty'
    """
    samples = distribution.samples or 0
    if samples == 0:
        return "empty"
    if samples < min_samples:
        return f"{samples:,} score{'s' * (samples != 1)}, at least {min_samples:,} are needed"
    return _flatness(distribution)


def _flatness(distribution: Distribution) -> str | None:
    low, high = distribution.min, distribution.max
    if low is not None and low == high:
        return f"constant at {low!r}"
    if distribution.quantiles is None:
        return "quantiles are not known"
    p5, p95 = distribution.quantiles["p5"], distribution.quantiles["p95"]
    if not p5 < p95:
        return f"degenerate: p5 = p95 = {p5!r}"
    return None


def minmax(distribution: Distribution) -> LabelCalibration:
    """The calibration that maps p5 to 0 and p95 to 1, clipped outside.

    Raises:
        InputError: No scores, a constant label, or p5 = p95: nothing could be told apart.
    """
    problem = label_problem(distribution, min_samples=1)
    if problem is not None or distribution.quantiles is None:
        raise InputError(f"cannot calibrate: {problem}", code="degenerate")
    parameters = {key: distribution.quantiles[key] for key in ("p5", "p95")}
    return LabelCalibration("minmax", parameters, distribution)
