"""Look at an installed folder and say what is: values, not exceptions, and no repair.

`verify` hashes everything that is installed, `status` compares it with the source. The one
thing that `verify` changes is the work of a pull that was killed: it finishes that first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calreg import documents
from calreg.client.copies import copy_digest
from calreg.client.deadline import Deadline
from calreg.client.destination import (
    CACHE,
    LOCK_FILE,
    MAX_LOCK_BYTES,
    REPLACED,
    STATE,
    Destination,
    documents_file,
    documents_in,
    open_folder,
    read_lock,
)
from calreg.client.folder import Folder
from calreg.client.gathering import MAX_BYTES, Bounds, Wish, caches_of, open_all, versions_in
from calreg.client.offers import MAX_REFERENCE_BYTES
from calreg.client.pulling import DEADLINE_S, places_of, with_sound_cache
from calreg.client.selecting import choose
from calreg.client.trust import age_of, freshness
from calreg.client.views import View
from calreg.client.views.history import as_of_all
from calreg.documents import Lock, LockEntry, LockSource
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
    yield from _snapshot_differences(folder, lock)
    for head, entry in sorted(lock.heads.items()):
        yield from _checked(folder, head, entry)
    known = {entry.path for entry in lock.heads.values()}
    for path in folder.files(without=STATE):
        place = classify(path)
        if path not in known and place is not None and place.kind == "reference":
            yield Finding(
                "extra", path, "looks like a reference, and is none that is installed",
                place.head.full if place.head else None,
            )  # fmt: skip


def _snapshot_differences(folder: Folder, lock: Lock) -> Iterator[Finding]:
    """The set's own documents, which `Client` reads: lost as a whole, or altered one by one."""
    path = documents_file(lock)
    size = sum(entry.size for entry in lock.heads.values())
    try:
        raw = folder.read(path, max_bytes=size)
    except InputError as error:
        yield Finding("altered", path, error.message)
        return
    if raw is None:
        yield Finding("missing", path, f"expected the documents of {len(lock.heads)} heads")
        return
    whole = documents_in(raw, lock)
    for head, entry in sorted(lock.heads.items()):
        if head not in whole:
            problem = f"expected sha256 {entry.digest} for v{entry.version}"
            yield Finding("altered", path, problem, head)


def _checked(folder: Folder, head: str, entry: LockEntry) -> Iterator[Finding]:
    """The plain copy, which any other program reads."""
    path, expected = entry.path, copy_digest(entry)
    try:
        raw = folder.read(path, max_bytes=MAX_REFERENCE_BYTES)
    except InputError as error:
        yield Finding("not-a-plain-file", path, error.message, head)
        return
    if raw is None:
        yield Finding("missing", path, f"expected v{entry.version}, there is no file", head)
    elif (actual := documents.digest_of(raw)) != expected:
        yield Finding("altered", path, f"expected sha256 {expected}, got {actual}", head)


