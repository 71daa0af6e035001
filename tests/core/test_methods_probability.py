"""Raw scores in, probabilities out: the maps of one label and their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from calreg.errors import InputError
from calreg.methods import BLOCK, PROBABILITY_CLIP, apply_method

ANY = st.floats(allow_nan=False, allow_infinity=False)
NEAR = st.floats(-50, 50)
UNIT = st.floats(-0.01, 1.01)
ABOVE_0 = st.floats(0.01, 100)


def temperature(value=2.0, scale="logit"):
    return "temperature", {"temperature": value, "link": "sigmoid", "scale": scale}


def platt(slope=2.0, intercept=-0.5):
    return "platt", {"slope": slope, "intercept": intercept}


def beta(a=1.5, b=0.5, c=0.25, scale="logit"):
    return "beta", {"a": a, "b": b, "c": c, "scale": scale}


def isotonic(x=(-1.0, 0.0, 2.0), y=(0.125, 0.5, 1.0)):
    return "isotonic", {"x": x, "y": y}


def histogram(edges=(-1.0, 0.5), values=(0.1, 0.3, 0.9)):
    return "histogram", {"edges": edges, "values": values}


def probabilities(method, scores, **options):
    return apply_method(*method, scores, **options)


MAPS = [
    temperature(),
    temperature(scale="probability"),
    platt(),
    beta(),
    beta(scale="probability"),
    isotonic(),
    histogram(),
]
IDS = [f"{name}-{parameters.get('scale', '')}".strip("-") for name, parameters in MAPS]
every_map = pytest.mark.parametrize("method", MAPS, ids=IDS)


@st.composite
def rising_maps(draw):
    """Maps by which a higher score never means less."""
    scale = draw(st.sampled_from(["logit", "probability"]))
    places = sorted(draw(st.sets(ANY, min_size=1, max_size=6)))
    values = sorted(draw(st.lists(st.floats(0, 1), min_size=len(places), max_size=len(places))))
    return draw(
        st.sampled_from(
            [
                temperature(draw(ABOVE_0), scale),
                platt(draw(ABOVE_0), draw(NEAR)),
                beta(draw(ABOVE_0), draw(ABOVE_0), draw(NEAR), scale),
                isotonic(tuple(places), tuple(values)),
                histogram(tuple(places[1:] or places), tuple([0.0] * (len(places) < 2) + values)),
            ]
        )
    )


# Laws


@given(rising_maps(), ANY, ANY, st.sampled_from([np.float32, np.float64]))
def test_order_is_kept(method, a, b, dtype):
    """A higher raw score never gets the lower probability, however far or near the two are."""
    with np.errstate(over="ignore"):
        scores = np.sort(np.array([a, b], dtype))
    scores = np.nan_to_num(scores)

    first, second = probabilities(method, scores)
    assert 0 <= first <= second <= 1


@given(rising_maps(), NEAR)
def test_neighbours_keep_their_order(method, score):
    """Not even the next float gets a lower probability by rounding."""
    scores = [score]
    for _ in range(40):
        scores.append(float(np.nextafter(scores[-1], np.inf)))

    assert (np.diff(probabilities(method, scores)) >= 0).all()


@given(rising_maps().filter(lambda method: method[0] in {"platt", "isotonic"}), ANY, ANY)
def test_a_falling_map_turns_the_order_around(method, a, b):
    """A negative slope or a falling curve never gives the higher score more."""
    name, parameters = method
    falling = (
        platt(-parameters["slope"])
        if name == "platt"
        else isotonic(parameters["x"], parameters["y"][::-1])
    )

    first, second = probabilities(falling, sorted((a, b)))
    assert 0 <= second <= first <= 1


@every_map
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_are_probabilities(method, dtype):
    """The farthest finite scores give finite probabilities, and no warning."""
    far = np.finfo(dtype).max
    found = probabilities(method, np.array([-far, -1e30, -0.0, 1e30, far], dtype))

    assert ((found >= 0) & (found <= 1)).all()


def test_logits_of_1e308():
    """Logits of ±1e308 are certain, also where dividing or multiplying them overflows."""
    far = [-1e308, 1e308]

    assert probabilities(temperature(0.001), far).tolist() == [0.0, 1.0]
    assert probabilities(platt(1e10, 1e308), far).tolist() == [0.0, 1.0]
    assert probabilities(platt(-1e10, 1e308), far).tolist() == [1.0, 0.0]
    assert probabilities(beta(20.0, 30.0), far).tolist() == [0.0, 1.0]


@every_map
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_known_is_no_number(method, bad, dtype):
    """NaN and infinities give NaN, and only for themselves."""
    found = probabilities(method, np.array([0.0, bad, 1.0], dtype))

    assert np.isnan(found).tolist() == [False, True, False]


@every_map
def test_float32_is_the_rounded_float64(method):
    """float32 stays float32, computed in float64 and rounded once; `out` may ask for more."""
    scores = np.random.default_rng(5).normal(size=1000).astype(np.float32)

    exact = probabilities(method, scores.astype(np.float64))
    found = probabilities(method, scores)
    assert found.dtype == np.float32
    assert np.array_equal(found, exact.astype(np.float32))
    assert np.array_equal(probabilities(method, scores, out=np.empty(1000)), exact)


@every_map
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_place_and_in_blocks(method, dtype):
    """Long, strided and reversed arrays give what each score gives, also in place."""
    scores = np.random.default_rng(6).normal(size=(2, BLOCK + 7)).astype(dtype)
    expected = probabilities(method, scores[:, ::-3].copy())

    assert np.array_equal(probabilities(method, scores[:, ::-3]), expected)
    found = probabilities(method, scores[:, ::-3], out=scores[:, ::-3])
    assert np.array_equal(found, expected)


@every_map
def test_a_scalar_gives_a_scalar(method):
    """One number in, one number out; none in, none out."""
    assert np.ndim(probabilities(method, 0.25)) == 0
    assert probabilities(method, []).shape == (0,)


# Against formulas and other software


@given(st.lists(st.floats(-1000, 1000)), ABOVE_0)
def test_temperature_is_scipys(scores, value):
    """A logit's probability is scipy.special.expit(logit / temperature), to 1e-15."""
    expected = special.expit(np.array(scores, float) / value)

    found = probabilities(temperature(value), scores)
    assert np.allclose(found, expected, rtol=1e-15, atol=1e-300)


