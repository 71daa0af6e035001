"""What a move of the registry means: new history rows, and news to tell; in the worker's process.

A look compares two commits: the one that the store's history is of, and the tip. Where the tip
has all that the other had, the rows of what was added are enough; where history was rewritten,
a version withdrawn or folders collected, all rows are made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from calreg.names import HeadName
from calreg.service.working import Desk, Progress

if TYPE_CHECKING:
    from calreg.documents import ModelRun, Move
    from calreg.registry import Registry, Snapshot

__all__ = ["LookJob", "Looked", "News", "RebuildJob"]

_SHOWN = 200  # heads that one event names


class News(NamedTuple):
    """Something that happened to the registry: a kind of event, what it is about, and more."""

    event: str
    about: str
    details: Mapping[str, Any]


class Looked(NamedTuple):
    """What a look found; `rows` is None where the history must be made anew."""

    commit: str
    rows: list[dict[str, Any]] | None
    news: list[News]


@dataclass(frozen=True, slots=True)
class LookJob:
    """What is at a commit and was not at the one known before.

    Args:
        known: The commit that the store's history is of; None if it has none.
        commit: The registry's tip.
    """

    known: str | None
    commit: str

    name: ClassVar[str] = "the look at the registry"

    def do(self, desk: Desk, tell: Callable[[Progress], None]) -> Looked:  # noqa: ARG002 -- a look is short
        """Look.

        Raises:
            CalregError: The registry cannot be read.
        """
        registry = desk.registry()
        new = registry.at(self.commit)
        old = self._old(registry)
        if old is None:
            return Looked(self.commit, None, [])
        added = self._added(registry, old, new)
        rows = None if added is None else list(_rows(new, added))
        return Looked(self.commit, rows, list(_news(old, new)))

    def _old(self, registry: Registry) -> Snapshot | None:
        """The registry as it was; None if nobody knows, or the commit is gone."""
        if self.known is None or registry.repository.tip(self.known) is None:
            return None
        return registry.at(self.known)

    def _added(self, registry: Registry, old: Snapshot, new: Snapshot) -> list[ModelRun] | None:
        """The parts of runs that are new; None if rows that were there may have changed."""
        if old.withdrawn != new.withdrawn or old.settings.name != new.settings.name:
            return None
        if not registry.repository.is_ancestor(str(old.commit), self.commit):
            return None
        before, now = _folders(old), _folders(new)
        if not before <= now:
            return None
        numbers = {number for _, number in now - before}
        models = {model for model, _ in now - before}
        lowest = min(numbers, default=0)
        found = []
        for part in new.model_runs(sorted(models)):
            if part.version < lowest:
                break
            if (part.model, part.version) not in before:
                found.append(part)
        return found


@dataclass(frozen=True, slots=True)
class RebuildJob:
    """The store's history, made anew from all that a commit holds."""

    commit: str

    name: ClassVar[str] = "the history"

    def do(self, desk: Desk, tell: Callable[[Progress], None]) -> int:  # noqa: ARG002 -- nobody watches
        """Make it; how many rows it has.

        Raises:
            CalregError: The registry cannot be read, or the store does not answer.
        """
        now = desk.registry().at(self.commit)
        rows = _rows(now, now.model_runs(sorted(now.version_folders)))
        return desk.store.replace_history(now.settings.name, self.commit, rows)


def _folders(snapshot: Snapshot) -> set[tuple[str, int]]:
    return {(model, n) for model, numbers in snapshot.version_folders.items() for n in numbers}


def _rows(snapshot: Snapshot, parts: Iterable[ModelRun]) -> Iterator[dict[str, Any]]:
    from calreg.registry import history_rows

    return history_rows(parts, set(snapshot.known_heads), snapshot.withdrawn)


# News


def _news(old: Snapshot, new: Snapshot) -> Iterator[News]:
    runs = sorted(set(new.run_numbers) - set(old.run_numbers))
    for number in runs:
        yield _run_news(new, number)
    moved = _moved(old, new)
    if moved:
        yield News("promotion", str(new.commit), {"commit": new.commit, **_promotion(moved)})


def _run_news(new: Snapshot, number: int) -> News:
    run = new.run(number)
    rows = {
        f"{part.model}/{head}": row
        for part in new.parts_of(run)
        for head, row in part.heads.items()
    }
    unstable = sorted(name for name, row in rows.items() if not row.is_stable)
    details = {
        "status": "ok",
        "version": number,
        "commit": new.commit,
        "timestamp": run.timestamp,
        "summary": dict(run.summary),
        "unstable": unstable[:_SHOWN],
        "excluded": dict(sorted(run.excluded.items())[:_SHOWN]),
    }
    return News("run", f"{number}:{run.digest}", details)


def _promotion(moved: list[dict[str, Any]]) -> dict[str, Any]:
    return {"count": len(moved), "references": moved[:_SHOWN]}


def _moved(old: Snapshot, new: Snapshot) -> list[dict[str, Any]]:
    """The references that hold something else now, by head."""
    before, after = _ids(old), _ids(new)
    names = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    was = old.references_of([name for name in names if name in before])
    now = new.references_of([name for name in names if name in after])
    by_hand = _moves_since(old, new)
    return [
        {
            "head": name.full,
            "before": was[name].version if name in was else None,
            "after": now[name].version if name in now else None,
            **_why(by_hand.get(name.full)),
        }
        for name in names
    ]


def _ids(snapshot: Snapshot) -> dict[HeadName, str]:
    return {name: snapshot.reference_id(name) for name in snapshot.heads}


def _moves_since(old: Snapshot, new: Snapshot) -> dict[str, Move]:
    known = {move.number for move in old.moves()}
    return {move.head: move for move in new.moves() if move.number not in known}


def _why(move: Move | None) -> dict[str, Any]:
    if move is None:
        return {"action": "run", "by": None, "reason": None}
    return {"action": move.action, "by": move.by, "reason": move.reason}
