"""What `calreg feedback apply` does: suggestions to bounded factors, in a folder and a registry.

Everything is decided before anything is written. With a head, its reference is what is in
force: what the registry's rules hold back does not come into force here either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calreg import failpoints
from calreg.cli.feedback_changes import changed, check_plain, refuse_applied, write_plain
from calreg.cli.feedback_factors import check_current, factors_in, who
from calreg.cli.feedback_finish import finish, finished_decisions
from calreg.cli.feedback_folder import NAME, FeedbackFolder, OnItsWay
from calreg.cli.feedback_publish import Publication, Standing
from calreg.cli.group import Session
from calreg.cli.terminal import note, print_json, say, signs, width
from calreg.documents import (
    Application,
    Overrides,
    Suggestions,
    load_suggestions,
    timestamp_text,
)
from calreg.errors import CalregError
from calreg.feedback.bounds import (
    Bounds,
    FactorDecision,
    Suggested,
    bounded_factors,
    factors_after,
    read_suggested,
)
from calreg.files import read_file
from calreg.names import HeadName
from calreg.overrides import BOUNDS
from calreg.report.feedback_factors import factor_lines

if TYPE_CHECKING:
    from calreg.computing import Outcome

__all__ = ["Asked", "apply_suggestions"]

_FINISHED = (
    "it was committed before and cut off: now it is finished here (whether it was pushed, "
    "git status says)"
)
_OTHERS = ("already-applied", "stale-factors")  # somebody was faster
_NOBODY_SAID = (
    "nobody said which factors are in force, so 1 is taken: if the application has others, "
    "give them to feedback run --current FILE"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, understood; `bounds` has those that were given."""

    folder: FeedbackFolder
    suggestions: Path | None
    bounds: Mapping[str, float]
    current: Path | None
    allow_unknown: bool
    dry_run: bool
    out: Path | None
    head: HeadName | None
    push: bool
    why: str
    by: str | None
    moment: datetime
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """What would be done: from which factors, on which evidence, to which."""

    file: Path
    evidence: Suggestions
    wanted: Mapping[str, Suggested]
    overrides: Overrides | None
    start: Mapping[str, float]
    bounds: Bounds
    decisions: tuple[FactorDecision, ...]
    notes: tuple[str, ...]

    @property
    def after(self) -> dict[str, float]:
        """The factors that it leads to."""
        return factors_after(self.decisions)

    @property
    def changes(self) -> int:
        """How many groups get another factor."""
        return sum(one.action != "held" for one in self.decisions)


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a plan: the decisions that came into force, and where they are."""

    decisions: tuple[FactorDecision, ...]
    name: str | None
    files: tuple[Path, ...]
    outcome: Outcome | None
    notes: tuple[str, ...]


def apply_suggestions(session: Session, asked: Asked) -> None:
    """Move the factors in force, keep how they came about, and say what was done."""
    publication = None
    if asked.head is not None:
        publication = Publication.open(
            session, asked.head, push=asked.push, moment=asked.moment, dry_run=asked.dry_run
        )
    check_plain(asked.out, asked.folder)
    if not asked.dry_run and _is_finished(asked, publication):
        return
    plan = _plan(asked, publication)
    if asked.dry_run:
        outcome = _published(asked, plan, publication) if publication is not None else None
        _tell(asked, plan, _Done(plan.decisions, None, (), outcome, plan.notes))
        return
    with asked.folder.locked():
        plan = _plan(asked, publication)  # now that nobody else can change what it rests on
        done = _applied(asked, plan, publication)
    _tell(asked, plan, done)


def _is_finished(asked: Asked, publication: Publication | None) -> bool:
    """Finish an application that was cut off; whether it was this very one."""
    found = asked.folder.publishing()
    if found is None:
        return False
    if publication is None:
        note([f"Note: {found.text}"])
        return False
    with asked.folder.locked():
        entry = finish(asked.folder, publication)
    if entry is None:
        return False
    file, evidence = _evidence(asked)
    if evidence.data_digest != entry.data_digest:
        note([f"Note: {entry.id}, which was cut off after its commit, is finished"])
        return False
    decisions = finished_decisions(entry)
    plan = _Plan(
        file, evidence, {}, None, entry.before, Bounds(**found.change.bounds), decisions, ()
    )
    files = (asked.folder.overrides_file, *write_plain(asked.out, NAME, entry.after))
    _tell(asked, plan, _Done(decisions, entry.id, files, None, (_FINISHED,)))
    return True


def _evidence(asked: Asked) -> tuple[Path, Suggestions]:
    file = asked.suggestions or asked.folder.newest_suggestions()
    return file, load_suggestions(read_file(file), where=str(file))


def _plan(asked: Asked, publication: Publication | None) -> _Plan:
    file, evidence = _evidence(asked)
    wanted = read_suggested(evidence.suggestions, where=str(file))
    overrides = asked.folder.overrides()
    if publication is not None:
        publication.refuse_applied(evidence.data_digest)
    refuse_applied(overrides, evidence.data_digest, where=str(asked.folder.overrides_file))
    start, notes = _start(asked, evidence, overrides, publication)
    bounds = Bounds(**{**(overrides.bounds if overrides else {}), **asked.bounds})
    decisions = bounded_factors(start, wanted, bounds, allow_unknown=asked.allow_unknown)
    start = {one.group: one.before for one in decisions if one.before is not None}  # checked
    notes = (*notes, *_beyond(decisions))
    return _Plan(file, evidence, wanted, overrides, start, bounds, decisions, notes)


def _beyond(decisions: tuple[FactorDecision, ...]) -> tuple[str, ...]:
    """What to know where a factor goes further than applications take it by themselves."""
    lowest, highest = BOUNDS
    found = [
        one.group
        for one in decisions
        if one.action != "held" and one.after is not None and not lowest <= one.after <= highest
    ]
    if not found:
        return ()
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    refused = f"the factor of {found[0]!r}{more} is not between {lowest:g} and {highest:g}"
    return (f"{refused}: applications take it only with calreg.overrides.load(…, bounds=…)",)


def _start(
    asked: Asked,
    evidence: Suggestions,
    overrides: Overrides | None,
    publication: Publication | None,
) -> tuple[Mapping[str, float], tuple[str, ...]]:
    """The factors in force, and what to know about them.

    The head's reference counts, else the folder's document, else what is told, else the
    factors that the suggestions were made against.
    """
    in_force = publication.factors() if publication is not None else None
    notes: tuple[str, ...] = ()
    if in_force is not None and overrides is not None and in_force != overrides.factors:
        differs = f"{asked.folder.overrides_file} differs from {asked.head}, whose reference counts"
        notes = (f"{differs} (feedback run --current takes it)",)
    known = in_force or (overrides.factors if overrides is not None else None)
    given = factors_in(asked.current) if asked.current is not None else None
    if known is not None:
        if given is not None:
            check_current(given, known, where=str(asked.current))
        return known, notes
    told: Any = given if given is not None else (evidence.options or {}).get("current")
    return (told, notes) if isinstance(told, Mapping) else _assumed(evidence)


def _assumed(evidence: Suggestions) -> tuple[dict[str, float], tuple[str, ...]]:
    """The factors that the suggestions were made against: nobody said others."""
    start = {group: one["current_factor"] for group, one in evidence.suggestions.items()}
    columns: Any = evidence.data.get("columns") or ({}, {})
    if "factor" in columns[0]:
        return start, ()
    return start, (_NOBODY_SAID,)


def _applied(asked: Asked, plan: _Plan, publication: Publication | None) -> _Done:
    is_first = publication is not None and publication.factors() is None
    if not plan.changes and not is_first:
        files = write_plain(asked.out, _name(plan), plan.start)
        return _Done(plan.decisions, None, files, None, plan.notes)
    by = asked.by or (publication.who() if publication is not None else who(None))
    entry = _entry(asked, plan, plan.after, by)
    asked.folder.checked(_document(plan, entry))
    if publication is None:
        return _Done(plan.decisions, entry.id, _kept(asked, plan, entry), None, plan.notes)
    outcome = _sent(asked, plan, entry, publication)
    decisions, notes = publication.in_force(outcome)
    entry = replace(entry, after=factors_after(decisions))
    files = _kept(asked, plan, entry)
    asked.folder.settle()
    return _Done(decisions, entry.id, files, outcome, (*plan.notes, *notes))


def _sent(asked: Asked, plan: _Plan, entry: Application, publication: Publication) -> Outcome:
    """What the registry made of it; announced, so that it can be finished if this is cut off."""
    alone = Overrides(NAME, entry.after, plan.bounds.to_json(), (entry,))
    earlier = asked.folder.publishing()
    is_ours = earlier is not None and earlier.is_of(publication.head, entry.data_digest)
    asked.folder.announce(OnItsWay(publication.head.full, alone))
    try:
        outcome = _published(asked, plan, publication)
    except CalregError as error:
        # A commit that could not be pushed is kept, and in force here. Of two refusals it
        # cannot be told whether this change, announced before, is what is there already.
        if error.code not in _OTHERS or is_ours:
            finish(asked.folder, publication)
        if not (error.code in _OTHERS and is_ours):
            asked.folder.settle()
        raise
    failpoints.reach("feedback-published")
    return outcome


def _entry(asked: Asked, plan: _Plan, after: Mapping[str, float], by: str) -> Application:
    digest = plan.evidence.data_digest
    return Application(
        id=asked.folder.new_id(asked.moment, digest),
        timestamp=timestamp_text(asked.moment),
        by=by,
        action="apply",
        data_digest=digest,
        before=dict(plan.start),
        after=dict(after),
        why=asked.why,
    )


def _kept(asked: Asked, plan: _Plan, entry: Application) -> tuple[Path, ...]:
    """Write the factors and how they came about; the files."""
    # Last what says that it was done: after a crash before it, the same command does it all.
    plain = write_plain(asked.out, _name(plan), entry.after)
    return asked.folder.write_overrides(_document(plan, entry)), *plain


def _document(plan: _Plan, entry: Application) -> Overrides:
    bounds = plan.bounds.to_json()
    return changed(plan.overrides or Overrides(NAME, plan.start, bounds), entry, bounds)


def _name(plan: _Plan) -> str:
    return plan.overrides.name if plan.overrides is not None else NAME


def _published(asked: Asked, plan: _Plan, publication: Publication) -> Outcome:
    standing = Standing(
        start=plan.start,
        wanted=plan.wanted,
        bounds=plan.bounds,
        allow_unknown=asked.allow_unknown,
        evidence=plan.evidence,
    )
    return publication.publish(standing)


def _tell(asked: Asked, plan: _Plan, done: _Done) -> None:
    files = [str(path) for path in done.files]
    if asked.as_json:
        print_json(_json(asked, plan, done, files))
        return
    note(f"Note: {text}" for text in done.notes)
    say(factor_lines(done.decisions, plan.bounds, width=width(), signs=signs()))
    if done.outcome is not None and asked.head is not None:
        say(["", _registry_line(asked.head, done.outcome)])
    say(["", *(f"Wrote {file}" for file in files)])
    say([_last_line(asked, done)])


def _json(asked: Asked, plan: _Plan, done: _Done, files: list[str]) -> dict[str, Any]:
    in_registry = None
    if done.outcome is not None and asked.head is not None:
        in_registry = _registry_json(asked.head, done.outcome)
    return {
        "id": done.name,
        "suggestions": str(plan.file),
        "data_digest": plan.evidence.data_digest,
        "bounds": plan.bounds.to_json(),
        "groups": {one.group: one.to_json() for one in done.decisions},
        "before": dict(plan.start),
        "after": factors_after(done.decisions),
        "changed": sum(one.action != "held" for one in done.decisions),
        "dry_run": asked.dry_run,
        "files": files,
        "registry": in_registry,
        "warnings": list(done.notes),
    }


def _registry_json(head: HeadName, outcome: Outcome) -> dict[str, Any]:
    row = outcome.models[head.model].heads[head.head]
    return {
        "head": head.full,
        "version": outcome.run.version,
        "commit": outcome.commit,
        "pushed": outcome.pushed,
        "verdict": row.verdict,
        "reference_update": row.reference_update,
        "reference_version": row.reference_version,
        "reference_after": row.reference_after,
    }


def _registry_line(head: HeadName, outcome: Outcome) -> str:
    found = _registry_json(head, outcome)
    commit = f"committed {found['commit'][:7]}" if found["commit"] else "it would be"
    pushed = f", pushed to {outcome.remote}" if found["pushed"] else ""
    moved = {
        "updated": f"the reference moves to v{found['version']}",
        "unchanged": "stable, the reference stays",
        "held": "the reference is held",
    }
    what = f"{found['head']} v{found['version']}: {moved[found['reference_update']]}"
    return f"{commit}{pushed}: {what}"


def _last_line(asked: Asked, done: _Done) -> str:
    if asked.dry_run:
        return "Dry run: nothing written. Next: the same without --dry-run"
    if done.name is None:
        return "Nothing to apply: every factor is held."
    return f"Applied as {done.name}. Next: calreg.overrides.load reads {done.files[0]}"
