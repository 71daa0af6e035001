"""Whether one way of calibrating is better than another on the same items, or only seems so.

Items are drawn anew, with both decisions and the truth that each of them has, so that what
is easy for both cancels out. Items that are alike in all of that are drawn together, which
makes a million as cheap as their few kinds; where the kinds are many, groups of items are
left out in turn instead. A mean loss needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calreg.evaluate import NLL_CLIP, Interval
from calreg.labelled import Floats, LabelledScores, Truth
from calreg.tuning.figures import Together
from calreg.tuning.tune import Outputs

__all__ = ["difference_interval"]

_Fires = Mapping[str, NDArray[np.bool_] | None]
_Said = Mapping[str, Floats | None]

_NORMAL_95 = 1.959963984540054
_RESAMPLES = 2000
_CELLS = 4_000_000
_FEW_STATES = 50_000
_GROUPS = 200


def difference_interval(
    holdout: LabelledScores, one: Outputs, other: Outputs, figure: Together, *, seed: int = 0
) -> Interval | None:
    """Where the difference of a figure, `one` less `other`, lies with a confidence of 95 %.

    By the bootstrap for figures of counts, or by a jackknife of 200 groups where items are
    of many kinds; by the normal distribution for mean losses; None for other figures, and
    where one of the two says nothing.

    Args:
        holdout: The items, with their truth.
        one: What was said and decided, by label, in the order of the label's scores.
        other: What was said and decided otherwise, of the same labels.
        figure: What is compared.
        seed: Of the resampling.

    References:
        Efron & Tibshirani (1993), An introduction to the bootstrap, ch. 8: pairs are drawn
        together; ch. 11: the jackknife.
    """
    if not holdout.rows:
        return None
    if figure.name in {"macro_nll", "macro_brier"}:
        return _of_losses(holdout, one.probabilities, other.probabilities, figure.figure.name)
    return _of_decisions(holdout, one.fires, other.fires, figure, seed)


def _of_losses(holdout: LabelledScores, one: _Said, other: _Said, name: str) -> Interval | None:
    difference = np.zeros(holdout.rows)
    for label, said in one.items():
        instead, column = other[label], holdout.labels[label]
        if said is None or instead is None or not column.truth.size:
            return None
        losses = _losses(said, column.truth, name) - _losses(instead, column.truth, name)
        difference[column.rows] += losses / (column.truth.size * len(one))
    spread = _NORMAL_95 * float(np.sqrt(holdout.rows) * difference.std())
    middle = float(difference.sum())
    return middle - spread, middle + spread


def _losses(said: Floats, truth: Truth, name: str) -> Floats:
    if name == "brier":
        return np.asarray(np.square(said - truth))
    return np.asarray(-np.log(np.maximum(np.where(truth, said, 1.0 - said), NLL_CLIP)))


def _of_decisions(
    holdout: LabelledScores, one: _Fires, other: _Fires, figure: Together, seed: int
) -> Interval | None:
    sure, instead = _decided(one), _decided(other)
    if figure.figure.formula is None or sure is None or instead is None:
        return None
    kinds = _Kinds.of(holdout, sure, instead)
    way = _drawn if kinds.states.size <= _FEW_STATES else _left_out
    return way(kinds, holdout.rows, figure, seed)


def _decided(fires: _Fires) -> Mapping[str, NDArray[np.bool_]] | None:
    found = {label: decided for label, decided in fires.items() if decided is not None}
    return found if len(found) == len(fires) else None


def _drawn(kinds: _Kinds, items: int, figure: Together, seed: int) -> Interval | None:
    generator = np.random.default_rng(seed)
    differences: list[NDArray[np.float64]] = []
    left = _RESAMPLES
    while left:
        size = min(left, max(1, _CELLS // kinds.sizes.size))
        weights = generator.multinomial(items, kinds.sizes / items, size=size)
        mine = figure.of_counts(kinds.counts(weights, 0))
        theirs = figure.of_counts(kinds.counts(weights, 1))
        if mine is None or theirs is None:
            return None
        differences.append(mine - theirs)
        left -= size
    low, high = np.quantile(np.concatenate(differences), [0.025, 0.975])
    return float(low), float(high)


def _left_out(kinds: _Kinds, items: int, figure: Together, seed: int) -> Interval | None:
    groups = np.random.default_rng(seed).permutation(items) % _GROUPS
    parts = [kinds.grouped(groups, which) for which in (0, 1)]
    found = []
    for counts in parts:
        whole = counts.sum(axis=0)
        value = figure.of_counts(np.concatenate([whole[None], whole - counts]))
        if value is None:
            return None
        found.append(value)
    differences = found[0] - found[1]
    rest = differences[1:]
    spread = float(np.sqrt((_GROUPS - 1) / _GROUPS * np.square(rest - rest.mean()).sum()))
    middle = float(differences[0])
    return middle - _NORMAL_95 * spread, middle + _NORMAL_95 * spread


@dataclass(frozen=True, slots=True, eq=False)
class _Kinds:
    """Items of one kind have the same truth and the same decisions for every label.

    `states` has the shape (kinds, labels): 0 where a label says nothing, else
    1 + truth + 2 · one + 4 · other.
    """

    states: NDArray[np.uint8]
    sizes: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        holdout: LabelledScores,
        one: Mapping[str, NDArray[np.bool_]],
        other: Mapping[str, NDArray[np.bool_]],
    ) -> _Kinds:
        """Count the items of every kind."""
        states = np.zeros((holdout.rows, len(one)), dtype=np.uint8)
        for place, label in enumerate(one):
            column = holdout.labels[label]
            found = 1 + column.truth.astype(np.uint8)
            found += 2 * one[label].astype(np.uint8)
            found += 4 * other[label].astype(np.uint8)
            states[column.rows, place] = found
        kinds, sizes = np.unique(states, axis=0, return_counts=True)
        return cls(kinds, sizes)

    def counts(self, weights: NDArray[np.integer], which: int) -> NDArray[np.float64]:
        """tp, fp, fn, tn of one of the two, shape (resamples, labels, 4)."""
        present = self.states > 0
        bits = self.states - present  # 0 stays 0; the others lose their 1
        truth = (bits & 1).astype(np.bool_)
        fired = (bits & (2 << which)).astype(np.bool_)
        cells = (fired & truth, fired & ~truth, ~fired & truth, ~fired & ~truth)
        drawn = weights.astype(np.float64)
        return np.stack([drawn @ (present & cell).astype(np.float64) for cell in cells], axis=-1)

    def grouped(self, groups: NDArray[np.integer], which: int) -> NDArray[np.float64]:
        """tp, fp, fn, tn of one of the two, shape (groups, labels, 4).

        `groups` has the items' groups, kind after kind.
        """
        kind_of = np.repeat(np.arange(self.sizes.size), self.sizes)
        counts = []
        for label in self.states.T:
            states = label[kind_of].astype(np.intp)
            here = states > 0
            bits = states[here] - 1
            truth, fired = bits & 1, (bits >> (1 + which)) & 1
            cells = 4 * groups[here] + 2 * (1 - fired) + (1 - truth)
            counts.append(np.bincount(cells, minlength=4 * _GROUPS).reshape(_GROUPS, 4))
        return np.stack(counts, axis=1).astype(np.float64)
