"""What `doctor` looks at: one finding per thing, as a value; nothing is repaired here.

Each check is a generator of findings and one line in `installation_checks` or
`registry_checks`. A check that cannot go on yields why, and the others go on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from calreg import __version__
from calreg.config import Config
from calreg.errors import CalregError
from calreg.overrides import Explained, explain
from calreg.plan.message import one_line
from calreg.report.numbers import plural

if TYPE_CHECKING:
    from calreg.documents import Kind
    from calreg.git import Entry, Repository
    from calreg.names import Place
    from calreg.registry import Registry

__all__ = ["Checked", "Level", "installation_checks", "installed_checks", "registry_checks"]

Level = Literal["ok", "note", "problem"]

_OLDEST_PYTHON = (3, 11)
_OLDEST_GIT = (2, 36)  # core.fsync
_EXTRAS = {"develop": ("duckdb", "nanoarrow")}
_KINDS: Mapping[str, Kind] = {
    "pins": "pins",
    "reference": "calibration",
    "registry": "registry",
    "run": "run",
    "version": "calibration",
    "model-run": "model-run",
    "move": "move",
}
_PLAIN_FILE = "100644"
_MAX_SHOWN = 10  # factors


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at: how it is, and what to do if it is not as it should be."""

    level: Level
    check: str
    message: str
    hint: str | None = None
    can_fix: bool = False

    def to_json(self) -> dict[str, Any]:
        """The finding as plain values."""
        return asdict(self)


def installation_checks(config: Config, here: Path) -> Iterator[Checked]:
    """This machine: Python, extras, git and who commits, configuration, overrides."""
    yield _python()
    yield from _extras()
    yield from _git(here)
    mode = "development" if config.calibrate_heads else "production"
    where = f", read from {config.file}" if config.file else ", no calreg.yaml"
    yield Checked("ok", "configuration", f"{mode} mode by {config.switch_from}{where}")
    yield _overrides(explain())


def _overrides(found: Explained) -> Checked:
    """Which overrides an application that asks for them gets on this machine, and why not."""
    if found.path is None:
        return Checked("ok", "overrides", f"{found.variable} is not set, none are in force")
    path = one_line(found.path)
    factors = "; ".join(f"{key} {_factors(block)}" for key, block in found.factors.items() if block)
    if found.reason is None:
        return Checked("ok", "overrides", f"{path}: {factors or 'no factor'} in force")
    said = f"{factors} in force, the rest not" if factors else "none in force"
    hint = f"Put the file right, or unset {found.variable}: the defaults hold until then."
    return Checked("problem", "overrides", f"{path}: {one_line(found.reason)} ({said})", hint)


def _factors(block: Mapping[str, float]) -> str:
    shown = [f"{one_line(group)} {factor:g}" for group, factor in list(block.items())[:_MAX_SHOWN]]
    more = len(block) - len(shown)
    return ", ".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])


def _python() -> Checked:
    found = ".".join(map(str, sys.version_info[:3]))
    message = f"calreg {__version__} on Python {found}"
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        return Checked("ok", "python", message)
    return Checked("problem", "python", f"{message}, 3.11 or newer is needed")


def _extras() -> Iterator[Checked]:
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        if missing:
            names = ", ".join(missing)
            hint = f"To compute calibrations: pip install 'calreg[{extra}]'"
            yield Checked("note", "extras", f"calreg[{extra}] is not installed: {names}", hint)
        else:
            yield Checked("ok", "extras", f"calreg[{extra}] is installed")


def _git(here: Path) -> Iterator[Checked]:
    from calreg.git import Repository
    from calreg.git.process import Git

    try:
        folder = here if here.is_dir() else Path.cwd()
        words = Git(folder).run("version").text.split()
    except CalregError as error:
        yield _problem("git", error)
        return
    version = words[2] if len(words) > 2 else "unknown"
    number = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if number >= _OLDEST_GIT:
        yield Checked("ok", "git", f"git {version}")
    else:
        oldest = ".".join(map(str, _OLDEST_GIT))
        yield Checked("problem", "git", f"git {version}, {oldest} or newer is needed")
    try:
        identity = Repository.find(here).identity()
    except CalregError as error:
        yield Checked("note", "identity", error.message, error.hint)
    else:
        yield Checked("ok", "identity", f"commits are by {identity.name} <{identity.email}>")


def installed_checks(dest: Path) -> Iterator[Checked]:
    """A folder that `pull` installed into."""
    from calreg.client import verify

    try:
        findings = verify(dest)
    except CalregError as error:
        yield _problem("installed", error)
        return
    for finding in findings:
        yield Checked("problem", "installed", f"{finding.path}: {finding.problem}")
    if not findings:
        yield Checked("ok", "installed", f"{dest}: every file is as it was installed")


def registry_checks(registry: Registry) -> Iterator[Checked]:
    """A registry: interrupted commands, every document, numbers, copies, pins, work tree."""
    repository = registry.repository
    yield from _branch(repository)
    yield from _pending(repository)
    yield from _locks(repository)
    yield from _waiting(registry)
    found = list(_documents(registry))
    yield from found
    if found:
        return
    try:
        checks = (_numbers, _references, _digests, _pins, _work_tree)
        for check in checks:
            yield from check(registry)
    except CalregError as error:
        yield _problem("registry", error)


def _problem(check: str, error: CalregError) -> Checked:
    return Checked("problem", check, str(error), error.hint)


def _branch(repository: Repository) -> Iterator[Checked]:
    try:
        branch = repository.branch()
    except CalregError as error:
        yield _problem("branch", error)
        return
    remote = repository.remote(branch)
    where = f", remote {remote.shown}" if remote else ", no remote"
    yield Checked("ok", "branch", f"on {branch}{where}")


