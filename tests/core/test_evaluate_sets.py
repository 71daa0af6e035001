from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.errors import InputError
from calreg.evaluate import QUADRANTS, Signal, clopper_pearson, overlap, quadrants
from calreg.labelled import LabelledColumn, LabelledScores

LAW = settings(max_examples=60)

names = st.lists(st.sampled_from(["", "a", "b", "c", "d"]), max_size=12)


def texts(values):
    return np.array([*values, None], dtype=object)[:-1]


def table(items=None, **keys):
    size = len(items if items is not None else next(iter(keys.values()), ()))
    return LabelledScores(
        labels={},
        is_logit=False,
        rows=size,
        items=None if items is None else texts(items),
        keys={name: texts(values) for name, values in keys.items()},
        files=("holdout.csv",),
    )


# --- overlap ------------------------------------------------------------------------------


@LAW
@given(names, names)
def test_overlap_counts_rows_of_each_side(left, right):
    """Each side's rows whose known name stands in the other set are counted, and no others."""
    found = overlap(table(left), table(right)).rows["item"]

    assert found.values == len((set(left) & set(right)) - {""})
    assert found.left.tolist() == [bool(name) and name in right for name in left]
    assert found.right.tolist() == [bool(name) and name in left for name in right]
    assert found.left_rows == sum(found.left.tolist())
    assert found.right_rows == sum(found.right.tolist())


@LAW
@given(names, names)
def test_overlap_is_the_same_from_the_other_side(left, right):
    """Exchanging the sets exchanges the sides and nothing else."""
    found = overlap(table(left), table(right)).rows["item"]
    turned = overlap(table(right), table(left)).rows["item"]

    assert (found.values, found.examples) == (turned.values, turned.examples)
    assert (found.left_rows, found.right_rows) == (turned.right_rows, turned.left_rows)


def test_rows_are_known_by_keys_and_groups_are_split():
    """Every common key column is a kind of its own; group columns are told apart."""
    left = table(["1", "2"], text_key=["x", "y"], speaker=["s", "t"], only=["o", "o"])
    right = table(["3", "4", "5"], text_key=["y", "y", ""], speaker=["u", "s", "s"])

    found = overlap(left, right, groups=["speaker"])

    assert found.to_json() == {
        "rows": {
            "item": {"values": 0, "left_rows": 0, "right_rows": 0, "examples": []},
            "text_key": {"values": 1, "left_rows": 1, "right_rows": 2, "examples": ["y"]},
        },
        "split_groups": {
            "speaker": {"values": 1, "left_rows": 1, "right_rows": 2, "examples": ["s"]}
        },
    }
    assert not found.is_empty
    assert overlap(table(["1"]), table(["2"])).is_empty


def test_what_one_set_does_not_know_is_not_compared():
    """Sets without names or common keys share no kind: nothing is said, not zero."""
    assert overlap(table(text_key=["x"]), table(["x"])).rows == {}


def test_a_group_that_one_set_has_not_is_refused():
    """A group column must stand in both sets, and the refusal names the file."""
    with pytest.raises(InputError, match=r"holdout\.csv: expected a column 'speaker'"):
        overlap(table(speaker=["s"]), table(["1"]), groups=["speaker"])


def test_only_the_first_examples_are_kept():
    """The first five shared values in alphabetical order are examples."""
    values = [f"item {number}" for number in range(9)]

    assert overlap(table(values[::-1]), table(values)).rows["item"].examples == tuple(values[:5])


# --- quadrants ----------------------------------------------------------------------------


def signal(name, scores, truth, *, threshold=0.5, rows=None, direction="higher"):
    scores = np.array(scores, dtype=np.float64)
    rows = np.arange(scores.size) if rows is None else np.array(rows)
    fires = scores >= threshold if direction == "higher" else scores <= threshold
    return Signal(name, LabelledColumn(scores, np.array(truth, bool), rows), fires, direction)


units = st.floats(0, 1, width=16)
cases = st.lists(st.tuples(units, units, st.booleans(), st.booleans()), min_size=1, max_size=20)


@LAW
@given(cases, st.sampled_from(["higher", "lower"]))
def test_quadrants_hold_every_item_once(case, direction):
    """Counts sum to the items, positives to the positives, and examples stand where they belong."""
    x, y, in_x, in_y = zip(*case, strict=True)
    a, b = signal("a", x, in_x, direction=direction), signal("b", y, in_y)

    found = quadrants(a, b, examples=3)

    assert list(found) == list(QUADRANTS)
    assert sum(quadrant.n for quadrant in found.values()) == len(case)
    assert sum(quadrant.truth["a"].positives for quadrant in found.values()) == sum(in_x)
    assert sum(quadrant.truth["b"].positives for quadrant in found.values()) == sum(in_y)
    for name, quadrant in found.items():
        assert len(quadrant.rows) == len(set(quadrant.rows)) == min(3, quadrant.n)
        for row in quadrant.rows:
            assert (bool(a.fires[row]), bool(b.fires[row])) == QUADRANTS[name]


