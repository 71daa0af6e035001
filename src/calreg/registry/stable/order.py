"""What somebody asks to be published on the branch that production reads, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from calreg.documents import Index
from calreg.git import RefUpdate, Remote, Repository
from calreg.plan.publication import Publication
from calreg.registry.snapshot import Snapshot
from calreg.registry.stable.signed import Signer

__all__ = ["NothingNew", "Order", "Prepared", "PublishedStable", "Tip", "Work", "pending_branch"]


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks to be published.

    Args:
        now: The time, with a zone: when it is issued.
        expires_days: How long readers trust it as current.
        branch: The branch that production reads.
        signers: Each makes one signature of the index.
        renew: Publish even what is published already, for a later expiry.
        commit: The one of `main` to publish; None: the newest.
        only_pending: Only add signatures to a publication that waits for them.
    """

    now: datetime
    expires_days: int = 90
    branch: str = "stable"
    signers: Sequence[Signer] = ()
    renew: bool = False
    commit: str | None = None
    only_pending: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A publication as a commit that no branch names yet.

    Args:
        commit: Its id.
        expected: Where the branch was seen, and must still be when it moves there.
        index: What it publishes.
        branch: Where it is to go: the branch that production reads, or the one beside it if
            more keys must sign.
        publication: The whole of it.
        signed_by: The fingerprints of those who signed.
        threshold: How many must sign; 0 for a registry without keys.
    """

    commit: str
    expected: str | None
    index: Index
    branch: str
    publication: Publication
    signed_by: tuple[str, ...]
    threshold: int

    @property
    def missing(self) -> int:
        """How many more keys must sign before production may have it."""
        return max(0, self.threshold - len(self.signed_by))

    @property
    def update(self) -> RefUpdate:
        """The move of the branch, for a push together with others."""
        return RefUpdate(self.branch, self.commit, self.expected)


@dataclass(frozen=True, slots=True)
class NothingNew:
    """Nothing to publish, and why.

    Args:
        index: What is published, or waits for signatures.
        commit: The commit of the branch that says so.
        branch: That branch.
        why: `current`: it says all that `main` says. `later`: it was made from a later commit
            than the one asked for. `waiting`: it waits for other keys to sign.
        missing: How many more keys must sign.
        pushed: A publication that lay here unpushed was pushed.
    """

    index: Index
    commit: str
    branch: str
    why: Literal["current", "later", "waiting"]
    missing: int = 0
    pushed: bool = False


@dataclass(frozen=True, slots=True)
class PublishedStable:
    """A publication that its branch names now.

    Args:
        prepared: What was published.
        remote: Where it was pushed, without secrets; None if it was not.
        tries: How many times it was made.
    """

    prepared: Prepared
    remote: str | None
    tries: int


@dataclass(frozen=True, slots=True)
class Tip:
    """A branch: the commit to build on, and where it must still be when it moves."""

    base: str | None
    expected: str | None


@dataclass(frozen=True, slots=True)
class Work:
    """One try: an order, where it is carried out, and the commit of `main` that is meant."""

    repository: Repository
    prefix: str
    order: Order
    remote: Remote | None
    commit: str
    tip: Tip
    progress: Callable[[str], None]

    @property
    def snapshot(self) -> Snapshot:
        """The registry as that commit holds it."""
        return Snapshot(self.repository.read(self.commit), self.prefix)


def pending_branch(branch: str) -> str:
    """Where a publication waits for more signatures."""
    return f"{branch}-pending"
