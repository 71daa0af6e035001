"""`push`: publish what waits here, made anew where the remote has moved on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_for_writing
from calreg.cli.options import json_option, timestamp_option, when
from calreg.cli.publishing import progress_steps
from calreg.cli.terminal import note, print_json, say, signs

if TYPE_CHECKING:
    from calreg.registry import Pushed, PushedItem, Registry

__all__ = ["push_command"]

_REFUSED = 4  # as RegistryError: a rule of the registry stands against it
_SHOWN = 40


@click.command("push")
@click.option(
    "--forget",
    metavar="COMMIT",
    help="Let go of a commit that waits in the outbox instead, by the beginning of its id.",
)
@timestamp_option
@json_option
@pass_session
def push_command(
    session: Session, *, forget: str | None, timestamp: str | None, as_json: bool
) -> int:
    """Publish what waits: commits that the remote lacks, runs that could not be pushed.

    If others published meanwhile, waiting runs are renumbered and measured again against the
    references that won, and moves are decided again. What is published already is dropped.

    Exit 4 if a rule stands against something: it waits on, the rest is published.
    """
    registry = open_for_writing(session, command="push")
    if forget is not None:
        _forget(registry, forget, as_json=as_json)
        return 0
    pushed = registry.push(when=when(timestamp), progress=progress_steps())
    note(f"Note: {text}" for text in _warnings(registry, pushed))
    if as_json:
        print_json(_json(pushed))
    else:
        say(_lines(pushed))
    return _REFUSED if pushed.refused else 0


def _forget(registry: Registry, commit: str, *, as_json: bool) -> None:
    item = registry.forget(commit)
    if as_json:
        print_json({"forgotten": item.commit, "subject": item.subject})
    else:
        say([f"forgotten: {item.commit[:12]}  {item.subject}"])


def _warnings(registry: Registry, pushed: Pushed) -> Iterator[str]:
    remote = registry.repository.remote(pushed.branch)
    there = f"{remote.name}/{remote.branch}" if remote else "the remote's branch"
    if pushed.is_diverged:
        yield (
            f"everything is published, but others changed files there that are not the registry's: "
            f"git reset --keep {there} brings your checkout up"
        )
    elif pushed.is_behind:
        yield f"{pushed.branch} here is behind: git pull brings your checkout up"
    if pushed.left_alone:
        files = ", ".join(pushed.left_alone[:5])
        yield f"changed by somebody meanwhile and left alone: {files}"


def _json(pushed: Pushed) -> dict[str, Any]:
    return {
        "pushed": sum(item.outcome == "pushed" for item in pushed.items),
        "refused": len(pushed.refused),
        "commit": pushed.commit,
        "branch": pushed.branch,
        "remote": pushed.remote,
        "items": [
            {
                "commit": item.commit,
                "subject": item.subject,
                "outcome": item.outcome,
                "version": item.version,
                "was": item.was,
                "reason": item.reason,
            }
            for item in pushed.items
        ],
        "is_behind": pushed.is_behind,
        "tries": pushed.tries,
    }


def _lines(pushed: Pushed) -> Iterator[str]:
    if not pushed.items:
        yield f"Nothing waits: {pushed.branch} is at {pushed.remote} as it is here."
        return
    for item in pushed.items[:_SHOWN]:
        yield _line(item)
    if len(pushed.items) > _SHOWN:
        yield f"{signs().more} and {len(pushed.items) - _SHOWN} more (all with --json)"
    count = sum(item.outcome == "pushed" for item in pushed.items)
    commits = "1 commit" if count == 1 else f"{count} commits"
    yield f"{commits} pushed to {pushed.remote}, {pushed.branch} is at {(pushed.commit or '')[:7]}"
    for item in pushed.refused:
        yield f"Next: calreg push --forget {item.commit[:7]} lets go of it"


def _line(item: PushedItem) -> str:
    marks = signs()
    if item.outcome == "refused":
        return f"{marks.failed} {item.commit[:7]}  {item.subject}: refused, {item.reason}"
    if item.outcome == "published-before":
        return f"{marks.dot} {item.commit[:7]}  {item.subject}: {item.reason}"
    renumbered = item.was is not None and item.was != item.version
    was = f"  (it waited as run {item.was})" if renumbered else ""
    return f"{marks.good} {item.subject}{was}"
