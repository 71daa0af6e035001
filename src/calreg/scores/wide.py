"""Reading wide tables: a column of scores per head and label, no grouping needed.

Parquet files are read a few columns at a time, so that those read before are sorted and
described while the next are read, and memory follows the columns in hand. Text files are
read once for all columns.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from calreg.scores.engine import Connection, batches, count_rows
from calreg.scores.expressions import value_sql
from calreg.scores.gather import Gather
from calreg.scores.layout import Cell, WideLayout
from calreg.scores.sources import Source, reading

__all__ = ["WideChunk", "read_wide"]

_MAX_COLUMNS = 256
_CHUNK_BYTES = 64 * 2**20


@dataclass(slots=True)
class WideChunk:
    """Some columns, read: group n of `gather` holds the scores of `keys[n]`.

    `cells` counts all scores per key, accepted or not.
    """

    keys: tuple[tuple[str, str], ...]
    gather: Gather
    cells: list[int] = field(default_factory=list)


def read_wide(
    connection: Connection,
    layout: WideLayout,
    sources: Sequence[Source],
    make_gather: Callable[[int], Gather],
    tick: Callable[[int], None],
) -> Generator[WideChunk, None, None]:
    """Yield the columns chunk by chunk; a key is a head's full name and a label."""
    keys = sorted({_key(cell) for cells in layout.cells for cell in cells})
    size = _chunk_size(connection, sources, len(keys))
    done = 0
    for start in range(0, len(keys), size):
        chunk = WideChunk(
            tuple(keys[start : start + size]), make_gather(len(keys[start : start + size]))
        )
        chunk.cells = [0] * len(chunk.keys)
        try:
            for source, cells in zip(sources, layout.cells, strict=True):
                for scores in _read(connection, source, cells, chunk):
                    done += scores
                    tick(done)
        except BaseException:
            chunk.gather.close()
            raise
        yield chunk


def _key(cell: Cell) -> tuple[str, str]:
    return cell.head.name.full, cell.label


def _chunk_size(connection: Connection, sources: Sequence[Source], columns: int) -> int:
    if any(source.format != "parquet" for source in sources):
        return max(columns, 1)
    rows = 0
    for source in sources:
        with reading(source):
            rows += count_rows(connection, source.scan())
    return int(np.clip(_CHUNK_BYTES // max(4 * rows, 1), 1, _MAX_COLUMNS))


def _read(
    connection: Connection, source: Source, cells: Sequence[Cell], chunk: WideChunk
) -> Iterator[int]:
    places = {key: number for number, key in enumerate(chunk.keys)}
    wanted = [cell for cell in cells if _key(cell) in places]
    if not wanted:
        return
    values = ", ".join(value_sql(source, cell.column, cell.truth) for cell in wanted)
    groups = [places[_key(cell)] for cell in wanted]
    query = f"SELECT {values} FROM {source.scan()}"
    with reading(source), closing(batches(connection, query)) as stream:
        for batch in stream:
            for group, (scores, nulls) in zip(groups, batch, strict=True):
                chunk.cells[group] += scores.size
                accepted = scores if nulls is None else scores[~nulls]
                chunk.gather.add_piece(group, accepted)
            chunk.gather.make_room()
            yield sum(scores.size for scores, _ in batch)
