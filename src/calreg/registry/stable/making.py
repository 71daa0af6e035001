"""From a commit of `main` to a commit for the branch that production reads; no branch moves.

Where a registry's keys demand more signatures than are at hand, the commit is one for the
branch beside it, on which publications wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from calreg.errors import InputError, RegistryError
from calreg.git import Entry, Remote, Repository
from calreg.git.tree import blob_id
from calreg.names import INDEX_PATH, INDEX_SIGNATURE_PATH
from calreg.plan.keys import SignedKeys
from calreg.plan.publication import (
    Content,
    Publication,
    check_same_registry,
    check_still_withdrawn,
    plan_publication,
)
from calreg.registry.keys import signed_lists
from calreg.registry.stable.descent import check_newest
from calreg.registry.stable.order import (
    NothingNew,
    Order,
    Prepared,
    Tip,
    Work,
    pending_branch,
)
from calreg.registry.stable.reading import Stable, content_at, read_stable, signers_of
from calreg.registry.stable.signed import Signer, blocks_by, check_sign_asked
from calreg.registry.stable.waiting import find_waiting, nothing_waits, pending_tip

__all__ = ["Planned", "last_seen", "make", "plan", "prepare", "tip_here", "tip_there"]


@dataclass(frozen=True, slots=True)
class Planned:
    """What to publish, before anyone signs it: from which content, and on top of what."""

    content: Content
    stable: Stable | None
    publication: Publication


@dataclass(frozen=True, slots=True)
class _Onto:
    """Where a commit goes: its branch, where that must be, the parent and what that holds."""

    branch: str
    expected: str | None
    parent: str | None
    entries: Mapping[str, Entry]


def prepare(
    repository: Repository,
    prefix: str,
    *,
    main_commit: str,
    branch: str,
    signers: Sequence[Signer],
    now: datetime,
    expires_days: int,
    remote: Remote | None,
) -> Prepared | None:
    """The publication of a commit of `main` as a commit; no branch moves. None: nothing new.

    Inside `Repository.lock`. The commit need not be on any branch yet: to move `main` and the
    branch that production reads at once, push it together with `Prepared.update`.

    Args:
        repository: The repository.
        prefix: The registry's folder in it.
        main_commit: What to publish.
        branch: The branch that production reads.
        signers: Each makes one signature of the index.
        now: When it is issued.
        expires_days: How long readers trust it as current.
        remote: Where `main` is pushed to; the branch is read from there. None: from here.

    Raises:
        InputError: A document is not valid, or there are no references.
        RegistryError: What is published is not this registry's, or not signed as it must be;
            `main` was rewritten; a reference was withdrawn; a signature is missing or wrong.
        TransportError: The remote could not be reached.
    """
    order = Order(now, expires_days, branch, signers, commit=main_commit)
    if remote is None:
        tip = tip_here(repository, branch)
    else:
        before = last_seen(repository, remote, branch)
        tip = tip_there(repository, remote, branch, repository.fetch(remote, branch), before)
    made = make(Work(repository, prefix, order, remote, main_commit, tip, lambda _message: None))
    return made if isinstance(made, Prepared) else None


def last_seen(repository: Repository, remote: Remote, branch: str) -> str | None:
    """Where a remote's branch was when it was last looked at; asked before the next look."""
    return repository.tip(replace(remote, branch=branch).tracking_ref)


def tip_here(repository: Repository, branch: str, remote: Remote | None = None) -> Tip:
    """The branch as it is here, or as it was last seen at a remote if that comes after it."""
    local = repository.tip(branch)
    seen = last_seen(repository, remote, branch) if remote else None
    return Tip(_later_of(repository, local, seen), local)


def tip_there(
    repository: Repository, remote: Remote, branch: str, theirs: str | None, seen: str | None
) -> Tip:
    """The branch as a remote has it, or as it is here or was seen, if that comes after it.

    What was published here and not pushed, or was seen there and is there no more, must not
    have its number given to another index: it is pushed again.

    Raises:
        RegistryError: What was seen there is no longer there, and something else is.
    """
    newest = theirs
    if seen is not None and seen != _later_of(repository, seen, theirs):
        seen = None  # it went on, as it should
    if seen is not None and seen != theirs:
        # Still known at the next look, too.
        repository.keep(replace(remote, branch=branch).tracking_ref, seen)
        newest = _later_of(repository, theirs, seen)
        if newest != seen:
            raise _rewritten(remote, branch, seen)
    return Tip(_later_of(repository, newest, repository.tip(branch)), theirs)


def _rewritten(remote: Remote, branch: str, seen: str) -> RegistryError:
    return RegistryError(
        f"{branch} of {remote.shown} was rewritten: {seen[:12]}, which was there, is not in "
        "its history any more",
        hint=f"Clients will refuse it. Restore it: git push --force {remote.name} "
        f"{seen[:12]}:refs/heads/{branch}",
        code="history-rewritten",
    )


def _later_of(repository: Repository, one: str | None, other: str | None) -> str | None:
    """The other commit if it comes after the one, else the one."""
    if one is None or other is None:
        return one or other
    return other if one != other and repository.is_ancestor(one, other) else one


def make(work: Work) -> Prepared | NothingNew:
    """One try, from reading to a commit; see `prepare` for what it refuses."""
    planned = plan(work)
    if isinstance(planned, NothingNew):
        return planned
    keys = planned.content.keys
    check_sign_asked(planned.content.registry, keys, is_asked=bool(work.order.signers))
    if keys is not None:
        return _signed(work, planned, keys)
    if work.order.only_pending:
        raise nothing_waits(work)
    return _committed(work, planned.publication, {}, _onto_stable(work, planned), threshold=0)


