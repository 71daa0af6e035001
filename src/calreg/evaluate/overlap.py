"""Rows that two sets share: what was tuned on must not be judged on.

Two rows are the same by their item's name, or by a column such as `text_key` that says
so. A group (a speaker, a document) is no row: one that stands in both sets is *split*,
and its items know each other. An empty text is "not known" and never shared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Json
from calreg.errors import InputError
from calreg.labelled import LabelledScores, Texts

__all__ = ["ITEM", "Overlap", "Shared", "overlap", "shared_values"]

ITEM = "item"
"""The kind of an overlap by the items' names."""


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What one column has in common in two sets.

    Args:
        values: Distinct values in both.
        left: Which rows of the first set have one of them, bool, shape (rows,).
        right: The same of the second.
        examples: The first few of the values, in alphabetical order.
    """

    values: int
    left: NDArray[np.bool_]
    right: NDArray[np.bool_]
    examples: tuple[str, ...]

    @property
    def left_rows(self) -> int:
        """How many rows of the first set are concerned."""
        return int(np.count_nonzero(self.left))

    @property
    def right_rows(self) -> int:
        """How many rows of the second set are concerned."""
        return int(np.count_nonzero(self.right))

    def to_json(self) -> Json:
        """The counts and examples as a plain object."""
        return {
            "values": self.values,
            "left_rows": self.left_rows,
            "right_rows": self.right_rows,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """What two sets share, by every column that both have.

    Args:
        rows: By `item` and each common key column that is no group; a kind that only one
            set knows is not there: nothing was compared.
        split_groups: By group column: the groups that stand in both sets.
    """

    rows: Mapping[str, Shared]
    split_groups: Mapping[str, Shared]

    @property
    def is_empty(self) -> bool:
        """Nothing that was compared is shared."""
        return not any(
            found.values for kinds in (self.rows, self.split_groups) for found in kinds.values()
        )

    def to_json(self) -> Json:
        """Counts by kind as a plain object."""
        return {
            "rows": {kind: found.to_json() for kind, found in self.rows.items()},
            "split_groups": {kind: found.to_json() for kind, found in self.split_groups.items()},
        }


def overlap(
    left: LabelledScores, right: LabelledScores, *, groups: Collection[str] = ()
) -> Overlap:
    """Rows and groups that stand in both sets.

    All rows of the tables count, those with rejected scores too.

    Args:
        left: One set, say the calibration set.
        right: Another, say the holdout.
        groups: Key columns that name groups; the others name rows.

    Raises:
        InputError: A group column that one of the sets has not.
    """
    for side in (left, right):
        for name in groups:
            if name not in side.keys:
                raise InputError(
                    f"expected a column {name!r} to know the groups by",
                    where=side.files[0] if side.files else None,
                    code="group",
                )
    common = [name for name in left.keys if name in right.keys]
    found = {name: shared_values(left.keys[name], right.keys[name]) for name in common}
    rows = {name: shared for name, shared in found.items() if name not in groups}
    if left.items is not None and right.items is not None:
        rows = {ITEM: shared_values(left.items, right.items), **rows}
    return Overlap(rows=rows, split_groups={name: found[name] for name in groups})


def shared_values(left: Texts, right: Texts, *, max_examples: int = 5) -> Shared:
    """Texts that stand in both columns; the empty text is in neither."""
    sides = left.tolist(), right.tolist()
    both = set(sides[0]).intersection(sides[1]) - {""}
    # Every text is hashed once and remembers its hash, so looking it up again is cheap.
    in_left, in_right = (
        np.fromiter(map(both.__contains__, side), dtype=np.bool_, count=len(side)) for side in sides
    )
    return Shared(len(both), in_left, in_right, examples=tuple(sorted(both)[:max_examples]))
