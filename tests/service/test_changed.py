"""Which items of a store change their outcome, against the definition applied to every score."""

from __future__ import annotations

import numpy as np
import pytest

from calreg.documents import Calibration, Distribution, LabelCalibration
from calreg.methods import apply_head
from calreg.names import HeadName
from calreg.plan import Reference
from calreg.service.changed import changed_items
from calreg.service.settings import RetagSettings
from calreg.store import Row, Store

HEAD = HeadName("m", "h")
RULES = RetagSettings(min_change=0.05, tiers=(0.5,))


def minmax(p5, p95) -> LabelCalibration:
    return LabelCalibration("minmax", {"p5": p5, "p95": p95}, Distribution(None))


def softmax(temperature) -> LabelCalibration:
    parameters = {"temperature": temperature, "link": "softmax", "scale": "logit"}
    return LabelCalibration("temperature", parameters, Distribution(None))


def reference(version, **labels):
    """References in which one head has these labels."""
    calibration = Calibration(HEAD, version, labels)
    return {HEAD: Reference(calibration, f"{version:064}", b"")}


@pytest.fixture
def store(store_url):
    """200 items with scores of two labels each, but for the last ten, which lack one."""
    chance = np.random.default_rng(3)
    scores = chance.normal(0.4, 0.3, (200, 2))
    rows = [
        Row(f"i{item:03}", HEAD.full, label, float(scores[item, column]))
        for column, label in enumerate("ab")
        for item in range(200 if label == "a" else 190)
    ]
    with Store.open(store_url) as opened:
        opened.put_scores(rows)
        yield opened


def columns_of(store, items):
    """Scores by label of the items that have all of them, in the order of their names."""
    found = {}
    for label in "ab":
        ((ids, scores),) = store.item_scores(HEAD.full, label)
        by_name = dict(zip(store.item_names(ids), scores.tolist(), strict=True))
        found[label] = np.array([by_name.get(item, np.nan) for item in items])
    return found


def names(store, ids):
    return set(store.item_names(ids))


def moved(before, after, columns):
    """Whether some label's value moves by 0.05 or crosses 0.5."""
    old, new = (apply_head(side[HEAD].calibration.labels, columns) for side in (before, after))
    found = np.zeros(len(columns["a"]), bool)
    for label in "ab":
        found |= np.abs(new[label] - old[label]) >= 0.05
        found |= (new[label] >= 0.5) != (old[label] >= 0.5)
    return found


def test_labels_are_looked_at_one_by_one(store):
    """An item changes if the outcome of any of its labels does, whatever else it lacks."""
    before = reference(1, a=minmax(0.0, 1.0), b=minmax(0.0, 1.0))
    after = reference(2, a=minmax(0.1, 1.0), b=minmax(0.0, 1.0))
    items = [f"i{number:03}" for number in range(200)]
    columns = columns_of(store, items)
    expected = moved(before, after, {**columns, "b": np.nan_to_num(columns["b"])})

    found = changed_items(store, before, after, RULES)

    assert 0 < expected.sum() < 200
    assert names(store, found) == {
        item for item, is_in in zip(items, expected, strict=True) if is_in
    }


def test_a_softmax_takes_all_labels_together(store):
    """Labels that share their probabilities are compared where an item has all of them."""
    before = reference(1, a=softmax(1.0), b=softmax(1.0))
    after = reference(2, a=softmax(0.5), b=softmax(0.5))
    items = [f"i{number:03}" for number in range(190)]
    expected = moved(before, after, columns_of(store, items))

    found = changed_items(store, before, after, RULES)

    assert 0 < expected.sum() < 190
    assert names(store, found) == {
        item for item, is_in in zip(items, expected, strict=True) if is_in
    }


def test_a_reference_that_is_the_same_changes_nothing(store):
    """What has the digest it had is not even looked at."""
    same = reference(1, a=minmax(0.0, 1.0), b=minmax(0.0, 1.0))

    assert changed_items(store, same, same, RULES).size == 0


def test_a_head_that_is_new_changes_all_of_its_items(store):
    """Where there was no reference every item of the head gets an outcome."""
    after = reference(1, a=minmax(0.0, 1.0), b=minmax(0.0, 1.0))

    assert changed_items(store, {}, after, RULES).size == 200
    assert changed_items(store, after, {}, RULES).size == 200


def test_a_head_nobody_scored_here_changes_nothing(store):
    """A registry may have heads and labels of which this store holds no score."""
    before = reference(1, c=minmax(0.0, 1.0))
    after = reference(2, c=minmax(0.2, 1.0), d=softmax(1.0))

    assert changed_items(store, before, after, RULES).size == 0
