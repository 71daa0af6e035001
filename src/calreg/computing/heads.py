"""One run from a table of scores: what to read it with, and what a registry gets from it.

Between `scores` and `plan`: which heads can be calibrated, and on which histogram they are
counted. It opens nothing and writes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from calreg.errors import InputError
from calreg.names import HeadName

if TYPE_CHECKING:
    from calreg.documents import RegistrySettings, RunInputs
    from calreg.plan import Computed, RegistryState
    from calreg.scores import HeadScores, Scores

__all__ = ["GridOf", "computed_of", "grid_of", "inputs_of"]

GridOf = Callable[[HeadName, str], tuple[float, float] | None]

_SHOWN = 3


def grid_of(state: RegistryState) -> GridOf:
    """Where a label's histogram lies: as the settings say, else as the reference's does.

    None where neither says: a first run fixes it from its own scores.
    """

    def grid(name: HeadName, label: str) -> tuple[float, float] | None:
        fixed = state.settings.for_head(name).grid
        reference = state.references.get(name)
        if fixed is not None or reference is None:
            return fixed
        numbers = reference.calibration.labels.get(label)
        histogram = numbers.distribution.histogram if numbers is not None else None
        return None if histogram is None else (histogram.lo, histogram.hi)

    return grid


def inputs_of(scores: Scores) -> RunInputs:
    """What is recorded of the scores a run was made of."""
    from calreg.documents import RunInputs

    return RunInputs(
        digest=scores.digest,
        kind=scores.kind,
        rows=scores.rows,
        accepted=scores.accepted,
        rejected=dict(scores.rejected),
        files=scores.files,
    )


def computed_of(scores: Scores, state: RegistryState) -> Computed:
    """The heads that can be calibrated, and why the others cannot.

    A head whose reference was tuned, or holds factors, is among the others: scores without
    truth say nothing about its thresholds, and a run that lacks them would take them from
    production.

    Raises:
        InputError: None can.
    """
    from calreg.calibrate import minmax
    from calreg.plan import Computed, tuned_problem

    excluded = {
        name.full: problem
        for name, head in scores.heads.items()
        if (problem := tuned_problem(name, state) or _problem(head, state.settings)) is not None
    }
    kept = {name: head for name, head in scores.heads.items() if name.full not in excluded}
    if not kept:
        raise _none_left(excluded)
    return Computed(
        heads={
            name: {label: minmax(found) for label, found in head.labels.items()}
            for name, head in kept.items()
        },
        display_names={
            name: head.display_name for name, head in kept.items() if head.display_name is not None
        },
        excluded=excluded,
        inputs=inputs_of(scores),
    )


def _problem(head: HeadScores, settings: RegistrySettings) -> str | None:
    """Why a head is left out: the first of its labels that cannot be calibrated."""
    from calreg.calibrate import label_problem

    least = settings.for_head(head.name).min_samples
    for label, found in sorted(head.labels.items()):
        problem = label_problem(found, min_samples=least)
        if problem is not None:
            return f"label {label!r}: {problem}"
    return None if head.labels else "it has no labels"


def _none_left(excluded: dict[str, str]) -> InputError:
    shown = [f"{head}, {reason}" for head, reason in sorted(excluded.items())[:_SHOWN]]
    more = f"; and {len(excluded) - _SHOWN} more" if len(excluded) > _SHOWN else ""
    return InputError(
        f"no head can be calibrated: {'; '.join(shown)}{more}",
        hint=_hint(excluded),
        code="no-head-left",
    )


def _hint(excluded: Mapping[str, str]) -> str:
    from calreg.plan import FEEDBACK_COMMAND, TUNE_COMMAND

    fed_back = sorted(head for head, reason in excluded.items() if FEEDBACK_COMMAND in reason)
    if fed_back:
        head = fed_back[0]
        return f"calreg feedback run, then calreg feedback apply --head {head} --commit."
    tuned = sorted(head for head, reason in excluded.items() if TUNE_COMMAND in reason)
    if tuned:
        return f"calreg tune LABELLED --head {tuned[0]} --commit, with scores whose truth is known."
    if any("are needed" in reason for reason in excluded.values()):
        return "Score more items, or lower min_samples (--min-samples) knowingly."
    return "A head whose scores are all alike says nothing: look at how they were made."
