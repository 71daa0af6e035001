from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.documents import FIGURES, Confusion, Trial
from calreg.errors import InputError
from calreg.evaluate import (
    bootstrap_intervals,
    clopper_pearson,
    confusion_of,
    evidence_of,
    exact_match,
    overall_of,
)
from calreg.labelled import LabelledColumn

DIGEST = "ab" * 32
confusions = st.builds(Confusion, *[st.integers(0, 60)] * 4)


def janitr_like():
    """A set with the counts tp 29, fp 1, fn 20, tn 164 at 0.5, and probabilities."""
    scores = np.repeat([0.9, 0.75, 0.25, 0.1], [29, 1, 20, 164])
    truth = np.repeat([True, False, True, False], [29, 1, 20, 164])
    return scores, truth


def evidence(scores, truth, **options):
    given_options = {
        "direction": "higher",
        "fires": scores >= 0.5,
        "probabilities": None,
        "digest": DIGEST,
        **options,
    }
    return evidence_of(scores, truth, **given_options)


def test_evidence_has_every_figure_and_its_interval():
    """Counts, rates, intervals and ranking are those of the functions that define them."""
    found = evidence(*janitr_like(), fpr_limit=0.02).to_json()

    counts = Confusion(tp=29, fp=1, fn=20, tn=164)
    drawn = bootstrap_intervals(counts, seed=0)
    assert {name: found[name] for name in ("tp", "fp", "fn", "tn")} == counts.to_json()
    assert (found["positives"], found["negatives"], found["digest"]) == (49, 165, DIGEST)
    assert (found["precision"], found["recall"]) == (counts.precision, counts.recall)
    assert (found["f1"], found["fpr"]) == (counts.f1, counts.fpr)
    assert found["precision_interval"] == list(clopper_pearson(29, 30))
    assert found["recall_interval"] == list(clopper_pearson(29, 49))
    assert found["fpr_interval"] == list(clopper_pearson(1, 165))
    assert found["f1_interval"] == list(drawn["f1"])
    assert found["bootstrap"] == {f"{name}_interval": list(ends) for name, ends in drawn.items()}
    assert found["auroc_interval"][0] < found["auroc"] < found["auroc_interval"][1]
    assert (found["top_score"], found["at_top_score"]) == (0.9, 29)
    assert found["negatives_at_top_score"] == 0
    assert found["allowed_false_positives"] == 3
    assert found["brier"] is found["nll"] is found["ece15_equal_width_debiased"] is None


def test_every_key_is_there_whatever_is_known():
    """The keys are always the same, in plain JSON; what is not known is null."""
    scores, truth = janitr_like()

    full = evidence(scores, truth, probabilities=scores, fpr_limit=0.05).to_json()
    bare = evidence(scores[:0], truth[:0], fires=None).to_json()
    one_class = evidence(scores[~truth], truth[~truth], probabilities=scores[~truth]).to_json()

    assert list(full) == list(bare) == list(one_class)
    assert all(value is not None for value in full.values())
    assert {name for name, value in bare.items() if value is not None} == {
        "digest",
        "positives",
        "negatives",
    }
    assert {name for name, value in one_class.items() if value is None} == {
        "auroc",
        "auroc_interval",
        "average_precision",
        "allowed_false_positives",
    }
    assert json.loads(json.dumps([full, bare, one_class])) == [full, bare, one_class]


@pytest.mark.parametrize(
    ("negatives", "limit", "allowed"),
    [(45, 0.02, 0), (50, 0.02, 1), (100, 0.07, 7), (1000, 0.001, 1), (165, 0.02, 3), (0, 0.1, 0)],
)
def test_a_limit_allows_whole_items(negatives, limit, allowed):
    """2 % of 45 negatives allows none; 7 % of 100 allows 7, though 0.07 · 100 is no whole float."""
    truth = np.repeat([True, False], [5, negatives])

    found = evidence(np.linspace(1, 0, truth.size), truth, fpr_limit=limit)

    assert found.allowed_false_positives == allowed


