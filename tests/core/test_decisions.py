"""How far a decision moved, and what that means for the head it belongs to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.calibrate import describe, minmax
from calreg.decisions import DecisionShift, decision_shift, shift_limits
from calreg.documents import (
    METRICS,
    Confusion,
    Decision,
    Distribution,
    LabelCalibration,
    Trial,
)
from calreg.drift import HeadDrift, drift_between, drifts
from calreg.drift import Pair as Comparison
from calreg.methods import softmax

LIMITS = dict(zip(METRICS, (0.01, 0.01, 0.05, 0.1, 0.05, 0.1), strict=True))
PLATT = {"slope": 4.0, "intercept": -2.0}
SOFTMAX = {"temperature": 2.0, "link": "softmax", "scale": "logit"}
SCORES = np.random.default_rng(1).beta(2.0, 3.0, 5000)
KEPT = describe(SCORES, grid=(0.0, 1.0))


def holdout(tp: int, fp: int, fn: int, tn: int, *, digest: str = "a" * 64) -> Trial:
    return Trial(digest, tp + fn, fp + tn, Confusion(tp, fp, fn, tn), {})


def cut(
    at: float | None,
    *,
    method: str = "threshold",
    raw: float | None = None,
    kept: Distribution = KEPT,
    direction: str = "higher",
    trial: Trial | None = None,
    **decided: object,
) -> LabelCalibration:
    """A label that decides, by the raw score unless another method is named."""
    parameters = {"threshold": {}, "platt": PLATT, "temperature": SOFTMAX}[method]
    falls = method == "threshold" and direction == "lower"
    values = {
        "threshold": at,
        "comparator": "<=" if falls else ">=",
        "objective": "max-f1",
        "status": "infeasible" if at is None else "ok",
        "score_threshold": raw,
    }
    decision = Decision(**{**values, **decided})
    return LabelCalibration(method, parameters, kept, direction, decision, holdout=trial)


def both(limit: float) -> dict[str, float]:
    return {"threshold_shift": limit, "probability_shift": limit}


def drift(new, reference, **changes) -> HeadDrift:
    return drift_between({"a": new}, {"a": reference}, thresholds=LIMITS | changes)


# --- how far it moved ---------------------------------------------------------------------


def test_shift_is_measured_on_raw_scores():
    """Where both sides cut raw scores, the shift is of those, not of probabilities."""
    new, reference = (
        cut(0.5, method="platt", raw=0.625),
        cut(0.25, method="platt", raw=0.5),
    )

    assert decision_shift(new, reference).threshold_shift == 0.125


def test_threshold_itself_is_a_cut_of_raw_scores():
    """A threshold and a probability's cut are compared, although the methods differ."""
    found = decision_shift(cut(0.5, method="platt", raw=0.625), cut(0.5))

    assert found.threshold_shift == 0.125
    assert found.changes == ("method",)


def test_shift_without_a_raw_cut_is_of_the_output():
    """Of one softmax and another the probabilities are compared."""
    new, reference = cut(0.5, method="temperature"), cut(0.375, method="temperature")

    assert decision_shift(new, reference).threshold_shift == 0.125


def test_two_scales_have_no_shift():
    """A probability and a raw score have no difference."""
    found = decision_shift(cut(0.5, method="temperature"), cut(0.5))

    assert found.threshold_shift is None
    assert found.changes == ("method",)


def test_one_raw_cut_is_not_enough():
    """If only one side of one method knows its raw cut, outputs are compared."""
    new, reference = cut(0.5, method="platt", raw=0.9), cut(0.375, method="platt")

    assert decision_shift(new, reference).threshold_shift == 0.125


@pytest.mark.parametrize(("new", "reference"), [(None, 0.5), (0.5, None)])
def test_a_threshold_that_comes_or_goes_is_a_change(new, reference):
    """From a number to never, or back, is no distance but another decision."""
    found = decision_shift(cut(new), cut(reference))

    assert found.threshold_shift is None
    assert found.changes == ("status", "threshold")


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (cut(0.5, objective="youden"), "objective"),
        (cut(0.5, average="micro"), "objective"),
        (cut(0.5, guarantee=0.95), "objective"),
        (cut(0.5, status="fires_always"), "status"),
        (cut(0.5, direction="lower"), "direction"),
        (cut(0.5, method="platt", raw=0.5), "method"),
        (replace(cut(0.5), decision=None), "decision"),
    ],
)
def test_changes_are_named(new, change):
    """Each part of a decision that is another than before is named, in both directions."""
    assert decision_shift(new, cut(0.5)).changes == (change,)
    assert decision_shift(cut(0.5), new).changes == (change,)


