from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joined_rows import joined

from calreg.errors import UsageError
from calreg.feedback.holding import holding, predicted_median_days, survival_curve

watched = st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=30)

# Freireich et al. (1963), weeks of remission under 6-MP, in Cox (1972) and many textbooks;
# a minus stands for a patient who was last seen in remission.
REMISSION = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23]
REMISSION += [-25, -32, -32, -34, -35]


def curve(rows):
    days = np.array([day for day, _ in rows], dtype=np.float64)
    return survival_curve(days, np.array([is_sold for _, is_sold in rows], dtype=np.bool_))


def product_limit(rows, day: int) -> Fraction:
    """The estimate after a day, as the product over all days with a sale until then."""
    left = Fraction(1)
    for when in sorted({one for one, is_sold in rows if is_sold and one <= day}):
        at_risk = sum(1 for one, _ in rows if one >= when)
        sold = sum(1 for one, is_sold in rows if one == when and is_sold)
        left *= 1 - Fraction(sold, at_risk)
    return left


@given(watched)
def test_the_curve_is_the_product_limit(rows):
    """On each day with a sale the curve is Kaplan and Meier's product, and its median follows."""
    found = curve(rows)

    exact = {day: product_limit(rows, day) for day, is_sold in rows if is_sold}
    assert found.days.tolist() == sorted(exact)
    assert found.unsold.tolist() == pytest.approx([float(exact[day]) for day in sorted(exact)])
    reached = [day for day in sorted(exact) if exact[day] <= Fraction(1, 2)]
    assert found.median() == (reached[0] if reached else None)


def test_the_curve_of_a_textbook():
    """The remissions under 6-MP have the median 23, with an interval from 13 to "not seen"."""
    found = curve([(abs(week), week > 0) for week in REMISSION])

    assert found.days.tolist() == [6, 7, 10, 13, 16, 22, 23]
    rounded = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert np.round(found.unsold, 3).tolist() == rounded
    assert found.median() == 23.0
    assert found.median_interval() == (13.0, None)


def test_the_interval_of_the_curve_is_greenwoods():
    """After 10 weeks the 95 % interval on the log(−log) scale is 0.503 to 0.890."""
    found = curve([(abs(week), week > 0) for week in REMISSION])

    assert found.low[2] == pytest.approx(0.503, abs=0.001)
    assert found.high[2] == pytest.approx(0.890, abs=0.001)


def test_unsold_items_make_the_median_longer():
    """The median of sold rows alone is too short; with the unsold ones it is longer."""
    rows = joined(6, sold=[1, 1, 1, 0, 0, 1], days=[1, 2, 3, np.nan, np.nan, 40], horizon=[60] * 6)

    found = holding(rows)

    assert (found.n, found.sold, found.n_days, found.censored) == (6, 4, 6, 2)
    assert found.median_days == 3.0
    assert found.sell_through == 4 / 6


def test_fewer_than_half_sold_have_no_median():
    """Where half of the items never sold, no day is made up."""
    rows = joined(5, sold=[1, 1, 0, 0, 0], days=[1, 2, np.nan, np.nan, np.nan], horizon=[60] * 5)

    assert holding(rows).median_days is None


@pytest.mark.parametrize(
    ("days", "horizon", "counted"),
    [
        (10, 60, True),
        (90, 60, True),
        (math.nan, 60, True),
        (10, math.nan, True),
        (math.nan, math.nan, False),
    ],
)
def test_an_unsold_item_is_watched_until_its_days_or_its_horizon(days, horizon, counted):
    """Whichever ends first ends the watching; with neither, the row says nothing of days."""
    found = holding(joined(1, sold=[0], days=[days], horizon=[horizon]))

    assert (found.n, found.n_days, found.censored) == (1, int(counted), int(counted))


def test_unsold_rows_without_days_take_the_median_away():
    """Sold rows alone would say too short a time; a horizon that is given brings it back."""
    rows = joined(3, sold=[1, 0, 0], days=[5, np.nan, np.nan])

    found, told = holding(rows), holding(rows, default_horizon=60.0)

    assert (found.unplaced, found.median_days) == (2, None)
    assert found.median_days_interval == (None, None)
    assert (told.unplaced, told.censored, told.median_days) == (0, 2, None)
    assert (
        holding(joined(2, sold=[1, 0], days=[5, np.nan]), default_horizon=60.0).median_days == 5.0
    )


@pytest.mark.parametrize("horizon", [0.0, -1.0, math.nan, math.inf])
def test_a_horizon_that_is_none_is_refused(horizon):
    """A default horizon is a number of days above 0."""
    with pytest.raises(UsageError, match="expected a horizon above 0 days"):
        holding(joined(1), default_horizon=horizon)


def test_a_late_unsold_item_counts_to_its_horizon_only():
    """An item that was not sold within 60 days does not say it was unsold on day 80."""
    rows = joined(3, sold=[1, 1, 0], days=[5, 80, 90], horizon=[60] * 3)

    assert (
        holding(rows).median_days
        == holding(joined(3, sold=[1, 1, 0], days=[5, 80, 60])).median_days
    )


def test_a_row_that_may_have_sold_counts_nowhere():
    """An empty cell is neither a sale nor an unsold item."""
    found = holding(joined(2, sold=[-1, -1], days=[3, 4], horizon=[60, 60]))

    assert (found.n, found.n_days) == (0, 0)
    assert found.sell_through is found.sell_through_interval is found.median_days is None


@given(st.floats(1e-4, 10.0))
def test_one_hazard_sells_by_half_at_its_half_life(hazard):
    """Items of one hazard have the median ln 2 / hazard."""
    found = predicted_median_days(np.full(3, hazard))

    assert found == pytest.approx(math.log(2.0) / hazard, rel=1e-8)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_the_predicted_median_leaves_half(hazards):
    """After that day, half of the items are expected to be unsold; or that day never comes."""
    found = predicted_median_days(np.array(hazards))

    if found is None:
        assert np.exp(-np.array(hazards) * 1e6).mean() > 0.5
    else:
        assert np.exp(-np.array(hazards) * found).mean() == pytest.approx(0.5, abs=1e-6)
