"""What a set of scores looks like: exact quantiles, moments and a histogram.

Every number here is the same on any machine, for any order of the scores and any number
of threads: quantiles are order statistics, sums are taken over sorted float64 scores in
blocks of a fixed shape and put together exactly. Nothing here is sampled or estimated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.documents.calibration import CELLS, QUANTILES, Distribution, Histogram
from calreg.errors import InputError

__all__ = ["choose_grid", "describe", "describe_sorted"]

FloatArray: TypeAlias = NDArray[np.floating[Any]]
Segments: TypeAlias = Callable[[], Iterable[FloatArray]]
Visitor: TypeAlias = Callable[[NDArray[np.float64]], None]

UNIT_GRID = (0.0, 1.0)
UNIT_TOLERANCE = 0.01
MAX_SCORE = 1e140  # its square, times any number of scores, still is a float64
_LANES = 128
_BLOCK = 512 * _LANES  # 512 KiB of float64: stays in a core's second-level cache


def describe(scores: FloatArray, *, grid: tuple[float, float] | None = None) -> Distribution:
    """Everything a document keeps of one label's scores.

    Args:
        scores: Any float type, shape (n_scores,), finite, in any order; not changed.
        grid: Lower and upper end of the histogram; None takes `choose_grid`.

    Raises:
        InputError: A score is NaN, infinite or beyond ±1e140.

    >>> describe(np.array([0.75, 0.25, 0.5])).mean
    0.5
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    if ordered.size and not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1])):
        raise InputError("scores must be finite, got NaN or infinity", code="scores")
    return describe_sorted(lambda: (ordered,), samples=ordered.size, grid=grid)


def describe_sorted(
    segments: Segments,
    *,
    samples: int,
    grid: tuple[float, float] | None = None,
    visit: Visitor | None = None,
) -> Distribution:
    """The same as `describe`, for scores that are sorted already and need not fit in memory.

    Args:
        segments: Called twice; each time yields the scores in ascending order, in pieces of
            any size, float32 or float64, finite.
        samples: How many scores all pieces hold together.
        grid: As in `describe`.
        visit: Is shown every block of float64 scores once, in order, `-0.0` as `0.0`; a block
            is good until the next.

    Raises:
        InputError: A score is beyond ±1e140.
    """
    if samples == 0:
        return Distribution(samples=0)
    found, total = _first_look(segments, samples, visit)
    low, high = found[0], found[samples - 1]
    if not max(-low, high) <= MAX_SCORE:
        raise InputError(
            f"expected scores within ±{MAX_SCORE}, got {low!r} to {high!r}", code="scores"
        )
    quantiles = {name: _type_7(found, samples, p) for name, p in QUANTILES.items()}
    edges = _edges(*_checked_grid(grid, quantiles))
    mean = min(max(total / samples, low), high)  # rounding must not lead out of the range
    below, squares = _second_look(segments, samples, edges, mean)
    return Distribution(
        samples=samples,
        min=low,
        max=high,
        mean=mean,
        std=math.sqrt(squares / samples),
        quantiles=quantiles,
        histogram=_histogram(edges, below, samples),
    )


def _blocks(pieces: Iterable[FloatArray], samples: int) -> Iterator[NDArray[np.float64]]:
    """The scores as float64 blocks that break at the same ranks however the pieces do.

    All blocks are one buffer, filled anew: threads that allocate by the block spend more
    time on fresh pages than on sums.
    """
    buffer = np.empty(min(samples, _BLOCK), dtype=np.float64)
    filled = 0
    for piece in pieces:
        start = 0
        while start < piece.size:
            count = min(_BLOCK - filled, piece.size - start)
            buffer[filled : filled + count] = piece[start : start + count]
            start, filled = start + count, filled + count
            if filled == _BLOCK:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]


def _lane_sums(block: NDArray[np.float64]) -> list[float]:
    # Row is added to row, 128 columns side by side: the order of additions is fixed by the
    # shape alone. A plain sum() would follow the width of the machine's vector registers.
    rows = block.size // _LANES
    lanes: NDArray[np.float64] = np.add.reduce(block[: rows * _LANES].reshape(rows, _LANES), axis=0)
    return [*lanes.tolist(), *block[rows * _LANES :].tolist()]


def _exact_sum(parts: list[float]) -> float:
    try:
        return math.fsum(parts)
    except (OverflowError, ValueError):
        return math.inf


