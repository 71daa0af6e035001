"""A folder on disk whose insides are reached step by step, never through a symbolic link.

Every path is text with forward slashes, relative to the folder. Whoever swaps a folder for a
link while we work gets an error, not our bytes. Files are written beside (below `scratch`),
brought to disk and renamed: a reader sees the old bytes or the new ones.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from calreg.errors import InputError

__all__ = ["Folder"]

_SYNCS_AT_ONCE = 16
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """An open folder; `shown` is what errors call it.

    Args:
        root: Where it is. The way to it may lead over links; the way inside may not.
        scratch: The folder inside it for files that are not complete yet.
    """

    def __init__(self, root: Path, *, scratch: str) -> None:
        self.root = root
        self.scratch = scratch
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

    def read(self, path: str, *, max_bytes: int) -> bytes | None:
        """The bytes of a plain file; None if there is none.

        Raises:
            InputError: A link, a folder or a device is in its place, or it is too large.
        """
        try:
            with self._parent(path) as (parent, name):
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                return _read_plain(os.open(name, flags, dir_fd=parent), max_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(self.shown(path), error) from error

    def write_all(
        self, files: Mapping[str, bytes], *, after_each: Callable[[], None] = lambda: None
    ) -> None:
        """Replace or create files, each in one step, on disk when this returns.

        The bytes of all are brought to disk before the first is renamed, several at a time:
        a file system answers many such requests with one write of its journal.
        """
        scratch = {f"{self.scratch}/{number}": path for number, path in enumerate(sorted(files))}
        try:
            for temporary, path in scratch.items():
                self._write_new(temporary, files[path])
            self._sync_all(scratch)
            for temporary, path in scratch.items():
                self._rename(temporary, path)
                after_each()
            self._sync_all({_folder_of(path) for path in files})
        except OSError as error:
            raise _refused(str(self.root), error) from error

    def write(self, path: str, data: bytes) -> None:
        """Replace or create one file in one step."""
        self.write_all({path: data})

    def link(self, source: str, target: str) -> bool:
        """Give a file a second name; False where the file system has none to give."""
        try:
            with (
                self._parent(source) as (source_parent, source_name),
                self._parent(target, create=True) as (target_parent, target_name),
            ):
                os.link(
                    source_name,
                    target_name,
                    src_dir_fd=source_parent,
                    dst_dir_fd=target_parent,
                    follow_symlinks=False,
                )
        except OSError as error:
            if error.errno in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}:
                return False
            raise _refused(self.shown(target), error) from error
        return True

    def rename(self, source: str, target: str) -> None:
        """Move a file or folder; on disk when this returns."""
        try:
            self._rename(source, target)
            self._sync(_folder_of(target))
        except OSError as error:
            raise _refused(self.shown(target), error) from error

    def remove(self, path: str) -> None:
        """Delete a file, and the folders above it that are empty then."""
        try:
            with self._parent(path) as (parent, name):
                os.unlink(name, dir_fd=parent)
                os.fsync(parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(self.shown(path), error) from error
        while path := _folder_of(path):
            try:
                with self._parent(path) as (parent, name):
                    os.rmdir(name, dir_fd=parent)
            except OSError:
                return  # not empty: somebody else's

    def remove_folder(self, path: str) -> None:
        """Delete a folder of ours and everything below it; nothing if it is not there."""
        import shutil

        try:
            with self._parent(path) as (parent, name):
                shutil.rmtree(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(self.shown(path), error) from error

    def names(self, path: str) -> list[str]:
        """What lies in a folder, the oldest first; nothing if it is not there."""
        try:
            with self._parent(f"{path}/x") as (parent, _):
                entries = [(e.stat(follow_symlinks=False).st_mtime_ns, e.name)
                           for e in os.scandir(parent)]  # fmt: skip
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _refused(self.shown(path), error) from error
        return [name for _, name in sorted(entries)]

    def touch(self, path: str) -> None:
        """Make a folder the youngest of its siblings."""
        with self._parent(path) as (parent, name):
            os.utime(name, dir_fd=parent, follow_symlinks=False)

    def opened(self, path: str, *, create: bool = False) -> int:
        """A descriptor of a file or folder that is there, or of a file made empty."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        try:
            with self._parent(path, create=create) as (parent, name):
                return os.open(name, flags, 0o666, dir_fd=parent)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _refused(self.shown(path), error) from error

    def make(self, path: str) -> None:
        """Make a folder, and those above it, unless they are there."""
        try:
            with self._parent(f"{path}/x", create=True):
                pass
        except OSError as error:
            raise _refused(self.shown(path), error) from error

    def files(self, under: str = "", *, without: str = "") -> Iterator[str]:
        """Every path below a folder that is no folder itself; nothing below `without`."""
        try:
            with self._parent(f"{under}/x" if under else "x") as (parent, _):
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
    def _parent(self, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder that holds a path's last step, and that step."""
        *steps, name = path.split("/")
        current = os.dup(self._fd)
        try:
            for step in steps:
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(step, dir_fd=current)
                        os.fsync(current)
                below = os.open(step, _DIRECTORY, dir_fd=current)
                os.close(current)
                current = below
            yield current, name
        finally:
            os.close(current)

    def _write_new(self, path: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._parent(path, create=True) as (parent, name):
            # A file left by a killed pull may be in the way; nobody reads it.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
            with os.fdopen(os.open(name, flags | os.O_EXCL, 0o666, dir_fd=parent), "wb") as file:
                file.write(data)

    def _sync(self, path: str) -> None:
        with self._parent(path) as (parent, name):
            opened = os.open(name or ".", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)

    def _sync_all(self, paths: Collection[str]) -> None:
        if len(paths) <= 1:
            for path in paths:
                self._sync(path)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=_SYNCS_AT_ONCE) as pool:
            for _ in pool.map(self._sync, paths):
                pass  # an error of any of them is raised here

    def _rename(self, source: str, target: str) -> None:
        with (
            self._parent(source) as (source_parent, source_name),
            self._parent(target, create=True) as (target_parent, target_name),
        ):
            os.replace(source_name, target_name, src_dir_fd=source_parent, dst_dir_fd=target_parent)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _read_plain(opened: int, max_bytes: int) -> bytes:
    try:
        _check_readable(os.fstat(opened), max_bytes)
    except OSError:
        os.close(opened)
        raise
    with os.fdopen(opened, "rb") as file:
        return file.read(max_bytes)


def _check_readable(about: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file")
    if about.st_size > max_bytes:
        raise OSError(errno.EFBIG, f"it has {about.st_size:,} bytes, at most {max_bytes:,}")


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
