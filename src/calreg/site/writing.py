"""A folder of our files, changed as far as a file system can all at once, and nobody else's.

Everything new is written beside first, so that whatever fails before has changed nothing.
Then file after file is moved into place, the index last: at no moment does it name a file
that is not there. What is as it must be is left alone, so that a web server's ETags stay.

    DIR/.calreg-site.json    which files are ours: only these are ever replaced or removed
    DIR/.calreg-site.new/    what is being written; nothing of it counts

A file that nobody of us wrote is never touched; one that lies where ours should be stops the
build before anything is moved.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from calreg import documents
from calreg.errors import InputError, RegistryError

__all__ = ["MANIFEST", "Settled", "SiteFolder"]

MANIFEST = ".calreg-site.json"
_SCRATCH = ".calreg-site.new"
_SCHEMA = "calreg/site/1.0"


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a folder: counts of files, and the bytes of all that are ours."""

    written: int
    unchanged: int
    removed: int
    bytes: int


class SiteFolder:
    """A folder that is about to hold exactly the files that are put into it, as far as ours go.

    Comes from `opened`. Until `settle` nothing in it changes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._before = frozenset(_ours(root / MANIFEST))
        self._files: dict[str, Path | None] = {}  # None: it is there already
        self._folders: set[str] = {_SCRATCH}
        self._theirs: set[str] = set()
        self._bytes = 0

    @classmethod
    @contextlib.contextmanager
    def opened(cls, root: Path) -> Iterator[SiteFolder]:
        """The folder, made if it is not there, for one build at a time.

        Raises:
            InputError: It is no folder, or a list of our files that we did not write is in it.
            RegistryError: Another build is at work in it.
        """
        is_new = _make(root)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(descriptor, root)
            shutil.rmtree(root / _SCRATCH, ignore_errors=True)
            try:
                yield cls(root)
            finally:
                shutil.rmtree(root / _SCRATCH, ignore_errors=True)
        finally:
            os.close(descriptor)
            if is_new:
                with contextlib.suppress(OSError):
                    root.rmdir()  # only if nothing came of it

    def put(self, path: str, raw: bytes) -> None:
        """A file of the new state.

        Args:
            path: From the folder, with forward slashes.
            raw: Its bytes.

        Raises:
            InputError: Somebody else's file or a link is where it should be, or another of ours.
        """
        self._claim(path)
        self._bytes += len(raw)
        there = self._there(path, size=len(raw))
        if there == raw:
            self._files[path] = None
            if path not in self._before:
                self._theirs.add(path)
            return
        if there is not None and path not in self._before:
            raise self._in_the_way(path, "it is there already, and calreg did not write it")
        beside = self.root / _SCRATCH / str(len(self._files))
        beside.parent.mkdir(exist_ok=True)
        beside.write_bytes(raw)
        self._files[path] = beside

    def held(self, path: str) -> bytes | None:
        """What an older build of ours left at a path; None if it is not there, or not ours."""
        if path not in self._before:
            return None
        place = self.root / path
        about = _about(place)
        return place.read_bytes() if about is not None and stat.S_ISREG(about.st_mode) else None

    def settle(self, *, last: Sequence[str]) -> Settled:
        """Make the folder hold what was put, and of our older files nothing else.

        Args:
            last: The paths that are moved after all others, in this order.
        """
        ours = self._files.keys() - self._theirs
        changed = [path for path, beside in self._files.items() if beside and path not in last]
        changed += [path for path in last if self._files.get(path)]
        stale = self._before - self._files.keys()
        if changed or stale:
            # Whoever is killed from here on leaves files that the next build knows as ours.
            self._write_manifest(ours | self._before)
        for path in changed:
            self._move(path)
        removed = sum(self._remove(path) for path in sorted(stale))
        self._write_manifest(ours)
        return Settled(len(changed), len(self._files) - len(changed), removed, self._bytes)

    # --- what may be written --------------------------------------------------------------

    def _claim(self, path: str) -> None:
        """Take note of a path; refuse one that our own files need otherwise."""
        folders = {str(parent) for parent in Path(path).parents if str(parent) != "."}
        if path in self._files or path in self._folders or folders & self._files.keys():
            raise InputError(
                f"two files of this site would be at {path!r}",
                hint="A head or model has a name that the site needs itself; rename it.",
                code="name",
            )
        self._folders |= folders

    def _there(self, path: str, *, size: int) -> bytes | None:
        """What is at a path now; of a file of another size no more than that it is there."""
        place = self.root
        *folders, _ = path.split("/")
        for step in folders:
            place /= step
            about = _about(place)
            if about is None:
                return None
            if not stat.S_ISDIR(about.st_mode):
                raise self._in_the_way(path, f"{step!r} is no folder there")
        about = _about(self.root / path)
        if about is None:
            return None
        if not stat.S_ISREG(about.st_mode):
            raise self._in_the_way(path, "a folder or a link is there already")
        return (self.root / path).read_bytes() if about.st_size == size else b""

    def _in_the_way(self, path: str, problem: str) -> InputError:
        return InputError(
            f"cannot write this file: {problem}",
            where=str(self.root / path),
            hint="Give a folder of its own to the site.",
            code="file-in-the-way",
        )

    # --- what is done ---------------------------------------------------------------------

    def _move(self, path: str) -> None:
        beside = self._files[path]
        if beside is None:
            return
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.replace(target)

    def _remove(self, path: str) -> bool:
        """Remove a file of an older build, and the folders that are empty without it."""
        place = self.root / path
        try:
            if self._there(path, size=-1) is None:
                return False
        except InputError:
            return False  # somebody put something else there
        place.unlink()
        for folder in place.relative_to(self.root).parents[:-1]:
            with contextlib.suppress(OSError):
                (self.root / folder).rmdir()
        return True

    def _write_manifest(self, paths: set[str] | frozenset[str]) -> None:
        raw = documents.canonical_bytes({"schema": _SCHEMA, "files": sorted(paths)})
        target = self.root / MANIFEST
        if _about(target) is not None and target.read_bytes() == raw:
            return
        beside = self.root / _SCRATCH / "manifest"
        beside.parent.mkdir(exist_ok=True)
        beside.write_bytes(raw)
        beside.replace(target)


def _make(root: Path) -> bool:
    """Make a folder; whether it was not there."""
    is_new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError("expected a folder, got a file", where=str(root), code="folder") from error
    return is_new


def _lock(descriptor: int, root: Path) -> None:
    # The kernel frees it when its holder ends, however it ends.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RegistryError(
            "another calreg site build is writing this folder", where=str(root), code="busy"
        ) from error


def _about(place: Path) -> os.stat_result | None:
    try:
        return place.lstat()
    except FileNotFoundError:
        return None


def _ours(manifest: Path) -> list[str]:
    """The paths that the manifest lists; none without one.

    Raises:
        InputError: It lists what no build of ours could have written: nothing is removed for it.
    """
    if _about(manifest) is None:
        return []
    data = documents.load_json(manifest.read_bytes(), where=str(manifest))
    files = data.get("files")
    if (
        data.get("schema") != _SCHEMA
        or not isinstance(files, list)
        or not all(map(_is_path, files))
    ):
        raise InputError(
            "this is not a list of files that calreg site build wrote",
            where=str(manifest),
            hint="Give a folder of its own to the site.",
            code="document",
        )
    return files


def _is_path(path: object) -> bool:
    steps = path.split("/") if isinstance(path, str) else [""]
    return not any(step in {"", ".", ".."} or "\0" in step for step in steps)
