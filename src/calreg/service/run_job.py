"""A run, as the worker's process makes it: read the source, compute, publish, answer.

The answer is what `POST /admin/calibration/run` says. A run that is committed but could not be
pushed is done, not failed: it waits in the outbox, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from calreg.errors import CalregError, RegistryError, TransportError
from calreg.names import HeadName
from calreg.service.working import Desk, Progress

if TYPE_CHECKING:
    from calreg.computing import Outcome
    from calreg.documents import HeadRow
    from calreg.plan import RegistryState
    from calreg.registry import Registry, Snapshot
    from calreg.scores import Scores
    from calreg.service.settings import FileSource
    from calreg.store import Store

__all__ = ["RecoverJob", "RunJob"]

Tell = Callable[[Progress], None]

# Errors from before a push: a run found at the tip then was there already.
_NOT_PUSHED = frozenset({"git-locked", "locked"})
_METHOD = "minmax"  # what a run makes of scores alone: see `computing.computed_of`


@dataclass(frozen=True, slots=True)
class RunJob:
    """A run over all scores of the source.

    Args:
        moment: When it was asked for; the time of its documents.
    """

    moment: datetime

    name: ClassVar[str] = "the run"

    def do(self, desk: Desk, tell: Tell) -> Mapping[str, Any]:
        """Make it; the answer.

        Raises:
            InputError: The source is empty or has too many rejects, no head can be calibrated,
                the registry's files are not valid.
            RegistryError: The registry refuses.
            TransportError: The store or git does not answer.
        """
        from calreg.computing import Mode, computed_of, publish_run

        tell(Progress("looking at the registry"))
        registry = desk.registry()
        registry.check_ready(push=desk.push)
        scores = _scores(desk, registry.state(), tell)
        tell(Progress("comparing with the references", scores.rows, scores.rows))
        problem = None
        try:
            outcome = publish_run(
                registry,
                lambda state: computed_of(scores, state),
                moment=self.moment,
                mode=Mode(push=desk.push),
                progress=lambda step: tell(Progress(step, scores.rows, scores.rows)),
            )
        except (RegistryError, TransportError) as error:
            kept = _kept(desk, scores) if desk.push and error.code not in _NOT_PUSHED else None
            if kept is None:
                raise
            outcome, problem = kept, error
        return _answer(outcome, problem)


@dataclass(frozen=True, slots=True)
class RecoverJob:
    """What a killed process left half-way in the registry's work tree, finished or forgotten."""

    name: ClassVar[str] = "the recovery"

    def do(self, desk: Desk, tell: Tell) -> str:  # noqa: ARG002 -- nobody watches
        """Finish it; what was found, in a word.

        Raises:
            CalregError: Somebody else is writing there, or the work tree is in the way.
        """
        repository = desk.registry().repository
        with repository.lock():
            return repository.recover().outcome


# Reading


def _scores(desk: Desk, state: RegistryState, tell: Tell) -> Scores:
    from calreg.computing import grid_of

    def progress(done: int, total: int) -> None:
        tell(Progress("reading scores", done, total))

    grid = grid_of(state)
    if desk.source is not None:
        return _of_files(desk.source, grid, progress)
    return _of_store(desk.store, grid, progress)


def _of_files(source: FileSource, grid: Any, progress: Callable[[int, int], None]) -> Scores:
    from calreg.scores import ScoreTable, read_scores

    table = ScoreTable(source.files, dict(source.columns), source.head, source.model)
    return read_scores(table, grid_of=grid, progress=progress)


def _of_store(store: Store, grid: Any, progress: Callable[[int, int], None]) -> Scores:
    from calreg.scores.given import described

    total = store.revision().scores
    arrays = ((HeadName.parse(head), label, scores) for head, label, scores in store.score_arrays())
    return described(arrays, grid_of=grid, progress=lambda done, _: progress(done, total))


# What became of it


def _kept(desk: Desk, scores: Scores) -> Outcome | None:
    """The run of these scores as it waits to be pushed; None if it is nowhere."""
    from calreg.computing import Outcome

    registry = desk.registry()
    for commit, snapshot in _waiting_places(registry):
        run = snapshot.repeat_of(scores.digest, _options(snapshot))
        if run is not None:
            return Outcome(
                run,
                {part.model: part for part in snapshot.parts_of(run)},
                "committed",
                snapshot.settings.defaults.promote_on,
                commit=commit,
                branch=registry.repository.branch(),
            )
    return None


def _waiting_places(registry: Registry) -> Iterator[tuple[str, Snapshot]]:
    """The tip here, and whatever the outbox keeps, the newest first."""
    tip = registry.repository.tip()
    commits = [item.commit for item in reversed(registry.waiting())]
    for commit in commits if tip is None else [tip, *commits]:
        yield commit, registry.at(commit)


def _options(snapshot: Snapshot) -> Mapping[str, Any]:
    from calreg.plan import run_options

    return run_options(snapshot.settings)


def _answer(outcome: Outcome, problem: CalregError | None) -> dict[str, Any]:
    from calreg.report.runs import heads_of

    run, rows = outcome.run, heads_of(outcome.models.values())
    return {
        "status": "ok",
        "calibration": {
            "version": run.version,
            "library_size": _library_size(rows),
            "heads": {name: _head(HeadName.parse(name), row) for name, row in sorted(rows.items())},
        },
        "saved_files": {
            name: HeadName.parse(name).version_path(run.version) for name in sorted(rows)
        },
        "reference_updates": {name: row.reference_update for name, row in sorted(rows.items())},
        "summary": dict(run.summary),
        "outcome": outcome.status,
        "commit": outcome.commit,
        "branch": outcome.branch,
        "pushed": outcome.pushed,
        "waiting": None if problem is None else _waiting(outcome, problem),
        "excluded": dict(run.excluded),
        "rejects": dict(run.inputs.rejected),
        "timestamp": run.timestamp,
        "message": _message(outcome, problem),
        "warnings": list(outcome.warnings),
    }


def _library_size(rows: Mapping[str, HeadRow]) -> int:
    """Items: those of the head that has the most, since not every head scores every item."""
    return max((row.file_count or 0 for row in rows.values()), default=0)


def _head(name: HeadName, row: HeadRow) -> dict[str, Any]:
    return {
        "model_name": name.model,
        "head_name": name.head,
        "labels": {
            label: {"p5": one.p5, "p95": one.p95, "method": _METHOD}
            for label, one in sorted(row.labels.items())
        },
        "drift_metrics": {
            **row.metrics,
            "is_stable": row.is_stable,
            "failed_metrics": list(row.failed_metrics),
        },
        "is_stable": row.is_stable,
        "reference_version": row.reference_version,
        "reference_after": row.reference_after,
        "verdict": row.verdict,
        "evidence": row.evidence,
    }


def _waiting(outcome: Outcome, problem: CalregError) -> dict[str, Any]:
    """Why it is not at the remote, and what publishes it."""
    return {
        "commit": outcome.commit,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
    }


def _message(outcome: Outcome, problem: CalregError | None) -> str:
    run = outcome.run
    if problem is not None:
        return f"run {run.version} is committed but not pushed; it waits in the outbox"
    if outcome.status == "already-done":
        when = run.timestamp[:10]
        return f"nothing to do: run {run.version} of {when} has the same scores and rules"
    return f"run {run.version} is committed{' and pushed' if outcome.pushed else ''}"
