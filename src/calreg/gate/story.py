"""What a change claims to be, told again: its runs and moves, made anew on what the base holds.

A registry changes by runs and by decisions, and each is a plan: a pure function of the state
before it and of what it brings. So the gate takes from the change only what nobody but its
author can know (the new calibrations, the input's digest, who decided and why), makes the plans
itself, one after the other, and looks whether the change is what they write. Verdicts, drift,
references, pins, summaries, digests: none of them is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter

import numpy as np

from calreg.documents import (
    Calibration,
    ModelRun,
    Move,
    Pins,
    Run,
    Withdrawn,
    digest_of,
    load_calibration,
    load_pins,
    load_withdrawn,
)
from calreg.documents.run import HeadRow
from calreg.errors import CalregError, InputError
from calreg.gate.files import Files
from calreg.gate.known import Known
from calreg.gate.reading import Documents
from calreg.gate.sameness import nearly_same
from calreg.names import PINS_PATH, WITHDRAWN_PATH, HeadName, model_run_path, run_path
from calreg.plan import (
    Computed,
    MovePlan,
    Reference,
    RegistryState,
    RunPlan,
    plan_pin,
    plan_promote,
    plan_rollback,
    plan_run,
    plan_unpin,
    plan_withdraw,
)

__all__ = ["Step", "Story", "tell"]


@dataclass(frozen=True, eq=False)
class Step:
    """One run or move of the change.

    Args:
        path: Its record.
        said: What the record says.
        plan: What it writes if made anew; None if it cannot be.
        refusal: Why it cannot.
        calibrations: Of a run: the new versions that could be read.
        claimed: Of a run: what its part for each model says.
    """

    path: str
    said: Run | Move
    plan: RunPlan | MovePlan | None = None
    refusal: CalregError | None = None
    calibrations: Mapping[HeadName, Calibration] = field(default_factory=dict)
    claimed: Mapping[str, ModelRun] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The number of the run, or of the move."""
        return self.said.version if isinstance(self.said, Run) else self.said.number

    @property
    def rows(self) -> Iterator[tuple[HeadName, HeadRow]]:
        """What a run made anew finds, head by head."""
        if isinstance(self.plan, RunPlan):
            for model, part in self.plan.model_runs.items():
                for head, row in part.heads.items():
                    yield HeadName(model, head), row


@dataclass(frozen=True, eq=False)
class Story:
    """The change made anew.

    Args:
        steps: Runs and moves, in the order in which they must have been made.
        expected: The files that these write, by path; None: removed.
        before: What the references concerned hold in the base.
        references: What they hold afterwards.
        pins: The pins afterwards.
        withdrawn: The withdrawn versions afterwards.
    """

    steps: tuple[Step, ...]
    expected: Mapping[str, bytes | None]
    before: Mapping[HeadName, Reference]
    references: Mapping[HeadName, Reference]
    pins: Pins
    withdrawn: Withdrawn

    @property
    def runs(self) -> list[Step]:
        """The runs among the steps."""
        return [step for step in self.steps if isinstance(step.said, Run)]

    @property
    def moves(self) -> list[Step]:
        """The moves among the steps."""
        return [step for step in self.steps if isinstance(step.said, Move)]


def tell(known: Known, files: Files, documents: Documents) -> Story:
    """Make every run and move of a change anew, each on what the one before it left."""
    runs, moves = _queues(files, documents)
    names = _concerned(files, [step.said for step in moves if isinstance(step.said, Move)])
    teller = _Teller(known, files, documents, known.references(names), moves)
    done = []
    while runs or moves:
        queue = _next(runs, moves, teller.references)
        done.append(teller.follow(queue.pop(0)))
    return Story(
        steps=tuple(done),
        expected=teller.expected,
        before=teller.before,
        references=teller.references,
        pins=teller.pins,
        withdrawn=teller.withdrawn,
    )


def _queues(files: Files, documents: Documents) -> tuple[list[Step], list[Step]]:
    """New runs and new moves, each by number."""
    parts: dict[int, dict[str, ModelRun]] = {}
    versions: dict[int, dict[HeadName, Calibration]] = {}
    found: dict[type[Run | Move], list[Step]] = {Run: [], Move: []}
    for path, value in documents.values.items():
        place = files.places[path]
        if not files.is_new(path):
            continue
        if isinstance(value, Calibration) and place.kind == "version":
            versions.setdefault(value.version, {})[value.name] = value
    for path in files.of_kind("model-run"):
        part = documents.part(path)
        if part is not None and files.is_new(path):
            parts.setdefault(part.version, {})[part.model] = part
    for path, value in documents.values.items():
        if isinstance(value, Run) and files.is_new(path):
            number = value.version
            calibrations = dict(sorted(versions.get(number, {}).items()))
            step = Step(path, value, calibrations=calibrations, claimed=parts.get(number, {}))
            found[Run].append(step)
        elif isinstance(value, Move) and files.is_new(path):
            found[Move].append(Step(path, value))
    return sorted(found[Run], key=attrgetter("number")), sorted(
        found[Move], key=attrgetter("number")
    )


