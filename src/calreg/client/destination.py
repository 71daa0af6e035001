"""The folder that production reads, changed all or nothing.

    DEST/calreg.lock                               the pointer: what is installed, by digest
    DEST/essentia/effnet/mood_happy-calibration.json   plain copies, for any program to read
    DEST/.calreg/snapshots/<id>/documents          a set's exact documents, one after another
    DEST/.calreg/snapshots/<id>/calreg.lock        what that set is; the last sets are kept
    DEST/.calreg/held                              there after a roll-back, until the next pull
    DEST/.calreg/replaced.lock                     there only while plain copies are changed
    DEST/.calreg/lock                              held by the one pull that may write

An install writes the whole new set into a snapshot and the plain copies beside their places;
then it moves the pointer with one rename: whoever reads through the pointer (`Installed`) has
the old set or the new one, at any moment and after any power cut. Then the plain copies take
their places, one rename each; a pull that was killed between is finished by the next one,
because `replaced.lock` says what was there.

A set is one file, in the order of its heads' names, since a thousand small files cost more
to make than everything else together. The lock has their sizes, and so their places in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import accumulate
from pathlib import Path

from calreg import documents, failpoints
from calreg.client.copies import LOCK_FILE, check_path, copy_digest, placed
from calreg.client.deadline import Deadline
from calreg.client.folder import Folder, Replacing
from calreg.client.knowledge import as_known_now
from calreg.client.offers import MAX_REFERENCE_BYTES
from calreg.documents import Lock
from calreg.errors import CalregError, InputError, RegistryError, TransportError

__all__ = [
    "CACHE",
    "LOCK_FILE",
    "MAX_LOCK_BYTES",
    "REPLACED",
    "STATE",
    "Destination",
    "documents_file",
    "documents_in",
    "is_held",
    "kept_sets",
    "open_folder",
    "places",
    "read_lock",
    "set_id",
    "snapshot_folder",
]

STATE = ".calreg"
CACHE = f"{STATE}/cache.git"
_SNAPSHOTS = f"{STATE}/snapshots"
_NEW = f"{STATE}/new"
_SCRATCH = f"{STATE}/scratch"
REPLACED = f"{STATE}/replaced.lock"
_MUTEX = f"{STATE}/lock"
_HELD = f"{STATE}/held"
MAX_LOCK_BYTES = 64 * 2**20
_MAX_SET_BYTES = 2**32
_KEPT_SNAPSHOTS = 3
_ABANDONED = 0.0
"""The time of a set that was rolled back from; it is the first to be deleted."""
_POLL_S = 0.05


def set_id(lock: Lock) -> str:
    """The name of a set of references: a digest of their documents, not of where from."""
    listed = (f"{head} {e.version} {e.digest} {e.size}\n" for head, e in sorted(lock.heads.items()))
    return documents.digest_of("".join(listed).encode())


def snapshot_folder(lock: Lock) -> str:
    """Where the complete set that a lock names lies."""
    return f"{_SNAPSHOTS}/{set_id(lock)}"


def documents_file(lock: Lock) -> str:
    """The file that holds the exact documents of a lock's set."""
    return f"{snapshot_folder(lock)}/documents"


def places(lock: Lock) -> dict[str, int]:
    """Where each head's document begins in the file of the set."""
    heads = sorted(lock.heads)
    return dict(
        zip(heads, accumulate((lock.heads[h].size for h in heads), initial=0), strict=False)
    )


def documents_in(raw: bytes, lock: Lock) -> dict[str, bytes]:
    """The documents of a lock's set that are whole in the file that holds them, by head."""
    found = {}
    for head, start in places(lock).items():
        entry = lock.heads[head]
        document = raw[start : start + entry.size]
        if documents.digest_of(document) == entry.digest:
            found[head] = document
    return found


def open_folder(root: Path, *, replacing: Replacing | None = None) -> Folder:
    """The destination as a folder that no link leads out of."""
    return Folder(root, scratch=_SCRATCH, replacing=replacing)


