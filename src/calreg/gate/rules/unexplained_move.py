"""Blocks references that moved, appeared or vanished without a run or a decision that says so.

A reference moves if a run found its head unstable, by the verdict computed here, and the rules
and pins of the base let it; or if a person decided so, with a reason, in a record of moves.
Nothing else moves one. A reference that should have moved and did not is as wrong: the record
would say what is not so.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import digest_of
from calreg.documents.run import HeadRow
from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import HeadName

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every reference that is not what the runs and moves of the change leave."""
    rows = {name: row for step in case.story.runs for name, row in step.rows}
    for name in case.heads:
        path = name.reference_path
        expected = case.story.references.get(name)
        digest = expected.digest if expected is not None else None
        before = case.before(name)
        held = before.digest if before is not None else None
        if path in case.files.touches:
            raw = case.documents.raw.get(path)
            held = digest_of(raw) if raw is not None else None
        if held != digest or _is_unreadable(case, path):
            yield Said(
                _problem(case, name, rows.get(name)),
                path,
                name.full,
                hint=f"calreg promote {name} vN --reason … records a decision.",
            )


def _is_unreadable(case: Case, path: str) -> bool:
    """Whether there is something that was not read: it is not what was expected, then."""
    touch = case.files.touches.get(path)
    return touch is not None and touch.new is not None and path not in case.documents.raw


def _problem(case: Case, name: HeadName, row: HeadRow | None) -> str:
    before, after, expected = case.before(name), case.after(name), case.story.references.get(name)
    was = f"v{before.version}" if before is not None else "none"
    unread = "what cannot be read" if _is_there(case, name) else "none"
    now = f"v{after.version}" if after is not None else unread
    moved = f"goes from {was} to {now}"
    should = f"v{expected.version}" if expected is not None else "none"
    if name not in case.last_steps:
        return f"{moved}, and neither a run nor a move of this change says so"
    if row is not None and row.verdict == "stable":
        return f"{moved}, though its drift is below every threshold: it should stay at {should}"
    if was == now and _is_untouched(case, name):
        return f"stays at {was}, and should go to {should}"
    return f"{moved}, and what this change records leaves it at {should}"


def _is_there(case: Case, name: HeadName) -> bool:
    """Whether the file of a reference is touched and there."""
    touch = case.files.touches.get(name.reference_path)
    return touch is not None and touch.new is not None


def _is_untouched(case: Case, name: HeadName) -> bool:
    """Whether the file of a reference is untouched."""
    return name.reference_path not in case.files.touches


RULE = Rule("unexplained-move", "references move for a reason", "error", "error", check)
