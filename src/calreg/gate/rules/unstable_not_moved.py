"""Says which heads are not stable and keep their reference all the same, and why.

Nothing is wrong with that: a pin holds it, or chance explains the difference. But whoever merges
should know that production goes on with numbers that the newest scores do not fit.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import model_run_path

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every head of a run that was held, by what was computed here."""
    for step in case.story.runs:
        for name, row in step.rows:
            if row.reference_update == "held":
                at = f"v{row.reference_version}" if row.reference_version else "no reference"
                yield Said(
                    f"is {row.verdict} and stays at {at}: {row.reason}",
                    model_run_path(name.model, step.number),
                    name.full,
                    pointer=("heads", name.head),
                )


RULE = Rule("unstable-not-moved", "what is held is said", "note", "note", check)
