"""Blocks references that no longer keep what the next run's drift is computed from.

A calibration without quantiles or a histogram can be applied, and nobody can tell afterwards how
far the next one lies from it: metrics are null, and every later move passes for undecided. Where
a person moves the reference by name and with a reason it is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import LabelCalibration
from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every label of a reference that had a distribution in the base and has less of one now."""
    for name, before, after in case.comparisons():
        for label, found in after.labels.items():
            old = before.labels.get(label) if before is not None else None
            lost = sorted(_kept(old) - _kept(found)) if old is not None else []
            if lost and found.method != "factor":
                yield Said(
                    f"label {label!r} loses its {' and its '.join(lost)}: drift from it could not "
                    "be computed any more",
                    name.reference_path,
                    name.full,
                    severity="warning" if case.decided_by_hand(name) else None,
                    pointer=("labels", label),
                )


def _kept(label: LabelCalibration) -> set[str]:
    kept = label.distribution
    parts = {"quantiles": kept.quantiles, "histogram": kept.histogram, "samples": kept.samples}
    return {name for name, part in parts.items() if part is not None}


RULE = Rule(
    "evidence-lost", "references that drift can be computed from", "error", "warning", check
)
