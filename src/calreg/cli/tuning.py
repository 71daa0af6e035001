"""What `calreg tune` does once it is known what was asked: read, tune, tell, publish."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calreg.cli.group import Session
from calreg.cli.opening import config_of, open_registry
from calreg.cli.run_report import Reading, tell
from calreg.cli.terminal import print_json, progress_bar, say, signs, width
from calreg.cli.tuning_extras import extras_of
from calreg.computing import Mode, grid_of, publish_run
from calreg.config import require_development
from calreg.documents import Calibration, RunInputs, canonical_bytes, checked_bytes
from calreg.errors import InputError
from calreg.files import check_folder, new_file
from calreg.labelled import LabelledScores
from calreg.names import HeadName
from calreg.plan import Computed
from calreg.report.numbers import plural
from calreg.report.run_json import run_json
from calreg.report.tune import tune_lines
from calreg.scores import REASONS, ScoreTable, read_labelled
from calreg.tuning import Request, Tuned, tune

if TYPE_CHECKING:
    from calreg.computing import Outcome
    from calreg.plan import RegistryState
    from calreg.registry import Registry
    from calreg.tuning.tune import Grids

__all__ = ["Asked", "read_set", "run_tune"]

_KNOWN_KEYS = ("text_key",)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, understood."""

    head: HeadName
    request: Request
    labelled: tuple[str, ...]
    holdout: tuple[str, ...]
    train: tuple[str, ...]
    labels: tuple[str, ...]
    where: Mapping[str, str]
    group: str | None
    keys: tuple[str, ...]
    columns: Mapping[str, str]
    max_reject_rate: float
    grid: tuple[str, str] | None
    quadrants: tuple[str, str] | None
    examples: int
    shown: tuple[str, ...]
    folder: Path | None
    plots: tuple[Path, ...]
    commit: bool
    dry_run: bool
    push: bool
    moment: datetime
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Sets:
    calibration: LabelledScores
    holdout: LabelledScores | None
    train: LabelledScores | None

    def named(self) -> dict[str, LabelledScores | None]:
        """The sets by their names."""
        return {
            "calibration": self.calibration,
            "holdout": self.holdout,
            "train": self.train,
        }

    def to_json(self) -> dict[str, Any]:
        """What was read, for a program."""
        return {name: _set_json(found) if found else None for name, found in self.named().items()}


def _set_json(scores: LabelledScores) -> dict[str, Any]:
    return {
        "files": list(scores.files),
        "rows": scores.rows,
        "rejected": dict(scores.rejected),
        "first_rejects": list(scores.first_rejects),
    }


def run_tune(session: Session, asked: Asked) -> None:
    """Read the sets, tune the head, publish if asked to, and say what came of it."""
    if asked.plots:
        from calreg.cli.plots import check_plots

        check_plots(asked.plots)
    registry = _registry(session, asked) if asked.commit or asked.dry_run else None
    state = registry.state() if registry is not None else None
    if state is not None:
        _refuse_factors(asked.head, state)
    sets = _Sets(
        read_set(asked, asked.labelled, "calibration"),
        read_set(asked, asked.holdout, "holdout") if asked.holdout else None,
        read_set(asked, asked.train, "training") if asked.train else None,
    )
    tuned = tune(
        sets.calibration,
        sets.holdout,
        asked.request,
        train=sets.train,
        grids=_grids(asked.head, state),
        groups=(asked.group,) if asked.group is not None else (),
    )
    extra = extras_of(asked, sets.calibration, sets.holdout, tuned)
    for folder in _folders(asked):  # before the registry is changed
        check_folder(folder)
    outcome = _publish(registry, asked, sets, tuned) if registry is not None else None
    document = {
        "head": asked.head.full,
        **tuned.to_json(),
        "sets": sets.to_json(),
        **extra.to_json(),
        **(_outcome_json(outcome) if outcome is not None else {}),
    }
    written = [*_result_file(asked, sets, tuned, document), *_plots(asked, sets, tuned)]
    if asked.as_json:
        print_json({**document, "files": [str(path) for path in written]})
        return
    say(_reject_lines(sets))
    say(tune_lines(asked.head.full, tuned, width=width(), signs=signs()))
    say(extra.lines(signs()))
    if outcome is not None:
        say([""])
        tell(outcome, Reading(sets.calibration.first_rejects, REASONS), as_json=False)
    say([f"Wrote {path}" for path in written])
    if outcome is None:
        say(["", f"Next: {_next(asked, sets, tuned, written)}"])


def _folders(asked: Asked) -> list[Path]:
    return [*([asked.folder] if asked.folder is not None else []), *{p.parent for p in asked.plots}]


def _reject_lines(sets: _Sets) -> list[str]:
    """What was left out of each set, and where the first of it stands."""
    lines = []
    for name, scores in sets.named().items():
        if scores is None or not scores.rejected:
            continue
        counts = ", ".join(f"{n:,} {REASONS[reason]}" for reason, n in scores.rejected.items())
        first = f": {scores.first_rejects[0]}" if scores.first_rejects else ""
        rejected = sum(scores.rejected.values())
        lines.append(f"! {plural(rejected, 'score')} of {name} rejected ({counts}){first}")
    return [*lines, ""] if lines else []