def plan(work: Work) -> Planned | NothingNew:
    """What to publish, before anyone signs it: nothing is written."""
    snapshot, order, stable = work.snapshot, work.order, None
    lists = signed_lists(snapshot)
    if work.tip.base is not None:
        stable = read_stable(work.repository, work.tip.base, branch=order.branch)
        check_same_registry(snapshot.settings.name, stable.index)
        if _is_later(work.repository, stable.index.commit, work.commit):
            return NothingNew(stable.index, stable.commit, order.branch, "later")
        signers_of(stable, lists, branch=order.branch)
        check_newest(work.repository, stable, lists, branch=order.branch)
        check_still_withdrawn(stable.withdrawn, snapshot.withdrawn)
    content = content_at(snapshot, lists, stable if _is_vouched_for(stable, lists) else None)
    publication = plan_publication(
        content,
        None if stable is None else stable.before,
        commit=work.commit,
        now=order.now,
        expires_days=order.expires_days,
        anew=order.renew or (stable is not None and not _is_whole(stable, content)),
    )
    if publication is None and stable is not None:
        return NothingNew(stable.index, stable.commit, order.branch, "current")
    if publication is None:
        raise TypeError("a first publication always says something")
    return Planned(content, stable, publication)


def _is_vouched_for(stable: Stable | None, lists: Sequence[SignedKeys]) -> bool:
    """Whether what is published there was checked before by whoever answers for it now."""
    return stable is not None and (not lists or stable.index.keys == lists[-1].keys.number)


def _is_later(repository: Repository, published: str, asked: str) -> bool:
    """Whether what is published was made from a commit that comes after the one asked for.

    Raises:
        RegistryError: Neither comes after the other: `main` was rewritten.
        InputError: This clone does not have the history to tell.
    """
    if published == asked:
        return False
    is_here = repository.tip(published) is not None
    if is_here and repository.is_ancestor(published, asked):
        return False
    if is_here and repository.is_ancestor(asked, published):
        return True
    if repository.is_shallow:
        raise InputError(
            f"this clone is shallow and does not tell whether {asked[:12]} comes after "
            f"{published[:12]}, which is published",
            hint="git fetch --unshallow; in a workflow, check out with fetch-depth: 0.",
            code="shallow",
        )
    raise RegistryError(
        f"{published[:12]}, which is published, is not in the history of {asked[:12]}: the "
        "branch that is published from was rewritten",
        hint="Clients refuse what does not come after what they have. Merge the old history "
        "back in, or publish to another branch and tell everybody who reads this one.",
        code="history-rewritten",
    )


def _is_whole(stable: Stable, content: Content) -> bool:
    """Whether the branch holds exactly the files that its index and the keys promise."""
    tops = {INDEX_PATH, *([INDEX_SIGNATURE_PATH] if content.keys else [])}
    return stable.entries.keys() - tops == content.files.keys() and all(
        _is_at(stable.entries[path], raw) for path, raw in content.files.items()
    )


def _is_at(entry: Entry | None, raw: bytes) -> bool:
    if entry is None or not entry.is_plain_file:
        return False
    return blob_id(raw, like=entry.oid) == entry.oid


def _signed(work: Work, planned: Planned, keys: SignedKeys) -> Prepared | NothingNew:
    """The publication with the signatures there are: for production, or to wait for more."""
    order, threshold = work.order, keys.keys.threshold
    publication, waiting, beside = planned.publication, None, Tip(None, None)
    kept: dict[str, bytes] = {}
    if order.only_pending or threshold > 1:
        beside = pending_tip(work)
        waiting = find_waiting(work, planned.content, planned.stable, beside.base)
    if waiting is not None:
        publication = waiting.publication
        kept = dict(waiting.blocks)
    elif order.only_pending:
        raise nothing_waits(work)
    blocks = blocks_by(publication.raw, keys, order.signers, kept=kept)
    missing = threshold - len(blocks)
    if missing <= 0:
        onto = _onto_stable(work, planned)
    elif waiting is not None and blocks.keys() == kept.keys():
        branch = pending_branch(order.branch)
        return NothingNew(publication.index, waiting.commit, branch, "waiting", missing)
    else:
        entries = work.repository.read(beside.base).paths()
        onto = _Onto(pending_branch(order.branch), beside.expected, beside.base, entries)
    return _committed(work, publication, blocks, onto, threshold=threshold)


def _onto_stable(work: Work, planned: Planned) -> _Onto:
    entries = {} if planned.stable is None else planned.stable.entries
    return _Onto(work.order.branch, work.tip.expected, work.tip.base, entries)


def _committed(
    work: Work,
    publication: Publication,
    blocks: Mapping[str, bytes],
    onto: _Onto,
    *,
    threshold: int,
) -> Prepared:
    """The whole tree as a commit; only what differs from its parent's is written."""
    files = dict(publication.files)
    if blocks:
        files[INDEX_SIGNATURE_PATH] = b"".join(blocks[name] for name in sorted(blocks))
    changed = {path: raw for path, raw in files.items() if not _is_at(onto.entries.get(path), raw)}
    work.progress(f"writing {len(changed):,} files")
    commit = work.repository.commit(
        branch=onto.branch,
        parent=onto.parent,
        files=changed,
        delete=onto.entries.keys() - files.keys(),
        message=publication.message,
        identity=work.repository.identity(),
        when=work.order.now,
    )
    return Prepared(
        commit=commit,
        expected=onto.expected,
        index=publication.index,
        branch=onto.branch,
        publication=publication,
        signed_by=tuple(sorted(blocks)),
        threshold=threshold,
    )
