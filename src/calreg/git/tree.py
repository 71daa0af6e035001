"""Read what a commit holds, without a work tree.

A tree is a snapshot: it never changes, and reading it never touches the index or a file.
Listings cost one process, contents one process for any number of files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from calreg.errors import RegistryError, TransportError
from calreg.git.arguments import check_path
from calreg.git.process import Git

__all__ = ["MAX_FILE_BYTES", "Entry", "Tree", "blob_id", "object_id", "parse_entries"]

MAX_FILE_BYTES = 64 * 1024 * 1024
_PATHS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a tree.

    Args:
        mode: As git writes it: 100644 a file, 100755 a program, 120000 a symbolic link,
            160000 a submodule, 040000 a folder.
        oid: The object's id.
        size: In bytes, if it was asked for.
    """

    mode: str
    oid: str
    size: int | None = None

    @property
    def is_plain_file(self) -> bool:
        """A file like any other: no program, no link, no folder."""
        return self.mode == "100644"


def blob_id(data: bytes, *, like: str) -> str:
    """The id git gives these bytes, in the hash that the id `like` is of."""
    return object_id(data, kind="blob", like=like)


def object_id(data: bytes, *, kind: str, like: str) -> str:
    """The id git gives an object of a kind (blob, tree, commit), in the hash of `like`."""
    header = b"%s %d\0" % (kind.encode("ascii"), len(data))
    if len(like) == 64:
        return hashlib.sha256(header + data).hexdigest()
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest()


def parse_entries(listing: bytes, *, sizes: bool = False) -> dict[str, Entry]:
    """Path to entry, of the output of `git ls-tree -z` (with `-l`, sizes too).

    Raises:
        RegistryError: A name stands twice.
    """
    entries = {}
    for line in listing.split(b"\0")[:-1]:
        about, _, path = line.partition(b"\t")
        words = about.decode("ascii").split()
        size = int(words[3]) if sizes and words[3] != "-" else None
        name = os.fsdecode(path)
        if name in entries:
            # fsck refuses such a tree on its way in; this one came another way.
            raise RegistryError("stands twice in its folder", where=name, code="duplicate-name")
        entries[name] = Entry(words[0], words[2], size)
    return entries


class Tree:
    """The files of one commit; of none, if the commit is None."""

    def __init__(self, git: Git, commit: str | None) -> None:
        self._git = git
        self.commit = commit

    def paths(
        self, under: str = "", *, recursive: bool = True, sizes: bool = False
    ) -> dict[str, Entry]:
        """Every file below a folder, by its path from the root of the repository.

        Args:
            under: The folder; empty for the root. One that does not exist holds nothing.
            recursive: False lists the folder itself: its files and, as folders, its folders.
            sizes: Fill in each entry's size, which costs a look at each object.
        """
        if self.commit is None:
            return {}
        options = ["-z", "--full-tree", *(["-r"] if recursive else []), *(["-l"] if sizes else [])]
        below = [check_path(under) + "/"] if under else []
        answer = self._git.run("ls-tree", *options, self.commit, "--", *below)
        return parse_entries(answer.out, sizes=sizes)

    def entries(self, paths: Iterable[str]) -> dict[str, Entry]:
        """The entries of those of the paths that exist, each by its path.

        A path that ends in `/` stands for what lies directly in that folder. Costs one
        process per 500 paths, and nothing for the rest of the tree.
        """
        wanted = [path for path in paths if check_path(path.removesuffix("/"))]
        found: dict[str, Entry] = {}
        if self.commit is None:
            return found
        for start in range(0, len(wanted), _PATHS_AT_ONCE):
            part = wanted[start : start + _PATHS_AT_ONCE]
            answer = self._git.run("ls-tree", "-z", "--full-tree", self.commit, "--", *part)
            found |= parse_entries(answer.out)
        return found

    def read(self, path: str, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The bytes of one file.

        Raises:
            RegistryError: There is no such file in this commit, or it is larger than allowed.
        """
        found = self.read_many([path], max_bytes=max_bytes)
        if path not in found:
            raise RegistryError(
                f"no such file in commit {(self.commit or 'none')[:12]}",
                where=path,
                code="missing-file",
            )
        return found[path]

    def read_many(
        self, paths: Iterable[str], *, max_bytes: int = MAX_FILE_BYTES
    ) -> dict[str, bytes]:
        """The bytes of those of the files that exist, by path, in one process.

        Links and programs are read as bytes like any file; `paths` tells them apart.

        Raises:
            RegistryError: One is a folder, or larger than `max_bytes`.
        """
        wanted = [check_path(path) for path in paths]
        if self.commit is None or not wanted:
            return {}
        return self._contents({path: f"{self.commit}:{path}" for path in wanted}, max_bytes)

    def read_entries(
        self,
        entries: Iterable[tuple[str, Entry]],
        *,
        max_bytes: int = MAX_FILE_BYTES,
        max_total_bytes: int | None = None,
    ) -> dict[str, bytes]:
        """The bytes behind entries that were listed before, by the paths given with them.

        Raises:
            RegistryError: One is a folder, or larger than `max_bytes`, or all together are
                larger than `max_total_bytes`: a small pack may hold endless zeros.
        """
        return self._contents(
            {path: entry.oid for path, entry in entries}, max_bytes, max_total_bytes
        )

    def _contents(
        self, names: dict[str, str], max_bytes: int, max_total_bytes: int | None = None
    ) -> dict[str, bytes]:
        questions = b"".join(os.fsencode(name) + b"\n" for name in names.values())
        found: dict[str, bytes] = {}
        total = 0
        with self._git.stream("cat-file", "--batch", stdin=questions) as answers:
            for path in names:
                about = answers.readline().rsplit(b" ", 2)
                if about[-1] == b"missing\n":
                    continue
                size = _checked_size(path, about, max_bytes)
                total += size
                if max_total_bytes is not None and total > max_total_bytes:
                    raise RegistryError(
                        f"the files have more than {max_total_bytes:,} bytes together",
                        where=path,
                        code="too-large",
                    )
                found[path] = _checked_bytes(path, answers.read(size), about[0])
                answers.read(1)
        return found

    def read_at(
        self, commits: Iterable[str], path: str, *, max_bytes: int = MAX_FILE_BYTES
    ) -> dict[str, bytes]:
        """One file as it was at other commits, by commit; those without it are left out."""
        check_path(path)
        return self._contents({commit: f"{commit}:{path}" for commit in commits}, max_bytes)


def _checked_bytes(path: str, data: bytes, oid: bytes) -> bytes:
    """The bytes themselves, if they are those that the object's name stands for."""
    # cat-file hands out what a pack holds without hashing it, and may die half-way.
    named = oid.decode("ascii", "replace")
    if blob_id(data, like=named) != named:
        raise TransportError(
            "the stored object is damaged",
            where=path,
            hint="Look with: git fsck. A damaged clone is replaced by a fresh one.",
            code="broken-object",
        )
    return data


def _checked_size(path: str, about: list[bytes], max_bytes: int) -> int:
    """The size that a header of cat-file announces, if the object is a file we may read."""
    if len(about) != 3:
        raise RegistryError("git could not read it", where=path, code="unreadable-object")
    if about[1] != b"blob":
        raise RegistryError("expected a file, got a folder", where=path, code="not-a-file")
    size = int(about[2])
    if size > max_bytes:
        raise RegistryError(
            f"the file has {size} bytes, at most {max_bytes} are allowed",
            where=path,
            code="too-large",
        )
    return size