def test_rates_change_on_the_same_holdout():
    """The changes of F1, FPR and recall are new less reference, from the counts."""
    new = cut(0.5, trial=holdout(8, 1, 2, 9))
    reference = cut(0.5, trial=holdout(5, 5, 5, 5))

    found = decision_shift(new, reference)

    assert found.f1_change == 16 / 19 - 0.5
    assert found.fpr_change == 0.1 - 0.5
    assert found.recall_change == 0.8 - 0.5


@pytest.mark.parametrize(
    "trial",
    [None, holdout(5, 5, 5, 5, digest="b" * 64), Trial("a" * 64, 10, 10, None, {})],
    ids=["none", "another", "without counts"],
)
def test_rates_of_two_holdouts_have_no_change(trial):
    """Rates on other items, or none, are not subtracted."""
    found = decision_shift(cut(0.5, trial=trial), cut(0.5, trial=holdout(8, 1, 2, 9)))

    assert (found.f1_change, found.fpr_change, found.recall_change) == (None, None, None)


def test_a_shift_that_equals_its_limit_fails():
    """The shift must stay strictly below; a changed method fails under its own name."""
    moved = DecisionShift(threshold_shift=0.125)

    assert moved.failures(both(0.125)) == ("threshold_shift",)
    assert moved.failures(both(float(np.nextafter(0.125, 1.0)))) == ()
    assert replace(moved, changes=("method",)).failures(both(0.5)) == ("method",)
    assert replace(moved, changes=("method", "threshold")).failures(both(0.5)) == (
        "threshold_shift",
        "method",
    )


def test_each_shift_has_its_limit():
    """A probability fails under its own name, between threshold and method."""
    moved = DecisionShift(0.125, 0.25, changes=("method",))
    limits = {"threshold_shift": 0.25, "probability_shift": 0.25}

    assert moved.failures(limits) == ("probability_shift", "method")
    assert moved.failures(both(0.0625)) == ("threshold_shift", "probability_shift", "method")
    assert replace(moved, changes=()).rank(limits) == 1.0


def test_a_status_fails_nothing():
    """Why a threshold is what it is may change: what fires does not."""
    moved = DecisionShift(threshold_shift=0.0, changes=("status",))

    assert moved.failures(both(5e-324)) == ()
    assert (moved.is_other, moved.rank(both(1.0))) == (False, 0.0)
    assert replace(moved, changes=("status", "objective")).is_other


def test_default_limit():
    """The limits are 0.01 unless the head's settings have others."""
    assert shift_limits(LIMITS) == both(0.01)
    assert shift_limits({**LIMITS, "probability_shift": 0.5}) == {
        "threshold_shift": 0.01,
        "probability_shift": 0.5,
    }


cuts = st.none() | st.floats(0.0, 1.0)


@given(cuts, cuts)
def test_shift_is_symmetric_and_zero_of_itself(one, other):
    """A decision does not differ from itself, and as far from another as that from it."""
    there, back = decision_shift(cut(one), cut(other)), decision_shift(cut(other), cut(one))

    assert there == back
    assert decision_shift(cut(one), cut(one)).failures(both(5e-324)) == ()


# --- probabilities ------------------------------------------------------------------------


def sigmoid(logits):
    return 1.0 / (1.0 + np.exp(-np.asarray(logits)))


def mapped(method: str, kept: Distribution = KEPT, **parameters: object) -> LabelCalibration:
    return LabelCalibration(method, parameters, kept, "higher")


def tempered(temperature: float, kept: Distribution, *, link: str = "sigmoid", scale="logit"):
    return mapped("temperature", kept, temperature=temperature, link=link, scale=scale)


LOGITS = describe(np.log(SCORES / (1.0 - SCORES)) * 4.0)
PLACES = [*LOGITS.quantiles.values(), LOGITS.min, LOGITS.max]


def test_a_temperature_that_moved():
    """The shift is the largest at the stored quantiles, the least and the greatest score."""
    found = decision_shift(tempered(3.0, LOGITS), tempered(5.0, LOGITS))

    expected = np.abs(sigmoid(np.divide(PLACES, 3.0)) - sigmoid(np.divide(PLACES, 5.0))).max()
    assert found.probability_shift == pytest.approx(expected, abs=1e-12)
    assert found.probability_shift > 0.05
    assert found.threshold_shift is None
    assert found.changes == ()


