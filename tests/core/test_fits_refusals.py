"""Fitting probability maps: what has no best map is refused, and in which words."""

from __future__ import annotations

import numpy as np
import pytest

from calreg.calibrate.fits import (
    fit_beta,
    fit_histogram,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)
from calreg.calibrate.fits.isotonic import refuse_too_many
from calreg.errors import InputError, UsageError

TRUTH = np.array([False, True, False, True])

ONE_LABEL = {
    "temperature": lambda s, t: fit_temperature([(s, t)], link="sigmoid", scale="logit"),
    "platt": fit_platt,
    "beta": lambda s, t: fit_beta(s, t, scale="probability"),
    "isotonic": lambda s, t: fit_isotonic(s, t, direction="higher"),
    "histogram": lambda s, t: fit_histogram(s, t, direction="higher"),
}


@pytest.mark.parametrize("name", ONE_LABEL)
@pytest.mark.parametrize(
    ("scores", "truth", "says"),
    [
        (np.full(4, 0.5), TRUTH, r"all scores are 0\.5: they cannot tell truth apart"),
        (np.arange(4) / 4, np.ones(4, bool), "truth is 1 for all 4 scores, expected both"),
        (np.arange(4) / 4, np.zeros(4, bool), "truth is 0 for all 4 scores, expected both"),
        (np.array([0.0, np.nan, 0.5, 1.0]), TRUTH, "must be finite"),
        (np.array([0.0, np.inf, 0.5, 1.0]), TRUTH, "must be finite"),
        (np.zeros(0), np.zeros(0, bool), "no scores to fit"),
        (np.zeros(3), TRUTH, "one truth per score, got 4 for 3"),
    ],
)
def test_nothing_to_fit(name, scores, truth, says):
    """Constant scores, truth of one class and scores that are no numbers are refused by name."""
    if name == "temperature" and scores.size != truth.size:
        says = "one truth per score"

    with pytest.raises(InputError, match=says):
        ONE_LABEL[name](scores, truth)


@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_perfect_separation_has_no_temperature(link):
    """Scores that separate the truth have no best temperature, and none is made up."""
    scores = np.array([-1.0, 2.0, -0.5, 1.0])
    columns = [(scores, TRUTH), (-scores, ~TRUTH)]

    with pytest.raises(InputError, match="no finite optimum: the scores separate the truth perf"):
        fit_temperature(columns, link=link, scale="logit")


@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_scores_that_say_nothing_have_no_temperature(link):
    """Scores that lean against the truth have no best temperature, and none is made up."""
    scores = np.array([1.0, -2.0, 0.5, 1.0])
    columns = [(scores, TRUTH), (-scores, ~TRUTH)]

    with pytest.raises(InputError, match="scores say nothing about the truth") as refused:
        fit_temperature(columns, link=link, scale="logit")
    assert "platt" in refused.value.hint


def test_a_temperature_below_all_reason_is_refused():
    """Scores on another scale than logits get no temperature from the end of a range."""
    scores = np.array([-1.0, 2.0, -0.5, 1.0] * 50 + [-0.01]) * 1e-6
    truth = np.append(np.tile(TRUTH, 50), [True])

    with pytest.raises(InputError, match=r"best temperature is below 0\.001"):
        fit_temperature([(scores, truth)], link="sigmoid", scale="logit")


def test_a_softmax_counts_rows_without_one_true_label():
    """Rows with no true label and with several are counted apart."""
    scores = np.arange(4.0)
    columns = [
        (scores, np.array([True, False, True, False])),
        (scores, np.array([True, True, False, False])),
    ]

    with pytest.raises(InputError, match="1 of 4 rows have none and 1 have several"):
        fit_temperature(columns, link="softmax", scale="logit")


def test_a_softmax_needs_aligned_rows():
    """Columns of different length are refused with their lengths."""
    columns = [(np.arange(4.0), TRUTH), (np.arange(3.0), ~TRUTH[:3])]

    with pytest.raises(InputError, match="same rows for every label, got 3 to 4"):
        fit_temperature(columns, link="softmax", scale="logit")


def test_a_softmax_needs_two_labels():
    """One label alone is no softmax."""
    with pytest.raises(InputError, match="two labels or more, got 1"):
        fit_temperature([(np.arange(4.0), TRUTH)], link="softmax", scale="logit")


def test_no_columns_are_refused():
    """A head without labels has nothing to fit."""
    with pytest.raises(InputError, match="no scores to fit"):
        fit_temperature([], link="sigmoid", scale="logit")


def test_unknown_words_are_usage_errors():
    """A link or scale that does not exist, or one bin, is the caller's mistake."""
    scores = np.arange(4.0) / 4
    with pytest.raises(UsageError, match="link 'probit'"):
        fit_temperature([(scores, TRUTH)], link="probit", scale="logit")
    with pytest.raises(UsageError, match="scale 'odds'"):
        fit_beta(scores, TRUTH, scale="odds")
    with pytest.raises(UsageError, match="2 to 1,001 bins, got 1"):
        fit_histogram(scores, TRUTH, bins=1, direction="higher")


