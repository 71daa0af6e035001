"""Blocks factors outside their bounds, or that one change moves too far.

A factor multiplies what customers see. The base says between which values it must lie and how
far one change may move it; the step is from the factor in the base, however many runs lie between.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import GateSettings, LabelCalibration
from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]

_ROUNDING = 1e-9


def check(case: Case) -> Iterator[Said]:
    """Every factor of a reference that changes, and leaves its bounds or goes too far."""
    for name, before, after in case.comparisons():
        for label, found in after.labels.items():
            factor = _factor(found)
            if factor is None:
                continue
            old = _factor(before.labels.get(label)) if before is not None else None
            for problem in _problems(factor, old, case.policy(name)):
                yield Said(
                    f"group {label!r}: {problem}",
                    name.reference_path,
                    name.full,
                    severity="warning" if case.goes_back(name) else None,
                    pointer=("labels", label, "factor"),
                )


def _factor(label: LabelCalibration | None) -> float | None:
    found = label.parameters.get("factor") if label is not None else None
    return found if isinstance(found, float) else None


def _problems(factor: float, old: float | None, policy: GateSettings) -> Iterator[str]:
    if factor == old:
        return
    lowest, highest = policy.factor_bounds
    if not lowest <= factor <= highest:
        yield f"factor {factor:.6g} is outside {lowest:.6g} to {highest:.6g}"
    if old is not None and not abs(factor / old - 1.0) <= policy.max_factor_step + _ROUNDING:
        step = f"{policy.max_factor_step:.6g}"
        yield f"factor goes from {old:.6g} to {factor:.6g}, by more than {step} of it in one change"


RULE = Rule("factor-bounds", "factors within bounds, step by step", "error", "warning", check)
