"""Tuning a head: direction, map, threshold, evidence, and the warnings beside them."""

import hashlib
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_sets import column, digits_logits, drawn, labelled
from sklearn.metrics import f1_score, log_loss

from calreg.calibrate.objectives import parse_objective
from calreg.documents import Calibration, checked_bytes, load_calibration
from calreg.errors import InputError, UsageError
from calreg.labelled import LabelledColumn, LabelledScores
from calreg.methods import fires
from calreg.names import HeadName
from calreg.tuning import METHODS, Request, outputs_of, tune
from calreg.tuning.deciding import clear_of_rounding

MAPS = [method for method in METHODS if method != "threshold"]


@cache
def digits() -> tuple[LabelledScores, LabelledScores]:
    return digits_logits()


def one(items=400, *, seed=0, is_logit=True, **options) -> LabelledScores:
    return labelled(is_logit=is_logit, scam=drawn(items, seed=seed, **options))


def asked(objective="max-f1", **options) -> Request:
    return Request(objective=parse_objective(objective) if objective else None, **options)


def codes(tuned) -> set[str]:
    return {caution.code for caution in tuned.cautions}


@pytest.mark.parametrize("method", MAPS)
def test_every_map_comes_to_a_document_that_decides_alike(method):
    """What a document says after its bytes were read back fires exactly as it was tuned."""
    calibration, holdout = one(seed=1), one(seed=2)

    tuned = tune(calibration, holdout, asked(map_method=method))

    raw = checked_bytes(
        "calibration", Calibration(HeadName("m", "h"), 1, tuned.calibrations()), where="x"
    )
    label = load_calibration(raw, where="x").labels["scam"]
    scores, truth = holdout.labels["scam"].scores, holdout.labels["scam"].truth
    fired = fires(label, scores)
    counts = tuned.labels["scam"].holdout.confusion
    assert (fired & truth).sum() == counts.tp
    assert (fired & ~truth).sum() == counts.fp
    assert label.method == method
    assert label.holdout == tuned.labels["scam"].label.holdout


def test_thresholds_agree_with_scikit_learn():
    """F1 of every label, micro and macro, is what scikit-learn computes of the decisions."""
    calibration, holdout = digits()

    tuned = tune(calibration, holdout, asked())

    outputs = outputs_of(tuned.calibrations(), holdout, tuned.request)
    said = np.column_stack([outputs.fires[label] for label in tuned.labels])
    truth = np.column_stack([found.truth for found in holdout.labels.values()])
    assert tuned.overall["holdout"]["micro_f1"] == pytest.approx(
        f1_score(truth, said, average="micro"), abs=1e-12
    )
    assert tuned.overall["holdout"]["macro_f1"] == pytest.approx(
        f1_score(truth, said, average="macro", zero_division=0), abs=1e-12
    )


def test_no_threshold_of_its_own_is_better():
    """Per label, no other score as threshold has a higher F1 on the calibration set."""
    calibration, _ = digits()

    tuned = tune(calibration, None, asked())

    for label, found in calibration.labels.items():
        best = max(
            f1_score(found.truth, found.scores >= cut) for cut in np.unique(found.scores)[::7]
        )
        assert tuned.labels[label].calibration.confusion.f1 >= best - 1e-12


def test_one_threshold_for_all_labels():
    """Micro finds one cut for the whole head, and every label's document says so."""
    calibration, holdout = digits()

    tuned = tune(calibration, holdout, asked(average="micro"))

    decisions = [found.decision for found in tuned.calibrations().values()]
    assert len({decision.threshold for decision in decisions}) == 1
    assert {decision.average for decision in decisions} == {"micro"}
    pooled = tune(calibration, holdout, asked()).overall["calibration"]["macro_f1"]
    assert tuned.overall["calibration"]["macro_f1"] <= pooled


