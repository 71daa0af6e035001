"""Start one git command and hear what it says.

Every git process of this project starts here: from an allow-list, in a cleaned environment,
with settings that keep hooks, filters and prompts from running, within a time limit. It
never builds arguments out of what a user typed; `arguments` has checked those before, and
callers put `--` in front of them.

To use another git command: add it to `_ALLOWED`, and say in `_SETTINGS` what it must not do.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from calreg.errors import CalregError, InputError, RegistryError, TransportError
from calreg.git.arguments import redact

if TYPE_CHECKING:
    from git import Git as PythonGit

__all__ = ["DEFAULT_TIMEOUT_S", "NETWORK_TIMEOUT_S", "Answer", "Git", "failure"]

DEFAULT_TIMEOUT_S = 120.0
NETWORK_TIMEOUT_S = 120.0
_SHOWN_CHARACTERS = 300

_ALLOWED = frozenset(
    {
        "cat-file",
        "config",
        "diff-index",
        "diff-tree",
        "fast-import",
        "fetch",
        "for-each-ref",
        "fsck",
        "init",
        "log",
        "ls-files",
        "ls-remote",
        "ls-tree",
        "merge-base",
        "push",
        "rev-parse",
        "symbolic-ref",
        "update-index",
        "update-ref",
        "version",
        "write-tree",
    }
)

_KEPT = frozenset(
    {f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    | {"GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_SSL_CAINFO"}
)
_FIXED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "https:ssh:file",
}
# The user's and the system's configuration may name programs; theirs are not ours to run.
_NO_USER_CONFIG = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}

# A repository's own .git/config is still read. These settings come last and win.
_SETTINGS = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", os.devnull),
    ("core.autocrlf", "false"),
    ("core.askPass", ""),  # not even a window
    ("core.fsync", "committed,index,reference"),
    ("commit.gpgSign", "false"),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("push.recurseSubmodules", "no"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("fetch.fsckObjects", "true"),
    ("transfer.fsckObjects", "true"),
    ("fetch.writeCommitGraph", "false"),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "100"),
    ("http.lowSpeedTime", "60"),
    ("log.showSignature", "false"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a git process left: its exit code, its output, its complaints."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """The output as text, without the last newline."""
        return os.fsdecode(self.out).removesuffix("\n")


@dataclass(frozen=True, slots=True)
class Git:
    """How git is started for one repository, or for none.

    Args:
        cwd: The folder it runs in.
        options: Options before the command, such as `--git-dir`.
        settings: Configuration on top of ours, as (key, value); handed over in the
            environment, so that no secret shows in a process list.
        as_user: Read the user's own configuration too: only to look at it.
        variables: Environment variables on top of ours.
        is_light: Start git by the standard library: the same words in the same environment.
            Importing GitPython takes longer than asking a server whether there is news.
    """

    cwd: Path
    options: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    as_user: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    is_light: bool = False

    def run(
        self,
        command: str,
        *arguments: str,
        stdin: bytes = b"",
        ok: tuple[int, ...] = (0,),
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_file_bytes: int | None = None,
    ) -> Answer:
        """Run one command to its end.

        Raises:
            CalregError: It ended with a code not in `ok`, or not in time.
        """
        answer = self.attempt(
            command, *arguments, stdin=stdin, timeout_s=timeout_s, max_file_bytes=max_file_bytes
        )
        if answer.code not in ok:
            raise failure(command, answer)
        return answer

    def attempt(
        self,
        command: str,
        *arguments: str,
        stdin: bytes = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_file_bytes: int | None = None,
    ) -> Answer:
        """Run one command and hand back whatever it says; only a time-out is an error.

        Args:
            command: A git command of the allow-list.
            arguments: Its arguments, checked by the caller.
            stdin: What it reads.
            timeout_s: Seconds after which it and its children are killed.
            max_file_bytes: No file it writes may grow beyond this (Linux).
        """
        process = self._start(command, arguments, subprocess.PIPE)
        _limit_files(process, max_file_bytes)
        try:
            out, err = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise TransportError(
                f"git {command} did not end within {timeout_s:g} s",
                hint="Try again; if it repeats, look at the network or the server.",
                code="timeout",
            ) from None
        finally:
            _kill(process)
            _close(process)
        return Answer(process.returncode, out, redact(err.decode("utf-8", "replace")))

    @contextlib.contextmanager
    def stream(self, command: str, *arguments: str, stdin: bytes) -> Iterator[IO[bytes]]:
        """Run one command and read its output as it comes."""
        with tempfile.TemporaryFile() as questions:
            # A file, not a pipe: git may stop reading until somebody reads its answers.
            questions.write(stdin)
            questions.seek(0)
            process = self._start(command, arguments, questions)
            watchdog = threading.Timer(DEFAULT_TIMEOUT_S, _kill, (process,))
            watchdog.start()
            try:
                yield cast("IO[bytes]", process.stdout)
            finally:
                watchdog.cancel()
                _kill(process)
                _close(process)

    def _start(
        self, command: str, arguments: tuple[str, ...], stdin: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        if command not in _ALLOWED:
            raise RegistryError(f"git {command} is not among the commands this program runs")
        # In a folder that it may not enter, GitPython runs the command where we happen to be.
        if not os.access(self.cwd, os.X_OK):
            raise InputError("this folder cannot be entered", where=str(self.cwd), code="no-entry")
        variables = self._environment()
        words = ["--no-pager", *self.options, command, *arguments]
        start = _start_light if self.is_light else _start_by_gitpython
        with _STARTING:
            process = start(words, variables, self.cwd, stdin)
            _RUNNING.add(process)
        return process

    def _environment(self) -> dict[str, str]:
        settings = (*_SETTINGS, *self.settings)
        variables = {"GIT_CONFIG_COUNT": str(len(settings)), **_FIXED}
        for number, (key, value) in enumerate(settings):
            variables[f"GIT_CONFIG_KEY_{number}"] = key
            variables[f"GIT_CONFIG_VALUE_{number}"] = value
        if not self.as_user:
            variables |= _NO_USER_CONFIG
        return variables | dict(self.variables)


def _without(variables: Mapping[str, str]) -> list[str]:
    """The words before a command that take git's other variables out of its environment."""
    # GitPython adds to the environment it finds. Inside a hook that holds GIT_DIR,
    # GIT_INDEX_FILE and more, which make a command act on the hook's repository. Most of the
    # time there is nothing to take out, and a process less to start.
    unset = sorted(
        name
        for name in os.environ
        if name.startswith("GIT_") and name not in _KEPT and name not in variables
    )
    return ["env", *(part for name in unset for part in ("-u", name))] if unset else []


