from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joined_rows import joined

from calreg.errors import InputError, UsageError
from calreg.feedback.figures import feedback_figures, feedback_figures_by_group
from calreg.feedback.suggest import shrunk, suggest_factors

factors = st.floats(0.05, 5.0)


def one_group(ratios, factor=None, **options):
    """The suggestion for rows of one group with these ratios of outcome to prediction."""
    size = len(ratios)
    columns = {} if factor is None else {"factor": np.broadcast_to(factor, size)}
    rows = joined(
        size,
        predicted=[10.0] * size,
        outcome=10.0 * np.array(ratios),
        group=["used"] * size,
        **columns,
    )
    return suggest_factors(rows, **options).groups["used"]


@given(st.lists(factors, min_size=1, max_size=40), factors, st.floats(0.0, 100.0))
def test_a_suggestion_lies_between_the_current_factor_and_the_median(ratios, factor, shrink):
    """Shrinking never goes past either end, and no shrinking gives the median itself."""
    found = one_group(ratios, factor, shrink=shrink)

    implied = factor * float(np.median(ratios))
    assert found.implied_factor == pytest.approx(implied, rel=1e-12)
    low, high = sorted((factor, implied))
    assert low * (1 - 1e-12) <= found.suggested_factor <= high * (1 + 1e-12)
    exact = one_group(ratios, factor, shrink=0)
    assert exact.suggested_factor == pytest.approx(implied, rel=1e-12)


@given(st.lists(factors, min_size=1, max_size=40), factors, st.sampled_from([0.25, 2.0, 8.0]))
def test_a_factor_scales_its_suggestion(ratios, factor, times):
    """Twice the factor in force with the same ratios is twice the suggestion."""
    small, large = one_group(ratios, factor), one_group(ratios, factor * times)

    assert large.suggested_factor == pytest.approx(times * small.suggested_factor, rel=1e-12)
    assert (large.n, large.status, large.median_ratio) == (
        small.n,
        small.status,
        small.median_ratio,
    )


@given(factors, factors, st.integers(1, 500), st.integers(1, 500))
def test_more_pairs_move_further(factor, towards, few, more):
    """The weight of the evidence grows with the pairs behind it."""
    few, more = sorted((few, more))

    near, far = (abs(math.log(shrunk(factor, towards, n, 20.0) / towards)) for n in (few, more))
    assert near <= far + 1e-12


def test_noise_does_not_inflate_the_suggestion():
    """Predictions that are right but noisy suggest 1, where the mean of ratios says 1.28."""
    rng = np.random.default_rng(1)
    ratios = rng.lognormal(0.0, 0.5, 20_000) / rng.lognormal(0.0, 0.5, 20_000)

    found = one_group(ratios)

    assert ratios.mean() == pytest.approx(math.exp(0.25), rel=0.03)
    assert found.suggested_factor == pytest.approx(1.0, abs=0.02)


def test_each_row_has_its_own_factor():
    """Rows that were predicted with different factors imply the same one."""
    found = one_group([1.0] * 15 + [2.0] * 15, np.array([0.8] * 15 + [0.4] * 15))

    assert found.implied_factor == pytest.approx(0.8)
    assert found.interval is not None
    assert found.current_factor == 0.4  # the middle one: of two, the lower


@pytest.mark.parametrize(
    ("size", "ratio", "status"),
    [(9, 0.5, "too_few"), (10, 0.5, "ok"), (10, 1.0, "within_noise"), (1, 0.5, "too_few")],
)
def test_the_status_says_how_sure_it_is(size, ratio, status):
    """Few pairs are too few; an interval that holds the current factor is within noise."""
    assert one_group([ratio] * size).status == status


def test_pairs_without_an_interval_are_too_few():
    """Asking for fewer pairs does not make an interval where there is none."""
    found = one_group([0.5] * 5, min_pairs=1)

    assert (found.status, found.interval) == ("too_few", None)


def test_a_group_without_a_pair_has_no_suggestion():
    """No pair, no number: the group is listed as too few, with its current factor."""
    rows = joined(2, predicted=[1.0, 2.0], group=["used", "used"], factor=[0.7, 0.7])

    found = suggest_factors(rows).groups["used"]

    assert (found.n, found.status, found.current_factor) == (0, "too_few", 0.7)
    assert found.suggested_factor is found.median_ratio is found.interval is None


