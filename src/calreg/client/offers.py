"""What one commit of a registry offers to production, judged before a byte of it is read.

A reference must be a plain file and, object for object, a copy of exactly one version; names
may not differ only in case. All of that is in the listing of the commit. What the bytes
say is checked where they are read, in `pulling`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from calreg import documents
from calreg.errors import InputError, RegistryError, TransportError
from calreg.names import REGISTRY_FILE, HeadName, classify, nearest

if TYPE_CHECKING:
    from calreg.git import Entry, Tree

__all__ = [
    "MAX_REFERENCE_BYTES",
    "Offers",
    "object_id",
    "read_announced",
    "read_offers",
    "select",
    "suggestion",
]

MAX_REFERENCE_BYTES = 16 * 2**20
_MAX_SETTINGS_BYTES = 2**20
_ENDING = "-calibration.json"
_VERSION = "-calibration-v"


@dataclass(frozen=True)  # no slots: something is computed once
class Offers:
    """The references of a registry at one commit.

    Args:
        registry: Its name, as `registry.yaml` says.
        commit: The commit that was read.
        prefix: The registry's folder in the repository, with a final slash, or nothing.
        entries: Every file below that folder, by its path in the repository.
        references: Of those the references, by full head name.
    """

    registry: str
    commit: str
    prefix: str
    entries: Mapping[str, Entry]
    references: Mapping[str, Entry]
    tree: Tree

    def path_of(self, head: str) -> str:
        """Where a head's reference lies in the repository."""
        return self.prefix + HeadName.parse(head).reference_path

    def version_entry(self, head: str, version: int) -> Entry | None:
        """The file of one version of a head; None if the commit has none."""
        return self.entries.get(self.prefix + HeadName.parse(head).version_path(version))

    def copied_version(self, head: str) -> int | None:
        """The version that a head's reference is a copy of, object for object; None if of none."""
        for path in self._paths_of_objects.get(self.references[head].oid, ()):
            place = classify(path.removeprefix(self.prefix))
            if place and place.kind == "version" and place.head and place.head.full == head:
                return place.number
        return None

    @cached_property
    def _paths_of_objects(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for path, entry in self.entries.items():
            if _VERSION in path and path.startswith(self.prefix):
                found.setdefault(entry.oid, []).append(path)
        return found

    def versions_of(self, head: str) -> list[int]:
        """The numbers of a head's versions, from the oldest."""
        name = HeadName.parse(head)
        numbers = []
        for path in self.entries:
            if f"/{name.head}{_VERSION}" in path and path.startswith(self.prefix):
                place = classify(path.removeprefix(self.prefix))
                if place and place.kind == "version" and place.head == name and place.number:
                    numbers.append(place.number)
        return sorted(numbers)

    def plain(self, path: str) -> Entry:
        """A file that will be read.

        Raises:
            RegistryError: It is a link, a program or a submodule.
        """
        _check_plain(path, self.entries[path])
        return self.entries[path]

    def check_copy(self, head: str, version: int) -> None:
        """Refuse a reference that is not, byte for byte, the version it says it is.

        Raises:
            RegistryError: It is not.
        """
        version_entry = self.version_entry(head, version)
        if version_entry is None or version_entry.oid != self.references[head].oid:
            problem = "has no file" if version_entry is None else "has other bytes"
            raise RegistryError(
                f"expected a copy of v{version}, which {problem} in {self.registry}",
                where=self.path_of(head),
                hint="The registry was edited by hand; its `calreg doctor` says more.",
                code="not-a-copy",
            )


def read_offers(tree: Tree, commit: str, folder: str) -> Offers:
    """What the commit offers, after every check that a listing allows.

    Args:
        tree: Its files.
        commit: Its id.
        folder: Where in the repository the registry is; empty to find it.

    Raises:
        InputError: There is no registry there, or several and none was named.
        RegistryError: A file that would be read is none, or two differ only in case.
    """
    entries: Mapping[str, Entry] = tree.paths(folder)
    prefix = _prefix(entries, folder)
    settings = documents.load_settings(
        _read_settings(tree, prefix + REGISTRY_FILE, entries[prefix + REGISTRY_FILE]),
        where=prefix + REGISTRY_FILE,
    )
    references = dict(_references(entries, prefix))
    return Offers(settings.name, commit, prefix, entries, references, tree)


def _prefix(entries: Iterable[str], folder: str) -> str:
    prefix = f"{folder}/" if folder else ""
    if prefix + REGISTRY_FILE in entries:
        return prefix
    found = sorted(path for path in entries if path.endswith(f"/{REGISTRY_FILE}"))
    if folder or not found:
        raise InputError(
            f"not a registry: no {REGISTRY_FILE} in {f'folder {folder!r} of ' if folder else ''}"
            "the repository",
            hint="Name the folder that holds it, as ADDRESS#folder.",
            code="not-a-registry",
        )
    if len(found) > 1:
        folders = [path.removesuffix(f"/{REGISTRY_FILE}") for path in found]
        raise InputError(
            f"the repository holds {len(found)} registries: {', '.join(folders[:5])}",
            hint=f"Say which one: ADDRESS#{folders[0]}",
            code="which-registry",
        )
    return found[0].removesuffix(REGISTRY_FILE)


def _references(entries: Mapping[str, Entry], prefix: str) -> Iterator[tuple[str, Entry]]:
    for path, entry in entries.items():
        if not path.startswith(prefix) or not path.lower().endswith(_ENDING):
            continue
        inside = path.removeprefix(prefix)
        place = classify(inside)
        if place is not None and place.kind == "reference" and place.head is not None:
            _check_plain(path, entry)
            yield place.head.full, entry
        elif prefix + inside.lower() in entries:
            # Names of references are lower case; on some disks this one would be the same file.
            raise RegistryError(
                f"differs only in case from {inside.lower()}", where=path, code="case-collision"
            )


def _check_plain(path: str, entry: Entry) -> None:
    if not entry.is_plain_file:
        kinds = {"120000": "a symbolic link", "160000": "a submodule", "100755": "a program"}
        raise RegistryError(
            f"expected a plain file, got {kinds.get(entry.mode, f'mode {entry.mode}')}",
            where=path,
            code="not-a-plain-file",
        )


def _read_settings(tree: Tree, path: str, entry: Entry) -> bytes:
    _check_plain(path, entry)
    return read_announced(tree, {path: entry}, max_bytes=_MAX_SETTINGS_BYTES)[path]


def read_announced(
    tree: Tree,
    entries: Mapping[str, Entry],
    *,
    max_bytes: int,
    max_total_bytes: int | None = None,
) -> dict[str, bytes]:
    """The bytes behind entries of a listing, each with the object id that it announced.

    Args:
        tree: Where they are.
        entries: By any name; the answer has the same names.
        max_bytes: The largest that is read.
        max_total_bytes: The most that is read of all together.

    Raises:
        RegistryError: One is larger, or all together are.
        TransportError: One is missing or has other bytes: damaged on the way, or in a cache.
    """
    found = tree.read_entries(entries.items(), max_bytes=max_bytes, max_total_bytes=max_total_bytes)
    missing = entries.keys() - found.keys()
    if missing:
        raise TransportError("the object is missing", where=min(missing), code="broken-object")
    return found


def object_id(raw: bytes, like: Entry) -> str:
    """The id that git gives to bytes, in the hash of an entry."""
    from calreg.git.tree import blob_id

    return blob_id(raw, like=like.oid)


def select(heads: Iterable[str], patterns: Sequence[str], *, registry: str) -> tuple[str, ...]:
    """The heads that were asked for: by full name, by model, or by a pattern; all if by none.

    Raises:
        InputError: Something that names no head, with the nearest that exist.

    >>> select(["a/b/x", "a/b/y", "a/c/x"], ["a/b", "*/c/*"], registry="reg")
    ('a/b/x', 'a/b/y', 'a/c/x')
    """
    known = sorted(heads)
    if not patterns:
        return tuple(known)
    chosen: set[str] = set()
    for pattern in patterns:
        found = {head for head in known if _is_meant(head, pattern)}
        if not found:
            raise InputError(
                f"No head {pattern!r} in {registry}. {suggestion(pattern, known)}",
                code="unknown-head",
            )
        chosen |= found
    return tuple(sorted(chosen))


def _is_meant(head: str, pattern: str) -> bool:
    if any(character in pattern for character in "*?["):
        return fnmatchcase(head, pattern)
    model = pattern.rstrip("/")
    return head == pattern or (model != "" and head.startswith(f"{model}/"))


def suggestion(wanted: str, known: Iterable[str]) -> str:
    """What was probably meant by a name that no head has: of its own model, if one is close."""
    model, _, name = wanted.rpartition("/")
    heads = sorted(known)
    siblings = [head for head in heads if head.rpartition("/")[0] == model]
    close = get_close_matches(name, [head.rpartition("/")[2] for head in siblings], 1, 0.75)
    return f"Did you mean {model}/{close[0]}?" if close else nearest(wanted, heads)
