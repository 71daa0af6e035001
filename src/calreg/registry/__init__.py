"""A registry of calibrations in a git repository: read it, publish to it, begin one.

What is written is decided by `calreg.plan`; how it becomes a commit is `calreg.git`'s. To
read something new: one method of `Snapshot`. To write something new: one plan.
"""

from __future__ import annotations

from calreg.plan import Plan
from calreg.registry.history import history_row, history_rows
from calreg.registry.opening import Registry
from calreg.registry.outbox import Waiting
from calreg.registry.past import Past, end_of
from calreg.registry.publishing import AlreadyDone, Published, Retry
from calreg.registry.pushing import Pushed, PushedItem
from calreg.registry.scaffold import Initialised, initialise
from calreg.registry.snapshot import Snapshot

__all__ = [
    "AlreadyDone",
    "Initialised",
    "Past",
    "Plan",
    "Published",
    "Pushed",
    "PushedItem",
    "Registry",
    "Retry",
    "Snapshot",
    "Waiting",
    "end_of",
    "history_row",
    "history_rows",
    "initialise",
]
