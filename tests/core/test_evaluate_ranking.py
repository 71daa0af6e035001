from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from calreg.errors import InputError
from calreg.evaluate import (
    Ranking,
    auroc,
    average_precision,
    curve_points,
    judge_direction,
)

LAW = settings(max_examples=60)

levels = st.sampled_from([-2.0, -0.0, 0.0, 0.25, 0.5, 1.0, 1.00001, 3.5])


@st.composite
def sets(draw, *, least=1):
    """Scores with many ties, and truth with at least `least` items of each class."""
    sizes = st.integers(least, 12)
    positives = draw(arrays.arrays(np.float64, draw(sizes), elements=levels))
    negatives = draw(arrays.arrays(np.float64, draw(sizes), elements=levels))
    truth = np.repeat([True, False], [positives.size, negatives.size])
    order = draw(st.permutations(range(truth.size)))
    return np.concatenate([positives, negatives])[order], truth[order]


def by_pairs(scores, truth):
    """AUROC and DeLong's variance as they are defined, over all pairs."""
    wins = np.sign(scores[truth][:, None] - scores[~truth][None, :]) / 2 + 0.5
    variance = wins.mean(axis=1).var(ddof=1) / truth.sum()
    variance += wins.mean(axis=0).var(ddof=1) / (~truth).sum()
    return wins.mean(), variance


# --- AUROC --------------------------------------------------------------------------------


@LAW
@given(sets(least=2))
def test_auroc_and_its_interval_are_what_all_pairs_say(case):
    """The fast way gives the share of pairs in order, and DeLong's interval on the logit scale."""
    scores, truth = case
    value, variance = by_pairs(scores, truth)

    found = auroc(scores, truth, "higher")

    assert found.value == pytest.approx(value, abs=1e-14)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    if 0 < value < 1 and variance > 1e-12:
        half = 1.959963984540054 * np.sqrt(variance) / (value * (1 - value))
        logit = np.log(value / (1 - value))
        expected = 1 / (1 + np.exp(-np.array([logit - half, logit + half])))
        assert [found.low, found.high] == pytest.approx(expected, abs=1e-12)


@LAW
@given(sets())
def test_a_mirror_turns_the_area_over(case):
    """The AUROC of −score is 1 − AUROC, and so are the ends of its interval."""
    scores, truth = case

    found, mirrored = auroc(scores, truth, "higher"), auroc(-scores, truth, "higher")

    assert mirrored.value == pytest.approx(1 - found.value, abs=1e-15)
    assert (mirrored.low, mirrored.high) == pytest.approx(
        (1 - found.high, 1 - found.low), abs=1e-12
    )


@LAW
@given(sets())
def test_lower_is_higher_of_the_mirrored_score(case):
    """Direction "lower" on a score is direction "higher" on −score, to the bit."""
    scores, truth = case

    assert auroc(scores, truth, "lower") == auroc(-scores, truth, "higher")
    assert average_precision(scores, truth, "lower") == average_precision(-scores, truth)


