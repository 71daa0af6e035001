"""`retag`: which items change their outcome between two references, and only those."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.options import head_name, json_option, mapping_of, table_options
from calreg.cli.terminal import note, print_json, progress_bar, say, signs, width
from calreg.errors import UsageError

if TYPE_CHECKING:
    from calreg.cli.retag_sides import Side
    from calreg.names import HeadName
    from calreg.retag import RetagRules

__all__ = ["retag_command"]

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command("retag")
@table_options
@click.option(
    "--from", "old", required=True, metavar="REF", help="What the items were tagged with."
)
@click.option(
    "--to",
    "new",
    default="HEAD",
    show_default=True,
    metavar="REF",
    help="What they would be tagged with now.",
)
@click.option(
    "--min-change",
    type=float,
    default=0.01,
    show_default=True,
    help="A calibrated value counts as changed if it moves by this much or more.",
)
@click.option(
    "--tiers",
    metavar="CUT,CUT…",
    help="Cuts of the calibrated value: 0.3,0.6,0.8. None if not said.",
)
@click.option(
    "--out",
    type=_PATH,
    metavar="FILE",
    help="List every change: .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet.",
)
@click.option("--items", type=_PATH, metavar="FILE", help="List the items to tag again, each once.")
@click.option(
    "--limit",
    type=click.IntRange(0, 10_000),
    default=10,
    show_default=True,
    help="How many of the farthest movers to show.",
)
@json_option
@pass_session
def retag_command(session: Session, /, *, as_json: bool, **options: Any) -> None:
    """Find the items of SCORES whose outcome changes from one REF to another.

    An outcome changes if the calibrated value moves by --min-change or more, if a label fires
    before or after but not both, or if the value is in another of the --tiers.

    A REF is a version of one head (HEAD@v2; v2 with --head), or what was in force for all
    heads: after a run (2 or v2), at a commit, a date or time, on a branch (main, stable); or a
    folder that calreg pull installed, or a file with a calibration. Nothing is written but
    --out and --items.
    """
    from calreg.report.retag import retag_json, retag_lines
    from calreg.scores import ScoreTable, retag_scores

    rules = _rules(options["min_change"], options["tiers"])
    head, before, after = _sides(session, options["head"], options["old"], options["new"])
    table = ScoreTable(
        paths=options["scores"],
        columns=mapping_of(options["columns"]),
        head=head,
        model=options["model"],
    )
    with progress_bar("Comparing") as progress:
        counts = retag_scores(
            table,
            before.calibrations,
            after.calibrations,
            rules,
            out=options["out"],
            items=options["items"],
            limit=options["limit"],
            progress=progress,
        )
    sides = before.text, after.text
    written = {key: str(options[key]) for key in ("out", "items") if options[key] is not None}
    if as_json:
        lists = {"out": written.get("out"), "items_out": written.get("items")}
        print_json({**retag_json(counts, rules, sides), **lists})
        return
    say(retag_lines(counts, rules, sides, width=width(), signs=signs()))
    if before.calibrations == after.calibrations:
        note([f"{before.text} and {after.text} hold the same calibrations."])
    if written:
        say([f"Written: {', '.join(written.values())}"])
    elif counts.changed and counts.items is not None:
        say(["Next: the same with --items FILE lists what to tag again."])


def _rules(min_change: float, tiers: str | None) -> RetagRules:
    from calreg.retag import RetagRules

    try:
        cuts = tuple(float(part) for part in tiers.split(",")) if tiers else ()
    except ValueError as error:
        raise UsageError(
            f"--tiers: expected numbers with commas between them, got {tiers!r}",
            hint="--tiers 0.3,0.6,0.8",
        ) from error
    return RetagRules(min_change, cuts)


def _sides(
    session: Session, head_text: str | None, old: str, new: str
) -> tuple[HeadName | None, Side, Side]:
    """The one head that is meant, if one is, and the calibrations before and after.

    Raises:
        UsageError: Two heads are named.
    """
    from calreg.cli.retag_sides import Sides

    head = head_name(head_text)
    found = Sides(session, head)
    before, after = found.find(old), found.find(new)
    named = [one for one in (head, before.only, after.only) if one is not None]
    if len(set(named)) > 1:
        raise UsageError(f"one head at a time, got {' and '.join(sorted({n.full for n in named}))}")
    only = named[0] if named else None
    return only, before.of(only), after.of(only)
