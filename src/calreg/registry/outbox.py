"""Commits that could not be published: kept, listed, forgotten.

A run that lost every race was computed for nothing if its commit were lost, too. So a ref
that no branch and no remote knows keeps it, until it or a repeat of it is published. What
lies on the branch here and not at the remote waits as well, and needs no ref.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from calreg.errors import CalregError, InputError
from calreg.git import LogEntry, Repository
from calreg.names import nearest

__all__ = [
    "Chain",
    "Waiting",
    "broken",
    "chains",
    "drop",
    "forget",
    "keep",
    "run_id_of",
    "tidy",
    "waiting",
]

_OUTBOX = "refs/calreg/outbox"
_RUN_ID = "Calreg-Run-Id"
_MAX_COMMITS = 10_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A commit that waits to be published.

    Args:
        ref: What keeps it.
        commit: Its id.
        subject: The first line of its message.
        run_id: What a run keeps when it is made again; None for a move by hand.
    """

    ref: str
    commit: str
    subject: str
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Chain:
    """Commits that wait together, the oldest first.

    `ref` keeps them; None for those that the branch here keeps itself.
    """

    ref: str | None
    tip: str
    commits: tuple[LogEntry, ...]


def keep(repository: Repository, commit: str) -> str:
    """Keep a commit that is on no branch; the ref that keeps it."""
    ref = _ref(commit)
    repository.keep(ref, commit)
    return ref


def drop(repository: Repository, commit: str) -> None:
    """Forget a commit that was kept."""
    ref = _ref(commit)
    if repository.tip(ref) == commit:
        repository.drop(ref, commit)


def _ref(commit: str) -> str:
    return f"{_OUTBOX}/{commit[:12]}"


def waiting(repository: Repository) -> list[Waiting]:
    """What waits to be published, by ref."""
    return list(_waiting(repository))


def _waiting(repository: Repository) -> Iterator[Waiting]:
    for ref, commit in _readable(repository).items():
        entry = repository.log(commit, limit=1)[0]
        yield Waiting(ref, commit, entry.subject, run_id_of(entry))


def _readable(repository: Repository) -> dict[str, str]:
    refs = sorted(repository.refs(_OUTBOX).items())
    return {ref: commit for ref, commit in refs if repository.tip(commit) is not None}


def broken(repository: Repository) -> dict[str, str]:
    """Refs of the outbox whose commits are gone, and their ids: nothing is kept by them."""
    return {
        ref: commit
        for ref, commit in sorted(repository.refs(_OUTBOX).items())
        if repository.tip(commit) is None
    }


def chains(repository: Repository, base: str | None, local: str | None) -> list[Chain]:
    """Everything that waits and is not in `base`: of the branch here first, then by age.

    Args:
        repository: Where it waits.
        base: What is published, or about to be pushed as it is.
        local: The tip of the branch here, if its commits wait to be made anew.
    """
    found = [Chain(None, local, _commits(repository, local, base))] if local is not None else []
    kept = [
        Chain(ref, tip, _commits(repository, tip, base))
        for ref, tip in _readable(repository).items()
    ]
    by_age = sorted(kept, key=lambda chain: chain.commits[-1].time_s if chain.commits else 0)
    return [*found, *by_age]


def _commits(repository: Repository, tip: str, base: str | None) -> tuple[LogEntry, ...]:
    return tuple(reversed(repository.log(tip, base=base, limit=_MAX_COMMITS)))


def forget(repository: Repository, commit: str) -> Waiting:
    """Let go of a commit that waits, by the beginning of its id; what it was.

    Raises:
        InputError: No commit that waits begins like that, or several do.
    """
    there = waiting(repository)
    found = [item for item in there if len(commit) >= 4 and item.commit.startswith(commit)]
    if len(found) != 1:
        problem = "several commits" if found else "no commit"
        raise InputError(
            f"{problem} that begin{'' if found else 's'} with {commit!r} "
            f"wait{'' if found else 's'} in the outbox",
            hint=nearest(commit, [item.commit[:12] for item in there]),
            code="not-waiting",
        )
    repository.drop(found[0].ref, found[0].commit)
    return found[0]


def tidy(repository: Repository, published: str) -> None:
    """Forget what is in a published commit's history, and runs that it repeats."""
    # What cannot be looked at stays listed: the commit is published all the same.
    with contextlib.suppress(CalregError):
        kept = waiting(repository)
        repeated = run_id_of(repository.log(published, limit=1)[0]) if kept else None
        for item in kept:
            is_repeated = item.run_id is not None and item.run_id == repeated
            # Of a chain only the last commit is looked at: what is below it may still wait.
            is_alone = is_repeated and len(_commits(repository, item.commit, published)) == 1
            if is_alone or repository.is_ancestor(item.commit, published):
                repository.drop(item.ref, item.commit)


def run_id_of(entry: LogEntry) -> str | None:
    """What a run keeps when it is made again; None for another commit."""
    return next((value for key, value in entry.trailers if key == _RUN_ID), None)
