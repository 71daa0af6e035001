"""Which two calibrations each head and label of a table is compared under.

Everything that can be refused about them is refused here, before a score is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calreg.documents.calibration import Calibration
from calreg.errors import InputError
from calreg.names import HeadName, nearest
from calreg.retag import HeadRetag, RetagRules
from calreg.scores.apply_choice import Choice

__all__ = ["Key", "Pairs"]

Key = tuple[HeadName, str]

_SHOWN = 10


@dataclass(frozen=True)
class Pairs:
    """The calibrations before and after, by head, and what counts as a change."""

    before: Mapping[HeadName, Calibration]
    after: Mapping[HeadName, Calibration]
    rules: RetagRules

    @cached_property
    def _known(self) -> list[HeadName]:
        return sorted(self.before.keys() | self.after.keys())

    def check_scale(self, column: str, keys: Iterable[Key]) -> None:
        """Refuse a column of logits for what was tuned on scores, or the reverse.

        Raises:
            InputError: As `Choice.check_scale`, for either side.
        """
        for side in (self.before, self.after):
            choice = Choice(side, "raw")
            for name, label in keys:
                choice.check_scale(column, name, label)

    def of(self, keys: Iterable[Key], *, is_long: bool) -> dict[HeadName, HeadRetag]:
        """The heads of a table, compared; every label of a table that has these.

        Args:
            keys: The heads and labels of the table.
            is_long: Whether the labels of an item are in rows of their own.

        Raises:
            InputError: A head or label that neither side has, a calibration that cannot be
                applied, a softmax that lacks scores of labels.
        """
        labels: dict[HeadName, list[str]] = {}
        for name, label in keys:
            labels.setdefault(name, []).append(label)
        found = {
            name: HeadRetag(self.before.get(name), self.after.get(name), self.rules)
            for name in labels
        }
        self._refuse_unknown(labels, found)
        for name, head in found.items():
            if not head.is_same or not head.is_shared:
                with _of_head(name):
                    _check(head, labels[name], is_long=is_long)
        return found

    def _refuse_unknown(
        self, labels: Mapping[HeadName, list[str]], heads: Mapping[HeadName, HeadRetag]
    ) -> None:
        unknown = [name.full for name in sorted(labels) if not heads[name].names]
        lacking = unknown + [
            f"{name} label {label!r}"
            for name in sorted(labels)
            if name.full not in unknown
            for label in sorted(set(labels[name]) - set(heads[name].names))
        ]
        if not lacking:
            return
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        known = f"{nearest(unknown[0], [n.full for n in self._known])} " if unknown else ""
        raise InputError(
            f"no calibration before or after for {', '.join(lacking[:_SHOWN])}{more}",
            hint=f"{known}Leave them out of the table, or compare one head: --head MODEL/HEAD",
            code="no-calibration",
        )

    def absent(self, present: Iterable[HeadName], *, only: HeadName | None) -> tuple[HeadName, ...]:
        """The heads whose calibrations differ, and of which there are no scores."""
        missing = [name for name in self._known if name not in set(present)]
        return tuple(
            name
            for name in missing
            if (only is None or name == only)
            and not HeadRetag(self.before.get(name), self.after.get(name), self.rules).is_same
        )


@contextmanager
def _of_head(name: HeadName) -> Iterator[None]:
    """Errors about a calibration say whose it is."""
    try:
        yield
    except InputError as error:
        error.where = f"{name}, {error.where}" if error.where else name.full
        raise


def _check(head: HeadRetag, labels: list[str], *, is_long: bool) -> None:
    """Apply both sides to something: what cannot be applied is found out now."""
    if not head.is_shared:
        _ = head.labels
    elif is_long:
        raise InputError(
            "a softmax needs the scores of all labels of an item, and a long table has them in "
            "rows of their own",
            hint="Write a wide table: a row per item, a column score_<label> per label.",
            code="form",
        )
    else:
        head.outcomes({label: np.zeros(1) for label in labels})
