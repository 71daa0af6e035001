"""Two commits of a registry as the change that a gate judges.

What is judged is what a merge would bring: where the base has moved on since the head left
it, the head's changes are laid over the base as it is now. That is done by names and ids
alone; where both changed the same file, nobody can tell before it is merged. Everything comes
from git's objects, from as few processes as possible and whatever the history; no work tree
is made, and nothing of what is proposed is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from calreg.errors import InputError, RegistryError
from calreg.gate import Change, FileAt, Side, Touch
from calreg.git import FOLDER, Entry, Repository, Stored
from calreg.names import (
    PINS_PATH,
    REGISTRY_FILE,
    RETENTION_PATH,
    WITHDRAWN_PATH,
    classify,
)

__all__ = ["change_between"]

_VERSION_FOLDER = re.compile(r"v[1-9][0-9]{0,9}")
_FILES = frozenset({"100644", "100755"})
_BLOBS = _FILES | {"120000"}
# What a gate reads of a base whatever the change is.
_ALWAYS = (REGISTRY_FILE, PINS_PATH, WITHDRAWN_PATH, RETENTION_PATH)
_SHOWN = 3
_MOST_STARTS = 8
_EMPTY_FOLDERS = frozenset({
    "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
})  # fmt: skip

Listing = dict[str, FileAt]


def change_between(
    repository: Repository, prefix: str, base: str | None, head: str, *, as_it_is: bool = False
) -> Change:
    """What merging `head` into `base` would do to a registry.

    Args:
        repository: With a work tree or bare, whole or partial.
        prefix: The registry's folder in it; empty for the root.
        base: The commit that is there now; None if there is none.
        head: The commit that is proposed, or a tree.
        as_it_is: Compare the two as they are, wherever they parted.

    Raises:
        InputError: Neither holds a registry there, or both changed the same files.
        RegistryError: A tree is broken.
        TransportError: Objects are missing and cannot be fetched.
    """
    stored = Stored(repository)
    starts = [] if as_it_is or base is None else stored.merge_bases(base, head)
    if base is None or starts in ([], [base]):
        ways = _straight(stored, prefix, base, head)
    else:
        ways = _laid_over(stored, prefix, [_Parted(start, base, head) for start in starts])
    if REGISTRY_FILE not in ways.head and REGISTRY_FILE not in ways.base:
        raise InputError(
            f"is not a registry: neither side has a {REGISTRY_FILE}",
            where=prefix or None,
            hint="Give its folder with --registry DIR.",
            code="not-a-registry",
        )
    if REGISTRY_FILE not in ways.base:
        ways = _first(stored, prefix, ways)
    return _change(stored, prefix, ways)


@dataclass(frozen=True, slots=True)
class _Ways:
    """What is on both sides, by registry path, and what differs, by the repository's."""

    base: Listing
    head: Listing
    touches: tuple[Touch, ...]


@dataclass(frozen=True, slots=True)
class _Parted:
    """Two commits, and the one where they parted."""

    start: str
    base: str
    head: str


def _straight(stored: Stored, prefix: str, base: str | None, head: str) -> _Ways:
    return _Ways(
        _listing(stored, prefix, base),
        _listing(stored, prefix, head),
        tuple(_differences(stored, base, head)),
    )


def _laid_over(stored: Stored, prefix: str, ways_apart: list[_Parted]) -> _Ways:
    """What a merge would bring, where it is the same from each commit where they parted."""
    first, *others = ways_apart
    found = _merged(stored, prefix, first)
    # Who merges crosswise has several to choose from; git may choose another than we do.
    if len(others) >= _MOST_STARTS or any(_merged(stored, prefix, one) != found for one in others):
        raise InputError(
            f"the two sides were merged with each other crosswise since {first.start[:12]}, so "
            "nobody can tell what a merge would bring",
            hint="Bring the base in first: git rebase, or git merge.",
            code="diverged",
        )
    return found


