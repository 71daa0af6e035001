from __future__ import annotations

import math

import numpy as np
import pytest
from brute_force import slowest_cut
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calreg.calibrate import narrowing
from calreg.calibrate.guarantee import allowed_false_positives
from calreg.calibrate.narrowing import narrowed
from calreg.calibrate.objectives import parse_objective
from calreg.calibrate.targets import Linear, Share, exact, target_of
from calreg.calibrate.thresholds import best_cut, confusion_at, nearest_below
from calreg.documents.decision import STATUSES, Confusion
from calreg.errors import InputError, UsageError

# A slow machine is no counter-example.
LAW = settings(deadline=None, max_examples=40)

OBJECTIVES = [
    "max-f1",
    "max-f0.5",
    "max-f2",
    "max-f0.3333333333333333",
    "max-recall@fpr<=0.02",
    "max-recall@fpr<=0.3",
    "max-precision@recall>=0.9",
    "max-precision@recall>=0.2",
    "max-recall@precision>=0.8",
    "max-recall@precision>=0.5",
    "max-recall@precision>=0.3333333333333333",
    "min-cost@fp=1,fn=20",
    "min-cost@fp=1,fn=1",
    "min-cost@fp=0.1,fn=0.3",
    "min-cost@fp=1e-9,fn=123456789.25",
    "youden",
]

few_values = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 0.25, 0.5, 1.0, 1.0000100135803223])
any_values = st.floats(-1e6, 1e6, width=32)


@st.composite
def labels(draw, values=few_values, dtype=np.float64):
    """Scores that tie, and truth of both classes."""
    rows = draw(st.lists(st.tuples(values, st.booleans()), min_size=2, max_size=40))
    scores = np.array([score for score, _ in rows], dtype=dtype)
    truth = np.array([known for _, known in rows], dtype=bool)
    truth[0], truth[1] = True, False
    if (scores == scores[0]).all():
        scores[1] = scores[0] + 1
    return scores, truth


@pytest.mark.parametrize("text", OBJECTIVES)
@given(label=labels() | labels(any_values, np.float32))
@LAW
def test_optimum_is_the_one_of_brute_force(text, label):
    """Threshold and counts are those of trying every distinct score, on every tie."""
    objective = parse_objective(text)

    cut = best_cut(*label, objective)

    assert (cut.threshold, cut.confusion) == slowest_cut(*label, objective)


@pytest.mark.parametrize("text", OBJECTIVES)
@given(label=labels() | labels(any_values, np.float32))
@LAW
def test_lower_direction_mirrors_higher(text, label):
    """A label that fires on low scores gets the mirrored threshold of the negated scores."""
    scores, truth = label
    objective = parse_objective(text)

    higher = best_cut(scores, truth, objective)
    lower = best_cut(-scores, truth, objective, direction="lower")

    assert (lower.status, lower.confusion) == (higher.status, higher.confusion)
    assert lower.threshold == (None if higher.threshold is None else -higher.threshold)


@given(label=labels(), text=st.sampled_from(OBJECTIVES), seed=st.integers(0, 99))
@LAW
def test_order_of_rows_makes_no_difference(label, text, seed):
    """The cut depends on the scores and their truth, not on where they stand."""
    scores, truth = label
    order = np.random.default_rng(seed).permutation(scores.size)
    objective = parse_objective(text)

    assert best_cut(scores, truth, objective) == best_cut(scores[order], truth[order], objective)


@given(
    label=labels(),
    text=st.sampled_from(OBJECTIVES),
    direction=st.sampled_from(["higher", "lower"]),
)
@LAW
def test_counts_are_those_at_the_threshold(label, text, direction):
    """What a cut says of itself is what applying its threshold gives."""
    cut = best_cut(*label, parse_objective(text), direction=direction)

    assert confusion_at(*label, cut.threshold, direction) == cut.confusion
    assert cut.status in STATUSES
    assert (cut.threshold is not None) == (cut.status in {"ok", "fires_always"})
    assert (cut.status == "fires_always") == (cut.confusion.fn + cut.confusion.tn == 0)


