"""The registry as it is served: one commit of it, whole, and what is made of it once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from calreg.registry import Registry, Snapshot

__all__ = ["Served", "ServedReference", "served_of"]

_Made = TypeVar("_Made")


class ServedReference(NamedTuple):
    """A head's reference, as production reads it, and its digest (the ETag)."""

    raw: bytes
    digest: str
    version: int


@dataclass(frozen=True)
class Served:
    """A view that never changes; when the registry moves, another takes its place.

    Args:
        commit: The commit; None for a branch without one.
        generation: Grows by one with every view, also when only the history or the findings
            that belong to the commit came to be known.
        references: A head's full name to its reference.
        snapshot: The commit itself, for what is not at hand; may start git.
    """

    commit: str | None
    generation: int
    references: Mapping[str, ServedReference]
    snapshot: Snapshot
    _made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _making: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def again(self, generation: int | None = None) -> Served:
        """The same commit as a view of its own: nothing was made of it yet."""
        number = self.generation + 1 if generation is None else generation
        return Served(self.commit, number, self.references, self.snapshot)

    def once(self, key: str, make: Callable[[], _Made]) -> _Made:
        """What `make` gives, made once for this view and forgotten with it; from any thread."""
        if key not in self._made:
            with self._making:
                if key not in self._made:
                    self._made[key] = make()
        found: _Made = self._made[key]
        return found


def served_of(registry: Registry, *, generation: int, commit: str | None = None) -> Served:
    """A view of a commit (None: the tip), every reference checked.

    Raises:
        InputError: A file of the registry is not valid.
    """
    snapshot = registry.at(commit)
    # With the rules, which are read in the same process then: whoever answers asks for the name.
    references = snapshot.state.references
    return Served(
        snapshot.commit,
        generation,
        {
            name.full: ServedReference(one.raw, one.digest, one.version)
            for name, one in references.items()
        },
        snapshot,
    )