def test_a_temperature_lowers_the_loss_of_overconfident_logits():
    """One temperature for the head, its loss that of scikit-learn, on both sets lower."""
    calibration, holdout = digits()

    tuned = tune(calibration, holdout, asked(None, map_method="temperature"))

    said = outputs_of(tuned.calibrations(), holdout, tuned.request).probabilities
    truth = np.concatenate([found.truth for found in holdout.labels.values()])
    overall = tuned.overall["holdout"]
    assert tuned.temperature > 1
    assert overall["nll"] < overall["nll_before"]
    assert overall["nll"] == pytest.approx(
        log_loss(truth, np.concatenate([said[label] for label in holdout.labels])), abs=1e-9
    )
    assert all(found.decision is None for found in tuned.calibrations().values())


def test_a_softmax_shares_one_temperature_and_sums_to_one():
    """The probabilities of a row add up, and thresholds are cuts of them."""
    calibration, holdout = digits()
    request = asked("max-f1", map_method="temperature", link="softmax")

    tuned = tune(calibration, holdout, request)

    said = outputs_of(tuned.calibrations(), holdout, request).probabilities
    assert np.sum(list(said.values()), axis=0) == pytest.approx(1.0, abs=1e-12)
    assert all(found.decision.score_threshold is None for found in tuned.calibrations().values())
    counts = tuned.labels["d0"].holdout.confusion
    fired = said["d0"] >= tuned.labels["d0"].label.decision.threshold
    assert counts.tp + counts.fp == fired.sum()


def test_a_softmax_leaves_out_rows_that_a_label_lacks():
    """A row in which one score was rejected is no row of a softmax."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 200).astype(bool)
    a, b = rng.normal(size=200) + truth, rng.normal(size=200) - truth
    whole = labelled(is_logit=True, a=(a, truth), b=(b, ~truth))
    short = LabelledScores(
        {
            "a": LabelledColumn(a[5:], truth[5:], np.arange(5, 200)),
            "b": whole.labels["b"],
        },
        is_logit=True,
        rows=200,
    )

    tuned = tune(short, None, asked(None, map_method="temperature", link="softmax"))

    assert tuned.labels["b"].calibration.positives == np.count_nonzero(~truth[5:])


def test_low_scores_that_speak_are_found():
    """An AUROC clearly below a half turns the comparator, and a warning says so."""
    scores, truth = drawn(400, seed=4)

    tuned = tune(labelled(hbar=(-scores, truth)), None, asked())

    decision = tuned.labels["hbar"].label.decision
    mirrored = tune(labelled(hbar=(scores, truth)), None, asked()).labels["hbar"].label.decision
    assert decision.comparator == "<="
    assert decision.threshold == -mirrored.threshold
    assert "direction_lower" in codes(tuned)


@pytest.mark.parametrize("method", ["platt", "isotonic", "histogram"])
def test_maps_of_falling_scores_still_rise_with_the_truth(method):
    """Where low scores speak, probabilities are high for low scores."""
    scores, truth = drawn(800, seed=4)
    request = asked(map_method=method)

    tuned = tune(labelled(hbar=(-scores, truth)), None, request)

    said = outputs_of(tuned.calibrations(), labelled(hbar=(-scores, truth)), request)
    assert said.probabilities["hbar"][np.argmin(-scores)] > 0.5
    assert tuned.labels["hbar"].label.decision.comparator == ">="
    assert tuned.labels["hbar"].label.direction == "lower"


@pytest.mark.parametrize("method", ["temperature", "beta"])
def test_maps_that_only_rise_refuse_falling_scores(method):
    """Temperature and beta name the label, and what works instead."""
    scores, truth = drawn(400, seed=4)

    with pytest.raises(InputError, match="low scores speak") as raised:
        tune(labelled(is_logit=True, hbar=(-scores, truth)), None, asked(map_method=method))

    assert raised.value.where == "label 'hbar'"
    assert "isotonic" in raised.value.hint


def test_an_undetermined_direction_is_said_and_taken_as_higher():
    """Scores that say nothing of the truth get a warning, not a direction."""
    rng = np.random.default_rng(0)

    tuned = tune(labelled(a=(rng.random(50), rng.random(50) < 0.5)), None, asked())

    assert tuned.labels["a"].label.direction == "higher"
    assert "direction_undetermined" in codes(tuned)


def test_a_given_direction_is_kept_and_contradicted_aloud():
    """--direction wins over the AUROC, which still has its say."""
    tuned = tune(one(), None, asked(direction="auto", directions={"scam": "lower"}))

    assert tuned.labels["scam"].label.direction == "lower"
    assert "direction_contradicted" in codes(tuned)


@pytest.mark.parametrize(
    ("scores", "truth", "problem"),
    [
        (np.linspace(0, 1, 20), np.zeros(20, bool), "all 20 truths are 0"),
        (np.linspace(0, 1, 20), np.ones(20, bool), "all 20 truths are 1"),
        (np.full(20, 0.5), np.arange(20) % 2 == 0, "all 20 scores are 0.5"),
        (np.zeros(0), np.zeros(0, bool), "no scores"),
    ],
)
def test_what_cannot_be_tuned_is_refused_by_name(scores, truth, problem):
    """Truth of one class and constant scores are errors that name the label."""
    with pytest.raises(InputError, match=f"'spam': {problem}"):
        tune(labelled(good=drawn(20), spam=(scores, truth)), None, asked())


def test_a_label_that_is_not_there_is_refused():
    """Objectives, directions and the holdout name labels that exist."""
    with pytest.raises(InputError, match="no label 'scan'"):
        tune(one(), None, asked(objectives={"scan": parse_objective("youden")}))
    with pytest.raises(InputError, match="the holdout has no label 'scam'"):
        tune(one(), labelled(is_logit=True, other=drawn(50)), asked())
    with pytest.raises(InputError, match="logits"):
        tune(one(), one(is_logit=False), asked())


def test_objectives_by_label():
    """A label's own objective is what its decision records."""
    sets = labelled(a=drawn(300, seed=1), b=drawn(300, seed=2))

    tuned = tune(sets, None, asked(objectives={"b": parse_objective("max-recall@fpr<=0.05")}))

    assert tuned.labels["a"].label.decision.objective == "max-f1"
    assert tuned.labels["b"].label.decision.objective == "max-recall@fpr<=0.05"
    assert tuned.labels["b"].calibration.confusion.fpr <= 0.05


