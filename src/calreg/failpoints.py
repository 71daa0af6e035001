"""Named steps at which a test may kill the process, as a power cut would.

A run must leave the registry as it was or as it should be, wherever it stops. That is
only known once every step has been the last one: tests start a command with
`CALREG_FAILPOINT=ref-moved:kill` and look at what is left. Without the variable a step
costs one look into the environment.

To add one: call `reach` where the world outside has just changed, and list it in `STEPS`.
"""

from __future__ import annotations

import os
import signal

__all__ = ["COLLECT_STEPS", "STEPS", "STORE_STEPS", "VARIABLE", "reach"]

VARIABLE = "CALREG_FAILPOINT"

STEPS = (
    "objects-written",
    "journal-written",
    "pushed",
    "ref-moved",
    "files-prepared",
    "file-written",
    "index-locked",
    "settled",
)

STORE_STEPS = ("scores-written", "scores-committed", "leased", "done")
"""The steps of a store of scores, which is no repository either."""

COLLECT_STEPS = (
    "header-written",
    "records-torn",
    "records-written",
    "records-synced",
    "table-written",
    "table-moved",
    "completed",
)
"""The steps of `calreg collect`, which changes no repository."""


def reach(step: str) -> None:
    """Die here, at once and without clean-up, if the environment asks for it."""
    if os.environ.get(VARIABLE) == f"{step}:kill":
        os.kill(os.getpid(), signal.SIGKILL)
