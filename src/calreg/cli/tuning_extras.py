"""What `calreg tune` shows on request beside its thresholds: the grid, and the quadrants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from calreg.calibrate.grid import Grid, grid_search, parse_axis
from calreg.errors import InputError, UsageError
from calreg.evaluate import Quadrant, Signal, quadrants
from calreg.labelled import LabelledScores
from calreg.report.numbers import Signs
from calreg.report.tune_extras import grid_json, grid_lines, quadrant_lines
from calreg.tuning import Tuned, outputs_of
from calreg.tuning.maps import aligned

if TYPE_CHECKING:
    from calreg.cli.tuning import Asked

__all__ = ["Extras", "extras_of"]


@dataclass(frozen=True, slots=True)
class Extras:
    """What was asked for beside the thresholds; None where it was not."""

    grid: Grid | None
    quadrants: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Only what was asked for."""
        found: dict[str, Any] = {}
        if self.grid is not None:
            found["grid"] = grid_json(self.grid)
        if self.quadrants is not None:
            found["quadrants"] = self.quadrants
        return found

    def lines(self, signs: Signs) -> list[Text]:
        """The same for a person."""
        lines: list[Text] = []
        if self.grid is not None:
            lines += [Text(), *grid_lines(self.grid, signs=signs)]
        if self.quadrants is not None:
            lines += [Text(), *quadrant_lines(self.quadrants, signs=signs)]
        return lines


def extras_of(
    asked: Asked, calibration: LabelledScores, holdout: LabelledScores | None, tuned: Tuned
) -> Extras:
    """The grid on the calibration set; the quadrants on the holdout where there is one."""
    grid = _grid(asked.grid, calibration) if asked.grid is not None else None
    found = None
    if asked.quadrants is not None:
        name, scores = ("holdout", holdout) if holdout is not None else ("calibration", calibration)
        found = {"on": name, **_quadrants(asked, asked.quadrants, scores, tuned)}
    return Extras(grid, found)


def _grid(axes: tuple[str, str], scores: LabelledScores) -> Grid:
    found = dict(parse_axis(axis) for axis in axes)
    if found.keys() != {"T", "t"}:
        raise UsageError(
            f"--grid: expected an axis T and an axis t, got {' '.join(axes)!r}",
            hint="--grid T=1:15:15 t=0.1:0.9:9",
        )
    if not scores.is_logit:
        raise InputError(
            "--grid divides logits by temperatures, and these columns are scores",
            hint="Name the columns logit_<label> if that is what they are.",
            code="columns",
        )
    columns = [(column.scores, column.truth) for column in scores.labels.values()]
    return grid_search(columns, found["T"], found["t"])


def _quadrants(
    asked: Asked, names: tuple[str, str], scores: LabelledScores, tuned: Tuned
) -> dict[str, Any]:
    labels = tuned.calibrations()
    if tuned.request.link == "softmax":
        scores = aligned(scores)
    outputs = outputs_of(labels, scores, tuned.request)
    signals = []
    for name in names:
        if name not in labels:
            raise UsageError(
                f"--quadrants: no label {name!r}; there are {', '.join(labels)}",
            )
        decided = outputs.fires[name]
        if decided is None:
            raise UsageError("--quadrants: these labels decide nothing", hint="Add --objective.")
        signals.append(
            Signal(
                name,
                scores.labels[name],
                decided,
                direction=labels[name].direction or "higher",
                output=outputs.probabilities[name] if tuned.request.link == "softmax" else None,
            )
        )
    found = quadrants(signals[0], signals[1], examples=asked.examples)
    return {
        "a": names[0],
        "b": names[1],
        **{
            name: {**one.to_json(), "examples": _examples(one, names, scores, asked.shown)}
            for name, one in found.items()
        },
    }


def _examples(
    quadrant: Quadrant, names: Sequence[str], scores: LabelledScores, shown: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows of a quadrant as somebody would look at them."""
    found = []
    for row in quadrant.rows:
        example: dict[str, Any] = {"row": row + 1}
        if scores.items is not None:
            example["item"] = scores.items[row]
        for name in names:
            column = scores.labels[name]
            place = int(np.searchsorted(column.rows, row))
            example[f"score_{name}"] = float(column.scores[place])
            example[f"y_{name}"] = int(column.truth[place])
        example |= {key: scores.keys[key][row] for key in shown}
        found.append(example)
    return found
