"""Commands that are killed: started in tens of milliseconds, each a process of its own.

`Warm` keeps one process that has imported all of calreg and forks a new one per command,
with its own session, environment, folder and output; what runs in it is the real program.
Starting Python two hundred times would cost a minute more than the test.

    with Warm() as warm:
        running = warm.start("run", table, "--push", cwd=clone)
        running.kill()                  # it, and every git that it started
        ended = warm.run("run", table, "--push", cwd=clone)

Run as a program, this file is that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from calreg import failpoints

__all__ = ["Ended", "Running", "Warm", "marked"]

_MARK = "CALREG_TEST_MARK"
_POLL_S = 0.005
_PATIENCE_S = 120.0
_IMPORTS = (
    "calreg.cli", "calreg.cli.run", "calreg.computing", "calreg.cli.publishing",
    "calreg.cli.production", "calreg.client.pulling", "calreg.registry", "calreg.git",
    "calreg.scores", "calreg.plan", "git", "numpy", "duckdb", "jsonschema", "yaml", "requests",
    "computing", "stables",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command came to; `code` is the negative signal of one that was killed."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def was_killed(self) -> bool:
        """Whether it did not live to say anything."""
        return self.code == -signal.SIGKILL

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


class Running:
    """A command under way."""

    def __init__(self, connection: socket.socket, folder: Path, mark: str) -> None:
        self._connection, self._folder, self._mark = connection, folder, mark
        self._answers = connection.makefile("r")
        self.pid = int(self._answers.readline())
        self._begun = time.monotonic()

    def kill(self, *, whole: bool = True) -> None:
        """End it at once; with `whole` every process that it started, too."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while whole and (pids := marked(self._mark)):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def settle(self) -> None:
        """Wait for what it left running."""
        end = time.monotonic() + _PATIENCE_S
        while marked(self._mark):
            if time.monotonic() > end:
                raise TimeoutError(f"processes of {self._mark} do not end: {marked(self._mark)}")
            time.sleep(_POLL_S)

    def wait(self, seconds: float = _PATIENCE_S) -> Ended | None:
        """How it ended; None if it has not yet."""
        self._connection.settimeout(max(seconds, 0.0001))
        try:
            code = int(self._answers.readline())
        except TimeoutError:
            # A file on a socket reads no more after a time-out; another one does.
            self._answers = self._connection.makefile("r")
            return None
        took = time.monotonic() - self._begun
        self._connection.close()
        out, err = ((self._folder / name).read_text("utf-8", "replace") for name in ("out", "err"))
        return Ended(code, out, err, took)

    def end(self) -> Ended:
        """Wait for it.

        Raises:
            TimeoutError: It hangs; it was killed.
        """
        ended = self.wait()
        if ended is None:
            self.kill()
            raise TimeoutError(f"process {self.pid} did not end within {_PATIENCE_S:g} s")
        return ended


def marked(mark: str) -> list[int]:
    """The processes that a command has started and that still live."""
    wanted = f"{_MARK}={mark}\0".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # The dead that nobody has waited for have no environment any more.
            if wanted in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


class Warm:
    """A process that has everything imported, from `with` to its end."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="warm-")
        self._folder = Path(self._home.name)
        self._place = str(self._folder / "socket")
        self._count = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._place], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._home.cleanup()

    def start(
        self,
        *words: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> Running:
        """Begin a command: `calreg WORDS…`, or, with code, `python -c CODE WORDS…`."""
        mark = uuid.uuid4().hex
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        for name in ("out", "err"):
            (folder / name).touch()
        request = {
            "words": [str(word) for word in words],
            "cwd": str(cwd or Path.cwd()),
            "env": {**os.environ, **(env or {}), _MARK: mark},
            "folder": str(folder),
            "code": code,
        }
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._place)
        connection.sendall(json.dumps(request).encode() + b"\n")
        return Running(connection, folder, mark)

    def run(
        self,
        *words: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> Ended:
        """A command from its start to its end."""
        return self.start(*words, cwd=cwd, env=env, code=code).end()

    def run_to(self, step: str, *words: object, code: str | None = None, **how: Any) -> None:
        """A command that dies at one of its steps, and did get there."""
        ended = self.run(*words, env={failpoints.VARIABLE: f"{step}:kill"}, code=code, **how)
        assert ended.was_killed, (ended.code, ended.err)

    def run_killed(
        self,
        *words: object,
        after_s: float,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        whole: bool = True,
        settled: bool = True,
    ) -> Ended:
        """A command that is killed after some time, unless it is done by then.

        Args:
            words: The command.
            after_s: When.
            cwd: Where it runs.
            env: What its environment has besides that of the test.
            whole: Kill what it started, too.
            settled: Wait for what it left running.
        """
        running = self.start(*words, cwd=cwd, env=env)
        ended = running.wait(after_s)
        if ended is not None:
            return ended
        running.kill(whole=whole)
        ended = running.end()
        if settled:
            running.settle()
        return ended


# --- the process that forks ---------------------------------------------------------------


def _serve(place: str) -> None:
    import importlib

    for name in _IMPORTS:
        importlib.import_module(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _attend(connection)
            os._exit(0)
        connection.close()


def _attend(connection: socket.socket) -> None:
    """Run one command, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = json.loads(connection.makefile("r").readline())
    pid = os.fork()
    if pid == 0:
        connection.close()
        os._exit(_command(asked))
    with contextlib.suppress(OSError):
        connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _command(asked: Mapping[str, Any]) -> int:
    os.setsid()
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    folder = Path(asked["folder"])
    for number, name in ((0, os.devnull), (1, folder / "out"), (2, folder / "err")):
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    try:
        return _ran(asked["words"], asked["code"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _ran(words: list[str], code: str | None) -> int:
    from calreg.cli import call

    if code is None:
        return call(words)
    sys.argv = ["-c", *words]
    exec(code, {"__name__": "__main__"})
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
