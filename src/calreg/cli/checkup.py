"""What `doctor` says: one finding per thing, as a value; and how this machine is.

Each check is a generator of findings. What concerns a registry is in `checkup_registry`, what
concerns an installed folder in `checkup_installed`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from calreg import __version__
from calreg.config import Config
from calreg.errors import CalregError
from calreg.overrides import Explained, explain
from calreg.plan.message import one_line

__all__ = ["Checked", "Level", "installation_checks", "problem"]

Level = Literal["ok", "note", "problem"]

_OLDEST_PYTHON = (3, 11)
_OLDEST_GIT = (2, 36)  # core.fsync
_EXTRAS = {"develop": ("duckdb", "nanoarrow")}
_MAX_SHOWN = 10  # factors


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at: how it is, and what to do if it is not as it should be."""

    level: Level
    check: str
    message: str
    hint: str | None = None
    can_fix: bool = False

    def to_json(self) -> dict[str, Any]:
        """The finding as plain values."""
        return asdict(self)


def installation_checks(config: Config, here: Path) -> Iterator[Checked]:
    """This machine: Python, extras, git and who commits, configuration, overrides."""
    yield _python()
    yield from _extras()
    yield from _git(here)
    mode = "development" if config.calibrate_heads else "production"
    where = f", read from {config.file}" if config.file else ", no calreg.yaml"
    yield Checked("ok", "configuration", f"{mode} mode by {config.switch_from}{where}")
    yield _overrides(explain())


def _overrides(found: Explained) -> Checked:
    """Which overrides an application that asks for them gets on this machine, and why not."""
    if found.path is None:
        return Checked("ok", "overrides", f"{found.variable} is not set, none are in force")
    path = one_line(found.path)
    factors = "; ".join(f"{key} {_factors(block)}" for key, block in found.factors.items() if block)
    if found.reason is None:
        return Checked("ok", "overrides", f"{path}: {factors or 'no factor'} in force")
    said = f"{factors} in force, the rest not" if factors else "none in force"
    hint = f"Put the file right, or unset {found.variable}: the defaults hold until then."
    return Checked("problem", "overrides", f"{path}: {one_line(found.reason)} ({said})", hint)


def _factors(block: Mapping[str, float]) -> str:
    shown = [f"{one_line(group)} {factor:g}" for group, factor in list(block.items())[:_MAX_SHOWN]]
    more = len(block) - len(shown)
    return ", ".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])


def _python() -> Checked:
    found = ".".join(map(str, sys.version_info[:3]))
    message = f"calreg {__version__} on Python {found}"
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        return Checked("ok", "python", message)
    return Checked("problem", "python", f"{message}, 3.11 or newer is needed")


def _extras() -> Iterator[Checked]:
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        if missing:
            names = ", ".join(missing)
            hint = f"To compute calibrations: pip install 'calreg[{extra}]'"
            yield Checked("note", "extras", f"calreg[{extra}] is not installed: {names}", hint)
        else:
            yield Checked("ok", "extras", f"calreg[{extra}] is installed")


def _git(here: Path) -> Iterator[Checked]:
    from calreg.git import Repository
    from calreg.git.process import Git

    try:
        folder = here if here.is_dir() else Path.cwd()
        words = Git(folder).run("version").text.split()
    except CalregError as error:
        yield problem("git", error)
        return
    version = words[2] if len(words) > 2 else "unknown"
    number = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if number >= _OLDEST_GIT:
        yield Checked("ok", "git", f"git {version}")
    else:
        oldest = ".".join(map(str, _OLDEST_GIT))
        yield Checked("problem", "git", f"git {version}, {oldest} or newer is needed")
    try:
        identity = Repository.find(here).identity()
    except CalregError as error:
        yield Checked("note", "identity", error.message, error.hint)
    else:
        yield Checked("ok", "identity", f"commits are by {identity.name} <{identity.email}>")


def problem(check: str, error: CalregError) -> Checked:
    """The finding that an error is."""
    return Checked("problem", check, str(error), error.hint)
