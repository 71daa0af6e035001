"""How far a count's share could lie from the truth: exact and resampled intervals.

Clopper–Pearson for a share of independent items, which is exact and never too narrow; the
bootstrap for what is no share, such as F1. The bootstrap's generator is made here from a
seed: the same seed and the same numpy give the same numbers.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Confusion
from calreg.errors import InputError

__all__ = ["RATES", "Interval", "bootstrap_intervals", "clopper_pearson", "tail_of"]

Interval: TypeAlias = tuple[float, float]

RATES = ("precision", "recall", "f1", "fpr")
"""What is resampled, and what a confusion is summed up in."""


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Where the share of which `k` of `n` were seen lies, at least with this confidence.

    Args:
        k: Items that are, 0 to `n`.
        n: Items looked at, taken for independent. Of none nothing is known: (0, 1).
        confidence: Two-sided; inside (0, 1).

    Raises:
        InputError: `k` outside 0 … `n`, or a confidence outside (0, 1).

    References:
        Clopper & Pearson (1934), The use of confidence or fiducial limits; as quantiles of
        Beta(k, n - k + 1) and Beta(k + 1, n - k).

    >>> clopper_pearson(0, 0)
    (0.0, 1.0)
    """
    if not 0 <= k <= n:
        raise InputError(f"expected a count within 0 … {n}, got {k}", code="interval")
    tail = tail_of(confidence)
    if n == 0:
        return 0.0, 1.0
    from scipy.special import betaincinv

    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1.0 - tail)) if k < n else 1.0
    return low, high


def bootstrap_intervals(
    confusion: Confusion, *, seed: int, confidence: float = 0.95, resamples: int = 2000
) -> dict[str, Interval]:
    """Percentile intervals of `RATES` over sets drawn anew from these items.

    To draw items with replacement is to draw their four counts from one multinomial, so a
    million items cost what ten do. A rate that was 0 or 1 on every item stays there in
    every resample: its interval has no width, which is why the shares have Clopper–Pearson's.

    Args:
        confusion: At least one item.
        seed: Of numpy's PCG64. Its draws are the same with the same version of numpy.
        confidence: Two-sided; inside (0, 1).
        resamples: How many sets; their rates are 0 where 0 / 0.

    Raises:
        InputError: No items, no resamples, or a confidence outside (0, 1).

    References:
        Efron & Tibshirani (1993), An introduction to the bootstrap, ch. 13.
    """
    tail = tail_of(confidence)
    total = confusion.total
    if total < 1 or resamples < 1:
        raise InputError(
            f"expected items to resample, got {resamples} resamples of {total} items",
            code="interval",
        )
    counts = np.array([confusion.tp, confusion.fp, confusion.fn, confusion.tn])
    drawn = np.random.default_rng(seed).multinomial(total, counts / total, size=resamples)
    tp, fp, fn, tn = drawn.T.astype(np.float64)
    rates = {
        "precision": _shares(tp, tp + fp),
        "recall": _shares(tp, tp + fn),
        "f1": _shares(2.0 * tp, 2.0 * tp + fp + fn),
        "fpr": _shares(fp, fp + tn),
    }
    return {name: _percentiles(rate, tail) for name, rate in rates.items()}


def tail_of(confidence: float) -> float:
    """What a two-sided interval leaves out on each side.

    Raises:
        InputError: A confidence outside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise InputError(
            f"expected a confidence inside (0, 1), such as 0.95, got {confidence!r}",
            code="interval",
        )
    return (1.0 - confidence) / 2.0


def _shares(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _percentiles(values: NDArray[np.float64], tail: float) -> Interval:
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
