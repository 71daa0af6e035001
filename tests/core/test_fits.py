"""Fitting probability maps: the laws that every fit keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from calreg.calibrate.fits import (
    fit_beta,
    fit_histogram,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    score_cut,
)
from calreg.errors import InputError
from calreg.methods import apply_method

# A slow machine is no counter-example.
LAW = settings(deadline=None, max_examples=60)

FITS = {
    "sigmoid": lambda s, t: fit_temperature([(s, t)], link="sigmoid", scale="logit"),
    "sigmoid of probabilities": lambda s, t: fit_temperature(
        [(squeezed(s), t)], link="sigmoid", scale="probability"
    ),
    "softmax": lambda s, t: fit_temperature(softmax_columns(s, t), link="softmax", scale="logit"),
    "softmax of probabilities": lambda s, t: fit_temperature(
        softmax_columns(squeezed(s), t), link="softmax", scale="probability"
    ),
    "platt": fit_platt,
    "beta": lambda s, t: fit_beta(squeezed(s), t, scale="probability"),
    "beta of logits": lambda s, t: fit_beta(s, t, scale="logit"),
    "isotonic": lambda s, t: fit_isotonic(s, t, direction="higher"),
    "histogram": lambda s, t: fit_histogram(s, t, direction="higher"),
}


def squeezed(scores):
    return (1 / (1 + np.exp(-scores.astype(np.float64)))).astype(scores.dtype)


def softmax_columns(scores, truth):
    """Three labels' columns: of the rows that are not the first label's, two share the rest."""
    turned = 1 - scores if scores.min() >= 0 and scores.max() <= 1 else -scores
    is_even = np.arange(scores.size) % 2 == 0
    return [(scores, truth), (turned, ~truth & is_even), (turned / 2, ~truth & ~is_even)]


def labelled(seed=0, size=500, steps=None):
    """Logits that speak for the truth, some of them wrongly; `steps` makes ties."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, size)
    truth = rng.random(size) < 1 / (1 + np.exp(-scores / 2 + 0.5))
    return (scores if steps is None else np.round(scores * steps) / steps), truth


def nll(probabilities, truth):
    return -np.mean(np.log(np.where(truth, probabilities, 1 - probabilities)))


samples = st.builds(
    labelled,
    st.integers(0, 10_000),
    st.integers(60, 400),
    st.sampled_from([None, 1, 10]),
)


@LAW
@given(st.sampled_from(sorted(FITS)), samples, st.integers(0, 100))
def test_row_order_changes_no_digit(name, sample, seed):
    """Every fit is the same to the last digit for any order of rows."""
    scores, truth = sample
    order = np.random.default_rng(seed).permutation(scores.size)

    try:
        found = FITS[name](scores, truth)
    except InputError:
        assume(False)
    if "softmax" in name:
        columns = softmax_columns(squeezed(scores) if "prob" in name else scores, truth)
        scale = found["scale"]
        again = fit_temperature(
            [(s[order], t[order]) for s, t in columns], link="softmax", scale=scale
        )
    else:
        again = FITS[name](scores[order], truth[order])
    assert again == found


@LAW
@given(samples, st.floats(0.9, 1.1))
def test_no_other_temperature_is_better(sample, factor):
    """No neighbour of the fitted temperature has a lower negative log-likelihood."""
    scores, truth = sample
    found = FITS["sigmoid"](scores, truth)

    other = {**found, "temperature": found["temperature"] * factor}
    ours, theirs = (nll(apply_method("temperature", p, scores), truth) for p in (found, other))

    assert ours <= theirs + 1e-14


@LAW
@given(samples, st.floats(-0.05, 0.05), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_no_other_beta_curve_is_better(sample, by_a, by_b, by_c):
    """No neighbour of a fitted beta curve with a, b >= 0 has a lower NLL."""
    scores, truth = sample
    found = fit_beta(scores, truth, scale="logit")

    other = {
        **found,
        "a": max(0.0, found["a"] + by_a),
        "b": max(0.0, found["b"] + by_b),
        "c": found["c"] + by_c,
    }
    ours, theirs = (nll(apply_method("beta", p, scores), truth) for p in (found, other))

    assert found["a"] >= 0
    assert found["b"] >= 0
    assert ours <= theirs + 1e-14


@LAW
@given(samples, st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_no_other_sigmoid_is_better_by_platts_loss(sample, by_slope, by_intercept):
    """No neighbour of Platt's curve has a lower cross entropy with the smoothed targets."""
    scores, truth = sample
    positives, negatives = truth.sum(), (~truth).sum()
    targets = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    found = fit_platt(scores, truth)

    other = {
        "slope": found["slope"] + by_slope,
        "intercept": found["intercept"] + by_intercept,
    }
    losses = []
    for parameters in (found, other):
        p = apply_method("platt", parameters, scores)
        losses.append(-np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p)))

    assert losses[0] <= losses[1] + 1e-14


