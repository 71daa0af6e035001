"""Softmax: the probabilities that the labels of a head share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import special

from calreg.errors import InputError
from calreg.methods import BLOCK, softmax

LOGIT = {"temperature": 1.0, "link": "softmax", "scale": "logit"}
PROBABILITY = {**LOGIT, "scale": "probability"}
SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6)
LOGITS = arrays(np.float64, SHAPES, elements=st.floats(-800, 800))
ANY = arrays(np.float64, SHAPES, elements=st.floats(allow_nan=False, allow_infinity=False))


def shared(columns, parameters=LOGIT):
    return np.array(softmax(parameters, list(columns)))


@given(LOGITS, st.floats(0.05, 50))
def test_it_is_scipys(columns, temperature):
    """Probabilities are scipy.special.softmax(logits / temperature), to 1e-15."""
    expected = special.softmax(columns / temperature, axis=0)

    found = shared(columns, {**LOGIT, "temperature": temperature})
    assert np.allclose(found, expected, rtol=1e-11, atol=1e-15)


@given(ANY, st.floats(0.01, 100))
def test_probabilities_sum_to_one(columns, temperature):
    """Whatever finite logits come, every item's probabilities are in [0, 1] and sum to 1."""
    found = shared(columns, {**LOGIT, "temperature": temperature})

    assert ((found >= 0) & (found <= 1)).all()
    assert np.allclose(found.sum(axis=0), 1, rtol=1e-14)


@given(ANY)
def test_the_order_of_labels_is_kept(columns):
    """For an item, the label of the higher logit never has the lower probability."""
    order = np.argsort(columns, axis=0)

    found = np.take_along_axis(shared(columns), order, axis=0)
    assert (np.diff(found, axis=0) >= 0).all()


@given(LOGITS, st.randoms(use_true_random=False))
def test_the_order_of_columns_changes_no_bit(columns, random):
    """Labels may come in any order: each gets the same probability, to the last bit."""
    order = list(range(len(columns)))
    random.shuffle(order)

    assert shared(columns)[order].tobytes() == shared(columns[order]).tobytes()


def test_many_labels():
    """A thousand labels sum up as exactly as two."""
    logits = np.random.default_rng(9).normal(size=(1000, 50)) * 5

    assert np.allclose(shared(logits), special.softmax(logits, axis=0), rtol=1e-13)


def test_logits_of_1e308():
    """Logits of ±1e308 are certain, and two equal ones share."""
    columns = [[1e308, -1e308, 1e308], [-1e308, 1e308, 1e308]]

    found = shared(columns, {**LOGIT, "temperature": 0.001})
    assert found.tolist() == [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]


def test_two_labels_are_a_sigmoid():
    """A softmax of two labels is the sigmoid of their difference."""
    a, b = np.random.default_rng(1).normal(size=(2, 100)) * 9

    assert np.allclose(shared([a, b])[0], special.expit(a - b), rtol=1e-14)


def test_scores_on_the_probability_scale():
    """Probabilities at temperature 1 come back, over their sum; clipped before the logarithm."""
    columns = np.array([[0.2, 0.5, 0.0], [0.6, 0.5, 1.00001]])

    found = shared(columns, PROBABILITY)
    assert np.allclose(found[:, :2], [[0.25, 0.5], [0.75, 0.5]], rtol=1e-15)
    assert np.allclose(found[:, 2], [1e-7, 1 - 1e-7], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("parameters", [LOGIT, PROBABILITY])
def test_an_item_is_known_as_a_whole(bad, parameters):
    """A score that is no number makes its item NaN for every label, and no other item."""
    found = shared([[0.1, bad, 0.3], [0.4, 0.5, 0.6]], parameters)

    assert np.isnan(found).tolist() == [[False, True, False]] * 2


def test_precision_is_kept_per_column():
    """float32 columns stay float32, rounded once from what float64 gives."""
    columns = np.random.default_rng(2).normal(size=(3, 500)).astype(np.float32)

    found = softmax(LOGIT, list(columns))
    exact = softmax(LOGIT, list(columns.astype(np.float64)))
    assert [column.dtype for column in found] == [np.float32] * 3
    assert np.array_equal(found, np.array(exact, np.float32))
    mixed = softmax(LOGIT, [columns[0], columns[1].astype(np.float64)])
    assert [column.dtype for column in mixed] == [np.float32, np.float64]


def test_blocks_and_layout_do_not_show():
    """Long, strided and two-dimensional columns give what each item gives."""
    logits = np.random.default_rng(3).normal(size=(3, 2, BLOCK + 7))[:, :, ::-2]

    found = shared(logits)
    assert np.allclose(found, special.softmax(logits, axis=0), rtol=1e-14)
    assert np.array_equal(found[:, 1, -3:], shared(logits[:, 1, -3:]))


def test_scalars_and_nothing():
    """One item gives one number per label, no items none."""
    assert [np.ndim(found) for found in softmax(LOGIT, [1.0, 2.0])] == [0, 0]
    assert shared([[], []]).shape == (2, 0)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([], "two labels or more, got 0"),
        ([[0.5]], "two labels or more, got 1"),
        ([[0.5], [0.5, 0.5]], r"differ in shape: \(1,\) and \(2,\)"),
        ([[0.5], ["a"]], "expected numbers"),
    ],
)
def test_columns_that_are_no_head_are_refused(columns, words):
    """A softmax takes numbers of one shape, of two labels or more."""
    with pytest.raises(InputError, match=words):
        softmax(LOGIT, columns)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), None, "hot"])
def test_a_temperature_that_is_none_is_refused(temperature):
    """A temperature is a finite number above 0."""
    with pytest.raises(InputError, match="'temperature'"):
        softmax({**LOGIT, "temperature": temperature}, [[0.5], [0.5]])
