from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_sets import labelled

from calreg.errors import InputError
from calreg.labelled import LabelledColumn
from calreg.tuning.rebalance import (
    NegativesWanted,
    Surroundings,
    add_negatives,
    mine_negatives,
)

LAW = settings(max_examples=80, deadline=None)

NAMES = ["", *(f"i{number}" for number in range(12))]
TEXTS = ["", *(f"t{number}" for number in range(9))]


@st.composite
def sets(draw):
    """A set of two labels, with names and texts that other sets may have, too."""
    size = draw(st.integers(1, 25))

    def column(values):
        return draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))

    return labelled(
        items=column(NAMES),
        keys={"text_key": column(TEXTS)},
        spam=(np.array(column([0.1, 0.2, 0.5, 0.9])), column([False, False, True])),
        scam=(np.array(column([0.1, 0.3, 0.7])), column([False, False, True])),
    )


def fixed():
    """A calibration set with known names and both classes, and a holdout with others."""
    calibration = labelled(
        items=[f"c{n}" for n in range(4)],
        spam=([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]),
        scam=([0.1, 0.8, 0.2, 0.9], [0, 1, 0, 1]),
    )
    return calibration, Surroundings(holdout=labelled(items=["h"], spam=([0.5], [1])))


def pool(size=200, *, seed=0, items=None):
    rng = np.random.default_rng(seed)
    return labelled(
        items=items or [f"p{n:03d}" for n in range(size)],
        spam=(rng.random(size), rng.random(size) < 0.3),
        scam=(rng.random(size), rng.random(size) < 0.2),
    )


def permuted(scores, order):
    """The same rows in another order."""
    place = np.argsort(order)

    def moved(column):
        rows = place[column.rows]
        sort = np.argsort(rows)
        return LabelledColumn(column.scores[sort], column.truth[sort], rows[sort])

    return replace(
        scores,
        labels={label: moved(column) for label, column in scores.labels.items()},
        items=scores.items[order],
        keys={name: texts[order] for name, texts in scores.keys.items()},
    )


def content(scores):
    """Every value of a set, row by row."""
    columns = [scores.items, *scores.keys.values()]
    columns += [part for one in scores.labels.values() for part in (one.scores, one.truth)]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def tried(way, calibration, rows, around, **wanted):
    options = NegativesWanted(**{"maximum": 5, "minimum": 0, **wanted})
    if way == "add":
        return add_negatives(calibration, rows, options, around)
    return mine_negatives(calibration, rows, options, around, label="spam", direction="higher")


ways = st.sampled_from(["add", "mine"])


def has_names(rows):
    """Something tells at least one row from those of other sets."""
    return any(rows.items.tolist()) or any(rows.keys["text_key"].tolist())


# --- laws ---------------------------------------------------------------------------------


@LAW
@given(ways, sets(), sets(), sets(), st.integers(0, 20), st.integers(0, 3))
def test_no_row_of_the_holdout_or_the_set_is_ever_added(way, own, rows, holdout, most, seed):
    """What is added shares no name and no text with the holdout, the set or itself."""
    if not has_names(rows):
        return

    found = tried(way, own, rows, Surroundings(holdout), maximum=most, seed=seed)

    added = slice(own.rows, None)
    for new, *others in (
        (found.scores.items[added], own.items, holdout.items),
        (found.scores.keys["text_key"][added], own.keys["text_key"], holdout.keys["text_key"]),
    ):
        known = [name for name in new.tolist() if name]
        assert len(known) == len(set(known))
        for other in others:
            assert not set(known) & set(other.tolist())
    assert found.added <= most


@LAW
@given(ways, sets(), sets(), sets(), st.booleans())
def test_every_row_of_the_pool_is_counted_once(way, own, rows, holdout, exclude):
    """Rows of the pool are the eligible ones and those left out for a reason."""
    if not has_names(rows):
        return
    around = Surroundings(holdout, train=own)

    meta = tried(way, own, rows, around, exclude_train=exclude).meta

    left_out = meta["incomplete"] + meta["not_negative"] + sum(meta["removed"].values())
    assert meta["pool_rows"] == rows.rows == left_out + meta["eligible"]
    assert meta["added"] == min(5, meta["eligible"])