def read_lock(folder: Folder, path: str = LOCK_FILE) -> Lock | None:
    """What a lock file says; None if there is none.

    Raises:
        InputError: It is no lock, or names a file where none may lie.
    """
    raw = folder.read(path, max_bytes=MAX_LOCK_BYTES)
    return None if raw is None else _lock_of(raw, folder.shown(path))


def _lock_of(raw: bytes, where: str) -> Lock:
    try:
        lock = documents.load_lock(raw, where=where)
        for entry in lock.heads.values():
            check_path(entry.path, where=where)
    except InputError as error:
        error.hint = "Restore that file, or move it away and pull again."
        raise
    return lock


def kept_sets(folder: Folder) -> Iterator[tuple[Lock, Callable[[], dict[str, bytes]]]]:
    """The sets that are kept, the youngest first: each one's lock, and its whole documents."""
    for name in reversed(folder.names(_SNAPSHOTS)):
        try:
            lock = read_lock(folder, f"{_SNAPSHOTS}/{name}/{LOCK_FILE}")
        except InputError:
            continue  # nothing that we made
        if lock is not None and set_id(lock) == name:
            yield lock, partial(_documents_of, folder, lock)


def _documents_of(folder: Folder, lock: Lock) -> dict[str, bytes]:
    path = documents_file(lock)
    ((_, raw),) = folder.read_all([path], max_bytes=_MAX_SET_BYTES, only_plain=False)
    return documents_in(raw or b"", lock)


def is_held(folder: Folder) -> bool:
    """Whether the folder was rolled back, and no pull has moved it on since."""
    return folder.read(_HELD, max_bytes=1) is not None


