"""What `doctor` looks at in a registry, and what it may put right there.

A check that cannot go on yields why, and the others go on. To add one: a generator of
findings, and a line in `registry_checks`; what is safe to do about it, in `registry_fixes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from calreg.cli.checkup import Checked, problem
from calreg.errors import CalregError
from calreg.plan.message import one_line
from calreg.report.numbers import plural

if TYPE_CHECKING:
    from calreg.documents import Kind
    from calreg.git import Entry, Repository
    from calreg.names import Place
    from calreg.registry import Registry

__all__ = ["registry_checks", "registry_fixes"]

_KINDS: Mapping[str, Kind] = {
    "pins": "pins",
    "reference": "calibration",
    "registry": "registry",
    "run": "run",
    "version": "calibration",
    "model-run": "model-run",
    "move": "move",
    "withdrawn": "withdrawn",
    "retention": "retention",
    "keys": "keys",
}
_PLAIN_FILE = "100644"
_MAX_SHOWN = 10


def registry_checks(registry: Registry) -> Iterator[Checked]:
    """A registry: objects, interrupted commands, locks, documents, numbers, copies, branches."""
    repository = registry.repository
    yield from _branch(repository)
    yield from _objects(repository)
    yield from _pending(repository)
    yield from _locks(repository)
    yield from _outbox(repository)
    try:
        yield from _waiting(registry)
        found = list(_documents(registry))
        yield from found
        if found:
            return
        checks = (_numbers, _references, _collected, _digests, _pins, _work_tree, _stable)
        for check in checks:
            yield from check(registry)
    except CalregError as error:
        yield problem("registry", error)


def registry_fixes(registry: Registry) -> Iterator[Checked]:
    """Put right what is safe to put right, a finding each; everything else stays as it is."""
    repository = registry.repository
    yield from _locks_dropped(repository)
    with repository.lock():
        recovery = repository.recover()
        if recovery.outcome != "none":
            commit = (recovery.commit or "")[:12]
            yield _fixed(f"the interrupted command was {recovery.outcome}: {commit}")
        for path in recovery.conflicts:
            yield Checked("note", "fixed", f"{path}: changed since by somebody, left alone")
        yield from _outbox_swept(repository)


def _fixed(message: str) -> Checked:
    return Checked("ok", "fixed", message)


def _locks_dropped(repository: Repository) -> Iterator[Checked]:
    from calreg.git.health import drop_lock, locks

    for lock in locks(repository):
        if lock.is_stale and drop_lock(lock):
            minutes = int(lock.age_s // 60)
            yield _fixed(f"{lock.path} is removed: {minutes} minutes old, and nobody had it open")


def _outbox_swept(repository: Repository) -> Iterator[Checked]:
    from calreg.registry.outbox import broken

    for ref, commit in broken(repository).items():
        repository.drop(ref, commit)
        yield _fixed(f"{ref} is forgotten: its commit {commit[:12]} cannot be read any more")


def _branch(repository: Repository) -> Iterator[Checked]:
    try:
        branch = repository.branch()
    except CalregError as error:
        yield problem("branch", error)
        return
    remote = repository.remote(branch)
    where = f", remote {remote.shown}" if remote else ", no remote"
    yield Checked("ok", "branch", f"on {branch}{where}")


def _pending(repository: Repository) -> Iterator[Checked]:
    from calreg.git import journal

    try:
        pending = journal.read(repository.git_dir / "calreg" / "pending")
    except CalregError as error:
        yield problem("interrupted", error)
        return
    if pending is not None:
        yield Checked(
            "problem",
            "interrupted",
            f"a command was interrupted on its way to commit {pending.new[:12]}",
            "calreg doctor --fix finishes or forgets it, as any writing command does.",
            can_fix=True,
        )


def _objects(repository: Repository) -> Iterator[Checked]:
    from calreg.git.health import broken_objects, litter

    found = broken_objects(repository.common_dir)
    for line in found[:_MAX_SHOWN]:
        hint = "git fsck says more; a damaged clone is replaced by a fresh one."
        yield Checked("problem", "objects", one_line(line), hint)
    if len(found) > _MAX_SHOWN:
        yield Checked("problem", "objects", f"and {len(found) - _MAX_SHOWN:,} more")
    if not found:
        yield Checked("ok", "objects", "everything that a branch needs can be read")
    if (left := litter(repository)) is not None:
        yield Checked("note", "objects", f"{left}: git gc tidies up", "git gc")


def _locks(repository: Repository) -> Iterator[Checked]:
    from calreg.git.health import locks

    for lock in locks(repository):
        if lock.is_stale:
            why = f"{int(lock.age_s // 60)} minutes old, and nobody has it open"
            hint = "calreg doctor --fix removes it."
        else:
            why = "a git command is running, or was killed"
            hint = "If no git command is running in this repository, delete it."
        yield Checked(
            "problem", "lock", f"{lock.path} is there: {why}", hint, can_fix=lock.is_stale
        )


def _outbox(repository: Repository) -> Iterator[Checked]:
    from calreg.registry.outbox import broken

    for ref, commit in broken(repository).items():
        message = f"{ref} keeps commit {commit[:12]}, which cannot be read"
        hint = "calreg doctor --fix forgets it; compute that run again."
        yield Checked("problem", "outbox", message, hint, can_fix=True)


def _waiting(registry: Registry) -> Iterator[Checked]:
    for item in registry.waiting():
        yield Checked(
            "note",
            "waiting",
            f"{item.commit[:12]} ({item.subject}) was computed and never published",
            f"calreg push publishes it; it is kept as {item.ref}.",
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
            message = f"{path}: expected a plain file, mode {_PLAIN_FILE}, got {entry.mode}"
            yield Checked("problem", "documents", message)
    plain = {path: place for path, (place, entry) in places.items() if entry.mode == _PLAIN_FILE}
    raw = registry.now.tree.read_many([registry.now.full(path) for path in plain])
    for path, place in plain.items():
        if registry.now.full(path) not in raw:
            yield Checked("problem", "documents", f"{path}: its object is missing")
            continue
        if place.kind not in _KINDS:  # signatures
            continue
        try:
            load(_KINDS[place.kind], raw[registry.now.full(path)], where=path)
        except CalregError as error:
            yield problem("documents", error)


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


def _collected(registry: Registry) -> Iterator[Checked]:
    """Every version folder is there, or was collected on record."""
    snapshot, retention = registry.now, registry.now.retention
    folders, missing = snapshot.version_folders, 0
    for run in registry.runs():
        for model in run.models:
            if run.version in folders.get(model, ()) or retention.has(model, run.version):
                continue
            missing += 1
            path = snapshot.full(f"{model}/v{run.version}")
            hint = "Restore it from git: what a run wrote is never deleted but by calreg gc."
            yield Checked("problem", "versions", f"{path}: is missing, and was not collected", hint)
    count = sum(len(retention.numbers(model)) for model in retention.collected)
    if not missing:
        collected = f", {plural(count, 'folder')} collected on record" if count else ""
        there = sum(map(len, folders.values()))
        yield Checked("ok", "versions", f"{plural(there, 'version folder')}{collected}")


def _stable(registry: Registry) -> Iterator[Checked]:
    """The branch that production reads, as far as this clone has it."""
    from calreg.registry.served import served_problems, stable_tips

    for name, commit in stable_tips(registry.repository).items():
        found = list(served_problems(registry, commit, branch=name))
        for message, hint in found[:_MAX_SHOWN]:
            yield Checked("problem", "stable", f"{name}: {message}", hint)
        if not found:
            yield Checked("ok", "stable", f"{name}: index, references and signatures agree")


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
