"""Blocks runs whose verdicts, metrics or records are not what the stored distributions give.

Nobody can claim stability. Every row of a run is computed again, from the distributions of the
new versions and of the reference that the base holds, with the thresholds of the base: metrics,
noise, evidence, verdict, what became of the reference, the summary, the options. What differs is
named. Only the last digits of a number may differ, since processors do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from calreg.documents import ModelRun, Run
from calreg.documents.run import HeadRow
from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.gate.sameness import differences
from calreg.gate.story import Step
from calreg.names import REGISTRY_FILE, HeadName, model_run_path
from calreg.plan import RunPlan

__all__ = ["RULE", "check"]

_SHOWN = 3
_HINT = "Run it again on the present state of the base: calreg run, calreg propose."


def check(case: Case) -> Iterator[Said]:
    """Every row, and every record of a run, that says something else than comes out."""
    for step in case.story.runs:
        if isinstance(step.plan, RunPlan) and isinstance(step.said, Run):
            yield from _parts(step, step.plan)
            yield from _record(case, step, step.plan, step.said)
        else:
            why = step.refusal.message if step.refusal else "nothing can be read"
            yield Said(f"cannot be computed again: {why}", step.path)


def _parts(step: Step, plan: RunPlan) -> Iterator[Said]:
    for model, part in plan.model_runs.items():
        claimed = step.claimed.get(model)
        if claimed is None:
            continue  # that it is missing is said elsewhere
        path = model_run_path(model, plan.run.version)
        if claimed.timestamp != part.timestamp:
            yield Said(
                f"timestamp: expected {part.timestamp}, got {claimed.timestamp}",
                path,
                pointer=("timestamp",),
            )
        yield from _rows(part, claimed, path)


def _rows(part: ModelRun, claimed: ModelRun, path: str) -> Iterator[Said]:
    for head, row in part.heads.items():
        said = claimed.heads.get(head)
        if said is None or said == row:
            continue
        found = list(differences(row.to_json(), said.to_json()))
        if found:
            yield Said(
                _compared_with(row, said) or _in_words(found),
                path,
                HeadName(part.model, head).full,
                hint=_HINT,
                pointer=("heads", head, *found[0][0]),
            )


def _compared_with(row: HeadRow, said: HeadRow) -> str | None:
    """That the run was compared with another reference: all else follows from that."""
    if row.reference_digest == said.reference_digest:
        return None
    got, expected = (
        "nothing" if version is None else f"v{version}"
        for version in (said.reference_version, row.reference_version)
    )
    if got == expected:
        return f"was compared with other bytes of {got} than the reference has"
    return f"was compared with {got}, the reference is {expected}"


def _record(case: Case, step: Step, plan: RunPlan, said: Run) -> Iterator[Said]:
    expected, got = plan.run.to_json(), said.to_json()
    # Digests are another rule's, and differ with every row that is named here already.
    found = [one for one in differences(expected, got) if one[0][0] != "models"]
    models = sorted(plan.run.models.keys() ^ said.models.keys())
    if found:
        hint = _HINT
        if any(one[0][0] == "options" for one in found):
            hint = f"It was made by other rules than {REGISTRY_FILE} of the base. {_HINT}"
        yield Said(_in_words(found), step.path, hint=hint, pointer=found[0][0])
    elif models:
        yield Said(f"does not agree about {', '.join(models[:_SHOWN])}", step.path)
    elif not case.is_as_told(step.path) and not _is_explained(case, step):
        yield Said("is not what this run writes", step.path, hint=_HINT)


def _is_explained(case: Case, step: Step) -> bool:
    """Whether a part of the run differs, which is said there, or the bytes are not canonical."""
    if not isinstance(step.plan, RunPlan):
        return True
    paths = [model_run_path(model, step.plan.run.version) for model in step.plan.model_runs]
    return step.path in case.foreign_bytes or not all(map(case.is_as_told, paths))


def _in_words(found: list[tuple[tuple[str, ...], Any, Any]]) -> str:
    # What decides comes first, whatever the alphabet says.
    ranked = sorted(found, key=lambda one: (one[0][0] not in _FIRST, len(one[0])))
    shown = [
        f"{'.'.join(pointer)} says {_value(got)}, it is {_value(expected)}"
        for pointer, expected, got in ranked[:_SHOWN]
    ]
    more = len(found) - _SHOWN
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


_FIRST = frozenset({"options", "is_stable", "verdict", "reference_update", "failed_metrics"})


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


RULE = Rule(
    "drift-recomputed", "drift as it comes out, not as it is claimed", "error", "error", check
)
