"""Bring a folder to what a registry's references are now: look, fetch, check, install.

Nothing new costs one question to the server. What is new is judged by the listing of the
commit, fetched once, checked byte by byte, and installed all or nothing. Whatever goes
wrong, the last good set stays.

A history is told to be rewritten by what it lost: versions are never changed or deleted, so
a registry that no longer holds a version that is installed here is not the one it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calreg import documents
from calreg.client.deadline import Deadline
from calreg.client.destination import CACHE, LOCK_FILE, Destination
from calreg.client.offers import (
    MAX_REFERENCE_BYTES,
    Offers,
    object_id,
    read_announced,
    read_offers,
    select,
)
from calreg.client.sources import Source
from calreg.documents import Lock, LockEntry, LockSource
from calreg.errors import (
    CalregError,
    DigestMismatchError,
    InputError,
    RegistryError,
    UsageError,
)
from calreg.names import HeadName

if TYPE_CHECKING:
    from calreg.git import Entry

__all__ = [
    "DEADLINE_S",
    "MAX_BYTES",
    "Limits",
    "Progress",
    "Pulled",
    "current_commit",
    "fetch_offers",
    "pull_into",
]

# What a damaged cache may look like from outside.
_CACHE_FAULTS = {"git", "transport", "broken-object", "unreadable-object"}

DEADLINE_S = 60.0
MAX_BYTES = 256 * 2**20

Progress = Callable[[int, int], None]
"""Told how many references of how many have been checked."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one operation may cost: seconds as a whole, bytes of all references together."""

    deadline_s: float = DEADLINE_S
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did.

    `updated` are heads that are new or of another version or bytes than before, `removed`
    those that are no longer installed, `repaired` those whose plain copies had been altered
    or lost; `moves` gives the versions before (None: not installed) and after of the
    updated ones. `bytes` counts what was read of references. `ungated` says that the
    registry was read from its working branch, which no gate has passed and nobody signed.
    """

    source: str
    registry: str
    commit: str
    seq: int | None
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    bytes: int = 0
    ungated: bool = True
    previous_commit: str | None = None
    moves: Mapping[str, tuple[int | None, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return {
            "source": self.source,
            "registry": self.registry,
            "commit": self.commit,
            "previous_commit": self.previous_commit,
            "seq": self.seq,
            "updated": list(self.updated),
            "unchanged": list(self.unchanged),
            "removed": list(self.removed),
            "repaired": list(self.repaired),
            "bytes": self.bytes,
            "ungated": self.ungated,
            "moves": {
                head: {"from": before, "to": after} for head, (before, after) in self.moves.items()
            },
        }


def pull_into(
    dest: Path,
    source: str,
    heads: Sequence[str] = (),
    *,
    limits: Limits,
    cache: Path | None = None,
    offline: bool = False,
    locked: bool = False,
    progress: Progress | None = None,
) -> Pulled:
    """Install a registry's references in a folder, all or nothing.

    Args:
        dest: The folder; made if it is not there.
        source: A git address or a local folder.
        heads: Full names, models or patterns; none for all. What is installed afterwards is
            exactly this.
        limits: What it may cost.
        cache: Where fetched objects are kept; inside `dest` if not said.
        offline: Ask nobody: check what is installed, and repair its plain copies.
        locked: Install exactly what `calreg.lock` says.
        progress: Told now and then.

    Raises:
        InputError: A source or head that is none, an invalid reference, a file in the way.
        RegistryError: Another registry than the one installed, a rewritten history, a
            reference that is not what it must be.
        TransportError: The source cannot be reached, or not in time.
    """
    if locked and heads:
        raise UsageError("--locked installs what the lock names; name no heads with it")
    deadline = Deadline(limits.deadline_s)
    if (offline or locked) and not (dest / LOCK_FILE).exists():
        raise _nothing_installed(dest)
    with Destination.exclusively(dest, deadline) as destination:
        destination.recover()
        pull = _Pull(destination, source, limits, deadline, cache, progress or _silent)
        try:
            if offline:
                return pull.offline(heads)
            return pull.locked() if locked else pull.current(heads)
        except CalregError as error:
            _say_what_stays(error, destination)
            raise


def _silent(_done: int, _total: int) -> None:
    return


def _nothing_installed(dest: Path) -> InputError:
    return InputError(
        f"nothing is installed here: there is no {LOCK_FILE}",
        where=str(dest),
        hint=f"calreg pull SOURCE {dest}",
        code="not-installed",
    )


def _say_what_stays(error: CalregError, destination: Destination) -> None:
    try:
        lock = destination.lock()
    except InputError:
        return  # the lock itself is the trouble
    if lock is not None:
        first = lock.first
        stays = (
            f"{destination.root} keeps what was installed: {first.registry}@{first.commit[:12]}, "
            f"{len(lock.heads)} heads."
        )
        error.hint = f"{error.hint} {stays}" if error.hint else stays


def current_commit(source: Source, deadline: Deadline) -> str:
    """The commit that a source's own branch is at: one round trip.

    Raises:
        RegistryError: It has no commit.
        TransportError: It cannot be reached.
    """
    from calreg.git import remote_tip

    commit = remote_tip(source.url, "HEAD", timeout_s=deadline.left_s())
    if commit is None:
        raise RegistryError(
            f"{source.shown} has no commits yet",
            hint="A new registry needs its first run.",
            code="no-such-branch",
        )
    return commit


def fetch_offers(source: Source, cache: Path, deadline: Deadline) -> Offers:
    """What the source offers now, its commit fetched into the cache."""
    from calreg.git import fetch_remote

    repository, commit = fetch_remote(source.url, "HEAD", cache, timeout_s=deadline.left_s())
    return read_offers(repository.read(commit), commit, source.folder)


@dataclass(frozen=True, slots=True)
class _Set:
    """A set about to be installed: its lock, the bytes of all heads, what was fetched."""

    lock: Lock
    contents: Mapping[str, bytes]
    fetched: int


class _Pull:
    """One pull under way, in a destination that is ours alone."""

    def __init__(
        self,
        destination: Destination,
        source: str,
        limits: Limits,
        deadline: Deadline,
        cache: Path | None,
        progress: Progress,
    ) -> None:
        self._destination = destination
        self._typed_source = source
        self._limits = limits
        self._deadline = deadline
        self._cache = cache or destination.root / CACHE
        self._progress = progress
        self._old = destination.lock()
        self._have = destination.contents(self._old) if self._old else {}

    def offline(self, heads: Sequence[str]) -> Pulled:
        """What is installed, checked and its plain copies repaired."""
        old = self._installed_lock()
        if heads:
            select(old.heads, heads, registry=str(self._destination.root))
        self._refuse_damage(old)
        return self._install(_Set(old, self._have, 0))

    def locked(self) -> Pulled:
        """Exactly what the lock says; fetched only if it is not all here."""
        old = self._installed_lock()
        missing = [head for head in old.heads if head not in self._have]
        if not missing:
            return self._install(_Set(old, self._have, 0))
        source = Source.parse(self._typed_source)
        return self._install(self._with_sound_cache(lambda: self._locked_set(source, old, missing)))

    def _locked_set(self, source: Source, old: Lock, missing: Sequence[str]) -> _Set:
        """The set that the lock names, what is missing of it read from the source."""
        offers = fetch_offers(source, self._cache, self._deadline)
        _check_registry(old, offers, self._destination.root)
        entries = {head: self._locked_version(offers, head, old.heads[head]) for head in missing}
        read = self._read(offers, entries)
        for head, raw in read.items():
            entry = old.heads[head]
            if documents.digest_of(raw) != entry.digest:
                raise DigestMismatchError(
                    offers.prefix + HeadName.parse(head).version_path(entry.version),
                    expected=entry.digest,
                    actual=documents.digest_of(raw),
                )
            _entry_of(raw, head, offers.path_of(head))
        fetched = sum(len(raw) for raw in read.values())
        return _Set(old, {**self._have, **read}, fetched)

    def current(self, heads: Sequence[str]) -> Pulled:
        """What the source's references are now."""
        source = Source.parse(self._typed_source)
        selection = tuple(sorted(set(heads)))
        commit = current_commit(source, self._deadline)
        if self._is_current(source, commit, selection):
            return self._install(_Set(self._installed_lock(), self._have, 0))
        return self._install(self._with_sound_cache(lambda: self._current_set(source, selection)))

    def _is_current(self, source: Source, commit: str, selection: tuple[str, ...]) -> bool:
        old = self._old
        return (
            old is not None
            and (old.first.source, old.first.commit, old.selection)
            == (source.shown, commit, selection)
            and len(self._have) == len(old.heads)
        )

    def _with_sound_cache(self, fetch: Callable[[], _Set]) -> _Set:
        """What `fetch` returns; if the cache is to blame for its failure, from a new one."""
        from calreg.git import drop_cache, is_cache

        is_old = is_cache(self._cache)
        try:
            return fetch()
        except CalregError as error:
            if not is_old or error.code not in _CACHE_FAULTS or self._deadline.is_over:
                raise
            drop_cache(self._cache)
            return fetch()

    def _current_set(self, source: Source, selection: tuple[str, ...]) -> _Set:
        """The references asked for: those that are here, and the others read and checked."""
        offers = fetch_offers(source, self._cache, self._deadline)
        if self._old is not None:
            _check_registry(self._old, offers, self._destination.root)
            _check_history(self._old, self._have, offers)
        chosen = select(offers.references, selection, registry=offers.registry)
        kept = {head: self._have[head] for head in chosen if self._is_same(offers, head)}
        wanted = {head: offers.references[head] for head in chosen if head not in kept}
        read = self._read(offers, wanted)
        entries: dict[str, LockEntry] = {}
        for done, head in enumerate(chosen):
            entries[head] = (
                self._installed_lock().heads[head]
                if head in kept
                else _entry_of(read[head], head, offers.path_of(head))
            )
            offers.check_copy(head, entries[head].version)
            self._deadline.left_s()
            self._progress(done + 1, len(chosen))
        found = LockSource(source.shown, offers.registry, offers.commit, tip=offers.commit)
        lock = Lock((found,), selection, entries)
        return _Set(lock, {**kept, **read}, sum(len(raw) for raw in read.values()))

    def _is_same(self, offers: Offers, head: str) -> bool:
        if head not in self._have:
            return False
        return object_id(self._have[head], offers.references[head]) == offers.references[head].oid

    def _read(self, offers: Offers, entries: Mapping[str, Entry]) -> dict[str, bytes]:
        """The bytes of some files of the registry by head, within the limits."""
        found = read_announced(offers.tree, entries, max_bytes=MAX_REFERENCE_BYTES)
        total = sum(len(raw) for raw in found.values())
        if total > self._limits.max_bytes:
            raise RegistryError(
                f"the references have {total:,} bytes, at most {self._limits.max_bytes:,} are read",
                hint="Name the heads you need, or allow more (max_bytes).",
                code="too-large",
            )
        return found

    def _locked_version(self, offers: Offers, head: str, entry: LockEntry) -> Entry:
        # The version, not the reference: that one may have moved on, a version never does.
        found = offers.version_entry(head, entry.version)
        if found is None or not found.is_plain_file:
            raise RegistryError(
                f"{offers.registry} no longer has {head} v{entry.version}, which the lock names",
                hint="Pull without --locked.",
                code="history-rewritten",
            )
        return found

    def _installed_lock(self) -> Lock:
        if self._old is None:
            raise _nothing_installed(self._destination.root)
        return self._old

    def _refuse_damage(self, lock: Lock) -> None:
        for head, entry in lock.heads.items():
            if head not in self._have:
                raise RegistryError(
                    f"the installed bytes of {head} v{entry.version} are lost or altered",
                    where=str(self._destination.root / entry.path),
                    hint="Pull with a network.",
                    code="damaged",
                )

    def _install(self, new: _Set) -> Pulled:
        """Put the set in place and say what that changed."""
        self._deadline.left_s()
        before = self._old.heads if self._old else {}
        after = new.lock.heads
        written = self._destination.install(new.lock, new.contents)
        updated = tuple(
            head
            for head in sorted(after)
            if head not in before or replace(before[head], path="") != replace(after[head], path="")
        )
        return Pulled(
            source=new.lock.first.source,
            registry=new.lock.first.registry,
            commit=new.lock.first.commit,
            seq=new.lock.first.seq,
            updated=updated,
            unchanged=tuple(sorted(set(after) - set(updated))),
            removed=tuple(sorted(set(before) - set(after))),
            repaired=tuple(sorted(set(written) - set(updated))),
            bytes=new.fetched,
            previous_commit=self._old.first.commit if self._old else None,
            moves={
                head: (before[head].version if head in before else None, after[head].version)
                for head in updated
            },
        )


