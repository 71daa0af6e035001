"""A move of `main` and of the branch that production reads, in one push or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from calreg.errors import RegistryError
from calreg.git import RefUpdate, Repository
from calreg.registry.place import Place
from calreg.registry.stable import Prepared, Signer, prepare

__all__ = ["EXPIRES_DAYS", "BothBranches", "has_stable"]

EXPIRES_DAYS = 90


@dataclass(slots=True)
class BothBranches:
    """Called with a commit of `main`: what must move with it so that production has it at once.

    Args:
        now: When the index is issued.
        signers: Each makes one signature of it.
        branch: The branch that production reads.
        prepared: What was made for the last try; None if it is not in its last try.
    """

    now: datetime
    signers: Sequence[Signer] = ()
    branch: str = "stable"
    prepared: Prepared | None = field(default=None)

    def __call__(self, place: Place, commit: str) -> Sequence[RefUpdate]:
        """The move of the branch that goes with a commit of `main`; none if it says it already.

        Raises:
            RegistryError: There is no such branch yet, or a signature is missing.
        """
        self.prepared = prepare(
            place.repository,
            place.prefix,
            main_commit=commit,
            branch=self.branch,
            signers=self.signers,
            now=self.now,
            expires_days=EXPIRES_DAYS,
            remote=place.remote,
        )
        if self.prepared is None:
            return []
        if self.prepared.index.previous is None:
            raise RegistryError(
                f"there is no branch {self.branch} that could move, too",
                hint="Leave out --stable; calreg stable publish makes the branch.",
                code="no-stable",
            )
        return [self.prepared.update]


def has_stable(repository: Repository, branch: str = "stable") -> bool:
    """Whether production reads a branch of its own, as far as this clone knows."""
    remote = repository.remote(repository.branch())
    seen = f"refs/remotes/{remote.name}/{branch}" if remote is not None else None
    return repository.tip(f"refs/heads/{branch}") is not None or (
        seen is not None and repository.tip(seen) is not None
    )