def test_it_is_measured_where_the_new_scores_lie():
    """The reference's own distribution has no part in it."""
    elsewhere = describe(np.linspace(50.0, 60.0, 1000))

    found = decision_shift(tempered(3.0, LOGITS), tempered(5.0, elsewhere))
    back = decision_shift(tempered(5.0, elsewhere), tempered(3.0, LOGITS))

    expected = decision_shift(tempered(3.0, LOGITS), tempered(5.0, LOGITS))
    assert found.probability_shift == expected.probability_shift
    assert back.probability_shift == pytest.approx(sigmoid(50 / 3) - sigmoid(10.0), abs=1e-12)


def test_an_extreme_alone_may_move():
    """Least and greatest score count where they are known."""
    kept = replace(LOGITS, min=-9.0, max=9.0)
    quantiles = replace(kept, min=None, max=None)
    there, then = ({"x": (6.0, 9.0), "y": (0.5, top)} for top in (1.0, 0.75))

    with_ends, without = (
        decision_shift(mapped("isotonic", part, **there), mapped("isotonic", part, **then))
        for part in (kept, quantiles)
    )

    assert with_ends.probability_shift == 0.25
    assert without.probability_shift < 0.25


@pytest.mark.parametrize(
    ("new", "reference"),
    [
        (tempered(3.0, replace(LOGITS, quantiles=None)), tempered(5.0, LOGITS)),
        (tempered(3.0, LOGITS), cut(0.5)),
        (cut(0.5), tempered(3.0, LOGITS)),
        (minmax(KEPT), tempered(3.0, LOGITS)),
        (cut(0.75), cut(0.5)),
    ],
    ids=["no quantiles", "from a threshold", "to a threshold", "to minmax", "thresholds"],
)
def test_no_probabilities_no_shift(new, reference):
    """Without quantiles, or with one side that gives none, there is nothing to compare."""
    assert decision_shift(new, reference).probability_shift is None


def test_one_map_and_another_compare():
    """Platt and a histogram are two maps of one score."""
    flat = mapped("histogram", edges=(0.5,), values=(0.25, 0.25))

    found = decision_shift(mapped("platt", slope=0.0, intercept=0.0), flat)

    assert found.probability_shift == 0.25
    assert found.changes == ("method",)


def test_softmax_is_seen_label_by_label():
    """The sigmoid of a label's own scaled score stands in for what other labels decide."""
    alone = decision_shift(tempered(3.0, LOGITS), tempered(5.0, LOGITS))
    of_all = decision_shift(
        tempered(3.0, LOGITS, link="softmax"), tempered(5.0, LOGITS, link="softmax")
    )

    assert of_all == alone


def test_the_stand_in_is_the_softmax_of_two():
    """Where two labels' probabilities add up to 1, the sigmoid is the softmax itself."""
    new, reference = (
        tempered(temperature, KEPT, link="softmax", scale="probability")
        for temperature in (3.0, 1.0)
    )
    places = np.array([*KEPT.quantiles.values(), KEPT.min, KEPT.max])
    columns = [np.log(places), np.log(1.0 - places)]
    after, before = (softmax(side.parameters, [np.exp(c) for c in columns])[0]
                     for side in (new, reference))  # fmt: skip

    found = decision_shift(new, reference).probability_shift

    assert found == pytest.approx(np.abs(after - before).max(), abs=1e-9)


@pytest.mark.parametrize(
    ("new", "reference"),
    [
        (tempered(3.0, KEPT, link="softmax"), tempered(3.0, KEPT)),
        (tempered(3.0, KEPT, scale="probability"), tempered(3.0, KEPT)),
    ],
    ids=["link", "scale"],
)
def test_another_link_or_scale_is_another_method(new, reference):
    """The same temperature of other scores, or over other labels, is no refit."""
    assert decision_shift(new, reference).changes == ("method",)


def test_last_bits_are_no_shift():
    """What differs between machines' arithmetic is rounded away before it is stored."""
    near = mapped("platt", slope=4.0, intercept=-2.0 + 1e-13)

    assert decision_shift(near, mapped("platt", **PLATT)).probability_shift == 0.0
    shift = decision_shift(tempered(3.0, LOGITS), tempered(5.0, LOGITS)).probability_shift
    assert shift == round(shift, 12)


