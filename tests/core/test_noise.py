from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from calreg.calibrate import describe
from calreg.documents.calibration import METRICS, LabelCalibration
from calreg.drift import measure
from calreg.noise import binomial, chi_square_quantile, noise_of, variance_factor
from calreg.summaries import Floats, Summaries, log2, stack

# A slow machine is no counter-example.
LAW = settings(deadline=None, max_examples=60)

Rng = np.random.Generator
Draw = Callable[[Rng, int], Floats]
ONE = np.ones(1, np.int64)
NO = np.array([False])

SHAPES: dict[str, Draw] = {
    "uniform": lambda rng, n: rng.random(n),
    "u-shaped": lambda rng, n: rng.beta(0.5, 0.5, n),
    "clipped normal": lambda rng, n: np.clip(rng.normal(0.3, 0.25, n), 0.0, 1.0),
    "bimodal": lambda rng, n: np.where(
        rng.random(n) < 0.35, rng.beta(3, 12, n), rng.beta(14, 3, n)
    ),
    "skewed": lambda rng, n: rng.beta(1, 8, n),
}


def label(scores: Floats) -> LabelCalibration:
    kept = describe(scores, grid=(0.0, 1.0))
    assert kept.quantiles is not None
    bounds = {name: kept.quantiles[name] for name in ("p5", "p95")}
    return LabelCalibration("minmax", bounds, kept)


def one(scores: Floats) -> Summaries:
    return stack([label(scores)])


def noise(new: Floats, reference: Floats, *, is_grown: bool = False) -> dict[str, float]:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = noise_of(one(new), one(reference), np.array([is_grown]), ONE)[0]
    return dict(zip(METRICS, found[:, 0].tolist(), strict=True))


def coverage(draw: Draw, new: int, reference: int, *, is_grown: bool, pairs: int) -> Floats:
    rng = np.random.default_rng(20)
    samples = [draw(rng, new) for _ in range(pairs)]
    others = [s[:reference] if is_grown else draw(rng, reference) for s in samples]
    sides = stack([label(s) for s in samples]), stack([label(s) for s in others])
    with np.errstate(divide="ignore", invalid="ignore"):
        within = (
            measure(*sides)
            <= noise_of(*sides, np.full(pairs, is_grown), np.ones(pairs, np.int64))[0]
        )
    share: Floats = within.mean(axis=1)
    return share


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize(
    ("new", "reference", "is_grown"),
    [(500, 500, False), (1000, 1000, False), (1000, 3000, False), (1300, 1000, True)],
)
def test_without_drift_metrics_stay_within_noise(shape, new, reference, is_grown):
    """Without drift each metric is within its noise in about 95 % of pairs, never far less."""
    pairs = 400

    share = coverage(SHAPES[shape], new, reference, is_grown=is_grown, pairs=pairs)

    # 92 % is the least the documentation promises; the rest is four deviations of the count.
    least = 0.92 - 4 * math.sqrt(0.92 * 0.08 / pairs)
    assert (share >= least).all(), dict(zip(METRICS, share, strict=True))
    assert share.mean() >= 0.93


def test_noise_is_not_generous():
    """Noise that always excused would be useless: smooth shapes exceed it now and then."""
    share = coverage(SHAPES["uniform"], 1000, 1000, is_grown=False, pairs=600)

    assert (share <= 0.985).all()


@pytest.mark.parametrize("p", [0.05, 0.5, 0.95])
def test_percentile_noise_of_uniform_scores(p):
    """Of uniform scores it is 1.96 sqrt(p (1 - p) (1/n + 1/m)), the textbook's figure."""
    grid = np.linspace(0.0, 1.0, 20_001)

    found = noise(grid, grid)

    metric = {0.05: "apd_p5", 0.5: "median_drift", 0.95: "apd_p95"}[p]
    expected = 1.96 * math.sqrt(p * (1 - p) * 2 / 20_001)
    assert found[metric] == pytest.approx(expected, rel=0.01)


def test_divergence_noise_of_many_scores():
    """Of well filled cells it is the closed form with the chi-square of one cell less."""
    scores = np.random.default_rng(1).random(20_000)

    expected = math.sqrt(2 / 20_000 * stats.chi2.ppf(0.95, 19) / (8 * math.log(2)))
    assert noise(scores, scores)["jsd"] == pytest.approx(expected, rel=0.002)


