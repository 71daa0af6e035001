"""Columns of text, aligned: no box, no colour of its own, as wide as it must be.

A table knows how wide it would like to be, so that a report can choose another form where
the terminal is too narrow; the columns that may shrink lose characters from the left,
because the end of a name tells more than its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from calreg.report.numbers import UNICODE, Signs

__all__ = ["GAP", "Column", "fits", "natural_width", "rows"]

GAP = 2
_LEAST = 8
_READABLE = 24


@dataclass(frozen=True, slots=True)
class Column:
    """A header and its cells, one per row; `is_right` for numbers."""

    header: str
    cells: Sequence[Text | str] = field(default_factory=list)
    is_right: bool = False
    can_shrink: bool = False

    @property
    def width(self) -> int:
        """Terminal cells of the widest entry."""
        return max([cell_len(self.header), *(_length(cell) for cell in self.cells)])


def _length(cell: Text | str) -> int:
    return cell.cell_len if isinstance(cell, Text) else cell_len(cell)


def natural_width(columns: Sequence[Column]) -> int:
    """How wide the table is if nothing is shortened."""
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def fits(columns: Sequence[Column], width: int | None) -> bool:
    """Whether the table is readable at a width: names shortened, but not to nothing."""
    if width is None:
        return True
    spare = sum(max(0, column.width - _READABLE) for column in columns if column.can_shrink)
    return natural_width(columns) - spare <= width


def rows(
    columns: Sequence[Column], *, width: int | None = None, signs: Signs = UNICODE
) -> list[Text]:
    """The header and one line per row; shortened to `width` as far as columns allow."""
    widths = _fitted(columns, width)
    header = [Text(column.header, style="bold") for column in columns]
    lines = [_line(header, columns, widths, signs)]
    for cells in zip(*(column.cells for column in columns), strict=True):
        texts = [cell if isinstance(cell, Text) else Text(cell) for cell in cells]
        lines.append(_line(texts, columns, widths, signs))
    return lines


def _fitted(columns: Sequence[Column], width: int | None) -> list[int]:
    widths = [column.width for column in columns]
    excess = natural_width(columns) - width if width is not None else 0
    while excess > 0:
        shrinking = [
            number
            for number, column in enumerate(columns)
            if column.can_shrink and widths[number] > _LEAST
        ]
        if not shrinking:
            break
        widest = max(shrinking, key=lambda number: widths[number])
        widths[widest] -= 1
        excess -= 1
    return widths


def _line(
    cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int], signs: Signs
) -> Text:
    line = Text()
    for number, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        shown = _shortened(cell, width, signs)
        padding = " " * (width - shown.cell_len)
        is_last = number == len(columns) - 1
        line.append_text(Text(padding) + shown if column.is_right else shown)
        if not is_last:
            line.append(" " * GAP if column.is_right else padding + " " * GAP)
    return line


def _shortened(cell: Text, width: int, signs: Signs) -> Text:
    if cell.cell_len <= width:
        return cell
    kept = cell.plain
    while kept and cell_len(kept) + cell_len(signs.more) > width:
        kept = kept[1:]
    return Text(signs.more + kept, style=cell.style)
