from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from calreg.errors import InputError
from calreg.evaluate import NLL_CLIP, SCHEMES, brier, ece, nll, reliability
from calreg.evaluate.probability import _mean_deviation

LAW = settings(max_examples=60)

levels = st.sampled_from([0.0, 0.1, 1 / 15, 0.2, 0.5, 0.6, 14 / 15, 1.0]) | st.floats(0, 1)


@st.composite
def sets(draw):
    p = draw(arrays.arrays(np.float64, st.integers(1, 40), elements=levels))
    return p, draw(arrays.arrays(np.bool_, p.size))


def by_definition(p, truth, bins):
    """ECE as it is defined, a list of masks at a time."""
    return sum(abs(p[mask].sum() - truth[mask].sum()) for mask in bins) / p.size


def equal_width_masks(p, bins):
    edges = [i / bins for i in range(bins)] + [math.inf]
    return [(p >= edges[i]) & (p < edges[i + 1]) for i in range(bins)]


def equal_mass_masks(p, bins):
    ordered = sorted(p.tolist())
    edges = sorted({-math.inf, *(ordered[i * p.size // bins] for i in range(1, bins)), math.inf})
    return [(p >= low) & (p < high) for low, high in pairwise(edges)]


# --- Brier and NLL ------------------------------------------------------------------------


@LAW
@given(sets())
def test_brier_is_scikit_learns(case):
    """The Brier score is scikit-learn's."""
    p, truth = case

    expected = metrics.brier_score_loss(truth, p, labels=[False, True])
    assert brier(p, truth) == pytest.approx(expected, abs=1e-13)


@LAW
@given(sets())
def test_nll_is_scikit_learns_inside_the_clip(case):
    """The NLL is scikit-learn's log loss of probabilities that are no certainties."""
    p, truth = np.clip(case[0], 1e-12, 1 - 1e-12), case[1]

    expected = metrics.log_loss(truth, p, labels=[False, True])
    assert nll(p, truth) == pytest.approx(expected, rel=1e-10)


def test_a_certainty_that_was_wrong_costs_what_the_clip_says():
    """A probability of 0 for the truth counts as the documented least one; of 1 costs nothing."""
    wrong = nll(np.array([1.0, 0.0]), np.array([False, True]))

    assert wrong == pytest.approx(-math.log(NLL_CLIP))
    assert nll(np.array([1.0, 0.0]), np.array([True, False])) == 0.0


# --- ECE ----------------------------------------------------------------------------------


@LAW
@given(sets(), st.integers(1, 15))
def test_ece_is_its_definition(case, bins):
    """Both schemes give what their definition gives bin by bin, edges and ties and all."""
    p, truth = case

    assert ece(p, truth, bins, "equal_width").value == pytest.approx(
        by_definition(p, truth, equal_width_masks(p, bins)), abs=1e-12
    )
    assert ece(p, truth, bins, "equal_mass").value == pytest.approx(
        by_definition(p, truth, equal_mass_masks(p, bins)), abs=1e-12
    )


@LAW
@given(sets(), st.sampled_from(SCHEMES), st.randoms(use_true_random=False))
def test_ece_does_not_see_the_order_of_rows(case, scheme, chance):
    """Shuffled rows have the same errors."""
    p, truth = case
    order = list(range(p.size))
    chance.shuffle(order)

    found, shuffled = ece(p, truth, 15, scheme), ece(p[order], truth[order], 15, scheme)

    assert shuffled.value == pytest.approx(found.value, abs=1e-13)
    assert shuffled.perfect == pytest.approx(found.perfect, abs=1e-13)


@LAW
@given(sets(), st.sampled_from(SCHEMES))
def test_the_debiased_error_is_between_nothing_and_the_error(case, scheme):
    """0 ≤ debiased ≤ value ≤ 1, and 0 where a perfect model would get as much."""
    found = ece(*case, 15, scheme)

    assert 0 <= found.debiased <= found.value <= 1
    assert found.debiased == 0 or found.value > found.perfect


def deviation_of_coins(p):
    """The mean absolute deviation of a sum of coins, from its distribution."""
    chances = np.ones(1)
    for one in p:
        chances = np.convolve(chances, [1 - one, one])
    return float(chances @ np.abs(np.arange(chances.size) - p.sum()))


@LAW
@given(st.integers(1, 60), st.floats(1e-6, 1 - 1e-6))
def test_the_perfect_deviation_is_exact_for_equal_coins(n, p):
    """In a bin of equal probabilities the closed form is the binomial's mean deviation."""
    coins = np.full(n, p)

    found = _mean_deviation(n, coins.sum(), (coins * (1 - coins)).sum())

    assert found == pytest.approx(deviation_of_coins(coins), rel=1e-8)


@LAW
@given(st.integers(0, 14), st.integers(2, 80), st.integers(0, 2**32 - 1))
def test_the_perfect_deviation_is_close_within_a_bin(cell, n, seed):
    """In a bin of unequal probabilities the closed form is within 5 % of the truth."""
    coins = (cell + np.random.default_rng(seed).random(n)) / 15

    found = _mean_deviation(n, coins.sum(), (coins * (1 - coins)).sum())

    assert found == pytest.approx(deviation_of_coins(coins), rel=0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("n", [60, 1000])
@pytest.mark.parametrize("shape", [(0.5, 1.5), (2.0, 2.0), (0.05, 2.0)])
def test_a_perfect_model_gets_what_is_foretold(scheme, n, shape):
    """Truth drawn from the probabilities themselves has on average the error called perfect."""
    rng = np.random.default_rng(11)
    p = rng.beta(*shape, n)

    errors = [ece(p, rng.random(n) < p, 15, scheme).value for _ in range(600)]

    assert ece(p, p > 0.5, 15, scheme).perfect == pytest.approx(np.mean(errors), rel=0.04)


@pytest.mark.parametrize(("n", "excess"), [(100, 0.0), (100, 0.05), (500, 0.0)])
def test_what_is_left_is_nearer_to_the_true_error(n, excess):
    """Of models whose error is hidden by few items, the debiased one is nearer the truth."""
    rng = np.random.default_rng(12)
    raw, debiased = [], []
    for _ in range(200):
        p = rng.uniform(0.15, 0.9, n)
        found = ece(p, rng.random(n) < p - excess)
        raw.append(found.value)
        debiased.append(found.debiased)

    squares = {"raw": np.array(raw) - excess, "debiased": np.array(debiased) - excess}
    off = {name: np.sqrt(np.mean(values**2)) for name, values in squares.items()}
    assert off["debiased"] < 0.6 * off["raw"]


def test_a_large_error_is_left_nearly_whole():
    """Of an error far beyond what chance makes, debiasing takes next to nothing."""
    rng = np.random.default_rng(14)
    p = rng.uniform(0.4, 0.9, 2000)

    found = ece(p, rng.random(2000) < p - 0.3)

    assert found.perfect > 0.02
    assert found.debiased == pytest.approx(found.value, rel=0.01)


def test_large_sets_are_summed_in_blocks():
    """More than one block of float32 probabilities gives what one array of float64 gives."""
    rng = np.random.default_rng(13)
    p = rng.random(150_000, dtype=np.float32)
    truth = rng.random(p.size) < p
    wide = p.astype(np.float64)

    assert brier(p, truth) == pytest.approx(np.mean((wide - truth) ** 2), rel=1e-12)
    assert ece(p, truth).value == pytest.approx(
        by_definition(wide, truth, equal_width_masks(wide, 15)), rel=1e-9
    )


# --- reliability --------------------------------------------------------------------------


@LAW
@given(sets(), st.sampled_from(SCHEMES), st.integers(1, 15))
def test_reliability_bins_are_the_ece(case, scheme, bins):
    """The bins hold every item once, in order, and their gaps add up to the ECE."""
    p, truth = case

    found = reliability(p, truth, bins, scheme)

    assert sum(row.n for row in found) == p.size
    gaps = sum(row.n * abs(row.mean_probability - row.rate) for row in found)
    assert gaps / p.size == pytest.approx(ece(p, truth, bins, scheme).value, abs=1e-12)
    for row in found:
        assert row.lo - 1e-15 <= row.mean_probability <= row.hi + 1e-15
        assert row.low <= row.rate <= row.high
    assert all(a.hi <= b.lo for a, b in pairwise(found))


def test_edges_belong_to_the_upper_bin_and_the_last_bin_is_closed():
    """Equal-width bins are left-closed; 1 is in the last."""
    p = np.array([0.0, 0.2, 0.4, 1.0])

    found = reliability(p, p > 0.3, 5)

    assert [(row.lo, row.hi, row.n) for row in found] == [
        (0.0, 0.2, 1),
        (0.2, 0.4, 1),
        (0.4, 0.6, 1),
        (0.8, 1.0, 1),
    ]
    assert found[0].to_json()["rate_interval"] == [found[0].low, found[0].high]


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize("figure", [brier, nll, ece, reliability])
@pytest.mark.parametrize(
    ("p", "truth", "message"),
    [
        ([np.nan, 0.5], [True, False], r"in \[0, 1\], got nan"),
        ([-0.1, 0.5], [True, False], r"in \[0, 1\], got -0\.1 to 0\.5"),
        ([0.1, 1.5], [True, False], r"in \[0, 1\], got 0\.1 to 1\.5"),
        ([0.1], [True, False], "as many probabilities as truth"),
        ([0.1, 0.2], [1, 0], "truth as bool"),
        ([], np.array([], dtype=bool), "at least one item"),
    ],
)
def test_no_probability_is_refused(figure, p, truth, message):
    """NaN, what is outside [0, 1], what does not fit, and nothing at all are refused."""
    with pytest.raises(InputError, match=message):
        figure(np.array(p), np.array(truth))


def test_no_bins_are_refused():
    """An error of no bins is refused."""
    with pytest.raises(InputError, match="at least 1 bin, got 0"):
        ece(np.array([0.5]), np.array([True]), 0)


@pytest.mark.parametrize("items", [7, 100, 40_000])
def test_order_of_items_changes_no_bit(items):
    """Every figure of probabilities is the same for any order of the items, to the last bit."""
    rng = np.random.default_rng(items)
    p, order = rng.beta(0.5, 3, items) ** 3, rng.permutation(items)
    truth = rng.random(items) < p

    def figures(p, truth):
        return [brier(p, truth), nll(p, truth), *(ece(p, truth, 15, name) for name in SCHEMES)]

    assert figures(p, truth) == figures(p[order], truth[order])
