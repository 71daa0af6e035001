"""Which raw scores change their outcome between two calibrations, and only those.

An outcome is the calibrated value of a score, whether its label fires, and the tier that
the value is in. `rules` says what counts as a change; `outcomes` applies both calibrations
and compares, which is the definition; `intervals` holds sets of raw scores; `bounds` and
`search` find the set of one label without applying anything to a score; `heads` puts them
together; `counts` are what a whole table came to. Pure: values and arrays in, values and
arrays out. A new method of calibrating is one line in the table of `bounds`; one that is not
there is applied to every score.
"""

from __future__ import annotations

from calreg.retag.counts import LabelCounts, Mover, RetagCounts, Tallies
from calreg.retag.heads import HeadRetag
from calreg.retag.intervals import Intervals
from calreg.retag.labels import LabelRetag, changed_intervals
from calreg.retag.outcomes import Outcome, changes_between, outcome_of
from calreg.retag.rules import REASONS, RetagRules, reason_text

__all__ = [
    "REASONS",
    "HeadRetag",
    "Intervals",
    "LabelCounts",
    "LabelRetag",
    "Mover",
    "Outcome",
    "RetagCounts",
    "RetagRules",
    "Tallies",
    "changed_intervals",
    "changes_between",
    "outcome_of",
    "reason_text",
]