class Destination:
    """A production folder that this process alone may change."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.root = folder.root
        self._known: tuple[bytes, Lock] | None = None

    @classmethod
    @contextlib.contextmanager
    def exclusively(
        cls, root: Path, deadline: Deadline, *, replacing: Replacing | None = None
    ) -> Iterator[Destination]:
        """The destination, made if it is not there; a second pull waits for its turn.

        If nothing comes of a first pull, nothing is left of it; of a later one, no files that
        are not complete.

        Raises:
            InputError: It cannot be written to, or everybody can.
        """
        is_new = not root.exists()
        _make(root)
        with open_folder(root, replacing=replacing) as folder:
            _check_private(folder)
            with _turn(folder, deadline):
                try:
                    yield cls(folder)
                except BaseException:
                    if folder.read(LOCK_FILE, max_bytes=MAX_LOCK_BYTES) is None:
                        _forget(root, is_new=is_new)
                    else:
                        with contextlib.suppress(CalregError):
                            folder.remove_folder(_NEW)
                    raise

    def lock(self) -> Lock | None:
        """What is installed; None if nothing is."""
        raw = self._folder.read(LOCK_FILE, max_bytes=MAX_LOCK_BYTES)
        if raw is None:
            return None
        if self._known is None or self._known[0] != raw:
            self._known = raw, _lock_of(raw, self._folder.shown(LOCK_FILE))
        return self._known[1]

    def contents(self, lock: Lock) -> dict[str, bytes]:
        """The documents of every head whose right bytes are still here, by head."""
        found = _documents_of(self._folder, lock)
        lost = {
            entry.path: head
            for head, entry in lock.heads.items()
            if head not in found and entry.copy is None
        }
        for path, copy in self._copies(lost, only_plain=False):
            if copy is not None and documents.digest_of(copy) == lock.heads[lost[path]].digest:
                found[lost[path]] = copy
        return found

    def recover(self) -> None:
        """Finish what a killed pull began: its plain copies."""
        if self._folder.read(REPLACED, max_bytes=MAX_LOCK_BYTES) is None:
            return
        current = self.lock()
        if current is not None:
            _, copies = placed(current, self.contents(current))
            by_path = {current.heads[head].path: copy for head, copy in copies.items()}
            there = self._copies(by_path, only_plain=False)
            stale = {path: by_path[path] for path, copy in there if copy != by_path[path]}
            with self._folder.staged(stale) as put:
                put(_file_written)
            self._remove_old(current, self._replaced())
        self._folder.remove(REPLACED)

    def install(self, new: Lock, contents: Mapping[str, bytes]) -> tuple[str, ...]:
        """Make the set of a lock the one that is installed.

        Args:
            new: What is to be installed. Its template and format say where the plain copies
                go, whatever `path` and `copy` its entries have.
            contents: The documents of all its heads, checked.

        Returns:
            The heads whose plain copies were written.

        Raises:
            InputError: A file that nobody installed is in the way, two heads want one place,
                or there is no room or right to write; the old set stays.
        """
        old = self.lock()
        new, copies = placed(new, contents)
        written = self._install(new, contents, copies, old)
        if new != old:
            self._folder.remove(_HELD)
        return written

    def _install(
        self,
        new: Lock,
        contents: Mapping[str, bytes],
        copies: Mapping[str, bytes],
        old: Lock | None,
    ) -> tuple[str, ...]:
        by_path = {new.heads[head].path: head for head in copies}
        stale = self._stale(by_path, copies, old)
        self._write_snapshot(new, contents, is_same=new == old)
        with self._folder.staged({path: copies[by_path[path]] for path in stale}) as put:
            failpoints.reach("objects-written")
            if new != old:
                self._move_pointer(new, old)
            put(_file_written)
        self._remove_old(new, old)
        self._folder.remove(REPLACED)
        failpoints.reach("settled")
        self._prune(keep=set_id(new))
        return tuple(sorted(by_path[path] for path in stale))

    def roll_back(self) -> Lock:
        """Make the set that was installed before this one the installed one again.

        What is known of the sources stays: whom to trust, the newest index that was seen,
        what was withdrawn. The folder is held at the set until a pull installs another.

        Raises:
            InputError: Nothing is installed, or no set before it is kept.
            RegistryError: A version in the set before was withdrawn since, or it is damaged.
        """
        current = self.lock()
        if current is None:
            raise _no_set_before(self.root)
        before = self._before(current)
        _refuse_withdrawn(before)
        contents = self.contents(before)
        if lost := before.heads.keys() - contents.keys():
            raise RegistryError(
                f"the set before this one is damaged: {min(lost)} is lost",
                where=self._folder.shown(snapshot_folder(before)),
                hint="Pull the versions you need: HEAD@v3.",
                code="damaged",
            )
        # The abandoned set is marked first: whoever rolls back once more, or is killed here
        # and rolls back again, does not come to it.
        with contextlib.suppress(FileNotFoundError):
            self._folder.touch(snapshot_folder(current), at=_ABANDONED)
        self._folder.write(_HELD, b"")
        before, copies = placed(before, contents)
        self._install(before, contents, copies, current)
        return before

    def _before(self, current: Lock) -> Lock:
        """The lock of the youngest other set, with what is known now."""
        for lock, _ in kept_sets(self._folder):
            is_abandoned = self._folder.touched(snapshot_folder(lock)) == _ABANDONED
            if set_id(lock) != set_id(current) and not is_abandoned:
                return as_known_now(lock, current)
        raise _no_set_before(self.root)

    def _replaced(self) -> Lock | None:
        raw = self._folder.read(REPLACED, max_bytes=MAX_LOCK_BYTES)
        return read_lock(self._folder, REPLACED) if raw else None

    def _copies(
        self, paths: Mapping[str, object], *, only_plain: bool
    ) -> Iterator[tuple[str, bytes | None]]:
        return self._folder.read_all(paths, max_bytes=MAX_REFERENCE_BYTES, only_plain=only_plain)

    def _stale(
        self, by_path: Mapping[str, str], copies: Mapping[str, bytes], old: Lock | None
    ) -> list[str]:
        """The plain copies that must be written, unless a stranger's file is in the way."""
        ours = {entry.path for entry in old.heads.values()} if old else set()
        stale = []
        for path, there in self._copies(by_path, only_plain=True):
            if there == copies[by_path[path]]:
                continue
            if there is not None and path not in ours:
                raise InputError(
                    "this file is there already, and calreg did not install it",
                    where=self._folder.shown(path),
                    hint="Move it away, or pull into another folder.",
                    code="file-in-the-way",
                )
            stale.append(path)
        return stale

    def _write_snapshot(self, lock: Lock, contents: Mapping[str, bytes], *, is_same: bool) -> None:
        target, path = snapshot_folder(lock), documents_file(lock)
        raw = b"".join(contents[head] for head in sorted(lock.heads))
        ((_, there),) = self._folder.read_all([path], max_bytes=_MAX_SET_BYTES, only_plain=False)
        if there == raw:
            if not is_same:
                self._folder.write(f"{target}/{LOCK_FILE}", lock.to_bytes())
                self._folder.touch(target)
            return
        self._folder.remove_folder(_NEW)
        self._folder.write_all({f"{_NEW}/documents": raw, f"{_NEW}/{LOCK_FILE}": lock.to_bytes()})
        self._folder.remove_folder(target)  # there only if it was damaged
        self._folder.make(_SNAPSHOTS)
        self._folder.rename(_NEW, target)

    def _move_pointer(self, new: Lock, old: Lock | None) -> None:
        self._folder.write(REPLACED, old.to_bytes() if old else b"")
        failpoints.reach("journal-written")
        self._folder.write(LOCK_FILE, documents.checked_bytes("lock", new, where=LOCK_FILE))
        failpoints.reach("ref-moved")

    def _remove_old(self, lock: Lock, old: Lock | None) -> None:
        """Delete the plain copies of a set before; never a file with bytes that are not ours."""
        kept = {entry.path for entry in lock.heads.values()}
        before = old.heads.values() if old else ()
        ours = {e.path: copy_digest(e) for e in before if e.path not in kept}
        self._folder.remove_all(
            [
                path
                for path, raw in self._copies(ours, only_plain=False)
                if raw is not None and documents.digest_of(raw) == ours[path]
            ]
        )

    def _prune(self, *, keep: str) -> None:
        """Delete the oldest snapshots beyond the last few; whoever has one open keeps it."""
        others = [name for name in self._folder.names(_SNAPSHOTS) if name != keep]
        for name in others[: max(0, len(others) - (_KEPT_SNAPSHOTS - 1))]:
            # It may be nothing that we made: the set is installed anyway.
            with contextlib.suppress(InputError):
                self._folder.remove_folder(f"{_SNAPSHOTS}/{name}")