def test_the_most_telling_items_lie_furthest_from_both_thresholds():
    """Each quadrant shows what is most extreme on its own side, ties by row."""
    x = [0.9, 0.6, 0.7, 0.8, 0.1, 0.4, 0.1, 0.3]
    y = [0.9, 0.6, 0.1, 0.4, 0.9, 0.6, 0.1, 0.4]

    found = quadrants(signal("a", x, [1] * 8), signal("b", y, [0] * 8), examples=2)

    assert found["both"].rows == (0, 1)
    assert found["only_a"].rows == (2, 3)
    assert found["only_b"].rows == (4, 5)
    assert found["neither"].rows == (6, 7)


def test_of_equally_telling_items_the_earlier_rows_are_shown():
    """Ties are shown in the order of rows, however many there are."""
    a, b = signal("a", [0.75, 0.625] * 250, [1] * 500), signal("b", [0.25] * 500, [1] * 500)

    found = quadrants(a, b, examples=300)["only_a"]

    assert found.rows == (*range(0, 500, 2), *range(1, 100, 2))


def test_a_signal_that_fires_rarely_counts_as_much_as_one_that_does_not():
    """Distances are shares of a side, so the side with many items does not drown the other."""
    x = [0.9, 0.6, *[0.1] * 10]
    y = [0.4, 0.3, *np.linspace(0.31, 0.39, 10)]

    found = quadrants(signal("a", x, [1] * 12), signal("b", y, [0] * 12))

    # All others lie between the two by b: that outweighs being the nearer of two by a.
    assert found["only_a"].rows == (1, 0)
    y[1] = 0.385  # one other between them, of twelve, does not
    assert quadrants(signal("a", x, [1] * 12), signal("b", y, [0] * 12))["only_a"].rows == (0, 1)


def test_a_lower_signal_is_telling_at_its_low_end():
    """Where low scores fire, the lowest item that fires is the most telling."""
    x, y = [0.1, 0.3, 0.2], [0.9, 0.9, 0.9]

    found = quadrants(signal("a", x, [1, 1, 1], direction="lower"), signal("b", y, [1, 1, 1]))

    assert found["both"].rows == (0, 2, 1)


def test_signals_are_matched_by_row():
    """Only rows that both signals have count, whatever was rejected on each side."""
    a = signal("a", [0.9, 0.9, 0.1], [1, 0, 0], rows=[0, 2, 5])
    b = signal("b", [0.1, 0.9, 0.9], [0, 0, 1], rows=[2, 3, 5])

    found = quadrants(a, b)

    assert {name: quadrant.rows for name, quadrant in found.items()} == {
        "both": (),
        "only_a": (2,),
        "only_b": (5,),
        "neither": (),
    }
    low, high = clopper_pearson(1, 1)
    assert found["only_b"].to_json() == {
        "n": 1,
        "truth": {
            "a": {"positives": 0, "rate": 0.0, "rate_interval": [0.0, 1 - low]},
            "b": {"positives": 1, "rate": 1.0, "rate_interval": [low, high]},
        },
        "rows": [5],
    }


def test_an_output_ranks_in_place_of_the_score():
    """A signal that was decided on its output is ranked by it."""
    plain = signal("a", [0.9, 0.8, 0.7], [1, 1, 1])
    output = np.array([0.6, 0.7, 0.8])

    found = quadrants(
        Signal("a", plain.column, plain.fires, output=output),
        signal("b", [0.9, 0.9, 0.9], [1, 1, 1]),
    )

    assert found["both"].rows == (2, 1, 0)


def test_quadrants_refuse_what_cannot_be_compared():
    """One signal twice, no common row, and less than no examples are refused."""
    a, b = signal("a", [0.9], [1]), signal("b", [0.9], [1])

    with pytest.raises(InputError, match="two signals, got 'a' twice"):
        quadrants(a, a)
    with pytest.raises(InputError, match="'a' and 'b' have no row in common"):
        quadrants(a, signal("b", [0.9], [1], rows=[1]))
    with pytest.raises(InputError, match="number of examples, got -1"):
        quadrants(a, b, examples=-1)
    with pytest.raises(InputError, match="as many decisions as truth"):
        quadrants(a, Signal("b", b.column, np.array([True, False])))