@given(st.lists(NEAR), st.floats(-20, 20), NEAR)
def test_platt_is_scipys(scores, slope, intercept):
    """Platt's map is scipy.special.expit(slope · score + intercept), to 1e-15."""
    expected = special.expit(slope * np.array(scores, float) + intercept)

    found = probabilities(platt(slope, intercept), scores)
    assert np.allclose(found, expected, rtol=1e-15, atol=1e-300)


@given(st.lists(UNIT), ABOVE_0)
def test_temperature_of_probabilities(scores, value):
    """A score on the probability scale is clipped to [1e-7, 1 - 1e-7], then has a logit."""
    inside = np.clip(np.array(scores, float), 1e-7, 1 - 1e-7)
    expected = special.expit(special.logit(inside) / value)

    found = probabilities(temperature(value, "probability"), scores)
    assert np.allclose(found, expected, rtol=1e-13, atol=1e-15)


@given(st.lists(UNIT), st.floats(0, 5), st.floats(0, 5), st.floats(-5, 5))
def test_beta_of_probabilities(scores, a, b, c):
    """On the probability scale, beta is σ(a ln s - b ln(1 - s) + c) of the clipped score."""
    inside = np.clip(np.array(scores, float), 1e-7, 1 - 1e-7)
    expected = special.expit(a * np.log(inside) - b * np.log1p(-inside) + c)

    found = probabilities(beta(a, b, c, "probability"), scores)
    assert np.allclose(found, expected, rtol=1e-13, atol=1e-15)


@given(st.lists(st.floats(-600, 600)), st.floats(0, 5), st.floats(0, 5), st.floats(-5, 5))
def test_beta_of_logits(scores, a, b, c):
    """On the logit scale, beta takes the logarithms of σ(score) without rounding it first."""
    logits = np.array(scores, float)
    expected = special.expit(a * special.log_expit(logits) - b * special.log_expit(-logits) + c)

    found = probabilities(beta(a, b, c), scores)
    assert np.allclose(found, expected, rtol=1e-11, atol=1e-15)


def test_beta_1_1_0_is_the_identity():
    """Beta with a = b = 1 and c = 0 gives the scores back."""
    scores = np.linspace(0.001, 0.999, 999)

    found = probabilities(beta(1.0, 1.0, 0.0, "probability"), scores)
    assert np.allclose(found, scores, rtol=1e-14)