@pytest.mark.parametrize("name", ["sigmoid", "softmax", "beta", "beta of logits"])
def test_many_scores_fit_as_few(name):
    """The same shares of many more scores give the same map, to the last digit but one."""
    scores, truth = labelled(size=1000)
    many, many_truth = np.tile(scores, 250), np.tile(truth, 250)

    found, expected = FITS[name](many, many_truth), FITS[name](scores, truth)

    assert found == {
        key: value if isinstance(value, str) else pytest.approx(value, rel=1e-8)
        for key, value in expected.items()
    }


@pytest.mark.parametrize("name", ["sigmoid", "softmax", "platt", "beta", "isotonic"])
def test_row_order_changes_no_digit_of_many_scores(name):
    """Where a fit starts from some of the rows, their order still changes no digit."""
    scores, truth = labelled(size=250_000)
    order = np.random.default_rng(1).permutation(scores.size)

    if name == "softmax":
        columns = softmax_columns(scores, truth)
        turned = [(s[order], t[order]) for s, t in columns]
        found, again = (fit_temperature(c, link=name, scale="logit") for c in (columns, turned))
    else:
        found, again = FITS[name](scores, truth), FITS[name](scores[order], truth[order])

    assert again == found


@pytest.mark.parametrize("scale", ["logit", "probability"])
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_a_temperature_of_float32_is_that_of_the_same_float64(link, scale):
    """float32 scores give the temperature of the same scores as float64, to the last digit."""
    scores, truth = labelled()
    narrow = scores.astype(np.float32)
    columns = softmax_columns(squeezed(narrow) if scale == "probability" else narrow, truth)
    wide = [(scores.astype(np.float64), truth) for scores, truth in columns]
    if (link, scale) == ("sigmoid", "probability"):
        columns, wide = columns[:1], wide[:1]

    found, expected = (fit_temperature(c, link=link, scale=scale) for c in (columns, wide))

    assert found == expected


@pytest.mark.parametrize(
    "fit", [fit_platt, FITS["beta of logits"], FITS["isotonic"], FITS["histogram"]]
)
def test_a_fit_of_float32_is_that_of_the_same_float64(fit):
    """float32 scores give the map of the same scores as float64, to the last digit."""
    scores, truth = labelled()
    narrow = scores.astype(np.float32)

    assert fit(narrow, truth) == fit(narrow.astype(np.float64), truth)


def test_float32_moves_a_temperature_by_its_rounding_only():
    """A temperature of float32 logits is that of the float64 ones to 1e-6."""
    scores, truth = labelled(size=5000)

    wide, narrow = (FITS["sigmoid"](s, truth) for s in (scores, scores.astype(np.float32)))

    assert narrow["temperature"] == pytest.approx(wide["temperature"], rel=1e-6)


@LAW
@given(samples)
def test_mirrored_scores_mirror_the_fit(sample):
    """Turned scores with direction lower get the same probabilities."""
    scores, truth = sample
    for fit, method in ((fit_isotonic, "isotonic"), (fit_histogram, "histogram")):
        up = fit(scores, truth, direction="higher")
        down = fit(-scores, truth, direction="lower")

        assert apply_method(method, down, -scores) == pytest.approx(
            apply_method(method, up, scores), abs=1e-12
        )
    up, down = fit_platt(scores, truth), fit_platt(-scores, truth)
    assert down == {"slope": -up["slope"], "intercept": up["intercept"]}


@LAW
@given(samples, st.sampled_from(["higher", "lower"]))
def test_isotonic_knots_ascend_and_values_never_turn(sample, direction):
    """Knots ascend strictly; values go one way and are rates of the items on each flat."""
    scores, truth = sample

    found = fit_isotonic(scores, truth, direction=direction)

    x, y = np.array(found["x"]), np.array(found["y"])
    assert np.all(np.diff(x) > 0)
    assert np.all(np.diff(y) >= 0 if direction == "higher" else np.diff(y) <= 0)
    for value in np.unique(y):
        ends = x[y == value]
        inside = (scores >= ends[0]) & (scores <= ends[-1])
        assert value == np.count_nonzero(truth[inside]) / np.count_nonzero(inside)


@LAW
@given(samples, st.integers(2, 30))
def test_bins_never_split_ties_and_hold_rates(sample, bins):
    """Each bin's value is the rate of truth of its scores, and there are at most so many."""
    scores, truth = sample

    found = fit_histogram(scores, truth, bins=bins, direction="higher")

    place = np.searchsorted(found["edges"], scores, side="right")
    assert 2 <= len(found["values"]) <= bins
    rates = [float(truth[place == i].mean()) for i in range(len(found["values"]))]
    assert rates == list(found["values"])


