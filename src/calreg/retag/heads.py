"""All labels of one head under two calibrations.

Labels are looked at one by one, but for a softmax, whose labels share their probabilities:
there both calibrations are applied to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Calibration, LabelCalibration
from calreg.errors import InputError
from calreg.methods import apply_head, fires, is_shared
from calreg.retag.labels import LabelRetag, decides_alike
from calreg.retag.outcomes import Bools, Bytes, Floats, Outcome, changes_between, outcome_of
from calreg.retag.rules import RetagRules

__all__ = ["HeadRetag"]

_Labels = Mapping[str, LabelCalibration]


@dataclass(frozen=True)
class HeadRetag:
    """The items whose outcome changes for one head.

    Args:
        before: The head's calibration until now; None if it had none.
        after: The one from now on; None if it has none.
        rules: What counts as a change.
    """

    before: Calibration | None
    after: Calibration | None
    rules: RetagRules

    @cached_property
    def _sides(self) -> tuple[_Labels, _Labels]:
        return tuple(  # type: ignore[return-value]  # two of them
            {} if side is None else side.labels for side in (self.before, self.after)
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The labels of either calibration, by name."""
        before, after = self._sides
        return tuple(sorted(before.keys() | after.keys()))

    @cached_property
    def is_shared(self) -> bool:
        """Whether one of the two is a softmax: then the scores of all labels are needed."""
        return any(map(is_shared, self._sides))

    @cached_property
    def is_same(self) -> bool:
        """Whether the two are one rule for every label, whatever the evidence for it."""
        before, after = self._sides
        return before.keys() == after.keys() and all(
            decides_alike(numbers, after[name]) for name, numbers in before.items()
        )

    @cached_property
    def labels(self) -> Mapping[str, LabelRetag]:
        """Label by label; none for a softmax.

        Raises:
            InputError: A calibration that cannot be applied, as `LabelRetag`.
        """
        if self.is_shared:
            return {}
        before, after = self._sides
        return {name: _placed(name, before, after, self.rules) for name in self.names}

    def changed(self, scores: Mapping[str, NDArray[np.floating]]) -> dict[str, Bools]:
        """Whether the outcome of each score changes, by label.

        Args:
            scores: Labels and their raw scores; for a softmax of all its labels, one shape.

        Raises:
            InputError: A label that neither calibration has, or one that a softmax lacks.
        """
        if self.is_shared:
            return {name: found > 0 for name, found in self.changes(scores).items()}
        self._check(scores)
        return {name: self.labels[name].contains(column) for name, column in scores.items()}

    def changes(self, scores: Mapping[str, NDArray[np.floating]]) -> dict[str, Bytes]:
        """Why the outcome of each score changes, as bytes of reasons by label; as `changed`."""
        columns = {name: np.asarray(column, np.float64) for name, column in scores.items()}
        before, after = self.outcomes(columns)
        return {
            name: changes_between(
                before.get(name), after.get(name), np.isfinite(column), self.rules
            )
            for name, column in columns.items()
        }

    def outcomes(
        self, columns: Mapping[str, Floats]
    ) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
        """What each of the two calibrations makes of the labels that it has; as `changed`."""
        self._check(columns)
        before, after = (_outcomes(side, columns) for side in self._sides)
        return before, after

    def _check(self, scores: Mapping[str, object]) -> None:
        unknown = sorted(scores.keys() - set(self.names))
        if unknown:
            raise InputError(
                f"no label {unknown[0]!r} before or after; there are {', '.join(self.names)}",
                code="unknown-label",
            )


def _placed(name: str, before: _Labels, after: _Labels, rules: RetagRules) -> LabelRetag:
    try:
        return LabelRetag(before.get(name), after.get(name), rules)
    except InputError as error:
        error.where = error.where or f"label {name!r}"
        raise


def _outcomes(labels: _Labels, columns: Mapping[str, Floats]) -> dict[str, Outcome]:
    there = {name: column for name, column in columns.items() if name in labels}
    if not is_shared(labels):
        return {name: outcome_of(labels[name], column) for name, column in there.items()}
    values = apply_head(labels, there)
    return {
        name: Outcome(values[name], _fired(labels[name], column, values[name]))
        for name, column in there.items()
    }


def _fired(label: LabelCalibration, column: Floats, value: Floats) -> Bools:
    if label.decision is None:
        return np.zeros(column.shape, np.bool_)
    return np.asarray(fires(label, column, output=value), np.bool_)
