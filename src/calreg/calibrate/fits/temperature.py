"""Temperature scaling: the one number that all logits of a head are divided by.

The mean negative log-likelihood is convex in 1/T, and least where its derivative is zero:
for labels apart (sigmoid) over all scores with a truth, for labels that share one
probability (softmax) over rows with exactly one true label.

There may be no such T. Where every score stands on its right side, a smaller T is always
better; where scores lean against the truth as a whole, a greater one is. Both are refused:
a T at the end of some range would be the range's, not the data's.

References:
    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, eq. 9.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.fits.accepted import refuse_beyond_unit, refuse_unfit
from calreg.calibrate.fits.logs import log_of_probability, logit_of_probability
from calreg.calibrate.fits.newton import Slopes, least_between, significant
from calreg.calibrate.fits.sums import (
    BLOCK,
    Float64s,
    OrderFreeSum,
    blocks,
    chosen_by_bits,
)
from calreg.documents.calibration import Parameter
from calreg.errors import InputError, UsageError
from calreg.labelled import Floats, Truth

__all__ = ["fit_temperature"]

Columns: TypeAlias = Sequence[tuple[Floats, Truth]]
Link: TypeAlias = Literal["sigmoid", "softmax"]
Scale: TypeAlias = Literal["logit", "probability"]

LOWEST, HIGHEST = 1e-3, 1e3
"""Temperatures beyond these are refused: such scores are hardly logits."""

_FARTHEST = 1e12
_SAFE = 700.0  # exp() of this still is a number
_ENOUGH = 50_000  # scores, or rows of a softmax, to find a start from


def fit_temperature(columns: Columns, *, link: Link, scale: Scale) -> dict[str, Parameter]:
    """The temperature with the least negative log-likelihood, one for all columns.

    Args:
        columns: Scores and truth of each label of the head. With link "softmax" the same
            rows in the same order in each.
        link: "sigmoid" takes every score for itself, "softmax" every row.
        scale: "logit" for logits; "probability" takes ln(s / (1 - s)) of the scores, or
            ln(s) for a softmax, with s brought into [1e-7, 1 - 1e-7].

    Returns:
        The parameters of method `temperature`, T with ten significant digits.

    Raises:
        InputError: Nothing to fit, rows without exactly one true label, or no best T.

    >>> scores = np.array([2.0, 2.0, 2.0, 2.0, -2.0, -2.0, -2.0, -2.0])
    >>> truth = np.array([True, True, True, False, False, False, False, True])
    >>> fit_temperature([(scores, truth)], link="sigmoid", scale="logit")["temperature"]
    1.820478453
    """
    if link not in {"sigmoid", "softmax"} or scale not in {"logit", "probability"}:
        raise UsageError(f"no temperature for link {link!r} and scale {scale!r}")
    if not columns:
        raise InputError("no scores to fit", code="fit")
    fit = _fit_softmax if link == "softmax" else _fit_sigmoid
    temperature = significant(1.0 / fit(columns, scale))
    return {"temperature": temperature, "link": link, "scale": scale}


def _least(slopes: Slopes, start: float) -> float:
    found = least_between(slopes, start, 1.0 / HIGHEST, 1.0 / LOWEST)
    if not found > 1.000001 / HIGHEST:
        raise InputError(
            "no finite optimum: as logits, the scores say nothing about the truth"
            f" (the best temperature is above {HIGHEST:.0f}, if there is one)",
            hint="A temperature can neither shift scores nor turn them round; 'platt' can.",
            code="no-optimum",
        )
    if not found < 0.999999 / LOWEST:
        raise InputError(
            f"the best temperature is below {LOWEST}: the scores separate the truth all but"
            " perfectly, or are no logits",
            hint="'platt' fits scores of any scale, and its smoothed targets stay finite.",
            code="no-optimum",
        )
    return found


def _start(slopes_of_few: Slopes) -> float:
    return least_between(slopes_of_few, 1.0, 1.0 / HIGHEST, 1.0 / LOWEST)


def _refuse_perfect() -> NoReturn:
    raise InputError(
        "no finite optimum: the scores separate the truth perfectly, so no temperature is best",
        hint="Take more items, or 'platt', whose smoothed targets stay finite.",
        code="no-optimum",
    )


def _refuse_beyond_logits(low: float, high: float) -> None:
    """Refuse scores so far out that sums over them would drown the others."""
    if not (low >= -_FARTHEST and high <= _FARTHEST):
        raise InputError(
            f"scores from {low!r} to {high!r} are no logits, expected -1e12 to 1e12", code="scale"
        )


# Labels apart


def _fit_sigmoid(columns: Columns, scale: Scale) -> float:
    pooled = np.concatenate([scores for scores, _ in columns])
    truth = np.concatenate([truth for _, truth in columns])
    low, high = refuse_unfit(pooled, truth)
    if scale == "probability":
        refuse_beyond_unit(low, high)
        pooled = logit_of_probability(pooled)
    else:
        _refuse_beyond_logits(low, high)
    return _least_of_margins(_margins(pooled, truth))


def _margins(logits: Floats, truth: Truth) -> Floats:
    """Logits with the sign turned where truth is 0, in place: how far on the right side."""
    for rows in blocks(logits.size):
        logits[rows] *= (2 * truth[rows].view(np.int8) - 1).astype(logits.dtype)
    return logits


def _least_of_margins(margins: Floats) -> float:
    farthest = max(float(margins.max()), -float(margins.min()))
    if not float(margins.min()) < 0:
        _refuse_perfect()
    start = 1.0
    if margins.size > 4 * _ENOUGH:
        few = margins[chosen_by_bits(margins, _ENOUGH / margins.size)]
        if few.size > 100:
            start = _start(partial(_slopes_of_margins, few, farthest))
    return _least(partial(_slopes_of_margins, margins, farthest), start)


def _slopes_of_margins(
    margins: Floats, farthest: float, inverse: float
) -> tuple[float, float, float]:
    """Derivatives of the mean of ln(1 + exp(-margin / T)) by 1/T.

    With z = margin / T and q = σ(-z): -z q, z² q (1 - q) and -z³ q (1 - q) (1 - 2q), over
    powers of 1/T. Each is bounded for z > 0, the last two everywhere.
    """
    first, second, third = OrderFreeSum(farthest * inverse + 1), OrderFreeSum(1), OrderFreeSum(2)
    for rows in blocks(margins.size):
        z = np.multiply(margins[rows], inverse, dtype=np.float64)
        q = np.minimum(z, _SAFE)
        np.exp(q, out=q)
        q += 1.0
        np.divide(1.0, q, out=q)
        rest = 1.0 - q
        term = z * q
        first.add(term.copy())
        term *= rest
        term *= z
        second.add(term.copy())
        term *= z
        rest -= q
        term *= rest
        third.add(term)
    n = margins.size
    return (
        -first.value / (n * inverse),
        second.value / (n * inverse**2),
        -third.value / (n * inverse**3),
    )


# Labels that share one probability


class _Rows:
    """Rows of a softmax: the logits of all labels, and which of them is the true one's.

    Everything is taken relative to the row's highest logit, so that nothing overflows, and
    nothing cancels where the row is nearly certain.
    """

    def __init__(self, logits: Sequence[Floats], true: Floats, scale: Scale) -> None:
        self._logits, self.true, self._scale = logits, true, scale
        self.size, self.labels = true.size, len(logits)

    def blocks(self) -> Iterator[tuple[Float64s, Float64s]]:
        """Logits less the row's highest, shape (labels, rows), and the highest less the true."""
        for rows in blocks(self.size, max(1, 2 * BLOCK // len(self._logits))):
            wide = np.empty((len(self._logits), self.true[rows].size))
            for into, column in zip(wide, self._logits, strict=True):
                into[:] = column[rows]
            true = self.true[rows].astype(np.float64)
            if self._scale == "probability":
                wide, true = log_of_probability(wide), log_of_probability(true)
            highest = wide.max(axis=0)
            wide -= highest
            highest -= true
            yield wide, highest

    def some(self, share: float) -> _Rows:
        """About this share of the rows, the same ones in any order."""
        rows = chosen_by_bits(self.true, share)
        return _Rows([column[rows] for column in self._logits], self.true[rows], self._scale)


def _fit_softmax(columns: Columns, scale: Scale) -> float:
    low, high = _refuse_unfit_rows(columns)
    if scale == "probability":
        refuse_beyond_unit(low, high)
        low, high = (float(log_of_probability(np.array(end))) for end in (low, high))
    else:
        _refuse_beyond_logits(low, high)
    rows = _Rows([scores for scores, _ in columns], _true_logits(columns), scale)
    if not any(float(lag.max()) > 0 for _, lag in rows.blocks()):
        _refuse_perfect()
    start = 1.0
    if rows.size > 4 * _ENOUGH:
        few = rows.some(_ENOUGH / rows.size)
        if few.size > 100:
            start = _start(partial(_slopes_of_rows, few, high - low))
    return _least(partial(_slopes_of_rows, rows, high - low), start)


def _refuse_unfit_rows(columns: Columns) -> tuple[float, float]:
    if len(columns) < 2:
        raise InputError("a softmax needs two labels or more, got 1", code="fit")
    sizes = sorted({part.size for column in columns for part in column})
    if len(sizes) > 1:
        raise InputError(
            f"a softmax needs the same rows for every label, got {sizes[0]:,} to {sizes[-1]:,}",
            hint="Rows with a rejected score have to go for all labels.",
            code="fit",
        )
    if not sizes[0]:
        raise InputError("no scores to fit", code="fit")
    _refuse_other_than_one(columns)
    low = min(float(scores.min()) for scores, _ in columns)
    high = max(float(scores.max()) for scores, _ in columns)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("scores must be finite, got NaN or infinity", code="scores")
    if not low < high:
        raise InputError(f"all scores are {low!r}: they cannot tell truth apart", code="constant")
    return low, high


def _refuse_other_than_one(columns: Columns) -> None:
    labels: NDArray[np.int32] = np.zeros(columns[0][1].size, np.int32)
    for _, truth in columns:
        labels += truth
    none, several = int(np.count_nonzero(labels == 0)), int(np.count_nonzero(labels > 1))
    if none or several:
        raise InputError(
            f"a softmax needs exactly one true label per row; {none:,} of {labels.size:,} rows"
            f" have none and {several:,} have several",
            hint="For labels that do not exclude each other take the sigmoid link.",
            code="fit",
        )


def _true_logits(columns: Columns) -> Floats:
    kind = np.result_type(*(scores for scores, _ in columns))
    true: Floats = np.zeros(columns[0][0].size, kind)
    for scores, truth in columns:
        for rows in blocks(true.size):
            true[rows] += scores[rows] * truth[rows]
    return true


def _slopes_of_rows(rows: _Rows, width: float, inverse: float) -> tuple[float, float, float]:
    """Derivatives of the mean of ln(Σ exp(logit / T)) - true logit / T by 1/T.

    They are the cumulants of a row's logits under its probabilities, the first less the true
    logit. A gap g to the highest counts at most exp(-g / T), which bounds all three.
    """
    most = rows.labels / inverse
    sums = (
        OrderFreeSum(width + most),
        OrderFreeSum(most / inverse),
        OrderFreeSum(16 * most / inverse**2),
    )
    for gaps, lag in rows.blocks():
        weights = gaps * inverse
        np.exp(weights, out=weights)
        moments = [weights.sum(axis=0)]
        for _ in range(3):
            weights *= gaps
            moments.append(weights.sum(axis=0) / moments[0])
        _, mean, square, cube = moments
        third = cube - mean * (3.0 * square - 2.0 * mean * mean)
        for total, term in zip(sums, (lag + mean, square - mean * mean, third), strict=True):
            total.add(term)
    first, second, third_mean = (total.value / rows.size for total in sums)
    return first, second, third_mean
