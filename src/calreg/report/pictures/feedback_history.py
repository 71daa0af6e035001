"""What happened over time, as numbers: the errors of runs, and the factors of every group.

A history is a list of rows, oldest first; one without a time that can be read is left out.
Before a run or an application the factors `before` were in force; `after` holds those that
an application or a revert put in force, and of a run those that it suggests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from calreg.report.numbers import date_text
from calreg.report.pictures.feedback_rows import ALL, Row, error_rows, known, part_of

__all__ = [
    "ACTIONS",
    "Event",
    "events_of",
    "factor_groups",
    "in_force",
    "marks",
    "run_rows",
    "subject_of",
]

ACTIONS: Mapping[str, str] = {"run": "suggested", "apply": "applied", "revert": "reverted"}
"""What each action did to the factors `after` it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of a history.

    Args:
        time: Milliseconds since 1970, UTC.
        when: The same for a person.
        action: `run`, `apply` or `revert`.
        row: All of it.
    """

    time: int
    when: str
    action: str
    row: Mapping[str, Any]

    @property
    def changes(self) -> dict[str, tuple[float | None, float]]:
        """The groups whose factor it changed: from, None for no factor, and to."""
        if self.action == "run":
            return {}
        before, after = part_of(self.row, "before"), part_of(self.row, "after")
        return {
            name: (known(before.get(name)), value)
            for name in after
            if (value := known(after[name])) is not None and value != before.get(name)
        }


def events_of(
    history: Sequence[Mapping[str, Any]], document: Mapping[str, Any] | None = None
) -> list[Event]:
    """The rows of a history by time; of the same time in the order given.

    Args:
        history: Its rows.
        document: Says what its own run suggests, where that run's row does not.
    """
    rows = [_with_suggestions(row, document or {}) for row in history]
    events = [event for row in rows if (event := _event(row)) is not None]
    return sorted(events, key=lambda event: event.time)


def _with_suggestions(row: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    is_it = row.get("action") == "run" and row.get("id") == document.get("id")
    if not is_it or part_of(row, "after"):
        return row
    suggestions = part_of(document, "suggestions")
    # What is within noise, or of too few pairs, is nothing to go by.
    after = {
        name: part_of(suggestions, name).get("suggested_factor")
        for name in suggestions
        if part_of(suggestions, name).get("status") == "ok"
    }
    return {**row, "after": after}


def _event(row: Mapping[str, Any]) -> Event | None:
    text, action = row.get("timestamp"), row.get("action")
    if not isinstance(text, str) or action not in ACTIONS:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Event(int(moment.timestamp() * 1000), date_text(text), str(action), row)


def subject_of(
    document: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    """What a picture is of: the document, or the last run where the document says nothing."""
    if any(part_of(document, name) for name in ("price", "probability", "groups", "suggestions")):
        return document
    runs = [event.row for event in events_of(history) if event.action == "run"]
    return runs[-1] if runs else document


def run_rows(events: Sequence[Event]) -> list[Row]:
    """Bias and MAE of all prices, run by run."""
    return [
        {**row, "time": event.time, "when": event.when}
        for event in events
        if event.action == "run"
        for row in error_rows(event.row, {})
        if row["group"] == ALL
    ]


def factor_groups(events: Sequence[Event]) -> list[str]:
    """Every group that ever had a factor: those that changed most often first."""
    changed: dict[str, int] = {}
    for event in events:
        for side in ("before", "after"):
            factors = part_of(event.row, side)
            changed |= {
                name: 0 for name, value in factors.items() if known(value) and name not in changed
            }
        for name in event.changes:
            changed[name] += 1
    return sorted(changed, key=lambda name: (-changed[name], name))


def in_force(events: Sequence[Event], group: str) -> list[Row]:
    """The factor in force over time, as the corners of a line in steps."""
    found: list[Row] = []
    for event in events:
        sides = ("before",) if event.action == "run" else ("before", "after")
        for side in sides:
            factor = known(part_of(event.row, side).get(group))
            if factor is not None:
                found.append({"place": len(found), "time": event.time, "factor": factor})
    return found


def marks(events: Sequence[Event], group: str) -> list[Row]:
    """What runs suggested, and what was applied and reverted, at its time.

    An application that left the group's factor as it was has no mark.
    """
    return [
        {
            "time": event.time,
            "when": event.when,
            "what": ACTIONS[event.action],
            "factor": factor,
            "before": known(part_of(event.row, "before").get(group)),
        }
        for event in events
        if (factor := known(part_of(event.row, "after").get(group))) is not None
        and (event.action == "run" or group in event.changes)
    ]
