"""Scores with truth, as arrays: what is tuned on, and what is judged on.

Values only. A label's scores need not cover all rows of the table: those that were
rejected are gone, and `rows` says which are left. Nothing here reads a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import ne
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "LabelledColumn", "LabelledScores", "Texts", "Truth"]

Floats: TypeAlias = NDArray[np.floating[Any]]
Truth: TypeAlias = NDArray[np.bool_]
Texts: TypeAlias = NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledColumn:
    """One label's accepted scores.

    Args:
        scores: float32 or float64, shape (n,), finite.
        truth: bool, shape (n,).
        rows: intp, shape (n,), ascending: the row of the table that each came from.
    """

    scores: Floats
    truth: Truth
    rows: NDArray[np.intp]

    @property
    def positives(self) -> int:
        """How many scores have truth 1."""
        return int(np.count_nonzero(self.truth))

    @property
    def negatives(self) -> int:
        """How many scores have truth 0."""
        return self.truth.size - self.positives


@dataclass(frozen=True, slots=True, eq=False)
class LabelledScores:
    """A table of scores with truth.

    Args:
        labels: By name, in the order of the table.
        is_logit: The scores are logits, as their columns say; else plain scores.
        rows: Rows of the table (long tables: distinct items).
        items: What each row is called, text, shape (rows,); None where nothing says.
        keys: Further columns that were asked for (`text_key`, a group), text, each of shape
            (rows,); an empty text is "not known".
        files: Names of the files.
        rejected: Cells that were not accepted, by reason.
        first_rejects: Where the first of them stand, in words.
    """

    labels: Mapping[str, LabelledColumn]
    is_logit: bool
    rows: int
    items: Texts | None = None
    keys: Mapping[str, Texts] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    first_rejects: tuple[str, ...] = ()
    _digests: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def content_digest(self) -> str:
        """sha256 of every label's scores with their truth, in any order of rows."""
        sha = hashlib.sha256()
        for label, column in sorted(self.labels.items()):
            text = label.encode("utf-8", "surrogatepass")
            sha.update(len(text).to_bytes(8, "little") + text)
            _add_sorted(sha, column)
        return sha.hexdigest()

    def digest(self, label: str) -> str:
        """sha256 that names the items of one label and their truth, in any order.

        Where items have no names, it is made of scores and truth.
        """
        if label not in self._digests:
            if self.items is None:
                self._digests[label] = _nameless_digest(self.labels[label])
            else:
                self._digests.update(_named_digests(self.items, self.labels))
        return self._digests[label]


_CHUNK = 1 << 16
_TRUTHS = (b"\0", b"\1")


def _nameless_digest(column: LabelledColumn) -> str:
    sha = hashlib.sha256()
    _add_sorted(sha, column)
    return sha.hexdigest()


def _named_digests(items: Texts, labels: Mapping[str, LabelledColumn]) -> dict[str, str]:
    """The digest of every label: items are sorted and encoded once for all of them."""
    texts = items.tolist()
    order = sorted(range(len(texts)), key=texts.__getitem__)
    ordered = [texts[row] for row in order]
    is_new = [True, *map(ne, ordered[1:], ordered)]
    ranks: NDArray[np.intp] = np.empty(len(texts), np.intp)
    ranks[order] = np.cumsum(is_new) - 1
    encoded = [text.encode("utf-8", "surrogatepass") for text in compress(ordered, is_new)]
    lengths = {size: size.to_bytes(8, "little") for size in set(map(len, encoded))}
    parts = [lengths[len(text)] + text for text in encoded]
    found = {}
    for label, column in labels.items():
        sha = hashlib.sha256()
        places = np.sort(2 * ranks[column.rows] + column.truth)
        for start in range(0, places.size, _CHUNK):
            chunk = places[start : start + _CHUNK].tolist()
            sha.update(b"".join([parts[place >> 1] + _TRUTHS[place & 1] for place in chunk]))
        found[label] = sha.hexdigest()
    return found


def _add_sorted(sha: hashlib._Hash, column: LabelledColumn) -> None:
    """Negatives, then positives, each ascending, so that order and ties make no difference."""
    for part in (column.scores[~column.truth], column.scores[column.truth]):
        ordered = np.sort(part.astype("<f8")) + 0.0
        sha.update(len(ordered).to_bytes(8, "little"))
        sha.update(ordered.data)
