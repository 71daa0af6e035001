"""What a registry's tip may let go of: read from a snapshot, decided by `calreg.plan`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from calreg.documents import Move
from calreg.names import HeadName, classify
from calreg.plan import CollectPlan, folders_to_collect, plan_collect
from calreg.registry.snapshot import Snapshot

__all__ = ["DEFAULT_KEEP_RUNS", "collect", "collectable"]

DEFAULT_KEEP_RUNS = 50


def collectable(snapshot: Snapshot, keep_runs: int) -> dict[str, list[int]]:
    """The version folders that nothing needs, by model; those that are gone already left out."""
    state = snapshot.state
    folders = {
        model: [number for number in numbers if not state.retention.has(model, number)]
        for model, numbers in snapshot.version_folders.items()
    }
    return folders_to_collect(state, folders, needed=_predecessors(snapshot), keep_runs=keep_runs)


def _predecessors(snapshot: Snapshot) -> dict[str, set[int]]:
    """What references held before, back to the first version that may be used again."""
    moves = list(reversed(snapshot.moves()))
    found: dict[str, set[int]] = {}
    for model, heads in _by_held(snapshot).items():
        # One reading of a run's part for all the heads whose references it made.
        for held, names in heads.items():
            before = snapshot.rows(model, held)
            for name in names:
                found.setdefault(model, set()).update(_before(snapshot, name, held, before, moves))
    return found


def _by_held(snapshot: Snapshot) -> dict[str, dict[int, list[HeadName]]]:
    found: dict[str, dict[int, list[HeadName]]] = {}
    for name, reference in snapshot.references.items():
        found.setdefault(name.model, {}).setdefault(reference.version, []).append(name)
    return found


def _before(
    snapshot: Snapshot,
    name: HeadName,
    held: int,
    before: Mapping[str, int | None],
    moves: Sequence[Move],
) -> Iterator[int]:
    at: int | None = held
    rows: Mapping[str, int | None] = before
    while at is not None:
        moved = (
            move.before
            for move in moves
            if move.head == name.full
            and move.after == at
            and move.before is not None
            and move.before < at
        )
        at = next(moved, None) or rows.get(name.head)
        if at is None:
            return
        yield at
        if snapshot.withdrawn.of(name.full, at) is None:
            return
        rows = snapshot.rows(name.model, at)


def collect(snapshot: Snapshot, keep_runs: int, *, by: str, timestamp: str) -> CollectPlan | None:
    """The plan that takes off the tip what nothing needs; None if that is nothing."""
    gone = collectable(snapshot, keep_runs)
    if not gone:
        return None
    wanted = {(model, number) for model, numbers in gone.items() for number in numbers}
    start = len(snapshot.full(""))
    files = []
    for path in snapshot.tree.paths(snapshot.full("").removesuffix("/")):
        place = classify(path[start:])
        if place is not None and (place.model or "", place.number or 0) in wanted:
            files.append(path[start:])
    state = snapshot.state
    return plan_collect(state, gone, files, keep_runs=keep_runs, by=by, timestamp=timestamp)
