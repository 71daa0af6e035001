from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.calibrate.grid import grid_search, parse_axis
from calreg.errors import InputError, UsageError

# A slow machine is no counter-example.
LAW = settings(deadline=None, max_examples=60)


def some_columns(seed: int, rows: int, labels: int):
    rng = np.random.default_rng(seed)
    columns = []
    for _ in range(labels):
        truth = rng.random(rows) < rng.uniform(0.1, 0.6)
        columns.append((rng.normal(np.where(truth, 3.0, -3.0), 5.0), truth))
    return columns


def naive(columns, temperatures, thresholds):
    """Firing cells as everybody computes them: a sigmoid per temperature, a comparison per cell."""
    logits = np.stack([scores for scores, _ in columns], axis=1)
    fired = [[1.0 / (1.0 + np.exp(-logits / T)) >= t for t in thresholds] for T in temperatures]
    return np.array(fired)


def f1(fired, truth, axis):
    tp = (fired & truth).sum(axis=axis)
    whole = fired.sum(axis=axis) + truth.sum(axis=axis)
    return np.where(whole > 0, 2 * tp / np.maximum(whole, 1), 0.0)


@given(
    seed=st.integers(0, 10_000),
    temperatures=st.lists(st.floats(0.05, 50.0), min_size=1, max_size=5),
    thresholds=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5),
)
@LAW
def test_every_cell_is_the_naive_one(seed, temperatures, thresholds):
    """Micro and macro F1 of each cell are those of computing each probability."""
    columns = some_columns(seed, 60, 3)
    truth = np.stack([known for _, known in columns], axis=1)

    grid = grid_search(columns, temperatures, thresholds)

    fired = naive(columns, temperatures, thresholds)
    for row, column in np.ndindex(grid.micro_f1.shape):
        cell = fired[row, column]
        assert grid.micro_f1[row, column] == pytest.approx(f1(cell, truth, None), abs=1e-15)
        assert grid.macro_f1[row, column] == pytest.approx(f1(cell, truth, 0).mean(), abs=1e-14)


@given(seed=st.integers(0, 10_000))
@LAW
def test_groups_are_equal_decisions(seed):
    """Two cells are in one group if and only if they fire on the same cells of the table."""
    columns = some_columns(seed, 12, 2)
    temperatures, thresholds = (1.0, 2.0, 4.0, 8.0), (0.2, 0.5, 0.6, 0.9)

    grid = grid_search(columns, temperatures, thresholds)

    fired = naive(columns, temperatures, thresholds).reshape(16, -1)
    same = (fired[:, None] == fired[None]).all(axis=2)
    groups = grid.groups.ravel()
    assert (same == (groups[:, None] == groups[None])).all()


def test_best_cell_is_the_one_of_the_exhaustive_search():
    """The best cells hold the highest value of their array, of ties the highest cut."""
    grid = grid_search(some_columns(3, 2000, 5), range(1, 16), parse_axis("t=0.1:0.9:9")[1])

    for best, values in ((grid.best_micro, grid.micro_f1), (grid.best_macro, grid.macro_f1)):
        top = values == values.max()
        assert best.logit_cut == grid.logit_cuts[top].max()
        assert best.logit_cut == pytest.approx(
            best.temperature * math.log(best.threshold / (1 - best.threshold))
        )
    assert grid.best_micro.micro_f1 == grid.micro_f1.max()
    assert grid.best_macro.macro_f1 == grid.macro_f1.max()


def test_even_odds_are_one_decision_at_any_temperature():
    """At t = 0.5 the cut is 0 whatever the temperature, and a logit of 0 fires."""
    columns = [(np.array([-1.0, 0.0, 1.0]), np.array([False, True, True]))]

    grid = grid_search(columns, [1.0, 3.0, 7.0], [0.5])

    assert grid.logit_cuts.tolist() == [[0.0], [0.0], [0.0]]
    assert grid.micro_f1.tolist() == [[1.0], [1.0], [1.0]]
    (same,) = grid.same_decisions()
    assert [cell.temperature for cell in same] == [1.0, 3.0, 7.0]
    assert grid.best_micro == grid.cell(0, 0)


def test_float32_logits_are_compared_in_float64():
    """A float32 logit just below its cut does not fire."""
    cut = math.log(9.0)
    below = np.float32(cut)
    below = below if below < cut else np.nextafter(below, np.float32(0))
    columns = [(np.array([below, 5.0], np.float32), np.array([True, False]))]

    assert grid_search(columns, [1.0], [0.9]).micro_f1[0, 0] == 0.0


def test_labels_of_one_class_count_as_zero():
    """A label without positives has F1 0, as scikit-learn's zero_division=0 says."""
    empty = np.array([-1.0, 1.0]), np.array([False, False])
    full = np.array([-1.0, 1.0]), np.array([False, True])

    grid = grid_search([empty, full], [1.0], [0.5])

    assert grid.macro_f1[0, 0] == 0.5
    assert grid.micro_f1[0, 0] == 2 / 3


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("T=1:15:15", "T", tuple(float(n) for n in range(1, 16))),
        ("t=0.1:0.9:9", "t", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
        ("T=0.5:1:3", "T", (0.5, 0.75, 1.0)),
        ("T=1,2,5", "T", (1.0, 2.0, 5.0)),
        ("t=0.5", "t", (0.5,)),
    ],
)
def test_axes(text, name, values):
    """An axis is two ends with a count, ends included, or a list; decimals stay decimals."""
    assert parse_axis(text) == (name, values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x=1:2:3", "expected an axis T="),
        ("T", "expected an axis T="),
        ("T=", "expected numbers, got ''"),
        ("T=a,b", "expected numbers, got 'a'"),
        ("T=nan", "expected numbers, got 'nan'"),
        ("T=1:inf:3", "expected numbers, got 'inf'"),
        ("T=1:2", "expected numbers, got '1:2'"),
        ("T=1:2:3:4", "expected numbers"),
        ("T=1:2:1", "from 2 to 10,000, got '1'"),
        ("T=1:2:2.5", "from 2 to 10,000, got '2.5'"),
        ("T=1:2:99999", "from 2 to 10,000, got '99999'"),
        ("T=5:1:5", "the lower end first"),
        ("T=0:5:6", "expected a temperature a number above 0, got 0.0"),
        ("T=-1", "expected a temperature a number above 0, got -1.0"),
        ("t=0:1:11", "expected a threshold between 0 and 1, both excluded, got 0.0"),
        ("t=0.5,1", "expected a threshold between 0 and 1, both excluded, got 1.0"),
        ("T=1,1", "expected values that differ"),
    ],
)
def test_nonsense_axes_are_refused(text, message):
    """An axis that makes no sense is refused with what is wrong with it."""
    with pytest.raises(UsageError) as caught:
        parse_axis(text)

    assert message in str(caught.value)
    assert repr(text) in str(caught.value)


def test_bad_grids_are_refused():
    """No axis, no labels, or a logit that is not finite are refused."""
    column = np.array([0.0, 1.0]), np.array([False, True])

    with pytest.raises(UsageError, match="at least one temperature"):
        grid_search([column], [], [0.5])
    with pytest.raises(UsageError, match="expected a threshold"):
        grid_search([column], [1.0], [math.nan])
    with pytest.raises(InputError, match="no labels"):
        grid_search([], [1.0], [0.5])
    with pytest.raises(InputError, match="must be finite"):
        grid_search([(np.array([0.0, math.nan]), column[1])], [1.0], [0.5])
