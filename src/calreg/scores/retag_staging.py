"""The columns that a comparison reads, whatever the files are: from Parquet directly.

Text is looked at several times, so CSV and JSONL are read once, into a temporary Parquet file
with the same columns, scores already numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calreg.errors import InputError
from calreg.scores.engine import Connection, identifier, literal
from calreg.scores.layout import Columns
from calreg.scores.sources import Source, reading
from calreg.scores.table import ScoreTable

__all__ = ["Stage", "names_items"]


def _item_sql(table: ScoreTable, source: Source) -> str | None:
    """The SQL of a row's item as text; None if the source has no such column."""
    columns = Columns(source.columns, table.columns, source.where)
    found = columns.find("item") or columns.named("id")
    return None if found is None else f"CAST({identifier(found)} AS VARCHAR)"


def names_items(table: ScoreTable, sources: Sequence[Source], *, is_needed: bool) -> bool:
    """Whether the sources name their items.

    Raises:
        InputError: Some do and some do not, or none does and a list of items is asked for.
    """
    without = [source for source in sources if _item_sql(table, source) is None]
    if without and (is_needed or len(without) < len(sources)):
        why = "a list of items has to name them" if is_needed else "other files have one"
        raise InputError(
            f"has no column 'item' or 'id', and {why}",
            where=without[0].where,
            hint="--column item=NAME",
            code="columns",
        )
    return not without


@dataclass(slots=True)
class Stage:
    """Makes relations of sources: their columns by plain names, and `i` for the item if asked.

    Args:
        connection: Where they are read.
        table: What the columns of items are called.
        folder: For temporary files.
        has_items: Whether the relations have the column `i`, as text.
    """

    connection: Connection
    table: ScoreTable
    folder: str
    has_items: bool
    _made: int = 0

    def of(self, source: Source, columns: Mapping[str, str]) -> str:
        """The SQL of a relation: columns by name, each with its SQL in the source.

        Raises:
            InputError: The source cannot be read.
        """
        wanted = dict(columns)
        item = _item_sql(self.table, source)
        if self.has_items and item is not None:
            wanted["i"] = item
        if not wanted:
            return source.scan()
        listed = ", ".join(f"{sql} AS {name}" for name, sql in wanted.items())
        query = f"SELECT {listed} FROM {source.scan()}"
        if source.format == "parquet":
            return f"({query})"
        self._made += 1
        file = literal(str(Path(self.folder) / f"staged-{self._made}.parquet"))
        with reading(source):
            # Not compressed: half the time, and still smaller than the text.
            options = "FORMAT parquet, COMPRESSION uncompressed, USE_TMP_FILE false"
            self.connection.execute(f"COPY ({query}) TO {file} ({options})")
        return f"read_parquet({file})"
