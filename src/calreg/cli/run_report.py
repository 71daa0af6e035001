"""What `run` and `import` print: the report, the outcome, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calreg.cli.terminal import note, print_json, say, signs, width

if TYPE_CHECKING:
    from calreg.computing import Outcome
    from calreg.documents import HeadRow

__all__ = ["Reading", "tell"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What there is to say about the input beside its counts.

    `more` are further keys of the JSON document.
    """

    rejects: Sequence[str] = ()
    words: Mapping[str, str] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def tell(outcome: Outcome, reading: Reading, *, as_json: bool) -> None:
    """Print a run's outcome, for a program or for a person."""
    note(f"Note: {text}" for text in outcome.warnings)
    if as_json:
        from calreg.report.run_json import run_json

        document = run_json(
            outcome.run,
            outcome.models,
            commit=outcome.commit,
            status=outcome.status,
            pushed=outcome.pushed,
        )
        print_json(document | dict(reading.more))
    elif outcome.status == "already-done":
        _tell_already(outcome)
    else:
        _tell_run(outcome, reading)


def _tell_already(outcome: Outcome) -> None:
    run, when = outcome.run, outcome.run.timestamp[:10]
    pushed = " It is pushed now." if outcome.pushed else ""
    say(
        [
            f"Nothing to do: run {run.version} of {when} has the same scores and rules.{pushed}",
            "Next: calreg history",
        ]
    )


def _tell_run(outcome: Outcome, reading: Reading) -> None:
    from calreg.report.numbers import plural
    from calreg.report.runs import (
        excluded_lines,
        heads_of,
        reading_line,
        run_table,
        summary_lines,
    )

    marks, run = signs(), outcome.run
    heads = heads_of(outcome.models.values())
    labels = sum(len(row.labels) for row in heads.values())
    compared = any(row.reference_version is not None for row in heads.values())
    against = "against the references in use" if compared else "the first of these heads"
    counts = f"{plural(len(heads), 'head')}, {plural(labels, 'label')}"
    say(
        [
            reading_line(run.inputs, reading.rejects, reading.words or {}, marks),
            f"Run {run.version}  {counts}, {against}",
            "",
            *run_table(heads, width=width(), signs=marks),
            *excluded_lines(run.excluded, marks),
            "",
            *summary_lines(
                heads,
                promote_on=outcome.promote_on,
                outcome=_outcome(outcome, heads),
                width=width(),
                signs=marks,
            ),
            f"Next: {_next(outcome, heads)}",
        ]
    )


def _outcome(outcome: Outcome, heads: Mapping[str, HeadRow]) -> str:
    from calreg.report.numbers import plural

    rows = heads.values()
    first = sum(row.reference_version is None for row in rows)
    moved = sum(row.reference_update == "updated" for row in rows) - first
    written = [
        plural(len(heads), "version"),
        f"{plural(first, 'first reference')}" if first else "",
        f"{plural(moved, 'reference')} moved" if moved or not first else "",
    ]
    versions = ", ".join(part for part in written if part)
    if outcome.status == "dry-run":
        return f"dry run: nothing written; it would be {versions}"
    if outcome.status == "written":
        return f"written to {outcome.place}, not committed: {versions}"
    pushed = f", pushed to {outcome.remote}" if outcome.pushed else ""
    commit = (outcome.commit or "")[:7]
    return f"committed {commit} on {outcome.branch}{pushed}: {versions}"


def _next(outcome: Outcome, heads: Mapping[str, HeadRow]) -> str:
    is_there = outcome.status == "committed"
    steps = [_step(outcome), _look_at(heads, outcome.run.version) if is_there else ""]
    return ", ".join(step for step in steps if step) or "calreg show"


def _step(outcome: Outcome) -> str:
    if outcome.status == "dry-run":
        return "the same without --dry-run"
    if outcome.status == "written":
        return "git add and commit them, or git restore and git clean to forget them"
    if outcome.remote is not None and not outcome.pushed:
        return "calreg push"
    return ""


def _look_at(heads: Mapping[str, HeadRow], version: int) -> str:
    """The command that shows the head that most needs a look."""
    from calreg.report.runs import worst_first

    compared = {name: row for name, row in heads.items() if row.reference_version is not None}
    for name, row in worst_first(compared):
        if not row.is_stable:
            return f"calreg diff {name} v{row.reference_version} v{version}"
    return f"calreg show {min(heads)}" if heads and not compared else ""
