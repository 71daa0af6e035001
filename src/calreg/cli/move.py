"""`promote`, `rollback`, `pin`, `unpin`, `withdraw`: a person decides about one head, and says why.

Versions are looked up on the tip that the decision is committed on, so that somebody who
was faster is taken into account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_for_writing
from calreg.cli.options import (
    json_option,
    push_option,
    reason_option,
    sign_option,
    signers_with,
    timestamp_option,
    version_number,
    when,
)
from calreg.cli.terminal import note, print_json, say, signs
from calreg.computing import warnings_of
from calreg.errors import UsageError
from calreg.names import HeadName, parse_version

if TYPE_CHECKING:
    from calreg.documents import Move
    from calreg.plan import MovePlan
    from calreg.registry import Published, Registry, Snapshot
    from calreg.registry.both import BothBranches

__all__ = [
    "pin_command",
    "promote_command",
    "rollback_command",
    "unpin_command",
    "withdraw_command",
]

_Planner = Callable[["Snapshot", str, str], "MovePlan"]


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What all of them take."""
    for option in (json_option, timestamp_option, push_option, reason_option):
        command = option(command)
    return command


def _at_once(command: Callable[..., None]) -> Callable[..., None]:
    """What those take that production should not wait for."""
    stable = click.option(
        "--stable",
        "is_at_once",
        is_flag=True,
        help="Move the branch that production reads in the same push: both, or neither.",
    )
    return stable(sign_option(command))


@click.command("promote")
@click.argument("head", metavar="HEAD")
@click.argument("version", metavar="VERSION")
@_options
@pass_session
def promote_command(session: Session, /, *, head: str, version: str, **options: Any) -> None:
    """Move HEAD's reference to a newer VERSION."""
    from calreg.plan import plan_promote

    registry, name = _open(session, head, command="promote")
    number = parse_version(version)

    def planner(snapshot: Snapshot, by: str, timestamp: str) -> MovePlan:
        target, reason = snapshot.calibration(name, number), options["reason"]
        return plan_promote(snapshot.state, target, by=by, reason=reason, timestamp=timestamp)

    _publish(registry, planner, options)


@click.command("rollback")
@click.argument("head", metavar="HEAD")
@click.argument("version", required=False, metavar="[VERSION]")
@_at_once
@_options
@pass_session
def rollback_command(
    session: Session, /, *, head: str, version: str | None, **options: Any
) -> None:
    """Move HEAD's reference back to VERSION (default: the one it held before), and pin it there.

    No run moves the head again until calreg unpin HEAD.
    """
    from calreg.plan import plan_rollback
    from calreg.registry.former import previous

    registry, name = _open(session, head, command="rollback")
    number = version_number(version)

    def planner(snapshot: Snapshot, by: str, timestamp: str) -> MovePlan:
        target = snapshot.calibration(name, number or previous(snapshot, name))
        reason = options["reason"]
        return plan_rollback(snapshot.state, target, by=by, reason=reason, timestamp=timestamp)

    _publish(registry, planner, options)


@click.command("withdraw")
@click.argument("head", metavar="HEAD")
@click.argument("version", metavar="VERSION")
@click.option(
    "--to",
    metavar="VERSION",
    help="Where the reference goes if it holds VERSION; else where it was before.",
)
@_at_once
@_options
@pass_session
def withdraw_command(
    session: Session, /, *, head: str, version: str, to: str | None, **options: Any
) -> None:
    """Mark VERSION of HEAD as unfit for any use: clients refuse it, even where it is installed.

    If the reference holds it, it goes back to the version before and stays there until calreg
    unpin HEAD. If there is none before, HEAD has no reference any more.
    """
    from calreg.plan import plan_withdraw
    from calreg.registry.former import fallback

    registry, name = _open(session, head, command="withdraw")
    number, chosen = parse_version(version), version_number(to)

    def planner(snapshot: Snapshot, by: str, timestamp: str) -> MovePlan:
        snapshot.check_version(name, number)
        must_move = chosen is None and snapshot.holds(name, number)
        target = fallback(snapshot, name, number) if must_move else chosen
        return plan_withdraw(
            snapshot.state,
            name,
            number,
            fallback=None if target is None else snapshot.calibration(name, target),
            by=by,
            reason=options["reason"],
            timestamp=timestamp,
        )

    _publish(registry, planner, options)


@click.command("pin")
@click.argument("head", metavar="HEAD")
@click.argument("version", required=False, metavar="[VERSION]")
@click.option(
    "--until", metavar="DATE", help="The pin no longer binds after this; else until unpin."
)
@_options
@pass_session
def pin_command(session: Session, /, *, head: str, version: str | None, **options: Any) -> None:
    """Hold HEAD's reference where it is, or at VERSION: no run moves it until it is lifted."""
    from calreg.plan import plan_pin

    registry, name = _open(session, head, command="pin")
    number, until, reason = version_number(version), options.pop("until"), options["reason"]

    def planner(snapshot: Snapshot, by: str, timestamp: str) -> MovePlan:
        target = snapshot.calibration(name, number)
        return plan_pin(
            snapshot.state, target, by=by, reason=reason, timestamp=timestamp, until=until
        )

    _publish(registry, planner, options)


