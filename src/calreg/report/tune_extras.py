"""The grid and the quadrants of a tuning, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.text import Text

from calreg.calibrate.grid import Grid
from calreg.report.numbers import UNICODE, Signs, count_text, number_text
from calreg.report.table import Column, rows

__all__ = ["grid_lines", "quadrant_lines"]

_MAX_ROWS = 15
_MAX_COLUMNS = 9
_QUADRANTS = ("both", "only_a", "only_b", "neither")


def quadrant_lines(found: Mapping[str, Any], *, signs: Signs = UNICODE) -> list[Text]:
    """Who flags what: a line per quadrant, then the most telling items of each."""
    a, b = found["a"], found["b"]
    names = {
        "both": f"{a} and {b}",
        "only_a": f"only {a}",
        "only_b": f"only {b}",
        "neither": "neither",
    }
    parts = [found[name] for name in _QUADRANTS]
    columns = [
        Column(f"who flags what ({found['on']})", [names[name] for name in _QUADRANTS]),
        Column("items", [count_text(part["n"]) for part in parts], is_right=True),
        *(
            Column(
                f"truth of {label}",
                [_rate(part["truth"][label], part["n"], signs) for part in parts],
                is_right=True,
            )
            for label in (a, b)
        ),
    ]
    lines = rows(columns, signs=signs)
    for name in _QUADRANTS:
        if examples := found[name]["examples"]:
            lines.append(Text(f"{names[name]}, most telling:", "bold"))
            lines += [Text("  " + _example(example)) for example in examples]
    return lines


def _rate(found: Mapping[str, Any], items: int, signs: Signs) -> str:
    if not items:
        return signs.nothing
    low, high = found["rate_interval"]
    return f"{found['rate']:.3f} ({low:.3f} to {high:.3f})"


def _example(example: Mapping[str, Any]) -> str:
    def shown(value: Any) -> str:
        return f"{value:.6g}" if isinstance(value, float) else str(value)

    return "  ".join(f"{key} {shown(value)}" for key, value in example.items())


def grid_lines(grid: Grid, *, signs: Signs = UNICODE) -> list[Text]:
    """The familiar search: micro-F1 by temperature and threshold, and what it amounts to."""
    shown = _evenly(len(grid.temperatures), _MAX_ROWS), _evenly(len(grid.thresholds), _MAX_COLUMNS)
    columns = [
        Column("micro-F1, T", [f"{grid.temperatures[row]:g}" for row in shown[0]], is_right=True),
        *(
            Column(
                f"t {grid.thresholds[column]:g}",
                [_cell(grid, row, column, signs) for row in shown[0]],
                is_right=True,
            )
            for column in shown[1]
        ),
    ]
    cells, decisions = grid.groups.size, int(grid.groups.max()) + 1
    best = grid.best_micro
    return [
        *rows(columns, signs=signs),
        Text(
            f"{cells:,} cells are {decisions:,} decisions; the best is T {best.temperature:g}, "
            f"t {best.threshold:g}: micro-F1 {best.micro_f1:.6f}, the same as one cut of the "
            f"logit at {best.logit_cut:.6g}"
        ),
    ]


def _cell(grid: Grid, row: int, column: int, signs: Signs) -> str:
    is_best = grid.groups[row, column] == grid.best_micro.group
    text = number_text(float(grid.micro_f1[row, column]), digits=4, signs=signs)
    return f"{text} {signs.good}" if is_best else f"{text}  "


def _evenly(count: int, most: int) -> list[int]:
    """All places, or as many as fit, the first and the last among them.

    >>> _evenly(3, 5), _evenly(9, 3)
    ([0, 1, 2], [0, 4, 8])
    """
    if count <= most:
        return list(range(count))
    return [round(step * (count - 1) / (most - 1)) for step in range(most)]


def grid_json(grid: Grid) -> dict[str, Any]:
    """The same for programs: every cell, and which cells are one decision."""
    return {
        "temperatures": list(grid.temperatures),
        "thresholds": list(grid.thresholds),
        "logit_cuts": grid.logit_cuts.tolist(),
        "micro_f1": grid.micro_f1.tolist(),
        "macro_f1": grid.macro_f1.tolist(),
        "decision": grid.groups.tolist(),
        "decisions": int(grid.groups.max()) + 1,
        "best_micro": asdict(grid.best_micro),
        "best_macro": asdict(grid.best_macro),
        "same_decision": [
            [{"temperature": cell.temperature, "threshold": cell.threshold} for cell in cells]
            for cells in grid.same_decisions()
        ],
    }
