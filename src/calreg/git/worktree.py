"""Keep a person's checkout equal to a commit, byte for byte, and never touch the rest.

Files are written by us, each one beside its place, forced to disk and renamed: git's own
checkout would run filters, change line ends and create symbolic links. A file that is
neither what the old commit nor what the new one says is somebody's work: it is left alone
and named. Everything here works on paths from the root of the work tree.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from calreg import failpoints
from calreg.errors import InputError, TransportError
from calreg.git import index
from calreg.git.arguments import check_path
from calreg.git.process import Git
from calreg.git.tree import Entry, Tree, blob_id

__all__ = ["Change", "WorkTree", "changes_between"]

_REGULAR = frozenset({"100644", "100755"})
_SUFFIX = ".calreg-new"
_SYNC_ONE_BY_ONE = 16


@dataclass(frozen=True, slots=True)
class Change:
    """A path that differs between two commits; None where it does not exist."""

    path: str
    old: Entry | None
    new: Entry | None


def changes_between(git: Git, old: str | None, new: str, *, folders: bool = False) -> list[Change]:
    """What differs between two commits; all of the new one, if there is no old one.

    Args:
        git: How git is started.
        old: A commit or tree, or None.
        new: A commit or tree.
        folders: List the folders that differ, too; only between two commits.
    """
    if old is None:
        entries = Tree(git, new).paths()
        return [Change(path, None, entry) for path, entry in entries.items()]
    options = ("-r", "-z", "--raw", "--no-renames", "--no-ext-diff", "--no-abbrev")
    also = ("-t",) if folders else ()
    fields = git.run("diff-tree", *options, *also, old, new, "--").out.split(b"\0")
    found = []
    for about, path in zip(fields[:-1:2], fields[1::2], strict=True):
        modes = about.decode("ascii").removeprefix(":").split()
        found.append(
            Change(os.fsdecode(path), _entry(modes[0], modes[2]), _entry(modes[1], modes[3]))
        )
    return found


def _entry(mode: str, oid: str) -> Entry | None:
    return None if mode == "000000" else Entry(mode, oid)


class WorkTree:
    """The files and the index of one checkout.

    Args:
        git: How git is started there.
        root: The folder that holds the files.
        index_file: The path of the index file.
        ours: A folder beside it where we may keep what nobody else reads.
    """

    def __init__(self, git: Git, root: Path, index_file: Path, ours: Path) -> None:
        self._git = git
        self._root = root
        self._index = index_file
        self._ours = ours
        # Folders found sound during one act; asked of the disk again in the next.
        self._sound: set[str] = set()

    def dirty(self, paths: Iterable[str], head: str | None) -> list[str]:
        """Of these paths, those whose file or index entry is not what HEAD says.

        Files are compared by their bytes, without git's filters. A file that nobody told
        git about counts, if it lies where a file would be written.

        Raises:
            InputError: A symbolic link, or a file instead of a folder, is in the way.
            RegistryError: Another git command holds the index.
        """
        index.refuse_locked(self._index)
        self._sound.clear()
        wanted = [check_path(path) for path in paths]
        expected = Tree(self._git, head).entries(wanted)
        staged = self._staged(head)
        return [
            path for path in wanted if path in staged or not self._is_at(path, expected.get(path))
        ]

    def _staged(self, head: str | None) -> Collection[str]:
        """The paths where the index differs from HEAD."""
        if head is None:
            return self._index_entries().keys()
        options = ("--cached", "-z", "--name-only", "--no-renames", "--no-ext-diff")
        out = self._git.run("diff-index", *options, head, "--").out
        return {os.fsdecode(path) for path in out.split(b"\0")[:-1]}

    def _index_entries(self) -> dict[str, str]:
        """Path to "mode oid stage" of everything in the index."""
        out = self._git.run("ls-files", "--stage", "-z").out
        rows = (line.partition(b"\t") for line in out.split(b"\0")[:-1])
        return {os.fsdecode(path): about.decode("ascii") for about, _, path in rows}

    def _is_at(self, path: str, entry: Entry | None) -> bool:
        """Whether the file is what the entry says; no entry says that there is none."""
        if entry is None:
            return not self._is_file(path)
        return self._oid(path, like=entry.oid) == entry.oid

    def _oid(self, path: str, *, like: str) -> str | None:
        """The id git would give the file's bytes; None if there is no file."""
        if not self._is_file(path):
            return None
        with open(f"{self._root}/{path}", "rb") as file:  # noqa: PTH123 - a third of the time
            return blob_id(file.read(), like=like)

    def _is_file(self, path: str) -> bool:
        """Whether there is a file; raises if anything else is there or on the way."""
        self._check_folder(path.rpartition("/")[0])
        mode = _mode(f"{self._root}/{path}")
        if mode is not None and not stat.S_ISREG(mode):
            raise _in_the_way(path, mode, "a file")
        return mode is not None

    def _check_folder(self, folder: str) -> None:
        if not folder or folder in self._sound:
            return
        self._check_folder(folder.rpartition("/")[0])
        mode = _mode(f"{self._root}/{folder}")
        if mode is not None and not stat.S_ISDIR(mode):
            raise _in_the_way(folder, mode, "a folder")
        self._sound.add(folder)

    def plan(self, old: str | None, new: str) -> list[Change]:
        """The changes that take files and index from one commit to another.

        Raises:
            InputError: A changed path is a link or submodule in `new`, or one is in its way.
        """
        self._sound.clear()
        changes = changes_between(self._git, old, new)
        for change in changes:
            if change.new is not None and change.new.mode not in _REGULAR:
                raise InputError(
                    f"commit {new[:12]} holds a link or a submodule, which is not checked out",
                    where=change.path,
                    hint="Bring the work tree up to date with git itself.",
                    code="in-the-way",
                )
            self._is_file(change.path)
        return changes

    def settle(self, changes: list[Change], new: str) -> list[str]:
        """Make files and index equal to `new`, where the changes say that it differs.

        Returns:
            The paths left alone because their bytes are neither commit's.

        Raises:
            TransportError: The disk refuses; the commit stays, and the next command goes on.
        """
        try:
            todo, conflicts = self._sort(changes)
            self._write(todo, Tree(self._git, new))
        except OSError as error:
            raise TransportError(
                f"the work tree could not be written: {error.strerror}",
                where=str(error.filename or self._root),
                hint="The commit is made. Once this is put right, the next calreg command that "
                "writes brings the files up to date.",
                code="work-tree",
            ) from error
        self._index_changes(changes, conflicts)
        failpoints.reach("settled")
        return conflicts

    def drop_leftovers(self, changes: list[Change]) -> None:
        """Remove what an interrupted `settle` wrote beside its places, and its lock."""
        index.release(self._index, self._ours)
        for change in changes:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self._beside(change.path))  # noqa: PTH108 - as above

    def _sort(self, changes: list[Change]) -> tuple[list[Change], list[str]]:
        """The changes whose file must be written or removed; the paths to leave alone."""
        self._sound.clear()
        todo: list[Change] = []
        conflicts: list[str] = []
        for change in changes:
            wanted, before = _id(change.new), _id(change.old)
            there = self._oid(change.path, like=wanted or before or "")
            if there == wanted:
                continue
            # A file that is gone was removed by us before a crash, or is not missed.
            if there is None or there == before:
                todo.append(change)
            else:
                conflicts.append(change.path)
        return todo, conflicts

    def _beside(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        return f"{self._root}/{folder}{slash}.{name}{_SUFFIX}"

    def _write(self, todo: list[Change], tree: Tree) -> None:
        for change in todo:
            if change.new is None:
                self._remove(change.path)
                failpoints.reach("file-written")
        wanted = [(change.path, change.new) for change in todo if change.new is not None]
        contents = tree.read_entries(wanted) if wanted else {}
        for path, entry in wanted:
            self._prepare(path, contents[path], executable=entry.mode == "100755")
        # On the disk before it gets its name: a power cut must not leave an empty file.
        _sync([self._beside(path) for path, _ in wanted])
        failpoints.reach("files-prepared")
        for path, _ in wanted:
            os.replace(self._beside(path), f"{self._root}/{path}")  # noqa: PTH105 - as above
            failpoints.reach("file-written")
        _sync(self._folders_of(todo))

    def _folders_of(self, todo: list[Change]) -> list[str]:
        """Every folder that a change may have added a name to or taken one from."""
        folders = {f"{self._root}"}
        for change in todo:
            folder = change.path.rpartition("/")[0]
            while folder:
                folders.add(f"{self._root}/{folder}")
                folder = folder.rpartition("/")[0]
        return sorted(folder for folder in folders if _mode(folder) is not None)

    def _prepare(self, path: str, data: bytes, *, executable: bool) -> None:
        """Write a file's bytes beside its place."""
        (self._root / path).parent.mkdir(parents=True, exist_ok=True)
        mode = 0o777 if executable else 0o666  # the umask takes away what it takes from others
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self._beside(path), flags, mode), "wb") as file:
            file.write(data)

    def _remove(self, path: str) -> None:
        file = self._root / path
        file.unlink(missing_ok=True)
        for folder in file.parents:
            if folder == self._root or any(folder.iterdir()):
                return
            folder.rmdir()

    def _index_changes(self, changes: list[Change], conflicts: list[str]) -> None:
        """Let the index say what `new` says; keep what somebody else staged meanwhile."""
        staged = self._index_entries() if conflicts else {}
        rows = b"".join(
            _index_row(change)
            for change in changes
            if change.path not in conflicts or _is_staged_as(staged, change)
        )
        if not rows:
            return
        with index.changing(self._git, self._index, self._ours) as git:
            git.run("update-index", "-z", "--index-info", stdin=rows)
            # Gives the entries their files' times, so that the next status need not read them.
            git.run("update-index", "-q", "--refresh", ok=(0, 1))


