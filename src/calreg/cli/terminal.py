"""Where lines go: results to standard output, progress and remarks to standard error.

In a pipe there is no colour, no bar and no shortening; NO_COLOR is respected everywhere.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from calreg.report.numbers import Signs

__all__ = ["Progress", "json_bytes", "note", "print_json", "progress_bar", "say", "signs", "width"]

Progress = Callable[[int, int], None]

_UNBOUNDED = 100_000


def print_json(value: Mapping[str, Any]) -> None:
    """One document on standard output: UTF-8, whatever the terminal speaks."""
    click.echo(json_bytes(value), nl=False)


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """One document and a newline, as a program reads it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    # A path's undecodable bytes become JSON escapes of their own.
    return f"{text}\n".encode("utf-8", "backslashreplace")


# Control characters but tab and line feed, and the signs that turn the order of text around.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Line(NamedTuple):
    """A line of one style throughout; in a pipe it costs no library."""

    plain: str
    style: str = ""


def say(lines: Iterable[Text | Line | str]) -> None:
    """Lines of a report on standard output."""
    _print(sys.stdout, lines)


def note(lines: Iterable[Text | Line | str]) -> None:
    """Remarks on standard error, which no program reads as a result."""
    _print(sys.stderr, lines)


def width() -> int | None:
    """Columns of the terminal that reads standard output; None in a pipe: no limit."""
    return _console(sys.stdout).width if sys.stdout.isatty() else None


def signs() -> Signs:
    """The marks that standard output can show."""
    from calreg.report.numbers import ASCII, UNICODE

    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    return UNICODE if encoding.startswith("utf") else ASCII


@contextmanager
def progress_bar(what: str, *, unit: str = "") -> Iterator[Progress | None]:
    """A function to call with (done, total) now and then; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn(unit),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns, console=_console(sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(stream: IO[str], lines: Iterable[Text | Line | str]) -> None:
    told = list(lines)
    if not stream.isatty() and all(isinstance(line, str | Line) for line in told):
        # A pipe shows no styles, and a pull with nothing new must not pay for a console.
        plain = (line.plain if isinstance(line, Line) else str(line) for line in told)
        stream.writelines(f"{_STEERING.sub('?', line)}\n" for line in plain)
        return
    console = _console(stream)
    for line in told:
        console.print(_harmless(line), soft_wrap=True)


def _harmless(line: Text | Line | str) -> Text | str:
    """The line without what would steer a terminal: names may come from anywhere."""
    if isinstance(line, Line):
        from rich.text import Text

        line = Text(line.plain, line.style)
    text = line if isinstance(line, str) else line.plain
    if not _STEERING.search(text):
        return line
    replaced = _STEERING.sub("?", text)  # one for one, so that styles stay where they are
    if isinstance(line, str):
        return replaced
    copy = line.copy()
    copy.plain = replaced
    return copy


@cache
def _console_class() -> type[Console]:
    from rich.console import Console

    class PipeConsole(Console):
        """A console that leaves a closed pipe to the edge: rich would exit 1, which is a 'no'."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return PipeConsole


def _console(stream: IO[str]) -> Console:
    is_terminal = stream.isatty()
    is_plain = not is_terminal or bool(os.environ.get("NO_COLOR"))
    return _console_class()(
        file=stream,
        force_terminal=is_terminal,
        color_system=None if is_plain else "auto",
        width=None if is_terminal else _UNBOUNDED,
        markup=False,
        highlight=False,
        emoji=False,
    )
