"""Make the set that is to be installed out of what sources offer: open, choose, read, check.

Nothing here changes a folder. What is installed already is handed in and not read again; of
the rest every document is checked against its entry, and as a document, before it is part of
the set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from calreg import documents
from calreg.client.deadline import Deadline
from calreg.client.offers import MAX_REFERENCE_BYTES
from calreg.client.selecting import Choice, check_withdrawn, choose
from calreg.client.sources import Source
from calreg.client.trust import check_fresh
from calreg.client.views import Asking, View, apart, pieces_of
from calreg.client.views.opening import open_view
from calreg.documents import Entry, Lock, LockEntry, LockFormat, LockSource
from calreg.errors import CalregError, InputError, RegistryError
from calreg.names import HeadName

if TYPE_CHECKING:
    from calreg.signatures import PublicKey

__all__ = [
    "MAX_BYTES",
    "Bounds",
    "Gathered",
    "Opened",
    "Place",
    "Progress",
    "Wish",
    "caches_of",
    "check_document",
    "gather",
    "known_now",
    "matched",
    "open_all",
    "open_each",
    "versions_in",
    "versions_of",
]

MAX_BYTES = 256 * 2**20
_FEW = 16

Progress = Callable[[int, int], None]
"""Told how many references of how many have been checked."""


@dataclass(frozen=True, slots=True)
class Place:
    """One source as it was asked for: where, and which keys must have signed it, if any."""

    source: Source
    keys: tuple[PublicKey, ...] = ()
    threshold: int = 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to have installed.

    Args:
        places: The sources, the first one first.
        selection: Names, models, patterns, `head@v3`; empty for all.
        as_of: A date or a commit; None for the present.
        template: Where plain copies go.
        format: In which format plain copies are written.
    """

    places: tuple[Place, ...]
    selection: tuple[str, ...] = ()
    as_of: str | None = None
    template: str | None = None
    format: LockFormat = "calreg"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an operation is bound by: its deadline, bytes, cache, and whose clock is right."""

    deadline: Deadline
    max_bytes: int
    cache: Path
    now: datetime
    require_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that was looked at: which of the lock's sources it is, and what it offers now.

    `known` is its place in the lock, None if it is new there; `view` is None where nothing is
    new.
    """

    known: int | None
    view: View | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """A set about to be installed: its lock, the bytes of all heads, what was read for it."""

    lock: Lock
    contents: Mapping[str, bytes] = field(default_factory=dict)
    fetched: int = 0


def matched(lock: Lock | None, sources: Sequence[Source]) -> list[int | None]:
    """For every source its place in the lock: by address, else what was in its place before.

    A registry that moved to another address stays in its place, and what is known of it
    (its keys, the newest index seen) goes along.
    """
    known = [source.source for source in lock.sources] if lock else []
    by_address = [known.index(s.shown) if s.shown in known else None for s in sources]
    return [
        found if found is not None else _same_place(place, known, by_address)
        for place, found in enumerate(by_address)
    ]


def _same_place(place: int, known: Sequence[str], taken: Sequence[int | None]) -> int | None:
    return place if place < len(known) and place not in taken else None


def open_all(
    wish: Wish, lock: Lock | None, bounds: Bounds, *, always: bool, with_installed: bool = True
) -> list[Opened]:
    """All sources, each verified; none has a view where nothing at all is new.

    Args:
        wish: Names the sources.
        lock: What is installed.
        bounds: For the whole operation.
        always: Make a view of every source, new or not.
        with_installed: Let a source judge what is installed from it by its history.
    """
    found, failed = open_each(wish, lock, bounds, always=always, with_installed=with_installed)
    if failed is not None:
        raise failed
    return found


def open_each(
    wish: Wish, lock: Lock | None, bounds: Bounds, *, always: bool, with_installed: bool = True
) -> tuple[list[Opened], CalregError | None]:
    """As `open_all`, but one source that fails does not keep the others from being looked at.

    What they say of withdrawn versions is to be known even then.

    Returns:
        The sources, and what the first that failed failed with.
    """
    places = matched(lock, [place.source for place in wish.places])
    found: list[Opened] = []
    failed: CalregError | None = None
    for number, known in enumerate(places):
        try:
            view = _open(wish, number, lock, known, bounds, always, with_installed)
        except CalregError as error:
            failed = failed or error
        else:
            found.append(Opened(known, view))
    if failed is not None or all(opened.view is None for opened in found):
        return found, failed
    return [
        opened
        if opened.view is not None
        else Opened(
            opened.known,
            _open(wish, number, lock, opened.known, bounds, True, with_installed),
        )
        for number, opened in enumerate(found)
    ], None