def _is_staged_as(staged: dict[str, str], change: Change) -> bool:
    """Whether the index holds the old commit's entry of a path."""
    expected = f"{change.old.mode} {change.old.oid} 0" if change.old else None
    return staged.get(change.path) == expected


def _index_row(change: Change) -> bytes:
    if change.new is None:
        zeros = "0" * len(change.old.oid if change.old else "")
        return f"0 {zeros}\t".encode() + os.fsencode(change.path) + b"\0"
    return f"{change.new.mode} {change.new.oid}\t".encode() + os.fsencode(change.path) + b"\0"


def _sync(places: list[str]) -> None:
    """Force files or folders to the disk: few one by one, many by one call for them all."""
    if len(places) > _SYNC_ONE_BY_ONE:
        # 2,000 calls of fsync took 7 to 20 s on a busy disk, one sync 0.1 s.
        os.sync()
        return
    for place in places:
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _id(entry: Entry | None) -> str | None:
    return entry.oid if entry is not None else None


def _mode(place: str) -> int | None:
    """What kind of thing lies somewhere, links not followed; None for nothing."""
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _in_the_way(path: str, mode: int, wanted: str) -> InputError:
    names = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFREG: "a file"}
    return InputError(
        f"{names.get(stat.S_IFMT(mode), 'something strange')} is in the way of {wanted}",
        where=path,
        hint="Move it away, then try again.",
        code="in-the-way",
    )
