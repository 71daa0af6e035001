"""`init` and `demo`: how somebody begins."""

from __future__ import annotations

from pathlib import Path

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.options import json_option, timestamp_option, when
from calreg.cli.terminal import print_json, say
from calreg.errors import UsageError

__all__ = ["demo_command", "init_command"]


@click.command("init")
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="The registry's name; else the folder's.")
@click.option(
    "--workflows/--no-workflows",
    default=True,
    show_default=True,
    help="Workflows for GitHub: the gate, its comment, promotion.",
)
@timestamp_option
@json_option
@pass_session
def init_command(
    session: Session,
    *,
    folder: Path | None,
    name: str | None,
    workflows: bool,
    timestamp: str | None,
    as_json: bool,
) -> None:
    """Make a registry in DIR (default: here): registry.yaml, README, and a git commit.

    Makes the git repository if there is none. Never overwrites a file. A calreg.yaml with
    calibrate_heads: true is put beside it: whoever makes a registry is a developer.
    """
    from calreg.registry import initialise

    if folder is not None and session.folder is not None:
        raise UsageError("DIR and --registry both say where; give one of them")
    place = folder or session.folder or Path.cwd()
    made = initialise(place, name=name, when=when(timestamp), workflows=workflows)
    if as_json:
        print_json(
            {
                "registry": made.name,
                "folder": str(made.folder),
                "commit": made.commit,
                "new_repository": made.new_repository,
                "files": list(made.files),
            }
        )
        return
    repository = " (a new git repository)" if made.new_repository else ""
    say(
        [
            f"Registry {made.name} in {made.folder}{repository}: {', '.join(made.files)}",
            f"Next: calreg --registry {made.folder} run SCORES",
        ]
    )


@click.command("demo")
@click.option(
    "--keep",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Work in DIR and leave it there; else a temporary folder that is removed.",
)
def demo_command(*, folder: Path | None) -> None:
    """Replay the whole loop on real data: run, drift, noise, pull, apply."""
    import tempfile

    from calreg.demo import run_demo

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        run_demo(click.echo, folder)
        return
    with tempfile.TemporaryDirectory(prefix="calreg-demo-") as temporary:
        run_demo(click.echo, Path(temporary))
