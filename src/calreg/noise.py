"""How large each drift metric would be by sampling alone: its 95th percentile without drift.

Two samples of one distribution differ too. What is computed here is a closed form on what
the two documents store, with no random numbers; `docs/numbers.md` derives it for a reader
and shows how often it holds. To add a metric: one row in `noise_of`, in METRICS order.

`f` below is the variance of a difference of two means of unit variance: 1/n + 1/m for
independent samples, |1/n - 1/m| where the larger sample contains the smaller.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from calreg.documents.calibration import CELLS, QUANTILES
from calreg.summaries import Floats, Summaries, divergence

__all__ = ["binomial", "chi_square_quantile", "noise_of", "variance_factor"]

_Z95 = 1.959963984540054  # two-sided: |difference| has no sign
_Z95_ONE_SIDED = 1.6448536269514722  # chi-square has one tail
_CONFIDENCE = 0.95
_MEAN_ABS = 0.7978845608028654  # E|z| of a standard normal, sqrt(2 / pi)
_8_LN2 = 5.545177444479562

_CENTRES = ("p5", "p25", "p50", "p75", "p95")

_REACH = 0.77**2
"""How near a jump matters, in f: 0.70² for equal samples, 0.84² for one much the smaller."""
_GROWN_REACH = 0.84**2
"""The same for a sample inside a larger one, in 1/n of the smaller."""
_LEAST_GROWTH = 0.025
"""f n below which samples are so much the same that a jump parts less than 5 % of pairs."""


def variance_factor(new: Floats, reference: Floats, is_grown: NDArray[np.bool_]) -> Floats:
    """`f` per label from the two sample counts; NaN where one is unknown or zero."""
    known = (new > 0) & (reference > 0)
    one_new = np.divide(1.0, new, out=np.full_like(new, np.nan), where=known)
    one_ref = np.divide(1.0, reference, out=np.full_like(new, np.nan), where=known)
    return np.where(is_grown, np.abs(one_ref - one_new), one_ref + one_new)


@np.errstate(divide="ignore", invalid="ignore", over="ignore")  # NaN is an answer here
def noise_of(
    new: Summaries, reference: Summaries, is_grown: NDArray[np.bool_], family: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """The noise of every metric, twice; each shape (6, n_labels), in METRICS order, NaN unknown.

    The first is a label's own: the 95th percentile of its metric without drift. The second is
    that of the worst of the head's labels, each taken at 0.95^(1/labels): the more labels are
    looked at, the further the worst of them lies by chance.

    Args:
        new: The new side.
        reference: The side compared with.
        is_grown: bool, shape (n_labels,): whether new's items include the reference's.
        family: int64, shape (n_labels,): how many labels the label's head has.

    References:
        Šidák (1967), Rectangular confidence regions; exact for independent labels, on the
        safe side for others.
    """
    f = variance_factor(new.samples, reference.samples, is_grown)
    p5, p25, p50, p75, p95 = _quantile_noise(new, reference, f, is_grown)
    # Order statistics at p < q have correlation sqrt(p (1-q) / (q (1-p))) (Mosteller 1946).
    of_range = np.sqrt(p5 * p5 + p95 * p95 - (2 / 19) * p5 * p95)
    of_iqr = np.sqrt(p25 * p25 + p75 * p75 - (2 / 3) * p25 * p75)
    bounds = reference.bounds
    srd = _relative(of_range, bounds[:, 1] - bounds[:, 0])
    iqr = _relative(of_iqr, reference.quantile("p75") - reference.quantile("p25"))
    two_sided, one_sided = _deviates(family)
    wider = two_sided / _Z95
    jsd, jsd_worst = _divergence_noise(new, reference, f, is_grown, one_sided)
    own = np.stack([p5, p95, srd, jsd, p50, iqr])
    worst = np.stack([p5 * wider, p95 * wider, srd * wider, jsd_worst, p50 * wider, iqr * wider])
    # No percentile moves further than the scores reach, and no distance is above 1.
    ends = np.concatenate([new.extremes, reference.extremes], axis=1)
    reach = np.nanmax(ends, axis=1, initial=-np.inf) - np.nanmin(ends, axis=1, initial=np.inf)
    most = np.where(np.isfinite(reach), reach, np.inf)
    for row, limit in ((0, most), (1, most), (3, 1.0), (4, most)):
        is_above = worst[row] > limit
        worst[row] = np.where(is_above, np.fmax(limit, own[row]), worst[row])
    return own, worst


def _deviates(family: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Standard normal deviates of 0.95^(1/labels), two-sided and one-sided, per label."""
    sizes, which = np.unique(family, return_inverse=True)
    pairs = [_deviate_pair(int(size)) for size in sizes]
    both = np.array(pairs, dtype=np.float64).reshape(-1, 2)[which]
    return both[:, 0], both[:, 1]


