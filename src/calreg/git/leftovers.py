"""What git processes leave when they are killed: files that lock refs.

git locks a ref by a file beside it, for milliseconds, and a git that is killed leaves that
file: every later command stops and asks for a person. Whoever takes the lock of a repository
(`journal.locked`) knows whether its last holder died, and when it began; locks of refs that
came after that are its own, once they are older than any git holds one.

The index is not locked by git but by us (`index`). Locks that are older than the last
holder are somebody else's: they stay, and are named.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["clear"]

_NAMES = ("HEAD.lock", "packed-refs.lock", "packed-refs.new", "shallow.lock")
# A git that outlives the command that started it is done with a ref long before.
_HELD_AT_MOST_S = 2.0
_POLL_S = 0.05
# Of file systems that keep whole seconds.
_CLOCK_STEP_S = 1.0


def clear(common_dir: Path, *, since: float) -> None:
    """Remove the locks of refs that came after a time, and that nobody can hold any more.

    Args:
        common_dir: The folder with the refs.
        since: When the command began that died, as files' times have it.
    """
    for lock in _locks(common_dir):
        with contextlib.suppress(FileNotFoundError):
            if lock.stat().st_mtime >= since - _CLOCK_STEP_S:
                _outwait(lock)
                lock.unlink()


def _locks(common_dir: Path) -> Iterator[Path]:
    # Each work tree has a HEAD of its own.
    for folder in (common_dir, *(common_dir / "worktrees").glob("*")):
        yield from (folder / name for name in _NAMES if (folder / name).exists())
    yield from (common_dir / "refs").rglob("*.lock")


def _outwait(lock: Path) -> None:
    """Wait until a lock is too old to be held.

    Raises:
        FileNotFoundError: It was held, and is gone.
    """
    until = time.monotonic() + _HELD_AT_MOST_S
    while time.monotonic() < until and time.time() - lock.stat().st_mtime < _HELD_AT_MOST_S:
        time.sleep(_POLL_S)
    lock.stat()
