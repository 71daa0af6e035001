"""Where errors become lines and exit codes, and nowhere else.

One error is one line on standard error (what, expected, got), one hint, one exit code; in
`--json` mode the same as a document on standard output. Passwords in URLs and control
characters never reach a terminal or a log.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from calreg.cli.group import program
from calreg.errors import CalregError, MissingExtraError

__all__ = ["exit_code_of", "printable", "redacted"]

INTERRUPTED = 130
READER_GONE = 141  # 128 + SIGPIPE, as a shell says it; never 1, which is a "no"
SYSTEM = 5

_MAX_MESSAGE = 1000  # characters of an error on a terminal

# What is not installed, the extra that brings it, and what it is for.
_EXTRAS = {
    "duckdb": ("develop", "duckdb, which reads score tables"),
    "nanoarrow": ("develop", "nanoarrow, which reads score tables"),
    "fastapi": ("service", "fastapi, which serves HTTP"),
    "httptools": ("service", "httptools, which reads requests"),
    "prometheus_client": ("service", "prometheus-client, which counts"),
    "pydantic_core": ("service", "pydantic, which reads requests"),
    "starlette": ("service", "starlette, which serves HTTP"),
    "uvicorn": ("service", "uvicorn, which serves HTTP"),
    "sqlalchemy": ("service", "sqlalchemy, which keeps the store"),
    "psycopg": ("service", "psycopg, which talks to PostgreSQL"),
}
_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/@\s]+@")


def exit_code_of(
    words: Sequence[str], *, invoke: Callable[[Sequence[str]], int] | None = None
) -> int:
    """Run a command line; print its error, if any; return what to exit with.

    Args:
        words: The command line.
        invoke: What runs it; None: the program.
    """
    as_json = _asks_for_json(words)
    with _interrupts() as interrupts:
        try:
            _provide_streams()
            code = (invoke or _invoked)(words)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_output()
            code = READER_GONE
        except (click.Abort, KeyboardInterrupt):
            code = _interrupted(as_json=as_json)
        except Exception as error:  # noqa: BLE001 -- the one edge: every error becomes a line
            # An engine in C turns Ctrl-C into an error of its own.
            code = (
                _interrupted(as_json=as_json)
                if interrupts
                else _failed(error, words, as_json=as_json)
            )
    return code


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """The interrupts that came meanwhile; each is a KeyboardInterrupt as well."""
    seen: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not is_ours:  # a host or nohup has its own idea of it
        yield seen
        return
    signal.signal(signal.SIGINT, remember)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupted(*, as_json: bool) -> int:
    _tell_plainly("interrupted", as_json=as_json)
    return INTERRUPTED


def _failed(error: Exception, words: Sequence[str], *, as_json: bool) -> int:
    try:
        code = _told(error, as_json=as_json, with_traceback=_is_debug(words))
        sys.stdout.flush()
    except OSError:  # nobody reads, or nowhere is left to write: the code must say it
        _forget_output()
        code = int(getattr(error, "exit_code", SYSTEM))
    return code


def _invoked(words: Sequence[str]) -> int:
    try:
        # Not Command.main: that one turns a closed pipe into exit code 1.
        with program.make_context("calreg", list(words)) as context:
            found = program.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return found if isinstance(found, int) else 0


def _asks_for_json(words: Sequence[str]) -> bool:
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options


def _is_debug(words: Sequence[str]) -> bool:
    return "--debug" in words or os.environ.get("CALREG_DEBUG", "") not in {"", "0"}


def _provide_streams() -> None:
    # Started with a closed stream (`>&-`), Python has None in its place.
    sys.stdout, sys.stderr = (
        stream or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- lives as long as the process
        for stream in (sys.stdout, sys.stderr)
    )
    # A label or a path may hold what the stream's encoding cannot say.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    # Python flushes stdout once more on its way out: give it somewhere to go.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- lives as long as the process


def _told(error: Exception, *, as_json: bool, with_traceback: bool) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return error.exit_code
    if with_traceback:
        _tell_traceback(error)
    known = _known(error)
    if as_json:
        _print_json(known)
    else:
        _print_lines(known)
    return known.exit_code


def _tell_traceback(error: Exception) -> None:
    text = "".join(traceback.format_exception(error))
    click.echo("\n".join(printable(redacted(line)) for line in text.splitlines()), err=True)


class _BugError(CalregError):
    """Something this program did not foresee."""


class _SystemError(CalregError):
    """The operating system refuses: no space, no permission."""

    exit_code = SYSTEM
    default_code = "system"


class _ClickError(CalregError):
    """A usage error in click's words."""

    exit_code = 2
    default_code = "usage"


def _known(error: Exception) -> CalregError:
    if isinstance(error, CalregError):
        return error
    if isinstance(error, click.ClickException):
        return _ClickError(error.format_message(), hint=_usage_hint(error))
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        extra, needs = _EXTRAS[error.name]
        return MissingExtraError(extra, needs=needs)
    if isinstance(error, OSError) and error.strerror:
        return _SystemError(error.strerror.lower(), where=error.filename and str(error.filename))
    message = str(error).splitlines()
    return _BugError(
        f"this is a bug in calreg: {type(error).__name__}: {message[0] if message else ''}",
        hint="Run it again with --debug and report what it prints; nothing is lost by trying.",
    )


def _usage_hint(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    return None if context is None else f"{context.command_path} --help"


def _print_json(error: CalregError) -> None:
    from calreg.cli.terminal import print_json

    parts = {
        "code": error.code,
        "message": _shown(str(error)),
        "hint": _shown(error.hint),
        "where": _shown(error.where),
    }
    print_json({"error": parts})


def _shown(text: str | None) -> str | None:
    return None if text is None else redacted(text)


def _print_lines(error: CalregError) -> None:
    message = "; ".join(line for line in str(error).splitlines() if line.strip())
    _styled(_shortened(printable(redacted(message))), fg="red", bold=True)
    if error.hint:
        first, *rest = (printable(redacted(line)) for line in error.hint.splitlines())
        _styled("\n".join([f"Hint: {first}", *(f"      {line}" for line in rest)]))


def _shortened(text: str) -> str:
    """The text, its middle left out where nobody would read it; --json has all of it.

    >>> len(_shortened("x" * 10_000))
    1000
    """
    if len(text) <= _MAX_MESSAGE:
        return text
    return f"{text[: _MAX_MESSAGE - 203]} … {text[-200:]}"


def _tell_plainly(message: str, *, as_json: bool) -> None:
    if as_json:
        from calreg.cli.terminal import print_json

        parts = {"code": message, "message": message, "hint": None, "where": None}
        print_json({"error": parts})
    else:
        click.echo(message, err=True)


def _styled(text: str, **style: Any) -> None:
    is_plain = bool(os.environ.get("NO_COLOR")) or not sys.stderr.isatty()
    click.echo(text if is_plain else click.style(text, **style), err=True)


def redacted(text: str) -> str:
    """The text with user names and passwords in URLs struck out.

    >>> redacted("https://me:secret@example.org/r.git")
    'https://***@example.org/r.git'
    """
    return _USERINFO.sub(r"\1***@", text)


def printable(text: str) -> str:
    r"""The text with every character that could steer a terminal written out.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
