"""Inside the worker's process: take jobs from the pipe, do them, say what came of them.

The main thread does nothing but listen, so that the end of the service is noticed whatever a
job is doing; each job has a thread of its own. What is wrong is told as a value, since an
exception cannot always be taken apart and put together again.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from calreg.errors import (
    CalregError,
    InputError,
    RegistryError,
    StaleRegistryError,
    TransportError,
    UsageError,
)

if TYPE_CHECKING:
    from calreg.registry import Registry
    from calreg.service.settings import FileSource
    from calreg.store import Store

__all__ = ["WARM", "Begun", "Desk", "Job", "Progress", "Told", "work"]

_NICE = 3
# What jobs need, imported before the first one comes.
WARM = (
    "numpy", "duckdb", "calreg.calibrate", "calreg.computing", "calreg.drift", "calreg.gate",
    "calreg.noise", "calreg.plan", "calreg.registry", "calreg.registry.changes",
    "calreg.registry.stable", "calreg.report.runs", "calreg.scores", "calreg.scores.given",
)  # fmt: skip


class Progress(NamedTuple):
    """How far a job is: what it does, and how much of how much."""

    step: str
    done: int = 0
    total: int = 0


class Begun(NamedTuple):
    """A job was taken out of the pipe: from now on it is not given to another process."""


@dataclass(frozen=True)
class Desk:
    """What every job of a process finds: where the registry is, and where the scores are.

    `source` is None where scores come from the store. `store_url` may hold a password: it goes
    through a pipe, never into arguments.
    """

    folder: Path
    overrides: Mapping[str, Any]
    store_url: str = field(repr=False)
    source: FileSource | None = None
    push: bool = False

    def registry(self) -> Registry:
        """The registry, opened anew: its repository and its settings may have changed."""
        from calreg.registry import Registry

        return Registry.open(self.folder, overrides=self.overrides)

    @cached_property
    def store(self) -> Store:
        """The store; a connection of this process's own."""
        from calreg.store import Store

        return Store.open(self.store_url)


class Job(Protocol):
    """Something to do in the worker's process; must survive pickling, as its result must."""

    @property
    def name(self) -> str:
        """What it is called where it failed."""

    def do(self, desk: Desk, tell: Callable[[Progress], None]) -> Any:
        """Do it.

        Raises:
            CalregError: It cannot be done.
        """


class Told(NamedTuple):
    """An error on its way through the pipe."""

    kind: str
    message: str
    hint: str | None
    where: str | None
    code: str
    traceback: str = ""

    def error(self) -> CalregError:
        """The error, of the same branch."""
        kind = _KINDS.get(self.kind, CalregError)
        return kind(self.message, hint=self.hint, where=self.where, code=self.code)


_BRANCHES = (StaleRegistryError, UsageError, InputError, RegistryError, TransportError)
_KINDS: Mapping[str, type[CalregError]] = {kind.__name__: kind for kind in _BRANCHES}


def work(pipe: Connection, desk: Desk) -> None:
    """Do jobs until the pipe ends; the main function of the process."""
    # Ctrl-C goes to all processes of a terminal: the service decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    _warm(desk)
    say = _Pipe(pipe)
    say(0, None)
    while True:
        try:
            number, job = pipe.recv()
        except (EOFError, OSError):
            # At once, whatever a job is doing: the registry bears it, and nobody hears the result.
            os._exit(0)
        say(number, Begun())
        threading.Thread(target=_do, args=(number, job, desk, say), daemon=True).start()


def _warm(desk: Desk) -> None:
    """Have at hand what the first job needs; what is wrong is for the job to tell."""
    for module in WARM:
        import_module(module)
    with suppress(CalregError):
        desk.registry().state()
    with suppress(CalregError):
        desk.store.revision()
    gc.freeze()


def _do(number: int, job: Job, desk: Desk, say: _Pipe) -> None:
    try:
        said = job.do(desk, lambda progress: say(number, progress))
    except CalregError as error:
        said = _told(error)
    except Exception as error:  # noqa: BLE001 -- the edge of this process: nobody is above it
        said = Told(
            "CalregError", f"{job.name} ended in a bug: {type(error).__name__}", None, None,
            "bug", traceback.format_exc(),
        )  # fmt: skip
    say(number, said)


def _told(error: CalregError) -> Told:
    kind = next((one for one in _BRANCHES if isinstance(error, one)), CalregError)
    return Told(kind.__name__, error.message, error.hint, error.where, error.code)


class _Pipe:
    """The pipe's end of this process, for several threads."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, number: int, said: Any) -> None:
        try:
            with self._lock:
                self._pipe.send((number, said))
        except OSError:
            os._exit(0)
