"""A run or move that waits, made anew on what was published meanwhile.

All that a plan needs is in the waiting commit's documents: a run's calibrations hold their
distributions, so that drift is measured against the reference that won without the scores;
a move says which head, which version, who and why. A run that is there already, by its
input and rules, and a move that is there word for word, are not made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from calreg.documents import (
    HeadSettings,
    LabelCalibration,
    ModelRun,
    Move,
    RegistrySettings,
    Run,
)
from calreg.errors import InputError, RegistryError
from calreg.git import LogEntry
from calreg.names import HeadName
from calreg.plan import (
    Computed,
    Plan,
    RegistryState,
    RunPlan,
    plan_pin,
    plan_promote,
    plan_rollback,
    plan_run,
    plan_unpin,
    plan_withdraw,
    tuned_problem,
)
from calreg.registry.place import Place
from calreg.registry.retention import collect
from calreg.registry.snapshot import Snapshot

__all__ = ["Found", "Replay", "replay_of"]


@dataclass(frozen=True, slots=True)
class Found:
    """What waits is published already: as this run, or as a move."""

    what: str
    run: int | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """One waiting commit.

    Args:
        commit: Its id.
        subject: The first line of its message.
        run: The number of the run that it is; None for a move.
        make: The plan of it on a snapshot, with the numbers that runs before it got.
    """

    commit: str
    subject: str
    run: int | None
    make: Callable[[Snapshot, Mapping[int, int]], Plan | Found]


def replay_of(place: Place, entry: LogEntry) -> Replay:
    """How a waiting commit is made anew.

    Raises:
        RegistryError: It is neither a run nor a move of this registry.
    """
    trailers = dict(entry.trailers)
    was = place.snapshot(entry.commit)
    run, move = trailers.get("Calreg-Run", ""), trailers.get("Calreg-Move", "")
    if _holds_only_ours(place, entry):
        if run.isdecimal() and int(run) in was.run_numbers:
            return _run_replay(was, entry, int(run))
        if move.isdecimal():
            found = next((one for one in was.moves() if one.number == int(move)), None)
            if found is not None:
                return _move_replay(entry, found)
        keep_runs = trailers.get("Calreg-Keep-Runs", "")
        if "Calreg-Collected" in trailers and keep_runs.isdecimal():
            return _collect_replay(entry, trailers, int(keep_runs))
    raise RegistryError(
        f"commit {entry.commit[:12]} ({entry.subject[:60]!r}) is neither a run nor a move of this "
        f"registry, and {place.there} has moved on: it cannot be made anew",
        hint=f"git rebase {place.there}, or push it from a branch of its own; then calreg push.",
        code="diverged",
    )


def _holds_only_ours(place: Place, entry: LogEntry) -> bool:
    if len(entry.parents) > 1:
        return False
    parent = entry.parents[0] if entry.parents else None
    return all(map(place.is_ours, place.repository.changed(parent, entry.commit)))


# Runs


def _run_replay(was: Snapshot, entry: LogEntry, number: int) -> Replay:
    def make(snapshot: Snapshot, _numbers: Mapping[int, int]) -> RunPlan | Found:
        return _run_anew(was, number, snapshot)

    return Replay(entry.commit, entry.subject, number, make)


def _run_anew(was: Snapshot, number: int, at: Snapshot) -> RunPlan | Found:
    run = was.run(number)
    earlier = at.repeat_of(run.inputs.digest, run.options)
    if earlier is not None:
        return Found(f"run {earlier.version}", earlier.version)
    state = _judged_alike(was, run, at)
    plan = plan_run(state, _computed(was, run, at.state), timestamp=run.timestamp, tool=run.tool)
    # By the rules of now it may be a run that is there, though by those of then it is none.
    earlier = at.repeat_of(plan.run.inputs.digest, plan.run.options)
    return plan if earlier is None else Found(f"run {earlier.version}", earlier.version)


def _judged_alike(was: Snapshot, run: Run, at: Snapshot) -> RegistryState:
    """The state with the rules of the run, unless `registry.yaml` was changed meanwhile.

    A run's rules are the registry's with what was asked for when it was computed laid over
    them. If the registry's own are others by now, those count.
    """
    if was.rules_text != at.rules_text:
        return at.state
    options = {key: value for key, value in run.options.items() if key != "tune"}
    patterns = tuple((one["pattern"], one["rules"]) for one in options.pop("heads"))
    grid = options["histogram"]
    defaults = HeadSettings(
        thresholds=options["thresholds"],
        min_samples=options["min_samples"],
        grid=(grid["lo"], grid["hi"]) if grid else None,
        promote_on=options["promote_on"],
        assume=options["assume"],
    )
    return replace(at.state, settings=RegistrySettings(run.registry, defaults, patterns))


def _computed(was: Snapshot, run: Run, state: RegistryState) -> Computed:
    """What the run brought, without the heads that it may not speak of any more."""
    heads: dict[HeadName, Mapping[str, LabelCalibration]] = {}
    names: dict[HeadName, str] = {}
    excluded = dict(run.excluded)
    for part in was.parts_of(run):
        for name, found in was.calibrations_of(part).items():
            problem = _overtaken(name, found.labels, part, state)
            if problem is not None:
                excluded[name.full] = problem
                continue
            heads[name] = found.labels
            if found.display_name is not None:
                names[name] = found.display_name
    return Computed(heads, names, excluded, run.inputs, run.options.get("tune", {}))


def _overtaken(
    name: HeadName, labels: Mapping[str, LabelCalibration], part: ModelRun, state: RegistryState
) -> str | None:
    """Why a head is left out now, if what was published meanwhile says so."""
    if all(label.method == "minmax" for label in labels.values()):
        return tuned_problem(name, state)
    if any(label.method == "factor" for label in labels.values()):
        reference = state.references.get(name)
        before = part.heads[name.head].reference_digest
        if (reference.digest if reference else None) != before:
            return "somebody else changed the factors in force, from which these were made"
    return None


def _collect_replay(entry: LogEntry, trailers: Mapping[str, str], keep_runs: int) -> Replay:
    by, timestamp = trailers.get("Calreg-By", ""), trailers.get("Calreg-Timestamp", "")

    def make(snapshot: Snapshot, _numbers: Mapping[int, int]) -> Plan | Found:
        plan = collect(snapshot, keep_runs, by=by, timestamp=timestamp)
        return Found("nothing that is left to collect") if plan is None else plan

    return Replay(entry.commit, entry.subject, None, make)


# Moves


def _move_replay(entry: LogEntry, move: Move) -> Replay:
    def make(snapshot: Snapshot, numbers: Mapping[int, int]) -> Plan | Found:
        return _move_anew(move, snapshot, numbers)

    return Replay(entry.commit, entry.subject, None, make)


def _move_anew(move: Move, at: Snapshot, numbers: Mapping[int, int]) -> Plan | Found:
    for there in at.moves():
        if _decision(there, {}) == _decision(move, numbers):
            return Found(f"move {there.number}")
    name, state = HeadName.parse(move.head), at.state
    by, reason, timestamp = move.by, move.reason, move.timestamp
    wanted = numbers.get(move.after or 0, move.after)
    target = at.calibration(name, wanted) if wanted is not None else None
    if move.action == "unpin":
        return plan_unpin(state, name, by=by, reason=reason, timestamp=timestamp)
    if move.action == "withdraw" and move.version is not None:
        version = numbers.get(move.version, move.version)
        at.calibration(name, version)  # one that is not there is an error of its own
        reference = state.references.get(name)
        needs = reference is not None and reference.version == version
        fallback = target if needs and wanted != version else None
        return plan_withdraw(
            state, name, version, fallback=fallback, by=by, reason=reason, timestamp=timestamp
        )
    if target is None:
        raise InputError(f"move {move.number} names no version", code="document")
    if move.action == "pin":
        until = move.until
        return plan_pin(state, target, by=by, reason=reason, timestamp=timestamp, until=until)
    if move.action == "rollback":
        return plan_rollback(state, target, by=by, reason=reason, timestamp=timestamp)
    return plan_promote(state, target, by=by, reason=reason, timestamp=timestamp)


def _decision(move: Move, numbers: Mapping[int, int]) -> tuple[object, ...]:
    """What stays of a move when it is made anew: all but its number and where it came from."""
    after = numbers.get(move.after or 0, move.after)
    version = numbers.get(move.version or 0, move.version)
    return (move.timestamp, move.action, move.head, after, move.by, move.reason, version)
