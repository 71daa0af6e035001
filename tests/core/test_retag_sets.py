"""Which raw scores change their outcome: what intervals say is what applying both says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retag_labels import at, changes_by_methods, cut, label, labels, minmax, pairs, platt

from calreg.calibrate import describe
from calreg.documents import Calibration
from calreg.errors import InputError
from calreg.methods import apply_head, head_fires
from calreg.names import HeadName
from calreg.retag import HeadRetag, LabelRetag, RetagRules, changed_intervals, reason_text
from calreg.retag.intervals import key_of, score_of

HEAD = HeadName("m", "mood")
RULES = RetagRules(0.01, (0.3, 0.6, 0.8))
LARGEST = np.finfo(np.float64).max
ODD = [0.0, -0.0, 5e-324, -5e-324, 1e-7, 1 - 1e-7, 1e300, -1e300, LARGEST, -LARGEST]
BAD = [np.nan, np.inf, -np.inf]

rules = st.builds(
    RetagRules,
    st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.5, 1e-6, 1.0]),
    st.lists(st.integers(0, 10).map(lambda n: n / 10), max_size=4, unique=True)
    .map(sorted)
    .map(tuple),
)


def neighbourhood(ends):
    """Each of some numbers, those just beside it, and some a little further off."""
    keys = key_of(np.array([end for end in ends if np.isfinite(end)]))
    steps = [*range(-9, 10), *(sign * 2**n for n in range(5, 40, 5) for sign in (-1, 1))]
    return score_of(np.concatenate([keys + step for step in steps])) if keys.size else np.empty(0)


def places_of(side):
    """The numbers in a label's parameters and decision."""
    found = []
    for value in side.parameters.values():
        found += value if isinstance(value, tuple) else [value] if isinstance(value, float) else []
    decision = side.decision
    cuts = [decision.threshold, decision.score_threshold] if decision is not None else []
    return [*found, *(one for one in cuts if one is not None)]


def telling_scores(found, *sides):
    """Scores that could show a difference: boundaries and neighbours, a range, odd ones."""
    ends = [*found.sure.lo, *found.sure.hi, *found.doubt.lo, *found.doubt.hi]
    near = neighbourhood([*ends[:60], *(place for side in sides for place in places_of(side))])
    fine, coarse = np.linspace(-1, 2, 301), np.linspace(-60, 60, 121)
    return np.concatenate([near[np.isfinite(near)], fine, np.round(fine, 2), coarse, ODD, BAD])


@given(pairs(), rules)
def test_intervals_say_what_applying_both_says(pair, rules):
    """A score is in the set if and only if its outcome by calreg.methods changes, ties included."""
    found = LabelRetag(*pair, rules)
    scores = telling_scores(found, *pair)

    expected = changes_by_methods(*pair, scores, rules)
    assert found.contains(scores).tolist() == expected.tolist()
    assert (found.changes(scores) > 0).tolist() == expected.tolist()


@given(pairs(), rules)
def test_what_is_sure_needs_no_look(pair, rules):
    """Inside the sure intervals everything changes, outside the possible ones nothing."""
    found = LabelRetag(*pair, rules)
    scores = telling_scores(found, *pair)

    expected = changes_by_methods(*pair, scores, rules)
    assert expected[found.sure.contains(scores)].all()
    assert not expected[~found.possible.contains(scores)].any()
    assert found.possible.lo.size <= 4


@given(labels(), rules)
def test_the_same_calibration_changes_nothing(side, rules):
    """A label against itself, with other evidence, has an empty set."""
    other = replace(side, distribution=describe(np.linspace(0, 1, 200)))

    found = LabelRetag(side, other, rules)
    assert found.sure.is_empty
    assert found.doubt.is_empty


