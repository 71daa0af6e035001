"""Change the index of a checkout so that a death at any moment leaves no lock behind.

git locks an index by a file beside it, and a git that is killed leaves that file: whoever
comes next cannot tell whose it is. So the lock is taken here, as a second name of a file of
our own, and git works on a copy. What is left can be recognised, and is given back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from calreg import failpoints
from calreg.errors import RegistryError
from calreg.git.process import Git

__all__ = ["changing", "refuse_locked", "release"]

_MARK = "index.mark"
_COPIES = "index-*"


@contextlib.contextmanager
def changing(git: Git, index: Path, ours: Path) -> Iterator[Git]:
    """A git that works on a copy of the index, which takes its place in the end.

    Args:
        git: How git is started there.
        index: The index file.
        ours: A folder of our own on the same file system; held by one process at a time.

    Raises:
        RegistryError: Another git command holds the index.
    """
    release(index, ours)
    ours.mkdir(parents=True, exist_ok=True)
    (ours / _MARK).touch()
    try:
        (_lock_of(index)).hardlink_to(ours / _MARK)
    except FileExistsError:
        raise _locked(index) from None
    except OSError:
        # A file system without second names: git's own lock has to do.
        yield git
        return
    failpoints.reach("index-locked")
    # A name of its own: a git that outlives its command must not write into ours.
    copy = ours / f"index-{os.getpid()}"
    try:
        if index.exists():
            shutil.copy(index, copy)
        yield replace(git, variables={**git.variables, "GIT_INDEX_FILE": str(copy)})
        if copy.exists():
            copy.replace(index)
    finally:
        release(index, ours)


def release(index: Path, ours: Path) -> None:
    """Give the lock back if it is ours, and remove what else a killed command left."""
    with contextlib.suppress(FileNotFoundError):
        if _lock_of(index).samefile(ours / _MARK):
            _lock_of(index).unlink()
    for file in (ours / _MARK, *ours.glob(_COPIES)):
        file.unlink(missing_ok=True)


def refuse_locked(index: Path) -> None:
    """Refuse an index that another git command holds.

    Raises:
        RegistryError: One does.
    """
    if _lock_of(index).exists():
        raise _locked(index)


def _lock_of(index: Path) -> Path:
    return index.with_name(f"{index.name}.lock")


def _locked(index: Path) -> RegistryError:
    return RegistryError(
        "another git command is changing this work tree",
        where=str(_lock_of(index)),
        hint="Wait for it to end; if there is none, remove that file.",
        code="git-locked",
    )
