"""Scores that come as arrays are described as those of a file are."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calreg.errors import InputError
from calreg.names import HeadName
from calreg.scores import ScoreTable, described, read_scores

HAPPY = HeadName.parse("essentia/effnet/mood_happy")
DARK = HeadName.parse("m/timbre")

NUMBERS = st.lists(
    st.one_of(st.floats(-2, 2), st.sampled_from([0.0, -0.0, 0.1, 1.0])), min_size=1, max_size=40
)
LABELS = st.dictionaries(
    st.sampled_from([(HAPPY, "happy"), (HAPPY, "it's"), (DARK, "dark, or not")]),
    NUMBERS,
    min_size=1,
)


def no_grid(_head, _label):
    return None


def given_as(labels, **options):
    """The labels' scores as arrays, described."""
    triples = [(head, label, np.array(found)) for (head, label), found in labels.items()]
    return described(triples, grid_of=no_grid, **options)


@given(LABELS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrays_are_described_as_a_file_of_them_is(tmp_path, labels):
    """Heads, counts and digest equal those of a Parquet file with the same scores."""
    path = tmp_path / "scores.parquet"
    rows = [(head.model, head.head, label, one)
            for (head, label), found in labels.items() for one in found]  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (model TEXT, head TEXT, label TEXT, score DOUBLE)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")

    of_file = read_scores(ScoreTable((str(path),)), grid_of=no_grid)
    of_store = given_as(labels)

    assert of_store.heads == of_file.heads
    assert of_store.digest == of_file.digest
    assert (of_store.rows, of_store.accepted) == (of_file.rows, of_file.accepted)
    assert (of_store.rejected, of_store.first_rejects) == ({}, ())
    assert (of_store.kind, of_store.files) == ("store", ())


def test_the_order_of_scores_and_labels_changes_nothing():
    """Digest and numbers are the same whatever comes first."""
    scores = np.random.default_rng(5).beta(2, 3, 5000)
    one = [(HAPPY, "a", scores), (DARK, "b", scores[:900])]
    other = [(DARK, "b", scores[:900][::-1]), (HAPPY, "a", np.sort(scores))]

    assert described(one, grid_of=no_grid) == described(other, grid_of=no_grid)


def test_a_fixed_grid_and_names_are_kept():
    """The histogram lies where the registry has it, and a head keeps the name it came with."""
    found = described(
        [(HAPPY, "happy", np.linspace(0, 1, 200))],
        grid_of=lambda _head, _label: (-1.0, 3.0),
        display_names={HAPPY: "Mood Happy"},
    )

    histogram = found.heads[HAPPY].labels["happy"].histogram
    assert (histogram.lo, histogram.hi) == (-1.0, 3.0)
    assert found.heads[HAPPY].display_name == "Mood Happy"


def test_rejects_are_counted_as_rows():
    """Scores that the store did not accept count as rows, by their reasons."""
    found = given_as({(HAPPY, "happy"): [0.5, 0.25]}, rejected={"nan": 3})

    assert (found.rows, found.accepted, found.rejected) == (5, 2, {"nan": 3})


def test_progress_ends_at_all_of_the_scores():
    """What is told goes up to the number of rows."""
    told = []
    labels = {(HAPPY, str(n)): [0.1, 0.2, 0.3] for n in range(9)}

    given_as(labels, rows=27, progress=lambda done, total: told.append((done, total)))

    assert told == [(3 * n, 27) for n in range(1, 10)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e141])
def test_what_is_no_score_is_refused_by_its_label(bad):
    """NaN, infinities and absurd numbers are refused, with head and label."""
    with pytest.raises(InputError) as caught:
        given_as({(HAPPY, "happy"): [0.5, bad]})

    assert caught.value.where == "essentia/effnet/mood_happy, label 'happy'"


def test_a_label_that_comes_twice_is_refused():
    """One of two arrays for a label is not taken for all of it."""
    pair = (HAPPY, "happy", np.array([0.5]))

    with pytest.raises(InputError, match="comes twice"):
        described([pair, pair], grid_of=no_grid)


@pytest.mark.parametrize("labels", [[], [(HAPPY, "happy", np.empty(0))]])
def test_an_empty_store_is_refused(labels):
    """Without a single score there is nothing to compute."""
    with pytest.raises(InputError, match="no scores"):
        described(labels, grid_of=no_grid)
