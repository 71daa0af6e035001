"""Logarithms of scores and of what is left to 1, as fits need them: accurate at both ends."""

from __future__ import annotations

import numpy as np

from calreg.calibrate.fits.sums import Float64s
from calreg.labelled import Floats
from calreg.methods import PROBABILITY_CLIP

__all__ = [
    "clipped",
    "log_of_probability",
    "logit_of_probability",
    "logs_of_logit",
    "logs_of_probability",
]


def clipped(scores: Floats) -> Float64s:
    """Scores as float64 in [1e-7, 1 - 1e-7]: where a probability method reads them."""
    wide = scores.astype(np.float64)
    return np.clip(wide, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP, out=wide)


def log_of_probability(scores: Floats) -> Float64s:
    """ln(s), clipped."""
    logs = clipped(scores)
    return np.log(logs, out=logs)


def logit_of_probability(scores: Floats) -> Float64s:
    """ln(s / (1 - s)), clipped."""
    logits = clipped(scores)
    rest = 1.0 - logits
    logits /= rest
    return np.log(logits, out=logits)


def logs_of_probability(scores: Floats) -> tuple[Float64s, Float64s]:
    """ln(s) and -ln(1 - s), clipped."""
    logs = clipped(scores)
    rest = np.negative(logs)
    np.log1p(rest, out=rest)
    return np.log(logs, out=logs), np.negative(rest, out=rest)


def logs_of_logit(logits: Floats) -> tuple[Float64s, Float64s]:
    """ln(σ(x)) and -ln(1 - σ(x)), without forming σ, which loses all digits next to 1."""
    wide = logits.astype(np.float64)
    near = np.abs(wide)
    np.negative(near, out=near)
    np.exp(near, out=near)
    np.log1p(near, out=near)
    return np.minimum(wide, 0.0) - near, np.maximum(wide, 0.0) + near
