"""`calreg propose`: something for others to judge: pushed to a branch, with a pull request.

Either a run of scores, computed on what the remote holds now, or what is committed here.

What the gate would say is said here first, by the same gate; what it blocks is not pushed
unless somebody insists. No branch here moves. The token for the host comes from the
environment, goes to that host in a header, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from calreg import __version__
from calreg.cli.group import Session, pass_session
from calreg.cli.opening import config_of, open_for_writing
from calreg.cli.options import (
    Share,
    columns_option,
    head_name,
    json_option,
    mapping_of,
    timestamp_option,
    when,
)
from calreg.cli.publishing import progress_steps
from calreg.cli.terminal import note, print_json, progress_bar, say, signs, width
from calreg.errors import CalregError, UsageError
from calreg.hosting import (
    Api,
    Opened,
    Project,
    Proposal,
    api_of,
    project_of,
    propose,
    unused_token,
    url_to_open,
)

if TYPE_CHECKING:
    from calreg.gate import Judged
    from calreg.plan import Plan, RegistryState
    from calreg.registry import AlreadyDone, Registry
    from calreg.registry.proposing import NothingToPropose, Prepared
    from calreg.scores import Scores

__all__ = ["propose_command"]


@click.command("propose")
@click.argument("scores", nargs=-1, metavar="[SCORES]...")
@columns_option
@click.option("--model", metavar="MODEL", help="The model, where no column names it.")
@click.option(
    "--head", metavar="MODEL/HEAD", help="The head of a table that has a column per label."
)
@click.option(
    "--branch", metavar="NAME",
    help="The branch to push; default: for a run calreg/run-N-ID, else the one you are on.",
)  # fmt: skip
@click.option(
    "--base", metavar="NAME",
    help="The branch to merge into; default: for a run the upstream of the one you are on, "
    "else the remote's main branch.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="The same report; nothing is pushed.")
@click.option("--anyway", is_flag=True, help="Push even what the gate blocks.")
@timestamp_option
@click.option(
    "--max-reject-rate",
    type=Share(),
    default=0.01,
    show_default=True,
    help="More rejected rows than this share stop the run.",
)
@json_option
@pass_session
def propose_command(session: Session, /, **options: Any) -> int:
    """Compute a run of SCORES, push it on a branch of its own, and open a pull request.

    Without SCORES, what is committed here and not at the remote yet is proposed as it is: what
    calreg tune --commit, promote, rollback, withdraw, feedback apply or git itself committed.

    With a token in CALREG_GITHUB_TOKEN or GITHUB_TOKEN the pull request is opened, or brought
    up to date, with the gate's report as its text; without one the address to open it is
    printed. Exit code 1: the gate would block it, and nothing was pushed.
    """
    timestamp = options.pop("timestamp")
    asked = _Asked(moment=when(timestamp), **options)
    asked.check(has_timestamp=timestamp is not None)
    from calreg.registry.proposing import Prepared

    registry = open_for_writing(session, command="propose")
    prepared: Prepared | AlreadyDone | NothingToPropose
    if asked.scores:
        prepared = _prepared(registry, asked, config_of(session).overrides)
    else:
        prepared = _committed(registry, asked)
    if isinstance(prepared, Prepared):
        return _proposed(registry, prepared, asked)
    _tell_nothing(prepared, asked)
    return 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was typed."""

    moment: datetime
    scores: tuple[str, ...]
    columns: tuple[str, ...]
    head: str | None
    model: str | None
    branch: str | None
    base: str | None
    dry_run: bool
    anyway: bool
    max_reject_rate: float
    as_json: bool

    def check(self, *, has_timestamp: bool) -> None:
        """Refuse what says how to compute a run where none is computed."""
        words = {
            "--column": bool(self.columns),
            "--model": self.model is not None,
            "--head": self.head is not None,
            "--timestamp": has_timestamp,
        }
        given = [word for word, is_given in words.items() if is_given]
        if given and not self.scores:
            raise UsageError(
                f"{' and '.join(given)}: without SCORES no run is computed",
                hint="Name the tables: calreg propose SCORES. Without any, what is committed "
                "here is proposed.",
            )


def _prepared(
    registry: Registry, asked: _Asked, overrides: Mapping[str, Any]
) -> Prepared | AlreadyDone:
    from calreg.computing import computed_of
    from calreg.documents import timestamp_text
    from calreg.plan import plan_run
    from calreg.registry.proposing import prepare

    def planner(state: RegistryState) -> Plan:
        return plan_run(
            state, computed_of(_read(asked, state), state),
            timestamp=timestamp_text(asked.moment), tool=f"calreg {__version__}",
        )  # fmt: skip

    return prepare(
        registry.repository, registry.prefix, planner,
        target=asked.base, branch=asked.branch, overrides=overrides, progress=progress_steps(),
    )  # fmt: skip


def _committed(registry: Registry, asked: _Asked) -> Prepared | NothingToPropose:
    from calreg.registry.proposing import prepare_committed

    found = prepare_committed(
        registry.repository, registry.prefix,
        target=asked.base, branch=asked.branch, progress=progress_steps(),
    )  # fmt: skip
    if found.uncommitted:
        more = f" and {len(found.uncommitted) - 1} more" if len(found.uncommitted) > 1 else ""
        note([f"Note: not committed, so no part of it: {found.uncommitted[0]}{more}"])
    return found


