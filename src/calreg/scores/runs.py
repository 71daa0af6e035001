"""Sorted runs of scores in a temporary file, and one ordered way through them.

The file has no name, so nothing is left behind even if the process is killed.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Extent", "RunFile", "ordered_ranges"]

FloatArray: TypeAlias = NDArray[np.floating[Any]]

_PROBES = 4096


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a group's sorted scores lie in the file."""

    offset: int
    count: int
    dtype: np.dtype[np.floating[Any]]

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return self.count * self.dtype.itemsize


class RunFile:
    """A nameless temporary file that threads may write to and read from at once."""

    def __init__(self, folder: str) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, prefix="calreg-scores-")  # noqa: SIM115
        self._end = 0
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    def write(self, ordered: FloatArray) -> Extent:
        """Append sorted scores."""
        with self._lock:
            offset = self._end
            self._end += ordered.nbytes
        view = memoryview(ordered.tobytes())
        done = 0
        while done < len(view):  # one call writes at most 2 GiB
            done += os.pwrite(self._file.fileno(), view[done:], offset + done)
        return Extent(offset, ordered.size, ordered.dtype)

    def read(self, extent: Extent, start: int = 0, stop: int | None = None) -> FloatArray:
        """Scores `start` to `stop` of an extent."""
        stop = extent.count if stop is None else stop
        scores: FloatArray = np.empty(max(stop - start, 0), dtype=extent.dtype)
        raw = scores.view(np.uint8)
        offset, done = extent.offset + start * extent.dtype.itemsize, 0
        while done < raw.size:
            got = os.preadv(self._file.fileno(), [raw[done:].data], offset + done)
            if got == 0:
                raise OSError("a temporary file of scores ends too early")
            done += got
        return scores

    def read_sorted(self, extents: Sequence[Extent]) -> FloatArray:
        """All scores of the extents, in order."""
        if not extents:
            return np.empty(0, dtype=np.float32)
        scores: FloatArray = np.concatenate([self.read(extent) for extent in extents])
        scores.sort()
        return scores

    def rank(self, extent: Extent, bound: float) -> int:
        """How many scores of an extent are below the bound, by bisection on disk."""
        low, high = 0, extent.count
        while low < high:
            middle = (low + high) // 2
            if float(self.read(extent, middle, middle + 1)[0]) < bound:
                low = middle + 1
            else:
                high = middle
        return low


def ordered_ranges(
    file: RunFile, extents: Sequence[Extent], *, max_bytes: int
) -> Iterator[FloatArray]:
    """All scores of the extents in order, in pieces of about `max_bytes`.

    The range of scores is cut at values found by probing the runs. A score that repeats so
    often that it would fill pieces of its own becomes a range of its own, which needs no
    sorting and is read run by run.
    """
    bounds = _bounds(file, extents, max_bytes)
    starts = [0] * len(extents)
    for bound in [*bounds, None]:
        stops = [extent.count if bound is None else file.rank(extent, bound) for extent in extents]
        yield from _piece(file, extents, starts, stops, max_bytes)
        starts = stops


def _piece(
    file: RunFile,
    extents: Sequence[Extent],
    starts: Sequence[int],
    stops: Sequence[int],
    max_bytes: int,
) -> Iterator[FloatArray]:
    slices = [
        (extent, start, stop)
        for extent, start, stop in zip(extents, starts, stops, strict=True)
        if stop > start
    ]
    if not slices:
        return
    low = min(float(file.read(e, start, start + 1)[0]) for e, start, _ in slices)
    high = max(float(file.read(e, stop - 1, stop)[0]) for e, _, stop in slices)
    if low == high:
        for extent, start, stop in slices:
            step = max(max_bytes // extent.dtype.itemsize, 1)
            for begin in range(start, stop, step):
                yield file.read(extent, begin, min(begin + step, stop))
        return
    scores: FloatArray = np.concatenate([file.read(*part) for part in slices])
    scores.sort()
    yield scores


def _bounds(file: RunFile, extents: Sequence[Extent], max_bytes: int) -> list[float]:
    total = sum(extent.nbytes for extent in extents)
    pieces = max(2 * total // max(max_bytes, 1), 2)
    probes: list[float] = []
    for extent in extents:
        if extent.count:
            wanted = max(min(int(4 * pieces), _PROBES, extent.count), 2)
            ranks = np.linspace(0, extent.count - 1, wanted).astype(np.int64)
            probes += [float(file.read(extent, r, r + 1)[0]) for r in ranks.tolist()]
    probes.sort()
    cuts = [probes[i] for i in range(0, len(probes), max(len(probes) // int(pieces), 1))]
    repeated = {one for one, other in pairwise(cuts) if one == other}
    return sorted({*cuts, *(float(np.nextafter(value, np.inf)) for value in repeated)})
