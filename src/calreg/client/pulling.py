"""Bring a folder to what a registry's references are now: look, fetch, check, install.

Nothing new costs one question to each server. What is new is verified while its source is
opened, read and checked byte by byte, and installed all or nothing. Whatever goes wrong, the
last good set stays, and the error says which that is. What was learnt of a source on the way
(a withdrawn version, a newer index, whom to trust) is recorded even where the set that was
asked for cannot be installed.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from calreg.client.copies import layout
from calreg.client.deadline import Deadline
from calreg.client.destination import CACHE, LOCK_FILE, Destination
from calreg.client.gathering import (
    MAX_BYTES,
    Bounds,
    Gathered,
    Opened,
    Place,
    Progress,
    Wish,
    caches_of,
    gather,
    known_now,
    open_all,
    open_each,
)
from calreg.client.selecting import (
    choose_installed,
    selection_of,
    withdrawn_error,
    withdrawn_in,
)
from calreg.client.sources import Source
from calreg.client.trust import age_of, check_fresh, freshness, in_words
from calreg.documents import Lock, LockFormat, LockSource
from calreg.errors import CalregError, InputError, RegistryError, TransportError, UsageError

if TYPE_CHECKING:
    from calreg.signatures import PublicKey

__all__ = [
    "DEADLINE_S",
    "MAX_BYTES",
    "Keys",
    "Limits",
    "Progress",
    "Pulled",
    "places_of",
    "pull_into",
    "with_sound_cache",
]

DEADLINE_S = 60.0

# What a damaged cache may look like from outside.
_CACHE_FAULTS = {"git", "transport", "broken-object", "unreadable-object"}
# What another try may put right. A server that answers "no" is not asked again.
_TRANSIENT = {"transport", "unreachable", "truncated", "timeout", "garbled"}
_FIRST_WAIT_S = 0.25

_T = TypeVar("_T")

Keys: TypeAlias = "Sequence[PublicKey] | Mapping[str, Sequence[PublicKey]]"
"""Keys that must have signed every source, or those of each source by its address as typed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one operation may cost: seconds as a whole, bytes of all references, tries."""

    deadline_s: float = DEADLINE_S
    max_bytes: int = MAX_BYTES
    tries: int = 3


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did.

    `updated` are heads that are new or of another version or bytes than before, `removed`
    those that are no longer installed, `repaired` those whose plain copies had been altered
    or lost; `moves` gives the versions before (None: not installed) and after of the
    updated ones. `bytes` counts what was read of references. `ungated` says that a registry
    was read from its working branch, which no gate has passed and nobody signed. `sources`
    are the sources as the lock knows them now, `withdrawn` the installed heads that are unfit
    for use (offline only: otherwise a pull refuses them), `age_s` the seconds since the first
    source's index was issued.
    """

    source: str
    registry: str
    commit: str
    seq: int | None
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    bytes: int = 0
    ungated: bool = True
    previous_commit: str | None = None
    previous_seq: int | None = None
    moves: Mapping[str, tuple[int | None, int]] = field(default_factory=dict)
    sources: tuple[LockSource, ...] = ()
    warnings: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    age_s: float | None = None
    expires: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return {
            "source": self.source,
            "registry": self.registry,
            "commit": self.commit,
            "previous_commit": self.previous_commit,
            "seq": self.seq,
            "previous_seq": self.previous_seq,
            "updated": list(self.updated),
            "unchanged": list(self.unchanged),
            "removed": list(self.removed),
            "repaired": list(self.repaired),
            "bytes": self.bytes,
            "ungated": self.ungated,
            "moves": {
                head: {"from": before, "to": after} for head, (before, after) in self.moves.items()
            },
            "sources": [_shown(source) for source in self.sources],
            "warnings": list(self.warnings),
            "withdrawn": list(self.withdrawn),
            "age_s": self.age_s,
            "expires": self.expires,
        }


def _shown(source: LockSource) -> dict[str, Any]:
    return {
        "source": source.source,
        "registry": source.registry,
        "commit": source.commit,
        "seq": source.seq,
        "read": source.read,
        "ungated": source.read == "main",
        "signed": source.trust is not None,
        "issued": source.issued,
        "expires": source.expires,
    }