@LAW
@given(st.integers(1, 40))
def test_chi_square(dof):
    """The 95th percentile of chi-square agrees with scipy's to 3 %, from 5 degrees on to 0.3 %."""
    found = chi_square_quantile(np.array([float(dof)]))[0]

    tolerance = 0.003 if dof >= 5 else 0.03
    assert found == pytest.approx(stats.chi2.ppf(0.95, dof), rel=tolerance)


@LAW
@given(st.floats(1e-300, 1e300))
def test_log2(x):
    """Our logarithm is the platform's, to two units in the last place."""
    found = log2(np.array([x]))[0]

    assert found == pytest.approx(math.log2(x), rel=5e-16, abs=5e-16)


@LAW
@given(st.integers(1, 100_000), st.floats(0.001, 6.0))
def test_binomial(count, mean):
    """The probabilities of a cell's outcomes are the binomial's, and nothing lies beyond them."""
    share = min(mean / count, 0.5)

    found = binomial(np.array([float(count)]), np.array([share]))[:, 0]

    expected = stats.binom.pmf(np.arange(len(found)), count, share)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert found.sum() == pytest.approx(1.0, abs=1e-8)


def test_noise_is_the_same_from_either_side():
    """Which of two samples is called new changes no absolute metric's noise."""
    rng = np.random.default_rng(2)
    few, many = rng.beta(2, 3, 300), rng.beta(2, 3, 4000)

    there, back = noise(few, many), noise(many, few)

    for metric in ("apd_p5", "apd_p95", "median_drift", "jsd"):
        assert there[metric] == pytest.approx(back[metric], rel=1e-12)


def test_more_items_have_less_noise():
    """Four times the items on both sides halve the noise."""
    few, many = (stats.beta.ppf((np.arange(n) + 0.5) / n, 2, 3) for n in (1000, 4000))

    small, large = noise(few, few), noise(many, many)

    for metric in METRICS:
        assert large[metric] == pytest.approx(small[metric] / 2, rel=0.05)


def test_an_atom_has_no_noise():
    """A percentile that lies deep in an atom does not move, and its noise is 0."""
    scores = np.append(np.zeros(500), np.random.default_rng(4).random(500))

    found = noise(scores, scores)

    assert found["apd_p5"] == 0.0
    assert found["apd_p95"] > 0.0


def test_a_lone_cell_has_no_divergence_noise():
    """Where all scores share a cell there is nothing to diverge by chance."""
    assert noise(np.full(300, 0.5), np.full(200, 0.5))["jsd"] == 0.0


def test_noise_does_not_know_its_neighbours():
    """A label's noise is the same alone and among others, to the last bit."""
    rng = np.random.default_rng(6)
    new = [label(rng.beta(2, 3, int(n))) for n in rng.integers(100, 900, 40)]
    old = [label(rng.beta(2, 3, int(n))) for n in rng.integers(100, 900, 40)]

    together = noise_of(
        stack(new), stack(old), np.zeros(40, dtype=np.bool_), np.ones(40, np.int64)
    )[0]

    alone = [noise_of(stack([a]), stack([b]), NO, ONE)[0] for a, b in zip(new, old, strict=True)]
    assert (together == np.hstack(alone)).all()


@pytest.mark.parametrize(
    ("is_grown", "expected"), [(False, 1 / 400 + 1 / 100), (True, 1 / 100 - 1 / 400)]
)
def test_variance_factor(is_grown, expected):
    """Independent samples add their variances; a sample inside the other shares its own."""
    new, reference = np.array([400.0, np.nan, 0.0]), np.array([100.0, 100.0, 100.0])

    found: NDArray[np.float64] = variance_factor(new, reference, np.full(3, is_grown))

    assert found[0] == pytest.approx(expected)
    assert np.isnan(found[1:]).all()


def test_the_worst_of_many_labels_stays_within_the_heads_noise():
    """Of ten labels without drift the worst exceeds the head's noise in about 5 % of runs."""
    rng = np.random.default_rng(7)
    heads, labels, n = 150, 10, 1000
    sides = [stack([label(rng.random(n)) for _ in range(heads * labels)]) for _ in range(2)]
    is_grown = np.zeros(heads * labels, dtype=np.bool_)

    own, worst = noise_of(*sides, is_grown, np.full(heads * labels, labels))

    metrics = measure(*sides).reshape(6, heads, labels)
    share = (metrics > worst.reshape(metrics.shape)).any(axis=2).mean(axis=1)
    naive = (metrics > own.reshape(metrics.shape)).any(axis=2).mean(axis=1)
    assert (share < 0.12).all()
    assert share.max() > 0.0
    assert (naive > 0.25).all()
