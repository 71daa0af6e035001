"""Says which decisions cannot be compared with the reference, as their holdout is another one.

F1 on other items is another number. Who changes the holdout with the thresholds cannot show that
they did not get worse, and whoever merges should know it. A policy may make an error of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import LabelCalibration
from calreg.gate.case import Case
from calreg.gate.figures import shared_trials
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every head of which a label that decides was tried on other items, or on none kept apart."""
    for name, before, after in case.comparisons():
        if before is None or case.policy(name).max_f1_drop is None:
            continue
        others = [
            label
            for label, found in after.labels.items()
            if label in before.labels and _is_other(before.labels[label], found)
        ]
        if others:
            shown = ", ".join(map(repr, others[:5]))
            yield Said(
                f"F1 of {shown}{' and others' if others[5:] else ''} cannot be compared with the "
                "reference: they were not tried on the same holdout",
                name.reference_path,
                name.full,
                hint="calreg tune --holdout with the items of before; calreg gate --holdout.",
            )


def _is_other(before: LabelCalibration, after: LabelCalibration) -> bool:
    if before.decision is None or after.decision is None:
        return False
    return shared_trials(before, after) is None


RULE = Rule("holdout-changed", "compared on the same items", "warning", "note", check)
