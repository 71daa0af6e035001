"""From what was computed to what became of it: plan only, write uncommitted, or publish.

Shared by everything that makes runs, which differ only in where their calibrations come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from calreg import __version__
from calreg.errors import InputError, UsageError
from calreg.files import replace_file

if TYPE_CHECKING:
    from calreg.documents import ModelRun, Run
    from calreg.plan import Computed, RegistryState, RunPlan
    from calreg.registry import AlreadyDone, Plan, Published, Registry

__all__ = ["Mode", "Outcome", "publish_run", "warnings_of"]

_TOOL = f"calreg {__version__}"

Status = Literal["committed", "dry-run", "written", "already-done"]


@dataclass(frozen=True, slots=True)
class Mode:
    """How far to go: publish (and push), write files without a commit, or nothing at all."""

    push: bool = False
    dry_run: bool = False
    no_commit: bool = False

    def check(self) -> None:
        """Refuse what contradicts itself."""
        words = {
            "--push": self.push,
            "--dry-run": self.dry_run,
            "--no-commit": self.no_commit,
        }
        chosen = [word for word, is_on in words.items() if is_on]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)} contradict each other; choose one")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run.

    `behind` says that the checkout was left as it is because it holds other work; `warnings`
    are sentences for standard error.
    """

    run: Run
    models: Mapping[str, ModelRun]
    status: Status
    promote_on: str
    commit: str | None = None
    branch: str | None = None
    pushed: bool = False
    remote: str | None = None
    place: str = "."
    warnings: Sequence[str] = ()


def publish_run(
    registry: Registry,
    computed_by: Callable[[RegistryState], Computed],
    *,
    moment: datetime,
    mode: Mode,
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Make a run of what is computed for the registry's state, as far as `mode` says.

    `computed_by` is called again after every lost race, with the state that won.
    """
    from calreg.documents import timestamp_text
    from calreg.plan import RunPlan, plan_run
    from calreg.registry import AlreadyDone

    timestamp = timestamp_text(moment)

    def planner(state: RegistryState) -> Plan:
        return plan_run(state, computed_by(state), timestamp=timestamp, tool=_TOOL)

    if mode.dry_run or mode.no_commit:
        plan = registry.preview(planner)
        if isinstance(plan, AlreadyDone):
            return _already(registry, plan)
        if not isinstance(plan, RunPlan):
            raise TypeError(f"expected the plan of a run, got {type(plan).__name__}")
        return _written(registry, plan) if mode.no_commit else _planned(registry, plan)
    done = registry.publish(planner, push=mode.push, progress=progress)
    if isinstance(done, AlreadyDone):
        return _already(registry, done)
    return _published(registry, done)


def _planned(registry: Registry, plan: RunPlan) -> Outcome:
    return Outcome(plan.run, plan.model_runs, "dry-run", _policy(registry))


def _already(registry: Registry, done: AlreadyDone) -> Outcome:
    """The earlier run, with what it found then."""
    return Outcome(
        done.run,
        {part.model: part for part in _parts_of(registry, done.run)},
        "already-done",
        _policy(registry),
        commit=done.commit,
        pushed=done.pushed,
        warnings=tuple(_withdrawn(registry, done.run)),
    )


def _withdrawn(registry: Registry, run: Run) -> Iterator[str]:
    """What of a run that is not made again is unfit for use: no repeat brings it back."""
    for head, versions in registry.now.withdrawn.heads.items():
        if run.version in versions and head.rpartition("/")[0] in run.models:
            yield f"v{run.version} of {head} is {versions[run.version].text}"


def _parts_of(registry: Registry, run: Run) -> Iterator[ModelRun]:
    newest_first = registry.now.model_runs(run.models)
    recent = takewhile(lambda part: part.version >= run.version, newest_first)
    return (part for part in recent if part.version == run.version)


def _published(registry: Registry, done: Published) -> Outcome:
    from calreg.plan import RunPlan

    if not isinstance(done.plan, RunPlan):
        raise TypeError(f"expected the plan of a run, got {type(done.plan).__name__}")
    remote = registry.repository.remote(done.branch)
    return Outcome(
        done.plan.run,
        done.plan.model_runs,
        "committed",
        _policy(registry),
        commit=done.commit,
        branch=done.branch,
        pushed=done.pushed,
        remote=remote.name if remote is not None else None,
        warnings=tuple(warnings_of(done)),
    )


def warnings_of(done: Published) -> Iterator[str]:
    """What somebody should know who thinks that all is done."""
    if done.is_behind:
        yield f"it is pushed, but {done.branch} here is behind: git pull brings your checkout up"
    if done.left_alone:
        files = ", ".join(done.left_alone[:5])
        yield f"changed by somebody meanwhile and left alone: {files}"


def _policy(registry: Registry) -> str:
    return registry.settings().defaults.promote_on


def _written(registry: Registry, plan: RunPlan) -> Outcome:
    """Write the plan's files into the work tree, for a person to look at and commit.

    Raises:
        InputError: A bare repository; uncommitted changes in the files concerned.
    """
    root = registry.root
    if registry.repository.is_bare:
        raise InputError(
            "a bare repository has no work tree to write to",
            where=str(root),
            hint="--dry-run shows the same report.",
            code="bare",
        )
    registry.check_ready()
    _refuse_dirty(registry, plan.files)
    for path, raw in sorted(plan.files.items()):
        replace_file(root / path, raw)
    return Outcome(plan.run, plan.model_runs, "written", _policy(registry), place=str(root))


def _refuse_dirty(registry: Registry, files: Mapping[str, bytes]) -> None:
    dirty = registry.repository.dirty(sorted(registry.now.full(path) for path in files))
    if dirty:
        raise InputError(
            f"uncommitted changes in {', '.join(dirty[:5])}",
            hint="Commit them (git commit) or put them aside (git stash), then run this again.",
            code="uncommitted",
        )
