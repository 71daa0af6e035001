"""A run, from scores to a commit: which heads can be calibrated, and how far to go with them.

`heads` has what a registry gets from a table of scores, `publishing` what becomes of it: a
report, files in a work tree, a commit, a push. Used by whatever makes runs: the commands and
the service. A new source of calibrations is a function from the registry's state to
`Computed`, handed to `publish_run`.
"""

from __future__ import annotations

from calreg.computing.heads import GridOf, computed_of, grid_of, inputs_of
from calreg.computing.publishing import Mode, Outcome, publish_run, warnings_of

__all__ = [
    "GridOf",
    "Mode",
    "Outcome",
    "computed_of",
    "grid_of",
    "inputs_of",
    "publish_run",
    "warnings_of",
]
