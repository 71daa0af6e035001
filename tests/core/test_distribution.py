from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from calreg.calibrate import choose_grid, describe, describe_sorted, label_problem, minmax
from calreg.documents.calibration import QUANTILES, Distribution
from calreg.errors import InputError

Floats = NDArray[np.float64]

finite = st.floats(-1e6, 1e6, allow_nan=False)
some_scores = arrays(np.float64, st.integers(1, 300), elements=finite)


@given(some_scores)
def test_quantiles_are_numpys(scores: Floats) -> None:
    """Every stored quantile is what numpy.percentile (linear) says."""
    found = describe(scores).quantiles

    assert found is not None
    expected = np.percentile(scores, [100 * p for p in QUANTILES.values()])
    np.testing.assert_allclose(list(found.values()), expected, rtol=0, atol=1e-9)


def test_quantiles_of_unit_scores_are_exact() -> None:
    """On 200,001 scores in [0, 1] the quantiles differ from numpy's by less than 1e-12."""
    scores = np.random.default_rng(1).beta(0.5, 2.0, 200_001)

    found = describe(scores).quantiles

    assert found is not None
    expected = np.percentile(scores, [1, 5, 25, 50, 75, 95, 99])
    np.testing.assert_allclose(list(found.values()), expected, rtol=0, atol=1e-12)


@given(some_scores, st.randoms(use_true_random=False))
def test_order_of_scores_does_not_matter(scores: Floats, chance: object) -> None:
    """Shuffled scores have the same description, bit for bit."""
    shuffled = scores.tolist()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert describe(np.array(shuffled)) == describe(scores)


@given(some_scores)
def test_quantiles_ascend_within_the_range(scores: Floats) -> None:
    """The order is min <= p1 <= … <= p99 <= max, and the mean lies between min and max."""
    found = describe(scores)

    assert found.quantiles is not None
    steps = [found.min, *found.quantiles.values(), found.max]
    assert steps == sorted(steps)  # type: ignore[type-var]
    assert found.min <= found.mean <= found.max  # type: ignore[operator]


@given(some_scores)
def test_histogram_counts_every_score(scores: Floats) -> None:
    """Cells, underflow and overflow sum to the number of scores."""
    histogram = describe(scores, grid=(0.0, 1.0)).histogram

    assert histogram is not None
    assert histogram.total == scores.size
    assert histogram.underflow == int((scores < 0).sum())
    assert histogram.overflow == int((scores > 1).sum())


def test_histogram_cells_are_numpys() -> None:
    """On the grid [0, 1] the cells are those of numpy.histogram, the last one closed."""
    scores = np.concatenate([np.arange(101) / 100, np.random.default_rng(2).random(1000)])

    histogram = describe(scores, grid=(0.0, 1.0)).histogram

    assert histogram is not None
    edges = np.arange(101) / 100
    assert histogram.counts == tuple(np.histogram(scores, bins=edges)[0].tolist())


@pytest.mark.parametrize("size", [1, 2, 127, 128, 129, 65_535, 65_536, 65_537, 140_000])
def test_moments_are_those_of_exact_sums(size: int) -> None:
    """Mean and standard deviation agree with exactly rounded sums to 1e-15 and 1e-14."""
    scores = np.random.default_rng(size).random(size)

    found = describe(scores)

    mean = math.fsum(scores.tolist()) / size
    std = math.sqrt(math.fsum((x - mean) ** 2 for x in scores.tolist()) / size)
    assert found.mean == pytest.approx(mean, abs=1e-15)
    assert found.std == pytest.approx(std, abs=1e-14)


@pytest.mark.parametrize("pieces", [1, 2, 7, 1000])
def test_pieces_do_not_matter(pieces: int) -> None:
    """Sorted scores in any number of pieces have the description of the whole."""
    scores = np.random.default_rng(3).normal(size=150_000)
    ordered = np.sort(scores)

    found = describe_sorted(lambda: np.array_split(ordered, pieces), samples=ordered.size)

    assert found == describe(scores)


def test_float32_scores_are_described_in_float64() -> None:
    """A float32 array has the description of the same numbers in float64."""
    scores = np.random.default_rng(4).random(1000, dtype=np.float32)

    found = describe_sorted(lambda: (np.sort(scores),), samples=1000)

    assert found == describe(scores.astype(np.float64))


def test_negative_zero_is_zero() -> None:
    """-0.0 and 0.0 are one score: neither a quantile nor the minimum keeps the sign."""
    found = describe(np.array([-0.0, 0.0, -0.0]))

    assert found.quantiles is not None
    assert found == describe(np.array([0.0, 0.0, 0.0]))
    assert [math.copysign(1, x) for x in (found.min or 0.0, *found.quantiles.values())] == [1] * 8


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e200])
def test_what_is_no_score_is_refused(wrong: float) -> None:
    """NaN, infinities and numbers whose squares overflow are refused, not described."""
    with pytest.raises(InputError):
        describe(np.array([0.5, wrong, 0.25]))


def test_no_scores_are_known_as_none() -> None:
    """No scores give a distribution of 0 samples in which nothing else is known."""
    assert describe(np.array([])) == Distribution(samples=0)


@pytest.mark.parametrize(
    ("p1", "p99", "grid"),
    [
        (0.0, 1.0, (0.0, 1.0)),
        (-0.01, 1.01, (0.0, 1.0)),
        (0.4, 0.5, (0.0, 1.0)),
        (-0.02, 0.9, (-0.25, 1.14)),
        (0.0, 1.02, (-0.3, 1.3)),
        (-31.2, 14.9, (-43.0, 27.0)),
        (5.0, 5.0, (3.7, 6.3)),
    ],
)
def test_grid_is_the_unit_unless_scores_leave_it(
    p1: float, p99: float, grid: tuple[float, float]
) -> None:
    """A grid is [0, 1] up to a hundredth outside, else p1 to p99 and a quarter more."""
    assert choose_grid(p1, p99) == grid


@given(finite, finite)
def test_grid_holds_p1_and_p99(one: float, other: float) -> None:
    """A grid has lo < hi and reaches from p1 to p99, but for the hundredth."""
    p1, p99 = sorted((one, other))

    lo, hi = choose_grid(p1, p99)

    assert lo < hi
    assert lo <= p1 + 0.01
    assert p99 - 0.01 <= hi


def test_minmax_takes_p5_and_p95() -> None:
    """The parameters of minmax are the distribution's p5 and p95."""
    distribution = describe(np.arange(101) / 100)

    calibration = minmax(distribution)

    assert calibration.method == "minmax"
    assert calibration.parameters == {"p5": 0.05, "p95": 0.95}
    assert calibration.distribution is distribution


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        ([], "empty"),
        ([0.0] * 100, "constant at 0.0"),
        ([0.0] + [0.5] * 99, "degenerate: p5 = p95 = 0.5"),
        ([x / 87 for x in range(87)], "87 scores, at least 100 are needed"),
        ([0.5], "1 score, at least 100 are needed"),
        ([x / 100 for x in range(100)], None),
    ],
)
def test_problems_are_named(scores: list[float], problem: str | None) -> None:
    """A label that cannot be calibrated is told in which way."""
    assert label_problem(describe(np.array(scores)), min_samples=100) == problem


@pytest.mark.parametrize("scores", [[], [0.5] * 10, [0.0] + [0.5] * 99])
def test_minmax_refuses_what_it_cannot_tell_apart(scores: list[float]) -> None:
    """The method minmax raises for a label that is empty, constant or has p5 = p95."""
    with pytest.raises(InputError, match="cannot calibrate"):
        minmax(describe(np.array(scores)))