def _concerned(files: Files, moves: Iterable[Run | Move]) -> set[HeadName]:
    """The heads whose references matter."""
    named = {HeadName.parse(move.head) for move in moves if isinstance(move, Move)}
    return {*files.heads, *named}


# --- which comes next ---------------------------------------------------------------------


def _next(
    runs: list[Step], moves: list[Step], references: Mapping[HeadName, Reference]
) -> list[Step]:
    """The queue whose first step comes next: the earlier one, if it fits what is there.

    Clocks of two people differ. Where the later of two was made on what is there now and the
    earlier was not, it came first; each step is judged on its own merits anyway.
    """
    if not runs or not moves:
        return runs or moves
    first, second = (runs, moves) if _time(runs[0]) <= _time(moves[0]) else (moves, runs)
    if not _fits(first[0], references) and _fits(second[0], references):
        return second
    return first


def _time(step: Step) -> str:
    return step.said.timestamp


def _fits(step: Step, references: Mapping[HeadName, Reference]) -> bool:
    """Whether a step says that it was made on these references."""
    if isinstance(step.said, Move):
        found = references.get(HeadName.parse(step.said.head))
        return step.said.before == (found.version if found else None)
    for model, part in step.claimed.items():
        for head, row in part.heads.items():
            found = references.get(HeadName(model, head))
            if row.reference_digest != (found.digest if found else None):
                return False
    return True


# --- making it anew -----------------------------------------------------------------------