def _file_written() -> None:
    failpoints.reach("file-written")


def _refuse_withdrawn(lock: Lock) -> None:
    for head, entry in sorted(lock.heads.items()):
        if found := lock.source_of(head).withdrawn.of(head, entry.version):
            raise RegistryError(
                f"the set before this one has {head} v{entry.version}, "
                f"which was withdrawn on {found.since}: {found.why}",
                hint="Pull the versions you need: HEAD@v3.",
                code="withdrawn",
            )


def _no_set_before(root: Path) -> InputError:
    return InputError(
        "there is no set before this one to go back to",
        where=str(root),
        hint="Pull the versions you need: HEAD@v3, or --as-of a date.",
        code="no-set-before",
    )


def _make(root: Path) -> None:
    try:
        # Whatever the umask, others than the owner's group never write into it.
        root.mkdir(mode=0o775, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError("expected a folder, got a file", where=str(root), code="folder") from error
    except OSError as error:
        raise InputError(
            f"cannot make this folder: {error.strerror}",
            where=str(root),
            hint="Make it for this user, or pull into another folder.",
            code="not-writable",
        ) from error


def _check_private(folder: Folder) -> None:
    """Refuse a folder in which everybody may replace files.

    Where the sticky bit is set nobody can replace what is another's, and a group is let in
    because whoever shares a folder with one means it.
    """
    mode = folder.about().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise InputError(
            "everybody on this machine may replace files in this folder",
            where=str(folder.root),
            hint=f"chmod o-w {folder.root}, or pull into a folder inside it.",
            code="folder-open-to-all",
        )


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
            # A process that was forked meanwhile has the descriptor, too: closing ours would
            # not free the mutex before that one ends.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
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
