"""Heads with thresholds and probability maps, published through the library.

What `calreg tune --commit` leaves in a registry, without its arithmetic: thresholds are
given, counts are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from calreg.calibrate import describe
from calreg.documents import (
    Confusion,
    Decision,
    Distribution,
    LabelCalibration,
    RunInputs,
    Trial,
    timestamp_text,
)
from calreg.names import HeadName
from calreg.plan import Computed, RegistryState, RunPlan, plan_run
from calreg.registry import AlreadyDone, Published, Registry

SPAM = HeadName("m", "spam")
HOLDOUT = "b" * 64

Labels = Mapping[str, LabelCalibration]


def drawn(items: int, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores in [0, 1] and their truth, a third of it positive."""
    rng = np.random.default_rng(seed)
    truth = rng.random(items) < 1 / 3
    return np.where(truth, rng.beta(4, 2, items), rng.beta(2, 4, items)), truth


def undecided_trial(*, digest: str) -> Trial:
    """What a probability comes to where nothing fires."""
    return Trial(digest, 200, 400, None, {"brier": 0.125})


def trial(cut: float | None, *, digest: str, seed: int, direction: str = "higher") -> Trial:
    """What firing at a cut comes to on 600 items drawn with a seed."""
    scores, truth = drawn(600, seed=seed)
    if direction == "lower":
        scores = 1.0 - scores
    fires = np.zeros(600, dtype=bool)
    if cut is not None:
        fires = scores <= cut if direction == "lower" else scores >= cut
    cells = [(fires & truth), (fires & ~truth), (~fires & truth), (~fires & ~truth)]
    tp, fp, fn, tn = (int(np.count_nonzero(cell)) for cell in cells)
    return Trial(digest, tp + fn, fp + tn, Confusion(tp, fp, fn, tn), {"auroc": 0.9})


def threshold(
    cut: float | None,
    *,
    items: int = 4000,
    seed: int = 1,
    direction: str = "higher",
    holdout: str = HOLDOUT,
    **decided: Any,
) -> LabelCalibration:
    """A label that fires from a raw score upwards (or downwards), tried twice."""
    scores, _ = drawn(items, seed=seed)
    if direction == "lower":
        scores = 1.0 - scores
    made = {
        "threshold": cut,
        "comparator": "<=" if direction == "lower" else ">=",
        "objective": "max-f1",
        "status": "ok" if cut is not None else "infeasible",
    }
    return LabelCalibration(
        method="threshold",
        parameters={},
        distribution=describe(scores, grid=(0.0, 1.0)),
        direction=direction,
        decision=Decision(**{**made, **decided}),
        calibration=trial(cut, digest="a" * 64, seed=2, direction=direction),
        holdout=trial(cut, digest=holdout, seed=3, direction=direction),
    )


def platt(
    cut: float = 0.5, *, raw: float = 0.55, decides: bool = True, slope: float = 7.25
) -> LabelCalibration:
    """A label with a probability, and a threshold on it where it decides."""
    scores, _ = drawn(4000)
    decision = Decision(cut, ">=", "youden", "ok", score_threshold=raw)
    return LabelCalibration(
        method="platt",
        parameters={"slope": slope, "intercept": -4.0},
        distribution=describe(scores, grid=(0.0, 1.0)),
        direction="higher",
        decision=decision if decides else None,
        calibration=trial(raw, digest="a" * 64, seed=2)
        if decides
        else undecided_trial(digest="a" * 64),
        holdout=trial(raw, digest=HOLDOUT, seed=3) if decides else undecided_trial(digest=HOLDOUT),
    )


def imported(cut: float | None) -> LabelCalibration:
    """A threshold of another system, which kept nothing of the scores."""
    status = "ok" if cut is not None else "infeasible"
    decision = Decision(cut, ">=", "imported", status)
    return LabelCalibration("threshold", {}, Distribution(None), "higher", decision)


def brings(
    heads: Mapping[HeadName, Labels], *, digest: int = 1, options: Mapping[str, Any] | None = None
) -> Computed:
    """Heads as a run brings them."""
    inputs = RunInputs(f"{digest:064x}", "labelled", 4000, 4000, {}, ("labelled.csv",))
    return Computed(heads, {}, {}, inputs, options or {})


def published_run(
    folder: Path,
    heads: Mapping[HeadName, Labels],
    *,
    digest: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Published | AlreadyDone:
    """Publish a run of tuned heads in the registry at a folder."""
    computed = brings(heads, digest=digest, options=options)
    timestamp = timestamp_text(datetime(2026, 2, digest, 3, 4, 5, tzinfo=UTC))

    def planner(state: RegistryState) -> RunPlan:
        return plan_run(state, computed, timestamp=timestamp, tool="calreg 0")

    return Registry.open(folder).publish(planner)
