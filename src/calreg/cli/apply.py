"""`apply`: a table of raw scores in, the same table with what calibrations make of them out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_registry
from calreg.cli.options import head_name, json_option, mapping_of, table_options
from calreg.cli.terminal import print_json, progress_bar, say, signs
from calreg.errors import UsageError
from calreg.files import read_file
from calreg.names import HeadName, parse_head_at

if TYPE_CHECKING:
    from calreg.documents import Calibration

__all__ = ["apply_command"]

_SHOWN = 10


@click.command("apply")
@table_options
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The .csv or .parquet to write.",
)
@click.option(
    "--from",
    "installed",
    type=click.Path(path_type=Path),
    metavar="DEST",
    help="Apply what calreg pull installed in DEST; else a registry's references.",
)
@click.option(
    "--use",
    "versions",
    multiple=True,
    metavar="HEAD@vN",
    help="Apply this version of a head instead of its reference. Repeatable.",
)
@click.option(
    "--calibration",
    "documents",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Apply the calibration in this file: a version, or what tune --out wrote. Repeatable.",
)
@click.option(
    "--missing",
    type=click.Choice(["refuse", "raw"]),
    default="refuse",
    show_default=True,
    help="What a head or label without a calibration gives.",
)
@json_option
@pass_session
def apply_command(session: Session, /, *, as_json: bool, **options: Any) -> None:
    """Write SCORES again, with what its calibration makes of every score beside it.

    New columns of a table with a column per label: calibrated_<label>, rescaled to 0 to 1; for
    labels with a probability p_<label>; for labels with a threshold fires_<label>, true or
    false. Where columns are called <model>/<head>:<label>: calibrated:<column>, p:<column>,
    fires:<column>. Of a table with a row per item and label: calibrated, p, fires. Only those
    are written that a calibration says something for; unreadable scores leave them empty.
    """
    from calreg.scores import ScoreTable, apply_scores

    calibrations = _calibrations(
        session, options["installed"], options["versions"], options["documents"]
    )
    table = ScoreTable(
        paths=options["scores"],
        columns=mapping_of(options["columns"]),
        head=_head(options["head"]),
        model=options["model"],
    )
    with progress_bar("Writing") as progress:
        counts = apply_scores(
            table,
            options["out"],
            calibrations=calibrations,
            missing=options["missing"],
            progress=progress,
        )
    if as_json:
        keys = ("rows", "calibrated", "unreadable", "raw")
        found = {key: getattr(counts, key) for key in keys}
        print_json({"out": str(counts.out), **found, "fired": dict(counts.fired)})
        return
    parts = [
        f"{counts.rows:,} rows",
        f"{counts.calibrated:,} calibrated scores",
        f"{counts.unreadable:,} unreadable, left empty" if counts.unreadable else "",
        f"{counts.raw:,} raw, without a calibration" if counts.raw else "",
    ]
    lines = [f"{counts.out}  {signs().joined(parts)}"]
    if counts.fired:
        lines.append(f"fires: {', '.join(_fired(counts.fired))}")
    say(lines)


def _fired(counts: Mapping[str, int]) -> list[str]:
    """How often each label fires; the most frequent first, the rest as a number."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    is_one_head = len({key.partition(":")[0] for key in counts}) == 1
    names = {key: key.partition(":")[2] if is_one_head else key for key, _ in ordered}
    shown = [f"{names[key]} {count:,}" for key, count in ordered[:_SHOWN]]
    more = len(ordered) - _SHOWN
    return shown + [f"and {more} more labels"] * (more > 0)


def _head(text: str | None) -> HeadName | None:
    """The head of --head; it may carry a version, which --use is for."""
    if text is not None and "@" in text:
        name, _, version = text.partition("@")
        raise UsageError(
            f"--head names the head only, got {text!r}",
            hint=f"--head {name} --use {name}@{version}",
        )
    return head_name(text)


def _calibrations(
    session: Session,
    installed: Path | None,
    versions: tuple[str, ...],
    documents: tuple[Path, ...],
) -> Mapping[HeadName, Calibration]:
    if documents:
        if installed is not None or versions or session.folder is not None:
            raise UsageError("--calibration applies files; --from, --use and --registry others")
        return _from_files(documents)
    if installed is None:
        return _from_registry(session, versions)
    if versions or session.folder is not None:
        raise UsageError("--from applies what is installed; --use and --registry need a registry")
    from calreg.client import Client

    opened = Client.open(installed)
    names = [HeadName.parse(head) for head in opened.heads()]
    return {name: opened.reference(name.full).calibration for name in names}


def _from_files(paths: tuple[Path, ...]) -> Mapping[HeadName, Calibration]:
    from calreg.documents import find_calibration

    found: dict[HeadName, Calibration] = {}
    for path in paths:
        calibration = find_calibration(read_file(path), where=str(path))
        if calibration.name in found:
            raise UsageError(f"--calibration: a second file for {calibration.name}: {path}")
        found[calibration.name] = calibration
    return found


def _from_registry(session: Session, versions: tuple[str, ...]) -> Mapping[HeadName, Calibration]:
    registry = open_registry(session)
    found = {name: reference.calibration for name, reference in registry.state().references.items()}
    for text in versions:
        name, version = parse_head_at(text)
        found[name] = registry.calibration(name, version).calibration
    return found
