"""A change of factors that reached its registry, and not its folder: found, and finished.

A registry takes a version in one step and the folder takes its files in others, so a
process can end between the two. What goes to a registry is announced in the folder first;
whoever applies next asks the registry what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from calreg.cli.feedback_changes import changed
from calreg.cli.feedback_folder import NAME, FeedbackFolder
from calreg.documents import Application, Overrides
from calreg.feedback.bounds import Action, FactorDecision

if TYPE_CHECKING:
    from calreg.cli.feedback_publish import Publication

__all__ = ["finish", "finished_decisions"]


def finish(folder: FeedbackFolder, publication: Publication) -> Application | None:
    """Write what the registry took and the folder lacks; None if there is nothing of the kind.

    The folder is the caller's alone. What the head's reference holds now is what is in
    force, as after every application. A change that the registry does not know stays
    announced: it may have reached the remote, and come back with the next git pull.

    Raises:
        InputError: A document of the folder cannot be read or written.
    """
    found = folder.publishing()
    if found is None or found.head != publication.head.full:
        return None
    [entry] = found.change.history
    overrides = folder.overrides()
    if _is_recorded(overrides, entry):
        folder.settle()
        return None
    if publication.run_of(entry.data_digest or "") is None:
        return None
    entry = replace(entry, after=publication.factors() or entry.after)
    before = overrides or Overrides(NAME, entry.before, found.change.bounds)
    folder.write_overrides(changed(before, entry, found.change.bounds))
    folder.settle()
    return entry


def _is_recorded(overrides: Overrides | None, entry: Application) -> bool:
    history = overrides.history if overrides is not None else ()
    return any(one.data_digest == entry.data_digest for one in history)


def finished_decisions(entry: Application) -> tuple[FactorDecision, ...]:
    """What became of every group's factor in a change that was finished later."""
    groups = sorted(entry.before.keys() | entry.after.keys())
    return tuple(_decision(group, entry.before, entry.after) for group in groups)


def _decision(
    group: str, before: Mapping[str, float], after: Mapping[str, float]
) -> FactorDecision:
    old, new = before.get(group), after.get(group)
    action: Action = "held"
    if old != new and new is not None:
        action = "new" if old is None else "raised" if new > old else "cut"
    return FactorDecision(group, old, None, new, action, "committed before, and finished now")
