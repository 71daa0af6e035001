from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from brute_force import NEVER, counts_at, f_measure, share, slowest_cut
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.calibrate.objectives import Objective, parse_objective
from calreg.calibrate.shared import best_shared_cut
from calreg.calibrate.thresholds import best_cut, confusion_at
from calreg.documents.decision import Confusion
from calreg.errors import InputError, UsageError

# A slow machine is no counter-example.
LAW = settings(deadline=None, max_examples=100)


@st.composite
def heads(draw):
    """One to four labels whose scores tie within and between them."""
    columns = []
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.integers(2, 12))
        scores = np.array(draw(st.lists(st.integers(-3, 6), min_size=size, max_size=size)), float)
        truth = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
        truth[:2] = True, False
        scores[1] += scores[0] == scores.max() == scores.min()
        columns.append((scores / 4, truth))
    return columns


def mean_worth(columns, objective: Objective, threshold: float) -> Fraction:
    total = Fraction(0)
    for scores, truth in columns:
        counts = counts_at(scores, truth, threshold)
        if objective.kind == "youden":
            total += share(counts.tp, counts.positives) - share(counts.fp, counts.negatives)
        else:
            total += f_measure(counts, objective.beta)
    return total


@given(heads(), st.sampled_from(["max-f1", "max-f2", "youden", "max-recall@fpr<=0.3"]))
@LAW
def test_micro_is_the_optimum_of_the_pooled_cells(columns, text):
    """A micro threshold is the one of all cells taken as one label."""
    objective = parse_objective(text)
    pooled = [np.concatenate(parts) for parts in zip(*columns, strict=True)]

    cut = best_shared_cut(columns, objective, average="micro")

    assert (cut.threshold, cut.confusion) == slowest_cut(*pooled, objective)


@given(heads(), st.sampled_from(["max-f1", "max-f0.5", "max-f2", "youden"]))
@LAW
def test_macro_is_the_optimum_of_the_mean(columns, text):
    """A macro threshold is the highest with the highest exact mean over labels."""
    objective = parse_objective(text)
    scores = {NEVER, *(score for column, _ in columns for score in column.tolist())}

    cut = best_shared_cut(columns, objective, average="macro")

    best = max((mean_worth(columns, objective, score), score) for score in scores)
    assert (NEVER if cut.threshold is None else cut.threshold) == best[1]
    assert cut.confusion == sum(
        (confusion_at(*column, cut.threshold) for column in columns), Confusion(0, 0, 0, 0)
    )


@given(heads(), st.sampled_from(["max-f1", "youden"]), st.sampled_from(["micro", "macro"]))
@LAW
def test_lower_direction_mirrors_higher(columns, text, average):
    """Labels that fire on low scores get the mirrored shared threshold."""
    objective = parse_objective(text)
    mirrored = [(-scores, truth) for scores, truth in columns]

    higher = best_shared_cut(columns, objective, average=average)
    lower = best_shared_cut(mirrored, objective, average=average, direction="lower")

    assert (lower.status, lower.confusion) == (higher.status, higher.confusion)
    assert lower.threshold == (None if higher.threshold is None else -higher.threshold)


@given(heads())
@LAW
def test_mean_cost_is_the_pooled_cost(columns):
    """For costs macro and micro are the same threshold."""
    objective = parse_objective("min-cost@fp=1,fn=3")

    macro = best_shared_cut(columns, objective, average="macro")

    assert macro == best_shared_cut(columns, objective, average="micro")


def test_one_label_is_its_own_average():
    """With one label micro, macro and per-label are the same."""
    label = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    objective = parse_objective("max-f1")

    for average in ("micro", "macro"):
        assert best_shared_cut([label], objective, average=average) == best_cut(*label, objective)


def test_macro_over_many_scores_of_other_labels():
    """Thousands of ties between two scores that matter do not move the threshold."""
    rng = np.random.default_rng(5)
    clear = np.array([0.9, 0.95, 0.1]), np.array([True, True, False])
    scores = np.append(rng.uniform(0.2, 0.89, 20_000), 0.05)
    noisy = scores, np.append(np.zeros(20_000, bool), True)

    cut = best_shared_cut([clear, noisy], parse_objective("max-f1"), average="macro")

    assert (cut.threshold, cut.confusion.tp, cut.confusion.fp) == (0.9, 2, 0)


def test_macro_of_a_limit_is_refused():
    """A limit has no mean over labels: macro refuses it and says what to ask for."""
    label = np.array([0.1, 0.9]), np.array([False, True])

    with pytest.raises(UsageError, match="has no mean over labels") as caught:
        best_shared_cut([label, label], parse_objective("max-recall@fpr<=0.02"), average="macro")
    assert "--average micro" in caught.value.hint


def test_pooled_cells_get_no_guarantee():
    """Cells of one item are not independent: a guarantee over several labels is refused."""
    label = np.array([0.1, 0.9]), np.array([False, True])
    objective = parse_objective("max-recall@fpr<=0.02")

    with pytest.raises(UsageError, match="a guarantee holds for one label"):
        best_shared_cut([label, label], objective, average="micro", guarantee=0.95)


def test_macro_says_which_label_cannot_be_tuned_on():
    """A label with truth of one class is refused with its place."""
    good = np.array([0.1, 0.9]), np.array([False, True])
    bad = np.array([0.1, 0.9]), np.array([True, True])

    with pytest.raises(InputError, match="label 2 of 2: expected truth of both classes"):
        best_shared_cut([good, bad], parse_objective("max-f1"), average="macro")
    with pytest.raises(InputError, match="no labels"):
        best_shared_cut([], parse_objective("max-f1"), average="micro")
