"""`calreg gate`: may this change be merged? Findings, and a "no" that is not an error.

Three ways to say what is compared: two commits of this repository, what is staged for the
next commit, or two commits of a repository elsewhere, which are fetched without their files
and thrown away afterwards. Nothing of what is proposed is checked out or run.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.options import columns_option, json_option, timestamp_option, when
from calreg.cli.terminal import json_bytes, print_json, say, signs, width
from calreg.errors import CalregError, UsageError
from calreg.files import replace_file

if TYPE_CHECKING:
    from calreg.gate import Change, Judged
    from calreg.git import Repository, Stored
    from calreg.report.gate import Compared

__all__ = ["gate_command"]

_MAX_TRENDS = 500  # heads; more is no picture


@click.command("gate")
@click.argument("base", required=False)
@click.argument("head", required=False)
@click.option(
    "--published", is_flag=True, help="Judge all that HEAD has and production does not read yet."
)
@click.option("--staged", is_flag=True, help="Judge what is staged, against HEAD (or BASE).")
@click.option(
    "--from",
    "url",
    metavar="URL",
    help="Fetch BASE and HEAD from there, into nothing that stays; --registry is the folder in it.",
)
@click.option(
    "--holdout",
    "holdouts",
    multiple=True,
    metavar="[MODEL/HEAD=]DATA",
    help="Scores with truth, to recompute figures from. Repeatable.",
)
@columns_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "github"]),
    default="text",
    show_default=True,
    help="A report to read, or commands that mark files of a pull request.",
)
@click.option(
    "--summary", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Append the report to FILE as Markdown.",
)  # fmt: skip
@click.option(
    "--report", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the document of --json to FILE, too.",
)  # fmt: skip
@click.option(
    "--read", "written", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Judge nothing: show the report that was written to FILE.",
)  # fmt: skip
@click.option(
    "--comment", metavar="OWNER:BRANCH:COMMIT",
    help="With --read: post the report to the pull request of that branch, as one comment.",
)  # fmt: skip
@click.option("--explain", metavar="RULE", help="What a rule asks, and why.")
@timestamp_option
@json_option
@pass_session
def gate_command(session: Session, /, **options: Any) -> int:
    """Judge a change to the registry: may it be merged?

    Compares HEAD with BASE (default: the remote's main branch; without a remote, or where that
    holds HEAD already, the commit before HEAD). What is judged is what a merge of HEAD into
    BASE would bring. The policy is that of BASE. A BASE of zeros stands for "nothing yet".

    Exit codes: 0 nothing blocks, 1 something does, 3, 4 or 5 it could not be told.
    """
    if options["explain"] is not None:
        from calreg.cli.gate_pages import explanation

        click.echo(explanation(options["explain"]).rstrip())
        return 0
    asked = _Asked(**{name: value for name, value in options.items() if name != "explain"})
    asked.check()
    if asked.written is not None:
        from calreg.cli.gate_comment import show

        return show(asked.written, comment=asked.comment, as_json=asked.as_json)
    try:
        with _opened(session, asked) as place:
            return _judge(place, asked)
    except CalregError as error:
        _tell_untold(error, asked)
        raise


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was typed."""

    base: str | None
    head: str | None
    published: bool
    staged: bool
    url: str | None
    holdouts: tuple[str, ...]
    columns: tuple[str, ...]
    form: str
    summary: Path | None
    report: Path | None
    written: Path | None
    comment: str | None
    timestamp: str | None
    as_json: bool

    def check(self) -> None:
        """Refuse what contradicts itself."""
        words = {
            "--published": self.published,
            "--staged": self.staged,
            "--from": self.url is not None,
            "--read": self.written is not None,
        }
        chosen = [word for word, is_on in words.items() if is_on]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)} contradict each other; choose one")
        if self.staged and self.head is not None:
            raise UsageError("--staged is the head itself; give BASE at most")
        if self.published and self.head is not None:
            raise UsageError("--published is the base itself; give HEAD at most")
        if self.url is not None and (self.base is None or self.head is None):
            raise UsageError("--from needs BASE and HEAD", hint="calreg gate --from URL main HEAD")
        if self.written is not None and (self.base or self.holdouts or self.summary or self.report):
            raise UsageError("--read shows a report and judges nothing; give nothing else with it")
        if self.comment is not None and self.written is None:
            raise UsageError("--comment needs a report", hint="--read gate-report.json")
        if self.as_json and self.form != "text":
            raise UsageError("--json and --format github both want standard output; choose one")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the commits are, the registry's folder there, and what stands for BASE and HEAD."""

    repository: Repository
    prefix: str
    base: str | None
    head: str | None


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is compared: what it is called, and what it is."""

    base: str
    head: str
    base_id: str | None
    head_id: str
    as_it_is: bool = False


@contextmanager
def _opened(session: Session, asked: _Asked) -> Iterator[_Place]:
    if asked.url is None:
        from calreg.registry import Registry

        # No calreg.yaml is read: where a proposal is checked out, it may be the proposal's.
        registry = Registry.open(session.folder)
        yield _Place(registry.repository, registry.prefix, asked.base, asked.head)
        return
    from calreg.git import candidate

    with candidate(asked.url, (asked.base or "", asked.head or "")) as fetched:
        yield _Place(fetched.repository, _folder(session), *fetched.revisions)


def _folder(session: Session) -> str:
    """The registry's folder in a repository that is fetched."""
    if session.folder is None or session.folder == Path():
        return ""
    from calreg.git import check_path

    return check_path(session.folder.as_posix())


