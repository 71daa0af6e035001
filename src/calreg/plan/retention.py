"""Which version folders a registry keeps, and what taking the others off the tip writes.

A folder `<model>/vN/` is kept whole or goes whole, as it was written: what is in it never
changes. Kept are the folders that a reference copies or held before, those that a pin names,
and those of the newest runs. `runs/`, `moves/` and the list of withdrawn versions stay, and
so do the numbers: the next run's is one more than the highest in `runs/`. What goes is in
the commits before, and in `retention.json`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from calreg.documents import Retention, checked_bytes
from calreg.names import RETENTION_PATH, HeadName
from calreg.plan.message import retention_message
from calreg.plan.state import RegistryState

__all__ = ["CollectPlan", "Folders", "folders_to_collect", "plan_collect"]

Folders = Mapping[str, Collection[int]]
"""Model to the numbers of version folders."""


@dataclass(frozen=True, slots=True)
class CollectPlan:
    """Folders taken off the tip, as it would be committed.

    `gone` names them, by model; `files` and `delete` have paths relative to the root.
    """

    gone: Mapping[str, Sequence[int]]
    retention: Retention
    files: Mapping[str, bytes]
    delete: Collection[str]
    message: str
    timestamp: str

    @property
    def heads(self) -> Collection[HeadName]:
        """None: no reference is touched."""
        return ()


def folders_to_collect(
    state: RegistryState,
    folders: Folders,
    *,
    needed: Folders,
    keep_runs: int,
) -> dict[str, list[int]]:
    """The version folders that nothing needs, by model, ascending.

    Args:
        state: The registry as it is.
        folders: Every version folder on the tip.
        needed: Those that references hold or held before.
        keep_runs: How many of a model's newest folders stay whatever they are.
    """
    pinned = [(HeadName.parse(head), pin.pinned_to) for head, pin in state.pins.heads.items()]
    held = [(name, reference.version) for name, reference in state.references.items()]
    kept = _by_model([*pinned, *held])
    found = {}
    for model, numbers in folders.items():
        stays = {*sorted(numbers)[-keep_runs:], *kept.get(model, ()), *needed.get(model, ())}
        gone = sorted({*numbers} - stays)
        if gone:
            found[model] = gone
    return found


def _by_model(versions: Iterable[tuple[HeadName, int]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for name, version in versions:
        found.setdefault(name.model, set()).add(version)
    return found


def plan_collect(
    state: RegistryState,
    gone: Mapping[str, Sequence[int]],
    files: Collection[str],
    *,
    keep_runs: int,
    by: str,
    timestamp: str,
) -> CollectPlan:
    """The commit that takes version folders off the tip, and its record.

    Args:
        state: The registry as it is.
        gone: The folders, see `folders_to_collect`; at least one.
        files: The registry's files in them.
        keep_runs: How many newest runs were kept.
        by: Who decides.
        timestamp: When, as it stands in documents.
    """
    retention = state.retention.after(gone, keep_runs=keep_runs)
    raw = checked_bytes("retention", retention, where=RETENTION_PATH)
    return CollectPlan(
        gone=gone,
        retention=retention,
        files={RETENTION_PATH: raw},
        delete=files,
        message=retention_message(gone, keep_runs=keep_runs, by=by, timestamp=timestamp),
        timestamp=timestamp,
    )
