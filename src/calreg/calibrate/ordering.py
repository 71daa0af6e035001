"""Sorting many scores fast: first into ranges that fit a core's cache, then each range.

The result is that of `np.sort`, bit for bit, without NaN. Which range a score belongs to is
looked up by the upper 16 bits of its float, which needs no comparison; how the ranges are
cut follows a sample of the scores and decides about speed only, never about the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["RangeTable", "range_table", "sorted_scores"]

FloatArray: TypeAlias = NDArray[np.floating[Any]]
RangeTable: TypeAlias = NDArray[np.uint8]

_RANGES = 256
_CHUNK = 2**17
_SMALL = 2**15  # np.sort alone is as fast up to here
_RANGE_SCORES = 2**11
_SIGN = np.uint16(0x8000)


def range_table(sample: FloatArray) -> RangeTable:
    """For the upper 16 bits of a score, the number of its range, 0 to 255, ascending.

    Args:
        sample: Some scores, float32 or float64 like the ones to be sorted.
    """
    bits = np.arange(2**16, dtype=np.uint16)
    # Floats compare like their bits, except that the negative ones run backwards.
    place = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    counts = np.bincount(place[_upper_bits(sample)], minlength=2**16)
    below = np.cumsum(counts) - counts
    by_place = (below * _RANGES // max(sample.size, 1)).clip(0, _RANGES - 1)
    table: RangeTable = by_place[place].astype(np.uint8)
    return table


def _upper_bits(scores: FloatArray) -> NDArray[np.uint16]:
    per_score = scores.dtype.itemsize // 2
    upper = per_score - 1 if np.little_endian else 0
    halves: NDArray[np.uint16] = scores.view(np.uint16)[upper::per_score]
    return halves


def sorted_scores(parts: Sequence[FloatArray], table: RangeTable | None = None) -> FloatArray:
    """All scores of all parts in ascending order as a new array, NaN left out.

    Args:
        parts: One-dimensional float32 or float64 arrays; not changed.
        table: From `range_table`, of a sample of the same float type; None sorts plainly.
    """
    if not parts:
        return np.empty(0, dtype=np.float32)
    if table is None or sum(part.size for part in parts) < _SMALL or len(_types(parts)) > 1:
        whole = _without_nan(np.concatenate(parts))
        whole.sort()
        return whole
    chunks = [_by_range(chunk, table) for chunk in _chunks(parts)]
    return _merged(chunks)


def _types(parts: Sequence[FloatArray]) -> set[np.dtype[Any]]:
    return {part.dtype for part in parts}


def _without_nan(scores: FloatArray) -> FloatArray:
    wrong = np.isnan(scores)
    return scores[~wrong] if wrong.any() else scores


def _chunks(parts: Sequence[FloatArray]) -> list[FloatArray]:
    chunks: list[FloatArray] = []
    waiting: list[FloatArray] = []
    size = 0
    for part in parts:
        for start in range(0, part.size, _CHUNK):
            waiting.append(part[start : start + _CHUNK])
            size += waiting[-1].size
            if size >= _CHUNK:
                chunks.append(_without_nan(np.concatenate(waiting)))
                waiting, size = [], 0
    if waiting:
        chunks.append(_without_nan(np.concatenate(waiting)))
    return chunks


def _by_range(scores: FloatArray, table: RangeTable) -> tuple[FloatArray, NDArray[np.intp]]:
    """The scores in order of their ranges, and where in them each range ends."""
    numbers = table.take(_upper_bits(scores))
    order = np.argsort(numbers, kind="stable")  # a radix sort for 8-bit integers
    return scores[order], np.cumsum(np.bincount(numbers, minlength=_RANGES))


def _merged(chunks: Sequence[tuple[FloatArray, NDArray[np.intp]]]) -> FloatArray:
    ends = np.sum([one for _, one in chunks], axis=0)
    total = int(ends[-1])
    wanted = np.arange(_RANGE_SCORES, total, _RANGE_SCORES)
    cuts = [*np.unique(np.searchsorted(ends, wanted)).tolist(), _RANGES - 1]
    if len(chunks) == 1:
        merged = chunks[0][0]
    else:
        merged = np.empty(total, dtype=chunks[0][0].dtype)
    starts = [0] * len(chunks)
    start = 0
    for cut in cuts:
        stop = int(ends[cut])
        stops = [int(one[cut]) for _, one in chunks]
        if len(chunks) > 1:
            slices = [scores[a:b] for (scores, _), a, b in zip(chunks, starts, stops, strict=True)]
            np.concatenate(slices, out=merged[start:stop])
        merged[start:stop].sort()
        start, starts = stop, stops
    return merged
