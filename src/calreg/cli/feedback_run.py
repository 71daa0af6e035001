"""What `calreg feedback run` does once it is known what was asked: read, compute, keep, tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from calreg import __version__
from calreg.cli.feedback_alerts import UNTOLD, Judged, Watch, judge
from calreg.cli.feedback_factors import factors_in, who
from calreg.cli.feedback_folder import FeedbackFolder, stamp_of
from calreg.cli.feedback_history import run_line
from calreg.cli.terminal import note, print_json, progress_bar, say, signs, width
from calreg.documents import Suggestions, checked_bytes, timestamp_text
from calreg.errors import InputError
from calreg.feedback.figures import feedback_figures, feedback_figures_by_group
from calreg.feedback.suggest import suggest_factors
from calreg.feedback.values import Joined, Unsold
from calreg.files import check_folder
from calreg.report.feedback import alert_lines, feedback_lines
from calreg.scores.feedback import read_feedback
from calreg.scores.feedback_columns import FeedbackTable

__all__ = ["Asked", "run_feedback"]

_MAX_REJECTS = 10_000  # as schemas/suggestions.schema.json says, like the next
_MAX_WARNING = 1000
_KEPT_OF_GROUPS = ("n", "mae", "rmse", "bias", "mape", "median_ratio", "mean_outcome")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, understood."""

    predictions: FeedbackTable
    outcomes: FeedbackTable
    folder: FeedbackFolder
    currency: str | None
    duplicates: Literal["last", "first", "error"]
    time_column: str | None
    unsold: Unsold
    max_reject_rate: float
    horizon: float | None
    shrink: float
    min_pairs: int
    current: Path | None
    watch: Watch
    dry_run: bool
    plots: tuple[Path, ...]
    by: str | None
    moment: datetime
    as_json: bool

    def to_json(self) -> dict[str, Any]:
        """The options that change a figure, as they are recorded."""
        return {
            "currency": self.currency,
            "duplicates": self.duplicates,
            "time_column": self.time_column,
            "unsold_prices": self.unsold,
            "horizon": self.horizon,
            "shrink": self.shrink,
            "min_pairs": self.min_pairs,
        }


@dataclass(frozen=True, slots=True)
class _Found:
    document: Suggestions
    line: Mapping[str, Any]
    judged: Judged


def run_feedback(asked: Asked) -> int:
    """Join both sides, say how far off the predictions were, keep it; the exit code."""
    _check_plots(asked)
    current = _current(asked)
    history = asked.folder.history()
    joined = _joined(asked)
    if asked.dry_run:
        found = _found(asked, joined, current, stamp_of(asked.moment, joined.digest))
        _write_plots(asked, found)
        return _tell(asked, found, joined, None, history.notes)
    with asked.folder.locked():
        name = asked.folder.new_id(asked.moment, joined.digest)
        found = _found(asked, joined, current, name)
        # Pictures first: what can fail comes before what is kept.
        _write_plots(asked, found)
        file = asked.folder.write_suggestions(found.document)
        asked.folder.record(found.line)
    return _tell(asked, found, joined, file, history.notes)


def _check_plots(asked: Asked) -> None:
    if not asked.plots:
        return
    from calreg.cli.feedback_plots import check_plots

    check_plots(asked.plots)
    for path in asked.plots:
        check_folder(path.parent)


def _write_plots(asked: Asked, found: _Found) -> None:
    if not asked.plots:
        return
    from calreg.cli.feedback_plots import write_feedback_plots

    write_feedback_plots(
        asked.plots, found.document.to_json(), [*asked.folder.history().lines, found.line]
    )


def _current(asked: Asked) -> dict[str, float] | None:
    """The factors in force, where anybody says: the option, else the feedback folder."""
    if asked.current is not None:
        return factors_in(asked.current)
    overrides = asked.folder.overrides()
    return dict(overrides.factors) if overrides is not None else None


def _joined(asked: Asked) -> Joined:
    with progress_bar("Joining") as progress:
        return read_feedback(
            asked.predictions,
            asked.outcomes,
            duplicates=asked.duplicates,
            time_column=asked.time_column,
            currency=asked.currency,
            max_reject_rate=asked.max_reject_rate,
            progress=progress,
        )


