"""Publish whatever waits, in one push: what this branch has and the remote lacks, the outbox.

What lies on top of the remote's branch is pushed as it is. If the remote has moved on, every
waiting run is renumbered and measured against the reference that won, every move decided
again, all in their order and in one push; what is published already is dropped. Until it is
published nothing is let go of: a branch that diverged is kept by a ref before it is moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from calreg.errors import CalregError, InputError, RegistryError, StaleRegistryError
from calreg.git import LogEntry, Repository
from calreg.plan import Plan, RunPlan
from calreg.registry import outbox
from calreg.registry.outbox import Chain
from calreg.registry.place import TURN_S, Made, Place, Try, check_new, place_of
from calreg.registry.replaying import Found, replay_of
from calreg.registry.retrying import Retry
from calreg.registry.snapshot import Snapshot

__all__ = ["Outcome", "Pushed", "PushedItem", "push_waiting"]

Outcome: TypeAlias = Literal["pushed", "published-before", "refused"]


@dataclass(frozen=True, slots=True)
class PushedItem:
    """What became of one commit that waited.

    Args:
        commit: Its id, as it waited.
        subject: The first line of its message, as it is now.
        outcome: `pushed`, `published-before` (found there, and dropped) or `refused`.
        version: The number that a run has now; None for a move.
        was: The number that it had while it waited.
        reason: Why it was refused, or as what it was found.
    """

    commit: str
    subject: str
    outcome: Outcome
    version: int | None = None
    was: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a push.

    Args:
        items: What waited, in the order in which it was published.
        commit: Where the remote's branch is now.
        branch: The branch here.
        remote: Where it was pushed, without secrets.
        is_behind: This branch was left where it was: others changed files that are not the
            registry's.
        is_diverged: The same, and it has commits that are published under other ids.
        left_alone: Files that somebody changed meanwhile, which were not touched.
        tries: How many times it was tried.
    """

    items: tuple[PushedItem, ...]
    commit: str | None
    branch: str
    remote: str
    is_behind: bool = False
    is_diverged: bool = False
    left_alone: tuple[str, ...] = ()
    tries: int = 1

    @property
    def refused(self) -> list[PushedItem]:
        """What waits on, because a rule stands against it."""
        return [item for item in self.items if item.outcome == "refused"]


@dataclass(slots=True)
class _Batch:
    """Commits made one upon the other, and what became of every commit that waited."""

    base: Snapshot
    tip: Snapshot
    plans: list[Plan] = field(default_factory=list)
    items: dict[str, PushedItem] = field(default_factory=dict)

    @property
    def commit(self) -> str | None:
        """The last commit; the base if nothing was made."""
        return self.tip.commit


def push_waiting(
    repository: Repository,
    prefix: str,
    *,
    when: datetime,
    overrides: Iterable[dict[str, object]] = (),
    retry: Retry | None = None,
    progress: Callable[[str], None] | None = None,
) -> Pushed:
    """Push what waits, made anew where the remote has moved on.

    Args:
        repository: Where it waits.
        prefix: The registry's folder in it.
        when: The time of the commits that are made.
        overrides: A person's own rules.
        retry: How often a lost race is run again.
        progress: Told in a few words what is being done.

    Raises:
        InputError: Detached HEAD, no identity, no remote, uncommitted changes in the files
            concerned.
        RegistryError: The server refuses, every race was lost, or something waits that is
            neither a run nor a move. Everything waits on.
        TransportError: The remote could not be reached. Everything waits on.
    """
    place = place_of(repository, prefix, push=True, overrides=overrides, progress=progress)
    tries, lost = retry or Retry(), None
    with repository.lock(wait_s=TURN_S):
        repository.recover()
        for attempt in place.tries(tries):
            try:
                return _attempt(place, when, attempt)
            except StaleRegistryError as error:
                lost = error
    raise _still_waiting(lost, tries.attempts)


def _still_waiting(lost: StaleRegistryError | None, attempts: int) -> CalregError:
    if lost is None:
        raise ValueError(f"expected at least one attempt, got {attempts}")
    return StaleRegistryError(
        f"{lost.message} after {attempts} tries; nothing is lost, everything waits on",
        hint="calreg push, later.",
    )