def test_a_guarantee_is_stricter_than_the_plain_limit():
    """The guaranteed threshold stands beside the plain one, and allows less."""
    tuned = tune(one(2000), None, asked("max-recall@fpr<=0.02", guarantee=0.95))

    found = tuned.labels["scam"]
    assert found.label.decision.guarantee == 0.95
    assert found.label.decision.threshold > found.empirical.threshold
    assert found.calibration.confusion.fp < found.empirical.confusion.fp


def test_a_guarantee_that_cannot_be_given_is_no_threshold():
    """With too few negatives for the limit there is null, a status, and the number needed."""
    tuned = tune(one(150), None, asked("max-recall@fpr<=0.01", guarantee=0.95))

    assert tuned.labels["scam"].label.decision.status == "too_few_negatives"
    message = next(one.message for one in tuned.cautions if one.code == "too_few_negatives")
    assert "needs 299 negatives" in message


def test_requests_that_contradict_themselves():
    """What cannot be meant is a usage error before anything is read."""
    with pytest.raises(UsageError, match="nothing to do"):
        Request(objective=None)
    with pytest.raises(UsageError, match="softmax needs"):
        Request(link="softmax", map_method="platt")
    with pytest.raises(UsageError, match="one threshold for all"):
        asked(average="micro", objectives={"a": parse_objective("youden")})
    with pytest.raises(UsageError, match="false positive rate"):
        asked(guarantee=0.95)
    with pytest.raises(UsageError, match="confidence"):
        asked("max-recall@fpr<=0.02", guarantee=95)


def test_labels_of_both_directions_have_no_common_threshold():
    """One raw cut for all labels is refused where low scores speak for some of them."""
    scores, truth = drawn(400, seed=4)

    with pytest.raises(InputError, match="low scores speak for b"):
        tune(labelled(a=(scores, truth), b=(-scores, truth)), None, asked(average="micro"))


