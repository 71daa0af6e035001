"""What a change to a registry would write, as a value: nothing here acts.

A run or a decision of a person goes in with the registry's present state; out comes a plan:
the files, byte for byte, and the commit's message. The same state and input give the same
plan on any machine; time and names come in as arguments. To add a kind of move: one function
in `moves`, one action in `documents.moves`.
"""

from __future__ import annotations

from calreg.plan.change import Plan, Removing, removed_by
from calreg.plan.moves import (
    MovePlan,
    plan_pin,
    plan_promote,
    plan_rollback,
    plan_unpin,
    refuse_withdrawn,
)
from calreg.plan.retention import CollectPlan, folders_to_collect, plan_collect
from calreg.plan.run import Computed, RunPlan, plan_run, run_options, same_inputs
from calreg.plan.state import Reference, RegistryState
from calreg.plan.tuned import FEEDBACK_COMMAND, TUNE_COMMAND, tuned_problem
from calreg.plan.withdrawing import plan_withdraw

__all__ = [
    "FEEDBACK_COMMAND",
    "TUNE_COMMAND",
    "CollectPlan",
    "Computed",
    "MovePlan",
    "Plan",
    "Reference",
    "RegistryState",
    "Removing",
    "RunPlan",
    "folders_to_collect",
    "plan_collect",
    "plan_pin",
    "plan_promote",
    "plan_rollback",
    "plan_run",
    "plan_unpin",
    "plan_withdraw",
    "refuse_withdrawn",
    "removed_by",
    "run_options",
    "same_inputs",
    "tuned_problem",
]
