"""One run at a time: begin it, follow it, keep what came of it.

The registry knows what was published; the store keeps what was tried, so that a restart can
say what became of a run. A run that has begun goes on whoever asked for it goes away.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from calreg.errors import CalregError, RegistryError
from calreg.service.events import Feed
from calreg.service.run_job import RunJob
from calreg.service.working import Progress

if TYPE_CHECKING:
    from calreg.service.worker import Worker
    from calreg.store import Revision, Store

__all__ = ["AlreadyRunningError", "RunTicket", "Runs", "error_json"]

LOG = logging.getLogger("calreg.service")

_REMEMBERED = 20
_WRITTEN_S = 1.0
_TOLD_S = 0.05
_FINISHING_S = 5.0


class AlreadyRunningError(RegistryError):
    """A run is going on; there is one at a time."""

    default_code = "already-running"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id} is going on; there is one at a time",
            hint=f"Wait for it: GET /admin/calibration/runs/{run_id}",
        )
        self.run_id = run_id


@dataclass(frozen=True)
class RunTicket:
    """A run that was begun.

    Args:
        id: What it is called here; the registry numbers it only when it is published.
        trigger: `api` or `automatic`.
        started: Seconds since 1970.
        feed: Its progress, and at last its result.
        result: The answer, or the error that ended it.
    """

    id: str
    trigger: str
    started: float
    feed: Feed = field(default_factory=Feed)
    result: Future[Mapping[str, Any]] = field(default_factory=Future)

    @property
    def location(self) -> str:
        """Where it can be asked for."""
        return f"/admin/calibration/runs/{self.id}"

    async def finished(self) -> Mapping[str, Any]:
        """The answer, once there is one; going away meanwhile leaves the run alone.

        Raises:
            CalregError: What the run came to instead.
        """
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def tell(_: Future[Mapping[str, Any]]) -> None:
            if not loop.is_closed():  # whoever waited may be gone with its loop
                loop.call_soon_threadsafe(done.set)

        self.result.add_done_callback(tell)
        await done.wait()
        return self.result.result()


class Runs:
    """All runs of a service.

    Args:
        worker: The process that makes them.
        store: Where they are kept.
        has_stored_scores: Whether they are made of the store's scores.
        settle: Called when a run has ended, before anybody is told: brings what is served up
            to what was published.
        ended: Called with each run when its result is known.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        worker: Worker,
        store: Store,
        *,
        has_stored_scores: bool,
        settle: Callable[[], None],
        ended: Callable[[RunTicket], None],
        clock: Callable[[], float],
    ) -> None:
        self._worker, self._store = worker, store
        self._has_stored_scores = has_stored_scores
        self._settle, self._ended, self._clock = settle, ended, clock
        self._lock = threading.Lock()
        self._current: RunTicket | None = None
        self._tickets: OrderedDict[str, RunTicket] = OrderedDict()
        self._unwritten: dict[str, dict[str, Any]] = {}
        self._at_work: set[threading.Thread] = set()

    def current(self) -> RunTicket | None:
        """The run that is going on, if one is."""
        return self._current

    def ticket(self, run_id: str) -> RunTicket | None:
        """A run that was begun since the service started, one of the last."""
        return self._tickets.get(run_id)

    def dismiss(self) -> None:
        """Let everybody go who listens to a run; the runs go on."""
        with self._lock:
            tickets = list(self._tickets.values())
        for ticket in tickets:
            ticket.feed.dismiss()

    def start(self, trigger: str) -> RunTicket:
        """Begin a run.

        Raises:
            AlreadyRunningError: One is going on; with its id.
            StoreError: The store is down; nothing began.
        """
        now = self._clock()
        moment = datetime.fromtimestamp(now, UTC)
        ticket = RunTicket(f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", trigger, now)
        with self._lock:
            if self._current is not None:
                raise AlreadyRunningError(self._current.id)
            self._current = ticket
        try:
            self._store.run_started(ticket.id, trigger, self._revision())
        except BaseException:
            self._current = None
            raise
        self._remember(ticket)
        ticket.feed.publish("started", {"id": ticket.id, "trigger": trigger})
        follower = _Follower(self._store, ticket, self._clock)
        job = self._worker.ask(RunJob(moment), follower.tell)
        job.add_done_callback(lambda done: self._finish_beside(ticket, done))
        return ticket

    def _revision(self) -> Revision:
        from calreg.store import Revision

        return self._store.revision() if self._has_stored_scores else Revision(0, 0, 0)

    def _remember(self, ticket: RunTicket) -> None:
        with self._lock:
            self._tickets[ticket.id] = ticket
            while len(self._tickets) > _REMEMBERED:
                self._tickets.popitem(last=False)

    def _finish_beside(self, ticket: RunTicket, job: Future[Any]) -> None:
        # Not in this thread: it is the one that hears what else the worker says.
        thread = threading.Thread(target=self._finish, args=(ticket, job), name="calreg-run")
        with self._lock:
            self._at_work.add(thread)
        thread.start()

    def _finish(self, ticket: RunTicket, job: Future[Any]) -> None:
        try:
            answer, error = {"id": ticket.id, **job.result()}, None
        except CalregError as problem:
            answer, error = {}, problem
        told = None if error is None else error_json(error)["error"]
        self._unwritten[ticket.id] = {"result": answer or None, "error": told}
        try:
            self._settle()
            self.write_down()
        finally:  # whatever happens, the next run may begin and nobody waits for ever
            self._conclude(ticket, answer, error)
        self._ended(ticket)

    def _conclude(
        self, ticket: RunTicket, answer: Mapping[str, Any], error: CalregError | None
    ) -> None:
        with self._lock:
            self._current = None
            self._at_work.discard(threading.current_thread())
        if error is None:
            ticket.feed.publish("result", answer, is_last=True)
            ticket.result.set_result(answer)
        else:
            ticket.feed.publish("error", {"id": ticket.id, **error_json(error)}, is_last=True)
            ticket.result.set_exception(error)

    def write_down(self) -> None:
        """Keep the results that the store could not take when they came; it may be up again."""
        for run_id, values in list(self._unwritten.items()):
            try:
                self._store.run_finished(run_id, **values)
            except CalregError as error:
                LOG.warning("the result of run %s is not kept yet: %s", run_id, error)
                return
            self._unwritten.pop(run_id, None)

    def wait(self, timeout_s: float) -> None:
        """Wait for the run that is going on, at most some seconds."""
        ticket = self._current
        if ticket is not None:
            wait_for([ticket.result], timeout_s)

    def wait_for_finishing(self) -> None:
        """Wait until runs that were cut short are written down, a few seconds at most."""
        with self._lock:
            threads = list(self._at_work)
        for thread in threads:
            thread.join(_FINISHING_S)


class _Follower:
    """Passes a run's progress on: often to who listens, now and then to the store."""

    def __init__(self, store: Store, ticket: RunTicket, clock: Callable[[], float]) -> None:
        self._store, self._ticket, self._clock = store, ticket, clock
        self._step = ""
        self._told = self._written = 0.0

    def tell(self, progress: Progress) -> None:
        now = self._clock()
        is_new = progress.step != self._step
        # The clock may be put back: then all that was told is from the future.
        if is_new or not 0 <= now - self._told < _TOLD_S or progress.done == progress.total:
            self._told = now
            self._ticket.feed.publish("progress", progress._asdict())
        if is_new or not 0 <= now - self._written < _WRITTEN_S:
            self._written = now
            try:
                self._store.run_progress(
                    self._ticket.id, progress.done, progress.total, progress.step
                )
            except CalregError as error:
                LOG.warning("the progress of run %s is not kept: %s", self._ticket.id, error)
        self._step = progress.step


def error_json(error: CalregError) -> dict[str, Any]:
    """An error as programs read it, as in every answer."""
    from calreg.git import redact

    return {
        "error": {
            "code": error.code,
            "message": redact(error.message),
            "hint": None if error.hint is None else redact(error.hint),
            "where": None if error.where is None else redact(error.where),
        }
    }
