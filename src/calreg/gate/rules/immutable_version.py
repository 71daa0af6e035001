"""Blocks every change of what is written once: versions, runs, moves and lists of keys.

A digest that a client stored, a stamp on a result and a roll-back all count on a version being
what it was. A folder `vN` is written by run N and never again: nothing in it is changed, removed
or added. Only `calreg gc` takes whole folders away, and records that.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.files import FOLDER, version_folder
from calreg.gate.rule import Rule
from calreg.gate.rules.retention import collected_folders
from calreg.gate.said import Said

__all__ = ["RULE", "check"]

_ONCE = {
    "version": "a version",
    "model-run": "a run's record",
    "run": "a run's record",
    "move": "a move's record",
    "keys": "a list of keys",
    "keys-signature": "the signatures of a list of keys",
}
_HINT = "Take the file from the base again; a correction is a new run."


def check(case: Case) -> Iterator[Said]:
    """Every file that was there, should have stayed as it was, and did not."""
    gone = collected_folders(case)
    for path, touch in case.files.touches.items():
        place = case.files.places.get(path)
        what = _ONCE.get(place.kind) if place is not None else None
        head = place.head.full if place is not None and place.head is not None else None
        folder = version_folder(path)
        if touch.old is not None and what is not None:
            if touch.new is not None:
                yield Said(f"was rewritten, and {what} never changes", path, head, hint=_HINT)
            elif folder is None or folder not in gone:
                yield Said(f"was removed, and {what} stays", path, head, hint=_HINT)
        elif touch.old is None and folder is not None and _is_folder(case, folder):
            yield Said(f"was added to {folder}, which was written before", path, head, hint=_HINT)


def _is_folder(case: Case, folder: str) -> bool:
    found = case.known.listing.get(folder)
    return found is not None and found.mode == FOLDER


RULE = Rule("immutable-version", "what is written once stays", "error", "error", check)
