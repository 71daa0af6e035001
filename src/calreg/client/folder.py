"""A folder on disk whose insides are reached step by step, never through a symbolic link.

Every path is text with forward slashes, relative to the folder. Whoever swaps a folder for a
link while we work gets an error, not our bytes. Files are written beside (below `scratch`),
brought to disk and renamed: a reader sees the old bytes or the new ones, and that a disk is
full is found out before the first rename.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from calreg.errors import InputError

__all__ = ["Folder", "Put", "Replacing"]

_SYNCS_AT_ONCE = 16
_OPEN_AT_ONCE = 128
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLAIN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Put = Callable[[Callable[[], None]], None]
"""Puts staged files into their places; calls its argument after each."""


@dataclass(frozen=True, slots=True)
class Replacing:
    """How a file takes another's place, and how long that is tried.

    Some file systems (Windows' own, and shares) refuse it while anybody has the old file
    open, a virus scanner for example, and allow it a moment later.

    Args:
        replace: `os.replace`, or what stands for it.
        pause: Waits some seconds.
        tries: How often, the first time included.
        pause_s: Between two tries; 2 s together.
    """

    replace: Callable[..., None] = os.replace
    pause: Callable[[float], None] = time.sleep
    tries: int = 10
    pause_s: float = 2 / 9

    def __call__(self, source: str, target: str, **at: Any) -> None:
        """Put a file in another's place.

        Raises:
            OSError: It was refused, the last time too.
        """
        for _ in range(self.tries - 1):
            try:
                self.replace(source, target, **at)
            except PermissionError:
                self.pause(self.pause_s)
            else:
                return
        self.replace(source, target, **at)


class Folder:
    """An open folder; `shown` is what errors call it.

    Args:
        root: Where it is. The way to it may lead over links; the way inside may not.
        scratch: The folder inside it for files that are not complete yet.
        replacing: How a file takes another's place.
    """

    def __init__(self, root: Path, *, scratch: str, replacing: Replacing | None = None) -> None:
        self.root = root
        self.scratch = scratch
        self._replace = replacing or Replacing()
        self._temporaries = 0
        try:
            self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _refused(str(root), error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def shown(self, path: str) -> str:
        """The path as a person would write it."""
        return os.path.join(self.root, path)  # noqa: PTH118 - text for a message

    def about(self) -> os.stat_result:
        """Whose the folder is and who may write into it."""
        return os.fstat(self._fd)

    def read(self, path: str, *, max_bytes: int) -> bytes | None:
        """The bytes of a plain file; None if there is none.

        Raises:
            InputError: A link, a folder or a device is in its place, or it is too large.
        """
        return next(self.read_all([path], max_bytes=max_bytes))[1]

    def read_all(
        self, paths: Iterable[str], *, max_bytes: int, only_plain: bool = True
    ) -> Iterator[tuple[str, bytes | None]]:
        """Each path and the bytes of its file, None if there is none; sorted.

        Args:
            paths: Of plain files.
            max_bytes: The largest that is read.
            only_plain: Whether anything else in a file's place is an error, or no file.

        Raises:
            InputError: A link, a folder or a device is in a file's place, or it is too large.
        """
        for folder, inside in groupby(sorted(paths), key=_folder_of):
            with contextlib.ExitStack() as stack:
                parent = self._entered(stack, folder, only_plain=only_plain)
                for path in inside:
                    if parent is None:
                        yield path, None
                    else:
                        yield path, self._read_at(parent, path, max_bytes, only_plain=only_plain)

    def _entered(self, stack: contextlib.ExitStack, folder: str, *, only_plain: bool) -> int | None:
        try:
            return stack.enter_context(self._opened_folder(folder))
        except FileNotFoundError:
            return None
        except OSError as error:
            if only_plain:
                raise _refused(self.shown(folder), error) from error
            return None

    def _read_at(self, parent: int, path: str, max_bytes: int, *, only_plain: bool) -> bytes | None:
        try:
            return _read_plain(os.open(_name_of(path), _PLAIN, dir_fd=parent), max_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            if only_plain:
                raise _refused(self.shown(path), error) from error
            return None

    def write(self, path: str, data: bytes) -> None:
        """Replace or create one file in one step, on disk when this returns."""
        self.write_all({path: data})

    def write_all(self, files: Mapping[str, bytes]) -> None:
        """Replace or create files, each in one step, on disk when this returns."""
        with self.staged(files) as put:
            put(lambda: None)

    @contextlib.contextmanager
    def staged(self, files: Mapping[str, bytes]) -> Iterator[Put]:
        """Files brought to disk beside their places, and a function that puts them there.

        All that may fail for want of room or rights fails here, before the first is in its
        place; then nothing is left of any.

        Raises:
            InputError: They cannot be written.
        """
        made: list[str] = []
        places = [(path, self._temporary()) for path in sorted(files)]
        try:
            try:
                self._check_places(files, made)
                self._write_new([(name, files[path]) for path, name in places])
            except OSError as error:
                self._unmake(made)
                raise _not_written(str(self.root), error) from error
            yield lambda after_each: self._put(places, after_each)
        finally:
            self._discard([name for _, name in places])

    def _temporary(self) -> str:
        self._temporaries += 1
        return str(self._temporaries)

    def _check_places(self, paths: Iterable[str], made: list[str]) -> None:
        """Make the folders of files, and see that they may be written into."""
        for folder in sorted({_folder_of(path) for path in paths}):
            with self._opened_folder(folder, made=made) as opened:
                if not os.access(".", os.W_OK, dir_fd=opened, effective_ids=True):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)

    def _write_new(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Files in the scratch folder, on disk when this returns.

        They are brought to disk several at a time: a file system answers many such requests
        with one write of its journal.
        """
        with self._opened_folder(self.scratch, made=[]) as scratch:
            for start in range(0, len(files), _OPEN_AT_ONCE):
                with contextlib.ExitStack() as stack:
                    opened = []
                    for name, data in files[start : start + _OPEN_AT_ONCE]:
                        opened.append(_new_file(scratch, name))
                        stack.callback(os.close, opened[-1])
                        _write(opened[-1], data)
                    _sync_all(opened)

    def _put(self, places: Sequence[tuple[str, str]], after_each: Callable[[], None]) -> None:
        try:
            with self._opened_folder(self.scratch) as scratch, contextlib.ExitStack() as stack:
                folders: list[int] = []
                for folder, inside in groupby(places, key=lambda place: _folder_of(place[0])):
                    if len(folders) >= _OPEN_AT_ONCE:
                        _sync_all(folders)
                        stack.close()
                        folders.clear()
                    parent = stack.enter_context(self._opened_folder(folder, made=[]))
                    folders.append(parent)
                    for path, name in inside:
                        at = {"src_dir_fd": scratch, "dst_dir_fd": parent}
                        self._replace(name, _name_of(path), **at)
                        after_each()
                _sync_all(folders)
        except OSError as error:
            raise _not_written(str(self.root), error) from error

    def _discard(self, names: Iterable[str]) -> None:
        """Delete temporary files that did not get to their places."""
        with contextlib.suppress(OSError), self._opened_folder(self.scratch) as scratch:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=scratch)

    def _unmake(self, folders: Sequence[str]) -> None:
        for folder in reversed(folders):
            with contextlib.suppress(OSError), self._parent(folder) as (parent, name):
                os.rmdir(name, dir_fd=parent)

    def rename(self, source: str, target: str) -> None:
        """Move a file or folder; on disk when this returns."""
        try:
            with (
                self._parent(source) as (source_parent, source_name),
                self._parent(target, made=[]) as (parent, name),
            ):
                self._replace(source_name, name, src_dir_fd=source_parent, dst_dir_fd=parent)
                os.fsync(parent)
        except OSError as error:
            raise _not_written(self.shown(target), error) from error

    def remove(self, path: str) -> None:
        """Delete a file, and the folders above it that are empty then."""
        self.remove_all([path])

    def remove_all(self, paths: Iterable[str]) -> None:
        """Delete files, and the folders above them that are empty then."""
        for folder, inside in groupby(sorted(paths), key=_folder_of):
            try:
                with self._opened_folder(folder) as parent:
                    deleted = [path for path in inside if _unlinked(parent, path)]
                    if not deleted:
                        continue
                    os.fsync(parent)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _not_written(self.shown(folder), error) from error
            self._remove_empty(folder)

    def _remove_empty(self, folder: str) -> None:
        while folder:
            try:
                with self._parent(folder) as (parent, name):
                    os.rmdir(name, dir_fd=parent)
            except OSError:
                return  # not empty: somebody else's
            folder = _folder_of(folder)

    def remove_folder(self, path: str) -> None:
        """Delete a folder of ours and everything below it; nothing if it is not there."""
        import shutil

        try:
            with self._parent(path) as (parent, name):
                shutil.rmtree(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _not_written(self.shown(path), error) from error

    def names(self, path: str) -> list[str]:
        """What lies in a folder, the oldest first; nothing if it is not there."""
        try:
            with self._opened_folder(path) as parent:
                entries = [(e.stat(follow_symlinks=False).st_mtime_ns, e.name)
                           for e in os.scandir(parent)]  # fmt: skip
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _refused(self.shown(path), error) from error
        return [name for _, name in sorted(entries)]

    def touch(self, path: str, *, at: float | None = None) -> None:
        """Make a file or folder the youngest of its siblings, or as old as of a time."""
        with self._parent(path) as (parent, name):
            times = None if at is None else (at, at)
            os.utime(name, times, dir_fd=parent, follow_symlinks=False)

    def touched(self, path: str) -> float:
        """When a file or folder was changed last, in seconds since 1970."""
        with self._parent(path) as (parent, name):
            return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mtime

    def opened(self, path: str, *, create: bool = False) -> int:
        """A descriptor of a file or folder that is there, or of a file made empty."""
        flags = _PLAIN | (os.O_CREAT if create else 0)  # a pipe is not waited for
        try:
            with self._parent(path, made=[] if create else None) as (parent, name):
                return os.open(name, flags, 0o666, dir_fd=parent)
        except FileNotFoundError:
            raise
        except OSError as error:
            refused = _not_written if create else _refused
            raise refused(self.shown(path), error) from error

    def make(self, path: str) -> None:
        """Make a folder, and those above it, unless they are there."""
        try:
            with self._opened_folder(path, made=[]):
                pass
        except OSError as error:
            raise _not_written(self.shown(path), error) from error

    def files(self, under: str = "", *, without: str = "") -> Iterator[str]:
        """Every path below a folder that is no folder itself; nothing below `without`."""
        try:
            with self._opened_folder(under) as parent:
                entries = [(e.name, e.is_dir(follow_symlinks=False)) for e in os.scandir(parent)]
        except OSError as error:
            raise _refused(self.shown(under), error) from error
        for name, is_folder in sorted(entries):
            path = f"{under}/{name}" if under else name
            if not is_folder:
                yield path
            elif path != without:
                yield from self.files(path, without=without)

    @contextlib.contextmanager
    def _opened_folder(self, path: str, *, made: list[str] | None = None) -> Iterator[int]:
        """A folder, open; if `made` is a list, made where it is missing, and named there."""
        current = os.dup(self._fd)
        try:
            done = ""
            for step in path.split("/") if path else ():
                done = f"{done}/{step}" if done else step
                below = self._step(current, step, done, made)
                os.close(current)
                current = below
            yield current
        finally:
            os.close(current)

    @staticmethod
    def _step(current: int, step: str, done: str, made: list[str] | None) -> int:
        try:
            return os.open(step, _DIRECTORY, dir_fd=current)
        except FileNotFoundError:
            if made is None:
                raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(step, dir_fd=current)
            os.fsync(current)
            made.append(done)
        return os.open(step, _DIRECTORY, dir_fd=current)

    @contextlib.contextmanager
    def _parent(self, path: str, *, made: list[str] | None = None) -> Iterator[tuple[int, str]]:
        """The open folder that holds a path's last step, and that step."""
        with self._opened_folder(_folder_of(path), made=made) as parent:
            yield parent, _name_of(path)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]