def _found(asked: Asked, joined: Joined, current: Mapping[str, float] | None, name: str) -> _Found:
    document = _document(asked, joined, current, name)
    line = _line_of(asked, document, current)
    judged = judge(asked.watch, line, asked.folder.history().runs())
    if judged.exit_code == UNTOLD:
        untold = judged.untold[0]
        raise InputError(
            f"--alert {untold.rule}: {untold.reason}",
            hint="Leave the rule out, or bring the column that it needs.",
            code="alert",
        )
    line = {**line, "alerts": [alert.to_json() for alert in judged.alerts]}
    # A group whose name could not be written is found before anything is.
    checked_bytes("suggestions", document, where="the suggestions")
    return _Found(document, line, judged)


def _document(
    asked: Asked, joined: Joined, current: Mapping[str, float] | None, name: str
) -> Suggestions:
    figures = feedback_figures(joined, unsold=asked.unsold, default_horizon=asked.horizon)
    by_group = feedback_figures_by_group(joined, unsold=asked.unsold, default_horizon=asked.horizon)
    suggestions = suggest_factors(
        joined,
        current=current,
        unsold=asked.unsold,
        min_pairs=asked.min_pairs,
        shrink=asked.shrink,
    )
    keys = joined.counts.to_json()
    said = (*joined.notes, *suggestions.notes)
    return Suggestions(
        id=name,
        timestamp=timestamp_text(asked.moment),
        tool=f"calreg {__version__}",
        data=_data(joined, keys),
        **figures.to_json(),
        groups={group: found.group_json() for group, found in by_group.items()},
        suggestions=suggestions.to_json(),
        options={**asked.to_json(), "current": None if current is None else dict(current)},
        joined=joined.counts.matched,
        keys=keys,
        rejects=[reject.to_json() for reject in joined.rejects[:_MAX_REJECTS]],
        warnings=tuple(text[:_MAX_WARNING] for text in said),
    )


def _data(joined: Joined, keys: Mapping[str, int]) -> dict[str, Any]:
    return {
        "digest": joined.digest,
        "files": list(joined.files),
        "keys": keys,
        "rejects": dict(joined.reject_counts),
        "rows": list(joined.rows),
        "columns": [dict(columns) for columns in joined.columns],
        "notes": [text[:_MAX_WARNING] for text in joined.notes],
    }


def _line_of(
    asked: Asked, document: Suggestions, current: Mapping[str, float] | None
) -> dict[str, Any]:
    """The run's line of the history: its figures without intervals and bins."""
    return run_line(
        document,
        by=who(asked.by),
        before=None if current is None else dict(current),
        price=_figures(document.price),
        probability=_figures(document.probability),
        holding=_figures(document.holding),
        groups={group: _group_line(found) for group, found in document.groups.items()},
    )


def _group_line(found: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: found[name] for name in _KEPT_OF_GROUPS}
    said, held = _figures(found["probability"]), _figures(found["holding"])
    more = {name: value for name, value in {**said, **held}.items() if name != "n"}
    return {**more, **kept}


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in found.items()
        if name != "bins" and not name.endswith("_interval")
    }


def _tell(
    asked: Asked, found: _Found, joined: Joined, file: Path | None, notes: tuple[str, ...]
) -> int:
    note(f"Note: {text}" for text in notes)
    written = [str(path) for path in (*([file] if file is not None else []), *asked.plots)]
    if asked.as_json:
        alerts = {"alerts": found.line["alerts"], "files": written}
        print_json({**found.document.to_json(), **alerts})
        return found.judged.exit_code
    say(feedback_lines(found.document, joined.rejects, width=width(), signs=signs()))
    say(alert_lines(found.judged.alerts, found.judged.waiting, signs=signs()))
    say(["", *(f"Wrote {path}" for path in written)])
    say([f"Next: {_next(asked, found, is_kept=file is not None)}"])
    return found.judged.exit_code


def _next(asked: Asked, found: _Found, *, is_kept: bool) -> str:
    if not is_kept:
        return "the same without --dry-run, to keep it"
    statuses = {one["status"] for one in found.document.suggestions.values()}
    folder = "" if str(asked.folder.path) == "feedback" else f" --folder {asked.folder.path}"
    if "ok" in statuses:
        return f"calreg feedback apply --dry-run{folder}, to see which factors it would change"
    return f"calreg feedback history{folder}; no group's pairs call for another factor"
