"""Scores of many labels, put together label by label, in memory or on disk.

Batches come in any order with a group number for every score. Each batch is put in order
of groups as it comes (a counting sort), so that later a group is a concatenation of
slices, sorted by one call that leaves the other cores free to do the same. What does not
fit in memory is written to a nameless temporary file as sorted runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.scores.runs import Extent, RunFile, ordered_ranges

__all__ = ["Gather", "Group"]

FloatArray: TypeAlias = NDArray[np.floating[Any]]

_BLOCK_ROWS = 65_536
_ROWS_PER_GROUP = 16


@dataclass(frozen=True, slots=True)
class Group:
    """The accepted scores of one group: how many, and a way to go through them in order."""

    samples: int
    segments: Callable[[], Iterator[FloatArray]]


@dataclass(frozen=True, slots=True)
class _Block:
    """Scores in order of their groups, group g from `ends[g]` to `ends[g + 1]`."""

    scores: FloatArray
    ends: NDArray[np.int32]

    def of(self, group: int) -> FloatArray:
        return self.scores[self.ends[group] : self.ends[group + 1]]


class Gather:
    """Collects scores by group; then gives every group's finite scores in order.

    Args:
        groups: How many groups there are, numbered from 0.
        memory_bytes: Scores beyond this are written to disk.
        folder: Where the temporary file goes if one is needed.
        pool: Threads to sort in.
    """

    def __init__(self, groups: int, *, memory_bytes: int, folder: str, pool: Executor) -> None:
        self._groups = groups
        self._memory_bytes = max(memory_bytes, 1)
        self._folder = folder
        self._pool = pool
        self._block_rows = max(_BLOCK_ROWS, _ROWS_PER_GROUP * groups)
        self._waiting: list[tuple[NDArray[Any], FloatArray]] = []
        self._waiting_rows = 0
        self._blocks: list[_Block] = []
        self._pieces: list[list[FloatArray]] = [[] for _ in range(groups)]
        self._held = 0
        self.added = np.zeros(groups, dtype=np.int64)
        """How many scores were added to each group, finite or not."""
        self._file: RunFile | None = None
        self._runs: list[list[Extent]] = []

    def close(self) -> None:
        """Give back memory and the temporary file."""
        self._blocks, self._pieces, self._waiting = [], [], []
        if self._file is not None:
            self._file.close()

    def add(self, groups: NDArray[Any], scores: FloatArray) -> None:
        """Take over scores with the group of each, any type of integer."""
        self._waiting.append((groups, scores))
        self._waiting_rows += scores.size
        if self._waiting_rows >= self._block_rows:
            self._submit()

    def add_piece(self, group: int, scores: FloatArray) -> None:
        """Take over scores that are all of one group."""
        self._pieces[group].append(scores)
        self._held += scores.nbytes
        self.added[group] += scores.size

    def make_room(self) -> None:
        """Write what is held to disk if it is more than may be held."""
        if self._held > self._memory_bytes:
            self._spill()

    def _submit(self) -> None:
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        # Not in the pool: the engine decodes the next batches on its own threads meanwhile.
        self._scatter(waiting)
        self.make_room()

    def _scatter(self, waiting: list[tuple[NDArray[Any], FloatArray]]) -> None:
        groups, scores = waiting[0]
        if len(waiting) > 1:
            groups = np.concatenate([pair[0] for pair in waiting])
            scores = np.concatenate([pair[1] for pair in waiting])
        # numpy's stable sort of 8- and 16-bit integers is a radix sort.
        order = np.argsort(groups, kind="stable")
        counts = np.bincount(groups, minlength=self._groups)
        ends = np.zeros(counts.size + 1, dtype=np.int32)
        np.cumsum(counts, out=ends[1:])
        block = _Block(scores[order], ends)
        self._blocks.append(block)
        self._held += block.scores.nbytes + ends.nbytes
        self.added += counts

    def _take(self, group: int) -> FloatArray:
        """The finite scores of a group that are in memory, in order, as a new array."""
        parts, self._pieces[group] = self._pieces[group], []
        parts += [block.of(group) for block in self._blocks]
        if not parts:
            return np.empty(0, dtype=np.float32)
        scores: FloatArray = np.concatenate(parts)
        scores.sort()
        return _finite(scores)

    def _spill(self) -> None:
        if self._file is None:
            self._file = RunFile(self._folder)
        file = self._file
        written = self._pool.map(lambda group: file.write(self._take(group)), range(self._groups))
        self._runs.append(list(written))
        self._blocks = []
        self._held = 0

    def settle(self) -> None:
        """Call once after the last scores were added."""
        if self._waiting:
            self._submit()
        if self._runs and self._held:
            self._spill()

    def group(self, number: int) -> Group:
        """One group's finite scores; may be called from several threads at once."""
        if self._file is None:
            held = self._take(number)
            return Group(held.size, lambda: iter((held,)))
        extents = [run[number] for run in self._runs]
        samples = sum(extent.count for extent in extents)
        if sum(extent.nbytes for extent in extents) <= self._memory_bytes // 4:
            scores = self._file.read_sorted(extents)
            return Group(samples, lambda: iter((scores,)))
        file, limit = self._file, self._memory_bytes // 8
        return Group(samples, lambda: ordered_ranges(file, extents, max_bytes=limit))


def _finite(ordered: FloatArray) -> FloatArray:
    # Infinities sort to the ends and NaN behind them: no look at every score is needed.
    kind = ordered.dtype.type
    first = np.searchsorted(ordered, kind(-np.inf), side="right")
    last = np.searchsorted(ordered, kind(np.inf), side="left")
    return ordered[first:last]
