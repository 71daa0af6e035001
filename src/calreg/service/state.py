"""What the parts of the service share: one registry, one store, and what happens to them.

`State` is made once and handed to every router. Readers take `snapshot()`, an immutable view
that is replaced as a whole when the registry moves; nothing that answers a request starts git.
What works in the background (the worker's process, the watch over the registry, runs that
begin by themselves, deliveries) begins with `start` and ends with `close`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calreg.errors import CalregError
from calreg.service.automatic import Automatic, Rhythm
from calreg.service.events import Feed, Subscription
from calreg.service.look_job import News
from calreg.service.run_job import RecoverJob
from calreg.service.running import Runs, RunTicket, error_json
from calreg.service.served import Served, ServedReference
from calreg.service.watching import Watch
from calreg.service.webhooks import Patience, Webhooks, secrets_of
from calreg.service.worker import InterruptedJobError, StartMethod, Worker
from calreg.service.working import Desk

if TYPE_CHECKING:
    from calreg.registry import Registry
    from calreg.service.settings import Settings
    from calreg.store import Delivery, PutCounts, Store

__all__ = ["Pace", "RunTicket", "Served", "ServedReference", "State"]

LOG = logging.getLogger("calreg.service")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long things are waited for; handed in so that tests need not wait.

    `start_method` is how the worker's process begins: anew, or off one that has imported all.
    """

    clock: Callable[[], float] = time.time
    poll_s: float = 1.0
    rhythm: Rhythm = field(default_factory=Rhythm)
    patience: Patience = field(default_factory=Patience)
    start_method: StartMethod = "spawn"


class State:
    """The one object that the service's routers share.

    Args:
        settings: The service's part of the configuration, checked.
        registry: The registry that is served.
        store: Scores, history, the re-tag queue, runs and deliveries.
        environment: Holds the secrets of webhooks.
        pace: How often and how long things are waited for.

    Raises:
        InputError: The registry is not valid, or a webhook's secret is missing.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        store: Store,
        *,
        environment: Mapping[str, str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.settings, self.registry, self.store = settings, registry, store
        self.pace = pace or Pace()
        self.feed = Feed()
        clock = self.pace.clock
        self.worker = Worker(
            Desk(
                registry.root, settings.overrides, settings.store_url, settings.source,
                settings.push,
            ),
            start_method=self.pace.start_method,
        )  # fmt: skip
        secrets = secrets_of(settings.webhooks, os.environ if environment is None else environment)
        self.webhooks = Webhooks(
            store, secrets, registry=registry.name, clock=clock, patience=self.pace.patience,
            given_up=self._on_given_up,
        )  # fmt: skip
        self.watch = Watch(
            registry, store, self.worker, self._on_news, clock, poll_s=self.pace.poll_s
        )
        self.runs = Runs(
            self.worker, store, has_stored_scores=settings.source is None,
            settle=self.watch.settle, ended=self._on_run_ended, clock=clock,
        )  # fmt: skip
        self.watch.beside = self.runs.write_down
        self.watch.is_busy = lambda: self.runs.current() is not None
        self._automatic = self._automatic_of(settings)

    def _automatic_of(self, settings: Settings) -> Automatic | None:
        """Runs that begin by themselves: where the store is the source, and runs are allowed."""
        if settings.auto_run_after is None or settings.source is not None:
            return None
        if not settings.calibrate_heads:
            return None
        return Automatic(
            self.store, settings.auto_run_after, lambda: self.start_run("automatic"),
            clock=self.pace.clock, rhythm=self.pace.rhythm,
        )  # fmt: skip

    @property
    def clock(self) -> Callable[[], float]:
        """Tells seconds since 1970."""
        return self.pace.clock

    # What is served

    def snapshot(self) -> Served:
        """The registry as it is now, to be kept for one answer; never waits."""
        return self.watch.served

    @property
    def problem(self) -> str | None:
        """Why what is served does not follow the registry at the moment; None: it does."""
        return self.watch.problem

    # Runs

    def start_run(self, trigger: str = "api") -> RunTicket:
        """Begin a run; it goes on by itself. Writes to the store: not in the event loop.

        Raises:
            AlreadyRunningError: One is going on; with its id.
            StoreError: The store is down; nothing began.
        """
        ticket = self.runs.start(trigger)
        self.feed.publish("run-started", {"id": ticket.id, "trigger": trigger})
        return ticket

    def running(self) -> RunTicket | None:
        """The run that is going on, if one is."""
        return self.runs.current()

    def on_scores(self, counts: PutCounts) -> None:
        """Scores came in: a run of its own may be due. Returns at once."""
        if self._automatic is not None and (counts.new or counts.changed):
            self._automatic.look()

    # What happens

    def subscribe(self, after: int = 0) -> AbstractContextManager[Subscription]:
        """Listen to all that happens: `run-started`, `run-ended`, `run`, `promotion`, `gate`."""
        return self.feed.subscribe(after)

    def _on_news(self, news: News) -> None:
        self.webhooks.tell(news)
        self.feed.publish(news.event, news.details)

    def _on_given_up(self, delivery: Delivery, why: str) -> None:
        self.feed.publish("given-up", {"delivery": delivery.id, "why": why})

    def _on_run_ended(self, ticket: RunTicket) -> None:
        error = ticket.result.exception()
        if isinstance(error, InterruptedJobError):
            self._recover()
        told: dict[str, Any] = {"id": ticket.id, "trigger": ticket.trigger, "status": "ok"}
        if error is not None and isinstance(error, CalregError):
            told |= {"status": "failed", **error_json(error)}
            self._tell_failed(News("run", ticket.id, told))
        self.feed.publish("run-ended", told)
        if self._automatic is not None:
            self._automatic.look(is_new=False)

    def _tell_failed(self, news: News) -> None:
        try:
            self.webhooks.tell(news)
        except CalregError as error:
            LOG.warning("nobody is told that run %s failed: %s", news.about, error)

    def _recover(self) -> None:
        """Have finished what a killed process left half-way in the work tree."""
        if self.settings.calibrate_heads:
            self.worker.ask(RecoverJob())

    # Beginning and end

    def start(self) -> None:
        """Begin the work in the background; returns at once."""
        self.worker.start()
        self._recover()
        self.webhooks.begin()
        self.watch.begin()
        if self._automatic is not None:
            self._automatic.begin()

    def dismiss(self) -> None:
        """Let everybody go who listens to events: the service is about to end."""
        self.feed.dismiss()
        self.runs.dismiss()

    def close(self, *, timeout_s: float = 10.0) -> None:
        """End the work in the background; a run that is going on gets `timeout_s`."""
        if self._automatic is not None:
            self._automatic.close()
        self.runs.wait(timeout_s)
        self.watch.stop()
        self.worker.close()
        self.runs.wait_for_finishing()
        self.watch.close()
        self.webhooks.close()
        self.feed.end()
