"""`promote`, `rollback`, `pin`, `unpin`: a person moves or holds one reference, and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_for_writing
from calreg.cli.options import (
    json_option,
    push_option,
    reason_option,
    timestamp_option,
    version_number,
    when,
)
from calreg.cli.publishing import warnings_of
from calreg.cli.terminal import note, print_json, say, signs
from calreg.names import HeadName

if TYPE_CHECKING:
    from calreg.documents import Move
    from calreg.plan import MovePlan, RegistryState
    from calreg.registry import Published, Registry

__all__ = ["pin_command", "promote_command", "rollback_command", "unpin_command"]

_Planner = Callable[["RegistryState", str, str], "MovePlan"]


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What all four take."""
    for option in (json_option, timestamp_option, push_option, reason_option):
        command = option(command)
    return command


@click.command("promote")
@click.argument("head", metavar="HEAD")
@click.argument("version", metavar="VERSION")
@_options
@pass_session
def promote_command(session: Session, /, *, head: str, version: str, **options: Any) -> None:
    """Move HEAD's reference to a newer VERSION."""
    from calreg.plan import plan_promote

    registry, name = _open(session, head, command="promote")
    target = registry.calibration(name, version_number(version))

    def planner(state: RegistryState, by: str, timestamp: str) -> MovePlan:
        reason = options["reason"]
        return plan_promote(state, target, by=by, reason=reason, timestamp=timestamp)

    _publish(registry, planner, options)


@click.command("rollback")
@click.argument("head", metavar="HEAD")
@click.argument("version", required=False, metavar="[VERSION]")
@_options
@pass_session
def rollback_command(
    session: Session, /, *, head: str, version: str | None, **options: Any
) -> None:
    """Move HEAD's reference back to VERSION (default: the one it held before), and pin it there.

    No run moves the head again until calreg unpin HEAD.
    """
    from calreg.plan import plan_rollback

    registry, name = _open(session, head, command="rollback")
    number = version_number(version)
    target = registry.calibration(name, number or registry.previous(name))

    def planner(state: RegistryState, by: str, timestamp: str) -> MovePlan:
        reason = options["reason"]
        return plan_rollback(state, target, by=by, reason=reason, timestamp=timestamp)

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
    target = registry.calibration(name, version_number(version))
    until = options.pop("until")

    def planner(state: RegistryState, by: str, timestamp: str) -> MovePlan:
        return plan_pin(
            state, target, by=by, reason=options["reason"], timestamp=timestamp, until=until
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
    registry.calibration(name, None)  # an unknown head is an error of its own, with near names

    def planner(state: RegistryState, by: str, timestamp: str) -> MovePlan:
        return plan_unpin(state, name, by=by, reason=options["reason"], timestamp=timestamp)

    _publish(registry, planner, options)


def _open(session: Session, head: str, *, command: str) -> tuple[Registry, HeadName]:
    return open_for_writing(session, command=command), HeadName.parse(head)


def _publish(registry: Registry, planner: _Planner, options: Mapping[str, Any]) -> None:
    from calreg.documents import timestamp_text
    from calreg.plan import MovePlan
    from calreg.registry import Published

    by, timestamp = registry.who(), timestamp_text(when(options["timestamp"]))
    done = registry.publish(lambda state: planner(state, by, timestamp), push=options["push"])
    if not (isinstance(done, Published) and isinstance(done.plan, MovePlan)):
        raise TypeError(f"expected a published move, got {type(done).__name__}")
    note(f"Note: {text}" for text in warnings_of(done))
    if options["as_json"]:
        move = done.plan.move.to_json()
        print_json({**move, "commit": done.commit, "branch": done.branch, "pushed": done.pushed})
    else:
        _tell(registry, done, done.plan.move)


def _tell(registry: Registry, done: Published, move: Move) -> None:
    from calreg.report.numbers import date_text, version_text

    arrow = signs().arrow
    before, after = version_text(move.before), version_text(move.after)
    place = f"{before} {arrow} {after}" if before != after else f"stays at {after}"
    until = f" until {date_text(move.until)} UTC" if move.until else ""
    word = {"promote": "moved", "rollback": "rolled back, pinned", "pin": "pinned" + until}
    pushed = f", pushed to {done.remote}" if done.pushed else ""
    remote = registry.repository.remote(done.branch)
    steps = [f"git push {remote.name} {done.branch}"] if remote and not done.pushed else []
    if move.action in {"rollback", "pin"}:
        steps.append(f"calreg unpin {move.head} --reason TEXT lifts the pin")
    say(
        [
            f"{move.head}  {place}  {word.get(move.action, 'unpinned: runs may move it again')}",
            f"committed {done.commit[:7]} on {done.branch}{pushed}",
            *([f"Next: {', '.join(steps)}"] if steps else []),
        ]
    )
