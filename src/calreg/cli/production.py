"""`pull`, `verify`, `status`: a production machine and what it has installed.

Nothing here needs statistics, DuckDB or a registry of one's own.
"""

from __future__ import annotations

from pathlib import Path

import click

from calreg.cli.options import json_option
from calreg.cli.terminal import print_json, say, signs, width

__all__ = ["pull_command", "status_command", "verify_command"]

_dest = click.argument("dest", metavar="DEST", type=click.Path(path_type=Path))


@click.command("pull")
@click.argument("source", metavar="SOURCE")
@_dest
@click.argument("heads", nargs=-1, metavar="[HEAD...]")
@click.option("--locked", is_flag=True, help="Install exactly what DEST/calreg.lock says, or fail.")
@click.option("--offline", is_flag=True, help="Use what is installed; touch no network.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="What the whole pull may take.",
)
@json_option
def pull_command(
    *,
    source: str,
    dest: Path,
    heads: tuple[str, ...],
    locked: bool,
    offline: bool,
    deadline: float,
    as_json: bool,
) -> None:
    """Install the references of SOURCE (a folder or git URL) in DEST, all or nothing.

    HEAD may be a full name, a model or a pattern; without any, all heads.
    """
    from calreg.cli.edge import redacted
    from calreg.cli.terminal import progress_bar
    from calreg.client import Client

    with progress_bar("Pulling") as progress:
        client = Client(source, deadline_s=deadline)
        pulled = client.pull(dest, heads, locked=locked, offline=offline, progress=progress)
    if as_json:
        print_json({**pulled.to_json(), "source": redacted(pulled.source)})
        return
    from calreg.cli.production_report import pulled_lines

    say(pulled_lines(pulled, str(dest), width=width(), signs=signs()))


@click.command("verify")
@_dest
@json_option
def verify_command(*, dest: Path, as_json: bool) -> int:
    """Hash every installed file again; exit 1 if one is not as it was installed."""
    from calreg.client import verify

    findings = verify(dest)
    if as_json:
        found = [finding.to_json() for finding in findings]
        print_json({"ok": not findings, "findings": found})
    else:
        from calreg.cli.production_report import finding_lines

        say(finding_lines(findings, str(dest), signs=signs()))
    return 1 if findings else 0


@click.command("status")
@_dest
@click.option("--source", metavar="SOURCE", help="Where to look; else where it was pulled from.")
@json_option
def status_command(*, dest: Path, source: str | None, as_json: bool) -> int:
    """Compare what is installed in DEST with its source; exit 1 if it is behind."""
    from calreg.cli.edge import redacted
    from calreg.client import status

    found = status(dest, source=source)
    if as_json:
        print_json({**found.to_json(), "source": redacted(found.source)})
    else:
        from calreg.cli.production_report import status_lines

        say(status_lines(found, str(dest), width=width(), signs=signs()))
    return 0 if found.is_current else 1
