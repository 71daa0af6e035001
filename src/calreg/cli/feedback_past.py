"""`calreg feedback history` and `revert`: what happened to the factors, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from calreg.cli.feedback_alerts import Judged, Watch, judge
from calreg.cli.feedback_changes import changed, check_plain, write_plain
from calreg.cli.feedback_factors import who
from calreg.cli.feedback_folder import FeedbackFolder, History
from calreg.cli.terminal import note, print_json, say, signs, width
from calreg.documents import Application, Overrides, load_suggestions, timestamp_text
from calreg.errors import InputError
from calreg.feedback.bounds import Action, FactorDecision, factors_after
from calreg.files import check_folder, read_file
from calreg.names import nearest
from calreg.report.feedback import alert_lines
from calreg.report.feedback_factors import factor_lines
from calreg.report.feedback_history import history_lines

__all__ = ["Wanted", "revert_factors", "tell_history"]


def tell_history(
    folder: FeedbackFolder, watch: Watch, *, plots: tuple[Path, ...], as_json: bool
) -> int:
    """Show what happened and judge the newest run; the exit code."""
    history = folder.history()
    judged = _judged(history, watch)
    _draw(folder, history, plots)
    if as_json:
        print_json(
            {
                "count": len(history.lines),
                "events": list(reversed(history.lines)),
                "alerts": [alert.to_json() for alert in judged.alerts],
                "files": [str(path) for path in plots],
                "waiting": [rule.text for rule in judged.waiting],
                "warnings": list(history.notes),
            }
        )
        return judged.exit_code
    note(f"Note: {text}" for text in history.notes)
    if not history.lines:
        say(["Nothing happened yet.", "Next: calreg feedback run PREDICTIONS OUTCOMES"])
        return judged.exit_code
    say(history_lines(history.lines, width=width(), signs=signs()))
    say(alert_lines(judged.alerts, judged.waiting, signs=signs()))
    say(f"Wrote {path}" for path in plots)
    return judged.exit_code


def _draw(folder: FeedbackFolder, history: History, plots: tuple[Path, ...]) -> None:
    """Draw the last run that is kept, and what happened until now."""
    if not plots:
        return
    from calreg.cli.feedback_plots import check_plots, write_feedback_plots

    check_plots(plots)
    for path in plots:
        check_folder(path.parent)
    file = folder.newest_suggestions()
    document = load_suggestions(read_file(file), where=str(file)).to_json()
    write_feedback_plots(plots, document, history.lines)


def _judged(history: History, watch: Watch) -> Judged:
    """What the rules say of the newest run.

    Raises:
        InputError: There are rules, and no run.
    """
    runs = history.runs()
    if not watch.rules:
        return Judged(())
    if not runs:
        raise InputError(
            "there is no run that --alert could judge",
            hint="calreg feedback run PREDICTIONS OUTCOMES makes one.",
            code="alert",
        )
    return judge(watch, runs[-1], runs[:-1])


@dataclass(frozen=True, slots=True)
class Wanted:
    """A revert as it was typed; `name` is the application's, None for the last one."""

    folder: FeedbackFolder
    name: str | None
    out: Path | None
    why: str
    dry_run: bool
    by: str | None
    moment: datetime
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Return:
    overrides: Overrides
    target: Application
    decisions: tuple[FactorDecision, ...]


def revert_factors(wanted: Wanted) -> None:
    """Put the factors back that were in force before an application, and say so."""
    plan = _return(wanted)
    check_plain(wanted.out, wanted.folder)
    if wanted.dry_run:
        _tell(wanted, plan, None, ())
        return
    with wanted.folder.locked():
        plan = _return(wanted)
        name, files = _reverted(wanted, plan)
    _tell(wanted, plan, name, files)


def _return(wanted: Wanted) -> _Return:
    overrides = wanted.folder.overrides()
    where = str(wanted.folder.overrides_file)
    if overrides is None:
        raise InputError(
            "is not there: nothing was applied yet, so nothing can be reverted",
            where=where,
            code="nothing-applied",
        )
    target = _application(overrides, wanted.name, where)
    before = dict(overrides.factors)
    if dict(target.before) == before:
        raise InputError(
            f"the factors are those from before {target.id} already",
            where=where,
            hint="Name an earlier application: calreg feedback history lists them.",
            code="nothing-to-revert",
        )
    return _Return(overrides, target, _decisions(before, target.before))


def _application(overrides: Overrides, name: str | None, where: str) -> Application:
    found = [entry for entry in overrides.history if entry.action == "apply"]
    if name is None and found:
        return found[-1]
    for entry in found:
        if entry.id == name:
            return entry
    raise InputError(
        f"has no application {name!r}" if name is not None else "has no application",
        where=where,
        hint=nearest(name or "", [entry.id for entry in found]),
        code="no-such-application",
    )


def _decisions(
    before: Mapping[str, float], after: Mapping[str, float]
) -> tuple[FactorDecision, ...]:
    return tuple(
        _decision(group, before.get(group), after.get(group))
        for group in sorted(before.keys() | after.keys())
    )


def _decision(group: str, before: float | None, after: float | None) -> FactorDecision:
    if before == after:
        return FactorDecision(group, before, None, after, "held", "as it was then")
    if before is None:
        return FactorDecision(group, None, None, after, "new", "had a factor then")
    if after is None:
        return FactorDecision(group, before, None, None, "cut", "had no factor then")
    action: Action = "raised" if after > before else "cut"
    return FactorDecision(group, before, None, after, action, "as it was then")


def _reverted(wanted: Wanted, plan: _Return) -> tuple[str, tuple[Path, ...]]:
    folder, overrides = wanted.folder, plan.overrides
    entry = Application(
        id=folder.new_id(wanted.moment, plan.target.data_digest or ""),
        timestamp=timestamp_text(wanted.moment),
        by=who(wanted.by),
        action="revert",
        data_digest=None,
        before=dict(overrides.factors),
        after=factors_after(plan.decisions),
        why=wanted.why or f"back to before {plan.target.id}",
    )
    document = changed(overrides, entry, overrides.bounds)
    folder.checked(document)
    # Last what says that it was done: after a crash before it, the same command does it all.
    plain = write_plain(wanted.out, overrides.name, entry.after)
    return entry.id, (folder.write_overrides(document), *plain)


def _tell(wanted: Wanted, plan: _Return, name: str | None, files: tuple[Path, ...]) -> None:
    written = [str(path) for path in files]
    if wanted.as_json:
        print_json(_json(wanted, plan, name, written))
        return
    say(factor_lines(plan.decisions, None, width=width(), signs=signs()))
    say(["", *(f"Wrote {path}" for path in written)])
    if name is None:
        say(["Dry run: nothing written. Next: the same without --dry-run"])
    else:
        say([f"Reverted as {name}, to before {plan.target.id}."])


def _json(wanted: Wanted, plan: _Return, name: str | None, files: list[str]) -> dict[str, Any]:
    return {
        "id": name,
        "reverted": plan.target.id,
        "groups": {one.group: one.to_json() for one in plan.decisions},
        "before": dict(plan.overrides.factors),
        "after": factors_after(plan.decisions),
        "changed": sum(one.action != "held" for one in plan.decisions),
        "dry_run": wanted.dry_run,
        "files": files,
    }