# --- warnings -------------------------------------------------------------------------------


def test_shared_rows_are_counted():
    """Items that stand in both sets are named by column and counted on both sides."""
    scores, truth = drawn(100, seed=1)
    more, other = drawn(100, seed=2)
    holdout_scores, holdout_truth = np.r_[scores[:7], more[7:]], np.r_[truth[:7], other[7:]]
    calibration = labelled(items=[f"a{n}" for n in range(100)], x=(scores, truth))
    holdout = labelled(
        items=[f"a{n}" if n < 7 else f"b{n}" for n in range(100)],
        x=(holdout_scores, holdout_truth),
    )

    tuned = tune(calibration, holdout, asked(), train=calibration)

    messages = {found.code: found.message for found in tuned.cautions}
    assert "7 of 100 rows of calibration" in messages["shared_rows_calibration_holdout"]
    assert "100 of 100 rows of training" not in messages["shared_rows_calibration_training"]
    assert "100 of 100 of training" in messages["shared_rows_calibration_training"]


def test_row_numbers_are_no_names():
    """Equal names with other scores are not taken for shared rows."""
    names = [str(number) for number in range(100)]

    tuned = tune(
        labelled(items=names, x=drawn(100, seed=1)),
        labelled(items=names, x=drawn(100, seed=2)),
        asked(),
    )

    assert "item_names_repeat" in codes(tuned)
    assert not any(code.startswith("shared_rows") for code in codes(tuned))


def test_split_groups_are_counted():
    """A group in both sets is told from a row in both sets."""
    groups = {"speaker": [f"s{number % 10}" for number in range(100)]}

    tuned = tune(
        labelled(keys=groups, x=drawn(100, seed=1)),
        labelled(keys=groups, x=drawn(100, seed=2)),
        asked(),
        groups=("speaker",),
    )

    message = next(
        one.message for one in tuned.cautions if one.code == "split_groups_calibration_holdout"
    )
    assert "share 10 of the groups in speaker" in message


def test_tuning_on_the_holdout_is_said():
    """The same set on both sides is called what it is."""
    calibration = one()

    assert "tuned_on_holdout" in codes(tune(calibration, calibration, asked()))
    assert "no_holdout" in codes(tune(calibration, None, asked()))


def test_a_missed_target_is_said():
    """A limit kept on calibration and broken on the holdout is a warning with both rates."""
    calibration = one(100, seed=5)
    scores, truth = drawn(100, seed=6)
    worse = labelled(is_logit=True, scam=(scores + 3.0, truth))

    tuned = tune(calibration, worse, asked("max-recall@fpr<=0.05"))

    assert "target_missed_on_holdout" in codes(tuned)


def test_few_negatives_allow_nothing():
    """A limit below one negative is said in so many words."""
    tuned = tune(one(60, seed=1), None, asked("max-recall@fpr<=0.01"))

    message = next(one.message for one in tuned.cautions if one.code == "few_negatives")
    assert message.startswith("1 % of ")
    assert message.endswith("negatives allows no false positive")


def test_isotonic_on_few_rows_is_said():
    """Below 1,000 rows, or 100 of a class, isotonic gets a warning; above it none."""
    assert "isotonic_overfits" in codes(tune(one(999), None, asked(map_method="isotonic")))
    assert "isotonic_overfits" not in codes(tune(one(1000), None, asked(map_method="isotonic")))


def test_a_threshold_at_the_saturation_point_is_said():
    """Where the best threshold is the top score, how many tie there is counted."""
    truth = np.arange(100) < 30
    scores = np.where(truth, 1.00001, np.linspace(0, 0.5, 100))
    scores[50:53] = 1.00001

    tuned = tune(labelled(x=(scores, truth)), None, asked())

    message = next(one.message for one in tuned.cautions if one.code == "saturated")
    assert "33 items tie there, 3 of them negative" in message


