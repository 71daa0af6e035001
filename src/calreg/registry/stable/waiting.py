"""A publication that waits for more signatures, on a branch beside the one production reads.

Nobody signs what is found there: each signer derives it from `main`, with the dates that it
claims, and compares it byte for byte. What is not equal, or has no signature by a key in
force, is not this program's, and is replaced by the next publication.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from calreg.documents import Index
from calreg.errors import CalregError, RegistryError
from calreg.plan.publication import Content, Publication, plan_publication
from calreg.registry.stable.order import Tip, Work, pending_branch
from calreg.registry.stable.reading import Stable, read_stable
from calreg.registry.stable.signed import valid_blocks

__all__ = ["Waiting", "find_waiting", "nothing_waits", "pending_tip"]

_CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits: the commit that holds it, the publication as derived here, its signatures.

    Those are by keys in force, by fingerprint, and at least one: the dates are claims of
    whoever signed first.
    """

    commit: str
    publication: Publication
    blocks: Mapping[str, bytes]


def pending_tip(work: Work) -> Tip:
    """The branch on which publications wait."""
    branch = pending_branch(work.order.branch)
    if work.remote is not None:
        tip = work.repository.fetch(work.remote, branch)
    else:
        tip = work.repository.tip(branch)
    return Tip(tip, tip)


def find_waiting(
    work: Work, content: Content, stable: Stable | None, commit: str | None
) -> Waiting | None:
    """What waits on a commit, if it is byte for byte what would be published here, too."""
    if commit is None or content.keys is None:
        return None
    try:
        found = read_stable(work.repository, commit, branch=pending_branch(work.order.branch))
        publication = _derived(work, content, stable, found.index)
    except CalregError:
        # Whoever may push there may put anything there.
        return None
    if publication is None or publication.raw != found.before.raw:
        return None
    blocks = valid_blocks(publication.raw, found.signature, content.keys)
    return Waiting(commit, publication, blocks) if blocks else None


def _derived(
    work: Work, content: Content, stable: Stable | None, claimed: Index
) -> Publication | None:
    """What would be published here with the dates and the commit that an index claims."""
    issued, expires = map(datetime.fromisoformat, (claimed.issued, claimed.expires))
    now = work.order.now
    is_young = now < issued + (expires - issued) / 2 and issued < now + _CLOCKS_DIFFER
    if not (is_young and content.is_said_by(claimed) and _is_of_main(work, claimed.commit)):
        return None
    return plan_publication(
        content,
        None if stable is None else stable.before,
        commit=claimed.commit,
        now=issued,
        expires_days=(expires - issued).days,
        anew=True,
    )


def _is_of_main(work: Work, commit: str) -> bool:
    repository = work.repository
    return commit == work.commit or (
        repository.tip(commit) is not None and repository.is_ancestor(commit, work.commit)
    )


def nothing_waits(work: Work) -> RegistryError:
    """The error for a signature that nobody waits for."""
    branch = work.order.branch
    return RegistryError(
        f"nothing waits on {pending_branch(branch)} for signatures that {branch} would say now",
        hint="calreg stable publish --sign KEY begins it.",
        code="nothing-pending",
    )
