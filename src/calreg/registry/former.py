"""Which versions a head's reference held before: where a roll-back or a withdrawal goes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from calreg.documents import Move
from calreg.errors import RegistryError
from calreg.names import HeadName
from calreg.registry.snapshot import Snapshot

__all__ = ["fallback", "former_references", "previous"]


def former_references(snapshot: Snapshot, name: HeadName, held: int) -> Iterator[int]:
    """The versions that a head's reference held before it came to hold one, step by step.

    Only steps forward count: what somebody rolled back from is nothing to go back to.
    """
    moves = [move for move in reversed(snapshot.moves()) if move.head == name.full]
    at = _before(snapshot, name, held, moves)
    while at is not None:
        yield at
        at = _before(snapshot, name, at, moves)


def _before(snapshot: Snapshot, name: HeadName, held: int, moves: Iterable[Move]) -> int | None:
    for move in moves:
        if move.after == held and move.before is not None and move.before < held:
            return move.before
    return snapshot.rows(name.model, held).get(name.head)


def fallback(snapshot: Snapshot, name: HeadName, held: int) -> int | None:
    """The last version before this one that a reference may go back to, if there is one.

    One that is withdrawn or collected is passed over.
    """
    there = snapshot.versions(name)
    for version in former_references(snapshot, name, held):
        if version in there and snapshot.withdrawn.of(name.full, version) is None:
            return version
    return None


def previous(snapshot: Snapshot, name: HeadName) -> int:
    """The version that a plain roll-back goes to: the reference before the present one.

    Raises:
        InputError: There is no such head.
        RegistryError: There was none before.
    """
    held = snapshot.calibration(name).version
    found = fallback(snapshot, name, held)
    if found is None:
        raise RegistryError(
            f"{name} has had no reference before v{held}",
            hint="To take a version out of use without another: calreg withdraw.",
            code="nothing-before",
        )
    return found
