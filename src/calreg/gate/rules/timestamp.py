"""Blocks runs and moves that say they were made in the future.

A pin may end at a time, and a run is judged by its own. Who could date a run past the end of a
pin could move what somebody else decided to hold. Clocks differ: a day is forgiven.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from calreg.documents import timestamp_text
from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]

_CLOCKS_DIFFER = timedelta(days=1)


def check(case: Case) -> Iterator[Said]:
    """Every step of the change that is later than now, if the gate was told what time it is."""
    if case.now is None:
        return
    latest = _aware(case.now) + _CLOCKS_DIFFER
    for step in case.story.steps:
        if _aware(step.said.timestamp) > latest:
            yield Said(
                f"says it was made at {step.said.timestamp}, and it is {case.now}",
                step.path,
                hint=f"Nothing later than {timestamp_text(latest)} is judged.",
                pointer=("timestamp",),
            )


def _aware(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


RULE = Rule("timestamp", "nothing from the future", "error", "error", check)