def test_firing_always_is_said():
    """A threshold under every score has its own status and warning."""
    scores = np.random.default_rng(1).random(200)
    truth = scores < 0.9
    sets = labelled(x=(scores, truth))

    tuned = tune(sets, None, asked("max-precision@recall>=0.999", direction="higher"))

    assert tuned.labels["x"].label.decision.status == "fires_always"
    assert "fires_always" in codes(tuned)


def test_overfitting_is_said():
    """Thresholds that do clearly worse on the holdout are called overfitted."""
    calibration = labelled(**{f"x{n}": drawn(40, seed=n, apart=0.3) for n in range(8)})
    holdout = labelled(**{f"x{n}": drawn(400, seed=50 + n, apart=0.3) for n in range(8)})

    assert "overfit" in codes(tune(calibration, holdout, asked()))


@pytest.mark.parametrize("method", [None, *MAPS])
@pytest.mark.parametrize("items", [120, 3000])
def test_tuning_does_not_depend_on_the_order_of_rows(method, items):
    """Shuffled rows give the same documents, to the last bit, with ties and both zeros."""
    scores, truth = drawn(items, seed=7)
    scores = np.where(np.abs(scores) < 0.25, np.copysign(0.0, scores), np.round(scores, 2))
    order = np.random.default_rng(items).permutation(items)
    request = asked("max-precision@recall>=0.95", map_method=method)

    plain = tune(labelled(is_logit=True, x=(scores, truth)), None, request)
    shuffled = tune(labelled(is_logit=True, x=(scores[order], truth[order])), None, request)

    assert repr(plain.labels["x"].label) == repr(shuffled.labels["x"].label)


def exclusive(seed, items=40) -> LabelledScores:
    """Logits of three labels of which each item has one."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 3, items)
    return labelled(
        is_logit=True,
        **{f"l{n}": (rng.normal(3.0 * (which == n), 2.0), which == n) for n in range(3)},
    )


@pytest.mark.parametrize("average", ["per-label", "micro", "macro"])
def test_a_softmax_decides_alike_where_probabilities_end_otherwise(average):
    """Outputs that are off by their last bits, as of another library, fire for the same items."""
    scores = exclusive(3)
    request = asked(map_method="temperature", link="softmax", average=average)

    labels = tune(scores, None, request).calibrations()

    said = outputs_of(labels, scores, request)
    for label, found in labels.items():
        for off in (1 - 1e-14, 1 + 1e-14):
            elsewhere = said.probabilities[label] * off
            again = fires(found, scores.labels[label].scores, output=elsewhere)
            assert (again == said.fires[label]).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 29))
def test_a_threshold_clear_of_rounding_makes_the_same_decisions(outputs, place):
    """Whatever the outputs are, stepping below one of them changes no decision on them."""
    values = np.array(outputs)
    threshold = float(values[place % values.size])

    lower = clear_of_rounding(threshold, values)

    assert 0.0 <= lower <= threshold
    assert ((values >= lower) == (values >= threshold)).all()


def test_digests_name_items_and_truth():
    """A set is the same in any order, with other scores too, if its items have names."""
    scores, truth = drawn(50)
    names = [f"i{number}" for number in range(50)]
    order = np.random.default_rng(0).permutation(50)

    named = labelled(items=names, x=(scores, truth))
    shuffled = labelled(items=[names[n] for n in order], x=(scores[order] + 1, truth[order]))
    nameless = labelled(x=(scores, truth))

    assert named.digest("x") == shuffled.digest("x")
    written = b"".join(
        len(name).to_bytes(8, "little") + name.encode() + bytes([known])
        for name, known in sorted(zip(names, truth.tolist(), strict=True))
    )
    assert named.digest("x") == hashlib.sha256(written).hexdigest()
    assert named.digest("x") != labelled(items=names, x=(scores, ~truth)).digest("x")
    assert nameless.digest("x") == labelled(x=(scores[order], truth[order])).digest("x")
    assert nameless.digest("x") != labelled(x=(scores + 1, truth)).digest("x")
    assert column(scores, truth).positives == np.count_nonzero(truth)