def _deviate_pair(size: int) -> tuple[float, float]:
    if size == 1:
        return _Z95, _Z95_ONE_SIDED
    level = _CONFIDENCE ** (1.0 / size)
    normal = NormalDist()
    # Rounded: the last digits depend on the C library's logarithm, a document must not.
    return round(normal.inv_cdf(0.5 * (1.0 + level)), 9), round(normal.inv_cdf(level), 9)


def _relative(noise: Floats, width: Floats) -> Floats:
    """Noise in units of a reference width; of a zero width, 0 if there is no noise."""
    otherwise = np.where((noise == 0.0) & (width == 0.0), 0.0, np.nan)
    return np.divide(noise, width, out=otherwise, where=width > 0.0)


# --- percentiles --------------------------------------------------------------------------


def _quantile_noise(
    new: Summaries, reference: Summaries, f: Floats, is_grown: NDArray[np.bool_]
) -> Floats:
    """95 % half-widths of the difference of a quantile, shape (5, n_labels)."""
    p = np.array([QUANTILES[name] for name in _CENTRES])
    larger = np.fmax(new.samples, reference.samples)
    # A window narrower than two samples would need holds too few scores to show the slope.
    width = np.maximum(f, np.divide(2.0, larger, out=np.zeros_like(f), where=larger > 0))
    half = _mean_half_width((new, reference), *_window(p, width))
    scale = np.where(is_grown[:, None], _gap_inflation(p, f, larger), 1.0)
    smooth = half * np.sqrt(scale * (f / width)[:, None])
    # A jump within the window is at least half in `half`; one just beyond, only if grown.
    tenth = 0.1 * (new.grid[:, 1] - new.grid[:, 0])
    rows = np.nonzero((half.max(axis=1) > 0.5 * tenth) | is_grown)[0]
    slope = half[rows] / np.sqrt(width[rows])[:, None]
    jump = _jumps(new.take(rows), reference.take(rows), f[rows], is_grown[rows], slope)
    smooth[rows] = np.fmax(smooth[rows], jump)
    return np.asarray(smooth.T)


def _jumps(
    new: Summaries,
    reference: Summaries,
    f: Floats,
    is_grown: NDArray[np.bool_],
    slope: Floats,
) -> Floats:
    """What a quantile leaps between far modes, shape (n_labels, 5); NaN where none is near.

    It takes the whole jump or none of it, which no window averages. If the jump is near
    enough, two samples fall on different sides of it in at least 5 % of pairs.
    """
    p = np.array([QUANTILES[name] for name in _CENTRES])
    smaller = np.fmin(new.samples, reference.samples)
    reach = np.where(is_grown, _GROWN_REACH / smaller, _REACH * f)
    scores, ranks = _quantile_function(_pooled(new, reference, is_grown))
    low, high = (_interpolate(ranks, scores, at) for at in _window(p, reach))
    centre = _interpolate(ranks, scores, np.broadcast_to(p, low.shape))
    step = np.maximum(high - centre, centre - low)
    is_jump = (
        (step > 1.4 * slope * np.sqrt(reach)[:, None])
        & (step > 0.1 * (new.grid[:, 1:] - new.grid[:, :1]))
        & (f * smaller > _LEAST_GROWTH)[:, None]
    )
    return np.where(is_jump, high - low, np.nan)


def _mean_half_width(sides: tuple[Summaries, Summaries], low: Floats, high: Floats) -> Floats:
    """Half the scores between two probabilities, averaged over both sides by their samples."""
    total, weight = np.zeros_like(low), np.zeros((len(low), 1))
    for side in sides:
        is_usable = (side.samples > 0) & np.isfinite(side.quantiles).all(axis=1)
        share = np.where(is_usable, side.samples, 0.0)[:, None]
        scores, ranks = _quantile_function(side)
        half = 0.5 * (_interpolate(ranks, scores, high) - _interpolate(ranks, scores, low))
        total += np.where(share > 0, share * half, 0.0)
        weight += share
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def _pooled(new: Summaries, reference: Summaries, is_grown: NDArray[np.bool_]) -> Summaries:
    """Both sides' histograms as one, without quantiles; NaN on different grids."""
    rest = np.where(is_grown, 0.0, 1.0)
    is_comparable = (new.grid == reference.grid).all(axis=1, keepdims=True)
    ends = np.stack([new.extremes, reference.extremes])
    return Summaries(
        samples=new.samples + rest * reference.samples,
        bounds=np.full_like(new.bounds, np.nan),
        quantiles=np.full_like(new.quantiles, np.nan),
        extremes=np.stack([ends[..., 0].min(axis=0), ends[..., 1].max(axis=0)], axis=1),
        grid=np.where(is_comparable, new.grid, np.nan),
        counts=new.counts + rest[:, None] * reference.counts,
    )


