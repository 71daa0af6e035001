"""The familiar search over temperatures and thresholds, for those who must compare with it.

A cell (T, t) fires where sigmoid(logit / T) >= t. That is a cut of the logit itself, at
T ln(t / (1 - t)), and here that cut is what decides: cells are one sort of each label and
one look-up each, and two cells are the same decision if their cuts have the same scores
above them. Computing the sigmoid and comparing it with t gives the same, except for a logit
within some rounding errors of its cut. A temperature therefore adds no decision that a
threshold alone does not have; the exact search over all thresholds is
`calreg.calibrate.shared`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.targets import Counts, exact
from calreg.errors import InputError, UsageError
from calreg.labelled import Floats, Truth

__all__ = ["Cell", "Grid", "grid_search", "parse_axis"]

_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_MOST_STEPS = 10_000
_FORM = "T=1:15:15 (lowest, highest, how many) or T=1,2,5"
_ROUNDING = 1e-12  # of a mean of float64 ratios, generously


@dataclass(frozen=True, slots=True)
class Cell:
    """One temperature with one threshold.

    Args:
        temperature: What logits are divided by.
        threshold: Of the probability.
        logit_cut: The same decision as a cut of the logit.
        micro_f1: F1 of the counts of all labels.
        macro_f1: Mean of the F1 of the labels.
        group: Cells with the same number make the same decision on all these scores.
    """

    temperature: float
    threshold: float
    logit_cut: float
    micro_f1: float
    macro_f1: float
    group: int


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """What every cell comes to; arrays have shape (temperatures, thresholds).

    Args:
        temperatures: Of the rows.
        thresholds: Of the columns.
        logit_cuts: float64.
        micro_f1: float64.
        macro_f1: float64.
        groups: intp; 0 is the group with the lowest cuts.
        best_micro: The cell with the highest micro F1; of a tie the one with the highest cut,
            then the one that comes first.
        best_macro: The same for macro F1.
    """

    temperatures: tuple[float, ...]
    thresholds: tuple[float, ...]
    logit_cuts: NDArray[np.float64]
    micro_f1: NDArray[np.float64]
    macro_f1: NDArray[np.float64]
    groups: NDArray[np.intp]
    best_micro: Cell
    best_macro: Cell

    def cell(self, row: int, column: int) -> Cell:
        """One cell by its place."""
        at = row, column
        return Cell(
            temperature=self.temperatures[row],
            threshold=self.thresholds[column],
            logit_cut=float(self.logit_cuts[at]),
            micro_f1=float(self.micro_f1[at]),
            macro_f1=float(self.macro_f1[at]),
            group=int(self.groups[at]),
        )

    def same_decisions(self) -> tuple[tuple[Cell, ...], ...]:
        """The groups of two cells and more, from the lowest cuts up."""
        members: dict[int, list[Cell]] = {}
        for row, column in np.ndindex(self.groups.shape):
            found = self.cell(row, column)
            members.setdefault(found.group, []).append(found)
        return tuple(tuple(cells) for _, cells in sorted(members.items()) if len(cells) > 1)


def grid_search(
    columns: Sequence[tuple[Floats, Truth]],
    temperatures: Sequence[float],
    thresholds: Sequence[float],
) -> Grid:
    """Micro and macro F1 of every temperature with every threshold.

    Args:
        columns: Logits and truth of each label: float32 or float64 and bool, shape (n,).
        temperatures: Above 0.
        thresholds: Between 0 and 1, both excluded.

    Raises:
        InputError: No labels, or a logit that is not finite.
        UsageError: No temperatures or thresholds, or one out of its range.

    >>> logits, truth = np.array([-1.0, 0.5, 2.0]), np.array([False, False, True])
    >>> grid = grid_search([(logits, truth)], [1.0, 2.0], [0.5, 0.75])
    >>> grid.best_micro.temperature, grid.best_micro.threshold, grid.best_micro.micro_f1
    (1.0, 0.75, 1.0)
    """
    _check(temperatures, "temperature", math.inf)
    _check(thresholds, "threshold", 1.0)
    if not columns:
        raise InputError("no labels", code="scores")
    odds = [exact(float(t)) / (1 - exact(float(t))) for t in thresholds]
    cuts = np.outer(temperatures, [math.log(one) for one in odds])
    counts = np.array([_counts(scores, truth, cuts.ravel()) for scores, truth in columns])
    positives = np.array([np.count_nonzero(truth) for _, truth in columns])[:, None]
    tp, fired = counts[:, 0], counts[:, 1]
    part, whole = 2 * tp, fired + positives
    micro = _ratios(part.sum(axis=0), whole.sum(axis=0))
    macro = _ratios(part, whole).mean(axis=0)
    groups = _groups(cuts.ravel(), fired)
    micro_at = _best(micro, part.sum(axis=0)[None], whole.sum(axis=0)[None], groups, cuts)
    macro_at = _best(macro, part, whole, groups, cuts)
    return _grid(temperatures, thresholds, cuts, (micro, macro, groups), (micro_at, macro_at))


def _grid(
    temperatures: Sequence[float],
    thresholds: Sequence[float],
    cuts: NDArray[np.float64],
    flat: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]],
    best: tuple[int, int],
) -> Grid:
    micro, macro, groups = flat
    cells = [
        Cell(
            temperature=float(temperatures[at // len(thresholds)]),
            threshold=float(thresholds[at % len(thresholds)]),
            logit_cut=float(cuts.flat[at]),
            micro_f1=float(micro[at]),
            macro_f1=float(macro[at]),
            group=int(groups[at]),
        )
        for at in best
    ]
    return Grid(
        tuple(map(float, temperatures)),
        tuple(map(float, thresholds)),
        cuts,
        micro.reshape(cuts.shape),
        macro.reshape(cuts.shape),
        groups.reshape(cuts.shape),
        *cells,
    )


def _check(values: Sequence[float], name: str, top: float) -> None:
    if not len(values):
        raise UsageError(f"a grid needs at least one {name}, got none", code="grid")
    for value in values:
        if not 0.0 < value < top:
            expected = "a number above 0" if top == math.inf else "between 0 and 1, both excluded"
            raise UsageError(f"expected a {name} {expected}, got {value!r}", code="grid")


def _counts(scores: Floats, truth: Truth, cuts: NDArray[np.float64]) -> Counts:
    """int64, shape (2, cells): positives that fire, and all that fire."""
    positives, everything = np.sort(scores[truth]), np.sort(scores)
    if everything.size and not (np.isfinite(everything[0]) and np.isfinite(everything[-1])):
        raise InputError("scores must be finite, got NaN or infinity", code="scores")
    least = _least_firing(cuts, scores.dtype)
    tp = positives.size - np.searchsorted(positives, least)
    return np.array([tp, everything.size - np.searchsorted(everything, least)])


def _least_firing(cuts: NDArray[np.float64], kind: np.dtype[Any]) -> Floats:
    """The lowest number of a float type that is not below each cut."""
    least: Floats = cuts.astype(kind)
    return np.where(least < cuts, np.nextafter(least, kind.type(np.inf)), least)


def _ratios(part: Counts, whole: Counts) -> NDArray[np.float64]:
    return part / np.maximum(whole, 1)  # 0 / 0 is 0


def _groups(cuts: NDArray[np.float64], fired: Counts) -> NDArray[np.intp]:
    """A number per cell: what fires at a cut contains what fires above it, so counts tell."""
    order = np.argsort(cuts, kind="stable")
    differs = np.any(np.diff(fired[:, order], axis=1) != 0, axis=0)
    groups = np.empty(cuts.size, dtype=np.intp)
    groups[order] = np.concatenate([[0], np.cumsum(differs)])
    return groups


def _best(
    values: NDArray[np.float64],
    part: Counts,
    whole: Counts,
    groups: NDArray[np.intp],
    cuts: NDArray[np.float64],
) -> int:
    """The cell with the highest exact mean; of a tie the highest cut, then the first."""
    near = np.flatnonzero(values >= values.max() - _ROUNDING)
    exactly: dict[int, Fraction] = {}
    for at in near.tolist():
        if groups[at] not in exactly:
            pairs = zip(part[:, at].tolist(), whole[:, at].tolist(), strict=True)
            exactly[int(groups[at])] = sum((Fraction(a, b or 1) for a, b in pairs), Fraction(0))
    ranked = [(exactly[int(groups[at])], float(cuts.flat[at]), -at) for at in near.tolist()]
    return -max(ranked)[2]


def parse_axis(text: str) -> tuple[str, tuple[float, ...]]:
    """The name and the values of one axis of a grid, `T` or `t`.

    Steps between two ends are decimals as people write them: 0.1:0.9:9 holds 0.3 and not
    0.30000000000000004.

    Raises:
        UsageError: Not such an axis, or values out of range.

    >>> parse_axis("t=0.1:0.5:5")
    ('t', (0.1, 0.2, 0.3, 0.4, 0.5))
    """
    name, equals, rest = text.partition("=")
    if name not in {"T", "t"} or not equals:
        raise UsageError(
            f"{text!r}: expected an axis T= (temperatures) or t= (thresholds)",
            hint=f"for example {_FORM}",
            code="grid",
        )
    parts = rest.split(":")
    values = _steps(text, *parts) if len(parts) == 3 else _listed(text, rest)
    try:
        _check(values, *(("temperature", math.inf) if name == "T" else ("threshold", 1.0)))
    except UsageError as error:
        raise UsageError(f"{text!r}: {error.message}", code="grid") from error
    return name, values


def _listed(text: str, rest: str) -> tuple[float, ...]:
    values = tuple(float(_decimal(text, part)) for part in rest.split(","))
    if len(set(values)) != len(values):
        raise UsageError(f"{text!r}: expected values that differ", code="grid")
    return values


def _steps(text: str, lowest: str, highest: str, count: str) -> tuple[float, ...]:
    low, high = _decimal(text, lowest), _decimal(text, highest)
    if not (re.fullmatch(r"[0-9]{1,6}", count) and 2 <= int(count) <= _MOST_STEPS):
        raise UsageError(
            f"{text!r}: expected a number of values from 2 to {_MOST_STEPS:,}, got {count!r}",
            hint=f"for example {_FORM}",
            code="grid",
        )
    if not low < high:
        raise UsageError(
            f"{text!r}: expected the lower end first, got {lowest!r} and {highest!r}", code="grid"
        )
    step = (high - low) / (int(count) - 1)
    return tuple(float(low + step * number) for number in range(int(count)))


def _decimal(text: str, part: str) -> Fraction:
    value = float(part) if _NUMBER.fullmatch(part) else math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"{text!r}: expected numbers, got {part!r}",
            hint=f"for example {_FORM}",
            code="grid",
        )
    return exact(value)
