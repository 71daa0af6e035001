"""`calreg tune`: thresholds and probabilities from scores with truth, judged on a holdout.

It reads, asks `calreg.tuning`, tells, and publishes if it is asked to; nothing is written
before everything is known to be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.options import (
    Share,
    columns_option,
    json_option,
    mapping_of,
    push_option,
    timestamp_option,
    when,
)
from calreg.cli.processor import prefer_fast_sort
from calreg.errors import UsageError
from calreg.names import HeadName

if TYPE_CHECKING:
    from calreg.tuning import Request

__all__ = ["tune_command"]

_METHODS = ("threshold", "temperature", "platt", "beta", "isotonic", "histogram")
_DIRECTIONS = ("auto", "higher", "lower")


@click.command("tune")
@click.argument("labelled", nargs=-1, required=True, metavar="LABELLED...")
@click.option(
    "--head", required=True, metavar="MODEL/HEAD", help="The head whose scores these are."
)
@click.option(
    "--holdout",
    multiple=True,
    metavar="FILE",
    help="Scores with truth that were kept apart, to judge the choice on. Repeatable.",
)
@click.option(
    "--train",
    multiple=True,
    metavar="FILE",
    help="What the model was trained on, to count the rows it shares with both. Repeatable.",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="[LABEL=]OBJECTIVE",
    help="max-f1 (default), max-f0.5, max-recall@fpr<=0.02, max-precision@recall>=0.9, "
    "max-recall@precision>=0.8, min-cost@fp=1,fn=20 or youden, for all labels or one. Repeatable.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(_METHODS),
    help="threshold (default), or a probability method; both together decide on its "
    "probabilities, as does a probability method with --objective. Repeatable.",
)
@click.option(
    "--average",
    type=click.Choice(["per-label", "micro", "macro"]),
    default="per-label",
    show_default=True,
    help="A threshold per label, or one for all: of the pooled counts, or the mean over labels.",
)
@click.option(
    "--link",
    type=click.Choice(["sigmoid", "softmax"]),
    default="sigmoid",
    show_default=True,
    help="For temperature: labels on their own, or exactly one of them true.",
)
@click.option(
    "--direction",
    "directions",
    multiple=True,
    metavar="[LABEL=]auto|higher|lower",
    help="Whether high or low scores speak for a label; auto (default) asks its AUROC. Repeatable.",
)
@click.option(
    "--guarantee",
    type=float,
    metavar="CONFIDENCE",
    help="Keep an FPR limit on fresh items with this confidence (0.95), whatever their scores.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME", help="Only these. Repeatable.")
@click.option(
    "--where",
    multiple=True,
    metavar="COLUMN=TEXT",
    help="Only rows whose column holds this text. Repeatable.",
)
@click.option(
    "--group", metavar="COLUMN", help="A column of groups that must not be split across sets."
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="COLUMN",
    help="A column of equal texts or the like that sets must not share; text_key is found "
    "unasked. Repeatable.",
)
@click.option(
    "--grid",
    nargs=2,
    metavar="T=LO:HI:N t=LO:HI:N",
    help="Also the familiar search over temperatures and thresholds, to compare with "
    "(T=1:15:15 t=0.1:0.9:9). Needs logits.",
)
@click.option(
    "--quadrants",
    nargs=2,
    metavar="A B",
    help="Also who flags what: two labels on the same items, in four counts.",
)
@click.option(
    "--examples",
    type=click.IntRange(0),
    default=0,
    help="With --quadrants: the N most telling items of each.",
)
@click.option(
    "--show", "shown", multiple=True, metavar="COLUMN", help="With --examples: also this column."
)
@click.option(
    "--bins",
    type=click.IntRange(2, 1000),
    help="Of --method histogram.  [default: 15]",
)
@click.option(
    "--min-positives",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="A label with fewer gets no threshold.",
)
@click.option(
    "--min-negatives",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="The same of negatives.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the bootstrap intervals.")
@click.option(
    "--max-reject-rate",
    type=Share(),
    default=0.01,
    show_default=True,
    help="More rejected cells than this share stop it.",
)
@columns_option
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write the result there, in a file of its own name.",
)
@click.option(
    "--plot",
    "plots",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also draw it: .html, .png or .svg (needs calreg[report]). Repeatable.",
)
@click.option("--commit", is_flag=True, help="Publish it as a new version of the head.")
@click.option(
    "--dry-run", is_flag=True, help="Also show what --commit would do; writes no version."
)
@push_option
@timestamp_option
@json_option
@pass_session
def tune_command(session: Session, /, **options: Any) -> None:
    """Choose thresholds or probability maps for one head on LABELLED, exactly.

    LABELLED are CSV, JSONL or Parquet files with scores and truth: columns score_<label> or
    logit_<label> beside y_<label>, or long ones with a column truth.

    A threshold is the best of all distinct scores, never of a grid; null means never fires.
    Without --commit nothing is written but what --out and --plot say.
    """
    from calreg.cli.tuning import Asked, run_tune

    if options["commit"] and options["dry_run"]:
        raise UsageError("--commit and --dry-run contradict each other; choose one")
    if options["push"] and not options["commit"]:
        raise UsageError("--push pushes the commit that --commit makes", hint="Add --commit.")
    if (options["examples"] or options["shown"]) and options["quadrants"] is None:
        raise UsageError("--examples and --show belong to --quadrants A B")
    prefer_fast_sort()
    asked = Asked(
        head=_head(options["head"]),
        request=_request(options),
        labelled=options["labelled"],
        holdout=options["holdout"],
        train=options["train"],
        labels=options["labels"],
        where=_pairs(options["where"]),
        group=options["group"],
        keys=options["keys"],
        columns=mapping_of(options["columns"]),
        max_reject_rate=options["max_reject_rate"],
        grid=options["grid"],
        quadrants=options["quadrants"],
        examples=options["examples"],
        shown=options["shown"],
        folder=options["folder"],
        plots=options["plots"],
        commit=options["commit"],
        dry_run=options["dry_run"],
        push=options["push"],
        moment=when(options["timestamp"]),
        as_json=options["as_json"],
    )
    run_tune(session, asked)


def _head(text: str) -> HeadName:
    return HeadName.parse(text)


def _request(options: Mapping[str, Any]) -> Request:
    """What the options ask for.

    Raises:
        UsageError: They contradict each other, or one cannot be read.
    """
    from calreg.tuning import Request

    maps = sorted(set(options["methods"]) - {"threshold"})
    if len(maps) > 1:
        raise UsageError(f"--method: {' and '.join(maps)} cannot both come first; choose one")
    everywhere, by_label = _objectives(options["objectives"])
    wants_threshold = not maps or "threshold" in options["methods"]
    if everywhere is None and (wants_threshold or by_label):
        from calreg.calibrate.objectives import parse_objective

        everywhere = parse_objective("max-f1")
    direction, directions = _directions(options["directions"])
    return Request(
        map_method=maps[0] if maps else None,
        objective=everywhere,
        objectives=by_label,
        average=options["average"],
        link=options["link"],
        direction=direction,
        directions=directions,
        guarantee=options["guarantee"],
        min_positives=options["min_positives"],
        min_negatives=options["min_negatives"],
        bins=_bins(options["bins"], maps),
        seed=options["seed"],
    )


def _bins(asked: int | None, maps: list[str]) -> int:
    if asked is not None and maps != ["histogram"]:
        raise UsageError("--bins belongs to --method histogram")
    return 15 if asked is None else asked


def _objectives(texts: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """The objective of all labels, and those of single ones.

    Raises:
        UsageError: One that cannot be read, or two for the same labels.
    """
    everywhere, by_label = None, {}
    for text in texts:
        label, objective = _labelled_objective(text)
        if (label in by_label) if label is not None else everywhere is not None:
            raise UsageError(f"--objective: a second one for {label or 'all labels'}: {text!r}")
        if label is None:
            everywhere = objective
        else:
            by_label[label] = objective
    return everywhere, by_label


def _labelled_objective(text: str) -> tuple[str | None, Any]:
    """Label and objective; objectives have equals signs of their own.

    >>> label, objective = _labelled_objective("scam=min-cost@fp=1,fn=20")
    >>> label, objective.text
    ('scam', 'min-cost@fp=1,fn=20')
    """
    from calreg.calibrate.objectives import parse_objective

    try:
        return None, parse_objective(text)
    except UsageError:
        parts = text.split("=")
        for place in range(1, len(parts)):
            label, rest = "=".join(parts[:place]), "=".join(parts[place:])
            try:
                return label, parse_objective(rest)
            except UsageError:
                continue
        raise


def _directions(texts: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """The direction of all labels, and those of single ones.

    >>> _directions(("lower", "pri=higher"))
    ('lower', {'pri': 'higher'})
    """
    found: dict[str, str] = {}
    for text in texts:
        label, _, direction = text.rpartition("=")
        if direction not in _DIRECTIONS:
            raise UsageError(f"--direction: expected [LABEL=]{'|'.join(_DIRECTIONS)}, got {text!r}")
        if label in found:
            raise UsageError(f"--direction: a second one for {label or 'all labels'}: {text!r}")
        found[label] = direction
    return found.pop("", "auto"), found


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        column, equals, value = text.partition("=")
        if not (column and equals):
            raise UsageError(f"--where: expected COLUMN=TEXT, got {text!r}")
        if column in found:
            raise UsageError(
                f"--where: a second one for {column!r}: {text!r}",
                hint="Rows must meet all of them: a column can be asked for one text.",
            )
        found[column] = value
    return found
