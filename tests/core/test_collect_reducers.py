import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.collect import parse_reducer, parse_reducers
from calreg.collect.answers import Failure, LabelRules, labels_of, scores_of
from calreg.errors import InputError, UsageError

finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.lists(finite, min_size=1, max_size=30)


def reduced(name, numbers):
    return parse_reducer(name)(numbers)


@given(values)
def test_mean_is_the_rounded_mean(numbers):
    """The mean is the exact one to the last bits, also where the plain sum overflows."""
    exact = Fraction(sum(map(Fraction, numbers)), len(numbers))

    found = reduced("mean", numbers)

    largest = max(map(abs, numbers))
    assert abs(Fraction(found) - exact) <= Fraction(largest) * Fraction(2, 2**52)


@given(values, st.randoms(use_true_random=False))
def test_order_matters_only_to_last(numbers, chance):
    """Mean, max and the mean of the top are the same in any order of values."""
    shuffled = list(numbers)
    chance.shuffle(shuffled)

    for name in ("mean", "max", "mean-top3"):
        assert reduced(name, numbers) == reduced(name, shuffled)
    assert reduced("last", numbers) == numbers[-1]


@given(values, st.integers(1, 40))
def test_the_top_lies_between_mean_and_maximum(numbers, k):
    """The mean of the top k is the maximum for k = 1, the mean for all, and between else."""
    top = reduced(f"mean-top{k}", numbers)

    assert min(numbers) <= reduced("mean", numbers) <= max(numbers)
    assert top <= max(numbers)
    assert reduced("mean-top1", numbers) == max(numbers)
    assert reduced(f"mean-top{len(numbers) + k}", numbers) == reduced("mean", numbers)
    assert top == reduced("mean", sorted(numbers, reverse=True)[:k])


@given(finite, st.integers(1, 50), st.sampled_from(["mean", "max", "last", "mean-top5"]))
def test_equal_values_reduce_to_themselves(value, times, name):
    """Many times one value is that value, to the last bit."""
    assert reduced(name, [value] * times) == value


@pytest.mark.parametrize("text", ["", "median", "mean-top", "mean-top0", "mean-top5x", "MEAN"])
def test_an_unknown_reducer_is_refused(text):
    """A reducer that there is not is refused, and those that there are are named."""
    with pytest.raises(UsageError, match="no reducer") as caught:
        parse_reducer(text)

    assert "mean-top<k>" in caught.value.hint


def test_a_label_has_its_own_reducer():
    """`label=reducer` goes before the reducer of every label, whatever the label holds."""
    found = parse_reducers(["mean", "a=b=max"])

    assert found.of("a=b").name == "max"
    assert found.of("c").name == "mean"
    assert parse_reducers([]).of("c") is None


@pytest.mark.parametrize("texts", [["mean", "max"], ["a=mean", "a=max"], ["=mean"]])
def test_two_reducers_for_one_label_are_refused(texts):
    """Which of two reducers counts is not guessed."""
    with pytest.raises(UsageError, match="--reduce"):
        parse_reducers(texts)


def one(answer, *labels, reduce=(), chosen=()):
    rules = LabelRules(chosen=chosen, reducers=parse_reducers(reduce))
    return scores_of(answer, labels, rules)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (0.25, 0.25),
        (1, 1.0),
        (np.float32(0.25), 0.25),
        (np.float64(0.1), 0.1),
        (np.array(0.5), 0.5),
        (np.int64(3), 3.0),
        (-0.0, -0.0),
    ],
)
def test_numbers_of_all_kinds_are_scores(answer, score):
    """A number of Python or numpy is the score that it is, for the one label."""
    found = one(answer, "a")

    assert found.scores == {"a": score}
    assert math.copysign(1, found.scores["a"]) == math.copysign(1, score)
    assert found.error is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (float("nan"), "a: NaN"),
        (np.float32("nan"), "a: NaN"),
        (float("inf"), "a: infinite"),
        (10**400, "a: not a number"),
        ("0.5", "a: not a number ('0.5')"),
        (b"1", "a: not a number (bytes)"),
        (True, "a: not a number (True)"),
        (1j, "a: not a number (complex)"),
        ({"a": None}, "a: missing"),
        ({"a": "x" * 500}, "a: not a number ('xxx"),
        ({"b": 0.5}, "a: missing; unexpected label 'b'"),
        ([], "a: no values"),
        ([0.5, float("nan")], "a: value 2: NaN"),
        ([0.5, None], "a: value 2: missing"),
        ([[0.5]], "a: value 1: not a number (list)"),
    ],
)
def test_what_is_no_number_is_an_error_and_no_score(answer, error):
    """Whatever is no finite number leaves the score open and says why; it is never 0.0."""
    found = one(answer, "a", reduce=["mean"])

    assert found.scores == {"a": None}
    assert found.error.startswith(error)
    assert len(found.error) < 100


def test_nothing_for_an_item_is_an_error():
    """An item that was answered with None, or with a number where labels were expected, fails."""
    assert one(None, "a", "b").error == "expected a mapping of a, b, got None"
    assert one(0.5, "a", "b").scores == {"a": None, "b": None}
    assert one(None).error == "expected a number or a mapping, got None"
    assert one(Failure("ValueError: no"), "a").error == "ValueError: no"


def test_one_bad_label_leaves_the_others():
    """An error of one label keeps the scores of the item's other labels."""
    found = one({"a": 0.5, "b": float("nan"), "c": [0.25, 0.75]}, "a", "b", "c", reduce=["max"])

    assert found.scores == {"a": 0.5, "b": None, "c": 0.75}
    assert found.error == "b: NaN"


def test_labels_that_were_not_chosen_are_left_out():
    """With labels chosen, further ones in an answer are no error."""
    assert one({"a": 0.5, "z": 1.0}, "a", chosen=("a",)).error is None


def test_many_values_need_a_reducer():
    """A sequence that nothing was said about stops everything, with what to say."""
    with pytest.raises(InputError, match="gives 2 values for label 'a'") as caught:
        one({"a": [0.1, 0.2]}, "a", "b", reduce=["b=max"])

    assert "--reduce" in caught.value.hint


def labels(answers, **rules):
    return labels_of(answers, LabelRules(**rules))


def test_the_first_answers_say_the_labels():
    """Labels are those of all first answers, in order; a plain number has the label of its own."""
    assert labels([{"b": 1, "a": 1}, Failure("x"), {"c": 1}]) == ("b", "a", "c")
    assert labels([0.5], single="spam") == ("spam",)
    assert labels([None, Failure("x")]) == ()
    assert labels([{"b": 1}], chosen=("a",)) == ("a",)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{1: 0.5}], "labels must be texts, got 1"),
        ([{"a": 1, "A": 1}], "differ only in case"),
        ([{" a": 1}], "white space"),
    ],
)
def test_labels_that_cannot_be_columns_are_refused(answers, message):
    """A label that could not be read back stops everything."""
    with pytest.raises(InputError, match=message):
        labels(answers)


def test_a_reducer_for_an_unknown_label_is_refused():
    """A reducer of a label that the scorer does not give is a slip, and is named."""
    with pytest.raises(InputError, match=r"label 'x'; the scorer gives a"):
        labels([{"a": 1}], reducers=parse_reducers(["x=max"]))
