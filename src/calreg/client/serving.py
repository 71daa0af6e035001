"""The newest set in a folder, held in memory, whoever installs it there.

A question costs one look at the lock's file, some 2 µs; the set is opened again only when
that changed. What was good when it was opened goes on serving, whatever happens to the
folder.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calreg.client.destination import LOCK_FILE
from calreg.client.installed import Installed
from calreg.errors import CalregError

if TYPE_CHECKING:
    from calreg.documents import Lock

__all__ = ["Serving"]

_Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Held:
    """A set, and what the file of the lock looked like when it was opened."""

    signature: _Signature | None
    installed: Installed


class Serving:
    """What a folder has installed, for any number of threads.

    Args:
        folder: Where.
        is_ours: Whether what a lock names may be handed out.
        told: Called with what went wrong while the last good set goes on serving.
    """

    def __init__(
        self, folder: Path, is_ours: Callable[[Lock], bool], told: Callable[[CalregError], None]
    ) -> None:
        self._folder, self._is_ours, self._told = folder, is_ours, told
        self._path = os.fspath(folder.absolute() / LOCK_FILE)
        self._held: _Held | None = None
        self.forget_locks()

    def forget_locks(self) -> None:
        """Make new locks: a forked process has copies of what another thread held just then."""
        self._guard = threading.Lock()

    def now(self) -> Installed | None:
        """The set that is installed now; None if nothing is, or nothing of ours.

        Raises:
            InputError: What is installed is damaged, and nothing good was opened before.
        """
        signature = _signature(self._path)
        held = self._held
        if held is not None and held.signature == signature:
            return held.installed
        with self._guard:
            return self._reopened(signature)

    def _reopened(self, signature: _Signature | None) -> Installed | None:
        before = self._held
        try:
            installed = Installed.open(self._folder)
        except CalregError as error:
            if before is not None:
                # Somebody damaged or removed what was good when it was opened.
                self._told(error)
                self._held = _Held(signature, before.installed)
                return before.installed
            if signature is None:
                return None
            raise
        if not self._is_ours(installed.lock):
            return None
        if before is not None and before.installed.lock == installed.lock:
            before.installed.confirmed = installed.confirmed
            installed = before.installed  # with all that it has read already
        self._held = _Held(signature, installed)
        return installed


def _signature(path: str) -> _Signature | None:
    """What changes when anybody installs something; no byte is read."""
    try:
        about = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - a Path costs as much again
    except OSError:
        return None
    return about.st_mtime_ns, about.st_ino, about.st_size