def _registry(session: Session, asked: Asked) -> Registry:
    config = config_of(session)
    registry = open_registry(session, config)
    if asked.commit:
        require_development(config, command="tune --commit")
        registry.check_ready(push=asked.push)
    return registry


def read_set(asked: Asked, paths: tuple[str, ...], what: str) -> LabelledScores:
    """One set of labelled scores, with the columns that tell whether rows are shared."""
    table = ScoreTable(paths=paths, columns=asked.columns, head=asked.head)
    keys = [*asked.keys, *([asked.group] if asked.group else []), *asked.shown]
    with progress_bar(f"Reading {what}") as progress:
        return read_labelled(
            table,
            keys=tuple(dict.fromkeys(keys)),
            optional_keys=_KNOWN_KEYS,
            where=asked.where,
            labels=asked.labels or None,
            max_reject_rate=asked.max_reject_rate,
            progress=progress,
        )


def _grids(head: HeadName, state: RegistryState | None) -> Grids:
    if state is None:
        return lambda _label: None
    grid = grid_of(state)
    return lambda label: grid(head, label)


def _publish(registry: Registry, asked: Asked, sets: _Sets, tuned: Tuned) -> Outcome:
    return publish_run(
        registry,
        lambda state: _computed(asked, sets, tuned, state),
        moment=asked.moment,
        mode=Mode(push=asked.push, dry_run=asked.dry_run),
    )


def _computed(asked: Asked, sets: _Sets, tuned: Tuned, state: RegistryState) -> Computed:
    """The tuned head as a run's computation.

    Raises:
        InputError: A label has fewer scores than the registry wants, or the head's
            reference holds factors.
    """
    _refuse_factors(asked.head, state)
    least = state.settings.for_head(asked.head).min_samples
    for label, found in tuned.calibrations().items():
        samples = found.distribution.samples or 0
        if samples < least:
            raise InputError(
                f"label {label!r} has {samples:,} scores, at least {least:,} are needed",
                where=asked.head.full,
                hint="Bring more items, or lower min_samples of this head in registry.yaml.",
                code="min-samples",
            )
    return Computed(
        heads={asked.head: tuned.calibrations()},
        display_names={},
        excluded={},
        inputs=_inputs(sets),
        options={asked.head.full: tuned.request.to_json()},
    )


def _refuse_factors(name: HeadName, state: RegistryState) -> None:
    reference = state.references.get(name)
    labels = reference.calibration.labels.values() if reference is not None else ()
    if any(label.method == "factor" for label in labels):
        raise InputError(
            "its reference holds factors; calreg feedback apply makes new ones",
            where=name.full,
            hint="Tune under another name: --head MODEL/HEAD.",
            code="factors",
        )


def _inputs(sets: _Sets) -> RunInputs:
    calibration, holdout = sets.calibration, sets.holdout
    accepted = sum(column.scores.size for column in calibration.labels.values())
    rejected = sum(calibration.rejected.values())
    parts = [calibration.content_digest(), holdout.content_digest() if holdout else ""]
    return RunInputs(
        digest=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
        kind="labelled",
        rows=accepted + rejected,
        accepted=accepted,
        rejected=dict(calibration.rejected),
        files=tuple(sorted({*calibration.files, *(holdout.files if holdout else ())})),
    )


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "version": outcome.run.version,
        "commit": outcome.commit,
        "run": run_json(
            outcome.run,
            outcome.models,
            commit=outcome.commit,
            status=outcome.status,
            pushed=outcome.pushed,
        ),
    }


def _result_file(
    asked: Asked, sets: _Sets, tuned: Tuned, document: Mapping[str, Any]
) -> list[Path]:
    """The result in a file of its own, for people without a registry.

    `calreg apply --calibration` reads it: the calibration stands in it whole.
    """
    if asked.folder is None:
        return []
    version = document.get("version", 1)
    calibration = Calibration(asked.head, version, tuned.calibrations())
    checked_bytes("calibration", calibration, where=asked.head.full)
    raw = canonical_bytes({**document, "document": calibration.to_json()})
    stamp = asked.moment.strftime("%Y%m%d_%H%M%S")
    stem = f"{asked.head.full.replace('/', '-')}_{stamp}_n{sets.calibration.rows}"
    return [new_file(asked.folder, stem, ".json", raw)]


def _plots(asked: Asked, sets: _Sets, tuned: Tuned) -> list[Path]:
    if not asked.plots:
        return []
    from calreg.cli.plots import write_tune_plots

    return write_tune_plots(asked.plots, asked.head.full, tuned, sets.calibration, sets.holdout)


def _next(asked: Asked, sets: _Sets, tuned: Tuned, written: Sequence[Path]) -> str:
    if asked.folder is not None:
        head = asked.head.full
        return f"calreg apply SCORES --head {head} --calibration {written[0]} --out OUT.csv"
    if sets.holdout is None:
        return "the same with --holdout FILE, to see how it does on items it was not chosen on"
    if any(caution.code == "tuned_on_holdout" for caution in tuned.cautions):
        return "the same with a holdout that was kept apart"
    return "the same with --commit, to publish it as a version of the head"