@given(pairs(), rules)
def test_there_and_back_is_the_same_set(pair, rules):
    """What changes from one to the other changes from the other to the one."""
    there, back = LabelRetag(*pair, rules), LabelRetag(*pair[::-1], rules)
    scores = telling_scores(there, *pair)

    assert there.contains(scores).tolist() == back.contains(scores).tolist()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (minmax(0.1, 0.9), minmax(0.12, 0.9)),
        (minmax(0.1, 0.9), platt(5.0, -2.5)),
        (platt(6.0, -3.0), platt(6.3, -3.0)),
        (platt(6.0, -3.0, at(0.5)), platt(6.0, -3.0, at(0.6))),
        (label("temperature", {"temperature": 1.0, "link": "sigmoid", "scale": "probability"}),
         label("temperature", {"temperature": 1.3, "link": "sigmoid", "scale": "probability"})),
        (label("beta", {"a": 1.0, "b": 1.0, "c": 0.0, "scale": "probability"}),
         label("beta", {"a": 1.2, "b": 0.9, "c": 0.1, "scale": "probability"})),
        (label("isotonic", {"x": (0.0, 0.3, 1.0), "y": (0.0, 0.6, 1.0)}),
         label("isotonic", {"x": (0.0, 0.4, 1.0), "y": (0.0, 0.55, 1.0)})),
        (label("histogram", {"edges": (0.3, 0.7), "values": (0.1, 0.5, 0.9)}),
         label("histogram", {"edges": (0.4, 0.7), "values": (0.1, 0.51, 0.9)})),
        (label("factor", {"factor": 1.0}), label("factor", {"factor": 1.05})),
        (cut(0.5), cut(0.52)),
    ],
    ids=["minmax", "mixed", "platt", "cut", "temperature", "beta", "isotonic", "histogram",
         "factor", "threshold"],
)  # fmt: skip
def test_hardly_a_score_needs_a_look(before, after):
    """Of usual pairs, intervals decide all scores but less than one in ten thousand."""
    found = LabelRetag(before, after, RULES)
    scores = np.random.default_rng(3).random(200_000)

    assert found.doubt.contains(scores).mean() < 1e-4
    assert 0 < found.contains(scores).mean() < 1


def test_a_move_of_exactly_min_change_counts():
    """The value moves by 0.25 over a whole range of scores, and 0.25 was asked for."""
    found = LabelRetag(minmax(0.0, 1.0), minmax(-0.25, 0.75), RetagRules(0.25))
    scores = np.array([-0.25, -0.125, 0.0, 0.25, 0.5, 0.75, 0.875, 1.0])

    assert found.contains(scores).tolist() == [False, False, True, True, True, True, False, False]


def test_just_less_than_min_change_does_not_count():
    """The same move, a last bit more being asked for, is none."""
    found = LabelRetag(minmax(0.0, 1.0), minmax(-0.25, 0.75), RetagRules(np.nextafter(0.25, 1)))

    assert not found.contains(np.linspace(-1, 2, 1001)).any()


def test_a_tier_begins_at_its_cut():
    """A score whose value is at a cut before, and just below it after, changes its tier."""
    found = LabelRetag(minmax(0.0, 1.0), minmax(0.0, 1.0 + 2**-50), RetagRules(0.5, (0.5,)))

    changes = found.changes(np.array([0.5, np.nextafter(0.5, 0), 0.5 + 1e-9, 0.7]))
    assert [reason_text(one) for one in changes] == ["tier", "", "", ""]


def test_reasons_are_all_told():
    """A score may move, fire and change its tier at once."""
    found = LabelRetag(platt(6.0, -3.0, at(0.5)), platt(6.0, -2.0, at(0.5)), RULES)

    changes = found.changes(np.array([0.45, 0.05, 9.0]))
    assert [reason_text(one) for one in changes] == ["value+fired+tier", "value", ""]


