"""Pass 1 of a calibration in two passes: score a data set once, and keep only the scores.

`collect` calls a user's scorer for every item that is not recorded yet and adds records to
one output, so that a process that was killed goes on where it was. What the scores mean is
pass 2. A new way from many values to one is a line in `reducers`; a new kind of answer a
case in `answers`.
"""

from __future__ import annotations

from calreg.collect.collecting import Request, collect
from calreg.collect.reducers import Reducer, Reducers, parse_reducer, parse_reducers
from calreg.collect.scorer import Scorer, importable_here, load_scorer
from calreg.collect.tally import Collected, CollectInterruptedError

__all__ = [
    "CollectInterruptedError",
    "Collected",
    "Reducer",
    "Reducers",
    "Request",
    "Scorer",
    "collect",
    "importable_here",
    "load_scorer",
    "parse_reducer",
    "parse_reducers",
]
