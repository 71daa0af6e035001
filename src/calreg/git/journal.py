"""What is being done to a repository, written down before it is done.

A commit moves in four steps: objects, branch, files, index. The journal is a small file in
the git folder that names the branch, the old and the new commit while they are on their
way; whoever writes next finishes it or forgets it. The lock beside it makes writers take
turns; the system drops it when its holder dies.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calreg import failpoints
from calreg.errors import RegistryError
from calreg.git import leftovers
from calreg.git.arguments import is_commit_id

__all__ = ["LOCK_WAIT_S", "Pending", "Recovery", "clear", "locked", "read", "write"]

LOCK_WAIT_S = 30.0
_POLL_S = 0.05
_MAX_BYTES = 4096
_HEADER = "calreg pending commit 1"


@dataclass(frozen=True, slots=True)
class Pending:
    """A commit on its way: onto which branch, from which commit (None: the first), to which."""

    branch: str
    old: str | None
    new: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found of an interrupted command, and done about it.

    Args:
        outcome: `none`: nothing was pending. `forgotten`: the branch had not moved, nothing
            happened. `finished`: the branch had moved, files and index follow now. `moved-on`:
            the branch is somewhere else since; it was left alone.
        commit: The pending commit.
        conflicts: Files left alone because somebody changed them since.
    """

    outcome: Literal["none", "forgotten", "finished", "moved-on"]
    commit: str | None = None
    conflicts: tuple[str, ...] = ()


def write(file: Path, pending: Pending) -> None:
    """Put the journal in place, on the disk and not only in a cache."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (_HEADER, pending.branch, pending.old or "-", pending.new, "")
    beside = file.with_name(file.name + ".new")
    with beside.open("wb") as stream:
        stream.write("\n".join(lines).encode())
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
    _sync_folder(file.parent)
    failpoints.reach("journal-written")


def read(file: Path) -> Pending | None:
    """The commit that was on its way, or None if none was.

    Raises:
        RegistryError: The journal is not one.
    """
    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    header, branch, old, new, *rest = (text.split("\n") + [""] * 4)[:5]
    well = header == _HEADER and is_commit_id(new) and (old == "-" or is_commit_id(old))
    if not well or rest != [""]:
        raise RegistryError(
            "the note about an interrupted command cannot be read",
            where=str(file),
            hint="Look at `git status`, then remove that file.",
            code="journal",
        )
    return Pending(branch, None if old == "-" else old, new)


def clear(file: Path) -> None:
    """Forget the journal: what it named is done, or never happened."""
    file.unlink(missing_ok=True)
    file.with_name(file.name + ".new").unlink(missing_ok=True)


@contextlib.contextmanager
def locked(file: Path, *, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the lock of a repository; wait a while for another holder.

    Raises:
        RegistryError: Somebody else still holds it.
    """
    import fcntl

    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as stream:
        until = time.monotonic() + wait_s
        while not _taken(stream.fileno()):
            if time.monotonic() >= until:
                stream.seek(0)
                holder = stream.read(20).decode("ascii", "replace").strip()
                raise RegistryError(
                    f"another calreg command (process {holder or '?'}) is writing here",
                    where=str(file),
                    hint="Wait for it to end, then try again.",
                    code="locked",
                )
            time.sleep(_POLL_S)
        if os.fstat(stream.fileno()).st_size:
            # The last holder died: a number that is left says that, and its time since when.
            leftovers.clear(file.parent.parent, since=os.fstat(stream.fileno()).st_mtime)
        stream.truncate(0)
        stream.write(b"%d\n" % os.getpid())
        stream.flush()
        os.fsync(stream.fileno())
        try:
            yield
        finally:
            stream.truncate(0)
            fcntl.flock(stream.fileno(), fcntl.LOCK_UN)


def _taken(descriptor: int) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
