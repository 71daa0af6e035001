from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.feedback.prices import price_metrics
from calreg.feedback.resampling import (
    BLOCKS,
    median_interval,
    percentile_interval,
    resampled_sums,
)

prices = st.floats(0.0, 1e6, allow_nan=False)
pairs = st.lists(st.tuples(prices, prices), min_size=1, max_size=30)
FIGURES = ("mae", "rmse", "bias", "mape", "median_ratio", "mean_outcome")


def metrics(rows, **options):
    predicted, outcome = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    return price_metrics(predicted, outcome, **options)


def lognormal(size, log_sd=0.5, seed=1):
    rng = np.random.default_rng(seed)
    true = rng.lognormal(3.0, 1.0, size)
    return true * rng.lognormal(0.0, log_sd, size), true * rng.lognormal(0.0, log_sd, size)


@given(pairs)
def test_figures_are_those_of_plain_sums(rows):
    """Each figure is its definition, taken row by row with exact sums."""
    errors = [p - y for p, y in rows]
    shares = [abs(p - y) / y for p, y in rows if y > 0.01]
    ratios = [y / p for p, y in rows if y > 0.01 and p > 0.01]

    found = metrics(rows)

    n = len(rows)
    assert (found.n, found.n_mape, found.n_ratio) == (n, len(shares), len(ratios))
    assert found.mae == math.fsum(map(abs, errors)) / n
    assert found.rmse == math.sqrt(math.fsum(e * e for e in errors) / n)
    assert found.bias == math.fsum(errors) / n
    assert found.mean_outcome == math.fsum(y for _, y in rows) / n
    assert found.mape == (math.fsum(shares) / len(shares) if shares else None)
    if ratios:
        assert found.median_ratio == pytest.approx(statistics.median(ratios), rel=1e-15)
    else:
        assert found.median_ratio is None


@given(pairs, st.randoms())
def test_the_order_of_rows_makes_no_difference(rows, random):
    """Figures of the same pairs in another order are the same to the last bit."""
    shuffled = list(rows)
    random.shuffle(shuffled)

    first, second = metrics(rows), metrics(shuffled)

    assert [getattr(first, name) for name in FIGURES] == [getattr(second, name) for name in FIGURES]


@given(pairs)
def test_a_change_of_currency_scales_errors_only(rows):
    """Prices times four have four times the errors, and the same ratios."""
    kept = [(p, y) for p, y in rows if p > 0.01 and y > 0.01]
    small, large = metrics(kept), metrics([(4 * p, 4 * y) for p, y in kept])

    for name in ("mae", "rmse", "bias", "mean_outcome") if kept else ():
        assert getattr(large, name) == 4 * getattr(small, name)
    assert (large.mape, large.median_ratio) == (small.mape, small.median_ratio)


def test_right_predictions_have_no_error():
    """Where every prediction came true, errors and the ends of their intervals are zero."""
    found = metrics([(price, price) for price in (1.0, 2.0, 30.0)])

    assert (found.mae, found.rmse, found.bias, found.mape, found.median_ratio) == (0, 0, 0, 0, 1)
    assert all(found.intervals[name] == (0, 0) for name in ("mae", "rmse", "bias", "mape"))


def test_no_pairs_give_no_figures():
    """Absence is None: no figure is invented for no pairs."""
    found = metrics([])

    assert found.n == found.n_mape == found.n_ratio == 0
    assert all(getattr(found, name) is None for name in FIGURES)
    assert set(found.intervals.values()) == {None}
    assert found.to_json()["mae_interval"] is None


def test_the_sign_of_the_bias():
    """Too dear a prediction is a bias above zero."""
    assert metrics([(5.0, 3.0)]).bias == 2.0


def test_tiny_outcomes_have_no_relative_error():
    """An outcome of a cent or less is left out of MAPE and of the ratio, not of MAE."""
    found = metrics([(2.0, 0.01), (2.0, 1.0)])

    assert (found.n, found.n_mape, found.n_ratio) == (2, 1, 1)
    assert found.mape == 1.0


@pytest.mark.parametrize("size", [200, 20 * BLOCKS])
def test_intervals_are_as_wide_as_theory_says(size):
    """With and without blocks, the interval of a mean is about ± 1.96 of its standard errors."""
    predicted, outcome = lognormal(size)
    error = predicted - outcome

    low, high = price_metrics(predicted, outcome).intervals["bias"]

    reach = 1.96 * error.std() / math.sqrt(size)
    assert (high - low) / 2 == pytest.approx(reach, rel=0.15)
    assert (high + low) / 2 == pytest.approx(error.mean(), abs=0.3 * reach)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of 95 % intervals of MAE and of the median ratio, about 95 in 100 hold the true value."""
    held = {"mae": 0, "median_ratio": 0}
    big = price_metrics(*lognormal(400_000, 0.2, seed=0))
    for seed in range(200):
        found = price_metrics(*lognormal(300, 0.2, seed=seed + 1))
        for name in held:
            low, high = found.intervals[name]
            held[name] += low <= getattr(big, name) <= high

    assert 175 <= held["mae"] <= 199  # heavy tails: a little below 95 % is known of the method
    assert 182 <= held["median_ratio"] <= 199


def test_a_seed_gives_one_interval():
    """The same rows and seed give the same ends; another seed gives others."""
    rows = lognormal(100)

    first, again = price_metrics(*rows, seed=3).intervals, price_metrics(*rows, seed=3).intervals
    assert first == again
    assert price_metrics(*rows, seed=4).intervals["mae"] != first["mae"]


def test_drawing_keeps_the_number_of_items():
    """Every set has as many items as there are, so the sum of ones is their number on average."""
    for size in (7, BLOCKS, 10 * BLOCKS):
        sums = resampled_sums([np.ones(size)], seed=0)

        assert sums.shape[1] == 1
        assert np.allclose(sums, size)


def test_sets_without_a_figure_are_left_out():
    """A NaN among resampled figures does not become an end; of NaN alone there is no interval."""
    assert percentile_interval(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0)
    assert percentile_interval(np.array([np.nan])) is None


@pytest.mark.parametrize("size", [6, 7, 10, 23, 100, 251])
def test_the_median_interval_is_the_narrowest_that_is_safe(size):
    """The ends are the innermost ranks that leave out at most 2.5 % on each side, by counting."""
    low, high = median_interval(np.arange(1.0, size + 1))

    def fewer_than(k: int) -> float:
        return sum(math.comb(size, i) for i in range(k)) / 2**size

    assert fewer_than(int(low)) <= 0.025 < fewer_than(int(low) + 1)
    assert high == size + 1 - low


@pytest.mark.parametrize("size", range(6))
def test_few_values_have_no_median_interval(size):
    """Of up to five values even the outermost hold the median in less than 95 of 100 cases."""
    assert median_interval(np.arange(float(size))) is None