def test_far_scores_move_nothing():
    """Where both maps are at 0 or 1, also beyond what floats hold, they do not differ."""
    far = describe(np.linspace(1e138, 1e139, 1000))
    steep = [mapped("beta", far, a=a, b=1e308, c=0.0, scale="logit") for a in (1e308, 1e307)]

    assert decision_shift(tempered(3.0, far), tempered(5.0, far)).probability_shift == 0.0
    assert decision_shift(*steep).probability_shift == 0.0


places = st.floats(-30.0, 30.0)
temperatures = st.floats(0.01, 100.0)


@given(temperatures, temperatures, st.lists(places, min_size=2, max_size=30, unique=True))
def test_a_shift_of_probabilities_lies_between_0_and_1(one, other, scores):
    """It is a distance: 0 of a map from itself, the same both ways, 1 at most."""
    kept = describe(np.array(scores))
    there = decision_shift(tempered(one, kept), tempered(other, kept)).probability_shift
    back = decision_shift(tempered(other, kept), tempered(one, kept)).probability_shift

    assert there == back
    assert 0.0 <= there <= 1.0
    assert decision_shift(tempered(one, kept), tempered(one, kept)).probability_shift == 0.0


# --- what it means for the head -----------------------------------------------------------


def test_unmoved_decision_is_stable():
    """A head that decides as before on scores as before is stable."""
    found = drift(cut(0.5), cut(0.5))

    assert found.metrics == dict.fromkeys(METRICS, 0.0)
    assert (found.is_stable, found.verdict, found.evidence) == (True, "stable", "none")
    assert found.decision == DecisionShift(threshold_shift=0.0)


def test_scores_of_a_threshold_head_drift_as_any():
    """Where the scores moved, the usual metrics fail although the threshold stayed."""
    moved = describe(np.minimum(SCORES + 0.2, 1.0), grid=(0.0, 1.0))

    found = drift(cut(0.5, kept=moved), cut(0.5))

    assert found.metrics["apd_p5"] == pytest.approx(0.2)
    assert {"apd_p5", "jsd", "median_drift"} <= set(found.failed_metrics)
    assert "threshold_shift" not in found.failed_metrics
    assert (found.verdict, found.evidence) == ("unstable", "drift")


def test_a_shift_beyond_its_limit_is_unstable_without_evidence():
    """How far a threshold moves by chance is not known: unstable, but no evidence of drift."""
    found = drift(cut(0.75), cut(0.5), threshold_shift=0.25)

    assert found.failed_metrics == found.labels["a"].failed_metrics == ("threshold_shift",)
    assert (found.is_stable, found.verdict, found.evidence) == (False, "unstable", "none")
    assert found.items_needed is None
    assert drift(cut(0.75), cut(0.5), threshold_shift=0.26).is_stable


@pytest.mark.parametrize(
    ("new", "failed"),
    [
        (cut(None), ("threshold_shift",)),
        (cut(0.5, objective="youden"), ("threshold_shift",)),
        (cut(0.5, direction="lower"), ("threshold_shift",)),
        (cut(0.5, method="platt", raw=0.5), ("method",)),
        (replace(cut(0.5, method="platt"), decision=None), ("threshold_shift", "method")),
    ],
    ids=["never", "objective", "direction", "method", "no decision"],
)
def test_another_decision_is_drift(new, failed):
    """What somebody changed is no chance: unstable, with evidence of drift."""
    found = drift(new, cut(0.5))

    assert found.failed_metrics == failed
    assert (found.is_stable, found.verdict, found.evidence) == (False, "unstable", "drift")
    assert found.metrics == dict.fromkeys(METRICS, 0.0)


def test_refitted_probabilities_move_the_reference():
    """Scores that stayed under a map that moved are unstable, with or without a decision."""
    new, reference = tempered(3.0, LOGITS), tempered(5.0, LOGITS)
    decides = Decision(0.5, ">=", "max-f1", "ok", score_threshold=0.0)

    for after, before in [
        (new, reference),
        (replace(new, decision=decides), replace(reference, decision=decides)),
    ]:
        found = drift(after, before)
        assert found.metrics == dict.fromkeys(METRICS, 0.0)
        assert found.failed_metrics == found.labels["a"].failed_metrics == ("probability_shift",)
        assert (found.is_stable, found.verdict, found.evidence) == (False, "unstable", "none")
    assert drift(new, reference, probability_shift=0.5).is_stable


