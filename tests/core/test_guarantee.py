from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calreg.calibrate.guarantee import (
    allowed_false_positives,
    empirical_false_positives,
    negatives_needed,
)
from calreg.errors import UsageError


def chance(negatives: int, allowed: int, rate: Fraction) -> Fraction:
    """P(Binomial(negatives, rate) <= allowed), exactly."""
    return sum(
        (comb(negatives, k) * rate**k * (1 - rate) ** (negatives - k) for k in range(allowed + 1)),
        Fraction(0),
    )


@pytest.mark.parametrize(("limit", "needed"), [(0.01, 299), (0.02, 149), (0.05, 59)])
def test_first_negatives_that_allow_none(limit, needed):
    """299 negatives are needed for 1 %, 149 for 2 % and 59 for 5 %, at 95 %."""
    assert negatives_needed(limit, 0.95) == needed
    assert allowed_false_positives(needed, limit, 0.95) == 0
    assert allowed_false_positives(needed - 1, limit, 0.95) is None


@given(
    negatives=st.integers(1, 400),
    limit=st.integers(1, 999).map(lambda n: n / 1000),
    confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
@settings(deadline=None, max_examples=150)
def test_allowed_is_the_most_that_keeps_the_risk(negatives, limit, confidence):
    """By exact binomial sums, one false positive more would break the guarantee."""
    rate, risk = Fraction(repr(limit)), 1 - Fraction(repr(confidence))

    allowed = allowed_false_positives(negatives, limit, confidence)

    if allowed is not None:
        assert chance(negatives, allowed, rate) <= risk
    more = 0 if allowed is None else allowed + 1
    assert more == negatives or chance(negatives, more, rate) > risk


@given(
    limit=st.integers(1, 999).map(lambda n: n / 1000),
    confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
@settings(deadline=None, max_examples=150)
def test_needed_is_where_the_first_guarantee_is(limit, confidence):
    """With one negative fewer than needed nothing is allowed, with as many at least none."""
    needed = negatives_needed(limit, confidence)

    assert allowed_false_positives(needed, limit, confidence) is not None
    assert allowed_false_positives(needed - 1, limit, confidence) is None


def test_equality_is_allowed():
    """A risk that is met exactly is kept: one negative at an even chance."""
    assert negatives_needed(0.5, 0.5) == 1
    assert allowed_false_positives(1, 0.5, 0.5) == 0
    assert allowed_false_positives(3, 0.5, 0.5) == 1
    assert negatives_needed(0.9, 0.99) == 2
    assert negatives_needed(0.1, 0.19) == 2


def test_absurd_limits_need_more_than_there_can_be():
    """A limit next to nothing asks for more negatives than anybody has."""
    assert negatives_needed(5e-324, 0.95) > 10**299
    assert allowed_false_positives(10**6, 5e-324, 0.95) is None


def test_large_numbers_agree_with_beta():
    """For ten million negatives the bound is the quantile of the Beta distribution."""
    n, limit = 10_000_000, 0.02

    allowed = allowed_false_positives(n, limit, 0.95)

    assert stats.beta.sf(limit, allowed + 1, n - allowed) <= 0.05
    assert stats.beta.sf(limit, allowed + 2, n - allowed - 1) > 0.05


def test_guarantee_needs_fewer_false_positives_than_the_limit():
    """What holds on fresh items is stricter than what holds on these."""
    assert allowed_false_positives(1000, 0.02, 0.95) == 12
    assert empirical_false_positives(1000, 0.02) == 20


@given(negatives=st.integers(0, 10**7), hundredths=st.integers(1, 99))
def test_empirical_is_exact(negatives, hundredths):
    """The rate is judged as the decimal that was written, not as its float."""
    assert empirical_false_positives(negatives, hundredths / 100) == negatives * hundredths // 100


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_what_is_no_rate_is_refused(value):
    """Limits and confidences outside (0, 1) are refused."""
    with pytest.raises(UsageError, match="expected a limit between 0 and 1"):
        allowed_false_positives(100, value, 0.95)
    with pytest.raises(UsageError, match="expected a confidence between 0 and 1"):
        negatives_needed(0.1, value)
