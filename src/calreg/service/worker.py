"""A warm process beside the service that computes: asked for jobs, it answers with results.

What takes seconds of processor time must not make readers wait, and a computation that is
killed must not take the service with it. So it happens in one child process, begun with the
service, which has imported everything before the first job comes. It may be killed at any
time: its jobs then end in `InterruptedJobError`, and a fresh process takes its place. If the
service itself is killed, the pipe between them ends, and the child with it.

A new kind of work is a `Job` (see `working`); nothing here knows what jobs do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, Literal

from calreg.errors import TransportError
from calreg.service.working import Begun, Desk, Job, Progress, Told, work

__all__ = ["InterruptedJobError", "StartMethod", "Tell", "Worker"]

LOG = logging.getLogger("calreg.service")

Tell = Callable[[Progress], None]
StartMethod = Literal["spawn", "forkserver"]
_END_S = 2.0
_TRIES = 3


class InterruptedJobError(TransportError):
    """A job whose process ended before it did."""

    default_code = "interrupted"
    default_hint = "Begin it again: what was finished is found, nothing is done twice."


@dataclass(slots=True)
class _Asked:
    """A job that somebody waits for; one that has not begun may be given to another process."""

    job: Job
    tell: Tell | None
    future: Future[Any] = field(default_factory=Future)
    has_begun: bool = False
    tries: int = 0

    def interrupt(self, why: str) -> None:
        """Tell whoever waits that nothing will come."""
        self.future.set_exception(InterruptedJobError(f"{self.job.name} {why}"))

    def progressed(self, progress: Progress) -> None:
        """Tell whoever waits how far it is."""
        if self.tell is None:
            return
        try:
            self.tell(progress)
        except Exception:
            # The edge of a thread, which must go on to hear the result.
            LOG.exception("the progress of %s could not be told", self.job.name)


class Worker:
    """The process, and a fresh one whenever it ends.

    Args:
        desk: What the process is told when it begins.
        start_method: How a process begins, as `multiprocessing` calls it. Never `fork`: the
            service has threads, and a lock one of them holds would stay locked.
    """

    def __init__(self, desk: Desk, *, start_method: StartMethod = "spawn") -> None:
        self._desk, self._start_method = desk, start_method
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._is_closed = False

    def start(self) -> None:
        """Begin the process, if there is none; it gets ready by itself."""
        with self._lock:
            self._alive()

    @property
    def pid(self) -> int | None:
        """The process that jobs go to; None while there is none."""
        child = self._child
        return child.pid if child is not None and child.is_alive else None

    def ask(self, job: Job, tell: Tell | None = None) -> Future[Any]:
        """Have a job done; `tell` is called with its progress, from another thread.

        The future holds the result, or a `CalregError`.
        """
        asked = _Asked(job, tell)
        self._give(asked)
        return asked.future

    def _give(self, asked: _Asked) -> None:
        asked.tries += 1
        with self._lock:
            child = self._alive()
            is_taken = child is not None and child.take(asked)
        if not is_taken:
            asked.interrupt("was not begun: the service is ending")

    def close(self) -> None:
        """End the process; jobs that are not done are interrupted."""
        with self._lock:
            self._is_closed = True
            child, self._child = self._child, None
        if child is not None:
            child.close()

    def _alive(self) -> _Child | None:
        """The process, begun anew if it has ended; None once closed. Inside the lock."""
        if self._is_closed:
            return None
        if self._child is None or not self._child.is_alive:
            self._child = _Child(self._desk, self._start_method, self._ended)
        return self._child

    def _ended(self, child: _Child, left: Iterable[_Asked]) -> None:
        """Have a fresh one at hand, and give it what the one that ended had not begun."""
        # One that never got ready would not do so at once either: it is begun when asked for.
        with self._lock:
            if self._child is child and child.was_ready:
                LOG.warning("the worker's process ended (%s); a fresh one begins", child.exit_code)
                self._alive()
        for asked in left:
            if asked.has_begun or asked.tries >= _TRIES:
                asked.interrupt("was interrupted: its process ended")
            else:
                self._give(asked)


class _Child:
    """One process, and the thread that reads what it says."""

    def __init__(
        self,
        desk: Desk,
        start_method: StartMethod,
        ended: Callable[[_Child, Iterable[_Asked]], None],
    ) -> None:
        is_anew = start_method == "spawn"
        context = get_context("spawn") if is_anew else get_context("forkserver")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=work, args=(theirs, desk), name="calreg-worker", daemon=True
        )
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._ended = ended
        self._lock = threading.Lock()
        self._waiting: dict[int, _Asked] = {}
        self._number = 0
        self.is_alive = True
        self.was_ready = False
        self._thread = threading.Thread(target=self._read, name="calreg-worker", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    def take(self, asked: _Asked) -> bool:
        """Pass a job on; False if the process has ended."""
        with self._lock:
            if not self.is_alive:
                return False
            self._number += 1
            self._waiting[self._number] = asked
            try:
                self._pipe.send((self._number, asked.job))
            except OSError:  # it has just ended: the thread that reads says so
                LOG.debug("the worker's process takes no more jobs")
        return True

    def close(self) -> None:
        with self._lock:
            self.is_alive = False
        self._process.terminate()
        self._process.join(_END_S)
        if self._process.exitcode is None:
            self._process.kill()
        self._thread.join(_END_S)

    def _read(self) -> None:
        while True:
            try:
                number, said = self._pipe.recv()
            except (EOFError, OSError):
                break
            self._hear(number, said)
        self._process.join(_END_S)
        with self._lock:
            self.is_alive = False
            left, self._waiting = self._waiting, {}
        self._pipe.close()
        self._ended(self, left.values())

    def _hear(self, number: int, said: Any) -> None:
        if number == 0:
            self.was_ready = True
            return
        asked = self._waiting[number]
        if isinstance(said, Begun):
            asked.has_begun = True
        elif isinstance(said, Progress):
            asked.progressed(said)
        else:
            with self._lock:
                del self._waiting[number]
            self._conclude(asked, said)

    def _conclude(self, asked: _Asked, said: Any) -> None:
        if not isinstance(said, Told):
            asked.future.set_result(said)
            return
        if said.traceback:
            LOG.error("%s ended in a bug:\n%s", asked.job.name, said.traceback)
        asked.future.set_exception(said.error())
