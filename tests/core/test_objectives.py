from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.calibrate.objectives import EXAMPLES, Objective, parse_objective
from calreg.errors import UsageError

rates = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)
costs = st.floats(0.0, exclude_min=True, allow_infinity=False)
objectives = st.one_of(
    st.just(Objective("youden")),
    st.builds(Objective, st.just("max-f"), beta=st.floats(1e-3, 1e3)),
    st.builds(
        Objective,
        st.sampled_from(["max-recall@fpr", "max-precision@recall", "max-recall@precision"]),
        limit=rates,
    ),
    st.builds(Objective, st.just("min-cost"), fp_cost=costs, fn_cost=costs),
)


@given(objectives)
def test_text_reads_back(objective):
    """Every objective is what its own text says."""
    assert parse_objective(objective.text) == objective


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_canonical(text):
    """The forms that are shown to people are the canonical ones."""
    assert parse_objective(text).text == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("max-f1.0", "max-f1"),
        ("max-f.5", "max-f0.5"),
        ("max-recall@fpr<=2e-2", "max-recall@fpr<=0.02"),
        ("max-precision@recall>=0.90", "max-precision@recall>=0.9"),
        ("min-cost@fn=20.0,fp=1", "min-cost@fp=1,fn=20"),
    ],
)
def test_one_objective_has_one_text(text, canonical):
    """Other ways to write a number come to the same text."""
    assert parse_objective(text).text == canonical


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("max-f1-score", "got '1-score'", "for example max-f1"),
        ("max-f", "a positive number after max-f, got ''", "for example max-f1"),
        ("max-f0", "a positive number after max-f, got '0'", "for example max-f"),
        ("max-f-1", "a positive number after max-f, got '-1'", "for example max-f1"),
        ("max-finf", "a positive number after max-f, got 'inf'", "for example max-f"),
        ("max-fnan", "a positive number after max-f, got 'nan'", "for example max-f"),
        ("max-f1e9", "beta between 0.001 and 1000", "precision or recall alone"),
        ("max-recall@fpr<=2", "a rate between 0 and 1", "2 % is written max-recall@fpr<=0.02"),
        ("max-recall@fpr<=2%", "got '2%'", "2 % is written max-recall@fpr<=0.02"),
        ("max-recall@fpr<=0", "got '0'", "for example max-recall@fpr<=0.02"),
        ("max-recall@fpr<=1", "got '1'", "for example max-recall@fpr<=0.02"),
        ("max-recall@fpr<=nan", "got 'nan'", "for example max-recall@fpr<=0.02"),
        ("max-recall@fpr<=0.02 ", "got '0.02 '", "for example max-recall@fpr<=0.02"),
        ("max-recall@fpr<0.02", "is not an objective", "did you mean max-recall@fpr<=0.02?"),
        ("max-recal@fpr<=0.02", "is not an objective", "did you mean max-recall@fpr<=0.02?"),
        ("max-precision@recall<=0.9", "not an objective", "max-precision@recall>=0.9"),
        ("max-recall@precision>=120", "got '120'", "max-recall@precision>=0.8"),
        ("min-cost@fp=1", "expected the cost of a false positive and", "min-cost@fp=1,fn=20"),
        ("min-cost@fp=1,fp=2", "expected the cost", "min-cost@fp=1,fn=20"),
        ("min-cost@fp=0,fn=20", "a positive cost fp=, got '0'", "min-cost@fp=1,fn=20"),
        ("min-cost@fp=1,fn=inf", "a positive cost fn=, got 'inf'", "min-cost@fp=1,fn=20"),
        ("min-cost@fp=1,fn=1e999", "a positive cost fn=, got '1e999'", "min-cost@fp=1,fn=20"),
        ("Youden", "is not an objective", "did you mean youden?"),
        ("accuracy!", "is not an objective", "one of max-f1, max-f0.5"),
        ("", "is not an objective", "one of max-f1"),
    ],
)
def test_what_is_no_objective_is_refused(text, message, hint):
    """A text that is no objective is refused with what is wrong and what would be right."""
    with pytest.raises(UsageError) as caught:
        parse_objective(text)

    assert message in str(caught.value)
    assert repr(text) in str(caught.value)
    assert hint in caught.value.hint