def _unlinked(parent: int, path: str) -> bool:
    """Delete a file; whether there was one."""
    try:
        os.unlink(_name_of(path), dir_fd=parent)
    except FileNotFoundError:
        return False
    return True


def _new_file(parent: int, name: str) -> int:
    # A file left by a killed pull may be in the way; nobody reads it.
    try:
        return os.open(name, _NEW, 0o666, dir_fd=parent)
    except FileExistsError:
        os.unlink(name, dir_fd=parent)
        return os.open(name, _NEW, 0o666, dir_fd=parent)


def _write(opened: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(opened, left) :]


def _sync_all(opened: Sequence[int]) -> None:
    if len(opened) <= 1:
        for one in opened:
            os.fsync(one)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(_SYNCS_AT_ONCE, len(opened))) as pool:
        for _ in pool.map(os.fsync, opened):
            pass  # an error of any of them is raised here


def _read_plain(opened: int, max_bytes: int) -> bytes:
    try:
        size = _checked_size(os.fstat(opened), max_bytes)
        found = os.read(opened, size)
        while len(found) < size and (more := os.read(opened, size - len(found))):
            found += more
    finally:
        os.close(opened)
    return found


def _checked_size(about: os.stat_result, max_bytes: int) -> int:
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file")
    if about.st_size > max_bytes:
        raise OSError(errno.EFBIG, f"it has {about.st_size:,} bytes, at most {max_bytes:,}")
    return about.st_size


def _refused(where: str, error: OSError) -> InputError:
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return InputError(
            "a symbolic link or a file is in the way where a folder or a plain file belongs",
            where=where,
            hint="Move it away, or pull into another folder.",
            code="link-in-the-way",
        )
    problem = error.strerror or str(error)
    return InputError(problem[:1].lower() + problem[1:], where=where, code="folder")


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def _not_written(where: str, error: OSError) -> InputError:
    refused = _refused(where, error)
    if error.errno in _FULL:
        refused.message = f"cannot be written to: {refused.message}"
        refused.hint, refused.code = "Free some space, then pull again.", "disk-full"
    elif error.errno in _FORBIDDEN:
        refused.message = f"cannot be written to: {refused.message}"
        refused.hint = "Let this user write there, or pull into another folder."
        refused.code = "not-writable"
    return refused