def _ranks(samples: int) -> NDArray[np.intp]:
    wanted = {0, samples - 1}
    for probability in QUANTILES.values():
        below = math.floor((samples - 1) * probability)
        wanted |= {below, min(below + 1, samples - 1)}
    return np.array(sorted(wanted), dtype=np.intp)


def _first_look(
    segments: Segments, samples: int, visit: Visitor | None
) -> tuple[dict[int, float], float]:
    """The scores at the ranks that are needed, and the sum of all."""
    ranks = _ranks(samples)
    found: dict[int, float] = {}
    parts: list[float] = []
    start = 0
    with np.errstate(over="ignore"):
        for block in _blocks(segments(), samples):
            _unsign_zeros(block)
            here = ranks[(ranks >= start) & (ranks < start + block.size)]
            found.update(zip(here.tolist(), block[here - start].tolist(), strict=True))
            parts += _lane_sums(block)
            start += block.size
            if visit is not None:
                visit(block)
    return found, _exact_sum(parts)


def _unsign_zeros(block: NDArray[np.float64]) -> None:
    if block[0] <= 0.0 <= block[-1]:
        block += 0.0  # -0.0 + 0.0 is 0.0: which of two equal zeros came first is chance


def _type_7(found: dict[int, float], samples: int, probability: float) -> float:
    """One quantile from the two order statistics beside it.

    References:
        Hyndman & Fan (1996), definition 7; the two forms of the interpolation as in
        numpy's `linear`, so that both ends are met exactly.
    """
    rank = (samples - 1) * probability
    below = math.floor(rank)
    weight = rank - below
    low, high = found[below], found[min(below + 1, samples - 1)]
    step = high - low
    return low + step * weight if weight < 0.5 else high - step * (1.0 - weight)


def _checked_grid(
    grid: tuple[float, float] | None, quantiles: dict[str, float]
) -> tuple[float, float]:
    if grid is None:
        return choose_grid(quantiles["p1"], quantiles["p99"])
    lo, hi = grid
    if not (math.isfinite(lo) and math.isfinite(hi) and lo < hi):
        raise InputError(f"a histogram needs lo < hi, got [{lo}, {hi}]", code="grid")
    return lo, hi


def choose_grid(p1: float, p99: float) -> tuple[float, float]:
    """The ends of a histogram for scores whose 1st and 99th percentile are these.

    [0, 1] unless more than a hundredth of the unit lies outside it. Otherwise the range
    from p1 to p99, a quarter of its width added on both sides, rounded outwards to two
    digits of that width: room for drift, and ends that a person can read.

    >>> choose_grid(0.02, 1.005), choose_grid(-31.2, 14.9)
    ((0.0, 1.0), (-43.0, 27.0))
    """
    if p1 >= UNIT_GRID[0] - UNIT_TOLERANCE and p99 <= UNIT_GRID[1] + UNIT_TOLERANCE:
        return UNIT_GRID
    width = p99 - p1
    if not width > max(abs(p1), abs(p99)) * 1e-9:
        width = max(abs(p1), abs(p99))  # as good as constant: any grid around it will do
    # The exponent from the decimal form, not from log10: that differs between C libraries.
    exponent = int(f"{width:e}".split("e")[1]) - 1
    unit = float(f"1e{exponent}")
    first = math.floor((p1 - width / 4) / unit)
    last = math.ceil((p99 + width / 4) / unit)
    return float(f"{first}e{exponent}"), float(f"{last}e{exponent}")


def _edges(lo: float, hi: float) -> NDArray[np.float64]:
    edges = lo + (hi - lo) * (np.arange(CELLS + 1, dtype=np.float64) / CELLS)
    edges[-1] = hi
    return edges


def _second_look(
    segments: Segments, samples: int, edges: NDArray[np.float64], mean: float
) -> tuple[NDArray[np.int64], float]:
    """How many scores lie below each edge (the last one: up to it), and sum (x - mean)²."""
    below = np.zeros(edges.size, dtype=np.int64)
    parts: list[float] = []
    for block in _blocks(segments(), samples):
        below[:-1] += np.searchsorted(block, edges[:-1], side="left")
        below[-1] += np.searchsorted(block, edges[-1], side="right")
        np.subtract(block, mean, out=block)
        np.multiply(block, block, out=block)
        parts += _lane_sums(block)
    return below, _exact_sum(parts)


def _histogram(edges: NDArray[np.float64], below: NDArray[np.int64], samples: int) -> Histogram:
    return Histogram(
        lo=float(edges[0]),
        hi=float(edges[-1]),
        counts=tuple(np.diff(below).tolist()),
        underflow=int(below[0]),
        overflow=samples - int(below[-1]),
    )
