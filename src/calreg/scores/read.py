"""Score tables to distributions: one look at all scores, a second one only for rejects."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from calreg.errors import InputError
from calreg.names import HeadName, check_label
from calreg.scores.described import Described, Found, by_head, described_label, digest_of_labels
from calreg.scores.engine import Connection, connect
from calreg.scores.gather import Gather
from calreg.scores.layout import (
    LongLayout,
    NamedHead,
    WideLayout,
    check_distinct,
    layout_of,
    named_heads,
)
from calreg.scores.long import read_long
from calreg.scores.rejects import Suspect, counts_by_reason, first_rejects, refuse_too_many
from calreg.scores.sources import Source, about_rows, find_files, find_sources
from calreg.scores.table import Reject, Scores, ScoreTable
from calreg.scores.wide import read_wide

__all__ = ["DEFAULT_MEMORY_BYTES", "read_scores"]

DEFAULT_MEMORY_BYTES = 640 * 10**6

Grids: TypeAlias = Callable[[HeadName, str], tuple[float, float] | None]
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Reading:
    """All that the first look found."""

    found: Found
    heads: Mapping[HeadName, NamedHead]
    rows: int
    suspects: Sequence[Suspect]

    @property
    def accepted(self) -> int:
        return sum(one.distribution.samples or 0 for one in self.found.values())


def read_scores(
    table: ScoreTable,
    *,
    grid_of: Grids,
    max_reject_rate: float = 0.01,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    progress: Progress | None = None,
) -> Scores:
    """The distribution of every head's and label's scores.

    Args:
        table: Where the scores are.
        grid_of: The ends of the histogram for a head and label, if they are fixed already.
        max_reject_rate: The share of rows, 0 to 1, of which more may not be rejected.
        memory_bytes: Scores beyond this many bytes are kept on disk while reading.
        progress: Is told now and then how many rows (wide: cells) of how many are read.

    Raises:
        InputError: No files, files that are not what they say, columns that are missing,
            names that are refused, no rows, too many rejects.
        MissingExtraError: The engine is not installed.
    """
    files = find_files(table.paths)
    with _workshop(files) as (connection, folder, pool):
        sources = find_sources(connection, files)
        layout = layout_of(table, sources)
        total = _total_rows(connection, sources, layout) if progress is not None else 0
        tick = _tick(progress, total)
        tick(0)
        reader = _Reader(
            connection, sources, grid_of, memory_bytes, folder, pool, tick, model=table.model
        )
        reading = reader.long(layout) if isinstance(layout, LongLayout) else reader.wide(layout)
        where = sources[0].where if len(files) == 1 else f"{len(files)} files"
        if reading.rows == 0:
            raise InputError(
                "has no rows" if len(files) == 1 else "have no rows",
                where=where,
                hint="A header alone says nothing: look at what makes this table.",
                code="empty",
            )
        counts, first = _rejects(connection, reading)
    refuse_too_many(reading.rows, counts, first, max_rate=max_reject_rate, where=where)
    if progress is not None:
        progress(reading.rows, reading.rows)
    names = {name: head.display_name for name, head in reading.heads.items()}
    return Scores(
        heads=by_head(reading.found, names),
        digest=digest_of_labels(reading.found),
        rows=reading.rows,
        accepted=reading.accepted,
        rejected=counts,
        first_rejects=first,
        files=tuple(sorted(Path(path).name for path in files)),
        kind="long" if isinstance(layout, LongLayout) else "wide",
    )


@contextmanager
def _workshop(files: Sequence[str]) -> Iterator[tuple[Connection, str, ThreadPoolExecutor]]:
    pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
    with tempfile.TemporaryDirectory(prefix="calreg-") as folder:
        try:
            with connect(files, folder=folder) as connection:
                yield connection, folder, pool
        finally:
            # What was interrupted shall not go on sorting.
            pool.shutdown(cancel_futures=True)


def _tick(progress: Progress | None, total: int) -> Callable[[int], None]:
    if progress is None:
        return lambda done: None  # noqa: ARG005
    return lambda done: progress(min(done, total), total)


def _total_rows(
    connection: Connection, sources: Sequence[Source], layout: LongLayout | WideLayout
) -> int:
    total = 0
    for number, source in enumerate(sources):
        columns = 1 if isinstance(layout, LongLayout) else len(layout.cells[number])
        total += columns * about_rows(connection, source)
    return total


class _Reader:
    """Reads either form into described groups."""

    def __init__(
        self,
        connection: Connection,
        sources: Sequence[Source],
        grid_of: Grids,
        memory_bytes: int,
        folder: str,
        pool: ThreadPoolExecutor,
        tick: Callable[[int], None],
        *,
        model: str | None,
    ) -> None:
        self._connection = connection
        self._sources = sources
        self._grid_of = grid_of
        self._memory_bytes = memory_bytes
        self._folder = folder
        self._pool = pool
        self._tick = tick
        self._model = model

    def _make_gather(self, groups: int) -> Gather:
        return Gather(groups, memory_bytes=self._memory_bytes, folder=self._folder, pool=self._pool)

    def _describe(self, gather: Gather, number: int, head: HeadName, label: str) -> Described:
        group = gather.group(number)
        grid = self._grid_of(head, label)
        return described_label(head, label, group.segments, samples=group.samples, grid=grid)

    def long(self, layout: LongLayout) -> _Reading:
        """Read a long table."""
        reading = read_long(self._connection, layout, self._sources, self._make_gather, self._tick)
        gather = reading.gather
        try:
            gather.settle()
            present = np.flatnonzero(gather.added + reading.seen).tolist()
            raw = {group: reading.names.of(group) for group in present}
            named = named_heads({(model, head) for model, head, _ in raw.values()})
            heads = {one.name: one for one in named.values()}
            keys = {
                group: (named[model, head].name, check_label(label))
                for group, (model, head, label) in raw.items()
            }
            found = self._describe_all(gather, keys)
        finally:
            gather.close()
        names = tuple(name for name in (layout.model, layout.head, layout.label) if name)
        suspects = [Suspect(source, layout.score, layout.truth, names) for source in self._sources]
        return _Reading(found, heads, reading.rows, suspects)

    def wide(self, layout: WideLayout) -> _Reading:
        """Read a wide table; columns read before are described while the next are read."""
        cells = [cell for of_source in layout.cells for cell in of_source]
        check_distinct(cells, model=self._model)
        heads = {cell.head.name: cell.head for cell in cells}
        by_text = {name.full: name for name in heads}
        found: Found = {}
        expected: dict[tuple[HeadName, str], int] = {}
        pending: list[_Chunk] = []
        chunks = read_wide(self._connection, layout, self._sources, self._make_gather, self._tick)
        try:
            for chunk in chunks:
                chunk.gather.settle()
                keys = {n: (by_text[full], label) for n, (full, label) in enumerate(chunk.keys)}
                expected.update(zip(keys.values(), chunk.cells, strict=True))
                pending.append(_Chunk(chunk.gather, self._submit_all(chunk.gather, keys)))
                if len(pending) > 1:
                    found.update(pending.pop(0).finish())
            while pending:
                found.update(pending.pop(0).finish())
        finally:
            chunks.close()
            for one in pending:
                one.gather.close()
        suspects = [
            Suspect(source, cell.column, cell.truth)
            for source, of_source in zip(self._sources, layout.cells, strict=True)
            for cell in of_source
            if found[key := (cell.head.name, cell.label)].distribution.samples != expected[key]
        ]
        return _Reading(found, heads, sum(expected.values()), suspects)

    def _submit_all(
        self, gather: Gather, keys: Mapping[int, tuple[HeadName, str]]
    ) -> dict[tuple[HeadName, str], Future[Described]]:
        return {
            key: self._pool.submit(self._describe, gather, number, *key)
            for number, key in keys.items()
        }

    def _describe_all(self, gather: Gather, keys: Mapping[int, tuple[HeadName, str]]) -> Found:
        return {key: job.result() for key, job in self._submit_all(gather, keys).items()}


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Columns that are being described."""

    gather: Gather
    jobs: Mapping[tuple[HeadName, str], Future[Described]]

    def finish(self) -> Found:
        """Wait for the numbers and let go of the scores."""
        try:
            return {key: job.result() for key, job in self.jobs.items()}
        finally:
            self.gather.close()


def _rejects(
    connection: Connection, reading: _Reading
) -> tuple[dict[str, int], tuple[Reject, ...]]:
    if reading.accepted == reading.rows:
        return {}, ()
    return (
        counts_by_reason(connection, reading.suspects),
        first_rejects(connection, reading.suspects),
    )
