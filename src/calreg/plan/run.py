"""What a run writes: a version of every head, and the references that move because of it.

The verdict is `drift`'s, the rule that turns it into a move is the registry's own
(`promote_on`), and a pin stands above both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calreg.decisions import DecisionShift, shift_limits
from calreg.documents import (
    METRICS,
    Calibration,
    DecisionRow,
    FactorRow,
    HeadRow,
    HeadSettings,
    Json,
    LabelCalibration,
    LabelRow,
    ModelRun,
    Pin,
    RegistrySettings,
    Run,
    RunInputs,
    canonical_bytes,
    checked_bytes,
    digest_of,
)
from calreg.documents.run import ReferenceUpdate
from calreg.drift import FACTOR_SHIFT, FactorShift, HeadDrift, Pair, drifts, factor_limit
from calreg.errors import InputError
from calreg.names import HeadName, model_run_path, run_path
from calreg.plan.message import one_line, run_message
from calreg.plan.state import Reference, RegistryState

__all__ = ["Computed", "RunPlan", "plan_run", "run_id", "run_options", "same_inputs"]

_MAX_REASON = 1000


@dataclass(frozen=True, slots=True)
class Computed:
    """What a run brings: calibrated heads, and the heads that had to be left out.

    Args:
        heads: The new labels of every head.
        display_names: What a head is called where it came from, if that is another name.
        excluded: A head's full name to the reason; such a head keeps its reference.
        inputs: What it was computed of.
        options: What was asked for beyond the registry's rules (objectives, methods), as
            JSON. Another run of the same inputs with other options is another run.
    """

    heads: Mapping[HeadName, Mapping[str, LabelCalibration]]
    display_names: Mapping[HeadName, str]
    excluded: Mapping[str, str]
    inputs: RunInputs
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run as it would be committed; `files` has paths relative to the registry's root."""

    run: Run
    model_runs: Mapping[str, ModelRun]
    calibrations: Mapping[HeadName, Calibration]
    files: Mapping[str, bytes]
    message: str

    @property
    def timestamp(self) -> str:
        """When the run was made."""
        return self.run.timestamp

    @property
    def heads(self) -> Collection[HeadName]:
        """The heads it gives a version to, and whose references it compares with."""
        return self.calibrations.keys()


@dataclass(frozen=True, slots=True)
class _Version:
    """A new version with its bytes, and what it is compared with."""

    calibration: Calibration
    raw: bytes
    reference: Reference | None
    settings: HeadSettings
    unfit: str | None


def run_options(settings: RegistrySettings, tune: Mapping[str, Any] | None = None) -> Json:
    """Every setting that changes a result, as it is recorded with a run.

    Args:
        settings: The registry's rules.
        tune: What was asked for beyond them; nothing is recorded of an empty one.
    """
    # A list: which of two patterns comes later decides, and a pattern may stand twice.
    patterns = [{"pattern": pattern, "rules": dict(rules)} for pattern, rules in settings.heads]
    asked = {"tune": dict(tune)} if tune else {}
    return {**settings.defaults.to_json(), "heads": patterns, **asked}


def same_inputs(runs: Iterable[Run], digest: str, options: Mapping[str, object]) -> Run | None:
    """The latest of `runs` that was made of the same scores by the same options, if any."""
    wanted = canonical_bytes(options)
    found = [
        run
        for run in runs
        if run.inputs.digest == digest and canonical_bytes(run.options) == wanted
    ]
    return max(found, key=lambda run: run.version, default=None)


def run_id(digest: str, options: Mapping[str, object]) -> str:
    """What stays of a run when it is made again on another commit: its input and options."""
    return hashlib.sha256(digest.encode() + b"\n" + canonical_bytes(options)).hexdigest()[:32]


