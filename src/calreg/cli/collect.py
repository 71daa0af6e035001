"""`collect`: a data set and a scorer in, a table of scores out, each item scored once."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.options import Share, json_option, timestamp_option, when
from calreg.cli.terminal import note, print_json, progress_bar, say, signs

if TYPE_CHECKING:
    from calreg.collect import Collected, Request

__all__ = ["collect_command"]


@click.command("collect")
@click.argument("dataset", nargs=-1, required=True, metavar="DATASET...")
@click.option(
    "--scorer",
    required=True,
    metavar="MODULE:FUNCTION",
    help="What scores the items: your code, which runs in this process with your rights.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The .jsonl or .parquet to write; if it was begun before, it is gone on with.",
)
@click.option("--item", metavar="COLUMN", help="What names the items; else 'item' or 'id'.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="Keep this label only, or: what a plain number is the score of. Repeatable.",
)
@click.option(
    "--kind",
    type=click.Choice(["score", "logit"]),
    default="score",
    show_default=True,
    help="What the numbers are: columns score_<label> or logit_<label>.",
)
@click.option(
    "--reduce",
    "reduce",
    multiple=True,
    metavar="[LABEL=]REDUCER",
    help="How many values become one: mean, max, last, mean-top<k>. Repeatable.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Copy this column, too; y_*, text_key and group always are. Repeatable.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 1_000_000),
    default=64,
    show_default=True,
    help="Items per call of the scorer and per write.",
)
@click.option("--per-item", is_flag=True, help="The scorer takes one item, not a list of them.")
@click.option(
    "--on-error",
    type=click.Choice(["retry", "record"]),
    default="retry",
    show_default=True,
    help="When a batch raises: try its items one by one, or record the error for all of them.",
)
@click.option(
    "--max-error-rate",
    type=Share(),
    default=0.01,
    show_default=True,
    help="More items with errors than this share stop the collecting.",
)
@click.option(
    "--restart", is_flag=True, help="Begin anew; what is there is moved to FILE.bak-TIME."
)
@timestamp_option
@json_option
def collect_command(*, as_json: bool, **options: Any) -> None:
    """Score the items of DATASET once each, and keep only the scores.

    DATASET are CSV, JSONL or Parquet files or globs; a row is an item. FUNCTION is given a
    list of items, each a dict of its columns, and returns a list with, per item, a number, a
    {label: number}, or a {label: [numbers]} for --reduce.

    Killed or interrupted, the same command goes on where it was. Items that raise, or get NaN
    or no number, are recorded with the error and without a score.
    """
    from calreg.collect import CollectInterruptedError, collect, importable_here, load_scorer

    request = _request(options)
    try:
        # What the scorer prints must not get between a program and the one document.
        with importable_here(), contextlib.redirect_stdout(sys.stderr), _progress() as progress:
            done = collect(
                request,
                lambda: load_scorer(
                    request.scorer,
                    per_item=options["per_item"],
                    retry=options["on_error"] == "retry",
                ),
                progress=progress,
            )
    except CollectInterruptedError as error:
        there = error.collected
        note([f"{there.journal}: {there.counts['recorded']:,} items; the same command goes on"])
        raise
    note([f"Warning: {warning['message']}" for warning in done.warnings])
    if as_json:
        print_json(done.to_json())
    else:
        say([_summary(done)])


def _progress() -> Any:
    return progress_bar("Scoring")


def _request(options: dict[str, Any]) -> Request:
    from calreg.collect import Request, parse_reducers
    from calreg.documents import timestamp_text

    return Request(
        dataset=options["dataset"],
        out=options["out"],
        scorer=options["scorer"],
        moment=timestamp_text(when(options["timestamp"])),
        item=options["item"],
        labels=tuple(dict.fromkeys(options["labels"])),
        kind=options["kind"],
        keep=options["keep"],
        reducers=parse_reducers(options["reduce"]),
        batch_size=options["batch_size"],
        max_error_rate=options["max_error_rate"],
        restart=options["restart"],
    )


def _summary(done: Collected) -> str:
    counts = done.counts
    bad = counts["errors"] + counts["nameless"]
    first = f" (first: {': '.join(done.first_errors[0])})" if done.first_errors else ""
    parts = [
        f"{counts['recorded']:,} items",
        f"{done.resumed:,} of them from before" if done.resumed else "",
        f"{len(done.labels)} labels" if len(done.labels) != 1 else f"label {done.labels[0]}",
        f"{bad:,} with errors{first}" if bad else "",
        f"{counts['duplicates']:,} duplicates left out" if counts["duplicates"] else "",
        f"what was there is in {done.aside[0]}" if done.aside else "",
    ]
    return f"{done.out}  {signs().joined(parts)}"