def _start_by_gitpython(
    words: list[str], variables: Mapping[str, str], cwd: Path, stdin: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    python_git = _python_git()
    from git.exc import GitCommandNotFound

    try:
        process = python_git(cwd).execute(
            [*_without(variables), python_git.GIT_PYTHON_GIT_EXECUTABLE or "git", *words],
            istream=stdin,  # type: ignore[arg-type]  # a file is handed through to Popen
            as_process=True,
            env=dict(variables),
            shell=False,
            # Its own group: a time limit must end git's children too, and ssh finds no
            # terminal to ask on.
            start_new_session=True,
        )
    except GitCommandNotFound as error:
        raise _no_git() from error
    started = cast("PythonGit.AutoInterrupt", process)
    # Its guard ends the process when it is forgotten; ours ends it, and its children, before.
    popen, started.proc = started.proc, None
    return cast("subprocess.Popen[bytes]", popen)


def _start_light(
    words: list[str], variables: Mapping[str, str], cwd: Path, stdin: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _KEPT
    }
    git = os.environ.get("GIT_PYTHON_GIT_EXECUTABLE") or "git"
    try:
        return subprocess.Popen(  # noqa: S603 - a list of words from an allow-list, no shell
            [git, *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            # GitPython says the same: English, whatever the user speaks.
            env={**ours, "LANGUAGE": "C", "LC_ALL": "C", **variables},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise _no_git() from error


# A process that is forked by another thread just then has git's pipes, too. While it lives,
# they do not end: whoever waits for git to have started, or git for the end of its input,
# waits for a stranger. So nobody is forked between a pipe and its git, and who is forked
# later lets go of the pipes.
_STARTING = threading.RLock()
_RUNNING: weakref.WeakSet[subprocess.Popen[bytes]] = weakref.WeakSet()


def _let_go_of_pipes() -> None:
    """In a process that was forked: keep none of the pipes to the gits of the one before."""
    _STARTING.release()
    running = list(_RUNNING)
    _RUNNING.clear()
    pipes = [pipe for git in running for pipe in (git.stdin, git.stdout, git.stderr)]
    there = [pipe for pipe in pipes if pipe is not None and not pipe.closed]
    if not there:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for pipe in there:
        # Its number stays taken, so that whoever forgets the pipe closes nothing else.
        os.dup2(nothing, pipe.fileno(), inheritable=False)
    os.close(nothing)


os.register_at_fork(
    before=_STARTING.acquire,
    after_in_parent=_STARTING.release,
    after_in_child=_let_go_of_pipes,
)


def _python_git() -> type[PythonGit]:
    try:
        from git import Git as PythonGit  # 0.05 s, so not at the top
    except ImportError as error:
        raise _no_git() from error
    return PythonGit


def _no_git() -> TransportError:
    return TransportError(
        "git cannot be started", hint="Install git and put it on the PATH.", code="git-missing"
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children, if it still runs, and take its exit code."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _limit_files(process: subprocess.Popen[bytes], max_bytes: int | None) -> None:
    if max_bytes is None:
        return
    import resource

    if hasattr(resource, "prlimit"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (max_bytes, max_bytes))


_LOCKED = re.compile(r"'([^']+\.lock)': File exists")


def failure(command: str, answer: Answer, *, about: str = "") -> CalregError:
    """The error that a failed git command is, in one line."""
    if locked := _LOCKED.search(answer.err):
        return RegistryError(
            f"git's lock {locked[1]!r} is there already",
            hint="Wait for the other git command; if there is none, remove that file.",
            code="git-locked",
        )
    if "dubious ownership" in answer.err:
        return InputError(
            f"the repository{about} belongs to somebody else, and git refuses to use it",
            hint="git config --global --add safe.directory FOLDER, if you trust its owner.",
            code="git-ownership",
        )
    words = last_words(answer.err) or f"it ended with code {answer.code}"
    return TransportError(f"git {command} failed{about}: {words}", code="git")


def last_words(err: str) -> str:
    """The line of git's complaints that says why, cut to a readable length."""
    lines = [" ".join(line.split()) for line in err.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    words = (telling or lines or [""])[0].removeprefix("fatal: ").removeprefix("error: ")
    return "".join(c if c.isprintable() else "?" for c in words)[:_SHOWN_CHARACTERS]
