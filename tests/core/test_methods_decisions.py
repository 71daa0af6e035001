"""What fires: decisions on raw scores, exact on every machine."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from calreg.documents import Decision, Distribution, LabelCalibration
from calreg.errors import InputError
from calreg.methods import apply_head, apply_method, fires, head_columns, head_fires

SCORES = st.floats(-20, 20)
SIGMOID = {"temperature": 2.0, "link": "sigmoid", "scale": "logit"}
SOFTMAX = {**SIGMOID, "link": "softmax"}
HISTOGRAM = {"edges": (0.5,), "values": (0.2, 0.9)}


def label(method="threshold", threshold=0.5, *, parameters=None, direction="higher", cut=None):
    """A label with a decision; `cut` is its score_threshold."""
    falls = method == "threshold" and direction == "lower"
    status = "infeasible" if threshold is None else "ok"
    decision = Decision(threshold, "<=" if falls else ">=", "max-f1", status, score_threshold=cut)
    return LabelCalibration(method, parameters or {}, Distribution(100), direction, decision)


def fired(numbers, scores, **options):
    return fires(numbers, scores, **options).tolist()


# One label


def test_a_threshold_itself_fires():
    """Equal to the threshold is enough, in either direction."""
    scores = [0.4, 0.5, 0.6]

    assert fired(label(), scores) == [False, True, True]
    assert fired(label(direction="lower"), scores) == [True, True, False]


@pytest.mark.parametrize("cut", [0.1, 0.9669240117073059, 1e-300, -0.1, 1e300, -1e300])
@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_a_float32_score_is_not_rounded_to_the_threshold(cut, direction):
    """A float32 score just beyond a float64 threshold does not fire, however near it is."""
    with np.errstate(over="ignore", under="ignore"):
        near = np.float32(cut)
    scores = np.array([np.nextafter(near, np.float32(-9)), near], np.float32)
    scores = np.append(scores, np.nextafter(near, np.float32(9)))

    wide = scores.astype(np.float64)
    expected = (wide >= cut) if direction == "higher" else (wide <= cut)
    expected &= np.isfinite(wide)
    for numbers in (
        label(threshold=cut, direction=direction),
        label("platt", parameters={"slope": 1.0, "intercept": 0.0}, cut=cut, direction=direction),
    ):
        assert fired(numbers, scores) == expected.tolist()


def test_the_float32_trap():
    """The float32 next to 0.7 lies below it, and does not fire."""
    scores = np.array([0.7], np.float32)

    assert float(scores[0]) < 0.7
    assert scores[0] >= 0.7  # what NumPy 2 makes of a Python float
    assert fired(label(threshold=0.7), scores) == [False]


@given(SCORES, SCORES, st.floats(0.1, 9), st.floats(-5, 5))
def test_a_cut_decides_as_the_output_does(score, cut, slope, intercept):
    """Away from ties the cut on the raw score and the threshold on the output agree."""
    parameters = {"slope": slope, "intercept": intercept}
    output, threshold = apply_method("platt", parameters, [score, cut])
    assume(abs(output - threshold) > 1e-12)

    by_cut = label("platt", threshold, parameters=parameters, cut=cut)
    by_output = label("platt", threshold, parameters=parameters)
    assert fired(by_cut, [score]) == fired(by_output, [score])


@given(SCORES, SCORES, st.floats(0.1, 9))
def test_a_cut_from_above_decides_as_the_output_does(score, cut, slope):
    """Where low scores speak for the label, the cut is from above and the output still >=."""
    parameters = {"slope": -slope, "intercept": 0.5}
    output, threshold = apply_method("platt", parameters, [score, cut])
    assume(abs(output - threshold) > 1e-12)

    by_cut = label("platt", threshold, parameters=parameters, cut=cut, direction="lower")
    by_output = label("platt", threshold, parameters=parameters, direction="lower")
    assert fired(by_cut, [score]) == fired(by_output, [score])


def test_the_cut_has_the_last_word():
    """Where cut and threshold disagree, the cut decides: it is exact everywhere."""
    numbers = label("temperature", 0.75, parameters=SIGMOID, cut=0.0)

    assert fired(numbers, [-0.1, 0.0]) == [False, True]


def test_without_a_cut_the_output_decides():
    """A map without a cut computes the output, unrounded, and compares that."""
    assert fired(label("temperature", 0.5, parameters=SIGMOID), [-0.1, 0.0]) == [False, True]
    assert fired(label("histogram", 0.9, parameters=HISTOGRAM), [0.4, 0.5]) == [False, True]
    rounded = np.array([0.4, 0.5], np.float32)
    assert fired(label("histogram", 0.9, parameters=HISTOGRAM), rounded) == [False, True]


@pytest.mark.parametrize(
    "numbers",
    [
        label(threshold=-1e308),
        label(threshold=1e308, direction="lower"),
        label("temperature", 0.0, parameters=SIGMOID),
        label("temperature", 0.0, parameters=SIGMOID, cut=-1e308),
        label("histogram", 0.0, parameters=HISTOGRAM),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_no_number_never_fires(numbers, dtype):
    """NaN and infinities do not fire, not even where every number does."""
    scores = np.array([np.nan, np.inf, -np.inf, 0.5], dtype)

    assert fired(numbers, scores) == [False, False, False, True]


@pytest.mark.parametrize(
    "numbers",
    [
        label(threshold=None),
        label("temperature", None, parameters=SIGMOID),
        label("temperature", None, parameters=SOFTMAX),
        label("histogram", None, parameters=HISTOGRAM),
    ],
)
def test_null_never_fires(numbers):
    """Without a threshold nothing fires, also no score of 1.00001 or 1e308."""
    assert fired(numbers, [0.5, 1.0, 1.00001, 1e308]) == [False] * 4


def test_shapes_are_kept():
    """Decisions have the shape of the scores; a scalar gives a scalar."""
    for numbers in (label(), label(threshold=None), label("histogram", parameters=HISTOGRAM)):
        assert fires(numbers, np.zeros((2, 3))).shape == (2, 3)
        assert fires(numbers, []).shape == (0,)
        assert np.ndim(fires(numbers, 0.5)) == 0
        assert fires(numbers, 0.5).dtype == np.bool_


def test_masked_scores_do_not_fire():
    """The number below a mask does not fire."""
    scores = np.ma.masked_array([0.9, 0.9], mask=[False, True])

    assert fired(label(), scores) == [True, False]


def test_a_softmax_decides_on_what_it_is_given():
    """A softmax compares the probabilities that were computed for the head as a whole."""
    numbers = label("temperature", 0.5, parameters=SOFTMAX)

    assert fired(numbers, [1.0, 1.0, np.inf], output=[0.4, 0.5, 0.9]) == [False, True, False]
    with pytest.raises(InputError, match="all its labels"):
        fires(numbers, [1.0])
    with pytest.raises(InputError, match=r"expected shape \(1,\), got \(2,\)"):
        fires(numbers, [1.0], output=[0.5, 0.5])


@pytest.mark.parametrize(
    ("method", "parameters"),
    [("minmax", {"p5": 0.1, "p95": 0.9}), ("platt", {"slope": 1.0, "intercept": 0.0})],
)
def test_no_decision_is_no_guess(method, parameters):
    """A label without a threshold is refused, not decided at 0.5."""
    numbers = LabelCalibration(method, parameters, Distribution(100))

    with pytest.raises(InputError, match=f"'{method}' without a threshold"):
        fires(numbers, [0.5])


@pytest.mark.parametrize("threshold", [0.5, None])
def test_text_is_refused(threshold):
    """What is no number is refused, also where nothing could fire."""
    with pytest.raises(InputError, match="expected numbers"):
        fires(label(threshold=threshold), ["high"])


# A head


def test_a_head_of_different_methods():
    """Labels of one head may have different methods, applied and decided together."""
    labels = {
        "a": label("histogram", 0.9, parameters=HISTOGRAM),
        "b": label("temperature", 0.5, parameters=SIGMOID),
        "c": label(),
    }

    outputs = apply_head(labels, {"b": [0.0, 1.0], "a": [0.4, 0.5]})
    assert list(outputs) == ["b", "a"]
    assert outputs["a"].tolist() == [0.2, 0.9]
    assert outputs["b"][0] == 0.5
    decided = head_fires(labels, {"a": [0.4, 0.5], "c": [0.4, 0.5]})
    assert {name: found.tolist() for name, found in decided.items()} == {
        "a": [False, True],
        "c": [False, True],
    }
    assert apply_head(labels, {}) == {}


def test_a_head_with_a_softmax():
    """The labels of a softmax get their probabilities, by name and in any order."""
    labels = {name: label("temperature", 0.5, parameters=SOFTMAX) for name in "ab"}
    columns = {"b": [4.0, 0.0, np.nan], "a": [0.0, 0.0, 9.0]}

    outputs = apply_head(labels, columns)
    decided = head_fires(labels, columns)
    assert list(outputs) == ["b", "a"]
    assert outputs["b"][0] == pytest.approx(1 / (1 + np.exp(-2)))
    assert decided["b"].tolist() == [True, True, False]
    assert decided["a"].tolist() == [False, True, False]


def test_float32_softmax_decides_in_float64():
    """Decisions of a softmax do not change by the precision in which outputs are kept."""
    scores = np.random.default_rng(4).normal(size=(2, 400)).astype(np.float32)
    exact = apply_head(
        {name: label("temperature", parameters=SOFTMAX) for name in "ab"},
        {"a": scores[0].astype(float), "b": scores[1].astype(float)},
    )["a"]
    cut = float(np.median(exact[exact != exact.astype(np.float32)]))

    labels = {name: label("temperature", cut, parameters=SOFTMAX) for name in "ab"}
    decided = head_fires(labels, {"a": scores[0], "b": scores[1]})
    assert decided["a"].tolist() == (exact >= cut).tolist()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": [0.5]}, "no label 'x' in this head; it has a, b"),
        ({"a": [0.5]}, "missing: b"),
        ({"a": [0.5], "b": [0.5, 0.6]}, r"'a' has \(1,\), 'b' \(2,\)"),
        ({"a": [0.5], "b": ["high"]}, "label 'b': scores: expected numbers"),
    ],
)
def test_columns_that_are_not_the_heads_are_refused(columns, words):
    """Unknown labels, missing ones, other shapes and text are refused by name."""
    labels = {name: label("temperature", parameters=SOFTMAX) for name in "ab"}

    with pytest.raises(InputError, match=words):
        head_columns(labels, columns)
