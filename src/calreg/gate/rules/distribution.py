"""Blocks versions whose quantiles, extremes or mean cannot be of the scores that were counted.

Drift is computed from what a version says of its scores. The histogram bounds each of the other
numbers: who pairs the histogram of the reference, so that nothing seems to drift, with other
percentiles, so that production reads them, contradicts himself.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.plausible import misfits
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import HeadName

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every label of every new version whose numbers do not fit its histogram."""
    for step in case.story.runs:
        for name, calibration in step.calibrations.items():
            for label, found in calibration.labels.items():
                for key, problem in misfits(found.distribution):
                    yield _said(name, calibration.version, (label, key), problem)


def _said(name: HeadName, version: int, place: tuple[str, str], problem: str) -> Said:
    label, key = place
    inner = (key,) if key in {"min", "max", "mean", "std"} else ("quantiles", key)
    return Said(
        f"label {label!r}: {key} {problem}",
        name.version_path(version),
        name.full,
        pointer=("labels", label, *inner),
    )


RULE = Rule("distribution", "numbers of one set of scores", "error", "error", check)