def _attempt(place: Place, when: datetime, attempt: Try) -> Pushed:
    repository = place.repository
    local, theirs = repository.tip(place.branch), place.fetched()
    base, is_diverged = _base(repository, local, theirs)
    chains = outbox.chains(repository, base, local if is_diverged else None)
    batch = _made_anew(place, base, chains, when)
    can_follow = place.check_follows(local, base, batch.plans, batch.base)
    if is_diverged and local is not None:
        outbox.keep(repository, local)
    as_it_is = _as_it_is(repository, local, theirs) if base == local else []
    made = Made(tuple(batch.plans), batch.commit or "", local, theirs, can_follow)
    left_alone: list[str] = []
    if batch.commit is not None:
        if batch.commit != theirs:
            place.push(made)
            place.remember(made, attempt)
        if batch.commit != local:
            made, left_alone = place.follow(made)
    _let_go(repository, chains, batch, local if is_diverged else None)
    return Pushed(
        (*as_it_is, *batch.items.values()),
        batch.commit,
        place.branch,
        place.remote.shown if place.remote else "",
        is_behind=not made.can_follow,
        is_diverged=is_diverged and not made.can_follow,
        left_alone=tuple(left_alone),
        tries=attempt.number,
    )


def _base(repository: Repository, local: str | None, theirs: str | None) -> tuple[str | None, bool]:
    """The commit to build on, and whether the branch here has commits that must be made anew."""
    if theirs is None or theirs == local:
        return local, False
    if local is None or repository.is_ancestor(local, theirs):
        return theirs, False
    is_diverged = not repository.is_ancestor(theirs, local)
    return (theirs if is_diverged else local), is_diverged


def _as_it_is(repository: Repository, local: str | None, theirs: str | None) -> list[PushedItem]:
    """The commits of the branch here that the remote gets under the ids they have."""
    if local is None or local == theirs:
        return []
    if theirs is None:
        return [PushedItem(local, "the branch, which is new there", "pushed")]
    return [
        PushedItem(entry.commit, entry.subject, "pushed", _run_of(entry), _run_of(entry))
        for entry in reversed(repository.log(local, base=theirs))
    ]


def _run_of(entry: LogEntry) -> int | None:
    number = dict(entry.trailers).get("Calreg-Run", "")
    return int(number) if number.isdecimal() else None


def _made_anew(place: Place, base: str | None, chains: Sequence[Chain], when: datetime) -> _Batch:
    """Every waiting run and move, made on what is there and on those before it."""
    start = place.snapshot(base)
    batch = _Batch(start, start)
    if any(chain.commits for chain in chains):
        batch.tip.state  # noqa: B018 - what is wrong with the registry is no waiting commit's fault
    for chain in chains:
        # Two chains may both hold a run 3: what a move means is said by its own.
        numbers: dict[int, int] = {}
        for entry in chain.commits:
            item = batch.items.get(entry.commit)
            if item is None:
                item = _one_anew(place, entry, numbers, batch, when)
                batch.items[entry.commit] = item
            was = _run_of(entry)
            if was is not None and item.version is not None:
                numbers[was] = item.version
    return batch


def _one_anew(
    place: Place, entry: LogEntry, numbers: dict[int, int], batch: _Batch, when: datetime
) -> PushedItem:
    replay, was = replay_of(place, entry), _run_of(entry)
    try:
        made = replay.make(batch.tip, numbers)
    except (InputError, RegistryError) as error:
        return PushedItem(entry.commit, entry.subject, "refused", None, was, str(error))
    if isinstance(made, Found):
        reason = f"is there already, as {made.what}"
        return PushedItem(entry.commit, entry.subject, "published-before", made.run, was, reason)
    check_new(batch.tip, made)
    batch.tip = place.snapshot(place.write(made, batch.tip, when=when))
    batch.plans.append(made)
    version = made.run.version if isinstance(made, RunPlan) else None
    return PushedItem(entry.commit, made.message.partition("\n")[0], "pushed", version, was)


def _let_go(
    repository: Repository, chains: Sequence[Chain], batch: _Batch, local: str | None
) -> None:
    """Forget what is published; whatever holds something refused is kept."""
    refused = {item.commit for item in batch.items.values() if item.outcome == "refused"}
    for chain in chains:
        if refused.isdisjoint(entry.commit for entry in chain.commits):
            if chain.ref is not None:
                outbox.drop(repository, chain.tip)
            elif local is not None:
                outbox.drop(repository, local)
