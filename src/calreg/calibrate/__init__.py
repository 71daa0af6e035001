"""From the scores of one label to the numbers a document keeps, and to a calibration.

Pure: arrays in, frozen values out; no file, clock or engine. `distribution` describes,
`methods` turns a description into parameters. A new method of calibrating is one function
in `methods` and one line in `calreg.documents.calibration.METHOD_PARAMETERS`.
"""

from __future__ import annotations

from calreg.calibrate.distribution import choose_grid, describe, describe_sorted
from calreg.calibrate.methods import label_problem, minmax

__all__ = ["choose_grid", "describe", "describe_sorted", "label_problem", "minmax"]