@LAW
@given(ways, sets(), sets(), sets(), st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_the_pool_changes_nothing(way, own, rows, holdout, chance, seed):
    """The same rows in any order give the same calibration set, to the last value."""
    if not has_names(rows):
        return
    order = np.array(chance.sample(range(rows.rows), rows.rows))

    one = tried(way, own, rows, Surroundings(holdout), seed=seed)
    other = tried(way, own, permuted(rows, order), Surroundings(holdout), seed=seed)

    assert content(one.scores) == content(other.scores)
    assert one.meta == other.meta


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_a_larger_sample_contains_the_smaller_one(one, other, seed):
    """Of one seed, asking for more rows only adds rows."""
    calibration, around = fixed()
    few, many = sorted((one, other))

    names = [
        set(tried("add", calibration, pool(), around, maximum=most, seed=seed).scores.items)
        for most in (few, many)
    ]

    assert names[0] <= names[1]


# --- single cases -------------------------------------------------------------------------


def test_the_sample_is_that_of_the_raw_stream():
    """The rows of a seed are fixed by PCG64 itself, so another numpy draws the same ones."""
    calibration, around = fixed()
    rows = pool()
    negative = np.flatnonzero(~rows.labels["spam"].truth & ~rows.labels["scam"].truth)
    draws = np.random.PCG64(7).random_raw(negative.size)

    found = add_negatives(calibration, rows, NegativesWanted(10, seed=7), around)

    wanted = sorted(rows.items[negative[np.argsort(draws)[:10]]])
    assert found.scores.items[calibration.rows :].tolist() == wanted
    assert found.scores.rows == 14


def test_negatives_may_be_negative_for_some_labels_only():
    """With labels named, truth of the others does not matter, and comes along."""
    calibration, around = fixed()
    rows = pool()

    found = add_negatives(calibration, rows, NegativesWanted(500), around, labels=["scam"])

    assert found.added == rows.labels["scam"].negatives
    assert found.scores.labels["spam"].positives == 2 + np.count_nonzero(
        rows.labels["spam"].truth & ~rows.labels["scam"].truth
    )


@pytest.mark.parametrize(("direction", "end"), [("higher", -1), ("lower", 0)])
def test_the_hardest_negatives_are_those_that_look_like_positives(direction, end):
    """Mined rows are the negatives with the highest scores, or the lowest where those speak."""
    calibration, around = fixed()
    rows = pool()
    column = rows.labels["spam"]
    negatives = np.sort(column.scores[~column.truth])

    found = mine_negatives(
        calibration, rows, NegativesWanted(7), around, label="spam", direction=direction
    )

    mined = np.sort(found.scores.labels["spam"].scores[calibration.rows :])
    assert mined.tolist() == (negatives[-7:] if end else negatives[:7]).tolist()
    assert found.meta["hardest_score"] == negatives[end]


def test_fewer_than_the_minimum_are_refused_with_all_counts():
    """Too small a pool is an error that says where its rows went."""
    calibration, around = fixed()
    rows = pool(8)

    with pytest.raises(InputError, match=r"at least 9 are wanted \(of 8: \d not negative") as found:
        add_negatives(calibration, rows, NegativesWanted(20, minimum=9), around)

    assert found.value.code == "pool"


def test_rows_the_model_was_trained_on_are_counted_or_left_out():
    """Trained rows stay by default, counted among the pool's and the added; or go."""
    calibration, around = fixed()
    rows = pool()
    around = replace_train(around, pool(120))

    kept = add_negatives(calibration, rows, NegativesWanted(500), around)
    without = add_negatives(calibration, rows, NegativesWanted(500, exclude_train=True), around)

    negative = ~rows.labels["spam"].truth & ~rows.labels["scam"].truth
    assert kept.meta["pool_shared"]["train"] == {"rows": 120, "by": {"item": 120}}
    assert kept.added_trained_on == np.count_nonzero(negative[:120])
    assert without.added_trained_on == 0
    assert without.added == kept.added - kept.added_trained_on
    assert without.meta["removed"]["train"] == kept.added_trained_on


def replace_train(around, train):
    return Surroundings(around.holdout, train=train, groups=around.groups)


def test_groups_of_the_holdout_stay_out_of_the_set():
    """A row of a group that stands in the holdout is removed, of one in the set it is not."""
    calibration, _ = fixed()
    calibration = replace(calibration, keys={"speaker": np.array(["a"] * 4, dtype=object)})
    holdout = labelled(items=["h"], keys={"speaker": ["b"]}, spam=([0.5], [1]))
    rows = replace(pool(4), keys={"speaker": np.array(["a", "b", "c", "a"], dtype=object)})
    for label, column in rows.labels.items():
        rows.labels[label] = replace(column, truth=np.zeros(4, dtype=bool))

    found = add_negatives(
        calibration, rows, NegativesWanted(9), Surroundings(holdout, groups=["speaker"])
    )

    assert found.scores.keys["speaker"].tolist() == ["a", "a", "a", "a", "a", "c", "a"]
    assert found.meta["removed"]["holdout"] == 1


def test_rows_without_a_name_are_not_added():
    """Of a row that nothing names nobody knows whether the holdout has it: it stays out."""
    calibration, around = fixed()
    rows = pool(3, items=["", "x", ""])
    for label, column in rows.labels.items():
        rows.labels[label] = replace(column, truth=np.zeros(3, dtype=bool))

    found = add_negatives(calibration, rows, NegativesWanted(9), around)

    assert found.added == 1
    assert found.meta["removed"]["unnamed"] == 2


@pytest.mark.parametrize("side", ["pool", "holdout", "calibration"])
def test_sets_that_nothing_compares_are_refused(side):
    """Without names in both, rows of the holdout could come in: that is an error."""
    calibration, around = fixed()
    rows = pool()
    if side == "pool":
        rows = replace(rows, items=None)
    elif side == "holdout":
        around = Surroundings(replace(around.holdout, items=None))
    else:
        calibration = replace(calibration, items=None)

    with pytest.raises(InputError, match="nothing tells which rows of the pool stand in the"):
        add_negatives(calibration, rows, NegativesWanted(9), around)


def test_incomplete_rows_and_other_kinds_are_told():
    """Rows without a score for every label are counted; logits and unknown labels refused."""
    calibration, around = fixed()
    rows = pool(20)
    rows.labels["spam"] = LabelledColumn(
        *(part[5:] for part in (rows.labels["spam"].scores, rows.labels["spam"].truth)),
        np.arange(5, 20),
    )

    found = add_negatives(calibration, rows, NegativesWanted(99), around)

    assert found.meta["incomplete"] == 5
    assert [column.scores.size for column in found.scores.labels.values()] == [4 + found.added] * 2
    with pytest.raises(InputError, match="logits"):
        add_negatives(calibration, replace(rows, is_logit=True), NegativesWanted(9), around)
    with pytest.raises(InputError, match="no label 'ham'"):
        add_negatives(calibration, rows, NegativesWanted(9), around, labels=["ham"])
    lacking = replace(rows, labels={"spam": rows.labels["spam"]})
    with pytest.raises(InputError, match="the pool has no label 'scam'"):
        add_negatives(calibration, lacking, NegativesWanted(9), around)


def test_direction_auto_asks_the_calibration_set():
    """Where low scores speak for a label, its hardest negatives are the lowest."""
    truth = np.arange(40) < 20
    calibration = labelled(items=[f"c{n}" for n in range(40)], spam=(1.0 * ~truth, truth))
    rows = labelled(items=["a", "b"], spam=([0.2, 0.8], [0, 0]))
    holdout = labelled(items=["h"], spam=([0.5], [1]))

    found = mine_negatives(
        calibration, rows, NegativesWanted(1), Surroundings(holdout), label="spam"
    )

    assert found.meta["direction"] == "lower"
    assert found.scores.items[-1] == "a"
