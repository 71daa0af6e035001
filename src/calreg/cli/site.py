"""`calreg site build`: what is published, as files for any web server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_registry
from calreg.cli.options import json_option
from calreg.cli.terminal import print_json, progress_bar, say

__all__ = ["site_command"]


@click.group("site")
def site_command() -> None:
    """Build a static site of the published references."""


@site_command.command("build", short_help="Write what is published as files for any web server.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--branch",
    default="stable",
    show_default=True,
    metavar="NAME",
    help="The branch that calreg stable publish writes.",
)
@click.option(
    "--dashboard",
    type=click.Choice(["published", "branch", "none"]),
    default="published",
    show_default=True,
    help="What the dashboard shows: what is published, the working branch as it is here, nothing.",
)
@click.option(
    "--charts",
    type=click.IntRange(min=0),
    default=300,
    show_default=True,
    metavar="N",
    help="Draw charts of the N heads that most need a look; the others have the numbers.",
)
@click.option("--offline", is_flag=True, help="Ask no remote; use what was fetched before.")
@json_option
@pass_session
def build_command(
    session: Session,
    /,
    *,
    folder: Path,
    branch: str,
    dashboard: Literal["published", "branch", "none"],
    charts: int,
    offline: bool,
    as_json: bool,
) -> None:
    """Make DIR a site of the published references: indexes, documents, signatures, pages.

    It is what clients pull from, byte for byte as it was published and signed. Files in DIR
    that calreg did not write are left alone.
    """
    from calreg.site import build

    registry = open_registry(session)
    with progress_bar("Building", unit="references") as progress:
        built = build(
            registry.repository,
            registry.prefix,
            folder,
            branch=branch,
            is_offline=offline,
            dashboard=dashboard,
            charts=charts,
            progress=progress,
        )
    if as_json:
        print_json(built.to_json())
        return
    from calreg.cli.production_report import size_text
    from calreg.report.numbers import plural

    size, unchanged = size_text(built.bytes), f"{built.unchanged:,} unchanged"
    models, heads = plural(built.models, "model"), plural(built.heads, "reference")
    counts = f"{built.written:,} files written, {unchanged}, {built.removed:,} removed, {size}"
    said = [*_of_dashboard(built.dashboard, built.drawn, dashboard, has_charts=built.has_charts)]
    say([f"{built.registry}  index {built.seq}, {heads} of {models}", f"{folder}: {counts}", *said])


def _of_dashboard(
    commit: str | None, drawn: int, wanted: str, *, has_charts: bool
) -> Iterator[str]:
    """What became of the dashboard, where that needs a word."""
    from calreg.report.numbers import plural

    if commit is None:
        if wanted != "none":
            yield "no dashboard: this clone does not have the commit that was published (git fetch)"
        return
    yield f"dashboard of {commit[:12]}: {plural(drawn, 'head')} drawn anew"
    if not has_charts:
        yield "! without charts: pip install 'calreg[report]' brings what draws them"
