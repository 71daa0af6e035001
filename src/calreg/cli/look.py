"""`show`, `history` and `diff`: what a registry holds, held, and how two versions differ."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_registry
from calreg.cli.options import json_option
from calreg.cli.terminal import print_json, say, signs, width
from calreg.errors import UsageError
from calreg.names import HeadName, parse_head_at, parse_version

if TYPE_CHECKING:
    from calreg.documents import HeadRow
    from calreg.plan import Reference
    from calreg.registry import Registry
    from calreg.report.heads import HeadStatus

__all__ = ["diff_command", "history_command", "show_command"]

_LIMIT = 50  # rows that a person may read


@click.command("show")
@click.argument("head", required=False, metavar="[HEAD[@vN]]")
@json_option
@pass_session
def show_command(session: Session, *, head: str | None, as_json: bool) -> None:
    """Show HEAD's reference or one of its versions; without HEAD, all heads at a glance."""
    registry = open_registry(session)
    if head is None:
        _show_all(registry, as_json=as_json)
    else:
        _show_one(registry, *parse_head_at(head), as_json=as_json)


def _show_all(registry: Registry, *, as_json: bool) -> None:
    from calreg.report.heads import overview_json, overview_lines

    references = registry.state().references
    latest = _latest_rows(registry, references)
    times = {run.version: run.timestamp for run in registry.runs()}
    heads = [
        _status(name, reference, latest.get(name), times, registry)
        for name, reference in sorted(references.items())
    ]
    if as_json:
        print_json(overview_json(registry.name, heads))
    else:
        withdrawn = registry.now.withdrawn
        say(overview_lines(registry.name, heads, width=width(), signs=signs(), withdrawn=withdrawn))


def _show_one(registry: Registry, name: HeadName, version: int | None, *, as_json: bool) -> None:
    from calreg.report.heads import head_json, head_lines

    found = registry.calibration(name, version)
    versions = registry.versions(name)
    reference = registry.state().references.get(name)
    times = {run.version: run.timestamp for run in registry.runs()}
    latest = _latest_rows(registry, [name])
    status = _status(name, found, latest.get(name), times, registry)
    held = reference.version if reference else None
    if as_json:
        print_json(head_json(status, reference=held, versions=versions))
    else:
        say(head_lines(status, reference=held, versions=versions, width=width(), signs=signs()))


def _latest_rows(
    registry: Registry, heads: Collection[HeadName]
) -> dict[HeadName, tuple[int, HeadRow]]:
    """What the last run that had a head said of it; reads no more runs than that takes."""
    found: dict[HeadName, tuple[int, HeadRow]] = {}
    wanted = set(heads)
    for part in registry.now.model_runs(sorted({name.model for name in heads})):
        for head, row in part.heads.items():
            name = HeadName(part.model, head)
            if name in wanted:
                found[name] = (part.version, row)
                wanted.discard(name)
        if not wanted:
            break
    return found


def _status(
    name: HeadName,
    found: Reference,
    latest: tuple[int, HeadRow] | None,
    times: dict[int, str],
    registry: Registry,
) -> HeadStatus:
    from calreg.report.heads import HeadStatus

    return HeadStatus(
        name=name.full,
        calibration=found.calibration,
        digest=found.digest,
        since=times.get(found.version),
        latest=latest[0] if latest else None,
        last_row=latest[1] if latest else None,
        pin=registry.pins().heads.get(name.full),
        withdrawn=registry.now.withdrawn.heads.get(name.full, {}),
    )


@click.command("history")
@click.option(
    "--model", metavar="MODEL", help="Only heads of this model, or of those a pattern matches."
)
@click.option(
    "--head",
    metavar="HEAD",
    help="Only this head, by its full name or its own, or those a pattern of either matches.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    show_default="50; jsonl: all",
    help="At most this many rows.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="jsonl: a document per line with a _key, for document databases.",
)
@click.option(
    "--sql", metavar="SELECT", help="Ask the table history one question instead; it is only read."
)
@json_option
@pass_session
def history_command(
    session: Session,
    *,
    model: str | None,
    head: str | None,
    limit: int | None,
    form: str,
    sql: str | None,
    as_json: bool,
) -> None:
    """What runs found, newest first: a row per head and version, and the trend of each head."""
    is_lines = form == "jsonl"
    if is_lines and as_json:
        raise UsageError("--format jsonl and --json are two forms: give one")
    if sql is not None:
        if is_lines or model or head or limit:
            raise UsageError("--sql takes no --model, --head, --limit or --format: say it in SQL")
        from calreg.cli.asking import answer

        answer(session, sql, as_json=as_json)
        return
    registry = open_registry(session)
    found = registry.history(model, head, limit or (sys.maxsize if is_lines else _LIMIT))
    if is_lines:
        _print_lines(found)
    elif as_json:
        print_json({"count": len(found), "runs": found})
    elif not found:
        say(["No runs yet.", "Next: calreg run SCORES"])
    else:
        from calreg.report.history import history_lines

        say(history_lines(found, width=width(), signs=signs()))


def _print_lines(found: Iterable[Mapping[str, Any]]) -> None:
    """A line per row, its key first; an empty history is no line."""
    from calreg.store import history_key

    for row in found:
        key = history_key(row["model_name"], row["head_name"], row["version"])
        line = json.dumps({"_key": key, **row}, ensure_ascii=False, allow_nan=False)
        click.echo(line.encode("utf-8", "backslashreplace"))


@click.command("diff")
@click.argument("head", metavar="HEAD")
@click.argument("old", metavar="V1")
@click.argument("new", metavar="V2")
@json_option
@pass_session
def diff_command(session: Session, *, head: str, old: str, new: str, as_json: bool) -> None:
    """Compare version V2 of HEAD with V1: drift, decisions and quantiles."""
    from calreg.drift import drift_between
    from calreg.report.diff import diff_json, diff_lines
    from calreg.report.heads import withdrawn_text

    registry = open_registry(session)
    name = HeadName.parse(head)
    before = registry.calibration(name, parse_version(old)).calibration
    after = registry.calibration(name, parse_version(new)).calibration
    unfit = {
        version: found
        for version in (before.version, after.version)
        if (found := registry.now.withdrawn.of(name.full, version)) is not None
    }
    rules = registry.settings().for_head(name)
    drift = drift_between(
        after.labels, before.labels, thresholds=rules.thresholds, assume=rules.assume
    )
    if as_json:
        withdrawn = {f"v{version}": one.to_json() for version, one in unfit.items()}
        document = diff_json(before, after, drift, rules.thresholds)
        print_json({**document, "withdrawn": withdrawn})
    else:
        say(f"{name} {withdrawn_text({version: one})}" for version, one in unfit.items())
        say(diff_lines(before, after, drift, rules.thresholds, width=width(), signs=signs()))