def _pending(repository: Repository) -> Iterator[Checked]:
    from calreg.git import journal

    try:
        pending = journal.read(repository.git_dir / "calreg" / "pending")
    except CalregError as error:
        yield _problem("interrupted", error)
        return
    if pending is not None:
        yield Checked(
            "problem",
            "interrupted",
            f"a command was interrupted on its way to commit {pending.new[:12]}",
            "calreg doctor --fix finishes or forgets it, as any writing command does.",
            can_fix=True,
        )


def _locks(repository: Repository) -> Iterator[Checked]:
    for lock in repository.locks():
        yield Checked(
            "problem",
            "lock",
            f"{lock} is there: a git command is running, or was killed",
            "If no git command is running in this repository, delete it.",
        )


def _waiting(registry: Registry) -> Iterator[Checked]:
    for item in registry.waiting():
        yield Checked(
            "note",
            "waiting",
            f"{item.commit[:12]} ({item.subject}) was computed and never published",
            f"It is kept as {item.ref}. Run it again to publish it on what came meanwhile.",
        )


def _places(registry: Registry) -> Mapping[str, tuple[Place, Entry]]:
    """Every file of the registry's tip that is one of ours, by its path in the registry."""
    from calreg.names import classify

    prefix = f"{registry.prefix}/" if registry.prefix else ""
    entries = registry.now.tree.paths(registry.prefix)
    found = {path.removeprefix(prefix): entry for path, entry in entries.items()}
    nested = tuple(
        f"{path.rpartition('/')[0]}/" for path in found if path.endswith("/registry.yaml")
    )
    return {
        path: (place, entry)
        for path, entry in found.items()
        if not path.startswith(nested) and (place := classify(path)) is not None
    }


def _documents(registry: Registry) -> Iterator[Checked]:
    """Every document that is not valid, or not a plain file."""
    from calreg.documents import load

    places = _places(registry)
    for path, (_, entry) in places.items():
        if entry.mode != _PLAIN_FILE:
            problem = f"{path}: expected a plain file, mode {_PLAIN_FILE}, got {entry.mode}"
            yield Checked("problem", "documents", problem)
    plain = {path: place for path, (place, entry) in places.items() if entry.mode == _PLAIN_FILE}
    raw = registry.now.tree.read_many([registry.now.full(path) for path in plain])
    for path, place in plain.items():
        try:
            load(_KINDS[place.kind], raw[registry.now.full(path)], where=path)
        except CalregError as error:
            yield _problem("documents", error)


def _numbers(registry: Registry) -> Iterator[Checked]:
    numbers = registry.now.run_numbers
    missing = sorted(set(range(1, len(numbers) + 1)) - set(numbers))
    if missing:
        yield Checked(
            "problem", "runs", f"run {missing[0]} is missing among runs 1 to {numbers[-1]}"
        )
    else:
        yield Checked(
            "ok", "runs", f"{plural(len(numbers), 'run')} without a gap, every document is valid"
        )


def _references(registry: Registry) -> Iterator[Checked]:
    references = registry.state().references  # refuses one that is no copy of its version
    message = f"{plural(len(references), 'reference')}, each a copy of its version"
    yield Checked("ok", "references", message)


def _digests(registry: Registry) -> Iterator[Checked]:
    """What runs say of their parts, and parts of the versions they wrote."""
    from calreg.documents import digest_of

    snapshot, problems = registry.now, 0
    recorded = {
        (model, run.version): d for run in registry.runs() for model, d in run.models.items()
    }
    for part in snapshot.model_runs(snapshot.version_folders):
        paths = {
            head: snapshot.full(_version_path(part.model, head, part.version))
            for head in part.heads
        }
        raw = snapshot.tree.read_many(paths.values())
        wrong = [
            paths[head]
            for head, row in part.heads.items()
            if paths[head] not in raw or digest_of(raw[paths[head]]) != row.digest
        ]
        if recorded.get((part.model, part.version)) != part.digest:
            wrong.append(snapshot.full(f"{part.model}/v{part.version}/run.json"))
        problems += len(wrong)
        for path in wrong:
            yield Checked("problem", "digests", f"{path}: is not what its run recorded")
    if not problems:
        yield Checked("ok", "digests", "every version is what its run recorded")


def _version_path(model: str, head: str, version: int) -> str:
    from calreg.names import HeadName

    return HeadName(model, head).version_path(version)


def _pins(registry: Registry) -> Iterator[Checked]:
    references = {name.full: found for name, found in registry.state().references.items()}
    for head, pin in registry.pins().heads.items():
        if head not in references:
            yield Checked("problem", "pins", f"{head} is pinned, but there is no such head")
        elif references[head].version != pin.pinned_to and pin.until is None:
            held = references[head].version
            message = f"{head} is pinned to v{pin.pinned_to}, but its reference holds v{held}"
            yield Checked("problem", "pins", message)
        else:
            yield Checked("note", "pins", f"{head} is pinned to v{pin.pinned_to}: {pin.why}")


def _work_tree(registry: Registry) -> Iterator[Checked]:
    if registry.repository.is_bare:
        return
    paths = [registry.now.full(path) for path in _places(registry)]
    dirty = registry.repository.dirty(paths)
    for path in dirty:
        hint = "git restore it, or commit it if the change is meant."
        yield Checked("problem", "work tree", f"{path}: is not what is committed", hint)
    if not dirty:
        yield Checked("ok", "work tree", "equal to the last commit")
