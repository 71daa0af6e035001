"""`stable`: publish references for production, sign what waits, and see what is published."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_for_writing, open_registry
from calreg.cli.options import json_option, sign_option, signers_with, timestamp_option, when
from calreg.cli.terminal import note, print_json, say, signs

if TYPE_CHECKING:
    from calreg.registry import Registry
    from calreg.registry.stable import NothingNew, Order, PublishedStable

__all__ = ["stable_command"]

_branch_option = click.option(
    "--branch", default="stable", show_default=True, metavar="NAME",
    help="The branch that production reads.",
)  # fmt: skip
_push_option = click.option(
    "--push/--no-push", "push", default=None,
    help="Publish at the branch's remote, from what is there; default: if it has one.",
)  # fmt: skip


@click.group("stable")
def stable_command() -> None:
    """The branch that production reads: references that passed the gate, an index, signatures.

    It is made from what main holds and only moved by these commands; nobody works on it by hand.
    """


@stable_command.command("publish", short_help="Publish what main holds and stable lacks.")
@sign_option
@_push_option
@_branch_option
@click.option(
    "--expires-days", type=click.IntRange(1, 3650), default=90, show_default=True, metavar="DAYS",
    help="How long readers trust it as current.",
)  # fmt: skip
@click.option("--renew", is_flag=True, help="Publish though nothing changed, for a later expiry.")
@click.option("--commit", metavar="SHA", help="The commit of main to publish; else the newest.")
@click.option("--dry-run", is_flag=True, help="Say what would be published; write nothing.")
@timestamp_option
@json_option
@pass_session
def publish_command(session: Session, /, *, as_json: bool, **options: Any) -> None:
    """Publish the references of main for production, with an index that says what they are.

    Nothing happens if stable says all of it already; past half of its life it is renewed. What
    a call that came late or twice would publish is there already, so it does nothing either.
    """
    registry = open_for_writing(session, command="stable publish")
    _refuse_both(options)
    order = _order(
        options,
        expires_days=options["expires_days"],
        renew=options["renew"],
        commit=options["commit"],
    )
    if options["dry_run"]:
        _preview(registry, order, push=options["push"], as_json=as_json)
    else:
        _publish(registry, order, push=options["push"], as_json=as_json)


@stable_command.command("sign", short_help="Add a signature to a publication that waits.")
@sign_option
@_push_option
@_branch_option
@timestamp_option
@json_option
@pass_session
def sign_command(session: Session, /, *, as_json: bool, **options: Any) -> None:
    """Sign the publication that waits for more signatures, and publish it if that is enough.

    It is made again from main, and signed only if it is the same, byte for byte.
    """
    from calreg.errors import UsageError

    registry = open_for_writing(session, command="stable sign")
    if not options["keys"]:
        raise UsageError("with which key?", hint="--sign KEY")
    order = _order(options, only_pending=True)
    _publish(registry, order, push=options["push"], as_json=as_json)


@stable_command.command("show", short_help="What is published, and what main holds beyond it.")
@click.option("--here", is_flag=True, help="Look at this clone only, not at the remote.")
@_branch_option
@timestamp_option
@json_option
@pass_session
def show_command(
    session: Session, *, here: bool, branch: str, timestamp: str | None, as_json: bool
) -> None:
    """Show what is published: number, dates, signatures, models; and what main has beyond it."""
    from calreg.cli.stable_report import survey_json, survey_lines
    from calreg.registry.stable import survey

    registry = open_registry(session)
    repository = registry.repository
    now = when(timestamp)
    remote = not here and _has_remote(registry)
    found = survey(repository, registry.prefix, branch=branch, now=now, remote=remote)
    if as_json:
        print_json(survey_json(found))
    else:
        say(survey_lines(found, now=now, signs=signs()))


def _refuse_both(options: dict[str, Any]) -> None:
    from calreg.errors import UsageError

    if options["dry_run"] and options["keys"]:
        raise UsageError(
            "--dry-run signs nothing; leave out --sign",
            hint="The index that is signed has the time of the signing in it.",
        )


def _order(options: dict[str, Any], **more: Any) -> Order:
    from calreg.registry.stable import Order

    return Order(
        now=when(options["timestamp"]),
        branch=options["branch"],
        signers=signers_with(options["keys"]),
        **more,
    )


def _has_remote(registry: Registry) -> bool:
    repository = registry.repository
    return repository.remote(repository.branch()) is not None


def _preview(registry: Registry, order: Order, *, push: bool | None, as_json: bool) -> None:
    from calreg.cli.stable_report import nothing_json, nothing_lines, planned_json, planned_lines
    from calreg.registry.stable import NothingNew, preview

    pushed = _has_remote(registry) if push is None else push
    found = preview(registry.repository, registry.prefix, order, push=pushed)
    if isinstance(found, NothingNew):
        value, lines = nothing_json(found), nothing_lines(found, signs=signs())
    else:
        value = planned_json(found.publication, order.branch)
        lines = planned_lines(found.publication, order.branch, signs=signs())
    print_json(value) if as_json else say(lines)


def _publish(registry: Registry, order: Order, *, push: bool | None, as_json: bool) -> None:
    from calreg.registry.stable import publish

    done = publish(
        registry.repository,
        registry.prefix,
        order,
        push=_has_remote(registry) if push is None else push,
        progress=_steps(),
    )
    _tell(registry, done, as_json=as_json)
    note(_unpushed(registry))


def _unpushed(registry: Registry) -> Iterator[str]:
    """What somebody should know who thinks that their last commit was published."""
    repository = registry.repository
    branch = repository.branch()
    remote = repository.remote(branch)
    here, there = repository.tip(), repository.tip(remote.tracking_ref) if remote else None
    if remote is None or here is None or there is None or here == there:
        return
    if not repository.is_ancestor(here, there):
        yield f"Note: {branch} here has commits that {remote.name} lacks. Next: calreg push"


def _steps() -> Callable[[str], None] | None:
    """Says on a terminal what is being done; in a pipe nobody needs to know."""
    if not sys.stderr.isatty():
        return None
    return lambda step: note([f"{step} …"])


def _tell(registry: Registry, done: PublishedStable | NothingNew, *, as_json: bool) -> None:
    from calreg.cli.stable_report import done_json, done_lines, nothing_json, nothing_lines
    from calreg.registry.stable import NothingNew

    if isinstance(done, NothingNew):
        value, lines = nothing_json(done), nothing_lines(done, signs=signs())
    else:
        remote = registry.repository.remote(registry.repository.branch())
        value = done_json(done)
        lines = done_lines(done, signs=signs(), remote=remote.name if remote else None)
    print_json(value) if as_json else say(lines)
