"""What scores, decisions and probabilities did on items whose truth is known.

Pure: arrays in, frozen values out. `evidence_of` gathers all figures of one label;
`ranking`, `probability` and `intervals` define them, `overall` sums labels up, `overlap`
finds rows that two sets share, and `quadrants` compares two signals. Nothing here
chooses a threshold or fits a map. docs/evidence.md says what each figure means.
"""

from __future__ import annotations

from calreg.evaluate.evidence import BINS, LabelEvidence, Saturation, confusion_of, evidence_of
from calreg.evaluate.intervals import RATES, Interval, bootstrap_intervals, clopper_pearson
from calreg.evaluate.overall import exact_match, overall_of
from calreg.evaluate.overlap import ITEM, Overlap, Shared, overlap, shared_values
from calreg.evaluate.probability import (
    NLL_CLIP,
    SCHEMES,
    Ece,
    ReliabilityBin,
    Scheme,
    brier,
    ece,
    nll,
    reliability,
)
from calreg.evaluate.quadrants import QUADRANTS, Quadrant, Signal, TruthRate, quadrants
from calreg.evaluate.ranking import (
    Auroc,
    CurvePoints,
    FoundDirection,
    Ranking,
    auroc,
    average_precision,
    curve_points,
    judge_direction,
)

__all__ = [
    "BINS",
    "ITEM",
    "NLL_CLIP",
    "QUADRANTS",
    "RATES",
    "SCHEMES",
    "Auroc",
    "CurvePoints",
    "Ece",
    "FoundDirection",
    "Interval",
    "LabelEvidence",
    "Overlap",
    "Quadrant",
    "Ranking",
    "ReliabilityBin",
    "Saturation",
    "Scheme",
    "Shared",
    "Signal",
    "TruthRate",
    "auroc",
    "average_precision",
    "bootstrap_intervals",
    "brier",
    "clopper_pearson",
    "confusion_of",
    "curve_points",
    "ece",
    "evidence_of",
    "exact_match",
    "judge_direction",
    "nll",
    "overall_of",
    "overlap",
    "quadrants",
    "reliability",
    "shared_values",
]
