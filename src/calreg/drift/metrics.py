"""The six metrics of many labels at once, and how bad each is beside its limit."""

from __future__ import annotations

import numpy as np

from calreg.summaries import Floats, Summaries, divergence

__all__ = ["measure", "ranks_of"]


@np.errstate(divide="ignore", invalid="ignore", over="ignore")  # NaN is an answer here
def measure(new: Summaries, reference: Summaries) -> Floats:
    """The six metrics, shape (6, n_labels), NaN where a side lacks what they need."""
    apart = np.abs(new.bounds - reference.bounds)
    return np.stack(
        [
            apart[:, 0],
            apart[:, 1],
            _relative_change(_width(new.bounds), _width(reference.bounds)),
            _jsd(new, reference),
            np.abs(new.quantile("p50") - reference.quantile("p50")),
            _relative_change(
                new.quantile("p75") - new.quantile("p25"),
                reference.quantile("p75") - reference.quantile("p25"),
            ),
        ]
    )


def _width(bounds: Floats) -> Floats:
    return bounds[:, 1] - bounds[:, 0]


def _relative_change(new: Floats, reference: Floats) -> Floats:
    """|new - reference| / reference; of a zero reference 0 if new is zero too, else NaN."""
    otherwise = np.where((reference == 0.0) & (new == 0.0), 0.0, np.nan)
    return np.divide(np.abs(new - reference), reference, out=otherwise, where=reference > 0.0)


def _jsd(new: Summaries, reference: Summaries) -> Floats:
    """The Jensen-Shannon distance on the coarse cells, 0 to 1; NaN on different grids.

    References:
        Endres & Schindelin (2003), A new metric for probability distributions.
    """
    p, q = new.coarse(), reference.coarse()
    squared = divergence(p / p.sum(axis=0), q / q.sum(axis=0)).sum(axis=0)
    # Rounding may leave -1e-17; minimum and maximum hand a NaN on.
    distance = np.sqrt(np.minimum(np.maximum(squared, 0.0), 1.0))
    return np.where((new.grid == reference.grid).all(axis=1), distance, np.nan)


_PASSING = 1.0 - 2.0**-51
_NULL = 1.0 - 2.0**-52


def ranks_of(metrics: Floats, thresholds: Floats) -> Floats:
    """How bad each metric is: its size relative to its threshold, for ordering only.

    A null fails, so it ranks above all that pass; it has no size, so it ranks below every
    number that fails, whatever the division rounds to.
    """
    ratio = np.divide(metrics, thresholds, out=np.full_like(metrics, np.inf), where=thresholds > 0)
    passing = np.minimum(ratio, _PASSING)
    failing = np.where(np.isfinite(metrics), np.fmax(ratio, 1.0), _NULL)
    return np.where(metrics < thresholds, passing, failing)
