"""Two signals on the same items: what both flag, what only one does, and what neither.

The items that show most of each are those that lie furthest from both thresholds, each on
its own side; distances are ranks, so that signals on different scales weigh the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Direction, Json
from calreg.errors import InputError
from calreg.evaluate.checked import checked_firing, checked_scores
from calreg.evaluate.intervals import clopper_pearson
from calreg.labelled import Floats, LabelledColumn, Truth

__all__ = ["QUADRANTS", "Quadrant", "Signal", "TruthRate", "quadrants"]

QUADRANTS: Mapping[str, tuple[bool, bool]] = {
    "both": (True, True),
    "only_a": (True, False),
    "only_b": (False, True),
    "neither": (False, False),
}
"""Whether the first signal fires there, and the second."""


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """A label's scores with what was decided on them.

    Args:
        name: As in the report.
        column: Its scores, truth and rows.
        fires: What was decided, shape (n,).
        direction: Which end of the scores speaks for the label.
        output: What was decided on, where it is not the raw score (a softmax): high fires.
    """

    name: str
    column: LabelledColumn
    fires: NDArray[np.bool_]
    direction: Direction = "higher"
    output: Floats | None = None


@dataclass(frozen=True, slots=True)
class TruthRate:
    """How many of a quadrant's items are positive, by one signal's truth.

    Args:
        positives: Items whose truth is 1.
        rate: Their share; 0 of no items.
        low: Lower end of its 95 % Clopper–Pearson interval.
        high: Its upper end.
    """

    positives: int
    rate: float
    low: float
    high: float

    def to_json(self) -> Json:
        """The rate as a plain object."""
        return {
            "positives": self.positives,
            "rate": self.rate,
            "rate_interval": [self.low, self.high],
        }


@dataclass(frozen=True, slots=True)
class Quadrant:
    """The items on which two signals decided in one of the four ways.

    Args:
        n: How many.
        truth: By signal's name; the two are equal where the signals have one truth.
        rows: Rows of the table of the most telling items, the most telling first.
    """

    n: int
    truth: Mapping[str, TruthRate]
    rows: tuple[int, ...]

    def to_json(self) -> Json:
        """The quadrant as a plain object."""
        return {
            "n": self.n,
            "truth": {name: rate.to_json() for name, rate in self.truth.items()},
            "rows": list(self.rows),
        }


def quadrants(a: Signal, b: Signal, *, examples: int = 5) -> dict[str, Quadrant]:
    """The four quadrants by name, over the rows that both signals have.

    The most telling items of a quadrant have the greatest sum of two distances: for each
    signal the share of the items on the same side of its threshold that lie nearer to it,
    ties counting half. Of equals the earlier row comes first.

    Raises:
        InputError: No common row, two signals of one name, `examples` below 0, or arrays
            that do not fit each other.
    """
    if a.name == b.name:
        raise InputError(f"expected two signals, got {a.name!r} twice", code="quadrants")
    if examples < 0:
        raise InputError(f"expected a number of examples, got {examples}", code="quadrants")
    for signal in (a, b):
        checked_scores(signal.column.scores, signal.column.truth)
        checked_firing(signal.fires, signal.column.truth)
    rows, in_a, in_b = np.intersect1d(
        a.column.rows, b.column.rows, assume_unique=True, return_indices=True
    )
    if not rows.size:
        raise InputError(f"{a.name!r} and {b.name!r} have no row in common", code="quadrants")
    fires_a, fires_b = a.fires[in_a], b.fires[in_b]
    telling = _distances(a, in_a) + _distances(b, in_b)
    truths = {a.name: a.column.truth[in_a], b.name: b.column.truth[in_b]}
    return {
        name: _quadrant((fires_a == by_a) & (fires_b == by_b), truths, telling, rows, examples)
        for name, (by_a, by_b) in QUADRANTS.items()
    }


def _quadrant(
    mask: NDArray[np.bool_],
    truths: Mapping[str, Truth],
    telling: NDArray[np.float64],
    rows: NDArray[np.intp],
    examples: int,
) -> Quadrant:
    inside = np.flatnonzero(mask)
    order = np.argsort(-telling[inside], kind="stable")[:examples]
    return Quadrant(
        n=inside.size,
        truth={name: _rate(truth[inside]) for name, truth in truths.items()},
        rows=tuple(rows[inside[order]].tolist()),
    )


def _rate(truth: Truth) -> TruthRate:
    positives = int(np.count_nonzero(truth))
    rate = positives / truth.size if truth.size else 0.0
    return TruthRate(positives, rate, *clopper_pearson(positives, truth.size))


def _distances(signal: Signal, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    """How far each chosen item lies from the threshold, as a share of those on its side."""
    shown = signal.column.scores if signal.output is None else signal.output
    is_high = signal.output is not None or signal.direction == "higher"
    towards = shown[chosen] if is_high else -shown[chosen]
    fires = signal.fires[chosen]
    distances = np.empty(chosen.size)
    for mask, sign in ((fires, 1), (~fires, -1)):
        side = towards[mask] * sign
        ordered = np.sort(side)
        nearer = np.searchsorted(ordered, side, side="left") + np.searchsorted(
            ordered, side, side="right"
        )
        distances[mask] = nearer / (2.0 * max(1, side.size))
    return distances
