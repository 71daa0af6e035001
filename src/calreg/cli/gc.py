"""`gc`: take version folders that nothing needs off the tip; they stay in the history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_for_writing
from calreg.cli.options import json_option, push_option, timestamp_option, when
from calreg.cli.publishing import progress_steps
from calreg.cli.terminal import note, print_json, say, signs
from calreg.computing import warnings_of
from calreg.errors import RegistryError

if TYPE_CHECKING:
    from calreg.plan import CollectPlan
    from calreg.registry import Published, Registry, Snapshot

__all__ = ["gc_command"]

_SHOWN = 20


@click.command("gc")
@click.option(
    "--keep-runs",
    type=click.IntRange(1),
    metavar="N",
    help="A model's newest N runs stay whatever they are; default: as the last time, else 50.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go; write nothing.")
@push_option
@timestamp_option
@json_option
@pass_session
def gc_command(
    session: Session,
    *,
    keep_runs: int | None,
    dry_run: bool,
    push: bool,
    timestamp: str | None,
    as_json: bool,
) -> None:
    """Take version folders that nothing needs off the tip of the registry, in one commit.

    References stay, what they held before, pinned versions, and the newest runs; every run's
    record, move and withdrawal stays, and numbers are never used again. What goes is still in
    git's history.
    """
    registry = open_for_writing(session, command="gc")
    if dry_run:
        _preview(registry, keep_runs, as_json=as_json)
        return
    done = _publish(registry, keep_runs, push=push, timestamp=timestamp)
    if done is None:
        _tell_nothing(as_json=as_json)
        return
    note(f"Note: {text}" for text in warnings_of(done))
    plan = _collected(done)
    if as_json:
        how = {"commit": done.commit, "branch": done.branch, "pushed": done.pushed}
        print_json({**_json(plan.gone, plan.retention.keep_runs), **how})
    else:
        say(_lines(registry, plan, done))


def _keep(snapshot: Snapshot, asked: int | None) -> int:
    return asked if asked is not None else snapshot.retention.keep_runs


def _preview(registry: Registry, asked: int | None, *, as_json: bool) -> None:
    from calreg.registry.retention import collectable

    keep_runs = _keep(registry.now, asked)
    gone = collectable(registry.now, keep_runs)
    if as_json:
        print_json({**_json(gone, keep_runs), "commit": None, "branch": None, "pushed": False})
    elif not gone:
        _tell_nothing(as_json=False)
    else:
        say([*_folders(gone), f"dry run: {_count(gone)} would go, nothing is written"])


def _publish(
    registry: Registry, asked: int | None, *, push: bool, timestamp: str | None
) -> Published | None:
    from calreg.documents import timestamp_text
    from calreg.registry import Published
    from calreg.registry.retention import collect

    by, time = registry.who(), timestamp_text(when(timestamp))

    def planner(snapshot: Snapshot) -> CollectPlan:
        plan = collect(snapshot, _keep(snapshot, asked), by=by, timestamp=time)
        if plan is None:
            raise RegistryError("nothing to collect", code="nothing-to-collect")
        return plan

    try:
        done = registry.publish_on(planner, push=push, progress=progress_steps())
    except RegistryError as error:
        if error.code == "nothing-to-collect":
            return None
        raise
    if not isinstance(done, Published):
        raise TypeError(f"expected a published plan, got {type(done).__name__}")
    return done


def _collected(done: Published) -> CollectPlan:
    from calreg.plan import CollectPlan

    if not isinstance(done.plan, CollectPlan):
        raise TypeError(f"expected what was collected, got {type(done.plan).__name__}")
    return done.plan


def _json(gone: Mapping[str, Sequence[int]], keep_runs: int) -> dict[str, Any]:
    collected = {model: list(numbers) for model, numbers in sorted(gone.items())}
    count = sum(map(len, collected.values()))
    return {"collected": collected, "count": count, "keep_runs": keep_runs}


def _tell_nothing(*, as_json: bool) -> None:
    if as_json:
        nothing = {"collected": {}, "count": 0, "keep_runs": None}
        print_json({**nothing, "commit": None, "branch": None, "pushed": False})
    else:
        say(["Nothing to collect: every version folder is needed or of a newest run."])


def _count(gone: Mapping[str, Sequence[int]]) -> str:
    from calreg.report.numbers import plural

    return plural(sum(map(len, gone.values())), "version folder")


def _folders(gone: Mapping[str, Sequence[int]]) -> Iterator[str]:
    shown = sorted(gone.items())
    for model, numbers in shown[:_SHOWN]:
        few = ", ".join(f"v{number}" for number in numbers[:8])
        more = f" {signs().more} v{numbers[-1]} ({len(numbers):,})" if len(numbers) > 8 else ""
        yield f"{model}  {few}{more}"
    if len(shown) > _SHOWN:
        yield f"{signs().more} and {len(shown) - _SHOWN} more models"


def _lines(registry: Registry, plan: CollectPlan, done: Published) -> Iterator[str]:
    pushed = f", pushed to {done.remote}" if done.pushed else ""
    yield from _folders(plan.gone)
    yield f"{_count(plan.gone)} collected: committed {done.commit[:7]} on {done.branch}{pushed}"
    remote = registry.repository.remote(done.branch)
    steps = ["calreg push"] if remote and not done.pushed else []
    yield f"Next: {', '.join([*steps, 'git gc tidies up this clone'])}"