def _read(asked: _Asked, state: RegistryState) -> Scores:
    from calreg.computing import grid_of
    from calreg.scores import ScoreTable, read_scores

    table = ScoreTable(
        paths=asked.scores,
        columns=mapping_of(asked.columns),
        head=head_name(asked.head),
        model=asked.model,
    )
    with progress_bar(f"Reading {' '.join(asked.scores)[:40]}") as progress:
        return read_scores(
            table,
            grid_of=grid_of(state),
            max_reject_rate=asked.max_reject_rate,
            progress=progress,
        )


def _proposed(registry: Registry, prepared: Prepared, asked: _Asked) -> int:
    """Judge the proposal, push it, open the pull request, and say what came of it."""
    from calreg.documents import timestamp_text
    from calreg.gate import judge
    from calreg.registry.changes import change_between
    from calreg.registry.proposing import publish_proposal
    from calreg.report.gate import Compared, gate_lines
    from calreg.report.markdown import MAX_COMMENT_BYTES, gate_markdown

    repository = registry.repository
    change = change_between(repository, registry.prefix, prepared.base, prepared.commit)
    judged = judge(change, now=timestamp_text(asked.moment))
    compared = Compared(
        prepared.target, prepared.branch, prepared.base, prepared.commit, len(change.touches)
    )
    if not asked.as_json:
        say(gate_lines(judged, compared, width=width(), signs=signs()))
    project = project_of(prepared.remote.url)
    # Asked for before anything is pushed: a token that is none must not be found out after.
    api = api_of(project, os.environ) if project is not None else None
    note(unused_token(project, api, os.environ))
    done = _Done(prepared, judged, project)
    if (judged.ok or asked.anyway) and not asked.dry_run:
        there = publish_proposal(repository, prepared)
        text = gate_markdown(judged, compared, max_bytes=MAX_COMMENT_BYTES)
        pushed = replace(done, prepared=replace(prepared, commit=there), is_pushed=True)
        done = replace(pushed, opened=_opened(pushed, api, text))
    _tell(done, asked)
    return 0 if judged.ok or done.is_pushed else 1


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of it."""

    prepared: Prepared
    judged: Judged
    project: Project | None
    is_pushed: bool = False
    opened: Opened | None = None

    @property
    def url(self) -> str | None:
        """The pull request, or where a person opens it."""
        if self.opened is not None:
            return self.opened.url
        if self.project is None:
            return None
        return url_to_open(self.project, self.prepared.branch, self.prepared.target)


def _opened(done: _Done, api: Api | None, report: str) -> Opened | None:
    if api is None or done.project is None:
        return None
    prepared = done.prepared
    text = f"{report}\nMade by `calreg propose`; the gate of this repository decides.\n"
    proposal = Proposal(prepared.branch, prepared.target, prepared.title, text)
    try:
        return propose(api, done.project, proposal)
    except CalregError as error:
        raise type(error)(
            f"branch {prepared.branch} is pushed, but {error.message}",
            hint=f"{error.hint or ''} calreg propose again opens it, or you do: {done.url}".strip(),
            where=error.where,
            code=error.code,
        ) from error


def _tell(done: _Done, asked: _Asked) -> None:
    if asked.as_json:
        print_json(_document(done))
        return
    prepared = done.prepared
    if not done.is_pushed:
        why = "dry run" if asked.dry_run else "the gate would block it"
        say([f"Nothing was pushed: {why}.", _next_of_nothing(done, asked)])
        return
    where = f"{prepared.branch} at {prepared.remote.shown}"
    say([f"{_what(prepared)} {prepared.commit[:7]} on {where}"])
    if done.opened is not None:
        say([f"Pull request {'opened' if done.opened.is_new else 'updated'}: {done.url}"])
    else:
        say([f"Next: open the pull request: {done.url or 'at the host of the repository'}"])


def _what(prepared: Prepared) -> str:
    if prepared.plan is not None:
        return f"Run {prepared.plan.run.version} is commit"
    return "1 commit is" if prepared.count == 1 else f"{prepared.count:,} commits are, up to"


def _next_of_nothing(done: _Done, asked: _Asked) -> str:
    if asked.dry_run:
        return "Next: the same without --dry-run"
    return f"Next: calreg gate --explain {done.judged.findings[0].rule}; --anyway pushes it"


def _document(done: _Done) -> dict[str, Any]:
    prepared = done.prepared
    return {
        "version": prepared.plan.run.version if prepared.plan is not None else None,
        "commit": prepared.commit,
        "branch": prepared.branch,
        "base": prepared.target,
        "pushed": done.is_pushed,
        "url": done.url,
        "pull_request": done.opened.number if done.opened is not None else None,
        "gate": done.judged.to_json(),
    }


def _tell_nothing(done: AlreadyDone | NothingToPropose, asked: _Asked) -> None:
    from calreg.registry import AlreadyDone

    if asked.as_json:
        run, commit = (done.run, done.commit) if isinstance(done, AlreadyDone) else (None, None)
        version = run.version if run is not None else None
        print_json({"version": version, "commit": commit, "pushed": False, "url": None})
    elif isinstance(done, AlreadyDone):
        same = f"run {done.run.version} of {done.run.timestamp[:10]} is of the same scores"
        say([f"Nothing to propose: {same}.", "Next: calreg history"])
    else:
        there = f"{done.target} at {done.remote.shown}"
        nothing = f"Nothing to propose: {there} has all that is committed on {done.branch}."
        say([nothing, "Next: commit something (git commit), or calreg propose SCORES"])
