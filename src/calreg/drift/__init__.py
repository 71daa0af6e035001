"""How far a head's new calibration lies from the reference in use, and what that means.

Both sides come from what documents store; scores are not needed. Each label is judged on
its own and the worst decides. Nothing here promotes or writes: a verdict is a value.

Labels that decide are compared by their decision as well (`calreg.decisions`), after and
apart from the arrays, so that heads that only rescale pay nothing for it; heads of factors
(`factors`) never come near them.

To add a metric: its name in `METRICS`, a row in `metrics.measure` and one in
`noise.noise_of`.
"""

from __future__ import annotations

from calreg.drift.factors import factor_limit
from calreg.drift.heads import drift_between, drifts
from calreg.drift.metrics import measure
from calreg.drift.values import (
    FACTOR_SHIFT,
    LABELS_CHANGED,
    Assumption,
    Evidence,
    FactorShift,
    HeadDrift,
    LabelDrift,
    Pair,
    Verdict,
)

__all__ = [
    "FACTOR_SHIFT",
    "LABELS_CHANGED",
    "Assumption",
    "Evidence",
    "FactorShift",
    "HeadDrift",
    "LabelDrift",
    "Pair",
    "Verdict",
    "drift_between",
    "drifts",
    "factor_limit",
    "measure",
]
