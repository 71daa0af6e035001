"""Sums over scores that do not depend on the order of rows.

Floating sums do, in their last digits, and a fit that stops by them takes another path.
Here every term is cut to two grids that are fixed by a bound known beforehand, finer than
the last digit of the whole; sums of such terms are exact, so they have no order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.labelled import Floats

__all__ = ["BLOCK", "Float64s", "OrderFreeSum", "blocks", "chosen_by_bits", "order_free_total"]

Float64s: TypeAlias = NDArray[np.float64]

BLOCK = 2**15
"""Terms per pass: 256 KiB of float64, which stay in a core's cache between the steps."""

_BITS = 36  # of the upper grid below the bound; plus 15 for a block's sum, within 53
_PHI = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads neighbouring bits


class OrderFreeSum:
    """The sum of terms whose size is bounded, the same for any order of them.

    Terms are kept to 2^-74 of the bound.

    Args:
        bound: No term is larger than this, up to rounding.

    References:
        Demmel & Nguyen (2013), Fast reproducible floating-point summation, pre-rounding.

    >>> total = OrderFreeSum(1.0)
    >>> total.add(np.array([0.25, 0.5, -0.125]))
    >>> total.value
    0.625
    """

    def __init__(self, bound: float) -> None:
        # One exponent up, for terms that rounding lifted a little above their bound.
        unit = math.ldexp(1.0, math.frexp(bound)[1] + 1 - _BITS) if bound > 0 else 2.0**-_BITS
        self._shifts = tuple(1.5 * 2.0**52 * grid for grid in (unit, unit * 2.0 ** -(_BITS + 2)))
        self._parts: list[float] = []

    def add(self, terms: Float64s) -> None:
        """Add a block of at most `BLOCK` terms; they are not terms any more afterwards."""
        upper, lower = self._shifts
        # Next to 1.5 · 2^52 grid steps, float64 has nothing finer than the grid.
        kept = terms + upper
        kept -= upper
        self._parts.append(float(np.add.reduce(kept)))
        terms -= kept
        terms += lower
        terms -= lower
        self._parts.append(float(np.add.reduce(terms)))

    @property
    def value(self) -> float:
        """The sum so far, rounded once."""
        return math.fsum(self._parts)


def order_free_total(terms: Iterable[Float64s], bound: float) -> float:
    """The sum of blocks of terms, none of them larger than `bound`; the blocks are used up."""
    total = OrderFreeSum(bound)
    for block in terms:
        total.add(block)
    return total.value


def blocks(size: int, length: int = BLOCK) -> Iterator[slice]:
    """Slices of `length` that cover `size` rows."""
    return (slice(start, start + length) for start in range(0, size, length))


def chosen_by_bits(scores: Floats, share: float) -> NDArray[np.intp]:
    """About this share of the rows, chosen by the scores alone, so whatever their order.

    Equal scores are all in or all out: good enough to start from, not to conclude from.
    """
    limit = np.uint64(int(share * 2.0**64))
    found = []
    for rows in blocks(scores.size):
        bits = (scores[rows].astype(np.float64) + 0.0).view(np.uint64)
        bits ^= bits >> np.uint64(32)
        bits *= _PHI
        found.append(np.flatnonzero(bits < limit) + rows.start)
    return np.concatenate(found)