@pytest.mark.parametrize(
    ("at", "status", "before"),
    [(None, "too_few_positives", "infeasible"), (0.5, "fires_always", "ok")],
)
def test_another_status_of_the_same_decision_is_stable(at, status, before):
    """One kind of never and another, or a threshold that now fires always: told, not failed."""
    found = drift(cut(at, status=status), cut(at, status=before))

    assert found.decision.changes == ("status",)
    assert (found.is_stable, found.evidence, found.failed_metrics) == (True, "none", ())


def test_first_threshold_of_a_rescaled_head():
    """From minmax to threshold p5 and p95 are raw percentiles on both sides, and compare."""
    found = drift(cut(0.5), minmax(KEPT))

    assert found.failed_metrics == ("threshold_shift", "method")
    assert found.metrics == dict.fromkeys(METRICS, 0.0)
    assert found.decision.changes == ("method", "decision")


def test_imported_minmax_compares_with_a_threshold():
    """p5 and p95 without quantiles are the raw percentiles as well."""
    low, high = KEPT.quantiles["p5"], KEPT.quantiles["p95"]
    bare = LabelCalibration("minmax", {"p5": low, "p95": high}, Distribution(5000))

    found = drift(cut(0.5), bare)

    assert [found.metrics[name] for name in METRICS[:3]] == [0.0, 0.0, 0.0]
    assert found.metrics["jsd"] is None


def test_imported_thresholds_cannot_be_told_but_by_their_shift():
    """Without a distribution the metrics are null; a shift beyond its limit decides."""
    nothing = Distribution(None)

    same = drift(cut(0.5, kept=nothing), cut(0.5, kept=nothing))
    moved = drift(cut(0.75, kept=nothing), cut(0.5, kept=nothing))

    assert (same.verdict, same.failed_metrics) == ("undecided", METRICS)
    assert (moved.verdict, moved.failed_metrics) == ("unstable", (*METRICS, "threshold_shift"))


def test_probabilities_without_decision_compare_by_scores_alone():
    """A map that decides nothing has no threshold to fail by, and its probabilities stayed."""
    new = replace(cut(0.5, method="platt"), decision=None)

    found = drift(new, new)

    assert found.decision == DecisionShift(probability_shift=0.0)
    assert found.is_stable


def test_the_changed_decision_decides():
    """A changed decision goes before any number; the head's decision is the worst label's."""
    moved = describe(np.minimum(SCORES + 0.2, 1.0), grid=(0.0, 1.0))
    new = {"a": cut(0.5, kept=moved), "b": cut(0.75), "c": cut(None)}
    reference = {"a": cut(0.5), "b": cut(0.5), "c": cut(0.5)}

    all_of_them = drift_between(new, reference, thresholds=LIMITS)
    without = drift_between(
        {**new, "c": cut(0.5)}, reference, thresholds=LIMITS | {"threshold_shift": 0.2}
    )

    assert all_of_them.label == "c"
    assert all_of_them.decision.changes == ("status", "threshold")
    assert without.label == "a"
    assert without.decision.threshold_shift == 0.25
    assert without.evidence == "drift"


def test_changed_labels_stand_last():
    """Failures are in the order of metrics, decision, labels."""
    found = drift_between({"a": cut(0.75), "b": cut(0.5)}, {"a": cut(0.5)}, thresholds=LIMITS)

    assert found.failed_metrics == ("threshold_shift", "labels")


def test_noise_stays_noise_beside_a_decision():
    """Metrics within their noise are `noise`, also of a label whose threshold stayed."""
    few = describe(np.random.default_rng(2).beta(2.0, 3.0, 300), grid=(0.0, 1.0))

    found = drift(cut(0.505, kept=few), cut(0.5))

    assert found.evidence == "noise"
    assert found.verdict == "undecided"
    assert found.items_needed is not None


def test_heads_that_only_rescale_are_not_touched():
    """What is found of a minmax head does not depend on the heads beside it."""
    other = minmax(describe(SCORES**1.1, grid=(0.0, 1.0)))
    plain = Comparison({"a": minmax(KEPT)}, {"a": other}, LIMITS)
    mixed = Comparison({"a": minmax(KEPT), "b": cut(0.6)}, {"a": other, "b": cut(0.5)}, LIMITS)

    alone, _, again = [*drifts([plain]), *drifts([mixed, plain])]

    assert alone == again
    assert alone.decision is None
    assert drifts([mixed])[0].labels["a"].decision is None
