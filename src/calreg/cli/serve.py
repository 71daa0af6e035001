"""`calreg serve`: the HTTP service and the dashboard of one registry, and keys for it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import config_of, open_registry
from calreg.cli.options import json_option
from calreg.cli.terminal import print_json

__all__ = ["serve_command"]

_PORT = 8321


@click.command("serve")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on; any but this machine's own wants TLS in front.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="0: any that is free.",
)
@click.option("--make-key", "name", metavar="NAME", help="Print a new key, and serve nothing.")
@json_option
@pass_session
def serve_command(
    session: Session, /, *, host: str, port: int, name: str | None, as_json: bool
) -> None:
    """Serve the registry over HTTP: runs, references, history, scores, the re-tag queue.

    What it does is said in the block service: of calreg.yaml. --make-key prints a new key once
    and the lines that calreg.yaml needs for it; nothing is written.
    """
    if name is not None:
        _make_key(name, as_json=as_json)
        return
    _serve(session, host, port, as_json=as_json)


def _make_key(name: str, *, as_json: bool) -> None:
    from calreg.service import new_key

    token, key = new_key(name)
    if as_json:
        print_json({"key": token, "name": key.name, "sha256": key.sha256})
        return
    click.echo(token)
    click.echo("Keep it now: it is shown once. In calreg.yaml:", err=True)
    click.echo(f"service:\n  keys:\n    - {{name: {key.name}, sha256: {key.sha256}}}", err=True)


def _serve(session: Session, host: str, port: int, *, as_json: bool) -> None:
    from calreg.service import bound, serve, settings_of

    config = config_of(session)
    registry = open_registry(session, config)
    settings = settings_of(config, folder=Path.cwd(), environment=os.environ)
    with bound(host, port) as listening:
        serve(settings, registry, listening, host=host, tell=_json_told if as_json else _told)


def _told(url: str, warnings: list[str]) -> None:
    click.echo(f"Serving on {url}  (API: {url}/docs, Ctrl-C ends)", err=True)
    for warning in warnings:
        click.echo(f"! {warning}", err=True)


def _json_told(url: str, warnings: list[str]) -> None:
    print_json({"url": url, "warnings": warnings})
