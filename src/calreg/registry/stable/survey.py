"""What is published, who signed it, and what `main` holds that it lacks: for a person to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from calreg.documents import Index
from calreg.errors import CalregError
from calreg.git import Repository
from calreg.plan.keys import SignedKeys
from calreg.plan.publication import Moved
from calreg.registry.keys import signed_lists
from calreg.registry.stable.making import Planned, plan
from calreg.registry.stable.moving import work_of
from calreg.registry.stable.order import NothingNew, Order, Work
from calreg.registry.stable.reading import Stable, read_stable, signers_of
from calreg.registry.stable.waiting import find_waiting, pending_tip

__all__ = ["Pending", "Survey", "survey"]


@dataclass(frozen=True, slots=True)
class Pending:
    """A publication that waits for more signatures: its index, and who signed it so far."""

    index: Index
    signed_by: tuple[str, ...]
    missing: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What is published, and what would be published now.

    Args:
        registry: The registry's name.
        branch: The branch that production reads.
        remote: Where it was looked at, without secrets; None: here.
        stable: What is published; None: nothing yet.
        main: The commit of `main` that would be published now.
        is_unpushed: What is published is so here alone, or the remote lost it.
        state: `current`: nothing would be published. `later`: what is published was made from
            a later commit than `main`. `old`: the same would be, for its expiry or because
            files of the branch are not as published. `behind`: something else would be.
            `problem`: nothing can be, because of `problem`.
        keys: The list of keys that what is published is signed by.
        signed_by: The fingerprints of those who signed it.
        lacking: The heads whose references would move.
        problem: What stands in the way.
        pending: What waits for more signatures.
    """

    registry: str
    branch: str
    remote: str | None
    stable: Stable | None
    main: str
    is_unpushed: bool = False
    state: Literal["current", "later", "old", "behind", "problem"] = "behind"
    keys: SignedKeys | None = None
    signed_by: tuple[str, ...] = ()
    lacking: Sequence[Moved] = ()
    problem: CalregError | None = None
    pending: Pending | None = None


def survey(
    repository: Repository, prefix: str, *, branch: str, now: datetime, remote: bool
) -> Survey:
    """What is published on a branch, and what would be.

    Args:
        repository: The repository.
        prefix: The registry's folder in it.
        branch: The branch that production reads.
        now: The time.
        remote: Look at the remote; else only at what is here.

    Raises:
        InputError: Detached HEAD, no commit, or the branch's index is not valid.
        RegistryError: The branch is no branch of this program's making.
        TransportError: The remote could not be reached.
    """
    work = work_of(repository, prefix, Order(now, branch=branch), push=remote)
    base = work.tip.base
    stable = read_stable(repository, base, branch=branch) if base is not None else None
    found = Survey(
        registry=work.snapshot.settings.name,
        branch=branch,
        remote=work.remote.shown if work.remote else None,
        stable=stable,
        main=work.commit,
        is_unpushed=work.remote is not None and base != work.tip.expected,
    )
    try:
        found = _with_signers(work, found)
        return _compared(work, found)
    except CalregError as error:
        return replace(found, state="problem", problem=error)


def _with_signers(work: Work, found: Survey) -> Survey:
    if found.stable is None:
        return found
    lists = signed_lists(work.snapshot)
    number = found.stable.index.keys
    return replace(
        found,
        signed_by=tuple(sorted(signers_of(found.stable, lists, branch=found.branch))),
        keys=next((one for one in lists if one.keys.number == number), None),
    )


def _compared(work: Work, found: Survey) -> Survey:
    planned = plan(work)
    if isinstance(planned, NothingNew):
        return replace(found, state="later" if planned.why == "later" else "current")
    publication = planned.publication
    known = None if planned.stable is None else planned.stable.index
    is_same = known is not None and planned.content.is_said_by(known)
    return replace(
        found,
        state="old" if is_same else "behind",
        lacking=publication.moved,
        pending=_pending(work, planned),
    )


def _pending(work: Work, planned: Planned) -> Pending | None:
    keys = planned.content.keys
    if keys is None or keys.keys.threshold == 1:
        return None
    waiting = find_waiting(work, planned.content, planned.stable, pending_tip(work).base)
    if waiting is None:
        return None
    publication = waiting.publication
    blocks = waiting.blocks
    return Pending(publication.index, tuple(sorted(blocks)), keys.keys.threshold - len(blocks))
