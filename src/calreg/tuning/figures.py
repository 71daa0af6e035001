"""Figures by which ways of calibrating are compared, by name: `macro_recall`, `worst_fpr`.

A figure of one label is a share of its four counts (`recall`, `fpr`, `f0.5`,
`cost@fp=1,fn=20`) or one of its evidence (`auroc`, `nll`). A prefix says how labels are put
together: `macro_` is their mean, `worst_` the worst of them, `micro_` the share of all
counts together. Formulas take arrays of counts, so that resampled sets are judged by the
same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.objectives import parse_objective
from calreg.documents import Confusion
from calreg.errors import InputError, UsageError
from calreg.evaluate import LabelEvidence
from calreg.names import nearest

__all__ = ["KNOWN", "Counts", "Figure", "Together", "figure_named", "figure_of_labels"]

Counts: TypeAlias = NDArray[np.float64]
"""tp, fp, fn, tn along the last axis."""

_Formula: TypeAlias = Callable[[Counts], NDArray[np.float64]]


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _precision(counts: Counts) -> NDArray[np.float64]:
    return _share(counts[..., 0], counts[..., 0] + counts[..., 1])


def _recall(counts: Counts) -> NDArray[np.float64]:
    return _share(counts[..., 0], counts[..., 0] + counts[..., 2])


def _fpr(counts: Counts) -> NDArray[np.float64]:
    return _share(counts[..., 1], counts[..., 1] + counts[..., 3])


def _youden(counts: Counts) -> NDArray[np.float64]:
    return _recall(counts) - _fpr(counts)


def _f_beta(beta: float) -> _Formula:
    weight = beta * beta

    def formula(counts: Counts) -> NDArray[np.float64]:
        tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
        hits = (1.0 + weight) * tp
        return _share(hits, hits + weight * fn + fp)

    return formula


def _cost(fp_cost: float, fn_cost: float) -> _Formula:
    def formula(counts: Counts) -> NDArray[np.float64]:
        return _share(
            fp_cost * counts[..., 1] + fn_cost * counts[..., 2], np.asarray(counts.sum(axis=-1))
        )

    return formula


@dataclass(frozen=True, slots=True)
class Figure:
    """One label's figure.

    Args:
        name: As it is written.
        is_better_high: Whether more is better.
        words: What to call it in a sentence.
        formula: Of counts; None for a figure of the evidence.
    """

    name: str
    is_better_high: bool
    words: str
    formula: _Formula | None = None

    def of(self, evidence: LabelEvidence) -> float | None:
        """The figure of one label on one set; None where it is not defined."""
        if self.formula is not None:
            found = evidence.confusion
            return None if found is None else float(self.formula(_array(found)))
        value = evidence.to_json()[self.name]
        return None if value is None else float(value)

    def is_better(self, one: float, other: float) -> bool:
        """Whether one value is better than the other; equal ones are not."""
        return one > other if self.is_better_high else one < other

    def keeps(self, value: float, limit: float) -> bool:
        """Whether a value is on the good side of a limit, or on it."""
        return value >= limit if self.is_better_high else value <= limit


def _array(counts: Confusion) -> Counts:
    return np.array([counts.tp, counts.fp, counts.fn, counts.tn], dtype=np.float64)


_FIXED = {
    figure.name: figure
    for figure in (
        Figure("precision", True, "precision", _precision),
        Figure("recall", True, "recall", _recall),
        Figure("f1", True, "F1", _f_beta(1.0)),
        Figure("fpr", False, "FPR", _fpr),
        Figure("youden", True, "recall less FPR", _youden),
        Figure("auroc", True, "AUROC"),
        Figure("average_precision", True, "average precision"),
        Figure("brier", False, "Brier score"),
        Figure("nll", False, "NLL"),
        Figure("ece15_equal_width", False, "ECE (15 bins of equal width)"),
        Figure("ece15_equal_mass", False, "ECE (15 bins of equal mass)"),
    )
}
KNOWN = tuple(_FIXED)
"""Names of figures, beside `f<beta>` and `cost@fp=<cost>,fn=<cost>`."""


def figure_named(name: str) -> Figure:
    """The figure of one label that a name means.

    Raises:
        InputError: It means none.

    >>> figure_named("f0.5").words, figure_named("fpr").is_better_high
    ('F0.5', False)
    """
    if name in _FIXED:
        return _FIXED[name]
    try:
        if name.startswith("cost@"):
            found = parse_objective(f"min-{name}")
            return Figure(
                found.text.removeprefix("min-"),
                False,
                f"cost per item ({name.removeprefix('cost@')})",
                _cost(found.fp_cost or 0.0, found.fn_cost or 0.0),
            )
        if name[:1] == "f":
            beta = parse_objective(f"max-{name}").beta or 1.0
            return Figure(name, True, name.upper(), _f_beta(beta))
    except UsageError:
        pass  # the answer below names what there is
    raise InputError(f"no figure {name!r}", hint=nearest(name, KNOWN), code="figure")


@dataclass(frozen=True, slots=True)
class Together:
    """A figure of several labels: `how` is macro, micro or worst."""

    how: str
    figure: Figure

    @property
    def name(self) -> str:
        """As it is written."""
        return f"{self.how}_{self.figure.name}"

    @property
    def words(self) -> str:
        """What to call it in a sentence."""
        return f"{self.how} {self.figure.words}"

    def of(self, labels: Mapping[str, LabelEvidence]) -> float | None:
        """The figure of these labels; None where one of them has none."""
        own = [self.figure.of(evidence) for evidence in labels.values()]
        known = [value for value in own if value is not None]
        if len(known) < len(own) or not known:
            return None
        if self.how == "macro":
            return math.fsum(known) / len(known)
        if self.how == "worst":
            return min(known) if self.figure.is_better_high else max(known)
        counts = [one.confusion for one in labels.values() if one.confusion is not None]
        pooled = sum(counts, Confusion(0, 0, 0, 0))
        return None if self.figure.formula is None else float(self.figure.formula(_array(pooled)))

    def of_counts(self, counts: Counts) -> NDArray[np.float64] | None:
        """The same of counts, shape (sets, labels, 4); None for a figure of no counts."""
        formula = self.figure.formula
        if formula is None:
            return None
        if self.how == "micro":
            return formula(counts.sum(axis=1))
        own = formula(counts)
        if self.how == "macro":
            return np.asarray(own.mean(axis=1))
        return np.asarray(own.min(axis=1) if self.figure.is_better_high else own.max(axis=1))


_HOW = ("macro", "micro", "worst")


def figure_of_labels(name: str) -> Together:
    """The figure of several labels that a name such as `macro_f1` means.

    Raises:
        InputError: It means none; `micro_` of a figure that is no share of counts.

    >>> figure_of_labels("worst_fpr").words
    'worst FPR'
    """
    how, _, rest = name.partition("_")
    try:
        figure = figure_named(rest if how in _HOW else "")
    except InputError as error:
        known = [f"{prefix}_{one}" for prefix in _HOW for one in KNOWN]
        raise InputError(
            f"no figure of several labels {name!r}", hint=nearest(name, known), code="figure"
        ) from error
    if how == "micro" and figure.formula is None:
        raise InputError(
            f"{figure.words} is no share of counts, so there is no {name}",
            hint=f"macro_{figure.name}",
            code="figure",
        )
    return Together(how, figure)
