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
    Calibration,
    ModelRun,
    Move,
    Pins,
    RegistrySettings,
    Retention,
    Run,
    Withdrawn,
    digest_of,
    load_calibration,
    load_model_run,
    load_move,
    load_pins,
    load_retention,
    load_run,
    load_settings,
    load_withdrawn,
)
from calreg.errors import InputError, RegistryError
from calreg.git import Entry, Tree
from calreg.names import (
    PINS_PATH,
    REGISTRY_FILE,
    RETENTION_PATH,
    WITHDRAWN_PATH,
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
        self._ahead: tuple[str, ...] = ()

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

    @cached_property
    def known_heads(self) -> list[HeadName]:
        """All heads that have a reference, or lost the only one they had."""
        return sorted({*self.heads, *map(HeadName.parse, self.withdrawn.heads)})

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
    def withdrawn(self) -> Withdrawn:
        """The versions that are unfit for any use."""
        path = WITHDRAWN_PATH
        if path not in self._listing:
            return Withdrawn({})
        return load_withdrawn(self._read([path])[path], where=self.full(path))

    @cached_property
    def retention(self) -> Retention:
        """What was taken off the tip to keep the registry small."""
        path = RETENTION_PATH
        if path not in self._listing:
            return Retention()
        return load_retention(self._read([path])[path], where=self.full(path))

    def _withdrawn_inputs(self) -> dict[str, dict[str, int]]:
        """What withdrawn versions were made of; by head, digest of the input and version."""
        numbers = {version for versions in self.withdrawn.heads.values() for version in versions}
        raw = self._read(run_path(number) for number in sorted(numbers & {*self.run_numbers}))
        runs = {run.version: run for run in (self._run(path, text) for path, text in raw.items())}
        return {
            head: {
                runs[version].inputs.digest: version
                for version in sorted(versions)
                if version in runs
            }
            for head, versions in self.withdrawn.heads.items()
        }

    @cached_property
    def references(self) -> Mapping[HeadName, Reference]:
        """Every head's reference, checked to be a copy of the version it names."""
        return self.references_of(self.heads)

    def references_of(self, names: Iterable[HeadName]) -> dict[HeadName, Reference]:
        """Some heads' references, checked to be copies of the versions they name."""
        raw = self.reference_bytes(names)
        found = {
            name: self._reference(name, name.reference_path, text) for name, text in raw.items()
        }
        self.check_copies({name: reference.version for name, reference in found.items()})
        return found

    def reference_bytes(self, names: Iterable[HeadName]) -> dict[HeadName, bytes]:
        """The bytes of some heads' references, not looked at."""
        by_path = {name.reference_path: name for name in names}
        return {by_path[path]: raw for path, raw in self._read(by_path).items()}

    def reference_id(self, name: HeadName) -> str:
        """The id of the object that a head's reference is."""
        return self._listing[name.reference_path].oid

    def _reference(self, name: HeadName, path: str, raw: bytes) -> Reference:
        calibration = load_calibration(raw, where=self.full(path))
        if calibration.name != name:
            raise InputError(
                f"at /head: expected {name}, got {calibration.name}",
                where=self.full(path),
                code="document",
            )
        return Reference(calibration, digest_of(raw), raw)

    def check_copies(self, numbers: Mapping[HeadName, int]) -> None:
        """Refuse a reference that has not the very bytes of a version.

        Args:
            numbers: Heads, and which version each one's reference holds.

        Raises:
            InputError: There is no such version, or it has other bytes.
        """
        paths = {name: name.version_path(version) for name, version in numbers.items()}
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
        documents = (REGISTRY_FILE, PINS_PATH, WITHDRAWN_PATH, RETENTION_PATH)
        references = (name.reference_path for name in self.heads)
        needed = (*documents, *references, *self._ahead)
        # In one process for all of them, not one for each of the properties.
        self._at_hand = self._read(path for path in needed if path in self._listing)
        return RegistryState(
            settings=self.settings,
            highest_run=max(self._numbers("run"), default=0),
            highest_move=max(self._numbers("move"), default=0),
            references=self.references,
            pins=self.pins,
            withdrawn=self.withdrawn,
            withdrawn_inputs=self._withdrawn_inputs() if self.withdrawn.heads else {},
            retention=self.retention,
            highest_keys=max(self._numbers("keys"), default=0),
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

    def read_runs_ahead(self) -> None:
        """Have the runs read together with the state, in one process: `repeat_of` is next."""
        self._ahead = tuple(map(run_path, self.run_numbers))

    def run(self, number: int) -> Run:
        """One run that is recorded."""
        path = run_path(number)
        return self._run(path, self._read([path])[path])

    def parts_of(self, run: Run) -> list[ModelRun]:
        """What a run found, model by model; of collected folders nothing."""
        paths = [self.full(model_run_path(model, run.version)) for model in run.models]
        raw = self.tree.read_many(paths, max_bytes=_MAX_BYTES)
        return [load_model_run(raw[path], where=path) for path in paths if path in raw]

    def calibrations_of(self, part: ModelRun) -> dict[HeadName, Calibration]:
        """Every version that a run gave to the heads of one model, read in one process."""
        names = [HeadName(part.model, head) for head in part.heads]
        paths = {name: self.full(name.version_path(part.version)) for name in names}
        raw = self.tree.read_many(paths.values(), max_bytes=_MAX_BYTES)
        return {
            name: load_calibration(raw[path], where=path)
            for name, path in paths.items()
            if path in raw
        }

    @property
    def rules_text(self) -> bytes:
        """The bytes of `registry.yaml`, by which a run was judged."""
        return self._read([REGISTRY_FILE])[REGISTRY_FILE]

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
        self.check_known(name)
        numbers = self.version_folders.get(name.model, [])
        there = self.tree.entries(self.full(name.version_path(number)) for number in numbers)
        return [number for number in numbers if self.full(name.version_path(number)) in there]

    def check_known(self, name: HeadName) -> None:
        """Refuse a head that the registry does not have.

        Raises:
            InputError: It has none of that name; with the nearest.
        """
        if name not in self.known_heads:
            raise InputError(
                f"no head {name.full!r} in {self.settings.name}",
                hint=nearest(name.full, [head.full for head in self.known_heads]),
                code="no-such-head",
            )

    def calibration(self, name: HeadName, version: int | None = None) -> Reference:
        """A version of a head's calibration with its bytes; None: the reference.

        Raises:
            InputError: There is no such head or version.
            RegistryError: The reference was withdrawn, and there is no other.
        """
        self.check_known(name)
        if version is None:
            if name not in self.heads:
                raise self._no_reference(name)
            path = name.reference_path
            return self._reference(name, path, self._read([path])[path])
        path = name.version_path(version)
        entry = self.tree.entries([self.full(path)]).get(self.full(path))
        if entry is None:
            raise self._no_version(name, version)
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

    def check_version(self, name: HeadName, version: int) -> None:
        """Refuse a version that a head never had; one that was collected it had.

        Raises:
            InputError: There is no such head or version.
        """
        self.check_known(name)
        if not self.retention.has(name.model, version):
            self.calibration(name, version)

    def holds(self, name: HeadName, version: int) -> bool:
        """Whether a head's reference is at a version."""
        return name in self.heads and self.calibration(name).version == version

    def _no_reference(self, name: HeadName) -> RegistryError:
        version, found = max(self.withdrawn.heads[name.full].items())
        return RegistryError(
            f"{name} has no reference: v{version} is {found.text}",
            hint=f"Make a new run, or choose a version: calreg promote {name} vN --reason …",
            code="withdrawn",
        )

    def _no_version(self, name: HeadName, version: int) -> InputError:
        if self.retention.has(name.model, version):
            return InputError(
                f"v{version} of {name.model} was collected (calreg gc), it is off the tip",
                where=self.full(RETENTION_PATH),
                hint=f"It is in git's history: git log -- {self.full(name.version_path(version))}",
                code="collected",
            )
        known = ", ".join(f"v{number}" for number in self.versions(name))
        return InputError(
            f"{name} has no version v{version}", hint=f"It has {known}.", code="no-such-version"
        )

    def rows(self, model: str, version: int) -> Mapping[str, int | None]:
        """The references that a run found, head by head of a model; none if it was collected."""
        path = self.full(model_run_path(model, version))
        raw = self.tree.read_many([path], max_bytes=_MAX_BYTES)
        part = load_model_run(raw[path], where=path) if raw else None
        return {} if part is None else {h: row.reference_version for h, row in part.heads.items()}


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
    if path in {"runs", "moves", "keys"}:
        return True
    try:
        check_segment(path.rpartition("/")[2])
    except InputError:
        return False
    return True