def _merged(stored: Stored, prefix: str, parted: _Parted) -> _Ways:
    """The head's changes since they parted, laid over the base as it is now."""
    meanwhile = {touch.path: touch for touch in _differences(stored, parted.start, parted.base)}
    proposed = list(_differences(stored, parted.start, parted.head))
    folders = {
        folder for touch in meanwhile.values() if touch.new for folder in _parents(touch.path)
    }
    both = {touch.path for touch in proposed if _meets(touch, meanwhile, folders)}
    start, base, head = (
        _listing(stored, prefix, commit) for commit in (parted.start, parted.base, parted.head)
    )
    merged = dict(base)
    for path in start.keys() | head.keys():
        before, now, after = start.get(path), base.get(path), head.get(path)
        if after == before:
            continue
        if now not in (before, after):
            both.add(f"{prefix}/{path}" if prefix else path)
        merged.pop(path, None)
        if after is not None:
            merged[path] = after
    _refuse(parted, both)
    return _Ways(base, merged, tuple(touch for touch in proposed if touch.path not in meanwhile))


def _meets(touch: Touch, meanwhile: Mapping[str, Touch], folders: Collection[str]) -> bool:
    """Whether the base changed the same path otherwise, or made a folder of it, or a file."""
    other = meanwhile.get(touch.path)
    if other is not None:
        return other.new != touch.new
    if touch.new is None:
        return False
    return touch.path in folders or any(
        path in meanwhile and meanwhile[path].new is not None for path in _parents(touch.path)
    )


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _refuse(parted: _Parted, both: Collection[str]) -> None:
    if not both:
        return
    shown = ", ".join(sorted(both)[:_SHOWN])
    more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
    raise InputError(
        f"both sides changed {shown}{more} since they parted at {parted.start[:12]}, so nobody "
        "can tell what a merge would bring",
        hint="Bring the base in first (git merge or git rebase), or make the run again on it.",
        code="diverged",
    )


def _first(stored: Stored, prefix: str, ways: _Ways) -> _Ways:
    """A registry that begins: all of it is new, also what lay in its folder before."""
    below = {f"{prefix}/{path}" if prefix else path: entry for path, entry in ways.head.items()}
    versions = {path: entry.oid for path, entry in below.items() if entry.mode == FOLDER}
    files = {path: entry for path, entry in below.items() if entry.mode != FOLDER}
    files |= _files_below(stored, versions)
    new = {path: Touch(path, None, entry) for path, entry in files.items()}
    others = (
        touch
        for touch in ways.touches
        if touch.new is not None and touch.path not in new
        if touch.new.mode == FOLDER or not _below(touch, prefix)
    )
    return _Ways({}, ways.head, (*new.values(), *others))


def _below(touch: Touch, prefix: str) -> bool:
    return not prefix or touch.path.startswith(f"{prefix}/")


def _files_below(stored: Stored, folders: dict[str, str]) -> Listing:
    found: Listing = {}
    while folders:
        level = stored.folders(folders)
        found |= {path: _at(entry) for path, entry in level.items() if entry.mode != FOLDER}
        folders = {path: entry.oid for path, entry in level.items() if entry.mode == FOLDER}
    return found


def _differences(stored: Stored, old: str | None, new: str) -> Iterator[Touch]:
    """The files that differ, and the folders that do and have no file: git itself lists none.

    An empty folder `vN` would take a number away from the run that comes next.
    """
    sides: dict[str, tuple[FileAt | None, FileAt | None]] = {}
    for change in stored.differences(old, new):
        before, after = (
            None if entry is None or _is_filled(entry) else _at(entry)
            for entry in (change.old, change.new)
        )
        # Where a file makes way for a folder the path comes twice.
        first = sides.get(change.path, (None, None))
        if first[1] is not None and after is not None:
            raise RegistryError("stands twice in its folder", where=change.path, code="duplicate")
        sides[change.path] = before or first[0], after or first[1]
    for path, (before, after) in sides.items():
        if before != after:
            yield Touch(path, before, after)


def _is_filled(entry: Entry) -> bool:
    return entry.mode == FOLDER and entry.oid not in _EMPTY_FOLDERS


def _at(entry: Entry) -> FileAt:
    return FileAt(entry.mode, entry.oid)


