"""The table of a report: what the change does to each head, by the gate's own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calreg.documents import METRICS, Calibration, Move
from calreg.documents.run import HeadRow
from calreg.gate.case import Case
from calreg.gate.figures import least_f1
from calreg.gate.values import SEVERITIES, Action, Finding, HeadResult
from calreg.names import HeadName

__all__ = ["table_of"]

_NULLS: Mapping[str, float | None] = dict.fromkeys(METRICS)


def table_of(case: Case, findings: Sequence[Finding]) -> dict[str, HeadResult]:
    """A result for every head that the change is about, by name."""
    rows = {name: row for step in case.story.runs for name, row in step.rows}
    made = {
        name: calibration
        for step in case.story.runs
        for name, calibration in step.calibrations.items()
    }
    said: dict[str, list[Finding]] = {}
    for found in findings:
        if found.head is not None:
            said.setdefault(found.head, []).append(found)
    return {
        name.full: _result(case, name, rows.get(name), made.get(name), said.get(name.full, []))
        for name in case.heads
    }


def _result(
    case: Case,
    name: HeadName,
    row: HeadRow | None,
    made: Calibration | None,
    findings: Sequence[Finding],
) -> HeadResult:
    reference, after = case.before(name), case.after(name)
    before = reference.calibration if reference is not None else None
    shown = made if made is not None else after
    return HeadResult(
        head=name.full,
        version=shown.version if shown is not None else None,
        samples=shown.samples if shown is not None else None,
        metrics=row.metrics if row is not None else _NULLS,
        noise=row.noise if row is not None else _NULLS,
        failed_metrics=row.failed_metrics if row is not None else (),
        f1_before=least_f1(before),
        f1_after=least_f1(after),
        verdict=row.verdict if row is not None else None,
        evidence=row.evidence if row is not None else None,
        action=_action(case, name, row, before, after),
        reference_before=before.version if before is not None else None,
        reference_after=after.version if after is not None else None,
        findings=len(findings),
        worst=min((found.severity for found in findings), key=SEVERITIES.index, default=None),
    )


def _action(
    case: Case,
    name: HeadName,
    row: HeadRow | None,
    before: Calibration | None,
    after: Calibration | None,
) -> Action:
    step = case.last_steps.get(name)
    by_hand = step.said.action if step is not None and isinstance(step.said, Move) else None
    if by_hand == "withdraw":
        return "withdrawn"
    if after is None:
        return "kept" if before is None else "removed"
    if before is None:
        return "new"
    if name.reference_path not in case.files.touches:
        return "held" if row is not None and row.reference_update == "held" else "kept"
    if after.version < before.version:
        return "rolled back"
    return "moved" if after.version > before.version else "changed"
