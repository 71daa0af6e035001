"""Disks of one's own, for tests that root runs: one that is soon full, one whose power fails."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

__all__ = ["LoopDisk", "SmallDisk", "needs_loop", "needs_mount"]


@functools.cache
def _can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with SmallDisk(Path(folder) / "probe", kilobytes=64):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


class SmallDisk:
    """A file system of its own at a new folder, from `with` to its end.

    Args:
        folder: Where; made if it is not there.
        kilobytes: All that fits in it, the folders' own pages included.
        inodes: How many files and folders; None: as many as fit.
    """

    def __init__(self, folder: Path, *, kilobytes: int, inodes: int | None = None) -> None:
        self.folder = folder
        self._options = f"size={kilobytes}k" + (f",nr_inodes={inodes}" if inodes else "")

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", self._options, "calreg-test", str(self.folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _call("umount", "--lazy", str(self.folder))

    def grow(self, kilobytes: int) -> None:
        """Make room."""
        self._mount("-o", f"remount,size={kilobytes}k", str(self.folder))

    def protect(self, *, is_read_only: bool = True) -> None:
        """Let nobody write any more, or again."""
        self._mount("-o", f"remount,{'ro' if is_read_only else 'rw'}", str(self.folder))

    @property
    def free_bytes(self) -> int:
        """What still fits."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, *, leaving: int = 0) -> Path:
        """A file that takes all there is but so many bytes."""
        file = self.folder / "ballast"
        with file.open("wb", buffering=0) as out:
            out.write(b"\0" * max(0, self.free_bytes - leaving))
        return file

    @staticmethod
    def _mount(*words: str) -> None:
        _call("mount", *words)


def needs_mount() -> pytest.MarkDecorator:
    """Skip where file systems cannot be mounted: not root, or a container that forbids it."""
    return pytest.mark.skipif(not _can_mount(), reason="only root can mount a small tmpfs")


class LoopDisk:
    """An ext4 of its own in a file, which may be copied while it is used: a power cut.

    Args:
        folder: Where it is mounted; its image lies beside.
        megabytes: How large it is.
        image: One that is there already.
    """

    def __init__(self, folder: Path, *, megabytes: int = 24, image: Path | None = None) -> None:
        self.folder = folder
        self._image = image or folder.with_suffix(".img")
        self._megabytes = None if image else megabytes

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._megabytes is not None:
            with self._image.open("wb") as file:
                file.truncate(self._megabytes * 2**20)
            _call("mkfs.ext4", "-q", "-F", str(self._image))
        _call("mount", "-o", "loop", str(self._image), str(self.folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _call("umount", str(self.folder))
        self._image.unlink()

    def after_power_cut(self, folder: Path) -> LoopDisk:
        """What would be found if the power failed now: a copy of the image as it is."""
        image = folder.with_suffix(".img")
        _call("cp", "--sparse=always", str(self._image), str(image))
        return LoopDisk(folder, image=image)


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@functools.cache
def _has_loop() -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with LoopDisk(Path(folder) / "probe", megabytes=2):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def needs_loop() -> pytest.MarkDecorator:
    """Skip where a file cannot be mounted as a disk."""
    return pytest.mark.skipif(not _has_loop(), reason="only root can mount a file as a disk")