def plan_run(state: RegistryState, computed: Computed, *, timestamp: str, tool: str) -> RunPlan:
    """The run that follows `state`: one version per head, references moved by the rules.

    Args:
        state: The registry as it is.
        computed: The new calibrations.
        timestamp: When, as it stands in documents.
        tool: Name and version of the program.

    Raises:
        InputError: No head is left, or a document would be refused by its readers.
    """
    if not computed.heads:
        raise _no_head_left(computed.excluded)
    version = state.highest_run + 1
    versions = _versions(state, computed, version)
    rows = _rows(state, versions, timestamp)
    files = {item.calibration.name.version_path(version): item.raw for item in versions}
    for item, (name, row) in zip(versions, rows, strict=True):
        if row.reference_update == "updated":
            files[name.reference_path] = item.raw
    model_runs = _model_runs(rows, version, timestamp)
    digests = {}
    for model, part in model_runs.items():
        path = model_run_path(model, version)
        files[path] = checked_bytes("model-run", part, where=path)
        digests[model] = digest_of(files[path])
    run = Run(
        version=version,
        timestamp=timestamp,
        tool=tool,
        registry=state.settings.name,
        inputs=computed.inputs,
        options=run_options(state.settings, computed.options),
        excluded={
            head: one_line(why, limit=_MAX_REASON) for head, why in computed.excluded.items()
        },
        models=digests,
        summary=_summary([row for _, row in rows]),
    )
    files[run_path(version)] = checked_bytes("run", run, where=run_path(version))
    return RunPlan(
        run=run,
        model_runs=model_runs,
        calibrations={item.calibration.name: item.calibration for item in versions},
        files=files,
        message=run_message(run, rows, run_id=run_id(run.inputs.digest, run.options)),
    )


def _no_head_left(excluded: Mapping[str, str]) -> InputError:
    shown = [f"{head}: {one_line(why)}" for head, why in sorted(excluded.items())[:3]]
    more = f"; and {len(excluded) - 3} more" if len(excluded) > 3 else ""
    return InputError(
        f"no head is left to calibrate: {'; '.join(shown)}{more}"
        if shown
        else "no head is left to calibrate: the input names none",
        hint="Heads are left out when a label is empty, constant or has too few scores.",
        code="no-head-left",
    )


def _versions(state: RegistryState, computed: Computed, version: int) -> list[_Version]:
    made = []
    for name in sorted(computed.heads):
        labels = dict(sorted(computed.heads[name].items()))
        calibration = Calibration(name, version, labels, computed.display_names.get(name))
        raw = checked_bytes("calibration", calibration, where=name.version_path(version))
        made.append(
            _Version(
                calibration,
                raw,
                state.references.get(name),
                state.settings.for_head(name),
                _unfit(state, name, computed.inputs.digest),
            )
        )
    return made


def _unfit(state: RegistryState, name: HeadName, digest: str) -> str | None:
    """Why a version of this input may not become the reference by itself, if it may not.

    Whoever withdrew a version did not want its numbers back under a new one.
    """
    version = state.made_of_withdrawn(name, digest)
    found = None if version is None else state.withdrawal_of(name, version)
    if found is None:
        return None
    return f"made of the same scores as v{version}, {found.text}"


def _rows(
    state: RegistryState, versions: Sequence[_Version], now: str
) -> list[tuple[HeadName, HeadRow]]:
    pairs = [
        Pair(
            new=item.calibration.labels,
            reference=item.reference.calibration.labels if item.reference else None,
            thresholds=item.settings.thresholds,
            assume=item.settings.assume,
        )
        for item in versions
    ]
    return [
        (
            item.calibration.name,
            _row(item, drift, pin=state.binding_pin(item.calibration.name, now)),
        )
        for item, drift in zip(versions, drifts(pairs), strict=True)
    ]


def _row(item: _Version, drift: HeadDrift, *, pin: Pin | None) -> HeadRow:
    update, reason = _decide(item, drift, pin)
    new, reference = item.calibration, item.reference
    before = reference.version if reference else None
    p5, p95 = new.labels[drift.label].bounds
    limits = item.settings.thresholds
    return HeadRow(
        digest=digest_of(item.raw),
        display_name=new.display_name,
        file_count=new.samples,
        label=drift.label,
        p5=p5,
        p95=p95,
        range=None if p5 is None or p95 is None else p95 - p5,
        reference_version=before,
        reference_digest=reference.digest if reference else None,
        reference_after=new.version if update == "updated" else before,
        reference_update=update,
        reason=reason and one_line(reason, limit=_MAX_REASON),
        is_stable=drift.is_stable,
        verdict=drift.verdict,
        evidence=drift.evidence,
        failed_metrics=drift.failed_metrics,
        metrics=drift.metrics,
        noise=drift.noise,
        noise_assumption=drift.assumption,
        items_needed=drift.items_needed,
        thresholds={name: limits[name] for name in METRICS},
        labels=_label_rows(new, drift, limits),
        decision=_decision_row(drift.decision, limits),
        factor=_factor_row(drift.factor, limits),
    )


