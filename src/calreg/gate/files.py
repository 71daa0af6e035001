"""The files that a change touches: which there are, what each is for, and how many are too many.

Names come first, sizes second, bytes last: nothing is read that is too large, no blob, or too
many. A folder with a `registry.yaml` of its own is another registry's, if it is that in the
base; whoever makes one, or unmakes one, changes what this registry holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from calreg.documents import GateSettings
from calreg.gate.said import Said
from calreg.gate.values import Change, FileAt, Touch
from calreg.names import (
    REGISTRY_FILE,
    HeadName,
    Place,
    classify,
)

__all__ = ["FOLDER", "MAX_PATH", "PLAIN", "Files", "version_folder"]

PLAIN = "100644"
FOLDER = "040000"
MAX_PATH = 700
"""Characters of a path: more than any file of a registry has; longer ones are not looked at."""

_CI = (".github/", ".gitlab-ci.yml", ".circleci/", ".pre-commit-config.yaml", "CODEOWNERS")


@dataclass(frozen=True, eq=False)
class Files:
    """The touched files of this registry, without those of registries inside it."""

    change: Change

    @cached_property
    def nested(self) -> frozenset[str]:
        """The folders of other registries in this one, as the base has them."""
        base = self.change.base
        return frozenset() if base is None else _nested(base.listing)

    @cached_property
    def touches(self) -> Mapping[str, Touch]:
        """By path, in order; those of other registries left out."""
        ordered = sorted(self.change.touches, key=lambda touch: touch.path)
        return {touch.path: touch for touch in ordered if not self._is_others(touch.path)}

    @cached_property
    def foreign_count(self) -> int:
        """How many touched files are other registries'."""
        return len({touch.path for touch in self.change.touches}) - len(self.touches)

    def _is_others(self, path: str) -> bool:
        return any(path.startswith(f"{folder}/") for folder in self.nested)

    @cached_property
    def places(self) -> Mapping[str, Place]:
        """What each touched file of the registry is for; others are not in it."""
        short = (path for path in self.touches if len(path) <= MAX_PATH)
        found = {path: classify(path) for path in short}
        return {path: place for path, place in found.items() if place is not None}

    @cached_property
    def heads(self) -> frozenset[HeadName]:
        """The heads that have a touched version or reference."""
        return frozenset(place.head for place in self.places.values() if place.head is not None)

    @cached_property
    def _by_folder(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.touches:
            folder = version_folder(path)
            if folder is not None:
                found.setdefault(folder, []).append(path)
        return found

    def in_folder(self, folder: str) -> list[str]:
        """The touched files in a folder `vN`, in order."""
        return self._by_folder.get(folder, [])

    def of_kind(self, *kinds: str) -> list[str]:
        """The touched paths of some kinds, in order."""
        return [path for path, place in self.places.items() if place.kind in kinds]

    def is_new(self, path: str) -> bool:
        """Whether a touched file was not there before."""
        return self.touches[path].old is None

    @cached_property
    def readable(self) -> list[str]:
        """The touched files that are there, plain, and of this registry."""
        return [
            path
            for path in self.places
            if (new := self.touches[path].new) is not None and new.mode == PLAIN
        ]

    def too_much(self, limits: GateSettings) -> Iterator[Said]:
        """What is more than a gate looks at; then nothing is read at all."""
        counts = (
            (len(self.change.touches), limits.max_files, "files", "max_files"),
            (len(self.heads), limits.max_heads, "heads", "max_heads"),
            (len(self.of_kind("move")), limits.max_moves, "moves by hand", "max_moves"),
        )
        for count, limit, what, key in counts:
            if count > limit:
                yield Said(
                    f"touches {count:,} {what}, at most {limit:,} are judged in one change",
                    hint=f"Split the change, or raise gate.{key} in {REGISTRY_FILE} before.",
                )
        total = sum(map(self._size, self.touches))
        if total > limits.max_change_bytes:
            yield Said(
                f"brings {total:,} bytes, at most {limits.max_change_bytes:,} are judged in one "
                "change",
                hint=f"Split the change, or raise gate.max_change_bytes in {REGISTRY_FILE} before.",
            )

    def too_large(self, limits: GateSettings) -> Iterator[tuple[str, int]]:
        """The files that are too large, with their size; they are not read."""
        for path in self.touches:
            if self._size(path) > limits.max_document_bytes:
                yield path, self._size(path)

    def _size(self, path: str) -> int:
        new = self.touches[path].new
        return 0 if new is None else new.size or 0

    @cached_property
    def runs_things(self) -> list[str]:
        """Touched files that decide what a continuous integration runs, of all the repository."""
        inside = {path for path in self.touches if _is_ci(path)}
        outside = {touch.path for touch in self.change.outside if _is_ci(touch.path)}
        return sorted({*inside, *(f"/{path}" for path in outside)})


def _is_ci(path: str) -> bool:
    return path.startswith(_CI) or path.rpartition("/")[2] == "CODEOWNERS"


def _nested(listing: Mapping[str, FileAt]) -> frozenset[str]:
    folders = (path.rpartition("/") for path in listing)
    return frozenset(folder for folder, _, name in folders if name == REGISTRY_FILE and folder)


def version_folder(path: str) -> str | None:
    """The folder `model/vN` that a path lies in or is; None for one elsewhere.

    >>> version_folder("a/b/v3/run.json"), version_folder("a/v3"), version_folder("a/v03/x")
    ('a/b/v3', 'a/v3', None)
    """
    steps = path.split("/")
    for place, step in enumerate(steps):
        if place and step[:1] == "v" and step[1:].isascii() and step[1:].isdecimal():
            number = step[1:]
            if number[0] != "0" and len(number) <= 10:
                return "/".join(steps[: place + 1])
    return None
