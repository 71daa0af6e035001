"""A registry that has been watched for a while: settled, drifting, noisy and new heads.

Made once per session and copied; no scores are read, the same arguments give the same numbers.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from calreg.calibrate import describe, minmax
from calreg.documents import LabelCalibration, RunInputs, timestamp_text
from calreg.names import HeadName
from calreg.plan import Computed, RegistryState, RunPlan, plan_run
from calreg.registry import Registry, initialise

__all__ = ["BEGAN", "NASTY", "SETTLED", "Head", "copied", "make", "publish_run"]

BEGAN = datetime(2026, 9, 1, 8, tzinfo=UTC)
NASTY = "<script>alert('x')</script> & \"q\""


@dataclass(frozen=True)
class Head:
    """A head of the registry: how many items it has, and how far each run moves it.

    `since` is the first run that it is in; `labels` are its labels.
    """

    name: str
    items: int = 20_000
    moved_by: tuple[float, ...] = ()
    since: int = 1
    labels: tuple[str, ...] = ("yes",)
    display_name: str | None = None

    @property
    def head(self) -> HeadName:
        """Its name."""
        return HeadName.parse(self.name)


SETTLED = (
    Head("essentia/effnet/mood_happy", moved_by=(0.0, 0.0, 0.06, 0.0), labels=("no", "yes")),
    Head("essentia/effnet/danceability", items=300),
    Head("essentia/effnet/timbre"),
    Head("essentia/musicnn/timbre", display_name="timbre (musicnn)"),
    Head("essentia/musicnn/valence", since=4),
)
"""Drifted in run 3, too few items, settled twice, and new in run 4 (of four)."""


@cache
def _label(items: int, shift: float, seed: int) -> LabelCalibration:
    scores = np.random.default_rng(seed).beta(2, 4, items) * 0.8 + shift
    return minmax(describe(np.clip(scores, 0.0, 1.0), grid=(0.0, 1.0)))


def _computed(heads: tuple[Head, ...], run: int) -> Computed:
    brings = {}
    for place, head in enumerate(heads):
        if run < head.since:
            continue
        shift = sum(head.moved_by[:run])
        brings[head.head] = {
            label: _label(head.items, shift, 1000 * run + 10 * place + number)
            for number, label in enumerate(head.labels)
        }
    names = {one.head: one.display_name for one in heads if one.display_name is not None}
    inputs = RunInputs(f"{run:064x}", "long", 1000, 988, {"nan": 12}, ("scores.csv",))
    return Computed(brings, names, {}, inputs)


def publish_run(registry: Registry, heads: tuple[Head, ...], run: int) -> None:
    """Publish one run, two weeks after the one before."""
    brings = _computed(heads, run)
    when = timestamp_text(BEGAN + timedelta(days=14 * run))

    def plan_of(state: RegistryState) -> RunPlan:
        return plan_run(state, brings, timestamp=when, tool="calreg 0")

    registry.publish(plan_of)


def make(
    folder: Path, heads: tuple[Head, ...] = SETTLED, *, runs: int = 4, promote_on: str = "drift"
) -> Path:
    """A registry of these heads and so many runs, from nothing."""
    initialise(folder, when=BEGAN)
    rules = folder / "registry.yaml"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.replace("promote_on: unstable", f"promote_on: {promote_on}"))
    _commit(folder)
    registry = Registry.open(folder)
    for run in range(1, runs + 1):
        publish_run(registry, heads, run)
    return folder


def _commit(folder: Path) -> None:
    subprocess.run(
        ["git", "commit", "--quiet", "--all", "--message", "Hold what noise explains"],
        cwd=folder,
        check=True,
    )


def copied(made: Path, folder: Path) -> Path:
    """A copy to be changed."""
    shutil.copytree(made, folder)
    return folder