def _judge(place: _Place, asked: _Asked) -> int:
    from calreg.documents import timestamp_text
    from calreg.gate import judge
    from calreg.registry.changes import change_between

    sides = _sides(place, asked)
    change = change_between(
        place.repository, place.prefix, sides.base_id, sides.head_id, as_it_is=sides.as_it_is
    )
    holdout = None
    if asked.holdouts:
        from calreg.cli.gate_holdout import holdout_of

        holdout = holdout_of(asked.holdouts, asked.columns, change)
    judged = judge(change, holdout=holdout, now=timestamp_text(when(asked.timestamp)))
    _tell(judged, change, sides, asked, place.prefix)
    return 0 if judged.ok else 1


def _sides(place: _Place, asked: _Asked) -> _Sides:
    from calreg.git import Stored

    stored = Stored(place.repository)
    if asked.published:
        return _since_published(place.repository, stored, asked.base or "HEAD")
    if asked.staged:
        # A first commit has nothing before it.
        has_commits = place.repository.tip() is not None
        base_id = stored.commit(asked.base or "HEAD") if asked.base or has_commits else None
        tree = stored.staged(os.environ.get("GIT_INDEX_FILE"))
        return _Sides(asked.base or "HEAD", "what is staged", base_id, tree, as_it_is=True)
    head_id = stored.commit(place.head or "HEAD")
    if head_id is None:
        raise UsageError("HEAD cannot be nothing", hint="Zeros are for BASE alone.")
    head = asked.head or "HEAD"
    if place.base is not None:
        base_id = stored.commit(place.base)
        name = "nothing" if base_id is None else asked.base or "HEAD"
        return _Sides(name, head, base_id, head_id)
    base, base_id = _usual_base(place.repository, stored, head_id)
    return _Sides(base, head, base_id, head_id)


def _since_published(repository: Repository, stored: Stored, head: str) -> _Sides:
    """A commit, and the one that production's references were taken from."""
    from calreg.registry.stable import read_stable

    head_id = stored.commit(head)
    if head_id is None:
        raise UsageError("HEAD cannot be nothing")
    # At the remote is what counts; here is what was made and not pushed yet.
    seen = (f"refs/remotes/{stored.remote_name}/stable", "refs/heads/stable")
    tips = (repository.tip(ref) for ref in seen)
    tip = next((found for found in tips if found is not None), None)
    published = None if tip is None else read_stable(repository, tip, branch="stable").index.commit
    return _Sides("what is published", head, published, head_id, as_it_is=True)


def _usual_base(repository: Repository, stored: Stored, head: str) -> tuple[str, str | None]:
    """What a commit is compared with where nobody says: what it is called, and its id."""
    ref = stored.default_branch() or "refs/heads/main"
    tip = repository.tip(ref)
    if tip is not None and stored.merge_base(tip, head) != head:
        return ref.removeprefix("refs/remotes/").removeprefix("refs/heads/"), tip
    before = stored.first_parent(head)
    return "the commit before" if before is not None else "nothing", before


def _tell(judged: Judged, change: Change, sides: _Sides, asked: _Asked, prefix: str) -> None:
    from calreg.report.gate import Compared
    from calreg.report.gate_document import document_of

    compared = Compared(
        sides.base, sides.head, sides.base_id, sides.head_id, files=len(change.touches)
    )
    document = document_of(judged, compared)
    if asked.report is not None:
        replace_file(asked.report, json_bytes(document))
    if asked.summary is not None:
        _append(asked.summary, _markdown(judged, change, compared))
    if asked.as_json:
        print_json(document)
    elif asked.form == "github":
        _say_to_github(judged, compared, prefix)
    else:
        _say_report(judged, compared)


def _markdown(judged: Judged, change: Change, compared: Compared) -> str:
    from calreg.registry.trends import trends_of
    from calreg.report.markdown import gate_markdown

    trends = trends_of(change, judged.heads) if len(judged.heads) <= _MAX_TRENDS else {}
    return gate_markdown(judged, compared, trends=trends)


def _append(file: Path, text: str) -> None:
    # Appended, as a build's summary wants it: other steps write to the same file.
    with file.open("a", encoding="utf-8", errors="backslashreplace") as summary:
        summary.write(text)


def _tell_untold(error: CalregError, asked: _Asked) -> None:
    """Leave a word where people look, too: that there is no report is no yes."""
    from calreg.cli.edge import printable, redacted

    text = printable(redacted(str(error)))
    if asked.summary is not None:
        from calreg.report.markdown import untold_markdown

        with suppress(OSError):  # the error itself must not be lost
            _append(asked.summary, untold_markdown(text))
    if asked.form == "github":
        from calreg.report.escaping import command_data

        click.echo(f"::error title=calreg gate::it could not be told: {command_data(text)}")


def _say_report(judged: Judged, compared: Compared) -> None:
    from calreg.report.gate import gate_lines

    say(gate_lines(judged, compared, width=width(), signs=signs()))


def _say_to_github(judged: Judged, compared: Compared, prefix: str) -> None:
    from calreg.report.gate import annotation_lines

    for line in annotation_lines(judged, prefix):
        click.echo(line)
    # What follows names things out of the proposal: none of it is a command.
    token = secrets.token_hex(16)
    click.echo(f"::stop-commands::{token}")
    _say_report(judged, compared)
    click.echo(f"::{token}::")