def _listing(stored: Stored, prefix: str, commit: str | None) -> Listing:
    """All there is below the registry's folder; of a folder `vN` only the folder itself."""
    top = None if commit is None else _top(stored, prefix, commit)
    folders = {} if top is None else {"": top}
    found: Listing = {}
    while folders:
        level = stored.folders(folders)
        folders = {}
        for path, entry in level.items():
            if entry.mode == FOLDER and not _is_filled(entry):
                continue
            if entry.mode == FOLDER and not _VERSION_FOLDER.fullmatch(path.rpartition("/")[2]):
                folders[path] = entry.oid
            else:
                found[path] = _at(entry)
    return found


def _top(stored: Stored, prefix: str, commit: str) -> str | None:
    """The tree of the registry's folder in a commit; None if it has no such folder."""
    oid = stored.root(commit)
    for step in prefix.split("/") if prefix else ():
        entry = stored.folders({"": oid}).get(step)
        if entry is None or entry.mode != FOLDER:
            return None
        oid = entry.oid
    return oid


def _change(stored: Stored, prefix: str, ways: _Ways) -> Change:
    start = len(prefix) + 1 if prefix else 0
    inside = [
        Touch(touch.path[start:], touch.old, touch.new)
        for touch in ways.touches
        if _below(touch, prefix)
    ]
    stored.fetch_missing(_wanted_first(ways.base, inside))
    touches = tuple(_sized(stored, inside))
    before = {touch.path: touch.old for touch in touches}
    after = {touch.path: touch.new for touch in touches}
    head = Side(ways.head, _Reader(stored, ways.head, after))
    base = Side(ways.base, _Reader(stored, ways.base, before)) if ways.base else None
    outside = tuple(touch for touch in ways.touches if not _below(touch, prefix))
    return Change(base, head, touches, outside, prefix)


def _wanted_first(base: Listing, touches: Iterable[Touch]) -> set[str]:
    """What will be read for certain, so that a partial clone fetches it all at once."""
    wanted = {path for path in _ALWAYS if path in base}
    found = set()
    for touch in touches:
        found |= {at.oid for at in (touch.old, touch.new) if at is not None and at.mode in _BLOBS}
        place = classify(touch.path)
        if place is not None and place.head is not None and place.head.reference_path in base:
            wanted.add(place.head.reference_path)
    return found | {base[path].oid for path in wanted if base[path].mode in _BLOBS}


def _sized(stored: Stored, touches: Collection[Touch]) -> Iterator[Touch]:
    new = {touch.new.oid for touch in touches if touch.new and touch.new.mode in _BLOBS}
    sizes = stored.sizes(new) if new else {}
    for touch in touches:
        at = touch.new
        if at is not None and at.mode in _BLOBS:
            at = FileAt(at.mode, at.oid, sizes.get(at.oid))
        yield Touch(touch.path, touch.old, at)


@dataclass(frozen=True)
class _Reader:
    """Reads files of one side by the ids that are known of them."""

    stored: Stored
    listing: Mapping[str, FileAt]
    touched: Mapping[str, FileAt | None]
    _inside: dict[str, FileAt] = field(default_factory=dict)
    _opened: set[str] = field(default_factory=set)

    def __call__(self, paths: Collection[str]) -> Mapping[str, bytes]:
        """The bytes of those of the paths that are files here, and not too large."""
        self._open({path for path in paths if path not in self.touched})
        found = {path: self._find(path) for path in paths}
        files = {path: at.oid for path, at in found.items() if at and at.mode in _FILES}
        raw = self.stored.blobs(set(files.values()))
        return {path: raw[oid] for path, oid in files.items() if oid in raw}

    def _find(self, path: str) -> FileAt | None:
        if path in self.touched:
            return self.touched[path]
        return self.listing.get(path) or self._inside.get(path)

    def _open(self, paths: Iterable[str]) -> None:
        """List the folders `vN` that some of the paths lie in, all of them at once."""
        folders = {folder for path in paths for folder in _parents(path)} - self._opened
        wanted = {
            folder: self.listing[folder].oid
            for folder in folders
            if folder in self.listing and self.listing[folder].mode == FOLDER
        }
        self._opened.update(wanted)
        self._inside.update(_files_below(self.stored, wanted))
