"""`calreg feedback`: predictions against outcomes, and factors corrected with care.

Each command parses, and leaves the work to a module that is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.options import Share, json_option, mapping_of, push_option, timestamp_option, when
from calreg.errors import InputError, UsageError
from calreg.names import HeadName

__all__ = ["feedback_command"]

_F = TypeVar("_F", bound=Callable[..., Any])

_MAX_WHY = 1000  # as schemas/overrides.schema.json says, like the next
_MAX_BY = 200


@click.group("feedback")
def feedback_command() -> None:
    """Predictions and outcomes: how far off, which factors would mend it, and careful steps there.

    run joins the two and suggests a factor per group; apply moves the factors in force towards
    it, within bounds; history shows the trend; revert goes back. All of it is kept in one folder.
    """


_folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("feedback"),
    show_default=True,
    metavar="DIR",
    help="Where suggestions, the factors in force and their history are kept.",
)


def _by(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """The name, if a record has room for it.

    Raises:
        InputError: It is empty, longer than a record may be, or would steer a terminal.
    """
    if text is not None and not (0 < len(text) <= _MAX_BY and text.isprintable()):
        raise InputError(
            f"--by: expected a name of at most {_MAX_BY} printable characters, got {text[:60]!r}",
            code="name",
        )
    return text


_by_option = click.option(
    "--by",
    metavar="NAME",
    callback=_by,
    help="Who does this, for the history; else the account's name, in a registry git's.",
)

_plot_option = click.option(
    "--plot",
    "plots",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also draw it: .html, .png or .svg (needs calreg[report]). Repeatable.",
)


def _alert_options(command: _F) -> _F:
    alerts = click.option(
        "--alert",
        "alerts",
        multiple=True,
        metavar="RULE",
        help="Exit 1 if it fires: mae:+50% (since the run before), abs(bias)>0.10 (of the mean "
        "outcome), sell_through:-20%, median_ratio<0.9. Repeatable.",
    )
    groups = click.option(
        "--alert-groups",
        is_flag=True,
        help="Ask the rules of every group with 10 price pairs, too.",
    )
    baseline = click.option(
        "--baseline",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        metavar="N",
        help="Compare with the median of the N runs before.",
    )
    return alerts(groups(baseline(command)))


def _why(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """The reason, if a record has room for it.

    Raises:
        InputError: It is longer than a record may be, or was typed in another encoding.
    """
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise InputError("--why: expected UTF-8 text", code="reason")
    if len(text) > _MAX_WHY:
        raise InputError(
            f"--why: expected at most {_MAX_WHY:,} characters, got {len(text):,}",
            hint="Say it shorter, or give the address of the long story.",
            code="reason",
        )
    return text


_why_option = click.option(
    "--why", default="", metavar="TEXT", callback=_why, help="The reason, for the history."
)


@feedback_command.command(
    "run", short_help="Join predictions and outcomes; suggest a factor per group."
)
@click.argument("predictions")
@click.argument("outcomes")
@_folder_option
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="The column that is the key (of both), predicted, probability, hazard, horizon, factor "
    "or group (of PREDICTIONS), outcome, sold or days (of OUTCOMES). Repeatable.",
)
@click.option(
    "--currency",
    metavar="SIGN",
    help="Take prices with this sign, such as $; else they are rejected.",
)
@click.option(
    "--duplicates",
    type=click.Choice(["last", "first", "error"]),
    default="last",
    show_default=True,
    help="Which row of a key that stands more than once counts.",
)
@click.option(
    "--time-column", metavar="COLUMN", help="What orders rows of one key; else their file does."
)
@click.option(
    "--unsold-prices",
    type=click.Choice(["exclude", "include"]),
    default="exclude",
    show_default=True,
    help="Whether the price of an item that did not sell counts.",
)
@click.option(
    "--horizon",
    type=float,
    metavar="DAYS",
    help="How long unsold items were watched, where no column says.",
)
@click.option(
    "--max-reject-rate",
    type=Share(),
    default=0.01,
    show_default=True,
    help="More garbled lines and rows without a key than this share of a file stop it.",
)
@click.option(
    "--shrink",
    type=float,
    default=20.0,
    show_default=True,
    metavar="K",
    help="How many pairs the factor in force weighs as much as; 0 takes the median as it is.",
)
@click.option(
    "--min-pairs",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    metavar="N",
    help="A group with fewer price pairs is too_few, and keeps its factor.",
)
@click.option(
    "--current",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The factors in force: JSON, or a head's reference; else those of the folder, else "
    "what predictions say.",
)
@_alert_options
@click.option("--dry-run", is_flag=True, help="Show it, and keep nothing.")
@_plot_option
@_by_option
@timestamp_option
@json_option
@click.pass_context
def run_command(context: click.Context, /, **options: Any) -> None:
    """Join PREDICTIONS and OUTCOMES; say how far off they were; suggest a factor per group.

    Both are CSV, JSONL or Parquet files. Columns are found by their usual names (sku,
    predicted_price, probability, condition; sold_price, sold, holding_days and others).

    A suggestion is the factor in force times the median of outcome / prediction, drawn back
    towards the factor in force where pairs are few. Nothing is applied.

    Exit codes: 0 done, 1 an alert fired, 3 the input is refused and nothing was kept.
    """
    from calreg.cli.feedback_alerts import Watch
    from calreg.cli.feedback_folder import FeedbackFolder
    from calreg.cli.feedback_run import Asked, run_feedback
    from calreg.cli.processor import prefer_fast_sort

    prefer_fast_sort()
    tables = _tables(options["predictions"], options["outcomes"], mapping_of(options["columns"]))
    asked = Asked(
        predictions=tables[0],
        outcomes=tables[1],
        folder=FeedbackFolder(options["folder"]),
        currency=options["currency"],
        duplicates=options["duplicates"],
        time_column=options["time_column"],
        unsold=options["unsold_prices"],
        horizon=options["horizon"],
        max_reject_rate=options["max_reject_rate"],
        shrink=options["shrink"],
        min_pairs=options["min_pairs"],
        current=options["current"],
        watch=Watch.of(options),
        dry_run=options["dry_run"],
        plots=options["plots"],
        by=options["by"],
        moment=when(options["timestamp"]),
        as_json=options["as_json"],
    )
    context.exit(run_feedback(asked))


def _tables(predictions: str, outcomes: str, columns: Mapping[str, str]) -> tuple[Any, Any]:
    """Both sides with the columns that were named, each role where it belongs.

    Raises:
        UsageError: A role that neither side has.
    """
    from calreg.names import nearest
    from calreg.scores.feedback_columns import OUTCOME_ROLES, PREDICTION_ROLES, FeedbackTable

    known = {**PREDICTION_ROLES, **OUTCOME_ROLES}
    for role in columns:
        if role not in known:
            raise UsageError(f"--column: no role {role!r}", hint=nearest(role, known))
    sides = []
    for side, path, roles in (
        ("predictions", predictions, PREDICTION_ROLES),
        ("outcomes", outcomes, OUTCOME_ROLES),
    ):
        named = {role: name for role, name in columns.items() if role in roles}
        sides.append(FeedbackTable(side, (path,), named))  # type: ignore[arg-type]
    return sides[0], sides[1]


@feedback_command.command(
    "apply", short_help="Move the factors in force towards suggestions, within bounds."
)
@click.argument("suggestions", required=False, type=click.Path(path_type=Path, dir_okay=False))
@_folder_option
@click.option(
    "--min-factor",
    type=float,
    metavar="F",
    help="The lowest factor.  [default: that of the last application, else 0.5]",
)
@click.option(
    "--max-factor",
    type=float,
    metavar="F",
    help="The highest factor.  [default: that of the last application, else 1.2]",
)
@click.option(
    "--max-step",
    type=float,
    metavar="SHARE",
    help="The largest change of a factor at once, as a share of it.  [default: that of the last "
    "application, else 0.15]",
)
@click.option(
    "--current",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="For the first application: the factors in force, as JSON.",
)
@click.option(
    "--allow-unknown", is_flag=True, help="Take groups that have no factor yet; theirs start at 1."
)
@click.option("--dry-run", is_flag=True, help="Show before and after, and write nothing.")
@click.option(
    "--out-overrides",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help='Also write the factors there, as plain {"CONDITION_PRICE_FACTOR": {group: factor}}.',
)
@click.option(
    "--head",
    metavar="MODEL/HEAD",
    help="The head of a registry that holds the factors; with --commit or --dry-run.",
)
@click.option("--commit", is_flag=True, help="Publish them as a new version of the head.")
@push_option
@_why_option
@_by_option
@timestamp_option
@json_option
@pass_session
def apply_command(session: Session, /, **options: Any) -> None:
    """Move the factors in force towards SUGGESTIONS, within bounds and one step at a time.

    SUGGESTIONS is a file that feedback run kept; by default that of the last run. A bound never
    turns a cut into a rise or a rise into a cut: the factor is held then, and the table says so.
    Groups with too few pairs, or within noise, keep their factor.

    The same data is applied once only. The result is overrides.json in the folder, which an
    application reads with calreg.overrides.load.
    """
    from calreg.cli.feedback_apply import Asked, apply_suggestions
    from calreg.cli.feedback_folder import FeedbackFolder

    _check_modes(options)
    asked = Asked(
        folder=FeedbackFolder(options["folder"]),
        suggestions=options["suggestions"],
        bounds={
            name: options[name]
            for name in ("min_factor", "max_factor", "max_step")
            if options[name] is not None
        },
        current=options["current"],
        allow_unknown=options["allow_unknown"],
        dry_run=options["dry_run"],
        out=options["out_overrides"],
        head=HeadName.parse(options["head"]) if options["head"] is not None else None,
        push=options["push"],
        why=options["why"],
        by=options["by"],
        moment=when(options["timestamp"]),
        as_json=options["as_json"],
    )
    apply_suggestions(session, asked)


def _check_modes(options: Mapping[str, Any]) -> None:
    if options["commit"] and options["dry_run"]:
        raise UsageError("--commit and --dry-run contradict each other; choose one")
    if options["push"] and not options["commit"]:
        raise UsageError("--push pushes the commit that --commit makes", hint="Add --commit.")
    if options["commit"] and options["head"] is None:
        raise UsageError("--commit publishes a head of a registry", hint="Add --head MODEL/HEAD.")
    if options["head"] is not None and not (options["commit"] or options["dry_run"]):
        raise UsageError(
            "--head is for a registry", hint="Add --commit to publish, or --dry-run to look."
        )


@feedback_command.command("history", short_help="What happened, with trends and alerts.")
@_folder_option
@_alert_options
@_plot_option
@json_option
@click.pass_context
def history_command(context: click.Context, /, **options: Any) -> None:
    """Runs, applications and reverts, newest first, with the trend of MAE and of bias by group.

    With --alert, the newest run is judged. Exit codes: 0 all is well, 1 an alert fired, 3 one
    could not be told, or the folder cannot be read.
    """
    from calreg.cli.feedback_alerts import Watch
    from calreg.cli.feedback_folder import FeedbackFolder
    from calreg.cli.feedback_past import tell_history

    folder, plots = FeedbackFolder(options["folder"]), options["plots"]
    watch = Watch.of(options)
    context.exit(tell_history(folder, watch, plots=plots, as_json=options["as_json"]))


@feedback_command.command("revert", short_help="Restore the factors from before an application.")
@click.argument("name", required=False, metavar="[ID]")
@_folder_option
@click.option(
    "--out-overrides",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the factors there, in the plain form.",
)
@_why_option
@click.option("--dry-run", is_flag=True, help="Show before and after, and write nothing.")
@_by_option
@timestamp_option
@json_option
def revert_command(**options: Any) -> None:
    """Restore the factors that were in force before the last application, or before ID's.

    feedback history lists the ids. The revert is recorded like an application; nothing that
    was recorded before is changed. A registry's head goes back with calreg rollback.
    """
    from calreg.cli.feedback_folder import FeedbackFolder
    from calreg.cli.feedback_past import Wanted, revert_factors

    wanted = Wanted(
        folder=FeedbackFolder(options["folder"]),
        name=options["name"],
        out=options["out_overrides"],
        why=options["why"],
        dry_run=options["dry_run"],
        by=options["by"],
        moment=when(options["timestamp"]),
        as_json=options["as_json"],
    )
    revert_factors(wanted)