def _open(
    wish: Wish,
    number: int,
    lock: Lock | None,
    known: int | None,
    bounds: Bounds,
    always: bool,  # noqa: FBT001 - private, and named where it is decided
    with_installed: bool,  # noqa: FBT001 - as above
) -> View | None:
    place = wish.places[number]
    installed = {}
    if lock is not None and known is not None and with_installed:
        installed = {head: entry for head, entry in lock.heads.items() if entry.origin == known}
    asking = Asking(
        deadline=bounds.deadline,
        max_bytes=bounds.max_bytes,
        cache=cache_of(bounds.cache, number, place.source),
        now=bounds.now,
        known=lock.sources[known] if lock is not None and known is not None else None,
        keys=place.keys,
        threshold=place.threshold,
        branch=place.source.branch,
        always=always,
        installed=installed,
        few=_few(wish),
    )
    return open_view(place.source, asking)


def _few(wish: Wish) -> tuple[str, ...]:
    """The heads that were asked for, if they are few and nothing else was."""
    names = [pattern.partition("@")[0] for pattern in wish.selection]
    if wish.as_of or len(names) > _FEW or not all(map(_is_full_name, names)):
        return ()
    return tuple(names)


def _is_full_name(text: str) -> bool:
    try:
        HeadName.parse(text)
    except InputError:
        return False
    return True


def cache_of(cache: Path, number: int, source: Source) -> Path:
    """Where a source's objects are kept: one folder each, so that none learns of another."""
    if number == 0:
        return cache
    return cache.with_name(f"{cache.stem}-{documents.digest_of(source.shown.encode())[:16]}.git")


def caches_of(wish: Wish, cache: Path) -> list[Path]:
    """Every folder of objects that a wish may use."""
    own = [cache_of(cache, number, place.source) for number, place in enumerate(wish.places)]
    return [folder for each in own for folder in (each, pieces_of(each), apart(each))]


def gather(
    wish: Wish,
    views: Sequence[View],
    lock: Lock | None,
    have: Mapping[str, bytes],
    bounds: Bounds,
    progress: Progress,
) -> Gathered:
    """The set that was wished for: what is here kept, the rest read and checked.

    Raises:
        InputError: A head or version that there is not; a document that is none.
        RegistryError: A withdrawn version (code "withdrawn"), an index past its time, another
            content of a known version, more bytes than allowed.
        TransportError: Not in time.
    """
    from calreg.client.views.history import as_of_all

    views = as_of_all(views, wish.as_of)
    chosen = choose(views, wish.selection)
    for head, choice in chosen.items():
        check_withdrawn(head, choice.version, views[choice.origin].withdrawn)
    contents, entries, fetched = _Reading(views, lock, have, bounds).read(chosen, progress)
    _check_fresh(entries, lock, views, bounds)
    sources = tuple(view.origin for view in views)
    new = Lock(sources, wish.selection, entries, wish.as_of, wish.template, wish.format)
    return Gathered(new, contents, fetched)


def _check_fresh(
    entries: Mapping[str, LockEntry], lock: Lock | None, views: Sequence[View], bounds: Bounds
) -> None:
    """Refuse to install anything new past an index's time; what is installed may stay."""
    before = {head: entry.digest for head, entry in lock.heads.items()} if lock else {}
    new = {entry.origin for head, entry in entries.items() if before.get(head) != entry.digest}
    for number, view in enumerate(views):
        if bounds.require_fresh or number in new:
            check_fresh(view.origin, bounds.now)