def test_saturated_scores_are_clipped():
    """Scores a little outside [0, 1], as classifiers emit them, are as good as the clip."""
    found = probabilities(temperature(1.0, "probability"), [-0.001, 0.0, 1.0, 1.00001])

    assert np.allclose(found, [1e-7, 1e-7, 1 - 1e-7, 1 - 1e-7], rtol=1e-9)
    assert PROBABILITY_CLIP == 1e-7


@given(st.lists(st.floats(-3, 3)), st.sets(st.floats(-2, 2, width=32), min_size=1, max_size=9))
def test_isotonic_is_numpys(scores, places):
    """Between knots the curve is numpy.interp, outside it is constant."""
    x = tuple(sorted(places))
    y = tuple(np.linspace(0.1, 1.0, len(x)).tolist())

    found = probabilities(isotonic(x, y), scores)
    assert np.allclose(found, np.interp(np.array(scores, float), x, y), rtol=0, atol=1e-15)


def test_a_curve_goes_through_its_knots():
    """At a knot the probability is the knot's, to the last bit."""
    x = tuple(np.sort(np.random.default_rng(7).normal(size=500)).tolist())
    y = tuple(np.sort(np.random.default_rng(8).uniform(size=500)).tolist())

    assert probabilities(isotonic(x, y), x).tolist() == list(y)
    assert probabilities(isotonic(x, y[::-1]), x).tolist() == list(y[::-1])


def test_a_curve_of_one_knot_is_constant():
    """One knot gives its probability everywhere."""
    assert probabilities(isotonic((0.5,), (0.25,)), [0.0, 0.5, 9.0]).tolist() == [0.25] * 3


def test_a_score_on_an_edge_belongs_to_the_higher_bin():
    """Bin i holds scores from edge i - 1 up to, not including, edge i."""
    below = np.nextafter(0.5, 0)

    found = probabilities(histogram(), [-9.0, -1.0, below, 0.5, 9.0])
    assert found.tolist() == [0.1, 0.3, 0.3, 0.9, 0.9]


def test_a_float32_score_below_an_edge_stays_below():
    """Bins are found in float64: 0.1 in float64 lies below its neighbour in float32."""
    scores = np.array([np.nextafter(np.float32(0.1), np.float32(0)), np.float32(0.1)])

    found = probabilities(histogram((0.1,), (0.0, 1.0)), scores)
    assert found.tolist() == [0.0, 1.0]


# Refusals


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (("temperature", {"link": "sigmoid", "scale": "logit"}), "'temperature'.* got None"),
        (temperature(0.0), "'temperature': expected a number above 0, got 0.0"),
        (temperature(-1.0), "above 0"),
        (temperature(float("nan")), "a finite number, got nan"),
        (temperature(scale="odds"), "'scale': expected 'logit' or 'probability', got 'odds'"),
        (platt(slope="steep"), "'slope': expected a finite number, got 'steep'"),
        (isotonic((0.0, 0.0), (0.1, 0.2)), "'x': expected ascending numbers"),
        (isotonic((0.0, float("inf")), (0.1, 0.2)), "'x': expected ascending numbers"),
        (isotonic((), ()), "'x': expected ascending numbers"),
        (isotonic(0.5), "'x': expected numbers, got 0.5"),
        (isotonic((0.0, 1.0), (0.1,)), "'y': expected 2 numbers between 0 and 1"),
        (isotonic((0.0, 1.0), (0.1, 1.5)), "'y': expected 2 numbers between 0 and 1"),
        (histogram((0.5,), (0.1,)), "'values': expected 2 numbers"),
    ],
)
def test_parameters_that_are_none_are_refused(method, words):
    """A parameter that is missing or makes no sense is named, with what was expected."""
    with pytest.raises(InputError, match=words):
        probabilities(method, [0.5])


def test_a_softmax_of_one_label_is_refused():
    """A softmax is no map of one label's scores."""
    parameters = {"temperature": 1.0, "link": "softmax", "scale": "logit"}

    with pytest.raises(InputError, match="all labels of the head"):
        apply_method("temperature", parameters, [0.5])


def test_a_threshold_calibrates_nothing():
    """Method threshold has decisions, and no calibrated scores."""
    with pytest.raises(InputError, match="decides on raw scores"):
        apply_method("threshold", {}, [0.5])