class _Teller:
    """The state as it goes on, step by step."""

    def __init__(
        self,
        known: Known,
        files: Files,
        documents: Documents,
        before: Mapping[HeadName, Reference],
        moves: Iterable[Step],
    ) -> None:
        self._known = known
        self._files = files
        self._documents = documents
        self.before = before
        self.references = dict(before)
        self.expected: dict[str, bytes | None] = {}
        self.pins: Pins = known.pins
        self.withdrawn: Withdrawn = known.withdrawn
        said = [step.said for step in moves if isinstance(step.said, Move)]
        self._targets = self._read_targets(said)
        self._runs = self._read_runs(said)

    def _read_targets(self, moves: Iterable[Move]) -> dict[str, bytes]:
        """The versions that moves go to or withdraw, which the change does not bring itself."""
        paths = {
            HeadName.parse(move.head).version_path(version)
            for move in moves
            for version in (move.after, move.version)
            if version is not None
        }
        return self._known.read(path for path in paths if path not in self._files.touches)

    def _read_runs(self, moves: Iterable[Move]) -> dict[int, Run]:
        """The runs that made what is withdrawn, or is to be."""
        listed = self._known.withdrawn.heads.values()
        numbers = {version for versions in listed for version in versions}
        numbers |= {move.version for move in moves if move.version is not None}
        brought = [v for v in self._documents.values.values() if isinstance(v, Run)]
        return {**self._known.runs(numbers), **{run.version: run for run in brought}}

    def state(self, number: int) -> RegistryState:
        """The registry now; `number` is that of the run or move that comes next."""
        return RegistryState(
            settings=self._known.settings,
            # Numbers are judged by a rule of their own: here a step gets the one it says.
            highest_run=number - 1,
            highest_move=number - 1,
            references=self.references,
            pins=self.pins,
            withdrawn=self.withdrawn,
            withdrawn_inputs={
                head: {
                    self._runs[version].inputs.digest: version
                    for version in sorted(versions)
                    if version in self._runs
                }
                for head, versions in self.withdrawn.heads.items()
            },
            retention=self._known.retention,
        )

    def follow(self, step: Step) -> Step:
        """Make one step anew, and go on from what it leaves."""
        plan: RunPlan | MovePlan | None = None
        refusal: CalregError | None = None
        try:
            # What is not a number any more is an answer: a null, which fails.
            with np.errstate(all="ignore"):
                plan = self._plan(step)
        except CalregError as error:
            refusal = error
        except (ArithmeticError, ValueError) as error:
            refusal = InputError(f"the numbers cannot be computed with: {error}", code="numbers")
        if isinstance(plan, RunPlan):
            plan = replace(plan, files=self._shared(plan.files))
            self._after_run(plan)
        elif plan is not None:
            self._after_move(plan)
        return Step(step.path, step.said, plan, refusal, step.calibrations, step.claimed)

    def _shared(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """The files of a plan; those that the change brings alike take no room of their own."""
        brought = self._documents.raw
        return {
            path: brought[path] if brought.get(path) == raw else raw for path, raw in files.items()
        }

    def _plan(self, step: Step) -> RunPlan | MovePlan:
        if isinstance(step.said, Run):
            return self._run(step.said, step.calibrations)
        return self._move(step.said)

    def _run(self, run: Run, calibrations: Mapping[HeadName, Calibration]) -> RunPlan:
        names = {name: one.display_name for name, one in calibrations.items()}
        computed = Computed(
            heads={name: one.labels for name, one in calibrations.items()},
            display_names={name: shown for name, shown in names.items() if shown is not None},
            excluded=run.excluded,
            inputs=run.inputs,
            options=run.options.get("tune", {}),
        )
        state = self.state(run.version)
        return plan_run(state, computed, timestamp=run.timestamp, tool=run.tool)

    def _after_run(self, plan: RunPlan) -> None:
        self.expected.update(plan.files)
        for name, calibration in plan.calibrations.items():
            raw = plan.files.get(name.reference_path)
            if raw is not None:
                self.references[name] = Reference(calibration, digest_of(raw), raw)
        self._allow_for_rounding(plan)

    def _allow_for_rounding(self, plan: RunPlan) -> None:
        """Take a part as it is if it differs in the last digits only, as processors do."""
        digests = dict(plan.run.models)
        for model, part in plan.model_runs.items():
            path = model_run_path(model, plan.run.version)
            claimed, raw = self._documents.of(path, ModelRun), self._documents.raw.get(path)
            if claimed is None or raw is None or raw == plan.files[path]:
                continue
            if nearly_same(part.to_json(), claimed.to_json()) and raw == claimed.to_bytes():
                self.expected[path], digests[model] = raw, digest_of(raw)
        if digests != plan.run.models:
            run = {**plan.run.to_json(), "models": digests}
            self.expected[run_path(plan.run.version)] = Run.from_json(run).to_bytes()

    def _move(self, move: Move) -> MovePlan:
        name, state = HeadName.parse(move.head), self.state(move.number)
        by, reason, timestamp = move.by, move.reason, move.timestamp
        if move.action == "unpin":
            return plan_unpin(state, name, by=by, reason=reason, timestamp=timestamp)
        if move.action == "withdraw" and move.version is not None:
            return self._withdraw(move, state)
        if move.after is None:
            raise InputError("says no version to move to", code="document")
        target = self._target(name, move.after)
        if move.action == "pin":
            until = move.until
            return plan_pin(state, target, by=by, reason=reason, timestamp=timestamp, until=until)
        plan = plan_rollback if move.action == "rollback" else plan_promote
        return plan(state, target, by=by, reason=reason, timestamp=timestamp)

    def _withdraw(self, move: Move, state: RegistryState) -> MovePlan:
        name, version = HeadName.parse(move.head), move.version or 0
        held = state.references.get(name)
        is_held = held is not None and held.version == version
        if not is_held and not self._existed(name, version):
            raise InputError(f"{name} has no version v{version}", code="no-such-version")
        return plan_withdraw(
            state,
            name,
            version,
            fallback=self._target(name, move.after) if is_held and move.after else None,
            by=move.by,
            reason=move.reason,
            timestamp=move.timestamp,
        )

    def _existed(self, name: HeadName, version: int) -> bool:
        path = name.version_path(version)
        is_there = path in self._targets or path in self._documents.values
        return is_there or self._known.retention.has(name.model, version)

    def _target(self, name: HeadName, version: int) -> Reference:
        """A version that a move goes to, of the base or brought by the change."""
        path = name.version_path(version)
        value, raw = self._documents.of(path, Calibration), self._documents.raw.get(path)
        if value is not None and raw is not None:
            return Reference(value, digest_of(raw), raw)
        if path not in self._targets:
            raise InputError(f"{name} has no version v{version}", code="no-such-version")
        raw = self._targets[path]
        return Reference(load_calibration(raw, where=path), digest_of(raw), raw)

    def _after_move(self, plan: MovePlan) -> None:
        name = HeadName.parse(plan.move.head)
        before = self.references.get(name)
        self.expected.update(plan.files)
        self.expected.update(dict.fromkeys(plan.delete))
        if name.reference_path in plan.delete:
            del self.references[name]
        elif plan.move.after is not None and (before is None or before.version != plan.move.after):
            self.references[name] = self._target(name, plan.move.after)
        if PINS_PATH in plan.files:
            self.pins = load_pins(plan.files[PINS_PATH], where=PINS_PATH)
        if WITHDRAWN_PATH in plan.files:
            self.withdrawn = load_withdrawn(plan.files[WITHDRAWN_PATH], where=WITHDRAWN_PATH)
