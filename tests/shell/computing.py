"""What a run brings, without reading any scores: the same arguments, the same numbers."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from calreg.calibrate import describe, minmax
from calreg.documents import LabelCalibration, RunInputs
from calreg.names import HeadName
from calreg.plan import Computed, RegistryState, RunPlan, plan_run
from calreg.registry import AlreadyDone, Published, Registry, Retry, initialise

__all__ = ["DANCE", "HAPPY", "NO_WAIT", "WHEN", "at", "computed", "fresh_copy", "publish_run"]

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

HAPPY = HeadName("essentia/effnet", "mood_happy")
DANCE = HeadName("musicnn", "danceability")

NO_WAIT = Retry(attempts=3, pause=lambda _seconds: None)


@cache
def label(centre: float, *, items: int = 2_000) -> LabelCalibration:
    """A label whose scores lie around a centre."""
    scores = np.clip(np.random.default_rng(1).normal(centre, 0.1, items), 0.0, 1.0)
    return minmax(describe(scores, grid=(0.0, 1.0)))


def at(hour: int) -> str:
    """A time of one day, as documents write it."""
    return f"2026-11-01T{hour:02d}:00:00.000Z"


def computed(
    heads: dict[HeadName, float], *, digest: int = 1, excluded: dict[str, str] | None = None
) -> Computed:
    """Heads with one label each, around the centres given."""
    inputs = RunInputs(f"{digest:064x}", "long", 2_000, 2_000, {}, ("scores.csv",))
    return Computed(
        {name: {"yes": label(centre)} for name, centre in heads.items()},
        {},
        excluded or {},
        inputs,
    )


_made: list[Path] = []


def fresh_copy(folder: Path, factory: pytest.TempPathFactory) -> Path:
    """A new registry called music; it is begun once and copied, to save a second per test."""
    if not _made:
        _made.append(initialise(factory.mktemp("made") / "music", when=WHEN).folder)
    shutil.copytree(_made[0], folder)
    return folder


def publish_run(
    registry: Registry,
    heads: dict[HeadName, float],
    *,
    digest: int = 1,
    push: bool = False,
    excluded: dict[str, str] | None = None,
) -> Published | AlreadyDone:
    """Publish a run as `calreg run` would."""
    brings = computed(heads, digest=digest, excluded=excluded)

    def plan_of(state: RegistryState) -> RunPlan:
        return plan_run(state, brings, timestamp=at(digest % 24), tool="calreg 0")

    return registry.publish(plan_of, push=push, retry=NO_WAIT)