class _Reading:
    """The documents of a choice, read once each."""

    def __init__(
        self,
        views: Sequence[View],
        lock: Lock | None,
        have: Mapping[str, bytes],
        bounds: Bounds,
    ) -> None:
        self._views, self._lock, self._have, self._bounds = views, lock, have, bounds

    def read(
        self, chosen: Mapping[str, Choice], progress: Progress
    ) -> tuple[dict[str, bytes], dict[str, LockEntry], int]:
        """Bytes and lock entries by head, and how many bytes were read."""
        contents: dict[str, bytes] = {}
        found: dict[str, Entry] = {}
        for origin in range(len(self._views)):
            contents |= self._of_view(origin, chosen, found)
        entries, fetched = {}, 0
        for done, (head, choice) in enumerate(chosen.items(), start=1):
            entry = found[head]
            if head not in self._have or contents[head] is not self._have[head]:
                self._check_unchanged(head, entry, choice.origin)
                check_document(contents[head], head, entry.version, self._views[choice.origin])
                fetched += entry.size
            path = HeadName.parse(head).reference_path
            entries[head] = LockEntry(
                entry.version, entry.digest, entry.size, path, origin=choice.origin
            )
            self._bounds.deadline.left_s()
            progress(done, len(chosen))
        return contents, entries, fetched

    def _of_view(
        self, origin: int, chosen: Mapping[str, Choice], found: dict[str, Entry]
    ) -> dict[str, bytes]:
        """The bytes of what is from one view; what they must be goes into `found`."""
        view = self._views[origin]
        ours = {head: choice for head, choice in chosen.items() if choice.origin == origin}
        listed = {head: choice.entry for head, choice in ours.items() if choice.entry}
        found |= listed
        kept = {
            head: self._have[head] for head, entry in listed.items() if self._is_here(head, entry)
        }
        wanted = {head: entry for head, entry in listed.items() if head not in kept}
        self._check_total(wanted)
        read = view.read(wanted) if wanted else {}
        versions = {head: c.version for head, c in ours.items() if c.entry is None}
        for head, entry in installed_versions(self._lock, versions, view).items():
            if head in self._have:
                found[head], kept[head] = entry, self._have[head]
                del versions[head]
        for head, (entry, raw) in versions_of(view, versions).items():
            found[head], read[head] = entry, raw
            if self._is_here(head, entry):
                kept[head] = self._have[head]
        return {**read, **kept}

    def _is_here(self, head: str, entry: Entry) -> bool:
        if self._lock is None or head not in self._have:
            return False
        installed = self._lock.heads[head]
        return (installed.digest, installed.version) == (entry.digest, entry.version)

    def _check_total(self, wanted: Mapping[str, Entry]) -> None:
        total = sum(entry.size for entry in wanted.values())
        if total > self._bounds.max_bytes:
            raise RegistryError(
                f"the references have {total:,} bytes, at most {self._bounds.max_bytes:,} are read",
                hint="Name the heads you need, or allow more (max_bytes).",
                code="too-large",
            )
        for head, entry in wanted.items():
            if entry.size > MAX_REFERENCE_BYTES:
                raise RegistryError(
                    f"the reference has {entry.size:,} bytes, at most {MAX_REFERENCE_BYTES:,} are "
                    "read",
                    where=HeadName.parse(head).reference_path,
                    code="too-large",
                )

    def _check_unchanged(self, head: str, entry: Entry, origin: int) -> None:
        """Refuse other bytes under the number of a version that is installed."""
        before = self._lock.heads.get(head) if self._lock else None
        if self._lock is None or before is None or before.version != entry.version:
            return
        view = self._views[origin]
        is_same = self._lock.source_of(head).registry == view.origin.registry
        if is_same and before.digest != entry.digest:
            raise RegistryError(
                f"{view.origin.registry}@{view.origin.commit[:12]} has other bytes for {head} "
                f"v{entry.version}, which is installed: its history was rewritten",
                hint="Ask who keeps the registry; if it is meant so, pull into a new folder.",
                code="history-rewritten",
            )


def versions_of(view: View, wanted: Mapping[str, int]) -> dict[str, tuple[Entry, bytes]]:
    """Some versions, which need not be references, by head."""
    from calreg.client.views.main import MainView
    from calreg.client.views.stable import StableView

    if wanted and isinstance(view, MainView | StableView):
        return view.versions(wanted)
    return {head: view.version(head, version) for head, version in wanted.items()}


def installed_versions(
    lock: Lock | None, wanted: Mapping[str, int], view: View
) -> dict[str, Entry]:
    """Of some versions those that are installed from that registry: a version never changes."""
    heads = lock.heads if lock else {}
    return {
        head: Entry(version, heads[head].digest, heads[head].size)
        for head, version in wanted.items()
        if lock is not None
        and head in heads
        and heads[head].version == version
        and lock.source_of(head).registry == view.origin.registry
    }


def versions_in(
    views: Sequence[View], chosen: Mapping[str, Choice], lock: Lock
) -> dict[str, Entry]:
    """What every choice must be, by head; versions that are nowhere else are looked up."""
    found = {head: choice.entry for head, choice in chosen.items() if choice.entry}
    for origin, view in enumerate(views):
        others = {
            head: choice.version
            for head, choice in chosen.items()
            if choice.entry is None and choice.origin == origin
        }
        found |= (here := installed_versions(lock, others, view))
        missing = {head: version for head, version in others.items() if head not in here}
        found |= {head: entry for head, (entry, _) in versions_of(view, missing).items()}
    return found


def check_document(raw: bytes, head: str, version: int, view: View) -> None:
    """Refuse bytes that are not the calibration of that head and version.

    Raises:
        InputError: Not a valid calibration, another head's or version's; or, from a working
            branch that no gate has seen, not in canonical form.
    """
    where = HeadName.parse(head).reference_path
    data = documents.load("calibration", raw, where=where)
    if (found := f"{data['model']}/{data['head']}") != head:
        raise InputError(
            f"expected the calibration of {head}, got that of {found}", where=where, code="document"
        )
    if data["version"] != version:
        raise InputError(
            f"expected v{version} of {head}, got v{data['version']}", where=where, code="document"
        )
    is_gated = view.origin.read != "main"
    if not is_gated and documents.canonical_bytes(data) != raw:
        raise InputError(
            "the document is not in canonical form, so it was edited by hand",
            where=where,
            code="document",
        )


def known_now(lock: Lock, opened: Sequence[Opened]) -> Lock:
    """The lock with what was learnt of its sources, and the same heads.

    They are not settled, so that the next pull looks at everything again.
    """
    sources: list[LockSource] = list(lock.sources)
    for found in opened:
        if found.known is not None and found.view is not None:
            address = sources[found.known].source
            sources[found.known] = replace(found.view.origin, source=address).unsettled()
    return replace(lock, sources=tuple(sources))
