"""Ranges of raw scores, divided until each is known to change, not to change, or is narrow.

The judge of a range says what holds for every score in it. What stays open, because it is
narrow or because there would be too many ranges, is handed back as doubt: the few scores in
there are to be looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from calreg.retag.intervals import LARGEST, Intervals, Keys, key_of, score_of
from calreg.retag.outcomes import Bools, Floats

__all__ = ["Judge", "search"]

Ranges: TypeAlias = tuple[Keys, Keys]
"""The first and the last place of each range."""

Judge: TypeAlias = Callable[[Floats, Floats], tuple[Bools, Bools]]
"""Lower and upper ends, included, to: all of it changes; none of it does."""

_NARROW = 2**30
"""Neighbours in a range that is not divided again: about the 4-millionth part of a number."""

_PARTS = 8
"""A range is divided into: a few more at a time cost less than a few more times."""

_MAX_RANGES = 4096
_MAX_SURE = 16


def search(judge: Judge, breaks: Keys) -> tuple[Intervals, Intervals]:
    """Where outcomes change for certain, and where that cannot be told from ranges.

    Args:
        judge: What holds for all scores between two ends.
        breaks: Places at which ranges have to begin; in any order, some twice or not finite.
    """
    least, most = key_of([-LARGEST, LARGEST])
    inside = breaks[(breaks > least) & (breaks <= most)]
    # From 0 too: the distance of two places with a sign each might not fit into 64 bits.
    first = np.unique(np.concatenate([inside, [least, 0]]))
    last = np.append(first[1:] - 1, most)
    limit = max(_MAX_RANGES, 4 * first.size)
    changed: list[Ranges] = []
    doubt: list[Ranges] = []
    while first.size:
        changes, stays = judge(score_of(first), score_of(last))
        changed.append((first[changes], last[changes]))
        is_open = ~(changes | stays)
        first, last = first[is_open], last[is_open]
        is_left = (last - first < _NARROW) | (first.size > limit)
        doubt.append((first[is_left], last[is_left]))
        parts = _PARTS if _PARTS * first.size <= limit else 2
        first, last = _divided(first[~is_left], last[~is_left], parts)
    return _widest(_together(changed), _together(doubt))


def _divided(first: Keys, last: Keys, parts: int) -> Ranges:
    """Each range as several of the same length, the last one with what is left over."""
    starts = first + (last - first + 1) // parts * np.arange(parts)[:, np.newaxis]
    ends = np.concatenate([starts[1:] - 1, last[np.newaxis]])
    return starts.ravel(), ends.ravel()


def _together(ranges: list[Ranges]) -> Ranges:
    first, last = (np.concatenate([pair[end] for pair in ranges]) for end in (0, 1))
    return first, last


def _widest(changed: Ranges, doubt: Ranges) -> tuple[Intervals, Intervals]:
    """Few intervals of certain change: small ones beyond them are no faster than a look."""
    sure = Intervals.of_keys(*changed)
    widths = key_of(sure.hi).astype(np.float64) - key_of(sure.lo).astype(np.float64)
    order = np.argsort(-widths, kind="stable")
    kept, small = np.sort(order[:_MAX_SURE]), order[_MAX_SURE:]
    first = np.concatenate([doubt[0], key_of(sure.lo[small])])
    last = np.concatenate([doubt[1], key_of(sure.hi[small]) - 1])
    return Intervals(sure.lo[kept], sure.hi[kept]), Intervals.of_keys(first, last)
