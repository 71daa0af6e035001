"""Sets of raw scores: the order of float64 numbers, and intervals of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.documents import Histogram
from calreg.retag import Intervals
from calreg.retag.intervals import key_of, score_of
from calreg.retag.search import search

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ENDS = st.lists(st.floats(-5, 5), min_size=2, max_size=16, unique=True).map(sorted)


def intervals(ends):
    """The intervals between every other two of an even number of ends."""
    even = np.array(ends[: len(ends) // 2 * 2])
    return Intervals(even[::2], even[1::2])


@given(FINITE, FINITE)
def test_places_have_the_order_of_numbers(a, b):
    """A larger number is at a larger place, and each place is one number."""
    first, second = key_of([a, b]).tolist()

    assert (first < second) == (a < b)
    assert score_of(key_of([a])).tolist() == [a]


def test_neighbours_are_one_apart():
    """The next number up is at the next place, across zero too."""
    numbers = np.array([-1.0, -5e-324, 0.0, 1.0, 1e300])

    assert (key_of(np.nextafter(numbers, np.inf)) - key_of(numbers)).tolist() == [1] * 5


@given(ENDS, st.lists(st.floats(-6, 6)))
def test_an_interval_holds_its_lower_end_only(ends, others):
    """A score is inside if it is at least the lower and below the upper end of one."""
    found = intervals(ends)
    scores = np.array([*ends, *others, np.nan, np.inf, -np.inf])

    expected = [any(lo <= one < hi for lo, hi in found.pairs) for one in scores.tolist()]
    assert found.contains(scores).tolist() == expected


@given(ENDS, st.integers(1, 5))
def test_fewer_intervals_cover_the_same(ends, count):
    """Putting intervals together loses none of their scores."""
    found = intervals(ends)
    outer = found.outer(count)
    scores = np.array([*ends, *np.nextafter(ends, np.inf), *np.nextafter(ends, -np.inf)])

    assert outer.lo.size <= max(count, 1)
    assert not (found.contains(scores) & ~outer.contains(scores)).any()


def test_everything_and_nothing():
    """All finite numbers are in the one, none in the other; infinities are in neither."""
    scores = np.array([-np.finfo(float).max, 0.0, np.finfo(float).max, np.inf, -np.inf, np.nan])

    assert Intervals.everything().contains(scores).tolist() == [1, 1, 1, 0, 0, 0]
    assert not Intervals.nothing().contains(scores).any()


def test_an_infinite_end_holds_no_infinity():
    """Nor does one among several intervals."""
    many = Intervals(np.array([0.0, 2.0, 4.0]), np.array([1.0, 3.0, np.inf]))

    assert many.contains(np.array([0.5, 1.5, 1e308, np.inf])).tolist() == [1, 0, 1, 0]


def test_the_share_of_a_histogram():
    """Half of a cell counts half; what lies outside the grid counts at its ends."""
    histogram = Histogram(0.0, 1.0, (10, 20), underflow=4, overflow=6)

    def share(lo, hi):
        return Intervals(np.array([lo]), np.array([hi])).share_of(histogram)

    assert share(0.25, 0.5) == pytest.approx(5 / 40)
    assert share(-1.0, 0.5) == pytest.approx(14 / 40)
    assert share(0.5, np.inf) == pytest.approx(26 / 40)
    assert share(-np.inf, np.inf) == 1.0


def test_an_empty_histogram_has_no_share():
    """Without scores none of them changes."""
    assert Intervals.everything().share_of(Histogram(0.0, 1.0, (0, 0), 0, 0)) == 0.0


@pytest.mark.parametrize("at", [0.0, 0.3, -7.25, 1e-300, 1e200])
def test_a_search_finds_the_step(at):
    """Where a judge says that all from a number on changes, the intervals say so too."""
    sure, doubt = search(lambda lo, hi: (lo >= at, hi < at), np.empty(0, np.int64))
    beyond = np.nextafter(at, -np.inf)

    assert not sure.contains(np.array([beyond])).any()
    assert (sure.contains(np.array([at])) | doubt.contains(np.array([at]))).all()
    assert sure.lo[0] - at <= 1e-6 * abs(at) + 1e-290
    assert sure.hi[-1] == np.inf


def test_a_judge_that_never_knows_leaves_all_in_doubt():
    """The search ends, and nothing is made up."""
    sure, doubt = search(lambda lo, _hi: (lo > np.inf, lo > np.inf), np.empty(0, np.int64))

    assert sure.is_empty
    assert doubt.contains(np.array([-1e300, -1.0, 0.0, 1e-9, 5.0])).all()