def _gap_inflation(p: Floats, f: Floats, larger: Floats) -> Floats:
    """By how much the gaps between scores widen a quantile's move when a sample grows.

    A quantile of the smaller sample lies r ranks of the larger away, with variance
    v = m² p (1-p) f, and r gaps of one exponential mean have the second moment r² + |r|.

    References:
        Bahadur (1966), A note on quantiles in large samples, whose remainder this is.
    """
    variance = (larger * larger * f)[:, None] * (p * (1.0 - p))
    extra = np.divide(_MEAN_ABS, np.sqrt(variance), out=np.zeros_like(variance), where=variance > 0)
    return 1.0 + extra


def _window(p: Floats, f: Floats) -> tuple[Floats, Floats]:
    """Where a quantile's probability may lie: Wilson's interval, which stays inside (0, 1).

    References:
        Wilson (1927), Probable inference, eq. 6, with 1/n replaced by f.
    """
    spread = (_Z95 * _Z95 * f)[:, None]
    centre = (p + 0.5 * spread) / (1.0 + spread)
    half = np.sqrt(spread * (p * (1.0 - p) + 0.25 * spread)) / (1.0 + spread)
    return centre - half, centre + half


def _quantile_function(side: Summaries) -> tuple[Floats, Floats]:
    """Knots of every label's quantile function: scores and ranks, ascending, (n_labels, 110).

    The score of rank j of n (from 0) stands at (j + 1/2)/n. Histogram edges and stored
    quantiles are knots of one increasing curve, so each can be sorted on its own.
    """
    n = side.samples[:, None]
    quantiles, (lo, hi) = side.quantiles, (side.grid[:, :1], side.grid[:, 1:])
    has_quantiles, has_cells = np.isfinite(quantiles[:, :1]), np.isfinite(lo)
    least, most = side.extremes[:, :1], side.extremes[:, 1:]
    least = np.where(np.isfinite(least), least, np.where(has_quantiles, quantiles[:, :1], lo))
    most = np.where(np.isfinite(most), most, np.where(has_quantiles, quantiles[:, -1:], hi))
    edges = np.clip(lo + (hi - lo) * (np.arange(CELLS + 1) / CELLS), least, most)
    below = np.cumsum(side.counts[:, :-1], axis=1) / n
    stored = (np.array(list(QUANTILES.values())) * (n - 1) + 0.5) / n
    scores = [
        least,
        np.where(has_cells, edges, least),
        np.where(has_quantiles, quantiles, least),
        most,
    ]
    ranks = [
        0.5 / n,
        np.where(has_cells, below, 0.0),
        np.where(has_quantiles, stored, 0.0),
        1.0 - 0.5 / n,
    ]
    knots = np.hstack(scores), np.hstack(ranks)
    for one in knots:
        one.sort(axis=1)
    return knots


def _interpolate(x: Floats, y: Floats, at: Floats) -> Floats:
    """`numpy.interp` row by row: shape (n_rows, n_at) from knots of shape (n_rows, n_knots)."""
    found = np.stack([np.count_nonzero(x <= column[:, None], axis=1) for column in at.T], axis=1)
    left = np.clip(found - 1, 0, x.shape[1] - 2)
    rows = np.arange(len(x))[:, None]
    x0, x1, y0, y1 = x[rows, left], x[rows, left + 1], y[rows, left], y[rows, left + 1]
    step = np.divide(at - x0, x1 - x0, out=np.zeros_like(at), where=x1 > x0)
    between: Floats = y0 + np.clip(step, 0.0, 1.0) * (y1 - y0)
    return between


# --- divergence ---------------------------------------------------------------------------


def chi_square_quantile(dof: Floats, deviate: Floats | float = _Z95_ONE_SIDED) -> Floats:
    """The quantile of chi-square where a standard normal has `deviate`; the 95th if not said.

    The 95th is within 3 % for 1 degree of freedom, 0.3 % from 5 on.

    References:
        Wilson & Hilferty (1931), The distribution of chi-square.
    """
    spread = np.divide(2.0 / 9.0, dof, out=np.zeros_like(dof), where=dof > 0)
    root = 1.0 - spread + deviate * np.sqrt(spread)
    return dof * root * root * root