def test_a_label_without_a_decision_never_fires():
    """A threshold that is new, or null now, changes what fires and nothing else."""
    undecided, decided, null = platt(), platt(decision=at(0.5)), platt(decision=at(None))
    scores = np.array([0.4, 0.5, 0.6])

    new = LabelRetag(undecided, decided, RULES).changes(scores)
    assert [reason_text(one) for one in new] == ["", "fired", "fired"]
    assert LabelRetag(decided, null, RULES).changes(scores).tolist() == new.tolist()
    assert not LabelRetag(undecided, null, RULES).contains(scores).any()


def test_a_cut_of_raw_scores_is_exact():
    """From 0.5 to 0.6, higher speaking for the label: 0.5 stops firing, 0.6 goes on."""
    edge = np.array([np.nextafter(0.5, 0), 0.5, np.nextafter(0.6, 0), 0.6])

    assert LabelRetag(cut(0.5), cut(0.6), RULES).contains(edge).tolist() == [0, 1, 1, 0]
    falling = LabelRetag(cut(0.5, "lower"), cut(0.6, "lower"), RULES)
    beyond = np.array([0.5, np.nextafter(0.5, 1), 0.6, np.nextafter(0.6, 1)])
    assert falling.contains(beyond).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(("before", "after", "why"),
                         [(None, minmax(), "added"), (minmax(), None, "removed")])  # fmt: skip
def test_a_label_that_one_side_lacks_changes_throughout(before, after, why):
    """Every readable score of a label that is new, or gone, has another outcome."""
    changes = LabelRetag(before, after, RULES).changes(np.array([0.5, -3.0, *BAD]))

    assert [reason_text(one) for one in changes] == [why, why, "", "", ""]


def test_a_value_that_there_was_not_is_a_change():
    """From a bare threshold to probabilities, every score gets a value it did not have."""
    scores = np.array([0.2, 0.9])

    assert LabelRetag(cut(0.5), platt(decision=at(0.5)), RULES).contains(scores).all()


def test_what_is_no_score_changes_nothing():
    """NaN and infinities have no outcome, before or after."""
    for pair in [(minmax(), platt()), (minmax(), None), (cut(0.5), platt())]:
        assert not LabelRetag(*pair, RULES).contains(np.array(BAD)).any()


@pytest.mark.parametrize("parameters", [{"p5": 0.5, "p95": 0.5}, {"p5": 0.5}])
def test_a_degenerate_reference_is_refused(parameters):
    """A calibration that cannot be applied is not compared either, on whichever side it is."""
    broken = label("minmax", parameters)

    for pair in [(broken, minmax()), (minmax(), broken), (None, broken), (broken, broken)]:
        with pytest.raises(InputError):
            LabelRetag(*pair, RULES)


@pytest.mark.parametrize("min_change", [0.0, -1.0, np.nan, np.inf])
def test_a_min_change_that_is_none_is_refused(min_change):
    """A move of at least 0 would be every score."""
    with pytest.raises(InputError, match="expected a number above 0"):
        RetagRules(min_change)


@pytest.mark.parametrize("tiers", [(0.5, 0.5), (0.6, 0.3), (np.nan,), (0.5, np.inf)])
def test_tiers_that_do_not_ascend_are_refused(tiers):
    """Cuts have an order."""
    with pytest.raises(InputError, match="ascending numbers"):
        RetagRules(tiers=tiers)


def test_a_new_method_is_applied_to_every_score():
    """A map that rises and falls has no intervals, and the same answers."""
    bent = label("beta", {"a": 1.0, "b": -2.0, "c": 0.0, "scale": "probability"})
    found = LabelRetag(minmax(), bent, RULES)
    scores = np.linspace(0, 1, 999)

    assert found.doubt.contains(scores).all()
    expected = changes_by_methods(minmax(), bent, scores, RULES)
    assert found.contains(scores).tolist() == expected.tolist()


def test_float32_scores_count_as_what_they_say():
    """A float32 score is widened first: it is never compared in its own precision."""
    scores = np.linspace(0, 1, 5001, dtype=np.float32)
    found = LabelRetag(minmax(0.1, 0.9), minmax(0.11, 0.9), RULES)

    assert found.contains(scores).tolist() == found.contains(scores.astype(np.float64)).tolist()


