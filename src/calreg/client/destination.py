"""The folder that production reads, changed all or nothing.

    DEST/calreg.lock                               the pointer: what is installed, by digest
    DEST/essentia/effnet/mood_happy-calibration.json   plain copies, for any program to read
    DEST/.calreg/snapshots/<id>/…                  the last sets installed, each complete
    DEST/.calreg/replaced.lock                     there only while plain copies are changed
    DEST/.calreg/lock                              held by the one pull that may write

An install writes the whole new set into a snapshot, then moves the pointer with one rename:
whoever reads through the pointer (`Installed`) has the old set or the new one, at any moment
and after any power cut. Then the plain copies follow, one rename each; a pull that was
killed between is finished by the next one, because `replaced.lock` says what was there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from calreg import documents, failpoints
from calreg.client.deadline import Deadline
from calreg.client.folder import Folder
from calreg.client.offers import MAX_REFERENCE_BYTES
from calreg.documents import Lock
from calreg.errors import InputError, TransportError
from calreg.names import HeadName

__all__ = [
    "CACHE",
    "LOCK_FILE",
    "MAX_LOCK_BYTES",
    "REPLACED",
    "STATE",
    "Destination",
    "open_folder",
    "read_lock",
    "set_id",
    "snapshot_folder",
]

LOCK_FILE = "calreg.lock"
STATE = ".calreg"
CACHE = f"{STATE}/cache.git"
_SNAPSHOTS = f"{STATE}/snapshots"
_NEW = f"{STATE}/new"
_SCRATCH = f"{STATE}/scratch"
REPLACED = f"{STATE}/replaced.lock"
_MUTEX = f"{STATE}/lock"
MAX_LOCK_BYTES = 64 * 2**20
_KEPT_SNAPSHOTS = 3
_POLL_S = 0.05


def set_id(lock: Lock) -> str:
    """The name of a set of references: a digest of what its heads are, not of where from."""
    heads = {head: entry.to_json() for head, entry in lock.heads.items()}
    return documents.digest_of(documents.canonical_bytes({"heads": heads}))


def snapshot_folder(lock: Lock) -> str:
    """Where the complete set that a lock names lies."""
    return f"{_SNAPSHOTS}/{set_id(lock)}"


def open_folder(root: Path) -> Folder:
    """The destination as a folder that no link leads out of."""
    return Folder(root, scratch=_SCRATCH)


def read_lock(folder: Folder, path: str = LOCK_FILE) -> Lock | None:
    """What a lock file says; None if there is none.

    Raises:
        InputError: It is no lock, or names a file outside of its place.
    """
    raw = folder.read(path, max_bytes=MAX_LOCK_BYTES)
    if raw is None:
        return None
    where = folder.shown(path)
    try:
        lock = documents.load_lock(raw, where=where)
    except InputError as error:
        error.hint = error.hint or "Restore that file, or move it away and pull again."
        raise
    for head, entry in lock.heads.items():
        if entry.path != HeadName.parse(head).reference_path:
            raise InputError(
                f"{head}: expected the path {HeadName.parse(head).reference_path!r}, "
                f"got {entry.path!r}",
                where=where,
                code="lock",
            )
    return lock


class Destination:
    """A production folder that this process alone may change."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.root = folder.root

    @classmethod
    @contextlib.contextmanager
    def exclusively(cls, root: Path, deadline: Deadline) -> Iterator[Destination]:
        """The destination, made if it is not there; a second pull waits for its turn.

        If nothing comes of a first pull, nothing is left of it.
        """
        is_new = not root.exists()
        _make(root)
        with open_folder(root) as folder, _turn(folder, deadline):
            try:
                yield cls(folder)
            except BaseException:
                if folder.read(LOCK_FILE, max_bytes=MAX_LOCK_BYTES) is None:
                    _forget(root, is_new=is_new)
                raise

    def lock(self) -> Lock | None:
        """What is installed; None if nothing is."""
        return read_lock(self._folder)

    def contents(self, lock: Lock) -> dict[str, bytes]:
        """The bytes of every head whose right bytes are still here, by head."""
        found = {}
        snapshot = snapshot_folder(lock)
        for head, entry in lock.heads.items():
            for path in (f"{snapshot}/{entry.path}", entry.path):
                raw = self._read_if_plain(path)
                if raw is not None and documents.digest_of(raw) == entry.digest:
                    found[head] = raw
                    break
        return found

    def recover(self) -> None:
        """Finish what a killed pull began: its plain copies."""
        if self._folder.read(REPLACED, max_bytes=MAX_LOCK_BYTES) is None:
            return
        current = self.lock()
        if current is not None:
            self._settle(current, self.contents(current), self._replaced())
        self._folder.remove(REPLACED)

    def install(self, new: Lock, contents: Mapping[str, bytes]) -> tuple[str, ...]:
        """Make the set of a lock the one that is installed.

        Args:
            new: What is to be installed.
            contents: The bytes of all its heads, checked.

        Returns:
            The heads whose plain copies were written.

        Raises:
            InputError: A file that nobody installed is in the way; nothing was changed.
        """
        old = self.lock()
        self._refuse_strangers(new, contents, old)
        self._write_snapshot(new, contents, old)
        failpoints.reach("objects-written")
        if new != old:
            self._folder.write(REPLACED, old.to_bytes() if old else b"")
            failpoints.reach("journal-written")
            self._folder.write(LOCK_FILE, documents.checked_bytes("lock", new, where=LOCK_FILE))
            failpoints.reach("ref-moved")
        written = self._settle(new, contents, old)
        self._folder.remove(REPLACED)
        failpoints.reach("settled")
        self._prune(keep=set_id(new))
        return written

    def _replaced(self) -> Lock | None:
        raw = self._folder.read(REPLACED, max_bytes=MAX_LOCK_BYTES)
        return read_lock(self._folder, REPLACED) if raw else None

    def _read_if_plain(self, path: str) -> bytes | None:
        try:
            return self._folder.read(path, max_bytes=MAX_REFERENCE_BYTES)
        except InputError:
            return None  # a link or a folder holds no bytes of ours

    def _refuse_strangers(self, new: Lock, contents: Mapping[str, bytes], old: Lock | None) -> None:
        ours = {entry.path for entry in old.heads.values()} if old else set()
        for head, entry in new.heads.items():
            there = self._folder.read(entry.path, max_bytes=MAX_REFERENCE_BYTES)
            if there is None or entry.path in ours or there == contents[head]:
                continue
            raise InputError(
                "this file is there already, and calreg did not install it",
                where=self._folder.shown(entry.path),
                hint="Move it away, or pull into another folder.",
                code="file-in-the-way",
            )

    def _write_snapshot(self, lock: Lock, contents: Mapping[str, bytes], old: Lock | None) -> None:
        target = snapshot_folder(lock)
        if all(
            self._read_if_plain(f"{target}/{entry.path}") == contents[head]
            for head, entry in lock.heads.items()
        ) and self._folder.names(target):
            self._folder.touch(target)
            return
        self._folder.remove_folder(_NEW)
        before = snapshot_folder(old) if old else target
        files = {
            f"{_NEW}/{lock.heads[head].path}": raw
            for head, raw in contents.items()
            if not self._is_linked(before, lock.heads[head].path, raw)
        }
        self._folder.write_all({**files, f"{_NEW}/{LOCK_FILE}": lock.to_bytes()})
        self._folder.remove_folder(target)  # there only if it was damaged
        self._folder.rename(_NEW, target)

    def _is_linked(self, before: str, path: str, raw: bytes) -> bool:
        """Take a file over from the snapshot before, if it is there with the right bytes.

        Snapshots may share files, since nobody writes into one; a plain copy never does.
        """
        source = f"{before}/{path}"
        return self._read_if_plain(source) == raw and self._folder.link(source, f"{_NEW}/{path}")

    def _settle(
        self, lock: Lock, contents: Mapping[str, bytes], old: Lock | None
    ) -> tuple[str, ...]:
        """Make the plain copies those of the lock; the heads whose copies were written."""
        stale = [
            head
            for head, raw in contents.items()
            if self._read_if_plain(lock.heads[head].path) != raw
        ]
        self._folder.write_all(
            {lock.heads[head].path: contents[head] for head in stale},
            after_each=lambda: failpoints.reach("file-written"),
        )
        kept = {entry.path for entry in lock.heads.values()}
        for entry in old.heads.values() if old else ():
            if entry.path not in kept:
                self._folder.remove(entry.path)
        return tuple(sorted(stale))

    def _prune(self, *, keep: str) -> None:
        """Delete the oldest snapshots beyond the last few, unless somebody reads them."""
        others = [name for name in self._folder.names(_SNAPSHOTS) if name != keep]
        for name in others[: max(0, len(others) - (_KEPT_SNAPSHOTS - 1))]:
            # Somebody reads it, or it is nothing that we made: the set is installed anyway.
            with contextlib.suppress(BlockingIOError, InputError):
                self._delete_unread(f"{_SNAPSHOTS}/{name}")

    def _delete_unread(self, snapshot: str) -> None:
        descriptor = self._folder.opened(snapshot)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._folder.remove_folder(snapshot)
        finally:
            os.close(descriptor)


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError("expected a folder, got a file", where=str(root), code="folder") from error
    except OSError as error:
        raise InputError(
            f"cannot make this folder: {error.strerror}", where=str(root), code="folder"
        ) from error


def _forget(root: Path, *, is_new: bool) -> None:
    import shutil

    shutil.rmtree(root / STATE, ignore_errors=True)
    if is_new:
        with contextlib.suppress(OSError):
            root.rmdir()  # only if it is empty


@contextlib.contextmanager
def _turn(folder: Folder, deadline: Deadline) -> Iterator[None]:
    """Wait for the mutex; the kernel frees it when its holder ends, however it ends."""
    while True:
        descriptor = folder.opened(_MUTEX, create=True)
        try:
            _wait(descriptor, folder, deadline)
            if os.fstat(descriptor).st_nlink == 0:
                continue  # the pull before us came to nothing and took the file along
            yield
        finally:
            os.close(descriptor)
        return


def _wait(descriptor: int, folder: Folder, deadline: Deadline) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.is_over:
                raise TransportError(
                    f"another pull into {folder.root} does not end",
                    hint="Wait for it, or end it.",
                    code="busy",
                ) from None
            time.sleep(_POLL_S)
        else:
            return