@LAW
@given(sets(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(case, chance):
    """Shuffled rows give the same AUROC, interval and average precision, to the bit."""
    scores, truth = case
    order = list(range(truth.size))
    chance.shuffle(order)

    assert auroc(scores[order], truth[order], "higher") == auroc(scores, truth, "higher")
    assert average_precision(scores[order], truth[order]) == average_precision(scores, truth)


def test_blocks_are_joined_exactly():
    """Sets of more than one block get the variance that the definition gives."""
    rng = np.random.default_rng(5)
    truth = rng.random(300_000) < 0.4
    scores = np.round(rng.normal(size=truth.size) + truth, 1)
    values, positives = np.unique(scores[truth], return_counts=True)
    grid = np.unique(scores)
    per_level = {
        side: np.bincount(np.searchsorted(grid, scores[truth == side]), minlength=grid.size)
        for side in (True, False)
    }
    m, n = per_level[True].sum(), per_level[False].sum()
    placed = {
        True: (np.cumsum(per_level[False]) - per_level[False] / 2) / n,
        False: (np.cumsum(per_level[True]) - per_level[True] / 2) / m,
    }
    value = np.average(placed[True], weights=per_level[True])
    variance = sum(
        np.cov(placed[side], fweights=per_level[side], ddof=1) / per_level[side].sum()
        for side in (True, False)
    )

    found = auroc(scores, truth, "higher")

    half = 1.959963984540054 * np.sqrt(variance) / (value * (1 - value))
    assert (values.size, positives.sum()) == (np.unique(values).size, m)
    assert found.value == pytest.approx(value, abs=1e-13)
    assert np.log(found.high / (1 - found.high)) - np.log(value / (1 - value)) == pytest.approx(
        half, rel=1e-9
    )


@pytest.mark.parametrize(("n", "low"), [(1, 0.1), (5, 0.5), (50, 0.93), (500, 0.99)])
def test_complete_separation_is_not_certainty(n, low):
    """An AUROC of 1 has an interval with a width, narrower with more items."""
    truth = np.repeat([False, True], n)

    found = auroc(np.arange(2 * n, dtype=np.float64), truth, "higher")

    assert (found.value, found.high) == (1.0, 1.0)
    assert low < found.low < 1.0


def test_constant_scores_are_no_better_than_chance():
    """Scores that are all equal have AUROC exactly 0.5 and an undetermined direction."""
    truth = np.repeat([False, True], 20)

    found = judge_direction(np.full(40, 0.25), truth)

    assert (found.auroc, found.direction, found.is_determined) == (0.5, "higher", False)
    assert found.low < 0.5 < found.high


def test_the_interval_holds_the_true_area_as_often_as_it_says():
    """Over 400 seeded sets of 40 + 60 normal scores 95 % intervals hold the area in 92 to 98 %."""
    rng = np.random.default_rng(8)
    truth = np.repeat([True, False], [40, 60])
    true_area = 0.5 * (1 + 0.5204998778130465)  # Φ(1/√2 · 1), scores one apart: Φ(0.7071)

    held = 0
    for _ in range(400):
        found = auroc(rng.normal(size=100) + truth, truth, "higher")
        held += found.low <= true_area <= found.high

    assert 368 <= held <= 392


# --- direction ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "direction", "is_determined"),
    [(2.0, "higher", True), (-2.0, "lower", True), (-0.05, "higher", False)],
)
def test_direction_is_told_only_outside_the_interval(gap, direction, is_determined):
    """Low scores speak for a label only if its AUROC lies below 0.5 by more than its interval."""
    rng = np.random.default_rng(3)
    truth = np.repeat([True, False], 60)

    found = judge_direction(rng.normal(size=120) + gap * truth, truth)

    assert (found.direction, found.is_determined) == (direction, is_determined)
    assert found.is_determined == (not found.low <= 0.5 <= found.high)


# --- average precision --------------------------------------------------------------------


@LAW
@given(sets())
def test_average_precision_is_scikit_learns(case):
    """Average precision equals scikit-learn's on any ties."""
    scores, truth = case

    expected = metrics.average_precision_score(truth, scores)
    assert average_precision(scores, truth) == pytest.approx(expected, abs=1e-12)


def test_float32_scores_rank_as_they_are():
    """float32 scores give what the same numbers give in float64."""
    rng = np.random.default_rng(4)
    truth = rng.random(500) < 0.3
    scores = (rng.normal(size=500) + truth).astype(np.float32)

    assert auroc(scores, truth, "higher") == auroc(scores.astype(np.float64), truth, "higher")


# --- the top ------------------------------------------------------------------------------


def test_the_saturation_point_is_counted():
    """The strictest score and its items are found at the end where the label fires."""
    scores = np.array([0.0, 0.0, 0.5, 1.0, 1.0, 1.0])
    truth = np.array([True, False, False, True, False, False])

    assert Ranking.of(scores, truth, "higher").at_top() == (1.0, 1, 2)
    assert Ranking.of(scores, truth, "lower").at_top() == (0.0, 1, 1)


# --- curves -------------------------------------------------------------------------------


@LAW
@given(sets())
def test_all_points_of_a_short_curve_are_scikit_learns(case):
    """A curve that needs no thinning has scikit-learn's points at every distinct score."""
    scores, truth = case
    fpr, recall, threshold = metrics.roc_curve(truth, scores, drop_intermediate=False)

    found = curve_points(scores, truth, "higher")

    assert found.threshold.tolist() == threshold[1:].tolist()
    assert found.recall == pytest.approx(recall[1:])
    assert found.fpr == pytest.approx(fpr[1:])
    share = truth.sum() * found.recall
    assert found.precision == pytest.approx(share / (share + (~truth).sum() * found.fpr))


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_a_thinned_curve_is_exact_where_it_stands(direction):
    """A long curve keeps at most the points asked for, both ends, and each one is exact."""
    rng = np.random.default_rng(2)
    truth = rng.random(20_000) < 0.1
    sign = 1 if direction == "higher" else -1
    scores = (rng.normal(size=truth.size) + 2 * truth) * sign

    found = curve_points(scores, truth, direction, max_points=50)

    assert 20 < found.threshold.size <= 50
    assert found.threshold[0] * sign == (scores * sign).max()
    assert (found.recall[-1], found.fpr[-1]) == (1.0, 1.0)
    assert np.all(np.diff(found.threshold * sign) < 0)
    assert max(np.diff(found.recall).max(), np.diff(found.fpr).max()) < 0.2
    for threshold, precision, recall, fpr in zip(
        found.threshold, found.precision, found.recall, found.fpr, strict=True
    ):
        fires = scores * sign >= threshold * sign
        assert recall == (fires & truth).sum() / truth.sum()
        assert fpr == (fires & ~truth).sum() / (~truth).sum()
        assert precision == (fires & truth).sum() / fires.sum()


# --- refusals -----------------------------------------------------------------------------

BOTH = np.array([True, False])


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        ([0.5, np.nan], BOTH, "scores must be finite"),
        ([0.5, np.inf], BOTH, "scores must be finite"),
        ([0.5, -np.inf], BOTH, "scores must be finite"),
        ([0.5], BOTH, "expected as many scores as truth"),
        ([0.5, 0.25], np.array([1, 0]), "expected truth as bool"),
        ([[0.5, 0.25]], BOTH[None, :], "expected truth as bool"),
        ([0.5, 0.25], np.array([True, True]), "both classes, got 2 positive and 0 negative"),
        ([0.5, 0.25], np.array([False, False]), "both classes, got 0 positive and 2 negative"),
        ([], np.array([], dtype=bool), "both classes, got 0 positive and 0 negative"),
    ],
)
def test_auroc_refuses_what_it_cannot_rank(scores, truth, message):
    """NaN, infinity, arrays that do not fit and truth of one class are refused."""
    with pytest.raises(InputError, match=message):
        auroc(np.array(scores), truth, "higher")


def test_other_figures_refuse_too():
    """Whole numbers, no positives, no items, one point and a confidence of 1 are refused."""
    scores, negatives = np.array([0.25, 0.5]), np.array([False, False])

    with pytest.raises(InputError, match="expected scores as floats, got int64"):
        auroc(np.array([1, 2]), BOTH, "higher")
    with pytest.raises(InputError, match="at least one positive"):
        average_precision(scores, negatives)
    with pytest.raises(InputError, match="at least one positive"):
        curve_points(scores, negatives, "higher")
    with pytest.raises(InputError, match="at least 2 points, got 1"):
        curve_points(scores, BOTH, "higher", max_points=1)
    with pytest.raises(InputError, match="at least one item"):
        Ranking.of(scores[:0], negatives[:0], "higher").at_top()
    with pytest.raises(InputError, match=r"inside \(0, 1\).*got 1\.0"):
        auroc(scores, BOTH, "higher", confidence=1.0)
