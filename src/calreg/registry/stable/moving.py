"""Move the branch that production reads, here and at a remote: one publisher at a time wins.

A push is leased; who loses the race looks at what won and makes what is still missing, if
anything is. A publication that could not be pushed is not kept: it is made again from
`main`, which has all that was in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from calreg.errors import (
    CalregError,
    InputError,
    RegistryError,
    StaleRegistryError,
    TransportError,
)
from calreg.git import Remote, Repository
from calreg.registry.publishing import Retry, remote_of
from calreg.registry.stable.making import (
    Planned,
    last_seen,
    make,
    plan,
    tip_here,
    tip_there,
)
from calreg.registry.stable.order import (
    NothingNew,
    Order,
    Prepared,
    PublishedStable,
    Work,
    pending_branch,
)

__all__ = ["preview", "publish", "work_of"]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where is published: everything that stays the same from try to try."""

    repository: Repository
    prefix: str
    order: Order
    source: str
    remote: Remote | None
    is_pushed: bool
    progress: Callable[[str], None]


def publish(
    repository: Repository,
    prefix: str,
    order: Order,
    *,
    push: bool,
    retry: Retry | None = None,
    progress: Callable[[str], None] | None = None,
) -> PublishedStable | NothingNew:
    """Let the branch that production reads say what `main` says, and be signed for it.

    Args:
        repository: The repository.
        prefix: The registry's folder in it.
        order: What is asked.
        push: Publish at the remote of the branch that is checked out, from what is there;
            else here, from what is here.
        retry: How often a lost race is run again.
        progress: Told in a few words what is being done.

    Raises:
        InputError: Detached HEAD, no identity, no remote, no references, an invalid document,
            the branch is checked out.
        RegistryError: See `prepare`; or the server refuses, or every race was lost.
        TransportError: The remote could not be reached.
    """
    place = _place(repository, prefix, order, push=push, progress=progress)
    repository.identity()
    with repository.lock():
        repository.recover()
        if not push:
            _check_free(repository, order.branch)
        done = _try_until_done(place, retry or Retry())
        # The ref that kept the commit until the branch had it.
        repository.recover()
    return done


def preview(
    repository: Repository, prefix: str, order: Order, *, push: bool
) -> Planned | NothingNew:
    """What `publish` would publish now; nothing is signed, written or moved."""
    return plan(work_of(repository, prefix, order, push=push))


def work_of(repository: Repository, prefix: str, order: Order, *, push: bool) -> Work:
    """An order applied to what is there now: at the remote with `push`, else here.

    Raises:
        InputError: Detached HEAD, no remote, no commit.
        TransportError: The remote could not be reached.
    """
    return _work(_place(repository, prefix, order, push=push, progress=None))


def _place(
    repository: Repository,
    prefix: str,
    order: Order,
    *,
    push: bool,
    progress: Callable[[str], None] | None,
) -> _Place:
    source = repository.branch()
    remote = remote_of(repository, source) if push else repository.remote(source)
    if order.branch in {source, remote.branch if remote else source}:
        raise InputError(
            f"{order.branch} is the branch that is published from",
            hint="--branch names the one that production reads, usually stable.",
            code="branch",
        )
    return _Place(repository, prefix, order, source, remote, push, progress or _silent)


def _silent(_message: str) -> None:
    """Say nothing."""


def _try_until_done(place: _Place, retry: Retry) -> PublishedStable | NothingNew:
    last: CalregError | None = None
    for tries in range(1, retry.attempts + 1):
        if last is not None:
            place.progress(f"somebody was faster, trying again ({tries} of {retry.attempts})")
            retry.wait(tries)
        try:
            return _try(place, tries)
        except StaleRegistryError as error:
            last = error
    raise RegistryError(
        f"somebody else was faster {retry.attempts} times in a row",
        hint="Nothing is lost: run it again.",
        code=StaleRegistryError.default_code,
    ) from last