def many(name: str, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores in the shapes that bucketing could get wrong."""
    truth = rng.random(n) < 0.3
    normal = rng.normal(np.where(truth, 0.8, -0.8), 1.0)
    shapes = {
        "sigmoid": 1.0 / (1.0 + np.exp(-4.0 * normal)),
        "logit": 20.0 * normal,
        "rounded": np.round(normal, 1),
        "useless": rng.random(n),
        "saturated": np.clip(normal, -0.5, 0.5),
        "outliers": np.where(rng.random(n) < 1e-4, 1e30 * normal, normal),
        "far from zero": 1e6 + normal,
        "wide": 1e5 * normal,
        "tiny beside wide": np.where(rng.random(n) < 0.2, -1e-320, 1e5 * normal),
        "tiny": 1e-38 * normal,
        "huge": 1e300 * normal,
        "two values": (normal > 0).astype(float),
    }
    return shapes[name], truth


MANY = narrowing._FEW * 5 // 4  # enough to be narrowed

SHAPES = [
    "sigmoid",
    "logit",
    "rounded",
    "useless",
    "saturated",
    "outliers",
    "far from zero",
    "wide",
    "tiny beside wide",
    "tiny",
    "huge",
    "two values",
]


def every_cut(scores, truth):
    """Every distinct score with its counts, by one argsort of all: no narrowing."""
    order = np.argsort(-scores, kind="stable")
    ordered, known = scores[order], truth[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    tp = np.cumsum(known)[last]
    real = tp > 0
    return ordered[last][real], tp[real], (last + 1 - tp)[real]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_narrowing_changes_nothing(shape, dtype):
    """On many scores of any shape the cut is the one of sorting all of them."""
    with np.errstate(over="ignore"):
        scores, truth = many(shape, np.random.default_rng(7), MANY)
        scores = np.clip(scores, -3e38, 3e38).astype(dtype)
    positives = int(truth.sum())
    negatives = truth.size - positives
    values, tp, fp = every_cut(scores, truth)

    for text in OBJECTIVES:
        objective = parse_objective(text)
        max_fp = int(exact(objective.limit or 0.0) * negatives)
        target = target_of(objective, positives, negatives, max_fp=max_fp)
        cut = best_cut(scores, truth, objective)
        best = target.best(tp, fp)
        expected = None if best is None else float(values[best]) + 0.0
        assert cut.threshold == (None if cut.status == "fires_never" else expected), text
        assert confusion_at(scores, truth, cut.threshold) == cut.confusion


def test_narrowing_twice_counts_what_lies_above():
    """Scores in a dense cluster beside a wide range are narrowed again, above them the rest."""
    rng = np.random.default_rng(5)
    wide, dense = rng.uniform(10, 1000, 110_000), rng.uniform(0, 0.1, 90_000)
    scores = np.concatenate([wide, dense])
    truth = np.concatenate([rng.random(wide.size) < 0.9, rng.random(dense.size) < 10 * dense])
    objective = parse_objective("max-f1")
    target = target_of(objective, int(truth.sum()), int((~truth).sum()))

    stretch = narrowed(scores, truth, target)

    values, tp, fp = every_cut(scores, truth)
    assert best_cut(scores, truth, objective).threshold == values[target.best(tp, fp)]
    assert stretch.scores.size <= narrowing._FEW
    above = scores > stretch.scores.max()
    assert (stretch.tp, stretch.fp) == ((above & truth).sum(), (above & ~truth).sum())


def test_narrowing_keeps_scores_that_vanish_beside_wide_ones():
    """The best threshold is found where it is too small to be made smaller."""
    rng = np.random.default_rng(5)
    truth = rng.random(MANY) < 0.3
    scores = np.where(truth, -5e-324, rng.uniform(-4e5, -1, MANY))

    assert best_cut(scores, truth, parse_objective("max-f1")).threshold == -5e-324


def test_narrowing_leaves_little_of_a_smooth_label():
    """Of a million smooth scores less than a tenth is left to sort."""
    scores, truth = many("logit", np.random.default_rng(3), 1_000_000)
    target = target_of(parse_objective("max-f1"), int(truth.sum()), int((~truth).sum()))

    assert narrowed(scores, truth, target).scores.size < 100_000


def test_narrowing_of_the_impossible_leaves_nothing():
    """Where no threshold keeps the limit, no score is left."""
    rng = np.random.default_rng(3)
    scores = rng.random(2 * narrowing._FEW)
    truth = scores < 0.5
    target = target_of(parse_objective("max-recall@precision>=0.9"), 1000, 1000)

    assert narrowed(scores, truth, target).scores.size == 0


def test_float_rounding_does_not_decide_ties():
    """Two F-measures that differ by less than a float64 can tell are told apart."""
    tp = np.array([10**9 + 1, 10**9], dtype=np.int64)
    fp = np.array([10**9 + 2, 10**9], dtype=np.int64)
    measure = Share(exact(0.0))

    assert measure.values(tp, fp)[0] == pytest.approx(measure.values(tp, fp)[1], abs=1e-9)
    assert measure.highest(tp, fp).tolist() == [1]


def test_products_beyond_64_bits_are_exact():
    """Weights that overflow an int64 still give the right optimum."""
    measure = Linear(gain=10**40 + 1, loss=10**40)
    tp, fp = np.array([3, 7, 7]), np.array([2, 6, 6])

    assert measure.highest(tp, fp).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("limit", "negatives", "allowed"),
    [("0.07", 100, 7), ("0.02", 50, 1), ("0.29", 100, 29), ("0.02", 45, 0), ("0.02", 49, 0)],
)
def test_rate_is_judged_as_it_was_written(limit, negatives, allowed):
    """7 of 100 is within 0.07, though 0.07 * 100 is more than 7 in floats."""
    scores = np.arange(negatives + negatives + 1.0)
    truth = scores % 2 == 0  # a positive above and below each negative

    cut = best_cut(scores, truth, parse_objective(f"max-recall@fpr<={limit}"))

    assert (cut.confusion.fp, cut.confusion.tp) == (allowed, allowed + 1)


def test_float32_threshold_is_the_score():
    """The threshold of float32 scores is one of them, digit by digit."""
    scores = np.array([0.1, 0.2, 0.30000001, 0.9], dtype=np.float32)
    truth = np.array([False, False, True, True])

    cut = best_cut(scores, truth, parse_objective("max-f1"))

    assert cut.threshold == float(scores[2])
    assert confusion_at(scores, truth, cut.threshold) == Confusion(2, 0, 0, 2)


def test_float32_scores_are_compared_in_float64():
    """A threshold between two float32 numbers is not rounded to one of them."""
    score = np.float32(0.1)
    above = math.nextafter(float(score), 1.0)

    assert confusion_at(np.array([score]), np.array([True]), above).tp == 0
    assert confusion_at(np.array([score]), np.array([True]), above, "lower").tp == 1


def test_zero_has_no_sign():
    """-0.0 and 0.0 are one candidate, and the threshold is 0.0."""
    scores = np.array([-0.0, 0.0, -1.0, -0.0])
    truth = np.array([True, True, False, False])

    for direction, sign in (("higher", 1), ("lower", -1)):
        cut = best_cut(sign * scores, truth, parse_objective("max-f1"), direction=direction)
        assert math.copysign(1.0, cut.threshold) == 1.0
        assert cut.confusion == Confusion(2, 1, 0, 1)


def test_statuses():
    """Each thing that can come of a search has its name, and null where nothing fires."""
    good, bad = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.9, 0.8, 0.2, 0.1])
    truth = np.array([False, False, True, True])

    def status(scores, text, **options):
        cut = best_cut(scores, truth, parse_objective(text), **options)
        return cut.status, cut.threshold

    assert status(good, "max-f1") == ("ok", 0.8)
    assert status(bad, "max-recall@fpr<=0.1") == ("infeasible", None)
    assert status(bad, "max-recall@precision>=0.9") == ("infeasible", None)
    assert status(bad, "max-precision@recall>=0.9") == ("fires_always", 0.1)
    assert status(bad, "min-cost@fp=20,fn=1") == ("fires_never", None)
    assert status(bad, "youden") == ("fires_never", None)
    assert status(good, "max-f1", min_positives=3) == ("too_few_positives", None)
    assert status(good, "max-f1", min_negatives=3) == ("too_few_negatives", None)
    assert status(good, "max-recall@fpr<=0.02", guarantee=0.95) == ("too_few_negatives", None)


def test_firing_that_pays_nothing_is_left():
    """Where never firing costs the same as the best threshold, the label never fires."""
    scores, truth = np.array([0.1, 0.5, 0.5]), np.array([False, True, False])

    cut = best_cut(scores, truth, parse_objective("min-cost@fp=1,fn=1"))

    assert (cut.status, cut.threshold) == ("fires_never", None)


@given(seed=st.integers(0, 50), limit=st.sampled_from([0.01, 0.02, 0.05]))
@settings(deadline=None, max_examples=12)
@example(seed=0, limit=0.01)
def test_guarantee_allows_fewer_false_positives(seed, limit):
    """With a guarantee the cut has the best recall of all with so few false positives."""
    rng = np.random.default_rng(seed)
    truth = np.arange(700) % 3 == 0
    scores = np.round(rng.normal(truth, 0.7), 2)
    objective = parse_objective(f"max-recall@fpr<={limit}")
    allowed = allowed_false_positives(int((~truth).sum()), limit, 0.95)

    cut = best_cut(scores, truth, objective, guarantee=0.95)

    assert (cut.threshold, cut.confusion) == slowest_cut(scores, truth, objective, allowed)
    assert cut.confusion.fp <= allowed < limit * 467


def test_guarantee_is_for_limits_of_the_false_positive_rate():
    """Any other objective with a guarantee is refused."""
    scores, truth = np.array([0.1, 0.9]), np.array([False, True])

    with pytest.raises(UsageError, match="a guarantee is for limits"):
        best_cut(scores, truth, parse_objective("max-f1"), guarantee=0.95)


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        ([], [], "no scores"),
        ([0.1, math.nan], [True, False], "must be finite"),
        ([0.1, math.inf], [True, False], "must be finite"),
        ([0.5, 0.5], [True, False], "expected scores that differ, got 2 times 0.5"),
        ([0.0, -0.0], [True, False], "expected scores that differ, got 2 times 0.0"),
        ([0.1, 0.5], [True, True], "got no negative: all 2 are 1"),
        ([0.1, 0.5], [False, False], "got no positive: all 2 are 0"),
        ([0.1, 0.5], [True], "of one length"),
    ],
)
def test_what_cannot_be_tuned_on_is_refused(scores, truth, message):
    """Scores that cannot tell two classes apart raise and name the problem."""
    with pytest.raises(InputError, match=message):
        best_cut(np.array(scores), np.array(truth, dtype=bool), parse_objective("max-f1"))


@given(label=labels(), direction=st.sampled_from(["higher", "lower"]))
@LAW
def test_cuts_down_to_the_nearest_silent_score_decide_alike(label, direction):
    """Any cut between the threshold and the nearest score that does not fire has its counts."""
    scores, truth = label
    cut = best_cut(scores, truth, parse_objective("max-f1"), direction=direction)

    silent = nearest_below(scores, cut.threshold, direction)

    if silent is None:
        assert cut.status == "fires_always"
    else:
        between = (silent + cut.threshold) / 2
        assert confusion_at(scores, truth, between, direction) == cut.confusion
        assert confusion_at(scores, truth, silent, direction) != cut.confusion


def test_input_is_left_alone():
    """Tuning sorts copies: the caller's arrays stay as they are."""
    scores, truth = many("logit", np.random.default_rng(1), 1000)
    before = scores.copy()
    scores.flags.writeable = truth.flags.writeable = False

    best_cut(scores, truth, parse_objective("max-f1"))

    assert (scores == before).all()
