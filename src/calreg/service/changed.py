"""Which items of the store change their outcome between two sets of references.

Scores are read head by head and label by label, in blocks, and compared with the intervals in
which outcomes change: nothing is calibrated, and memory holds a bit per item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from calreg.errors import InputError
from calreg.names import HeadName
from calreg.plan import Reference
from calreg.retag import HeadRetag, RetagRules
from calreg.service.settings import RetagSettings
from calreg.store import Store

__all__ = ["changed_items"]

References = Mapping[HeadName, Reference]
_Block = tuple[NDArray[np.int64], NDArray[np.float64]]


class _Marked:
    """A set of items by their ids, which are small numbers."""

    def __init__(self) -> None:
        self._is_in = np.zeros(1024, np.bool_)

    def add(self, ids: NDArray[np.int64]) -> None:
        if ids.size == 0:
            return
        highest = int(ids.max())
        if highest >= self._is_in.size:
            grown = np.zeros(max(highest + 1, 2 * self._is_in.size), np.bool_)
            grown[: self._is_in.size] = self._is_in
            self._is_in = grown
        self._is_in[ids] = True

    @property
    def ids(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._is_in).astype(np.int64)


def changed_items(
    store: Store, before: References, after: References, settings: RetagSettings
) -> NDArray[np.int64]:
    """The ids of the items whose outcome changes for at least one head, ascending.

    Raises:
        InputError: A calibration that cannot be applied.
        StoreError: The store is down.
    """
    rules, found = RetagRules(settings.min_change, settings.tiers), _Marked()
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is not None and new is not None and old.digest == new.digest:
            continue
        head = HeadRetag(
            None if old is None else old.calibration,
            None if new is None else new.calibration,
            rules,
        )
        if head.is_shared:
            _add_shared(store, name, head, found)
        else:
            _add_by_label(store, name, head, found)
    return found.ids


def _add_by_label(store: Store, name: HeadName, head: HeadRetag, found: _Marked) -> None:
    for label, retag in head.labels.items():
        for ids, scores in _blocks(store, name, label):
            found.add(ids[retag.contains(scores)])


def _blocks(store: Store, name: HeadName, label: str) -> Iterator[_Block]:
    try:
        yield from store.item_scores(name.full, label)
    except InputError as error:
        # A registry may have heads that nobody scored here.
        if error.code not in {"no-such-head", "no-such-label"}:
            raise


def _add_shared(store: Store, name: HeadName, head: HeadRetag, found: _Marked) -> None:
    """A softmax needs the scores of all labels of an item; one that lacks some has no outcome."""
    columns: dict[str, NDArray[np.float64]] = {}
    common: NDArray[np.int64] | None = None
    for label in head.names:
        blocks = list(_blocks(store, name, label))
        ids = np.concatenate([np.empty(0, np.int64), *(block[0] for block in blocks)])
        scores = np.concatenate([np.empty(0, np.float64), *(block[1] for block in blocks)])
        if common is None:
            common, columns[label] = ids, scores
            continue
        both, here, there = np.intersect1d(common, ids, assume_unique=True, return_indices=True)
        columns = {other: column[here] for other, column in columns.items()}
        columns[label], common = scores[there], both
    if common is not None and common.size:
        is_changed = np.zeros(common.size, np.bool_)
        for changes in head.changed(columns).values():
            is_changed |= changes
        found.add(common[is_changed])