def test_bins_of_distinct_scores_are_equal():
    """Without ties, every bin holds the same number of scores, up to one."""
    scores, truth = labelled(size=1000)

    found = fit_histogram(scores, truth, bins=15, direction="higher")

    sizes = np.bincount(np.searchsorted(found["edges"], scores, side="right"))
    assert len(sizes) == 15
    assert set(sizes) <= {66, 67}


MAPS = {
    "temperature": FITS["sigmoid"],
    "platt": fit_platt,
    "beta": lambda s, t: fit_beta(s, t, scale="logit"),
    "isotonic": lambda s, t: fit_isotonic(s, t, direction="higher"),
}


@LAW
@given(st.sampled_from(sorted(MAPS)), samples, st.integers(0, 59), st.booleans())
def test_a_cut_decides_as_the_output_does(method, sample, place, narrow):
    """Scores from the cut on are exactly those whose output reaches the threshold; all, by none."""
    scores, truth = sample
    scores = scores.astype(np.float32) if narrow else scores
    parameters = MAPS[method](scores, truth)
    outputs = apply_method(method, parameters, scores.astype(np.float64))

    cut = score_cut(method, parameters, scores, float(outputs[place]), "higher")

    if cut is None:
        assert method in {"isotonic", "histogram"}
        assert (outputs >= outputs[place]).all()
    else:
        assert np.array_equal(scores.astype(np.float64) >= cut, outputs >= outputs[place])


def test_a_cut_of_falling_maps_is_the_highest_score():
    """With direction lower, the cut is the highest score that fires."""
    scores = np.array([0.0, 1.0, 2.0, 3.0])

    cut = score_cut("platt", {"slope": -1.0, "intercept": 1.0}, scores, 0.5, "lower")

    assert cut == 1.0


@pytest.mark.parametrize(
    ("method", "parameters", "threshold", "direction"),
    [
        ("platt", {"slope": 1.0, "intercept": 0.0}, 0.999, "higher"),
        ("platt", {"slope": 1.0, "intercept": 0.0}, None, "higher"),
        ("platt", {"slope": 1.0, "intercept": 0.0}, 0.5, "lower"),
        ("platt", {"slope": -1.0, "intercept": 0.0}, 0.5, "higher"),
        ("histogram", {"edges": (0.5, 1.5), "values": (0.5, 0.25, 0.75)}, 0.5, "higher"),
        ("histogram", {"edges": (0.5,), "values": (0.5, 0.5)}, 0.5, "higher"),
        ("isotonic", {"x": (0.0, 1.0), "y": (1.0, 0.0)}, 0.5, "higher"),
        ("isotonic", {"x": (0.0, 1.0), "y": (0.25, 0.75)}, 0.25, "higher"),
        ("isotonic", {"x": (0.0, 1.0), "y": (0.75, 0.25)}, 0.25, "lower"),
        ("histogram", {"edges": (0.5,), "values": (0.25, 0.75)}, 0.25, "higher"),
        ("temperature", {"temperature": 1.0, "link": "softmax", "scale": "logit"}, 0.5, "higher"),
        ("temperature", {"temperature": 1.0, "link": "sigmoid", "scale": "logit"}, 0.5, "lower"),
    ],
)
def test_there_is_no_cut(method, parameters, threshold, direction):
    """No cut where nothing fires, where all do for good, or the map does not go the label's way."""
    scores = np.array([0.0, 1.0, 2.0])

    assert score_cut(method, parameters, scores, threshold, direction) is None


@pytest.mark.parametrize("zeros", [(-0.0, 0.0), (0.0, -0.0)])
@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_a_cut_at_zero_has_no_sign(zeros, direction):
    """Of two zeros the cut is 0.0, whichever comes first: documents do not depend on rows."""
    scores = np.array([-1.0, *zeros, 1.0])
    slope = 1.0 if direction == "higher" else -1.0

    cut = score_cut("platt", {"slope": slope, "intercept": 0.0}, scores, 0.5, direction)

    assert (cut, np.copysign(1.0, cut)) == (0.0, 1.0)


def test_a_histogram_that_rises_has_a_cut():
    """A histogram whose values never fall is cut at the lowest score of its first firing bin."""
    parameters = {"edges": (0.5, 1.5), "values": (0.25, 0.25, 0.75)}

    assert (
        score_cut("histogram", parameters, np.array([0.0, 1.0, 1.75, 2.0]), 0.5, "higher") == 1.75
    )
