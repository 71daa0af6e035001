"""From the scores of one label to the numbers a document keeps, and to a calibration.

Pure: arrays in, frozen values out; no file, clock or engine. `distribution` describes,
`methods` turns a description into parameters, `thresholds`, `shared` and `grid` decide where
labels fire, for the `objectives` of their user. A new method of calibrating is one function
in `methods` and one line in `calreg.documents.calibration.METHOD_PARAMETERS`.
"""

from __future__ import annotations

from calreg.calibrate.distribution import choose_grid, describe, describe_sorted
from calreg.calibrate.grid import Grid, grid_search, parse_axis
from calreg.calibrate.guarantee import (
    allowed_false_positives,
    empirical_false_positives,
    negatives_needed,
)
from calreg.calibrate.methods import label_problem, minmax
from calreg.calibrate.objectives import Objective, parse_objective
from calreg.calibrate.shared import best_shared_cut
from calreg.calibrate.thresholds import Cut, best_cut, confusion_at

__all__ = [
    "Cut",
    "Grid",
    "Objective",
    "allowed_false_positives",
    "best_cut",
    "best_shared_cut",
    "choose_grid",
    "confusion_at",
    "describe",
    "describe_sorted",
    "empirical_false_positives",
    "grid_search",
    "label_problem",
    "minmax",
    "negatives_needed",
    "parse_axis",
    "parse_objective",
]