@dataclass(frozen=True, slots=True)
class Status:
    """What is installed against what the sources have now.

    `behind` are installed heads whose reference moved, `new` those that a pull would add,
    `gone` those it would remove, `withdrawn` those whose installed version is unfit for use.
    `expired` are lines about indexes past their time, or issued in the future.
    """

    source: str
    registry: str
    commit: str
    current_commit: str
    behind: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    seq: int | None = None
    current_seq: int | None = None
    age_s: float | None = None
    expires: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether a pull would change nothing that is read."""
        return not (self.behind or self.new or self.gone or self.withdrawn)

    def to_json(self) -> dict[str, Any]:
        """The status as plain values."""
        return {
            "source": self.source,
            "registry": self.registry,
            "commit": self.commit,
            "current_commit": self.current_commit,
            "seq": self.seq,
            "current_seq": self.current_seq,
            "is_current": self.is_current,
            "behind": list(self.behind),
            "new": list(self.new),
            "gone": list(self.gone),
            "withdrawn": list(self.withdrawn),
            "expired": list(self.expired),
            "age_s": self.age_s,
            "expires": self.expires,
        }


def status(
    dest: Path | str,
    *,
    source: str | Sequence[str] | None = None,
    cache: Path | None = None,
    deadline_s: float = DEADLINE_S,
    now: datetime | None = None,
) -> Status:
    """How far an installed folder is behind its sources.

    Args:
        dest: The folder.
        source: Where to look; where it was pulled from if not said. Needed if an address
            holds a secret, which is never recorded. Several in their order.
        cache: Where fetched objects are kept; inside `dest` if not said.
        deadline_s: Seconds for the whole of it.
        now: By which clock expiry is judged; this machine's if not said.

    Raises:
        InputError: Nothing is installed.
        RegistryError: A source is not what it must be; a pull would refuse it, too.
        TransportError: A source cannot be reached.
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
    typed = [source] if isinstance(source, str) else list(source or ())
    places = places_of(typed or [known.source for known in lock.sources], (), 1)
    wish = Wish(places, lock.selection, lock.as_of, lock.template, lock.format)
    moment = now or datetime.now(UTC)
    with _cache(root, cache, deadline) as objects:
        bounds = Bounds(deadline, MAX_BYTES, objects, moment)
        return with_sound_cache(
            lambda: _looked(wish, lock, bounds), caches_of(wish, objects), deadline
        )


def _looked(wish: Wish, lock: Lock, bounds: Bounds) -> Status:
    is_settled = all(source.is_settled for source in lock.sources)
    opened = open_all(wish, lock, bounds, always=not is_settled)
    views = [found.view for found in opened if found.view is not None]
    if not views:
        return _status(lock, lock.sources, _wished_already(lock), bounds.now)
    return _status(lock, [view.origin for view in views], _wished(wish, views, lock), bounds.now)


def _wished_already(lock: Lock) -> dict[str, str]:
    return {head: entry.digest for head, entry in lock.heads.items()}


def _wished(wish: Wish, views: Sequence[View], lock: Lock) -> dict[str, str]:
    """The digests of what the selection names now; what names nothing is no error here."""
    found: dict[str, str] = {}
    views = as_of_all(views, wish.as_of)
    for pattern in wish.selection or ("*",):
        with contextlib.suppress(InputError):
            chosen = choose(views, [pattern])
            versions = versions_in(views, chosen, lock)
            found |= {head: entry.digest for head, entry in versions.items()}
    return found


def _status(
    lock: Lock, sources: Sequence[LockSource], now_there: Mapping[str, str], now: datetime
) -> Status:
    first = sources[0]
    both = lock.heads.keys() & now_there.keys()
    return Status(
        lock.first.source,
        lock.first.registry,
        lock.first.commit,
        first.commit,
        behind=tuple(sorted(h for h in both if lock.heads[h].digest != now_there[h])),
        new=tuple(sorted(now_there.keys() - lock.heads.keys())),
        gone=tuple(sorted(lock.heads.keys() - now_there.keys())),
        withdrawn=tuple(
            head
            for head, entry in sorted(lock.heads.items())
            if any(
                source.withdrawn.of(head, entry.version)
                for source in sources  # two may have given themselves one name
                if source.registry == lock.source_of(head).registry
            )
        ),
        expired=tuple(line for source in sources for line in freshness(source, now)),
        seq=lock.first.seq,
        current_seq=first.seq,
        age_s=age_of(first, now),
        expires=first.expires,
    )


@contextlib.contextmanager
def _cache(root: Path, cache: Path | None, deadline: Deadline) -> Iterator[Path]:
    """Where fetched objects may be put, even for somebody who may only read `root`."""
    if cache is not None:
        yield cache
    elif os.access(root, os.W_OK):
        with Destination.exclusively(root, deadline):
            yield root.absolute() / CACHE
    else:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="calreg-") as folder:
            yield Path(folder) / "cache.git"
