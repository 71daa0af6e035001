"""Look at an installed folder and say what is: values, not exceptions, and no repair.

`verify` hashes everything that is installed, `status` compares it with the source. The one
thing that `verify` changes is the work of a pull that was killed: it finishes that first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calreg import documents
from calreg.client.deadline import Deadline
from calreg.client.destination import (
    CACHE,
    LOCK_FILE,
    MAX_LOCK_BYTES,
    REPLACED,
    STATE,
    Destination,
    open_folder,
    read_lock,
    snapshot_folder,
)
from calreg.client.folder import Folder
from calreg.client.offers import MAX_REFERENCE_BYTES, Offers, select
from calreg.client.pulling import DEADLINE_S, current_commit, fetch_offers
from calreg.client.sources import Source
from calreg.documents import Lock, LockEntry
from calreg.errors import CalregError, InputError
from calreg.names import classify

__all__ = ["Finding", "Status", "status", "verify"]

_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an installed folder."""

    rule: str
    path: str
    problem: str
    head: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding as plain values."""
        return {
            "rule": self.rule,
            "severity": "error",
            "path": self.path,
            "head": self.head,
            "problem": self.problem,
        }


def verify(dest: Path | str, *, deadline_s: float = DEADLINE_S) -> list[Finding]:
    """Everything that is not as it was installed: altered, missing and extra references.

    Raises:
        InputError: There is no such folder, or nothing is installed in it.
    """
    root = Path(dest)
    with open_folder(root) as folder:
        if folder.read(LOCK_FILE, max_bytes=MAX_LOCK_BYTES) is None:
            raise InputError(
                f"nothing is installed here: there is no {LOCK_FILE}",
                where=str(root),
                code="not-installed",
            )
        interrupted = list(_finish(folder, deadline_s))
        for _ in range(_LOOKS):
            before = folder.read(LOCK_FILE, max_bytes=MAX_LOCK_BYTES)
            found = _as_installed(folder)
            # A pull may have changed everything while we looked; then we look again.
            if not found or folder.read(LOCK_FILE, max_bytes=MAX_LOCK_BYTES) == before:
                break
    return [*interrupted, *found]


def _as_installed(folder: Folder) -> list[Finding]:
    try:
        lock = read_lock(folder)
    except InputError as error:
        return [Finding("lock-invalid", LOCK_FILE, error.message)]
    return list(_differences(folder, lock)) if lock else []


def _finish(folder: Folder, deadline_s: float) -> Iterator[Finding]:
    """Finish an interrupted pull; what stands in the way of that is a finding."""
    try:
        if folder.read(REPLACED, max_bytes=MAX_LOCK_BYTES) is not None:
            with Destination.exclusively(folder.root, Deadline(deadline_s)) as destination:
                destination.recover()
    except CalregError as error:
        yield Finding("interrupted", REPLACED, f"a pull was interrupted: {error.message}")


def _differences(folder: Folder, lock: Lock) -> Iterator[Finding]:
    snapshot = snapshot_folder(lock)
    for head, entry in sorted(lock.heads.items()):
        yield from _checked(folder, head, entry, entry.path)
        yield from _checked(folder, head, entry, f"{snapshot}/{entry.path}")
    known = {entry.path for entry in lock.heads.values()}
    for path in folder.files(without=STATE):
        place = classify(path)
        if path not in known and place is not None and place.kind == "reference":
            yield Finding(
                "extra", path, "looks like a reference, and is none that is installed",
                place.head.full if place.head else None,
            )  # fmt: skip


def _checked(folder: Folder, head: str, entry: LockEntry, path: str) -> Iterator[Finding]:
    try:
        raw = folder.read(path, max_bytes=MAX_REFERENCE_BYTES)
    except InputError as error:
        yield Finding("not-a-plain-file", path, error.message, head)
        return
    if raw is None:
        yield Finding("missing", path, f"expected v{entry.version}, there is no file", head)
    elif documents.digest_of(raw) != entry.digest:
        actual = documents.digest_of(raw)
        yield Finding("altered", path, f"expected sha256 {entry.digest}, got {actual}", head)


@dataclass(frozen=True, slots=True)
class Status:
    """What is installed against what the source has now.

    `behind` are installed heads whose reference moved, `new` those that a pull would add,
    `gone` those it would remove.
    """

    source: str
    registry: str
    commit: str
    current_commit: str
    behind: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether a pull would change nothing that is read."""
        return not (self.behind or self.new or self.gone)

    def to_json(self) -> dict[str, Any]:
        """The status as plain values."""
        return {
            "source": self.source,
            "registry": self.registry,
            "commit": self.commit,
            "current_commit": self.current_commit,
            "is_current": self.is_current,
            "behind": list(self.behind),
            "new": list(self.new),
            "gone": list(self.gone),
        }


def status(
    dest: Path | str,
    *,
    source: str | None = None,
    cache: Path | None = None,
    deadline_s: float = DEADLINE_S,
) -> Status:
    """How far an installed folder is behind its source.

    Args:
        dest: The folder.
        source: Where to look; where it was pulled from if not said. Needed if the address
            holds a secret, which is never recorded.
        cache: Where fetched objects are kept; inside `dest` if not said.
        deadline_s: Seconds for the whole of it.

    Raises:
        InputError: Nothing is installed.
        TransportError: The source cannot be reached.
    """
    deadline = Deadline(deadline_s)
    root = Path(dest)
    with open_folder(root) as folder:
        lock = read_lock(folder)
    if lock is None:
        raise InputError(
            f"nothing is installed here: there is no {LOCK_FILE}",
            where=str(root),
            code="not-installed",
        )
    place = Source.parse(source or lock.first.source)
    commit = current_commit(place, deadline)
    if commit == lock.first.commit:
        return Status(lock.first.source, lock.first.registry, lock.first.commit, commit)
    with _cache(root, cache, deadline) as folder_of_objects:
        return _compared(lock, fetch_offers(place, folder_of_objects, deadline))


@contextlib.contextmanager
def _cache(root: Path, cache: Path | None, deadline: Deadline) -> Iterator[Path]:
    """Where fetched objects may be put, even for somebody who may only read `root`."""
    if cache is not None:
        yield cache
    elif os.access(root, os.W_OK):
        with Destination.exclusively(root, deadline):
            yield root / CACHE
    else:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="calreg-") as folder:
            yield Path(folder) / "cache.git"


def _compared(lock: Lock, offers: Offers) -> Status:
    chosen = set(_still_there(lock, offers))
    behind = [
        head
        for head in sorted(chosen & set(lock.heads))
        if (version := offers.version_entry(head, lock.heads[head].version)) is None
        or version.oid != offers.references[head].oid
    ]
    return Status(
        lock.first.source,
        lock.first.registry,
        lock.first.commit,
        offers.commit,
        behind=tuple(behind),
        new=tuple(sorted(chosen - set(lock.heads))),
        gone=tuple(sorted(set(lock.heads) - chosen)),
    )


def _still_there(lock: Lock, offers: Offers) -> Iterator[str]:
    """The heads that the lock's selection names now; one that names none is no error here."""
    if not lock.selection:
        yield from offers.references
    for pattern in lock.selection:
        try:
            yield from select(offers.references, [pattern], registry=offers.registry)
        except InputError:
            continue
