"""Minmax, and what every method does alike with arrays: the arithmetic and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.errors import InputError
from calreg.methods import BLOCK, apply_method

UNIT = {"p5": 0.1, "p95": 0.9}
SCORES = st.floats(-10, 10)
RANGES = st.tuples(st.floats(-5, 5), st.floats(0.001, 5)).map(
    lambda pair: {"p5": pair[0], "p95": pair[0] + pair[1]}
)


def minmax(scores, parameters=UNIT, **options):
    return apply_method("minmax", parameters, scores, **options)


@given(st.lists(SCORES), RANGES)
def test_minmax_is_the_formula(scores, parameters):
    """Calibrated scores are clip((x - p5) / (p95 - p5), 0, 1), to the last bit."""
    p5, p95 = parameters["p5"], parameters["p95"]

    expected = np.clip((np.array(scores, float) - p5) / (p95 - p5), 0, 1)
    assert minmax(scores, parameters).tobytes() == expected.tobytes()


@given(SCORES, SCORES, RANGES, st.sampled_from([np.float32, np.float64]))
def test_a_higher_score_stays_higher(a, b, parameters, dtype):
    """A higher raw score never gets the lower calibrated score, and all are in [0, 1]."""
    low, high = sorted((a, b))

    first, second = minmax(np.array([low, high], dtype), parameters)
    assert 0 <= first <= second <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    """float32 scores stay float32 and float64 stay float64."""
    assert minmax(np.zeros(3, dtype)).dtype == dtype


@pytest.mark.parametrize("scores", [[0, 1], np.array([0, 1], np.int8), np.array([0, 1], "f2")])
def test_other_numbers_become_float64(scores):
    """Integers and half floats are calibrated as float64."""
    assert minmax(scores).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_known_is_no_number(bad, dtype):
    """NaN and infinities give NaN, and only for themselves."""
    found = minmax(np.array([0.0, bad, 1.0], dtype))

    assert np.isnan(found).tolist() == [False, True, False]


def test_masked_scores_are_not_known():
    """A masked score gives NaN, not the number below the mask."""
    found = minmax(np.ma.masked_array([0.5, 0.5], mask=[False, True]))

    assert np.isnan(found).tolist() == [False, True]


def test_a_far_score_is_no_warning():
    """A finite score that overflows on the way is simply 0 or 1."""
    far = np.array([-3e38, 3e38], np.float32)

    assert minmax(far, {"p5": 0.0, "p95": 0.01}).tolist() == [0.0, 1.0]


def test_a_scalar_gives_a_scalar():
    """One number in, one number out."""
    assert minmax(0.9) == 1.0
    assert np.ndim(minmax(0.5)) == 0


@pytest.mark.parametrize("layout", [np.s_[:], np.s_[::-3], np.s_[1::2]])
def test_blocks_do_not_show(layout):
    """Long, strided and reversed arrays give what the formula gives."""
    scores = np.random.default_rng(1).normal(size=(3, BLOCK + 7))[:, layout]

    expected = np.clip((scores - 0.1) / (0.9 - 0.1), 0, 1)
    assert np.array_equal(minmax(scores), expected)


def test_empty_is_fine():
    """No scores give no scores."""
    assert minmax([]).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_place(dtype):
    """`out` may be the scores themselves, and is handed back."""
    scores = np.linspace(-1, 2, 3 * BLOCK).astype(dtype)
    scores[5] = np.nan
    expected = minmax(scores)

    found = minmax(scores, out=scores)

    assert found is scores
    assert np.array_equal(found, expected, equal_nan=True)


def test_overlapping_out():
    """An `out` that overlaps the scores askew does not disturb them."""
    memory = np.random.default_rng(2).normal(size=2 * BLOCK)
    expected = minmax(memory[:-1].copy())

    minmax(memory[:-1], out=memory[1:])

    assert np.array_equal(memory[1:], expected)


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (np.zeros(2), "expected shape"),
        (np.zeros(3, int), "float32 or float64, got int64"),
        ([0.0, 0.0, 0.0], "got list"),
        (np.broadcast_to(np.float64(0), 3), "can be written"),
    ],
)
def test_an_out_that_does_not_fit_is_refused(out, words):
    """`out` is an array of floats of the scores' shape that can be written."""
    with pytest.raises(InputError, match=words):
        minmax(np.zeros(3), out=out)


@pytest.mark.parametrize("scores", ["0.5", ["a"], [True], [None], [1j], [[1], [2, 3]]])
def test_what_is_no_number_is_refused(scores):
    """Text, truth values, None and ragged lists are one clear error."""
    with pytest.raises(InputError, match="scores"):
        minmax(scores)


@pytest.mark.parametrize("parameters", [{"p5": 0.5, "p95": 0.5}, {"p5": 0.9, "p95": 0.1}])
def test_a_degenerate_range_is_refused(parameters):
    """An empty range never returns the raw score."""
    with pytest.raises(InputError, match="degenerate"):
        minmax([0.5], parameters)


def test_a_range_that_vanishes_in_float32_is_refused():
    """A range that float32 cannot hold is refused for float32 and fine for float64."""
    tiny = {"p5": 0.0, "p95": 1e-60}

    with pytest.raises(InputError, match="float32"):
        minmax(np.zeros(1, np.float32), tiny)
    assert minmax([1.0], tiny).tolist() == [1.0]


def test_an_unknown_method_is_refused():
    """A method of a newer program is an error, not a guess."""
    with pytest.raises(InputError, match="'spline'"):
        apply_method("spline", {}, [0.5])