def test_the_share_of_a_histogram_is_near_the_share_of_its_scores():
    """What a document keeps of the scores is enough to say about how many change."""
    scores = np.random.default_rng(4).beta(2, 3, 20_000)
    histogram = describe(scores).histogram
    found = changed_intervals(minmax(0.1, 0.9), minmax(0.1, 0.93), RULES)

    assert found.share_of(histogram) == pytest.approx(found.contains(scores).mean(), abs=0.005)


# Heads


def head(version=1, **labels):
    return Calibration(HEAD, version, labels)


def softmax(temperature, threshold=None):
    parameters = {"temperature": temperature, "link": "softmax", "scale": "logit"}
    decision = None if threshold is None else at(threshold)
    return label("temperature", parameters, decision, None if threshold is None else "higher")


def test_a_head_answers_label_by_label():
    """Each label has its own set; one that is new changes throughout."""
    found = HeadRetag(head(a=minmax(), b=minmax()), head(2, a=minmax(0, 0.5), c=minmax()), RULES)
    scores = np.array([0.0, 0.5])

    assert found.names == ("a", "b", "c")
    changed = found.changed(dict.fromkeys("abc", scores))
    assert {name: one.tolist() for name, one in changed.items()} == {
        "a": [False, True],
        "b": [True, True],
        "c": [True, True],
    }


@pytest.mark.parametrize("after", [softmax(1.5, 0.4), minmax(-2.0, 2.0)], ids=["softmax", "minmax"])
def test_a_softmax_is_applied_to_all_labels_at_once(after):
    """Its outcomes are those of apply_head and head_fires; an item with a bad score has none."""
    before = head(a=softmax(1.0, 0.5), b=softmax(1.0, 0.5))
    other = head(2, a=after, b=after)
    chance = np.random.default_rng(6)
    columns = {name: np.append(chance.normal(size=500), [np.nan, 1.0]) for name in "ab"}
    columns["b"][-1] = np.nan

    found = HeadRetag(before, other, RULES)
    old, new = (apply_head(side.labels, columns) for side in (before, other))
    fired = head_fires(before.labels, columns)
    expected = {}
    for name, scores in columns.items():
        moved = np.abs(new[name] - old[name]) >= RULES.min_change
        for tier in RULES.tiers:
            moved |= (old[name] >= tier) != (new[name] >= tier)
        fired_after = (
            head_fires(other.labels, columns)[name]
            if after.decision is not None
            else np.zeros(scores.shape, bool)
        )
        moved |= fired[name] != fired_after
        moved |= np.isnan(old[name]) != np.isnan(new[name])
        expected[name] = (moved & np.isfinite(scores)).tolist()

    assert changed_intervals(before.labels["a"], after, RULES) is None
    changed = found.changed(columns)
    assert {name: one.tolist() for name, one in changed.items()} == expected


def test_a_softmax_needs_all_its_labels():
    """Half of the labels' scores say nothing about the others."""
    found = HeadRetag(head(a=softmax(1.0), b=softmax(1.0)), None, RULES)

    with pytest.raises(InputError, match="needs the scores of all labels"):
        found.changed({"a": np.zeros(3)})


def test_a_label_of_neither_is_refused():
    """A misspelt label is no label that changed."""
    found = HeadRetag(head(a=minmax()), head(2, a=minmax()), RULES)

    with pytest.raises(InputError, match="no label 'b'"):
        found.changed({"b": np.zeros(3)})


def test_a_head_that_is_the_same_says_so():
    """Other evidence and another version are no other rule; another cut is one."""
    same = HeadRetag(head(a=cut(0.5)), head(2, a=cut(0.5)), RULES)
    other = HeadRetag(head(a=cut(0.5)), head(2, a=cut(0.6)), RULES)

    assert same.is_same
    assert not other.is_same
    assert not HeadRetag(head(a=cut(0.5)), head(2), RULES).is_same
