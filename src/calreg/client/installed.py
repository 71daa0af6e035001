"""What is installed in a folder, handed out without a network.

`Installed` holds one set for as long as it lives: a pull meanwhile installs another, and
this one goes on answering from its own. Every reference is hashed when it is read. Any
thread may ask, and a process that was forked goes on asking.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from calreg import documents
from calreg.client.destination import LOCK_FILE, documents_file, open_folder, places, read_lock
from calreg.client.folder import Folder
from calreg.client.offers import MAX_REFERENCE_BYTES, suggestion
from calreg.client.references import InstalledReference, Stamp
from calreg.documents import Lock, LockEntry, LockSource
from calreg.errors import DigestMismatchError, InputError, RegistryError
from calreg.names import nearest

__all__ = ["Installed", "InstalledReference", "Stamp"]

_OPEN_ATTEMPTS = 10


class Installed:
    """One installed set of references, as it was when it was opened.

    Reading it needs no network and writes nothing. Open it again to see what a later pull
    installed.
    """

    def __init__(self, root: Path, lock: Lock, opened: int | None, confirmed: datetime) -> None:
        self.root = root
        self.lock = lock
        self.confirmed = confirmed
        self._opened = opened
        # Made now and not when first asked for: a lock that another thread holds at a fork
        # would never be free again.
        self._places = places(lock)
        used = {entry.origin for entry in lock.heads.values()}
        self._in_use = [lock.sources[number] for number in sorted(used)]
        self._read: dict[str, InstalledReference] = {}
        if opened is not None:
            # Open, the set stays readable when a pull deletes its snapshot. Reads name their
            # place in it, so threads and forked processes do not disturb each other.
            weakref.finalize(self, os.close, opened)

    @classmethod
    def open(cls, dest: Path | str) -> Installed:
        """What is installed in a folder, without looking anywhere else.

        Raises:
            InputError: Nothing is, or its `calreg.lock` is damaged.
        """
        root = Path(dest).absolute()
        with open_folder(root) as folder:
            for _ in range(_OPEN_ATTEMPTS):
                confirmed = _changed(root)
                lock = read_lock(folder)
                if lock is None:
                    break
                opened = _documents(folder, lock)
                # Gone although the pointer still names it: a folder that was copied without
                # its snapshots. The plain copies serve, each checked by its digest.
                if opened is not None or read_lock(folder) == lock:
                    return cls(root, lock, opened, confirmed)
        raise InputError(
            f"nothing is installed here: there is no {LOCK_FILE}",
            where=str(root),
            hint=f"calreg pull SOURCE {root}",
            code="not-installed",
        )

    @property
    def origin(self) -> str:
        """`registry@commit` of the first source."""
        return _origin(self.lock.first)

    def heads(self) -> tuple[str, ...]:
        """The full names of the heads that are installed."""
        return tuple(sorted(self.lock.heads))

    def versions(self) -> Mapping[str, int]:
        """Each head's installed version."""
        return {head: entry.version for head, entry in self.lock.heads.items()}

    def expires(self) -> datetime | None:
        """When the first of the sources in use stops being trusted as current."""
        return min(
            (datetime.fromisoformat(s.expires) for s in self._in_use if s.expires), default=None
        )

    def is_expired(self, now: datetime | None = None) -> bool:
        """Whether an index in use is too old to be believed; references are served all the same.

        Args:
            now: By whose clock; this machine's if not said.
        """
        end = self.expires()
        return end is not None and not (now or datetime.now(UTC)) < end

    def age_s(self, now: datetime | None = None) -> float:
        """Seconds since the set was last known to be current, at least 0.

        That is when a pull last asked the sources; a copied folder may have lost it, and then
        it is when the copy was made.
        """
        return max(0.0, ((now or datetime.now(UTC)) - self.confirmed).total_seconds())

    def reference(self, head: str) -> InstalledReference:
        """One head's reference, its bytes checked.

        Raises:
            InputError: No such head is installed, with the nearest that are.
            RegistryError: Its version was withdrawn.
            DigestMismatchError: Its file is not what was installed.
        """
        found = self._read.get(head)
        if found is None:
            found = self._read[head] = self._checked(head)
        return found

    def references(self, model: str) -> dict[str, InstalledReference]:
        """The references of all heads of a model, by full head name.

        Raises:
            InputError: No head of such a model is installed.
            RegistryError: As `reference`.
        """
        heads = [head for head in self.heads() if head.startswith(f"{model.rstrip('/')}/")]
        if not heads:
            models = {head.rpartition("/")[0] for head in self.lock.heads}
            raise InputError(
                f"No model {model!r} in {self.lock.first.registry}. {nearest(model, models)}",
                code="unknown-model",
            )
        return {head: self.reference(head) for head in heads}

    def document(self, head: str) -> bytes:
        """The exact bytes of an installed head's document, withdrawn or not.

        Raises:
            DigestMismatchError: They are lost or altered.
        """
        entry = self.lock.heads[head]
        raw = self._from_snapshot(head, entry)
        return raw if raw is not None else self._from_copy(entry)

    def _checked(self, head: str) -> InstalledReference:
        entry = self.lock.heads.get(head)
        if entry is None:
            raise InputError(
                f"No head {head!r} in {self.lock.first.registry}. "
                f"{suggestion(head, self.lock.heads)}",
                code="unknown-head",
            )
        source = self.lock.source_of(head)
        refuse_withdrawn(source, head, entry.version)
        where = str(self.root / entry.path)
        calibration = documents.load_calibration(self.document(head), where=where)
        if calibration.name.full != head or calibration.version != entry.version:
            raise InputError(
                f"expected {head} v{entry.version}, got {calibration.name} v{calibration.version}",
                where=where,
                code="lock",
            )
        stamp = Stamp(_origin(source), head, entry.version, entry.digest)
        return InstalledReference(calibration, entry.digest, stamp)

    def _from_snapshot(self, head: str, entry: LockEntry) -> bytes | None:
        if self._opened is None or entry.size > MAX_REFERENCE_BYTES:
            return None
        try:
            raw = os.pread(self._opened, entry.size, self._places[head])
        except OSError:
            return None  # a disk that fails; the copy may be well
        return raw if documents.digest_of(raw) == entry.digest else None

    def _from_copy(self, entry: LockEntry) -> bytes:
        actual = "no file"
        if entry.copy is not None:
            actual = "a copy in another format only"
        else:
            with open_folder(self.root) as folder:
                raw = folder.read(entry.path, max_bytes=MAX_REFERENCE_BYTES)
            if raw is not None:
                actual = documents.digest_of(raw)
                if actual == entry.digest:
                    return raw
        raise DigestMismatchError(str(self.root / entry.path), expected=entry.digest, actual=actual)


def refuse_withdrawn(source: LockSource, head: str, version: int) -> None:
    """Refuse a version that is unfit for use.

    Raises:
        RegistryError: It is, with since when and why.
    """
    if found := source.withdrawn.of(head, version):
        raise RegistryError(
            f"{head} v{version} was withdrawn on {found.since[:10]} by {found.by}: {found.why}",
            hint="Pull what is the reference now, or a version by name: HEAD@v3.",
            code="withdrawn",
        )


def _origin(source: LockSource) -> str:
    return f"{source.registry}@{source.commit}"


def _documents(folder: Folder, lock: Lock) -> int | None:
    """A descriptor of the set's documents; None if they are gone."""
    try:
        return folder.opened(documents_file(lock))
    except FileNotFoundError:
        return None


def _changed(root: Path) -> datetime:
    """When the pointer was last moved or confirmed; the epoch if there is none."""
    try:
        seconds = (root / LOCK_FILE).stat(follow_symlinks=False).st_mtime
    except OSError:
        seconds = 0.0
    return datetime.fromtimestamp(seconds, UTC)
