"""`doctor`: is this installation, this registry, this installed folder as it should be?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from calreg.cli.checkup import Checked, Level, installation_checks
from calreg.cli.checkup_installed import installed_checks, installed_fixes
from calreg.cli.checkup_registry import registry_checks, registry_fixes
from calreg.cli.group import Session, pass_session
from calreg.cli.opening import config_of, open_registry
from calreg.cli.options import json_option
from calreg.cli.terminal import print_json, say, signs
from calreg.errors import CalregError

if TYPE_CHECKING:
    from rich.text import Text

    from calreg.registry import Registry

__all__ = ["doctor_command"]

_STYLE = {"ok": "green", "note": "yellow", "problem": "red"}


@click.command("doctor")
@click.option(
    "--installed",
    metavar="DEST",
    type=click.Path(path_type=Path),
    help="Check what calreg pull installed in DEST, too.",
)
@click.option(
    "--fix",
    is_flag=True,
    help="Put right what is safe: interrupted commands, old locks, lost copies, broken caches.",
)
@json_option
@pass_session
def doctor_command(session: Session, /, *, installed: Path | None, fix: bool, as_json: bool) -> int:
    """Check this installation and the registry; exit 1 if something is not as it should be."""
    config = config_of(session)
    found = list(installation_checks(config, session.folder or Path.cwd()))
    registry = _registry(session, found)
    if registry is not None:
        found += _fixes(registry) if fix else []
        found += registry_checks(registry)
    if installed is not None:
        found += installed_fixes(installed) if fix else []
        found += installed_checks(installed)
    is_well = all(one.level != "problem" for one in found)
    if as_json:
        print_json({"ok": is_well, "findings": [one.to_json() for one in found]})
    else:
        say(_lines(found))
    return 0 if is_well else 1


def _registry(session: Session, found: list[Checked]) -> Registry | None:
    """The registry, or a finding; that there is none here is only a note."""
    try:
        return open_registry(session)
    except CalregError as error:
        is_asked_for = session.folder is not None or error.code != "not-a-registry"
        level: Level = "problem" if is_asked_for else "note"
        found.append(Checked(level, "registry", str(error), error.hint))
        return None


def _fixes(registry: Registry) -> list[Checked]:
    """What could be put right; if something cannot be, the checks say what it is."""
    found: list[Checked] = []
    try:
        found.extend(registry_fixes(registry))
    except CalregError as error:
        found.append(Checked("problem", "fixed", str(error), error.hint))
    return found


def _lines(found: Sequence[Checked]) -> Iterator[Text]:
    from rich.text import Text

    marks = {"ok": signs().good, "note": signs().dot, "problem": signs().failed}
    longest = max(len(one.check) for one in found)
    for one in found:
        mark = (f"{marks[one.level]} ", _STYLE[one.level])
        yield Text.assemble(mark, f"{one.check:<{longest}}  {one.message}")
        if one.hint is not None and one.level != "ok":
            yield Text(f"{' ' * (longest + 4)}Hint: {one.hint.splitlines()[0]}", "dim")
    problems = sum(one.level == "problem" for one in found)
    total = f"{problems} to put right" if problems else "nothing to put right"
    yield Text(f"{len(found)} checks, {total}", "bold")
