"""Comparing over a wide table: column by column, a row being an item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calreg.names import HeadName
from calreg.retag import HeadRetag
from calreg.scores.engine import count_rows, rows_of
from calreg.scores.expressions import double_sql
from calreg.scores.layout import Cell, WideLayout
from calreg.scores.outputs import as_double
from calreg.scores.retag_blocks import CHANGED, Block, Changes, blocks
from calreg.scores.retag_plan import Key
from calreg.scores.retag_staging import Stage
from calreg.scores.sources import Source, reading

__all__ = ["WideTable", "open_wide"]

_FEW = 4
_MAX_COLUMNS = 64
"""Read at a time: a batch of them are some 60 MB."""


@dataclass(slots=True)
class WideTable:
    """A wide table: `counts` are the rows and, once it is sieved, the readable scores of each."""

    stage: Stage
    parts: tuple[_Part, ...]
    counts: dict[Key, tuple[int, int]]
    rows: int
    changed_rows: int = 0
    nameless: int = 0

    @property
    def looks(self) -> int:
        """How many scores a sieve looks at, at most."""
        return sum(part.rows * len(part.cells) for part in self.parts)

    def columns(self) -> Iterator[tuple[str, Sequence[Key]]]:
        """The columns of scores, and whose they are."""
        for part in self.parts:
            for cell in part.cells:
                yield cell.column, [(cell.head.name, cell.label)]

    def items(
        self,
        heads: Mapping[HeadName, HeadRetag],  # noqa: ARG002  # as a long table, which needs them
        changes: Changes,  # noqa: ARG002  # as above
    ) -> tuple[int, int]:
        """How many items there are, and how many have any change, once all are sieved."""
        return self.rows, self.changed_rows

    def changed_items(self, heads: Mapping[HeadName, HeadRetag], changes: Changes) -> str:
        """The SQL of the items with any change, as `i`, some of them often; once all are sieved."""
        parts = [f"SELECT item AS i FROM {CHANGED}"]
        if changes.kept != "all":
            # The engine finds what is certain by itself: most of it, and no text moves.
            for part in self.parts:
                numbers = [number for group in part.groups(heads) for number in group]
                if test := part.test(numbers, heads, "sure"):
                    parts.append(f"SELECT i FROM {part.relation} WHERE {test}")
        return " UNION ALL ".join(parts)

    def sieve(self, heads: Mapping[HeadName, HeadRetag], changes: Changes) -> Iterator[int]:
        """Put the scores that may change through both calibrations; yields how many were read."""
        for part in self.parts:
            groups = part.groups(heads)
            is_thin = len(groups) == 1 and len(groups[0]) <= _FEW and not part.shared(heads)
            read = [] if is_thin else [number for group in groups for number in group]
            self._count(part, [n for n in range(len(part.cells)) if n not in set(read)])
            if is_thin:
                yield from self._sieve_thin(part, groups[0], heads, changes)
            else:
                yield from self._sieve_all(part, groups, heads, changes)

    def _blocks(self, part: _Part, query: str) -> Iterator[Block]:
        with reading(part.source):
            yield from blocks(self.stage.connection, query, has_items=self.stage.has_items)

    def _sieve_thin(
        self,
        part: _Part,
        group: Sequence[int],
        heads: Mapping[HeadName, HeadRetag],
        changes: Changes,
    ) -> Iterator[int]:
        """Of few columns the engine hands over only rows in which one may change."""
        query = part.query(group, has_items=self.stage.has_items)
        for block in self._blocks(part, f"{query} WHERE {part.test(group, heads, 'possible')}"):
            self.changed_rows += int(part.add(block, group, heads, changes).sum())
            changes.end(block)
            yield block.rows * len(group)

    def _sieve_all(
        self,
        part: _Part,
        groups: Sequence[Sequence[int]],
        heads: Mapping[HeadName, HeadRetag],
        changes: Changes,
    ) -> Iterator[int]:
        """Of many, in most rows one may: all rows are read, and counted on the way."""
        # A row that is looked at in several groups is to be counted once.
        hit = np.zeros(part.rows if len(groups) > 1 else 0, np.bool_)
        for group in groups:
            start = 0
            for block in self._blocks(part, part.query(group, has_items=self.stage.has_items)):
                for number, scores in zip(group, block.columns, strict=True):
                    self._add_count(part, number, int(np.isfinite(scores).sum()))
                found = part.add(block, group, heads, changes)
                changes.end(block)
                if hit.size:
                    hit[start : start + block.rows] |= found
                    start += block.rows
                else:
                    self.changed_rows += int(found.sum())
                yield block.rows * len(group)
        self.changed_rows += int(hit.sum())

    def _count(self, part: _Part, numbers: Sequence[int]) -> None:
        """Let the engine count the readable scores of some columns."""
        if not numbers:
            return
        listed = ", ".join(f"count(*) FILTER (isfinite(c{number}))" for number in numbers)
        with reading(part.source):
            found = rows_of(self.stage.connection, f"SELECT {listed} FROM {part.relation}")[0]
        for number, readable in zip(numbers, found, strict=True):
            self._add_count(part, number, readable)

    def _add_count(self, part: _Part, number: int, readable: int) -> None:
        cell = part.cells[number]
        key = cell.head.name, cell.label
        rows, before = self.counts[key]
        self.counts[key] = rows, before + readable


@dataclass(frozen=True, slots=True)
class _Part:
    """One source: its relation has a column c0, c1, … per cell."""

    source: Source
    relation: str
    cells: tuple[Cell, ...]
    rows: int

    def groups(self, heads: Mapping[HeadName, HeadRetag]) -> list[list[int]]:
        """The numbers of the cells that may change, some at a time, a softmax in one."""
        together: dict[object, list[int]] = {}
        for number, cell in enumerate(self.cells):
            head = heads[cell.head.name]
            if head.is_same or not (head.is_shared or head.labels[cell.label].possible.pairs):
                continue
            together.setdefault(cell.head.name if head.is_shared else number, []).append(number)
        groups: list[list[int]] = []
        for numbers in together.values():
            if groups and len(groups[-1]) + len(numbers) <= _MAX_COLUMNS:
                groups[-1] += numbers
            else:
                groups.append(list(numbers))
        return groups

    def shared(self, heads: Mapping[HeadName, HeadRetag]) -> bool:
        """Whether any of the heads is a softmax."""
        return any(heads[cell.head.name].is_shared for cell in self.cells)

    def query(self, group: Sequence[int], *, has_items: bool) -> str:
        """The SQL of some cells' columns, in the order of the rows."""
        listed = ", ".join(f"c{number}" for number in group) + ", i" * has_items
        return f"SELECT {listed} FROM {self.relation}"

    def test(
        self,
        group: Sequence[int],
        heads: Mapping[HeadName, HeadRetag],
        which: Literal["possible", "sure"],
    ) -> str:
        """The SQL of whether any of the cells may, or does, change; of a softmax nothing."""
        tests = []
        for number in group:
            cell = self.cells[number]
            head = heads[cell.head.name]
            if not head.is_shared:
                for lo, hi in getattr(head.labels[cell.label], which).pairs:
                    tests.append(f"(c{number} >= {as_double(lo)} AND c{number} < {as_double(hi)})")
        return " OR ".join(tests)

    def add(
        self,
        block: Block,
        group: Sequence[int],
        heads: Mapping[HeadName, HeadRetag],
        changes: Changes,
    ) -> NDArray[np.bool_]:
        """Put a block's scores through both calibrations; the rows in which any changes."""
        hit = np.zeros(block.rows, np.bool_)
        shared: dict[HeadName, dict[str, NDArray[np.float64]]] = {}
        for number, scores in zip(group, block.columns, strict=True):
            cell = self.cells[number]
            head = heads[cell.head.name]
            if head.is_shared:
                shared.setdefault(cell.head.name, {})[cell.label] = scores
                continue
            sieve = head.labels[cell.label]
            rows = np.flatnonzero(sieve.possible.contains(scores))
            found = scores[rows]
            key = cell.head.name, cell.label
            hit[changes.add(key, rows, found, sieve.outcomes(found), sure=sieve.sure)] = True
        for name, columns in shared.items():
            before, after = heads[name].outcomes(columns)
            for label, scores in columns.items():
                sides = before.get(label), after.get(label)
                hit[changes.add((name, label), np.arange(block.rows), scores, sides)] = True
        return hit


def open_wide(
    stage: Stage, layout: WideLayout, sources: Sequence[Source], *, only: HeadName | None
) -> WideTable:
    """A wide table, of which only one head may be meant.

    Raises:
        InputError: Columns that hold no numbers.
    """
    parts = []
    counts: dict[Key, tuple[int, int]] = {}
    for source, of_source in zip(sources, layout.cells, strict=True):
        cells = tuple(cell for cell in of_source if only in {None, cell.head.name})
        columns = {f"c{n}": double_sql(source, cell.column) for n, cell in enumerate(cells)}
        relation = stage.of(source, columns)
        with reading(source):
            rows = count_rows(stage.connection, relation)
        for cell in cells:
            key = cell.head.name, cell.label
            counts[key] = counts.get(key, (0, 0))[0] + rows, 0
        parts.append(_Part(source, relation, cells, rows))
    return WideTable(stage, tuple(parts), counts, sum(part.rows for part in parts))