@pytest.mark.parametrize("end", [-0.02, 1.02])
def test_scores_far_beyond_the_unit_are_no_probabilities(end):
    """Scores beyond [-0.01, 1.01] are refused as probabilities, for logits are meant."""
    scores = np.array([0.2, 0.4, 0.3, end])

    for name in ("beta",):
        with pytest.raises(InputError, match=r"are no probabilities, expected 0 to 1"):
            ONE_LABEL[name](scores, TRUTH)
    with pytest.raises(InputError, match=r"are no probabilities, expected 0 to 1"):
        fit_temperature([(scores, TRUTH)], link="sigmoid", scale="probability")
    with pytest.raises(InputError, match=r"are no probabilities, expected 0 to 1"):
        fit_temperature([(scores, TRUTH), (scores, ~TRUTH)], link="softmax", scale="probability")


@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_scores_beyond_all_reason_are_no_logits(link):
    """Scores whose powers are no numbers are refused as logits."""
    scores = np.array([1.0, 2.0, -1.0, 1e120])

    with pytest.raises(InputError, match=r"to 1e\+120 are no logits"):
        fit_temperature([(scores, TRUTH), (-scores, ~TRUTH)], link=link, scale="logit")


@pytest.mark.parametrize("far", [1e3, 1e8, 1e12])
def test_far_logits_break_nothing(far):
    """Softmax logits far apart have a temperature, or are refused; nothing overflows."""
    scores = np.array([1.0, 2.0, -1.0, 3.0] * 3 + [-0.5, far])
    truth = np.append(np.tile(TRUTH, 3), [True, True])

    found = fit_temperature([(scores, truth), (-scores, ~truth)], link="softmax", scale="logit")

    assert 0.1 < found["temperature"] < 10


def test_beta_ignores_a_logarithm_that_is_constant():
    """Logits so high that ln(s) is 0 throughout are fitted by ln(1 - s) alone."""
    scores = np.array([60.0, 90.0, 70.0, 100.0, 80.0, 65.0])
    truth = np.array([False, True, True, True, False, False])

    found = fit_beta(scores, truth, scale="logit")

    assert found["a"] == 0.0
    assert found["b"] > 0


def test_scores_just_above_one_are_fitted():
    """FastText's 1.00001 counts as 1 - 1e-7, in every method that reads probabilities."""
    scores = np.array([1.00001, 0.2, 0.6, 0.4, 0.1, 1.00001, 0.9, 0.3], np.float32)
    truth = np.array([1, 0, 1, 1, 0, 1, 0, 0], bool)
    at_one = np.where(scores > 1, np.float32(1), scores)

    assert fit_beta(scores, truth, scale="probability") == fit_beta(
        at_one, truth, scale="probability"
    )
    assert fit_temperature([(scores, truth)], link="sigmoid", scale="probability") == (
        fit_temperature([(at_one, truth)], link="sigmoid", scale="probability")
    )


@pytest.mark.parametrize("scale", ["logit", "probability"])
def test_separated_truth_has_no_beta_curve(scale):
    """Scores that part the truth, be it at a tie, have no steepest curve."""
    scores = np.array([0.1, 0.6, 0.6, 0.9])

    with pytest.raises(InputError, match="no finite optimum: the scores separate") as refused:
        fit_beta(scores, TRUTH, scale=scale)
    assert "platt" in refused.value.hint


@pytest.mark.parametrize("scores", [[0.9, 0.1, 0.6, 0.4], [0.9, 0.1, 0.3, 0.4, 0.2, 0.3]])
def test_falling_truth_has_no_beta_curve(scores):
    """Where low scores speak for the label, beta is refused and other methods are named."""
    truth = np.array([False, True, False, True, True, False])[: len(scores)]

    with pytest.raises(InputError, match="higher scores do not go with truth 1") as refused:
        fit_beta(np.array(scores), truth, scale="probability")
    assert "'platt' or 'isotonic'" in refused.value.hint


def test_separated_truth_has_a_platt_curve():
    """Smoothed targets give scores that separate the truth a finite slope."""
    found = fit_platt(np.array([-2.0, 2.0, -1.0, 1.0]), np.array([False, True, False, True]))

    assert 0 < found["slope"] < 10


def test_scores_without_a_slope_are_refused():
    """Scores whose best sigmoid is flat say nothing, and are told so."""
    with pytest.raises(InputError, match="say nothing about the truth: Platt's slope is 0"):
        fit_platt(np.array([0.0, 0.0, 1.0, 1.0]), TRUTH)


def test_more_knots_than_a_document_holds_are_refused():
    """A curve of more than 100,000 knots is refused with their number."""
    refuse_too_many(100_000)

    with pytest.raises(InputError, match="has 100,001 knots, at most 100,000"):
        refuse_too_many(100_001)
