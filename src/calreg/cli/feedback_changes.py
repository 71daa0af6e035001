"""A change of the factors in force as an entry of their document's history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from calreg.cli.feedback_folder import FeedbackFolder
from calreg.documents import Application, Overrides, canonical_bytes
from calreg.errors import InputError
from calreg.files import check_folder, replace_file

__all__ = ["changed", "check_plain", "refuse_applied", "write_plain"]


def refuse_applied(overrides: Overrides | None, digest: str, *, where: str) -> None:
    """Refuse evidence that is in the history already.

    Raises:
        InputError: It is; named by its application.
    """
    history = overrides.history if overrides is not None else ()
    for entry in history:
        if entry.data_digest == digest:
            raise InputError(
                f"the same data was applied already, as {entry.id} by {entry.by}",
                where=where,
                hint="Join newer outcomes (calreg feedback run), then apply those.",
                code="already-applied",
            )


def changed(overrides: Overrides, entry: Application, bounds: Mapping[str, float]) -> Overrides:
    """The document after one more change.

    Where the factors it holds are not those that the change starts from (a registry's
    reference was moved by hand), an entry of its own says so first.
    """
    history = list(overrides.history)
    if history and overrides.factors != entry.before:
        moved = replace(
            entry,
            id=f"{entry.id}-reference",
            action="revert",
            data_digest=None,
            before=dict(overrides.factors),
            after=dict(entry.before),
            why="a registry's reference had other factors, and counts",
        )
        history.append(moved)
    return replace(
        overrides, factors=dict(entry.after), bounds=dict(bounds), history=(*history, entry)
    )


def check_plain(file: Path | None, folder: FeedbackFolder) -> None:
    """Make sure that the plain form can be written, while nothing has been done yet.

    Raises:
        InputError: It cannot, or would take the place of a file of the feedback folder.
    """
    if file is None:
        return
    if folder.owns(file):
        raise InputError(
            "--out-overrides would take the place of a file of the feedback folder",
            where=str(file),
            hint="Name another: applications read the folder's overrides.json as it is, too.",
            code="output",
        )
    check_folder(file.parent)


def write_plain(file: Path | None, name: str, factors: Mapping[str, float]) -> tuple[Path, ...]:
    """Write the factors alone, in the form that applications have always read.

    Raises:
        InputError: It cannot be written.
    """
    if file is None:
        return ()
    replace_file(file, canonical_bytes({name: dict(factors)}))
    return (file,)
