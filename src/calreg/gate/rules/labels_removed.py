"""Blocks references that lose labels without anybody having decided so.

An application that asks for a label which is gone fails, or falls back to the raw score. A run
that leaves a label out makes its head unstable, which moves the reference: so a column lost on
the way would take a label from production. If a person moves the reference by name and with a
reason, it is said as a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every head whose reference has fewer labels than in the base."""
    for name, before, after in case.comparisons():
        gone = sorted(before.labels.keys() - after.labels.keys()) if before is not None else []
        if gone:
            shown = ", ".join(map(repr, gone[:5])) + (
                f" and {len(gone) - 5} more" if gone[5:] else ""
            )
            yield Said(
                f"the reference loses the label{'s' * (len(gone) > 1)} {shown}",
                name.reference_path,
                name.full,
                severity="warning" if case.decided_by_hand(name) else None,
                hint=f"If it is meant: calreg pin {name} before the run, then unpin and promote.",
            )


RULE = Rule("labels-removed", "no label is lost unseen", "error", "warning", check)