def _try(place: _Place, tries: int) -> PublishedStable | NothingNew:
    work = _work(place)
    made = make(work)
    if isinstance(made, NothingNew):
        return _settled(place, work, made)
    if not place.is_pushed or place.remote is None:
        place.repository.move_aside(made.branch, old=made.expected, new=made.commit)
        return PublishedStable(made, None, tries)
    _push(place, place.remote, made)
    _follow(place.repository, made.branch, made.commit)
    return PublishedStable(made, place.remote.shown, tries)


def _work(place: _Place) -> Work:
    """What is asked, applied to what is there now."""
    repository, order, remote = place.repository, place.order, place.remote
    if place.is_pushed and remote is not None:
        place.progress(f"reading {remote.shown}")
        seen = last_seen(repository, remote, order.branch)
        tips = repository.fetch_all(remote, [remote.branch, order.branch])
        tip = tip_there(repository, remote, order.branch, tips[order.branch], seen)
        newest = tips[remote.branch]
        where = f"{remote.branch} of {remote.shown}"
    else:
        newest, tip = repository.tip(), tip_here(repository, order.branch, remote)
        where = place.source
    if newest is None:
        raise InputError(
            f"{where} has no commit yet",
            hint="calreg run SCORES makes the first version; --push sends it.",
            code="no-commit",
        )
    commit = _asked(repository, order, newest, where)
    used = remote if place.is_pushed else None
    return Work(repository, place.prefix, order, used, commit, tip, place.progress)


def _check_free(repository: Repository, branch: str) -> None:
    """Refuse early what moving the branch would refuse late."""
    for name in (branch, pending_branch(branch)):
        repository.check_not_checked_out(name)


def _asked(repository: Repository, order: Order, newest: str, where: str) -> str:
    """The commit to publish: the one asked for, if it is on the branch; else the newest."""
    if order.commit is None:
        return newest
    commit = None
    with contextlib.suppress(InputError):  # no name that git would know
        commit = repository.tip(order.commit)
    if commit is None:
        raise InputError(
            f"there is no commit {order.commit!r} here",
            hint="Give its full id, as git rev-parse shows it.",
            code="no-such-commit",
        )
    if commit != newest and not repository.is_ancestor(commit, newest):
        raise RegistryError(
            f"commit {commit[:12]} is not on {where}, and only what is there is published",
            hint="Push it there first, by the way that the gate watches.",
            code="not-on-branch",
        )
    return commit


def _push(place: _Place, remote: Remote, made: Prepared) -> None:
    place.progress(f"pushing to {remote.shown}")
    try:
        place.repository.push_all(remote, [made.update])
    except TransportError as error:
        # The connection broke, perhaps after the server took the commit: look.
        if not _has_arrived(place.repository, remote, made):
            error.hint = error.hint or "Run it again: what was published is not published twice."
            raise


def _has_arrived(repository: Repository, remote: Remote, made: Prepared) -> bool:
    try:
        theirs = repository.fetch(remote, made.branch)
    except TransportError:
        return False
    return theirs is not None and (
        theirs == made.commit or repository.is_ancestor(made.commit, theirs)
    )


def _settled(place: _Place, work: Work, found: NothingNew) -> NothingNew:
    """Nothing new: bring the branches to what is there, the one there and the one here."""
    repository, tip = place.repository, work.tip
    if found.why == "waiting" or tip.base is None:
        return found
    if place.is_pushed and place.remote is not None and tip.base != tip.expected:
        made = replace(found, pushed=True)
        repository.push(
            place.remote, branch=place.order.branch, new=tip.base, expected=tip.expected
        )
        return made
    _follow(repository, place.order.branch, tip.base)
    return found


def _follow(repository: Repository, branch: str, commit: str) -> None:
    """Bring a branch of the same name that is here to what is published, if it was behind."""
    local = repository.tip(branch)
    if local is None or local == commit:
        return
    # It is published; that nobody's own branch follows does not undo that.
    with contextlib.suppress(CalregError):
        if repository.is_ancestor(local, commit):
            repository.move_aside(branch, old=local, new=commit)
