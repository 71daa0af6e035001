from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calreg.documents import Confusion
from calreg.errors import InputError
from calreg.evaluate import RATES, bootstrap_intervals, clopper_pearson

LAW = settings(max_examples=60)

counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confusions = st.builds(Confusion, *[st.integers(0, 60)] * 4).filter(lambda c: c.total > 0)


@LAW
@given(counts.filter(lambda kn: kn[1] > 0), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_clopper_pearson_is_scipys_exact_interval(kn, confidence):
    """The interval is the one that scipy finds by search on the binomial itself."""
    expected = stats.binomtest(*kn).proportion_ci(confidence, method="exact")

    assert clopper_pearson(*kn, confidence) == pytest.approx(
        (expected.low, expected.high), abs=1e-10
    )


@LAW
@given(counts)
def test_clopper_pearson_holds_the_share(kn):
    """The share seen lies in its interval, which lies in [0, 1] and has a width."""
    k, n = kn

    low, high = clopper_pearson(k, n)

    assert 0 <= low < high <= 1
    assert n == 0 or low <= k / n <= high


@pytest.mark.parametrize(
    ("k", "n", "confidence", "message"),
    [
        (-1, 5, 0.95, "within 0 … 5, got -1"),
        (6, 5, 0.95, "within 0 … 5, got 6"),
        (1, 5, 0.0, "got 0.0"),
        (1, 5, 1.0, "got 1.0"),
        (1, 5, float("nan"), "got nan"),
    ],
)
def test_clopper_pearson_refuses(k, n, confidence, message):
    """A count outside its total and a confidence outside (0, 1) are refused."""
    with pytest.raises(InputError, match=message):
        clopper_pearson(k, n, confidence)


@LAW
@given(confusions)
def test_bootstrap_intervals_hold_the_middle(confusion):
    """Every rate has an interval in [0, 1], the same for the same seed."""
    found = bootstrap_intervals(confusion, seed=1, resamples=200)

    assert tuple(found) == RATES
    assert all(0 <= low <= high <= 1 for low, high in found.values())
    assert found == bootstrap_intervals(confusion, seed=1, resamples=200)


def test_the_bootstrap_is_that_of_the_items():
    """Drawing the four counts gives the interval that drawing items gives."""
    confusion = Confusion(tp=30, fp=5, fn=20, tn=159)
    kinds = np.repeat(np.arange(4), [30, 5, 20, 159])
    rng = np.random.default_rng(6)
    f1 = []
    for _ in range(4000):
        tp, fp, fn, _ = np.bincount(rng.choice(kinds, kinds.size), minlength=4)
        f1.append(2 * tp / (2 * tp + fp + fn))

    found = bootstrap_intervals(confusion, seed=0, resamples=20_000)

    assert found["f1"] == pytest.approx(tuple(np.quantile(f1, [0.025, 0.975])), abs=0.01)
    assert found["f1"][0] < confusion.f1 < found["f1"][1]


def test_the_bootstrap_is_the_same_in_every_run():
    """A seed gives these numbers (numpy 2.4.6), and another seed gives others."""
    confusion = Confusion(tp=30, fp=5, fn=20, tn=159)

    found = bootstrap_intervals(confusion, seed=0)

    assert found["recall"] == pytest.approx((0.4565122044, 0.7292067308), abs=1e-9)
    assert found != bootstrap_intervals(confusion, seed=1)


def test_more_confidence_is_a_wider_interval():
    """A 99 % interval holds the 80 % one."""
    confusion = Confusion(tp=30, fp=5, fn=20, tn=159)

    wide = bootstrap_intervals(confusion, seed=0, confidence=0.99)["f1"]
    narrow = bootstrap_intervals(confusion, seed=0, confidence=0.8)["f1"]

    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_bootstrap_sees_no_error_that_it_never_saw():
    """A rate of 0 stays 0 in all resamples, where Clopper–Pearson still leaves room."""
    confusion = Confusion(tp=3, fp=0, fn=0, tn=45)

    assert bootstrap_intervals(confusion, seed=0)["fpr"] == (0.0, 0.0)
    assert clopper_pearson(0, 45)[1] == pytest.approx(1 - 0.025 ** (1 / 45))


def test_the_bootstrap_refuses_nothing_to_draw():
    """No items, no resamples and a confidence of 1 are refused."""
    with pytest.raises(InputError, match="2000 resamples of 0 items"):
        bootstrap_intervals(Confusion(0, 0, 0, 0), seed=0)
    with pytest.raises(InputError, match="0 resamples of 4 items"):
        bootstrap_intervals(Confusion(1, 1, 1, 1), seed=0, resamples=0)
    with pytest.raises(InputError, match=r"inside \(0, 1\)"):
        bootstrap_intervals(Confusion(1, 1, 1, 1), seed=0, confidence=1.0)
