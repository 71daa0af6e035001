"""Whether a repository is sound: objects that cannot be read, locks that nobody holds.

Looked at by `calreg doctor`. A lock goes only if it is old and no process has it open; what
is broken in a person's repository is named, and theirs to mend.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calreg.git.process import Git
from calreg.git.repository import Repository

__all__ = ["LOCK_IS_STALE_S", "Lock", "broken_objects", "drop_lock", "litter", "locks"]

LOCK_IS_STALE_S = 600.0
"""No git command holds a lock for longer without having it open."""

_PACKS_ARE_MANY = 50
_TELLING = ("error", "fatal", "missing", "broken", "dangling tag", "corrupt")


@dataclass(frozen=True, slots=True)
class Lock:
    """A file by which a git command locks a repository, or left when it was killed."""

    path: Path
    age_s: float
    is_open: bool

    @property
    def is_stale(self) -> bool:
        """Whether whoever made it is gone."""
        return self.age_s >= LOCK_IS_STALE_S and not self.is_open


def broken_objects(git_dir: Path, *, is_whole: bool = True) -> list[str]:
    """What cannot be read of what the refs of a repository need, in git's words.

    Args:
        git_dir: A bare repository, or the `.git` folder of another.
        is_whole: Nothing was left out when it was fetched. Of a cache that is not, every
            object that is there is read, and what is missing is no fault.
    """
    git_dir = git_dir.absolute()  # git runs inside it, where a relative path is another
    git = Git(git_dir, ("--git-dir", str(git_dir)))
    how = "--connectivity-only" if is_whole else "--no-reflogs"
    answer = git.attempt("fsck", how, "--no-dangling", "--no-progress")
    lines = [*answer.text.splitlines(), *answer.err.splitlines()]
    wanted = _TELLING if is_whole else ("error", "fatal", "corrupt")
    found = [line for line in lines if line.startswith(wanted)]
    if answer.code != 0 and is_whole and not found:
        found = [f"git fsck ended with code {answer.code}"]
    return found


def locks(repository: Repository) -> list[Lock]:
    """Every file that keeps git from writing here."""
    names = {
        *(repository.git_dir / name for name in ("index.lock", "HEAD.lock")),
        *(repository.common_dir / name for name in ("packed-refs.lock", "shallow.lock")),
    }
    refs = (repository.common_dir / "refs").rglob("*.lock")
    return list(_looked_at(sorted({*names, *refs})))


def _looked_at(places: list[Path]) -> Iterator[Lock]:
    there = [place for place in places if place.exists()]
    opened = _open_files() if there else frozenset()
    for place in there:
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            about = place.stat()
            age_s = max(0.0, time.time() - about.st_mtime)
            yield Lock(place, age_s, (about.st_dev, about.st_ino) in opened)


def _open_files() -> frozenset[tuple[int, int]]:
    """Device and inode of every file that a process has open, as far as we may see."""
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            about = descriptor.stat()
            found.add((about.st_dev, about.st_ino))
    return frozenset(found)


def drop_lock(lock: Lock) -> bool:
    """Remove a lock that is stale, if it is the same file still; whether it is gone."""
    with contextlib.suppress(FileNotFoundError):
        if not lock.is_stale or time.time() - lock.path.stat().st_mtime < LOCK_IS_STALE_S:
            return False
        os.unlink(lock.path)  # noqa: PTH108 - as the stat before, of the name itself
    return True


def litter(repository: Repository) -> str | None:
    """What `git gc` would tidy up, if it is worth a word."""
    objects = repository.common_dir / "objects"
    packs = sum(1 for _ in (objects / "pack").glob("*.pack"))
    left = [*objects.glob("??/tmp_obj_*"), *objects.glob("pack/tmp_*"), *objects.glob("tmp_*")]
    parts = [
        f"{packs} packs" if packs >= _PACKS_ARE_MANY else "",
        f"{len(left)} files that killed git commands left" if left else "",
    ]
    return " and ".join(part for part in parts if part) or None