def test_the_current_factor_is_shrunk_towards():
    """Factors in force that are given take precedence over those that rows were predicted with."""
    given_one = one_group([1.0] * 30, 0.5, current={"used": 0.9})

    assert given_one.current_factor == 0.9
    assert given_one.implied_factor == 0.5
    assert given_one.suggested_factor == pytest.approx(0.9 * (0.5 / 0.9) ** 0.6)


def test_predictions_that_do_not_say_their_factor_are_noted():
    """Without the column, 1 or the given factor is taken, and the notes say which."""
    rows = joined(1, predicted=[1.0], outcome=[2.0], group=["used"])

    alone, told = suggest_factors(rows), suggest_factors(rows, current={"used": 0.5})

    start = "the predictions do not say which factor was in force"
    assert alone.notes == (f"{start}: 1 is taken for it",)
    assert told.notes == (f"{start}: those given as current are taken for it",)
    assert (alone.groups["used"].implied_factor, told.groups["used"].implied_factor) == (2.0, 1.0)


def test_a_pair_without_its_factor_is_left_out():
    """Where some rows say their factor, one that does not could imply any: it is not counted."""
    rows = joined(
        3, predicted=[1.0] * 3, outcome=[2.0] * 3, group=["used"] * 3, factor=[0.5, np.nan, 0.5]
    )

    found = suggest_factors(rows)

    assert found.groups["used"].n == 2
    assert found.notes == ("1 price pairs without a factor are left out of the suggestions",)


def test_unsold_and_tiny_prices_suggest_nothing():
    """A price that nobody paid, or one of a cent, is no evidence."""
    rows = joined(
        4,
        predicted=[10.0, 10.0, 10.0, 0.01],
        outcome=[5.0, 0.5, 0.0, 5.0],
        sold=[1, 0, 1, 1],
        group=["used"] * 4,
    )

    assert suggest_factors(rows).groups["used"].n == 1
    assert suggest_factors(rows, unsold="include").groups["used"].n == 2


def test_rows_without_a_group_are_noted():
    """They are in no suggestion, and the notes say how many."""
    rows = joined(2, predicted=[1.0] * 2, outcome=[1.0] * 2, group=["", "used"], factor=[1.0, 1.0])

    found = suggest_factors(rows)

    assert list(found.groups) == ["used"]
    assert found.notes == ("1 rows without a group are in no suggestion",)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf, 1e-320, 1e308])
def test_a_current_factor_that_is_none_is_refused(factor):
    """Zero, negative, NaN, infinite and absurd factors are input errors."""
    with pytest.raises(InputError, match="the current factor of 'used'"):
        one_group([1.0], current={"used": factor})


@pytest.mark.parametrize("options", [{"min_pairs": 0}, {"shrink": -1.0}, {"shrink": math.nan}])
def test_options_that_make_no_sense_are_refused(options):
    """A shrinkage below zero or no pairs at all is a usage error."""
    with pytest.raises(UsageError):
        one_group([1.0], **options)


def test_figures_of_groups_are_those_of_their_rows():
    """A group's figures are what its rows alone would have."""
    rng = np.random.default_rng(2)
    group = np.array(["new", "used", ""], dtype=np.object_)[rng.integers(0, 3, 90)]
    columns = {
        "predicted": rng.lognormal(3, 1, 90),
        "outcome": rng.lognormal(3, 1, 90),
        "probability": rng.random(90),
        "days": rng.integers(1, 60, 90).astype(float),
        "sold": rng.integers(-1, 2, 90),
    }
    kept = np.flatnonzero(group == "new")
    alone = joined(kept.size, **{name: values[kept] for name, values in columns.items()})

    found = feedback_figures_by_group(joined(90, group=group, **columns))

    assert list(found) == ["new", "used"]
    assert found["new"].to_json() == feedback_figures(alone).to_json()
    assert found["new"].group_json()["mae"] == found["new"].flat()["mae"]
    assert set(found["new"].flat()) >= {"bias", "brier", "ece10", "sell_through", "mean_outcome"}
