"""A registry, a store and a `State` over them, really running; and ways to hold one up.

What these tests wait for are events, ends of processes and locks, always with a time limit.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import forked

from calreg.calibrate import describe, minmax
from calreg.cli import call
from calreg.documents import RunInputs
from calreg.failpoints import VARIABLE
from calreg.names import HeadName
from calreg.plan import Computed, RunPlan, plan_run
from calreg.registry import Registry, initialise
from calreg.service.events import Event, Feed
from calreg.service.settings import Settings
from calreg.service.state import Pace, State
from calreg.service.worker import Worker
from calreg.service.working import Desk
from calreg.store import Row, Store

__all__ = ["DANCE", "HAPPY", "LIMIT_S", "Place", "calreg", "ended", "place", "rows", "running"]
__all__ += ["BadJob", "Doom", "Unpicklable", "events_of", "git", "next_event", "place_in"]
__all__ += ["published", "worker_of"]

LIMIT_S = 30.0
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HAPPY = "essentia/effnet/mood_happy"
DANCE = "musicnn/danceability"


def git(folder: Path, *arguments: str) -> str:
    """What the git of the person at the keyboard says."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def calreg(place: Place, *arguments: str) -> None:
    """A command of somebody else at the same registry."""
    assert call(["--registry", str(place.registry), *arguments]) == 0


def rows(
    head: str, label: str = "yes", *, items: int = 200, centre: float = 0.5, first: int = 0
) -> list[Row]:
    """Scores of one label around a centre, the same whenever they are asked for."""
    scores = np.clip(np.random.default_rng(items + first).normal(centre, 0.1, items), 0.0, 1.0)
    return [
        Row(f"item-{number}.flac", head, label, float(score))
        for number, score in enumerate(scores, first)
    ]


@dataclass
class Place:
    """Where a registry and a store are."""

    folder: Path
    url: str = ""

    def __post_init__(self) -> None:
        self.url = self.url or f"sqlite:///{self.folder / 'calreg.db'}"

    @property
    def registry(self) -> Path:
        """The registry's folder."""
        return self.folder / "music"

    def open(self) -> Registry:
        """The registry, opened anew."""
        return Registry.open(self.registry)

    def settings(self, **more: Any) -> Settings:
        """Settings of a place that may calibrate."""
        return Settings(folder=self.folder, store_url=self.url, calibrate_heads=True, **more)

    def desk(self) -> Desk:
        """What a worker is told."""
        return Desk(self.registry, {}, self.url)

    def tip(self) -> str:
        """The registry's newest commit."""
        return git(self.registry, "rev-parse", "HEAD").strip()


def worker_of(place: Place, *, is_forked: bool = True) -> Worker:
    """A worker without a service."""
    pace = forked(Pace()) if is_forked else Pace()
    return Worker(place.desk(), start_method=pace.start_method)


_made: list[Path] = []


def place_in(folder: Path, factory: pytest.TempPathFactory) -> Place:
    """A new registry called music; it is begun once and copied."""
    if not _made:
        _made.append(initialise(factory.mktemp("made") / "music", when=WHEN).folder)
    shutil.copytree(_made[0], folder / "music")
    return Place(folder)


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A new registry, and room for a store."""
    return place_in(tmp_path, tmp_path_factory)


@contextmanager
def running(
    place: Place,
    *,
    pace: Pace | None = None,
    environment: Mapping[str, str] | None = None,
    is_begun: bool = True,
    is_forked: bool = True,
    **settings: Any,
) -> Iterator[State]:
    """A service's inside, begun, and ended with the block."""
    pace = pace or Pace(poll_s=0.05)
    with Store.open(place.url) as store:
        state = State(
            place.settings(**settings),
            place.open(),
            store,
            environment=environment or {},
            pace=forked(pace) if is_forked else pace,
        )
        if is_begun:
            state.start()
        try:
            yield state
        finally:
            state.close(timeout_s=0.0)


def published(place: Place, heads: Mapping[str, float], *, digest: int = 1) -> str:
    """The commit of a run that somebody else makes, of heads around centres."""
    computed = Computed(
        {
            HeadName.parse(name): {
                "yes": minmax(describe([r.score for r in rows(name, centre=centre)], grid=(0, 1)))
            }
            for name, centre in heads.items()
        },
        {},
        {},
        RunInputs(f"{digest:064x}", "long", 200, 200, {}, ("scores.csv",)),
    )

    def plan(state: Any) -> RunPlan:
        return plan_run(state, computed, timestamp=f"2026-11-0{digest}T00:00:00.000Z", tool="test")

    return str(place.open().publish(plan).commit)


def events_of(feed: Feed, seen: int = 0) -> Iterator[Event]:
    """The events of a feed as they come, until it ends."""
    while True:
        found = feed.wait(seen, LIMIT_S)
        assert found or feed.is_ended, "nothing happened in time"
        yield from found
        if not found:
            return
        seen = found[-1].id


def next_event(feed: Feed, kind: str, seen: int = 0) -> Event:
    """The first event of a kind after one."""
    return next(event for event in events_of(feed, seen) if event.kind == kind)


def ended(pid: int, limit_s: float = LIMIT_S) -> bool:
    """Whether a process ends in time, whosever it is."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], limit_s)[0])
    finally:
        os.close(descriptor)


class Unpicklable:
    """What kills the process that it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


@dataclass(frozen=True)
class Doom:
    """A job after which its process is killed as soon as it reaches a step."""

    step: str
    name: str = "the doom"

    def do(self, _desk: Desk, _tell: Any) -> None:
        """Name the step."""
        os.environ[VARIABLE] = f"{self.step}:kill"


@dataclass(frozen=True)
class BadJob:
    """A job that has a bug."""

    name: str = "the bad job"
    more: tuple[int, ...] = field(default=())

    def do(self, _desk: Desk, _tell: Any) -> int:
        """Answer with the one number there is, or raise."""
        return self.more[0]
