"""`calreg compare`: several ways of calibrating a head, on one holdout, side by side."""

from __future__ import annotations

from pathlib import Path

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.options import json_option
from calreg.cli.processor import prefer_fast_sort

__all__ = ["compare_command"]


@click.command("compare")
@click.argument("spec", metavar="SPEC.yaml", type=click.Path(path_type=Path))
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the report as a Markdown page.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the document of --json, with the recommended calibration in it.",
)
@json_option
@pass_session
def compare_command(
    _session: Session, /, spec: Path, markdown: Path | None, out: Path | None, *, as_json: bool
) -> None:
    """Tune a head in the ways that SPEC.yaml lists, and say which of them to take, and why.

    SPEC.yaml names the head, the holdout and the options: data, method, objective, and rows
    to add from a pool. Paths in it are relative to its folder. Nothing is published.

    \b
    head: janitr/main3
    holdout: holdout.csv
    defaults: {calibration: calibration.csv, objective: max-recall@fpr<=0.02}
    options:
    - {name: plain}
    - {name: sigmoid, method: platt}
    """  # noqa: D301 -- click takes a real backspace for "as it stands"
    from calreg.cli.comparing import run_compare

    prefer_fast_sort()
    run_compare(spec, markdown=markdown, out=out, as_json=as_json)
