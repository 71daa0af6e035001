"""What all labels of a head come to together, on one set.

Decisions are pooled and averaged; probabilities are pooled, and stand beside what the raw
scores said as probabilities, where they can be taken for some.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from calreg.documents import Parameter
from calreg.evaluate import BINS, LabelEvidence, brier, ece, nll, overall_of
from calreg.labelled import Floats, LabelledScores, Truth
from calreg.methods import apply_method
from calreg.tuning.request import Request

__all__ = ["overall_figures", "raw_probabilities"]

_TOLERANCE = 0.01  # how far scores that are probabilities lie outside [0, 1] at most
_IDENTITY: Mapping[str, Parameter] = {"temperature": 1.0, "link": "sigmoid", "scale": "logit"}


def overall_figures(
    evidence: Mapping[str, LabelEvidence],
    scores: LabelledScores,
    probabilities: Mapping[str, Floats | None],
    request: Request,
) -> dict[str, float]:
    """Figures of all labels by name; `_before` are those of the raw scores."""
    confusions = {
        label: found.confusion for label, found in evidence.items() if found.confusion is not None
    }
    figures = overall_of(confusions) if confusions else {}
    said = {label: p for label, p in probabilities.items() if p is not None}
    if said:
        truth = np.concatenate([scores.labels[label].truth for label in said])
        figures |= _pooled(np.concatenate(list(said.values())), truth, "")
        raw = {label: raw_probabilities(scores, label) for label in said}
        known = [p for p in raw.values() if p is not None]
        if len(known) == len(raw) and request.link == "sigmoid":
            figures |= _pooled(np.concatenate(known), truth, "_before")
    return figures


def _pooled(p: Floats, truth: Truth, when: str) -> dict[str, float]:
    error = ece(p, truth, BINS, "equal_mass")
    return {
        f"nll{when}": nll(p, truth),
        f"brier{when}": brier(p, truth),
        f"ece{BINS}_equal_mass{when}": error.value,
        f"ece{BINS}_equal_mass_perfect{when}": error.perfect,
    }


def raw_probabilities(scores: LabelledScores, label: str) -> Floats | None:
    """A label's raw scores as probabilities, float64; None where they cannot be any."""
    raw = scores.labels[label].scores.astype(np.float64)
    if scores.is_logit:
        found: Floats = apply_method("temperature", _IDENTITY, raw)
        return found
    if not (raw.min() >= -_TOLERANCE and raw.max() <= 1.0 + _TOLERANCE):
        return None
    return np.clip(raw, 0.0, 1.0)
