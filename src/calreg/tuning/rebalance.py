"""Rows from a pool for a calibration set: clean negatives by chance, hard ones by score.

Nothing of the holdout ever comes in, nothing twice, and every row of the pool is counted
under one reason. Rows are put in an order of their own first, so that the order of the
pool's files changes nothing; chance is PCG64's raw stream, which is the same on any machine
and with any version of numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Direction, Json
from calreg.errors import InputError
from calreg.evaluate import ITEM, judge_direction, shared_values
from calreg.labelled import LabelledColumn, LabelledScores, Texts, Truth

__all__ = [
    "REASONS",
    "NegativesWanted",
    "Rebalanced",
    "Surroundings",
    "add_negatives",
    "mine_negatives",
]

Rows: TypeAlias = NDArray[np.intp]

REASONS = {
    "holdout": "in the holdout",
    "calibration": "in the calibration set",
    "unnamed": "without a name",
    "train": "trained on",
    "duplicates": "duplicates",
}
"""Why a negative row of a pool is left out, in words; in the order in which it is asked."""


@dataclass(frozen=True, slots=True)
class NegativesWanted:
    """Which rows of a pool to add.

    Args:
        maximum: At most so many.
        minimum: Fewer are refused.
        exclude_train: Leave out what the model was trained on, instead of counting it.
        seed: Of the sample; not looked at where the score decides.
    """

    maximum: int
    minimum: int = 1
    exclude_train: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The sets that rows of a pool may not, or had better not, stand in.

    `groups` are key columns whose values (a speaker, a document) must not stand in the
    holdout either, though their rows differ.
    """

    holdout: LabelledScores
    train: LabelledScores | None = None
    groups: Collection[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Rebalanced:
    """A calibration set with rows of a pool at its end, and every count on the way.

    Args:
        scores: The set.
        meta: Counts by name. `pool_rows` is the sum of `incomplete`, `not_negative`, all of
            `removed` and `eligible`; `added` are the chosen ones of `eligible`.
        added: How many rows came in.
        added_trained_on: How many of them the model was trained on; None where nobody knows.
    """

    scores: LabelledScores
    meta: Json
    added: int
    added_trained_on: int | None


def add_negatives(
    calibration: LabelledScores,
    pool: LabelledScores,
    wanted: NegativesWanted,
    around: Surroundings,
    *,
    labels: Collection[str] = (),
) -> Rebalanced:
    """The calibration set and a seeded sample of rows with truth 0 for every label.

    A sample of more rows contains every smaller one of the same seed.

    Args:
        calibration: What to add to.
        pool: Where from; needs the labels of `calibration`.
        wanted: How many.
        around: Sets to keep apart from.
        labels: Truth 0 for these is enough; none for all.

    Raises:
        InputError: Fewer than the minimum are left; sets that nothing compares; an unknown
            label; scores of another kind.
    """
    for label in labels:
        _refuse_unknown(label, calibration)
    named = list(labels) or list(calibration.labels)
    sieve = _Sieve(calibration, pool, around)
    eligible = sieve.eligible(named, wanted)
    draws = np.random.PCG64(wanted.seed).random_raw(eligible.size)
    chosen = np.sort(np.argsort(draws, kind="stable")[: wanted.maximum])
    meta: Json = {"kind": "add_negatives", "labels": named, "seed": wanted.seed}
    return sieve.rebalanced(eligible[chosen], wanted, meta)


def mine_negatives(
    calibration: LabelledScores,
    pool: LabelledScores,
    wanted: NegativesWanted,
    around: Surroundings,
    *,
    label: str,
    direction: Literal["auto", "higher", "lower"] = "auto",
) -> Rebalanced:
    """The calibration set and the pool's hardest negatives of a label: those it scores highest.

    Args:
        calibration: What to add to.
        pool: Where from; needs the labels of `calibration`.
        wanted: How many.
        around: Sets to keep apart from.
        label: Whose negatives, by whose score.
        direction: Which end of the scores is hard; "auto" asks the calibration set.

    Raises:
        InputError: As `add_negatives`.
    """
    _refuse_unknown(label, calibration)
    way = _direction(calibration.labels[label], direction)
    sieve = _Sieve(calibration, pool, around)
    eligible = sieve.eligible([label], wanted)
    column = pool.labels[label]
    scores = column.scores[np.searchsorted(column.rows, eligible)].astype(np.float64)
    hardest = np.argsort(scores if way == "lower" else -scores, kind="stable")[: wanted.maximum]
    meta: Json = {"kind": "mine", "label": label, "direction": way}
    if hardest.size:
        ends = scores[hardest[[0, -1]]]
        meta |= {"hardest_score": float(ends[0]), "easiest_score": float(ends[1])}
    return sieve.rebalanced(eligible[np.sort(hardest)], wanted, meta)


def _refuse_unknown(label: str, calibration: LabelledScores) -> None:
    if label not in calibration.labels:
        raise InputError(
            f"no label {label!r}; there are {', '.join(calibration.labels)}", code="no-label"
        )


def _direction(column: LabelledColumn, asked: Literal["auto", "higher", "lower"]) -> Direction:
    if asked != "auto":
        return asked
    if not (column.positives and column.negatives):
        return "higher"
    found = judge_direction(column.scores, column.truth)
    return found.direction if found.is_determined else "higher"


class _Sieve:
    """A pool on its way into a calibration set: who is left, and why the others are not."""

    def __init__(
        self, calibration: LabelledScores, pool: LabelledScores, around: Surroundings
    ) -> None:
        self._calibration = calibration
        self._pool = _with_labels_of(pool, calibration)
        self._around = around
        self._train = (
            _Shared.between(self._pool, around.train, without=around.groups)
            if around.train is not None
            else None
        )
        self._shared = {
            "holdout": _Shared.between(self._pool, around.holdout, groups=around.groups),
            "calibration": _Shared.between(self._pool, calibration, without=around.groups),
        }
        for name, shared in self._shared.items():
            shared.refuse_unknown(name)
        self._left: NDArray[np.bool_] = np.ones(pool.rows, dtype=np.bool_)
        self._counts: Json = {}

    def eligible(self, labels: Collection[str], wanted: NegativesWanted) -> Rows:
        """Rows that may be added, in an order that is theirs and not the table's."""
        self._counts["pool_rows"] = self._pool.rows
        self._counts["incomplete"] = self._drop(~_complete(self._pool))
        negative = np.ones(self._pool.rows, dtype=np.bool_)
        for label in labels:
            negative &= ~_truth_by_row(self._pool, label)
        self._counts["not_negative"] = self._drop(~negative)
        removed = {name: self._drop(shared.rows) for name, shared in self._shared.items()}
        removed["unnamed"] = self._drop(
            ~(self._shared["holdout"].known & self._shared["calibration"].known)
        )
        if wanted.exclude_train and self._train is not None:
            removed["train"] = self._drop(self._train.rows)
        ordered = _own_order(self._pool, np.flatnonzero(self._left))
        kept = _first_of_each(self._pool, ordered, without=self._around.groups)
        removed["duplicates"] = ordered.size - kept.size
        self._counts["removed"] = removed
        self._counts["eligible"] = int(kept.size)
        return kept

    def rebalanced(self, chosen: Rows, wanted: NegativesWanted, meta: Json) -> Rebalanced:
        """The set with these rows, if they are enough."""
        if chosen.size < wanted.minimum:
            raise InputError(
                f"{chosen.size:,} rows of the pool can be added, at least {wanted.minimum:,} are "
                f"wanted ({_counts_text(self._counts)})",
                where=", ".join(self._pool.files) or None,
                hint="Bring a larger pool, or ask for fewer.",
                code="pool",
            )
        trained = self._train
        added_trained = None if trained is None else int(np.count_nonzero(trained.rows[chosen]))
        shared = {**self._shared, **({"train": trained} if trained is not None else {})}
        full: Json = {
            **meta,
            "files": list(self._pool.files),
            "maximum": wanted.maximum,
            "minimum": wanted.minimum,
            "exclude_train": wanted.exclude_train,
            **self._counts,
            "added": int(chosen.size),
            "added_trained_on": added_trained,
            "pool_shared": {name: found.to_json() for name, found in shared.items()},
        }
        scores = _joined(self._calibration, self._pool, chosen)
        return Rebalanced(scores, full, int(chosen.size), added_trained)

    def _drop(self, which: NDArray[np.bool_]) -> int:
        count = int(np.count_nonzero(which & self._left))
        self._left &= ~which
        return count


def _counts_text(counts: Json) -> str:
    parts = {"not negative": counts["not_negative"], "incomplete": counts["incomplete"]}
    parts |= {REASONS[name]: count for name, count in counts["removed"].items()}
    told = [f"{count:,} {name}" for name, count in parts.items() if count]
    return f"of {counts['pool_rows']:,}: {', '.join(told)}" if told else "there are no more"


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """Which rows of a pool another set has, by any column that both know.

    `known` are rows of which that can be told: not all of their names are empty.
    """

    rows: NDArray[np.bool_]
    known: NDArray[np.bool_]
    by: Mapping[str, int]

    @classmethod
    def between(
        cls,
        pool: LabelledScores,
        other: LabelledScores,
        *,
        groups: Collection[str] = (),
        without: Collection[str] = (),
    ) -> _Shared:
        """Compare by item and keys; `groups` alone do not tell rows apart."""
        rows = np.zeros(pool.rows, dtype=np.bool_)
        known = np.zeros(pool.rows, dtype=np.bool_)
        by = {}
        for kind, mine, theirs in _names_in_common(pool, other, without):
            found = shared_values(mine, theirs).left
            rows |= found
            if kind not in groups:
                known |= np.fromiter(map(bool, mine.tolist()), dtype=np.bool_, count=mine.size)
            by[kind] = int(np.count_nonzero(found))
        return cls(rows, known, by)

    def refuse_unknown(self, name: str) -> None:
        """Raise if nothing says which rows the two sets share."""
        if self.rows.size and not self.known.any():
            raise InputError(
                f"nothing tells which rows of the pool stand in the {name} too: no item "
                "and no key column in both",
                hint="columns: {item: NAME} says which column names items, keys: [NAME] which "
                "one is equal for equal texts.",
                code="overlap",
            )

    def to_json(self) -> Json:
        """How many rows of the whole pool, negative or not."""
        return {"rows": int(np.count_nonzero(self.rows)), "by": dict(self.by)}


def _names_in_common(
    pool: LabelledScores, other: LabelledScores, without: Collection[str]
) -> Iterator[tuple[str, Texts, Texts]]:
    if pool.items is not None and other.items is not None:
        yield ITEM, pool.items, other.items
    for name in sorted(pool.keys.keys() & other.keys.keys()):
        if name not in without:
            yield name, pool.keys[name], other.keys[name]


def _with_labels_of(pool: LabelledScores, calibration: LabelledScores) -> LabelledScores:
    lacking = [label for label in calibration.labels if label not in pool.labels]
    where = ", ".join(pool.files) or None
    if lacking:
        raise InputError(f"the pool has no label {lacking[0]!r}", where=where, code="no-label")
    if pool.is_logit != calibration.is_logit:
        raise InputError(
            "one of pool and calibration set has logits, the other scores",
            where=where,
            code="columns",
        )
    return replace(pool, labels={label: pool.labels[label] for label in calibration.labels})


def _complete(pool: LabelledScores) -> NDArray[np.bool_]:
    """Rows with a score and a truth for every label."""
    complete = np.ones(pool.rows, dtype=np.bool_)
    for column in pool.labels.values():
        here = np.zeros(pool.rows, dtype=np.bool_)
        here[column.rows] = True
        complete &= here
    return complete


def _truth_by_row(pool: LabelledScores, label: str) -> Truth:
    column = pool.labels[label]
    truth = np.zeros(pool.rows, dtype=np.bool_)
    truth[column.rows] = column.truth
    return truth


def _own_order(pool: LabelledScores, rows: Rows) -> Rows:
    """The rows by name, then by keys, then by scores and truth: equal rows are equal in all."""
    texts = [pool.items, *(pool.keys[name] for name in sorted(pool.keys))]
    columns: list[NDArray[np.generic]] = [_ranks(one[rows]) for one in texts if one is not None]
    for label in sorted(pool.labels):
        column = pool.labels[label]
        places = np.searchsorted(column.rows, rows)
        columns += [column.scores[places], column.truth[places]]
    return rows[np.lexsort(columns[::-1])] if rows.size else rows


def _ranks(texts: Texts) -> NDArray[np.intp]:
    values = texts.tolist()
    rank = {text: number for number, text in enumerate(sorted(set(values)))}
    return np.fromiter(map(rank.__getitem__, values), dtype=np.intp, count=len(values))


def _first_of_each(pool: LabelledScores, rows: Rows, *, without: Collection[str]) -> Rows:
    """The rows without those whose name or key an earlier one has."""
    columns = [pool.keys[name] for name in sorted(pool.keys) if name not in without]
    for texts in [pool.items, *columns]:
        if texts is None:
            continue
        values = texts[rows].tolist()
        first: dict[str, int] = {}
        for place, text in enumerate(values):
            first.setdefault(text, place)
        kept = [not text or first[text] == place for place, text in enumerate(values)]
        rows = rows[np.array(kept, dtype=np.bool_)]
    return rows


def _joined(calibration: LabelledScores, pool: LabelledScores, rows: Rows) -> LabelledScores:
    """Both sets in one table, the pool's rows last; `rows` all have every label."""
    added = np.arange(calibration.rows, calibration.rows + rows.size)
    labels = {}
    for label, old in calibration.labels.items():
        new = pool.labels[label]
        places = np.searchsorted(new.rows, rows)
        labels[label] = LabelledColumn(
            np.concatenate([old.scores, new.scores[places]]),
            np.concatenate([old.truth, new.truth[places]]),
            np.concatenate([old.rows, added]),
        )
    items = None
    if calibration.items is not None and pool.items is not None:
        items = np.concatenate([calibration.items, pool.items[rows]])
    nothing = np.full(rows.size, "", dtype=np.object_)
    keys = {
        name: np.concatenate([texts, pool.keys[name][rows] if name in pool.keys else nothing])
        for name, texts in calibration.keys.items()
    }
    return replace(
        calibration,
        labels=labels,
        rows=calibration.rows + int(rows.size),
        items=items,
        keys=keys,
        files=tuple(sorted({*calibration.files, *pool.files})),
    )