def _entry_of(raw: bytes, head: str, where: str) -> LockEntry:
    """What a lock says of a reference's bytes, after every check of them.

    Raises:
        InputError: Not a valid calibration, not in canonical form, or another head's.
    """
    calibration = documents.load_calibration(raw, where=where)
    if calibration.name.full != head:
        raise InputError(
            f"expected the calibration of {head}, got that of {calibration.name}",
            where=where,
            code="document",
        )
    if documents.canonical_bytes(documents.load_json(raw, where=where)) != raw:
        raise InputError(
            "the document is not in canonical form, so it was edited by hand",
            where=where,
            code="document",
        )
    path = calibration.name.reference_path
    return LockEntry(calibration.version, documents.digest_of(raw), len(raw), path)


def _check_registry(old: Lock, offers: Offers, root: Path) -> None:
    """Refuse another registry; the same one may have another address."""
    if old.first.registry != offers.registry:
        raise RegistryError(
            f"{root} holds references of {old.first.registry!r}, "
            f"this source is {offers.registry!r}",
            hint="Pull into another folder.",
            code="another-registry",
        )


def _check_history(old: Lock, have: Mapping[str, bytes], offers: Offers) -> None:
    """Refuse a history that lost or changed a version that is installed here."""
    for head, entry in old.heads.items():
        found = offers.version_entry(head, entry.version)
        if found is not None and (head not in have or object_id(have[head], found) == found.oid):
            continue
        lost = "no longer has" if found is None else "has other bytes for"
        raise RegistryError(
            f"{offers.registry}@{offers.commit[:12]} {lost} {head} v{entry.version}, "
            "which is installed: its history was rewound or rewritten",
            hint="Ask who keeps the registry; if it is meant so, pull into a new folder.",
            code="history-rewritten",
        )
