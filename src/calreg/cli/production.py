"""`pull`, `verify`, `status`: a production machine and what it has installed.

Nothing here needs statistics, DuckDB or a registry of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calreg.cli.options import json_option
from calreg.cli.terminal import print_json, say, signs, width
from calreg.errors import UsageError

if TYPE_CHECKING:
    from calreg.client import Client

__all__ = ["pull_command", "status_command", "verify_command"]

_F = TypeVar("_F", bound=Callable[..., Any])

_dest = click.argument("dest", metavar="DEST", type=click.Path(path_type=Path))
_deadline = click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="What the whole of it may take.",
)

_PULL_OPTIONS = (
    click.option(
        "--also", multiple=True, metavar="SOURCE",
        help="A further source, for heads that those before it do not have. Repeatable.",
    ),
    click.option(
        "--key", "keys", multiple=True, metavar="[SOURCE=]FILE",
        help="Public keys that must have signed; of SOURCE, or of the first one. Repeatable.",
    ),
    click.option(
        "--threshold", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N",
        help="How many of the keys given by --key must have signed.",
    ),
    click.option(
        "--locked", is_flag=True, help="Install exactly what DEST/calreg.lock says, or fail."
    ),
    click.option("--offline", is_flag=True, help="Use what is installed; touch no network."),
    click.option(
        "--previous", is_flag=True,
        help="Go back to the set that was installed before; the one argument is DEST.",
    ),
    click.option(
        "--as-of", metavar="DATE|COMMIT", help="What the references were then; git sources only."
    ),
    click.option(
        "--template", metavar="PATH",
        help="Where plain copies go: a path with {registry}, {model}, {model_name}, {head}, "
        "{version}. Kept by later pulls.",
    ),
    click.option(
        "--format", type=click.Choice(["calreg", "nomarr"]),
        help="What plain copies are written in. Kept by later pulls.",
    ),
    click.option(
        "--require-fresh", is_flag=True, help="Fail if an index has expired, though nothing is new."
    ),
    click.option(
        "--max-bytes", type=click.IntRange(min=1), metavar="BYTES",
        help="How much all references together may have; default 256 MiB.",
    ),
    _deadline,
    json_option,
)  # fmt: skip


def _pull_options(command: _F) -> _F:
    return reduce(lambda made, option: option(made), reversed(_PULL_OPTIONS), command)


@click.command("pull")
@click.argument("source", metavar="SOURCE")
@click.argument("dest", metavar="DEST", required=False, type=click.Path(path_type=Path))
@click.argument("heads", nargs=-1, metavar="[HEAD...]")
@_pull_options
def pull_command(
    *, source: str, dest: Path | None, heads: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Install the references of SOURCE in DEST, all or nothing.

    SOURCE is a git URL, a folder or an https site. HEAD may be a full name, a model, a pattern
    or a version (HEAD@v3); without any, all heads.
    """
    if options["previous"]:
        _go_back(dest or Path(source), heads, as_json=as_json, options=options)
        return
    if dest is None:
        raise UsageError("Missing argument 'DEST'.", hint=f"calreg pull {source} FOLDER")
    from calreg.cli.edge import redacted
    from calreg.cli.terminal import progress_bar

    client = _client(source, dest, options)
    with progress_bar("Pulling") as progress:
        pulled = client.pull(
            heads=heads,
            locked=options["locked"],
            offline=options["offline"],
            as_of=options["as_of"],
            progress=progress,
            template=options["template"],
            format=options["format"],
        )
    if as_json:
        print_json({**pulled.to_json(), "source": redacted(pulled.source)})
        return
    from calreg.cli.production_report import pulled_lines

    say(
        pulled_lines(
            pulled,
            str(dest),
            width=width(),
            signs=signs(),
            now=datetime.now(UTC),
            is_asked=not (options["offline"] or options["locked"]),
            has_keys=bool(options["keys"]),
        )
    )


