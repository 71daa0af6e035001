"""What one source offers at one moment, verified: a view.

Every kind of source is one module that makes views: a git repository's branch `stable`, its
working branch where there is no `stable` yet, a static site. A view was verified before
anybody holds it: signature, `seq`, expiry and ancestry are judged while it is opened. What
is read through it later is checked against the index that it was opened with.

To add a kind of source: a module that makes a `View`, and its case in `open_view`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from calreg.client.deadline import Deadline
from calreg.documents import Entry, LockEntry, LockSource, Withdrawn

if TYPE_CHECKING:
    from calreg.signatures import PublicKey

__all__ = ["Asking", "View", "apart", "pieces_of"]


@dataclass(frozen=True, slots=True)
class Asking:
    """What an opening and every later read of a view is bound by.

    Args:
        deadline: For the whole operation.
        max_bytes: Of all references of one operation together.
        cache: The folder for fetched git objects.
        now: By whose clock expiry is judged.
        known: What the lock knows of this source; None for a source that is new to it.
        keys: The keys a person gave; empty for those that are known or come first.
        threshold: How many of the given keys must sign.
        branch: The branch that a registry's references are published on.
        always: Make a view even of a state that is the known one.
        installed: What is installed from this source, by full head name.
        few: Full names of heads, if little else will be read: a source may then fetch
            piece by piece. Empty if much will be.
    """

    deadline: Deadline
    max_bytes: int
    cache: Path
    now: datetime
    known: LockSource | None = None
    keys: tuple[PublicKey, ...] = ()
    threshold: int = 1
    branch: str = "stable"
    always: bool = False
    installed: Mapping[str, LockEntry] = field(default_factory=dict)
    few: tuple[str, ...] = ()


def pieces_of(cache: Path) -> Path:
    """Where the pieces of a branch are kept of which few references are read."""
    return cache.with_name(f"{cache.stem}-pieces.git")


def apart(cache: Path) -> Path:
    """Where objects beside the followed branch are kept; losing them costs a fetch."""
    return cache.with_name(f"{cache.stem}-history.git")


class View(Protocol):
    """One verified state of one source."""

    @property
    def origin(self) -> LockSource:
        """What a lock records of it."""
        ...

    @property
    def withdrawn(self) -> Withdrawn:
        """The versions that are unfit for use."""
        ...

    def models(self) -> Collection[str]:
        """The models that have references."""
        ...

    def entries(self, model: str) -> Mapping[str, Entry]:
        """A model's references by full head name; read when first asked for."""
        ...

    def read(self, wanted: Mapping[str, Entry]) -> dict[str, bytes]:
        """The documents of some references by full head name, each with its entry's bytes.

        Raises:
            DigestMismatchError: One has other bytes.
            RegistryError: They are larger than allowed.
            TransportError: Not in time, or not to be reached.
        """
        ...

    def version(self, head: str, version: int) -> tuple[Entry, bytes]:
        """One version of a head, which need not be its reference.

        Raises:
            InputError: There is no such version, or this kind of source has references only.
        """
        ...