def _label_rows(
    new: Calibration, drift: HeadDrift, limits: Mapping[str, float]
) -> dict[str, LabelRow]:
    return {
        label: LabelRow(
            *numbers.bounds,
            samples=numbers.distribution.samples,
            metrics=drift.labels[label].metrics,
            noise=drift.labels[label].noise,
            failed_metrics=drift.labels[label].failed_metrics,
            decision=_decision_row(drift.labels[label].decision, limits),
            factor=_factor_row(drift.labels[label].factor, limits),
        )
        for label, numbers in new.labels.items()
    }


def _decision_row(shift: DecisionShift | None, limits: Mapping[str, float]) -> DecisionRow | None:
    if shift is None:
        return None
    return DecisionRow(
        threshold_shift=shift.threshold_shift,
        probability_shift=shift.probability_shift,
        f1_change=shift.f1_change,
        fpr_change=shift.fpr_change,
        recall_change=shift.recall_change,
        changes=shift.changes,
        limits=shift_limits(limits),
    )


def _factor_row(shift: FactorShift | None, limits: Mapping[str, float]) -> FactorRow | None:
    if shift is None:
        return None
    return FactorRow(
        shift.before, shift.after, shift.factor_shift, {FACTOR_SHIFT: factor_limit(limits)}
    )


def _decide(
    item: _Version, drift: HeadDrift, pin: Pin | None
) -> tuple[ReferenceUpdate, str | None]:
    """What becomes of a head's reference, and why, where that is not the verdict itself."""
    if item.reference is None:
        return ("updated", "first reference") if item.unfit is None else ("held", item.unfit)
    if drift.is_stable:
        return "unchanged", None
    if pin is not None:
        return "held", _pinned_reason(pin)
    if item.unfit is not None:
        return "held", item.unfit
    if item.settings.promote_on == "unstable" or drift.verdict == "unstable":
        return "updated", None
    return "held", _undecided_reason(drift)


def _pinned_reason(pin: Pin) -> str:
    until = f"until {pin.until}" if pin.until else "until it is lifted"
    return f"pinned to v{pin.pinned_to} by {pin.by} {until}: {pin.why}"


def _undecided_reason(drift: HeadDrift) -> str:
    failed = ", ".join(drift.failed_metrics)
    if drift.evidence != "noise":
        return f"could not be told: {failed} cannot be computed from what the documents hold"
    if drift.items_needed is None:
        return f"within sampling noise: {failed}; more items are needed"
    if drift.reference_too_small:
        return (
            f"within sampling noise: {failed}; the reference has too few items, "
            f"about {drift.items_needed:,} on both sides would tell"
        )
    return f"within sampling noise: {failed}; about {drift.items_needed:,} items would tell"


def _model_runs(
    rows: Sequence[tuple[HeadName, HeadRow]], version: int, timestamp: str
) -> dict[str, ModelRun]:
    by_model: dict[str, dict[str, HeadRow]] = {}
    for name, row in rows:
        by_model.setdefault(name.model, {})[name.head] = row
    return {
        model: ModelRun(model, version, timestamp, heads)
        for model, heads in sorted(by_model.items())
    }


def _summary(rows: Sequence[HeadRow]) -> dict[str, int]:
    stable = sum(row.is_stable for row in rows)
    return {
        "total_heads": len(rows),
        "stable_heads": stable,
        "unstable_heads": len(rows) - stable,
        "undecided_heads": sum(row.verdict == "undecided" for row in rows),
        "references_moved": sum(row.reference_update == "updated" for row in rows),
        "references_held": sum(row.reference_update == "held" for row in rows),
        "versions_written": len(rows),
    }