def _client(source: str, dest: Path, options: Mapping[str, Any]) -> Client:
    from calreg.client import Client

    sources = (source, *options["also"])
    _refuse_threshold(options["threshold"], len(options["keys"]))
    limits = {"max_bytes": options["max_bytes"]} if options["max_bytes"] else {}
    return Client(
        sources,
        dest,
        keys=_keys(options["keys"], sources),
        threshold=options["threshold"],
        require_fresh=options["require_fresh"],
        deadline_s=options["deadline"],
        **limits,
    )


def _refuse_threshold(threshold: int, given: int) -> None:
    """Refuse a number of signatures that the keys given on the command line cannot reach."""
    if threshold > 1 and not given:
        raise UsageError(f"--threshold {threshold} counts the keys of --key, and none was given")


def _keys(given: Sequence[str], sources: Sequence[str]) -> dict[str, list[Path]]:
    """Files of keys by the source that they are for: as it was typed before '=', else the first."""
    found: dict[str, list[Path]] = {}
    for text in given:
        named = [source for source in sources if text.startswith(f"{source}=")]
        source = max(named, key=len, default=sources[0])
        path = text.removeprefix(f"{source}=") if named else text
        found.setdefault(source, []).append(Path(path))
    return found


def _go_back(
    dest: Path, heads: tuple[str, ...], *, as_json: bool, options: Mapping[str, Any]
) -> None:
    """One step back to the set before, without asking any source."""
    others = [name for name in ("locked", "offline", "as_of", "template", "format", "also", "keys")
              if options[name]]  # fmt: skip
    if heads or others:
        raise UsageError(
            "--previous goes back to a whole set, and takes nothing but DEST",
            hint=f"calreg pull --previous {dest}",
        )
    from calreg.cli.production_report import rolled_back_lines
    from calreg.client import Client

    before = Client.open(dest)
    lock = Client(before.lock.first.source, dest, deadline_s=options["deadline"]).rollback_local()
    versions = {head: entry.version for head, entry in lock.heads.items()}
    if as_json:
        moves = {
            head: {"from": before.versions().get(head), "to": versions.get(head)}
            for head in sorted({*before.versions(), *versions})
            if before.versions().get(head) != versions.get(head)
        }
        print_json({"registry": lock.first.registry, "versions": versions, "moves": moves})
        return
    say(rolled_back_lines(before.versions(), versions, str(dest), width=width(), signs=signs()))


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
@click.option(
    "--source", "sources", multiple=True, metavar="SOURCE",
    help="Where to look; else where it was pulled from. Repeatable, in their order.",
)  # fmt: skip
@_deadline
@json_option
def status_command(*, dest: Path, sources: tuple[str, ...], deadline: float, as_json: bool) -> int:
    """Compare what is installed in DEST with its sources; exit 1 if it is behind."""
    from calreg.cli.edge import redacted
    from calreg.client import status

    found = status(dest, source=sources or None, deadline_s=deadline)
    if as_json:
        print_json({**found.to_json(), "source": redacted(found.source)})
    else:
        from calreg.cli.production_report import status_lines

        say(
            status_lines(
                found, str(dest), width=width(), signs=signs(), now=datetime.now(UTC),
                is_held=_is_held(dest), command=_updating(dest),
            )
        )  # fmt: skip
    return 0 if found.is_current else 1


def _updating(dest: Path) -> str:
    """The pull that asks for what was asked for before: what it does not name, it removes."""
    from shlex import join

    from calreg.client import Client

    lock = Client.open(dest).lock
    also = [word for source in lock.sources[1:] for word in ("--also", source.source)]
    as_of = ["--as-of", lock.as_of] if lock.as_of else []
    return join(["calreg", "pull", lock.first.source, str(dest), *lock.selection, *also, *as_of])


def _is_held(dest: Path) -> bool:
    from calreg.client.destination import is_held, open_folder

    with open_folder(dest) as folder:
        return is_held(folder)
