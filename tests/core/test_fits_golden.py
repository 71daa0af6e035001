"""Fitting probability maps: against scikit-learn, on stored numbers and on made-up ties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from sklearn.isotonic import IsotonicRegression

from calreg.calibrate.fits import fit_beta, fit_isotonic, fit_platt, fit_temperature
from calreg.methods import apply_method, softmax

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/fits/fits.json").read_text())
ONE, THREE = GOLDEN["one_label"], GOLDEN["three_labels"]
SCORES, TRUTH = np.array(ONE["scores"]), np.array(ONE["truth"], bool)


def test_platt_is_that_of_scikit_learn():
    """Slope and intercept are those of scikit-learn's sigmoid calibration to 1e-6."""
    assert fit_platt(SCORES, TRUTH) == pytest.approx(ONE["platt"], abs=1e-6)


def test_isotonic_is_that_of_scikit_learn():
    """Knots are scikit-learn's thresholds, and predictions its predictions, to 1e-12."""
    found = fit_isotonic(SCORES, TRUTH, direction="higher")

    assert list(found["x"]) == ONE["isotonic"]["x"]
    assert found["y"] == pytest.approx(ONE["isotonic"]["y"], abs=1e-12)
    predicted = apply_method("isotonic", found, SCORES)
    assert predicted == pytest.approx(ONE["isotonic"]["predicted"], abs=1e-12)


def test_beta_is_the_regression_without_a_penalty():
    """Beta's coefficients are scikit-learn's to its tolerance, and the loss is no higher."""
    found = fit_beta(SCORES, TRUTH, scale="logit")
    p = apply_method("beta", found, SCORES)

    assert [found[key] for key in "abc"] == pytest.approx([ONE["beta"][k] for k in "abc"], abs=1e-5)
    assert -np.log(np.where(TRUTH, p, 1 - p)).mean() <= ONE["beta"]["nll"] + 1e-15


def test_temperature_is_that_of_scikit_learn():
    """The softmax temperature is scikit-learn's to 1e-6, and the loss is no higher."""
    logits, labels = np.array(THREE["scores"]), np.array(THREE["truth"])
    columns = [(logits[:, i], labels == i) for i in range(3)]

    found = fit_temperature(columns, link="softmax", scale="logit")

    p = np.column_stack(softmax(found, list(logits.T)))[np.arange(labels.size), labels]
    assert found["temperature"] == pytest.approx(THREE["temperature"], rel=1e-6)
    assert -np.log(p).mean() <= THREE["nll"] + 1e-15


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=2, max_size=200),
    st.sampled_from(["higher", "lower"]),
)
def test_isotonic_is_that_of_scikit_learn_and_scipy_for_ties(rows, direction):
    """With ties, predictions are scikit-learn's, and of pooled scores scipy's, to 1e-12."""
    scores, truth = np.array([s for s, _ in rows]) / 8, np.array([t for _, t in rows])
    assume(len(set(scores)) > 1)
    assume(0 < truth.sum() < truth.size)
    distinct, place = np.unique(scores, return_inverse=True)
    totals = np.bincount(place)
    rates = np.bincount(place, weights=truth) / totals
    at = np.linspace(-1.5, 1.5, 61)

    found = fit_isotonic(scores, truth, direction=direction)

    is_rising = direction == "higher"
    theirs = IsotonicRegression(increasing=is_rising, out_of_bounds="clip").fit(scores, truth)
    assert apply_method("isotonic", found, at) == pytest.approx(theirs.predict(at), abs=1e-12)
    scipys = isotonic_regression(rates, weights=totals, increasing=is_rising).x
    assert apply_method("isotonic", found, distinct) == pytest.approx(scipys, abs=1e-12)


@pytest.mark.parametrize("direction", ["higher", "lower"])
@pytest.mark.parametrize("kind", ["smooth", "float32", "ties", "saturated", "far", "reversed"])
def test_isotonic_of_many_scores_is_that_of_scikit_learn(kind, direction):
    """Where not all scores are sorted, the curve is still scikit-learn's, knot for knot."""
    rng = np.random.default_rng(5)
    truth = rng.random(200_000) < 0.3
    scores = rng.normal(size=truth.size) + truth * 1.5
    scores = {
        "smooth": scores,
        "float32": scores.astype(np.float32).astype(np.float64),
        "ties": np.round(scores, 3),
        "saturated": np.clip(scores, -0.5, 1.0),
        "far": np.where(rng.random(truth.size) < 1e-5, scores * 1e6, scores),
        "reversed": -scores,
    }[kind]

    found = fit_isotonic(scores, truth, direction=direction)

    theirs = IsotonicRegression(increasing=direction == "higher").fit(scores, truth)
    assert np.array_equal(found["x"], theirs.X_thresholds_)
    assert found["y"] == pytest.approx(theirs.y_thresholds_, abs=1e-12)