def pull_into(  # noqa: PLR0913 - each is one thing that a person may say
    dest: Path,
    sources: str | Sequence[str],
    heads: Sequence[str] = (),
    *,
    limits: Limits,
    cache: Path | None = None,
    offline: bool = False,
    locked: bool = False,
    as_of: str | None = None,
    keys: Keys = (),
    threshold: int = 1,
    template: str | None = None,
    format: LockFormat | None = None,  # noqa: A002 - what the lock and the command line call it
    require_fresh: bool = False,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Pulled:
    """Install references in a folder, all or nothing.

    Args:
        dest: The folder; made if it is not there.
        sources: A git address, a local folder or a site; or several, in the order in which
            they are asked for a head.
        heads: Full names, `head@v3`, models or patterns; none for all. What is installed
            afterwards is exactly this.
        limits: What it may cost.
        cache: Where fetched objects are kept; inside `dest` if not said.
        offline: Ask nobody: check what is installed, and repair its plain copies.
        locked: Install exactly what `calreg.lock` says.
        as_of: What the references were at a date (ISO 8601) or commit.
        keys: Keys that must have signed; pinned in the lock.
        threshold: How many of them must have.
        template: Where plain copies go; as before, at first by the registry's paths, if None.
        format: In which format plain copies are written; as before if None.
        require_fresh: Fail past an index's time even if nothing new is installed.
        progress: Told now and then.
        now: By which clock expiry is judged; this machine's if not said.

    Raises:
        InputError: A source or head that is none, an invalid reference, a file in the way.
        RegistryError: Another registry than the one installed, a signature, an index or a
            history that is not what it must be, a withdrawn version, an index past its time.
        TransportError: The source cannot be reached, or not in time.
    """
    if locked and (heads or as_of):
        raise UsageError("--locked installs what the lock names; name no heads and no time with it")
    deadline = Deadline(limits.deadline_s)
    if (offline or locked) and not (dest / LOCK_FILE).exists():
        raise _nothing_installed(dest)
    typed = [sources] if isinstance(sources, str) else list(sources)
    moment = now or datetime.now(UTC)
    with Destination.exclusively(dest, deadline) as destination:
        destination.recover()
        bounds = Bounds(
            deadline,
            limits.max_bytes,
            cache or destination.root.absolute() / CACHE,
            moment,
            require_fresh,
        )
        pull = _Pull(destination, bounds, limits.tries, progress or _silent)
        try:
            if offline:
                return pull.offline(heads)
            places = places_of(typed, keys, threshold)
            if locked:
                return pull.locked(places)
            placing = layout(destination.lock(), template, format)
            return pull.current(Wish(places, selection_of(heads), as_of, *placing))
        except CalregError as error:
            _say_what_stays(error, destination, moment)
            raise


def places_of(typed: Sequence[str], keys: Keys, threshold: int) -> tuple[Place, ...]:
    """The sources that a person typed, each with the keys that must have signed it.

    Raises:
        UsageError: No source at all, or keys of one that is not there.
        InputError: An address that is none.
    """
    if not typed:
        raise UsageError("no source was named")
    if isinstance(keys, Mapping):
        if strangers := sorted(keys.keys() - set(typed)):
            raise UsageError(f"keys are given for {strangers[0]!r}, which is none of the sources")
        by_source = {text: tuple(keys.get(text, ())) for text in typed}
    else:
        by_source = dict.fromkeys(typed, tuple(keys))
    return tuple(Place(Source.parse(text), by_source[text], threshold) for text in typed)


def _silent(_done: int, _total: int) -> None:
    return


def _nothing_installed(dest: Path) -> InputError:
    return InputError(
        f"nothing is installed here: there is no {LOCK_FILE}",
        where=str(dest),
        hint=f"calreg pull SOURCE {dest}",
        code="not-installed",
    )


def _say_what_stays(error: CalregError, destination: Destination, now: datetime) -> None:
    try:
        lock = destination.lock()
    except InputError:
        return  # the lock itself is the trouble
    if lock is not None:
        first = lock.first
        age = age_of(first, now)
        of_age = "" if age is None else f", index {first.seq} of {in_words(age)} ago"
        stays = (
            f"{destination.root} keeps what was installed: {first.registry}@{first.commit[:12]}, "
            f"{len(lock.heads):,} {'head' if len(lock.heads) == 1 else 'heads'}{of_age}."
        )
        if unfit := withdrawn_in(lock):
            more = f" and {len(unfit) - 1} more" if len(unfit) > 1 else ""
            stays += (
                f" Of them {unfit[0]} v{lock.heads[unfit[0]].version}{more} was withdrawn and is "
                "no longer handed out."
            )
        end = "" if (error.hint or "").endswith((".", "!", "?")) else "."
        error.hint = f"{error.hint}{end} {stays}" if error.hint else stays


def with_sound_cache(fetch: Callable[[], _T], caches: Sequence[Path], deadline: Deadline) -> _T:
    """What `fetch` returns; if a cache is to blame for its failure, from a new one."""
    try:
        return fetch()
    except CalregError as error:
        if error.code not in _CACHE_FAULTS or deadline.is_over:
            raise
        from calreg.git import drop_cache, is_cache

        here = [cache for cache in caches if is_cache(cache)]
        if not here:
            raise
        for cache in here:
            drop_cache(cache)
        return fetch()


def with_retries(attempt: Callable[[], _T], *, tries: int, deadline: Deadline) -> _T:
    """What `attempt` returns; after a fault of the network once more, a random while later.

    References:
        Brooker (2015), "Exponential backoff and jitter": full jitter.
    """
    chance = random.SystemRandom()
    for failures in range(1, tries):
        try:
            return attempt()
        except TransportError as error:
            wait_s = chance.uniform(0.0, _FIRST_WAIT_S * 2.0**failures)
            if not _is_transient(error) or deadline.is_over or wait_s >= deadline.left_s():
                raise
        time.sleep(wait_s)
    return attempt()


def _is_transient(error: TransportError) -> bool:
    status = getattr(error, "status", 0)  # of a web server's answer
    return error.code in _TRANSIENT or status == 429 or status >= 500


class _Pull:
    """One pull under way, in a destination that is ours alone."""

    def __init__(
        self, destination: Destination, bounds: Bounds, tries: int, progress: Progress
    ) -> None:
        self._destination = destination
        self._bounds = bounds
        self._tries = tries
        self._progress = progress
        self._old = destination.lock()
        self._have = destination.contents(self._old) if self._old else {}

    def offline(self, heads: Sequence[str]) -> Pulled:
        """What is installed, checked and its plain copies repaired."""
        old = self._installed_lock()
        choose_installed(old, heads, where=str(self._destination.root))
        self._refuse_damage(old)
        if self._bounds.require_fresh:
            for source in old.sources:
                check_fresh(source, self._bounds.now)
        return self._install(Gathered(old, self._have))

    def locked(self, places: tuple[Place, ...]) -> Pulled:
        """Exactly what the lock says; fetched only if it is not all here."""
        old = self._installed_lock()
        self._refuse_withdrawn(old)
        if len(self._have) == len(old.heads):
            return self._install(Gathered(old, self._have))
        wish = Wish(places)
        return self._install(self._tried(wish, lambda: self._gather_locked(wish, old)))

    def _gather_locked(self, wish: Wish, old: Lock) -> Gathered:
        from calreg.client.locked import gather_locked

        opened = open_all(wish, old, self._bounds, always=True, with_installed=False)
        return gather_locked(old, opened, self._have, self._bounds)

    def current(self, wish: Wish) -> Pulled:
        """What was wished for, as the sources are now."""
        return self._install(self._tried(wish, lambda: self._gather(wish)))

    def _gather(self, wish: Wish) -> Gathered:
        is_settled = self._is_settled(wish)
        opened, failed = open_each(wish, self._old, self._bounds, always=not is_settled)
        views = [found.view for found in opened if found.view is not None]
        try:
            if failed is not None:
                raise failed
            if not views:
                return self._nothing_new()
            return gather(wish, views, self._old, self._have, self._bounds, self._progress)
        except CalregError as error:
            self._record(opened, is_due=error.code == "withdrawn")
            raise

    def _is_settled(self, wish: Wish) -> bool:
        """Whether what is installed is what was wished for, unless a source has news."""
        old = self._old
        return (
            old is not None
            and len(self._have) == len(old.heads)
            and (old.selection, old.as_of, old.template, old.format)
            == (wish.selection, wish.as_of, wish.template, wish.format)
            and [source.source for source in old.sources]
            == [place.source.shown for place in wish.places]
            and all(source.is_settled for source in old.sources)
            and all(map(_is_pinned, wish.places, old.sources))
        )

    def _nothing_new(self) -> Gathered:
        old = self._installed_lock()
        self._refuse_withdrawn(old)
        if self._bounds.require_fresh:
            for source in old.sources:
                check_fresh(source, self._bounds.now)
        return Gathered(old, self._have)

    def _record(self, opened: Sequence[Opened], *, is_due: bool) -> None:
        """Keep what was learnt of sources, if it is due or something installed was withdrawn."""
        if self._old is None or len(self._have) < len(self._old.heads):
            return
        new = known_now(self._old, opened)
        if is_due or withdrawn_in(new) != withdrawn_in(self._old):
            with contextlib.suppress(CalregError):  # the pull has failed already, and says why
                self._destination.install(new, self._have)

    def _tried(self, wish: Wish, fetch: Callable[[], Gathered]) -> Gathered:
        caches = caches_of(wish, self._bounds.cache)
        deadline = self._bounds.deadline
        return with_retries(
            lambda: with_sound_cache(fetch, caches, deadline), tries=self._tries, deadline=deadline
        )

    def _refuse_withdrawn(self, lock: Lock) -> None:
        for head, entry in lock.heads.items():
            error = withdrawn_error(head, entry.version, lock.source_of(head).withdrawn)
            if error is not None:
                raise error

    def _installed_lock(self) -> Lock:
        if self._old is None:
            raise _nothing_installed(self._destination.root)
        return self._old

    def _refuse_damage(self, lock: Lock) -> None:
        for head, entry in lock.heads.items():
            if head not in self._have:
                raise RegistryError(
                    f"the installed bytes of {head} v{entry.version} are lost or altered",
                    where=str(self._destination.root / entry.path),
                    hint="Pull with a network.",
                    code="damaged",
                )

    def _install(self, new: Gathered) -> Pulled:
        """Put the set in place and say what that changed."""
        self._bounds.deadline.left_s()
        written = self._destination.install(new.lock, new.contents)
        return _pulled(new, self._old, written, self._bounds.now)


def _is_pinned(place: Place, known: LockSource) -> bool:
    """Whether the keys that were given, if any, are those that are pinned already."""
    if not place.keys:
        return True
    lines = tuple(sorted(key.line for key in place.keys))
    trust = known.trust
    return trust is not None and (trust.number, trust.threshold, trust.keys) == (
        None,
        place.threshold,
        lines,
    )


def _pulled(new: Gathered, old: Lock | None, written: Sequence[str], now: datetime) -> Pulled:
    before = old.heads if old else {}
    after, first = new.lock.heads, new.lock.first
    same = {
        head
        for head, entry in after.items()
        if head in before
        and replace(before[head], path="", copy=None) == replace(entry, path="", copy=None)
    }
    updated = tuple(head for head in sorted(after) if head not in same)
    return Pulled(
        source=first.source,
        registry=first.registry,
        commit=first.commit,
        seq=first.seq,
        updated=updated,
        unchanged=tuple(sorted(same)),
        removed=tuple(sorted(set(before) - set(after))),
        repaired=tuple(sorted(set(written) - set(updated))),
        bytes=new.fetched,
        ungated=any(source.read == "main" for source in new.lock.sources),
        previous_commit=old.first.commit if old else None,
        previous_seq=old.first.seq if old else None,
        moves={
            head: (before[head].version if head in before else None, after[head].version)
            for head in updated
        },
        sources=new.lock.sources,
        warnings=tuple(line for source in new.lock.sources for line in freshness(source, now)),
        withdrawn=withdrawn_in(new.lock),
        age_s=age_of(first, now),
        expires=first.expires,
    )
