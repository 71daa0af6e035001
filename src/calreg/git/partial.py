"""Bring single objects of a remote into a cache: the few files of many that somebody wants.

A server that can leave objects out sends a commit without its files first; what is wanted of
it is then asked for by id, several at a time. A server that cannot has sent everything, and
nothing is missing. One that lets nobody ask by id is asked for everything after all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from calreg.errors import InputError
from calreg.git.arguments import is_commit_id
from calreg.git.cache import MAX_PACK_BYTES, fetch_words, git_in
from calreg.git.process import Git
from calreg.git.remotes import address_of, full_ref, network_error
from calreg.git.tree import Entry, Tree

__all__ = ["Bringing", "PartialTree", "partial_tree"]

# No commits are compared: the server must not think that what a commit of ours names is here.
_NO_HAVES = (("fetch.negotiationAlgorithm", "noop"),)


class Clock(Protocol):
    """Says how much time is left, or raises."""

    def left_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Bringing:
    """Where missing objects come from.

    Args:
        url: The remote.
        ref: A branch or commit that everything is part of.
        cache: Where they go.
        clock: For the whole operation.
        max_bytes: The largest pack that is accepted.
    """

    url: str
    ref: str
    cache: Path
    clock: Clock
    max_bytes: int = MAX_PACK_BYTES

    def bring(self, oids: Collection[str]) -> None:
        """Fetch those of the objects that are not here.

        Raises:
            TransportError: They cannot be fetched, nor can everything.
        """
        missing = self._missing(oids)
        if not missing:
            return
        wants = "".join(f"{oid}\n" for oid in missing).encode()
        address, secrets = address_of(self.url)
        settings = (*secrets, *_NO_HAVES)
        answer = fetch_words(
            self.url, self.cache, ("--filter=tree:0", "--stdin", "--", address), settings,
            self.clock.left_s(), self.max_bytes, stdin=wants,
        )  # fmt: skip
        if answer.code == 0 and not self._missing(missing):
            return
        ref = self.ref if is_commit_id(self.ref) else full_ref(self.ref)
        answer = fetch_words(
            self.url, self.cache, ("--depth=1", "--", address, ref), settings,
            self.clock.left_s(), self.max_bytes,
        )  # fmt: skip
        if answer.code != 0:
            raise network_error("fetch from", address, answer)

    def _missing(self, oids: Collection[str]) -> list[str]:
        wanted = sorted(set(oids))
        asked = "".join(f"{oid}\n" for oid in wanted).encode()
        said = git_in(self.cache).run("cat-file", "--batch-check", stdin=asked).text.splitlines()
        return [oid for oid, line in zip(wanted, said, strict=True) if line.endswith(" missing")]


class PartialTree(Tree):
    """The files of one commit, or of a folder of it, brought when they are read."""

    def __init__(self, git: Git, commit: str, bringing: Bringing) -> None:
        super().__init__(git, commit)
        self._bringing = bringing

    def bring(self, oids: Collection[str]) -> None:
        """Have objects ready, several in one fetch."""
        self._bringing.bring(oids)

    def folder(self, oid: str) -> dict[str, Entry]:
        """What lies directly in a folder, given by its object, which is here."""
        return Tree(self._git, oid).paths(recursive=False)

    def _contents(
        self, names: dict[str, str], max_bytes: int, max_total_bytes: int | None = None
    ) -> dict[str, bytes]:
        self.bring(names.values())
        return super()._contents(names, max_bytes, max_total_bytes)


def partial_tree(commit: str, bringing: Bringing) -> PartialTree:
    """The files of a commit that was fetched without them."""
    if not is_commit_id(commit):
        raise InputError(f"{commit!r} is not the id of a commit", code="git-ref")
    return PartialTree(git_in(bringing.cache), commit, bringing)
