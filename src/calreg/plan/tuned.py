"""Which heads are no matter of scores alone: those whose reference took truth to make."""

from __future__ import annotations

from calreg.names import HeadName
from calreg.plan.state import RegistryState

__all__ = ["FEEDBACK_COMMAND", "TUNE_COMMAND", "tuned_problem"]

TUNE_COMMAND = "calreg tune"
FEEDBACK_COMMAND = "calreg feedback apply"


def tuned_problem(name: HeadName, state: RegistryState) -> str | None:
    """Why a run of scores without truth leaves a head out: what its reference holds.

    None if it may give the head a version: one that lacks the reference's thresholds, maps or
    factors would take them from production.
    """
    reference = state.references.get(name)
    labels = reference.calibration.labels.values() if reference is not None else ()
    if any(label.method == "factor" for label in labels):
        return f"its reference holds factors; {FEEDBACK_COMMAND} makes new ones"
    tuned = [label for label in labels if label.method != "minmax"]
    if not tuned:
        return None
    if any(label.decision is not None for label in tuned):
        return f"its reference holds thresholds; {TUNE_COMMAND} makes new ones"
    return f"its reference holds probability maps; {TUNE_COMMAND} makes new ones"