def _divergence_noise(
    new: Summaries,
    reference: Summaries,
    f: Floats,
    is_grown: NDArray[np.bool_],
    deviate: Floats,
) -> tuple[Floats, Floats]:
    """sqrt(f χ² / (8 ln 2)), χ² with the moments that cells of few scores really have.

    Once at its 95th percentile, once where a standard normal has `deviate`.
    """
    new_cells, ref_cells = new.coarse(), reference.coarse()
    pooled = np.where(is_grown, new_cells, new_cells + ref_cells)
    mean, variance = _cell_moments(pooled, new, reference, f, is_grown)
    # The cells' shares sum to one on both sides: one degree of freedom less.
    mean = np.maximum(mean.sum(axis=0) - 1.0, 0.0)
    variance = np.maximum(variance.sum(axis=0) - 2.0, 0.0)
    scale = np.divide(variance, 2.0 * mean, out=np.zeros_like(mean), where=mean > 0)
    dof = np.divide(mean, scale, out=np.zeros_like(mean), where=scale > 0)
    unit = np.where((new.grid == reference.grid).all(axis=1), f * scale / _8_LN2, np.nan)
    own = np.sqrt(unit * chi_square_quantile(dof))
    return own, np.sqrt(unit * chi_square_quantile(dof, deviate))


_FEW = 6.0
"""Expected scores, on the rarer side of a cell, below which chi-square does not hold yet."""
_MOST = 25
"""Outcomes enumerated: beyond, a binomial of mean below `_FEW` has less than 1e-9."""


def _cell_moments(
    pooled: Floats, new: Summaries, reference: Summaries, f: Floats, is_grown: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Mean and variance of each cell's divergence in units of f / (8 ln 2), shape (22, n_labels).

    Of many scores they are those of a squared normal, 1 and 2. Of few, the scores of a
    cell are dealt to the two sides as a binomial would, and every outcome is looked at.
    """
    n, m = new.samples, reference.samples
    share = np.where(is_grown, np.divide(m, n), np.minimum(n, m) / (n + m))
    rare = np.minimum(share, 1.0 - share)
    mean = np.where(pooled > 0, 1.0, 0.0)
    variance = 2.0 * mean
    cell, label = np.nonzero((pooled > 0) & (pooled * rare < _FEW) & (f > 0))
    keys = np.stack([pooled[cell, label], n[label], m[label], is_grown[label]])
    distinct, which = np.unique(keys, axis=1, return_inverse=True)
    few_mean, few_variance = _few_moments(*distinct)
    mean[cell, label] = few_mean[which]
    variance[cell, label] = few_variance[which]
    return mean, variance


def _few_moments(count: Floats, n: Floats, m: Floats, grown: Floats) -> tuple[Floats, Floats]:
    """Moments of one cell's divergence over all ways its scores fall to the two sides."""
    is_grown = grown > 0
    small, large = np.minimum(n, m), np.maximum(n, m)
    f = np.where(is_grown, 1.0 / small - 1.0 / large, 1.0 / small + 1.0 / large)
    share = small / np.where(is_grown, large, small + large)
    rare = np.minimum(share, 1.0 - share)
    k = np.minimum(np.arange(_MOST + 1.0)[:, None], count)
    in_small = np.where(rare == share, k, count - k)
    in_large = np.where(is_grown, count, count - in_small)
    value = divergence(in_small / small, in_large / large) * (_8_LN2 / f)
    weight = binomial(count, rare)
    mean = (weight * value).sum(axis=0)
    return mean, (weight * (value - mean) ** 2).sum(axis=0)


def binomial(count: Floats, share: Floats) -> Floats:
    """Probabilities of 0 … `_MOST` of `count`, shape (_MOST + 1, n); 0 beyond `count`.

    For means below `_FEW`, where these are all that matter and none underflows.
    """
    odds = share / (1.0 - share)
    rows = [_power(1.0 - share, count)]
    for k in range(_MOST):
        rows.append(rows[-1] * odds * np.maximum(count - k, 0.0) / (k + 1))
    return np.stack(rows)


def _power(base: Floats, exponent: Floats) -> Floats:
    """`base ** exponent` for whole exponents by squaring: the same bits on any machine."""
    left = exponent.astype(np.int64)
    result = np.ones_like(base)
    while left.any():
        result = np.where(left & 1, result * base, result)
        base, left = base * base, left >> 1
    return result
