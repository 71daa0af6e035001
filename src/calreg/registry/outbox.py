"""Commits that could not be published and are on no branch: kept, listed, forgotten.

A run that lost every race was computed for nothing if its commit were lost, too. So a ref
that no branch and no remote knows keeps it, until it or a repeat of it is published.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from calreg.errors import CalregError
from calreg.git import LogEntry, Repository

__all__ = ["Waiting", "keep", "tidy", "waiting"]

_OUTBOX = "refs/calreg/outbox"
_RUN_ID = "Calreg-Run-Id"


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


def keep(repository: Repository, commit: str) -> str:
    """Keep a commit that is on no branch; the ref that keeps it."""
    ref = f"{_OUTBOX}/{commit[:12]}"
    repository.keep(ref, commit)
    return ref


def waiting(repository: Repository) -> list[Waiting]:
    """What waits to be published, by ref."""
    return list(_waiting(repository))


def _waiting(repository: Repository) -> Iterator[Waiting]:
    for ref, commit in sorted(repository.refs(_OUTBOX).items()):
        entry = repository.log(commit, limit=1)[0]
        yield Waiting(ref, commit, entry.subject, _run_id(entry))


def tidy(repository: Repository, published: str) -> None:
    """Forget what is in a published commit's history, and runs that it repeats."""
    # What cannot be looked at stays listed: the commit is published all the same.
    with contextlib.suppress(CalregError):
        kept = waiting(repository)
        repeated = _run_id(repository.log(published, limit=1)[0]) if kept else None
        for item in kept:
            is_repeated = item.run_id is not None and item.run_id == repeated
            if is_repeated or repository.is_ancestor(item.commit, published):
                repository.drop(item.ref, item.commit)


def _run_id(entry: LogEntry) -> str | None:
    return next((value for key, value in entry.trailers if key == _RUN_ID), None)
