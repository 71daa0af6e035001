"""Read objects by their ids, in any repository: bare, shallow, or without its files' contents.

For looking at what somebody proposes. Trees are walked from their own bytes, so that no name
that somebody chose becomes an argument; nothing is checked out, no attribute, filter or hook
of what is looked at has a say. In a partial clone git would fetch each missing object on its
own; here all that are asked for at once are fetched at once.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO

from calreg.errors import InputError, RegistryError, TransportError
from calreg.git.arguments import is_commit_id
from calreg.git.cache import MAX_PACK_BYTES
from calreg.git.process import NETWORK_TIMEOUT_S, Git
from calreg.git.remotes import network_error, reaching
from calreg.git.repository import Repository
from calreg.git.settings import Remote
from calreg.git.tree import MAX_FILE_BYTES, Entry, object_id
from calreg.git.worktree import Change, changes_between

__all__ = ["FOLDER", "Stored", "check_revision"]

FOLDER = "040000"
_PROMISOR = re.compile(r"remote\.(.+)\.promisor", re.DOTALL)
_TRUE = frozenset({"true", "yes", "on", "1", ""})
# What may stand for a commit: names, ids, ^ and ~; no ranges, searches or options.
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+=~^@-]*")
_NOTHING = re.compile(r"0{40}|0{64}")
_FETCH_OPTIONS = (
    "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance",
    "--no-write-fetch-head", "--filter=blob:none", "--stdin",
)  # fmt: skip


def check_revision(text: str) -> str:
    """The text itself, if it may stand for a commit: a name, an id, with `^` or `~`.

    Raises:
        InputError: It is an option, a range, a search, or no such text at all.
    """
    if not _REVISION.fullmatch(text) or ".." in text or "@{" in text or text == "@":
        raise InputError(
            f"{text!r} does not name a commit",
            hint="Write a branch, a tag, HEAD, HEAD~1 or the id of a commit.",
            code="git-ref",
        )
    return text


@dataclass(frozen=True)
class Stored:
    """The objects of a repository, by id.

    Args:
        repository: Where they are, or where they are fetched to.
        max_bytes: No object is read that is larger.
    """

    repository: Repository
    max_bytes: int = MAX_FILE_BYTES

    @cached_property
    def _git(self) -> Git:
        repository = self.repository
        place = () if repository.is_bare else ("--work-tree", str(repository.work_tree))
        return Git(
            repository.work_tree or repository.git_dir,
            ("--git-dir", str(repository.git_dir), *place),
            repository.settings.taken_over(),
        )

    @contextmanager
    def _without_remotes(self) -> Iterator[Git]:
        """Git that sees the same objects and knows of no remote to ask for others.

        In a partial clone it asks for each missing object, one by one, and cannot be told
        not to in every version.
        """
        if self._promisor is None:
            yield self._git
            return
        known = self.repository.settings.last("extensions.objectformat") or "sha1"
        with tempfile.TemporaryDirectory(prefix="calreg-") as place:
            git = Git(Path(os.path.realpath(place)))
            git.run("init", "--quiet", "--bare", "--template=", f"--object-format={known}")
            objects = {"GIT_OBJECT_DIRECTORY": str(self.repository.common_dir / "objects")}
            yield replace(git, options=("--git-dir", str(git.cwd)), variables=objects)

    # Commits

    def commit(self, revision: str) -> str | None:
        """The id of the commit that a person's words name; None for zeros: no commit.

        Raises:
            InputError: There is no such commit here.
        """
        if _NOTHING.fullmatch(revision):
            return None
        name = f"{check_revision(revision)}^{{commit}}"
        answer = self._git.attempt("rev-parse", "--verify", "--quiet", name)
        if answer.code == 0 and is_commit_id(answer.text):
            return answer.text
        raise InputError(
            f"there is no commit {revision!r} here",
            where=str(self.repository.work_tree or self.repository.git_dir),
            hint="git fetch brings what is at the remote; git branch --all lists what is here.",
            code="no-such-commit",
        )

    def first_parent(self, commit: str) -> str | None:
        """The commit before, on its own branch; None for a first one.

        Raises:
            InputError: There is one, but this clone was cut off before it.
        """
        raw = self._objects([commit], "commit")[commit]
        parents = [line[7:].decode("ascii") for line in _header(raw) if line[:7] == b"parent "]
        if not parents:
            return None
        if self._git.attempt("cat-file", "-e", parents[0]).code != 0:
            raise InputError(
                f"the commit before {commit[:12]} is not here: this clone is shallow",
                hint="git fetch --deepen=1, or say what to compare with: calreg gate BASE HEAD",
                code="shallow",
            )
        return parents[0]

    def merge_base(self, one: str, other: str) -> str | None:
        """The commit at which two parted; None if none is here."""
        return next(iter(self.merge_bases(one, other)), None)

    def merge_bases(self, one: str, other: str) -> list[str]:
        """The commits at which two parted: several where they were merged crosswise since."""
        answer = self._git.run("merge-base", "--all", one, other, ok=(0, 1))
        return answer.text.split() if answer.code == 0 else []

    @cached_property
    def remote_name(self) -> str | None:
        """`origin`, else the only remote there is; None without one, or among several."""
        keys = (key for _, key, _ in self.repository.settings.rows)
        names = {key[7:-4] for key in keys if key.startswith("remote.") and key.endswith(".url")}
        if "origin" in names:
            return "origin"
        return names.pop() if len(names) == 1 else None

    def default_branch(self) -> str | None:
        """The remote's main branch as it was last seen: a full ref, or None."""
        repository, remote = self.repository, self.remote_name
        if remote is None:
            return None
        below = f"refs/remotes/{remote}"
        answer = self._git.attempt("symbolic-ref", "--quiet", f"{below}/HEAD")
        refs = repository.refs(below)
        candidates = (answer.text if answer.code == 0 else "", f"{below}/main", f"{below}/master")
        return next((ref for ref in candidates if ref in refs), None)

    def staged(self, index: str | None = None) -> str:
        """The id of the tree that the next commit would have; git writes it if it is new.

        Args:
            index: The index to look at, as git names it to a hook; else the usual one.

        Raises:
            InputError: A merge is not finished.
        """
        variables = {"GIT_INDEX_FILE": os.path.abspath(index)} if index else {}  # noqa: PTH100
        answer = replace(self._git, variables=variables).attempt("write-tree")
        if answer.code != 0:
            raise InputError(
                "the index cannot be read as a tree: a merge is not finished",
                hint="git status says which files; git add them when they are right.",
                code="unmerged",
            )
        return answer.text

    # Trees

    def root(self, commit: str) -> str:
        """The id of the tree of a commit; a tree is its own."""
        return self._git.run("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}").text

    def differences(self, old: str | None, new: str) -> list[Change]:
        """What differs between two trees or commits, folders too, by one look at both.

        Without an old one, all files of the new one.
        """
        return changes_between(self._git, old, new, folders=True)

    def folders(self, trees: Mapping[str, str]) -> dict[str, Entry]:
        """What lies directly in folders, by full path.

        Args:
            trees: The folder's path ("" for the root) to the id of its tree.

        Raises:
            RegistryError: A name stands twice in a folder.
        """
        raw = self._objects(set(trees.values()), "tree")
        found: dict[str, Entry] = {}
        for path, oid in trees.items():
            for name, entry in _entries(raw[oid], len(oid) // 2):
                full = f"{path}/{name}" if path else name
                if full in found:
                    raise RegistryError("stands twice in its folder", where=full, code="duplicate")
                found[full] = entry
        return found

    # Contents

    def blobs(self, oids: Collection[str]) -> dict[str, bytes]:
        """The bytes of files by id; those that are larger than allowed are left out."""
        return self._objects(oids, "blob")

    def sizes(self, oids: Collection[str]) -> dict[str, int]:
        """The sizes of objects by id, as far as they are here: nothing is fetched."""
        with self._without_remotes() as git:
            answer = git.run("cat-file", "--batch-check", stdin=_questions(oids))
        rows = (line.split() for line in answer.out.splitlines())
        return {row[0].decode("ascii"): int(row[2]) for row in rows if len(row) == 3}

    def fetch_missing(self, oids: Collection[str]) -> None:
        """Bring objects that a partial clone lacks, all at once; nothing elsewhere."""
        if self._promisor is not None and (missing := set(oids) - self.sizes(oids).keys()):
            self._fetch(missing)

    @cached_property
    def _promisor(self) -> Remote | None:
        """The remote that a partial clone gets its objects from; None for a whole one."""
        settings = self.repository.settings
        names = [
            found[1]
            for _, key, value in settings.rows
            if (found := _PROMISOR.fullmatch(key)) and value.lower() in _TRUE
        ]
        name = names[-1] if names else settings.last("extensions.partialclone")
        url = settings.last(f"remote.{name}.url") if name else None
        return Remote(name, url, "") if name and url else None

    def _objects(self, oids: Collection[str], kind: str) -> dict[str, bytes]:
        found, missing = self._here(oids, kind)
        if missing and self._promisor is not None:
            self._fetch(missing)
            more, missing = self._here(missing, kind)
            found |= more
        if missing:
            raise TransportError(
                f"the object {min(missing)[:12]} is missing",
                where=str(self.repository.git_dir),
                hint="Look with: git fsck. A damaged or cut-off clone is replaced by a fresh one.",
                code="missing-object",
            )
        return found

    def _here(self, oids: Collection[str], kind: str) -> tuple[dict[str, bytes], set[str]]:
        """Of some objects, those that are here, and the ids of those that are not."""
        wanted = sorted(set(oids))
        if not wanted:
            return {}, set()
        # Sizes first: what is too large must not even pass through a pipe.
        sizes = self.sizes(wanted) if kind == "blob" else {}
        readable = [oid for oid in wanted if sizes.get(oid, 0) <= self.max_bytes]
        with (
            self._without_remotes() as git,
            git.stream("cat-file", "--batch", stdin=_questions(readable)) as answers,
        ):
            found = dict(_answered(answers, readable, kind))
        return found, {*readable} - found.keys()

    def _fetch(self, oids: Iterable[str]) -> None:
        remote = self._promisor
        if remote is None:
            return
        # As git itself does it for one object: no haves, so that no commit is looked at.
        settings = (*self._git.settings, ("fetch.negotiationAlgorithm", "noop"))
        with reaching(replace(self._git, settings=settings), remote.url) as there:
            answer = there.attempt(
                "fetch", *_FETCH_OPTIONS, "--", remote.name,
                stdin=_questions(oids), timeout_s=NETWORK_TIMEOUT_S, max_file_bytes=MAX_PACK_BYTES,
            )  # fmt: skip
        if answer.code != 0:
            raise network_error("fetch from", remote.shown, answer)


def _questions(oids: Iterable[str]) -> bytes:
    return b"".join(oid.encode("ascii") + b"\n" for oid in sorted(set(oids)))


def _answered(answers: IO[bytes], oids: Iterable[str], kind: str) -> Iterator[tuple[str, bytes]]:
    for oid in oids:
        about = answers.readline().split()
        if about[1:] == [b"missing"]:
            continue
        if len(about) != 3 or about[1] != kind.encode():
            raise TransportError(f"git could not read {kind} {oid[:12]}", code="unreadable-object")
        data = answers.read(int(about[2]))
        answers.read(1)
        if object_id(data, kind=kind, like=oid) != oid:
            raise TransportError(
                f"the stored {kind} {oid[:12]} is damaged",
                hint="Look with: git fsck. A damaged clone is replaced by a fresh one.",
                code="broken-object",
            )
        yield oid, data


def _header(commit: bytes) -> list[bytes]:
    return commit.partition(b"\n\n")[0].splitlines()


def _entries(tree: bytes, length: int) -> Iterator[tuple[str, Entry]]:
    """Name and entry of what is in a tree object: `mode name NUL id`, again and again."""
    at = 0
    while at < len(tree):
        space, end = tree.index(b" ", at), tree.index(b"\0", at)
        mode = tree[at:space].decode("ascii").zfill(6)
        oid = tree[end + 1 : end + 1 + length].hex()
        yield os.fsdecode(tree[space + 1 : end]), Entry(mode, oid)
        at = end + 1 + length
