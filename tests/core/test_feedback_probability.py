from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.errors import InputError
from calreg.feedback.probability import EDGES, probability_metrics

rows = st.lists(
    st.tuples(
        st.floats(0.0, 1.0) | st.sampled_from(EDGES) | st.just(math.nan),
        st.sampled_from([-1, 0, 1]),
    ),
    max_size=40,
)


def metrics(table, **options):
    said = np.array([p for p, _ in table], dtype=np.float64)
    return probability_metrics(said, np.array([y for _, y in table], dtype=np.int8), **options)


def place(probability: float) -> int:
    """The bin by comparing with the edges as they are written."""
    return max(number for number in range(10) if probability >= EDGES[number])


@given(rows)
def test_figures_are_those_of_plain_sums(table):
    """Brier, calibration error and bins are their definitions, row by row."""
    known = [(p, y) for p, y in table if not math.isnan(p) and y >= 0]

    found = metrics(table)

    assert found.n == len(known) == sum(one.n for one in found.bins)
    error = 0.0
    for number, one in enumerate(found.bins):
        inside = [(p, y) for p, y in known if place(p) == number]
        assert (one.lo, one.hi, one.n) == (EDGES[number], EDGES[number + 1], len(inside))
        if inside:
            assert one.mean_probability == math.fsum(p for p, _ in inside) / len(inside)
            assert one.rate == sum(y for _, y in inside) / len(inside)
            error += abs(math.fsum(p - y for p, y in inside)) / len(known)
        else:
            assert one.mean_probability is one.rate is one.rate_interval is None
    if known:
        brier = math.fsum((p - y) ** 2 for p, y in known) / len(known)
        assert found.brier == pytest.approx(brier, rel=1e-12, abs=1e-15)
        assert found.ece10.value == pytest.approx(error, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("number", range(1, 10))
def test_an_edge_opens_its_bin(number):
    """0.3 as it is written is in [0.3, 0.4), and the number before it is not."""
    edge = EDGES[number]

    assert edge == float(f"0.{number}")
    at, before = metrics([(edge, 1)]), metrics([(math.nextafter(edge, 0.0), 1)])
    assert at.bins[number].n == before.bins[number - 1].n == 1


def test_one_is_in_the_last_bin():
    """The last bin is closed: certainty has a place."""
    assert metrics([(1.0, 1)]).bins[9].n == 1


def test_an_empty_cell_is_no_sale_and_no_failure():
    """A row that is not known to have sold or not changes no figure."""
    known = [(0.2, 0), (0.9, 1)]

    assert metrics([*known, (0.9, -1), (math.nan, 1)]) == metrics(known)


def test_nothing_known_gives_no_figures():
    """Without a row there are ten empty bins, and None for every figure."""
    found = metrics([(math.nan, 1)])

    assert found.n == 0
    assert found.brier is found.ece10 is found.base_rate is found.mean_probability is None
    assert [one["n"] for one in found.to_json()["bins"]] == [0] * 10
    assert found.to_json()["ece10"] is None


def test_what_is_no_probability_is_refused():
    """A probability outside [0, 1] is an error, not clipped."""
    with pytest.raises(InputError, match=r"expected probabilities in \[0, 1\]"):
        metrics([(1.5, 1)])


def test_a_calibrated_model_is_told_from_one_that_is_not():
    """A large calibration error is far outside what a perfect model gets; a perfect one is not."""
    rng = np.random.default_rng(5)
    said = rng.random(4000)
    came = (rng.random(4000) < said).astype(np.int8)

    good = probability_metrics(said, came).ece10
    bad = probability_metrics(said**3, came).ece10

    assert good.value < 2 * good.perfect
    assert bad.value > 5 * bad.perfect


def test_the_interval_of_brier_is_as_wide_as_theory_says():
    """It is about ± 1.96 standard errors of the mean of squared distances."""
    rng = np.random.default_rng(6)
    said = rng.random(3000)
    came = (rng.random(3000) < said).astype(np.int8)

    low, high = probability_metrics(said, came).intervals["brier"]

    reach = 1.96 * ((said - came) ** 2).std() / math.sqrt(3000)
    assert (high - low) / 2 == pytest.approx(reach, rel=0.15)