@click.command("unpin")
@click.argument("head", metavar="HEAD")
@_options
@pass_session
def unpin_command(session: Session, /, *, head: str, **options: Any) -> None:
    """Let runs move HEAD's reference again."""
    from calreg.plan import plan_unpin

    registry, name = _open(session, head, command="unpin")

    def planner(snapshot: Snapshot, by: str, timestamp: str) -> MovePlan:
        snapshot.check_known(name)  # an unknown head is an error of its own, with near names
        reason = options["reason"]
        return plan_unpin(snapshot.state, name, by=by, reason=reason, timestamp=timestamp)

    _publish(registry, planner, options)


def _open(session: Session, head: str, *, command: str) -> tuple[Registry, HeadName]:
    return open_for_writing(session, command=command), HeadName.parse(head)


def _publish(registry: Registry, planner: _Planner, options: Mapping[str, Any]) -> None:
    from calreg.documents import timestamp_text
    from calreg.plan import MovePlan
    from calreg.registry import Published

    moment = when(options["timestamp"])
    both = _both(options)
    by, timestamp = registry.who(), timestamp_text(moment)
    done = registry.publish_on(
        lambda snapshot: planner(snapshot, by, timestamp),
        push=options["push"] or (both is not None and _has_remote(registry)),
        beside=both,
    )
    if not (isinstance(done, Published) and isinstance(done.plan, MovePlan)):
        raise TypeError(f"expected a published move, got {type(done).__name__}")
    note(f"Note: {text}" for text in warnings_of(done))
    move = done.plan.move
    if options["as_json"]:
        stable = {"stable": _stable_json(both)} if both is not None else {}
        commit = {"commit": done.commit, "branch": done.branch, "pushed": done.pushed}
        print_json({**move.to_json(), **commit, **stable})
    else:
        say(_lines(registry, done, move, both))


def _both(options: Mapping[str, Any]) -> BothBranches | None:
    """What moves production's branch along, if that was asked for.

    Raises:
        UsageError: A key, and nothing that it could sign.
    """
    keys = options.get("keys", ())
    if not options.get("is_at_once"):
        if keys:
            raise UsageError("--sign signs what --stable publishes", hint="Add --stable.")
        return None
    from calreg.registry.both import BothBranches

    return BothBranches(when(options["timestamp"]), signers_with(keys))


def _has_remote(registry: Registry) -> bool:
    return registry.repository.remote(registry.repository.branch()) is not None


def _stable_json(both: BothBranches) -> dict[str, Any] | None:
    made = both.prepared
    if made is None:
        return None
    return {
        "branch": made.branch,
        "commit": made.commit,
        "seq": made.index.seq,
        "missing_signatures": made.missing,
    }


def _lines(
    registry: Registry, done: Published, move: Move, both: BothBranches | None
) -> Iterator[str]:
    pushed = f", pushed to {done.remote}" if done.pushed else ""
    yield _said(move)
    yield f"committed {done.commit[:7]} on {done.branch}{pushed}"
    if both is not None:
        yield _stable_line(both)
    steps = list(_next(registry, done, move, is_at_once=both is not None))
    if steps:
        yield f"Next: {', '.join(steps)}"


def _said(move: Move) -> str:
    from calreg.report.numbers import date_text, version_text

    if move.version is not None:
        return _said_of_withdrawal(move, move.version)
    before, after = version_text(move.before), version_text(move.after)
    place = f"{before} {signs().arrow} {after}" if before != after else f"stays at {after}"
    until = f" until {date_text(move.until)} UTC" if move.until else ""
    word = {"promote": "moved", "rollback": "rolled back, pinned", "pin": "pinned" + until}
    return f"{move.head}  {place}  {word.get(move.action, 'unpinned: runs may move it again')}"


def _said_of_withdrawal(move: Move, version: int) -> str:
    start = f"{move.head}  v{version} withdrawn"
    if move.before == move.after:
        held = "it has none" if move.after is None else f"it stays at v{move.after}"
        return f"{start}; the reference does not hold it, {held}"
    if move.after is None:
        return f"{start}; it was the only reference, {move.head} has none now"
    return f"{start}; reference v{move.before} {signs().arrow} v{move.after}, pinned"


def _stable_line(both: BothBranches) -> str:
    made = both.prepared
    if made is None:
        return f"{both.branch} says all of it already"
    if made.missing:
        keys = "1 more key" if made.missing == 1 else f"{made.missing} more keys"
        return f"index {made.index.seq} waits on {made.branch}: {keys} must sign it"
    return f"index {made.index.seq} published on {made.branch} in the same step"


def _next(registry: Registry, done: Published, move: Move, *, is_at_once: bool) -> Iterator[str]:
    from calreg.registry.both import has_stable

    if not done.pushed and _has_remote(registry):
        yield "calreg push"
    if not is_at_once and has_stable(registry.repository):
        yield "calreg stable publish (until then production reads what it read before)"
    is_held = move.after is not None and move.before != move.after
    if move.action in {"rollback", "pin"} or (move.action == "withdraw" and is_held):
        yield f"calreg unpin {move.head} --reason TEXT lifts the pin"