def test_low_scores_saturate_at_the_bottom():
    """Where low scores fire, the saturation point is the lowest score."""
    scores = np.array([0.0, 0.0, 0.0, 0.5])
    truth = np.array([True, False, False, False])

    found = evidence(scores, truth, direction="lower", fires=scores <= 0.0).to_json()

    assert (found["top_score"], found["at_top_score"]) == (0.0, 3)
    assert found["negatives_at_top_score"] == 2
    assert found["auroc"] == pytest.approx(2 / 3)


def test_a_trial_is_what_a_document_keeps():
    """A trial has counts and the documents' figures to 12 digits, and survives a document."""
    scores, truth = janitr_like()
    found = evidence(scores, truth, probabilities=scores)

    trial = found.trial

    full = found.to_json()
    assert trial.confusion == Confusion(tp=29, fp=1, fn=20, tn=164)
    assert set(trial.figures) == set(FIGURES)
    for name, value in trial.figures.items():
        assert value == pytest.approx(full[name], rel=1e-11)
        assert float(f"{value:.12g}") == value
    assert Trial.from_json(trial.to_json()) == trial


def test_a_trial_without_decision_or_probabilities_says_nothing_of_them():
    """A trial leaves out what was not decided, not said or not defined."""
    scores, truth = janitr_like()

    trial = evidence(scores, truth, fires=None).trial
    empty = evidence(scores[truth], truth[truth], fires=None).trial

    assert trial.confusion is None
    assert set(trial.figures) == {"auroc", "average_precision"}
    assert set(empty.figures) == {"average_precision"}


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_the_four_counts_are_all_items(pairs):
    """Decisions and truth fall into four counts, each pair into its own."""
    fires = np.array([pair[0] for pair in pairs], dtype=bool)
    truth = np.array([pair[1] for pair in pairs], dtype=bool)

    found = confusion_of(fires, truth)

    assert found.tp == pairs.count((True, True))
    assert found.fp == pairs.count((True, False))
    assert found.fn == pairs.count((False, True))
    assert found.tn == pairs.count((False, False))


@pytest.mark.parametrize(
    ("fires", "message"),
    [([True], "as many decisions as truth"), ([1, 0], "decisions as bool, got int64")],
)
def test_decisions_that_are_none_are_refused(fires, message):
    """Decisions of another number or type than truth are refused."""
    with pytest.raises(InputError, match=message):
        confusion_of(np.array(fires), np.array([True, False]))


# --- overall ------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.lists(confusions, min_size=1, max_size=6))
def test_overall_pools_and_averages(columns):
    """Micro is of the pooled counts, macro the mean of the labels' own, worst the greatest."""
    found = overall_of({str(i): counts for i, counts in enumerate(columns)})

    pooled = Confusion(
        *(sum(getattr(counts, name) for counts in columns) for name in ("tp", "fp", "fn", "tn"))
    )
    for name in ("f1", "precision", "recall", "fpr"):
        own = [getattr(counts, name) for counts in columns]
        assert found[f"micro_{name}"] == getattr(pooled, name)
        assert found[f"macro_{name}"] == pytest.approx(np.mean(own))
    assert found["worst_fpr"] == max(counts.fpr for counts in columns)


def test_overall_of_nothing_is_refused():
    """A head without any decision has no overall figures."""
    with pytest.raises(InputError, match="at least one label"):
        overall_of({})


def column(truth, rows=None):
    truth = np.array(truth, dtype=bool)
    rows = np.arange(truth.size) if rows is None else np.array(rows)
    return LabelledColumn(np.zeros(truth.size), truth, rows)


def test_an_item_matches_if_every_label_does():
    """The exact match is the share of items with no wrong label; None where rows differ."""
    columns = {"a": column([1, 0, 1, 0]), "b": column([0, 0, 1, 1])}
    fires = {"a": np.array([1, 0, 0, 0], bool), "b": np.array([0, 0, 1, 0], bool)}

    assert exact_match(columns, fires) == 0.5
    assert exact_match({**columns, "b": column([0, 0, 1, 1], [0, 1, 2, 4])}, fires) is None
    assert exact_match({}, {}) is None
    with pytest.raises(InputError, match="decisions for every label"):
        exact_match(columns, {"a": fires["a"]})
