"""Blocks references that no longer keep what they, and those after them, are judged by.

A calibration without quantiles or a histogram can be applied, and nobody can tell afterwards how
far the next one lies from it: metrics are null, and every later move passes for undecided. So it
is with a decision that was tried on a holdout until now: without one nobody sees it get worse.
Where a person moves the reference by name and with a reason it is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import LabelCalibration, Trial
from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every label of a reference that had evidence in the base and has less of it now."""
    for name, before, after in case.comparisons():
        for label, found in after.labels.items():
            old = before.labels.get(label) if before is not None else None
            for problem in _lost(old, found) if old is not None else ():
                yield Said(
                    f"label {label!r} loses its {problem}",
                    name.reference_path,
                    name.full,
                    severity="warning" if case.decided_by_hand(name) else None,
                    pointer=("labels", label),
                )


def _lost(old: LabelCalibration, found: LabelCalibration) -> Iterator[str]:
    lost = sorted(_kept(old) - _kept(found))
    if lost and old.method != "factor":  # drift of factors is computed from the factors
        yield f"{' and its '.join(lost)}: drift from it could not be computed any more"
    decides = old.decision is not None and found.decision is not None
    if decides and _has_counts(old.holdout) and not _has_counts(found.holdout):
        yield "holdout: its decision could not be compared any more"


def _has_counts(trial: Trial | None) -> bool:
    return trial is not None and trial.confusion is not None


def _kept(label: LabelCalibration) -> set[str]:
    kept = label.distribution
    parts = {"quantiles": kept.quantiles, "histogram": kept.histogram, "samples": kept.samples}
    return {name for name, part in parts.items() if part is not None}


RULE = Rule(
    "evidence-lost", "references that the next ones can be judged by", "error", "warning", check
)
