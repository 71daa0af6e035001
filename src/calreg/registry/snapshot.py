"""One commit of a registry, read and checked.

Everything comes from git's objects, never from the work tree, so that what is read is what
was committed. Folders of old versions are listed by name only: what a run costs does not
grow with the history. Every document passes its schema and its meaning; a reference must
be a byte-for-byte copy of the version it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from calreg.documents import (
    ModelRun,
    Move,
    Pins,
    RegistrySettings,
    Run,
    digest_of,
    load_calibration,
    load_model_run,
    load_move,
    load_pins,
    load_run,
    load_settings,
)
from calreg.errors import InputError
from calreg.git import Entry, Tree
from calreg.names import (
    PINS_PATH,
    REGISTRY_FILE,
    HeadName,
    Place,
    check_segment,
    classify,
    model_run_path,
    move_path,
    nearest,
    run_path,
)
from calreg.plan import Reference, RegistryState, same_inputs

__all__ = ["Snapshot"]

_FOLDER = "040000"
_VERSION_FOLDER = re.compile(r"v([1-9][0-9]{0,9})")
_MAX_BYTES = 16 * 2**20
_RUNS_AT_ONCE = 20


class Snapshot:
    """The registry as one commit holds it.

    Args:
        tree: The commit's files.
        prefix: The registry's folder in the repository; empty for the root.
        overrides: A person's own rules, laid over those of `registry.yaml`.
    """

    def __init__(
        self, tree: Tree, prefix: str, overrides: Iterable[Mapping[str, object]] = ()
    ) -> None:
        self.tree = tree
        self._prefix = f"{prefix}/" if prefix else ""
        self._overrides = tuple(overrides)
        self._at_hand: dict[str, bytes] = {}

    @property
    def commit(self) -> str | None:
        """The commit's id; None for a branch without commits."""
        return self.tree.commit

    def full(self, path: str) -> str:
        """A path of the registry, from the root of the repository."""
        return f"{self._prefix}{path}"

    # What there is

    @cached_property
    def _listing(self) -> Mapping[str, Entry]:
        """Every file outside version folders, and each version folder, by registry path."""
        found: dict[str, Entry] = {}
        folders = [""]
        while folders:
            level = self._children(folders)
            nested = {path for path in _folders_with(level, REGISTRY_FILE) if path}
            inside = {path: entry for path, entry in level.items() if _parent(path) not in nested}
            found |= inside
            folders = [path for path, entry in inside.items() if _leads_on(path, entry)]
        return found

    def _children(self, folders: list[str]) -> dict[str, Entry]:
        if folders == [""]:
            entries = self.tree.paths(self._prefix.removesuffix("/"), recursive=False)
        else:
            entries = self.tree.entries(self.full(f"{folder}/") for folder in folders)
        start = len(self._prefix)
        return {path[start:]: entry for path, entry in entries.items()}

    @cached_property
    def _places(self) -> Mapping[str, Place]:
        found = {path: classify(path) for path, entry in self._listing.items() if _is_file(entry)}
        return {path: place for path, place in found.items() if place is not None}

    def _numbers(self, kind: str) -> list[int]:
        places = self._places.values()
        return sorted(p.number for p in places if p.kind == kind and p.number is not None)

    @property
    def run_numbers(self) -> list[int]:
        """The numbers of all recorded runs, ascending."""
        return self._numbers("run")

    @cached_property
    def version_folders(self) -> Mapping[str, list[int]]:
        """Model to the numbers of its version folders, ascending."""
        found: dict[str, list[int]] = {}
        for path in self._listing:
            model, _, last = path.rpartition("/")
            if model and (number := _VERSION_FOLDER.fullmatch(last)):
                found.setdefault(model, []).append(int(number[1]))
        return {model: sorted(numbers) for model, numbers in found.items()}

    @cached_property
    def heads(self) -> list[HeadName]:
        """All heads that have a reference, by name."""
        places = self._places.values()
        return sorted(p.head for p in places if p.kind == "reference" and p.head is not None)

    def has(self, path: str) -> bool:
        """Whether the registry has a file at a path."""
        return bool(self.tree.entries([self.full(path)]))

    # What it says

    def _read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The bytes of listed files; a link or a program is refused."""
        wanted = list(paths)
        missing = [path for path in wanted if path not in self._at_hand]
        entries = [(path, self._plain(path, self._listing[path])) for path in missing]
        found = self.tree.read_entries(entries, max_bytes=_MAX_BYTES) if entries else {}
        return {path: found[path] if path in found else self._at_hand[path] for path in wanted}

    def _plain(self, path: str, entry: Entry) -> Entry:
        if not entry.is_plain_file:
            raise InputError(
                f"expected a plain file, mode 100644, got mode {entry.mode}",
                where=self.full(path),
                code="document",
            )
        return entry

    @cached_property
    def settings(self) -> RegistrySettings:
        """The registry's rules, with the overrides."""
        if REGISTRY_FILE not in self._listing:
            raise InputError(
                f"is not a registry: it has no {REGISTRY_FILE}"
                if self.commit
                else f"has no commit yet, so its {REGISTRY_FILE} cannot be read",
                where=self._prefix.removesuffix("/") or None,
                hint=f"git add {REGISTRY_FILE} and git commit; calreg init makes a new one.",
                code="not-a-registry",
            )
        raw = self._read([REGISTRY_FILE])[REGISTRY_FILE]
        settings = load_settings(raw, where=self.full(REGISTRY_FILE))
        for rules in self._overrides:
            settings = settings.overridden(rules)
        return settings

    @cached_property
    def pins(self) -> Pins:
        """The pins in the registry, those whose time is over included."""
        if PINS_PATH not in self._listing:
            return Pins({})
        return load_pins(self._read([PINS_PATH])[PINS_PATH], where=self.full(PINS_PATH))

    @cached_property
    def references(self) -> Mapping[HeadName, Reference]:
        """Every head's reference, checked to be a copy of the version it names."""
        raw = self._read(name.reference_path for name in self.heads)
        found = {}
        for name in self.heads:
            path = name.reference_path
            found[name] = self._reference(name, path, raw[path])
        self._check_copies(found)
        return found

    def _reference(self, name: HeadName, path: str, raw: bytes) -> Reference:
        calibration = load_calibration(raw, where=self.full(path))
        if calibration.name != name:
            raise InputError(
                f"at /head: expected {name}, got {calibration.name}",
                where=self.full(path),
                code="document",
            )
        return Reference(calibration, digest_of(raw), raw)

    def _check_copies(self, references: Mapping[HeadName, Reference]) -> None:
        paths = {name: name.version_path(ref.version) for name, ref in references.items()}
        versions = self.tree.entries(self.full(path) for path in paths.values())
        for name, path in paths.items():
            version = versions.get(self.full(path))
            if version is None or version.oid != self._listing[name.reference_path].oid:
                problem = "which does not exist" if version is None else "but has other bytes"
                raise InputError(
                    f"at /version: should be a copy of {self.full(path)}, {problem}",
                    where=self.full(name.reference_path),
                    hint="Restore it from git; to change a reference: calreg promote or rollback.",
                    code="document",
                )

    @cached_property
    def state(self) -> RegistryState:
        """What a plan depends on."""
        needed = (REGISTRY_FILE, PINS_PATH, *(name.reference_path for name in self.heads))
        # In one process for all of them, not one for each of the three properties.
        self._at_hand = self._read(path for path in needed if path in self._listing)
        return RegistryState(
            settings=self.settings,
            highest_run=max(self._numbers("run"), default=0),
            highest_move=max(self._numbers("move"), default=0),
            references=self.references,
            pins=self.pins,
        )

    # What happened

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        paths = [run_path(number) for number in self.run_numbers]
        return [self._run(path, raw) for path, raw in self._read(paths).items()]

    def _run(self, path: str, raw: bytes) -> Run:
        run = load_run(raw, where=self.full(path))
        if run_path(run.version) != path:
            raise InputError(
                f"at /version: {run.version} is not what the file's name says",
                where=self.full(path),
                code="document",
            )
        return run

    def repeat_of(self, digest: str, options: Mapping[str, object]) -> Run | None:
        """The latest run that was made of the same scores by the same options, if any."""
        raw = self._read(run_path(number) for number in self.run_numbers)
        # Only those that can be meant are parsed: this is asked before every run.
        mentioned = {path: text for path, text in raw.items() if digest.encode() in text}
        runs = [self._run(path, text) for path, text in mentioned.items()]
        return same_inputs(runs, digest, options)

    def moves(self) -> list[Move]:
        """All moves by hand, the oldest first."""
        raw = self._read(move_path(number) for number in self._numbers("move"))
        return [load_move(text, where=self.full(path)) for path, text in raw.items()]

    def model_runs(self, models: Iterable[str]) -> Iterator[ModelRun]:
        """Each model's part of each run, the newest run first; read as far as it is asked."""
        parts = sorted(
            ((number, model) for model in models for number in self.version_folders.get(model, ())),
            key=lambda part: (-part[0], part[1]),
        )
        for start in range(0, len(parts), _RUNS_AT_ONCE):
            some = parts[start : start + _RUNS_AT_ONCE]
            paths = [self.full(model_run_path(model, number)) for number, model in some]
            raw = self.tree.read_many(paths, max_bytes=_MAX_BYTES)
            for path in paths:
                if path in raw:
                    yield load_model_run(raw[path], where=path)

    def versions(self, name: HeadName) -> list[int]:
        """The versions that a head has, ascending.

        Raises:
            InputError: There is no such head.
        """
        self._check_known(name)
        numbers = self.version_folders.get(name.model, [])
        there = self.tree.entries(self.full(name.version_path(number)) for number in numbers)
        return [number for number in numbers if self.full(name.version_path(number)) in there]

    def _check_known(self, name: HeadName) -> None:
        if name not in self.heads:
            raise InputError(
                f"no head {name.full!r} in {self.settings.name}",
                hint=nearest(name.full, [head.full for head in self.heads]),
                code="no-such-head",
            )

    def calibration(self, name: HeadName, version: int | None = None) -> Reference:
        """A version of a head's calibration with its bytes; None: the reference.

        Raises:
            InputError: There is no such head or version.
        """
        self._check_known(name)
        if version is None:
            path = name.reference_path
            return self._reference(name, path, self._read([path])[path])
        path = name.version_path(version)
        entry = self.tree.entries([self.full(path)]).get(self.full(path))
        if entry is None:
            known = ", ".join(f"v{number}" for number in self.versions(name))
            raise InputError(
                f"{name} has no version v{version}", hint=f"It has {known}.", code="no-such-version"
            )
        wanted = [(path, self._plain(path, entry))]
        raw = self.tree.read_entries(wanted, max_bytes=_MAX_BYTES)[path]
        found = self._reference(name, path, raw)
        if found.version != version:
            raise InputError(
                f"at /version: expected {version}, got {found.version}",
                where=self.full(path),
                code="document",
            )
        return found


def _is_file(entry: Entry) -> bool:
    return entry.mode != _FOLDER


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _folders_with(level: Mapping[str, Entry], file: str) -> set[str]:
    return {_parent(path) for path in level if path.rpartition("/")[2] == file}


def _leads_on(path: str, entry: Entry) -> bool:
    """Whether a folder may hold more of the registry than versions."""
    if _is_file(entry):
        return False
    if path in {"runs", "moves"}:
        return True
    try:
        check_segment(path.rpartition("/")[2])
    except InputError:
        return False
    return True
