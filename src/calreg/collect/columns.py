"""Which columns of a data set name the item, and which go along into the output."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calreg.errors import InputError, UsageError
from calreg.names import nearest
from calreg.scores.items import ItemTable

__all__ = ["Columns", "choose_columns", "item_name"]

ITEM, ERROR = "item", "error"
_NAMING = ("item", "id")
_ALONG = ("text_key", "group")
_TRUTH = "y_"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a data set that matter here.

    Args:
        item: The one that names the item.
        kept: Those that are copied: truth, keys, then what was asked for.
    """

    item: str
    kept: tuple[str, ...]

    @property
    def truths(self) -> tuple[str, ...]:
        """The kept columns of truth, `y_<label>`."""
        return tuple(name for name in self.kept if name.startswith(_TRUTH))

    @property
    def only_truth(self) -> str | None:
        """The label that there is truth of, if there is exactly one."""
        labels = [name.removeprefix(_TRUTH) for name in self.truths]
        return labels[0] if len(labels) == 1 and labels[0] else None

    def kept_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The copied values of one row, as JSON has them."""
        return {name: _plain(row.get(name)) for name in self.kept}

    def check(self, scores: Iterable[str]) -> None:
        """Refuse an output with two columns of one name.

        Raises:
            UsageError: A copied column is called as one that is written.
        """
        written = {name.casefold() for name in (ITEM, ERROR, *scores)}
        for name in self.kept:
            if name.casefold() in written:
                raise UsageError(
                    f"--keep {name!r}: the output has a column of that name itself",
                    hint="Rename the column in the data set.",
                )


def choose_columns(table: ItemTable, *, item: str | None, keep: Sequence[str]) -> Columns:
    """The column that names items, and all that are to be kept.

    Raises:
        InputError: A file has no such column.
    """
    known = list(dict.fromkeys(name for source in table.sources for name in source.columns))
    wanted = (item,) if item is not None else _NAMING
    chosen = next((name for name in wanted if name in known), None)
    for source in table.sources:
        if chosen is None or chosen not in source.columns:
            raise InputError(
                f"no column {chosen or wanted[0]!r} that names the items",
                where=source.where,
                hint=f"Say which one does: --item COLUMN. {nearest(wanted[0], source.columns)}",
                code="columns",
            )
    for name in keep:
        if name not in known:
            raise InputError(
                f"--keep: no column {name!r}",
                where=table.sources[0].where,
                hint=nearest(name, known),
                code="columns",
            )
    # In an order of ours: the keys of JSONL have none.
    along = sorted(name for name in known if name.startswith(_TRUTH))
    along += [name for name in _ALONG if name in known]
    kept = dict.fromkeys(name for name in (*along, *keep) if name != chosen)
    return Columns(str(chosen), tuple(kept))


def item_name(value: Any) -> str | None:
    """What an item is called; None if the value is no name."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    return text if text.strip() and _is_text(text) and value == value else None  # noqa: PLR0124 -- NaN


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, from an escape in JSON
        return False
    return True


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value).encode("utf-8", "replace").decode()
