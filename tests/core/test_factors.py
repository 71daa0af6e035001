"""Heads of factors: what a document of them is, how it is applied, and when they drift."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.calibrate import describe, minmax
from calreg.documents import (
    DEFAULT_FACTOR_SHIFT,
    METRICS,
    Calibration,
    Distribution,
    FactorRow,
    LabelCalibration,
    Pins,
    RegistrySettings,
    RunInputs,
    digest_of,
    load_calibration,
    load_model_run,
    load_settings,
)
from calreg.drift import HeadDrift, Pair, drift_between, drifts
from calreg.errors import InputError
from calreg.methods import apply_head, apply_method, fires
from calreg.names import HeadName
from calreg.plan import Computed, Reference, RegistryState, plan_run, run_options

PRICE = HeadName("shop/price", "condition")
MOOD = HeadName("m", "mood")
NOW = "2026-11-01T12:00:00.000Z"
LIMITS = dict(zip(METRICS, (0.01, 0.01, 0.05, 0.1, 0.05, 0.1), strict=True))
SCORES = describe(np.random.default_rng(1).beta(2.0, 3.0, 2000), grid=(0.0, 1.0))


def factor(value: float, pairs: int | None = 40) -> LabelCalibration:
    return LabelCalibration("factor", {"factor": value}, Distribution(pairs))


def factors(**values: float) -> dict[str, LabelCalibration]:
    return {group: factor(value) for group, value in values.items()}


def drift(new, reference, **limits: float) -> HeadDrift:
    return drift_between(new, reference, thresholds=LIMITS | limits)


# --- documents ----------------------------------------------------------------------------


def test_a_factor_is_written_and_read():
    """A head of factors has the same bytes after a way through its document."""
    made = Calibration(PRICE, 3, {"new": factor(1.05), "used": factor(0.4, None)})

    found = load_calibration(made.to_bytes(), where="x")

    assert found == made
    assert json.loads(made.to_bytes())["labels"]["new"] == {
        "method": "factor",
        "factor": 1.05,
        "samples": 40,
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"factor": 0}, "/labels/new/factor"),
        ({"factor": -0.5}, "/labels/new/factor"),
        ({"factor": "1"}, "/labels/new/factor"),
        ({"factor": None}, "/labels/new/factor"),
        ({"p5": 0.1}, "/labels/new/p5: is no part of method 'factor'"),
        ({"temperature": 1.0}, "/labels/new/temperature"),
        ({"direction": "higher"}, "/labels/new/direction: is no part of method 'factor'"),
        ({"is_logit": False}, "/labels/new/is_logit"),
        ({"threshold": 0.5}, "/labels/new/threshold"),
        ({"quantiles": dict.fromkeys(SCORES.quantiles or {}, 0.5)}, "/labels/new/quantiles"),
        ({"min": 0.5}, "/labels/new/min"),
    ],
)
def test_a_factor_has_no_other_parts(change, said):
    """Not a number above 0, or a part of a tuned or rescaled label, is refused by its place."""
    data = Calibration(PRICE, 1, factors(new=1.0)).to_json()
    data["labels"]["new"] |= change

    with pytest.raises(InputError, match=said):
        load_calibration(json.dumps(data).encode(), where="x")


def test_a_factor_is_needed():
    """The method alone says nothing."""
    data = Calibration(PRICE, 1, factors(new=1.0)).to_json()
    del data["labels"]["new"]["factor"]

    with pytest.raises(InputError, match="at /labels/new: has no 'factor'"):
        load_calibration(json.dumps(data).encode(), where="x")


def test_a_head_holds_factors_or_none():
    """Factors beside another method are no head: one has scores, the other has pairs."""
    mixed = Calibration(PRICE, 1, {"new": factor(1.0), "yes": minmax(SCORES)})

    with pytest.raises(InputError, match="all factors or none"):
        load_calibration(json.dumps(mixed.to_json()).encode(), where="x")


# --- applied ------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6)), st.floats(1e-3, 1e3))
def test_applying_multiplies(predictions, by):
    """A prediction of a group becomes itself times the factor, bit by bit."""
    found = apply_method("factor", {"factor": by}, np.array(predictions, np.float64))

    assert found.tolist() == [value * by for value in predictions]


def test_applying_keeps_precision_and_gaps():
    """float32 stays float32; a prediction that is no number gives none."""
    found = apply_method("factor", {"factor": 0.5}, np.array([3.0, np.nan, np.inf], np.float32))

    assert found.dtype == np.float32
    assert found[0] == 1.5
    assert np.isnan(found[1:]).all()
    assert apply_method("factor", {"factor": 0.85}, 100.0) == 85.0


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), "1", None])
def test_what_is_no_factor_is_not_applied(bad):
    """A caller's own factor must be a finite number above 0."""
    with pytest.raises(InputError, match="parameter 'factor'"):
        apply_method("factor", {"factor": bad}, [1.0])


def test_a_factor_that_float32_cannot_hold_is_refused():
    """A factor that vanishes in the scores' precision would silently make everything 0."""
    with pytest.raises(InputError, match="no factor in float32"):
        apply_method("factor", {"factor": 1e-60}, np.array([1.0], np.float32))


def test_a_head_of_factors_is_applied_by_group():
    """All groups at once; and nothing fires."""
    labels = factors(new=1.5, used=0.5)

    found = apply_head(labels, {"new": [2.0], "used": [2.0]})

    assert (found["new"].tolist(), found["used"].tolist()) == ([3.0], [1.0])
    with pytest.raises(InputError, match="nothing fires by method 'factor'"):
        fires(labels["new"], [1.0])


# --- drift --------------------------------------------------------------------------------


def test_the_shift_is_relative():
    """The group that moved most relative to its own factor decides, with before and after."""
    found = drift(factors(a=1.02, b=0.52, c=0.3), factors(a=1.0, b=0.5, c=0.3))

    assert found.label == "b"
    assert (found.factor.before, found.factor.after) == (0.5, 0.52)
    assert found.factor.factor_shift == pytest.approx(0.04)
    assert found.labels["a"].factor.factor_shift == pytest.approx(0.02)
    assert found.labels["c"].factor.factor_shift == 0.0
    assert found.failed_metrics == ("factor_shift",)
    assert (found.verdict, found.is_stable, found.evidence) == ("unstable", False, "none")
    assert found.labels["c"].failed_metrics == ()


def test_no_metric_is_judged():
    """The six metrics and their noise are null, and a head that did not move is stable."""
    found = drift(factors(a=1.0, b=0.5), factors(a=1.0, b=0.5))

    assert (found.verdict, found.is_stable, found.failed_metrics) == ("stable", True, ())
    assert set(found.metrics.values()) == set(found.noise.values()) == {None}
    assert found.label == "a"
    assert found.items_needed is None


@pytest.mark.parametrize(("limit", "is_stable"), [(0.25, False), (0.2501, True), (0.01, False)])
def test_the_limit_is_strict(limit, is_stable):
    """A shift equal to its limit fails."""
    assert drift(factors(a=0.5), factors(a=0.4), factor_shift=limit).is_stable is is_stable


def test_the_limit_has_a_default():
    """Without a setting a shift of one hundredth and more fails."""
    assert DEFAULT_FACTOR_SHIFT == 0.01
    assert drift(factors(a=1.0099), factors(a=1.0)).is_stable
    assert not drift(factors(a=1.0101), factors(a=1.0)).is_stable


@pytest.mark.parametrize(
    ("new", "old", "failed"),
    [
        ({"a": 1.0, "b": 1.0}, {"a": 1.0}, ("labels",)),
        ({"a": 1.0}, {"a": 1.0, "b": 1.0}, ("labels",)),
        ({"a": 2.0, "b": 1.0}, {"a": 1.0}, ("factor_shift", "labels")),
        ({"b": 1.0}, {"a": 1.0}, ("labels",)),
    ],
)
def test_another_set_of_groups_is_drift(new, old, failed):
    """A group that came or went is no chance; it fails as `labels`, said last."""
    found = drift(factors(**new), factors(**old))

    assert found.failed_metrics == failed
    assert (found.verdict, found.evidence) == ("unstable", "drift")


def test_a_new_group_decides():
    """A group without counterpart goes before any shift, and its own row fails."""
    found = drift(factors(a=9.0, b=1.0), factors(a=1.0))

    assert found.label == "b"
    assert (found.factor.before, found.factor.factor_shift) == (None, None)
    assert found.labels["b"].failed_metrics == ("factor_shift",)


@pytest.mark.parametrize("is_factor_new", [True, False])
def test_another_method_is_drift(is_factor_new):
    """A head that held scores and now holds factors, or the reverse, fails as `method`."""
    sides = [{"a": factor(1.0)}, {"a": minmax(SCORES)}]
    new, old = sides if is_factor_new else sides[::-1]

    found = drift(new, old)

    assert found.failed_metrics == ("method",)
    assert (found.verdict, found.evidence) == ("unstable", "drift")
    assert (found.factor is not None) is is_factor_new


def test_first_factors_have_nothing_to_move_from():
    """On a first run there is no shift, nothing failed, and the head is not stable."""
    found = drift(factors(b=0.5, a=1.0), None)

    assert (found.label, found.failed_metrics, found.is_stable) == ("a", (), False)
    assert found.factor.before is None
    assert found.labels["b"].failed_metrics == ()


def test_heads_of_factors_change_nothing_for_others():
    """Among many comparisons each head gets what it gets alone, in the order given."""
    moved = describe(np.random.default_rng(2).beta(2.0, 3.0, 2000), grid=(0.0, 1.0))
    plain = Pair({"x": minmax(moved)}, {"x": minmax(SCORES)}, LIMITS)
    fed = Pair(factors(a=2.0), factors(a=1.0), LIMITS)

    assert drifts([plain, fed, plain, fed]) == [*drifts([plain]), *drifts([fed])] * 2


# --- runs ---------------------------------------------------------------------------------


def empty(**rules: object) -> RegistryState:
    settings = RegistrySettings.from_json({"name": "shop", **rules})
    return RegistryState(settings, 0, 0, {}, Pins({}))


def run(state: RegistryState, labels: dict[str, LabelCalibration]):
    inputs = RunInputs("a" * 64, "feedback", 100, 100, {}, ("outcomes.csv",))
    brings = Computed({PRICE: labels}, {}, {}, inputs)
    return plan_run(state, brings, timestamp=NOW, tool="calreg 0")


def second(new, old, **rules: object):
    """The run of `new` in a registry whose reference holds `old`."""
    first = empty(**rules)
    raw = run(first, old).files[PRICE.reference_path]
    held = Reference(load_calibration(raw, where="x"), digest_of(raw), raw)
    return run(replace(first, highest_run=1, references={PRICE: held}), new)


def row(plan):
    return plan.model_runs["shop/price"].heads["condition"]


def test_a_run_records_factors():
    """Head and label rows hold before, after, shift and limit; the message says how far."""
    plan = second(factors(new=0.85, used=0.5), factors(new=1.0, used=0.5))

    found = row(plan)
    assert (found.label, found.failed_metrics) == ("new", ("factor_shift",))
    assert found.factor == FactorRow(1.0, 0.85, pytest.approx(0.15), {"factor_shift": 0.01})
    assert found.labels["used"].factor == FactorRow(0.5, 0.5, 0.0, {"factor_shift": 0.01})
    assert (found.reference_update, found.file_count, found.range) == ("updated", 40, None)
    assert found.factor.change == pytest.approx(-0.15)
    assert "moved shop/price/condition v1 -> v2: factor_shift 0.1500\n" in plan.message
    raw = plan.files["shop/price/v2/run.json"]
    assert load_model_run(raw, where="x") == plan.model_runs["shop/price"]


def test_factors_that_stay_keep_their_reference():
    """A shift below the limit is stable, and the row passes the readers."""
    plan = second(factors(new=1.001), factors(new=1.0))

    assert (row(plan).is_stable, row(plan).reference_update) == (True, "unchanged")
    raw = plan.files["shop/price/v2/run.json"]
    assert load_model_run(raw, where="x").heads["condition"].is_stable


def test_the_first_factors_become_the_reference():
    """A first run has a factor, and none before it."""
    plan = run(empty(), factors(new=1.0))

    assert row(plan).factor == FactorRow(None, 1.0, None, {"factor_shift": 0.01})
    assert PRICE.reference_path in plan.files


def test_promote_on_drift_moves_factors():
    """What moved a factor is not called noise: `promote_on: drift` moves the reference too."""
    plan = second(factors(new=0.9), factors(new=1.0), policy={"promote_on": "drift"})

    assert row(plan).reference_update == "updated"


def test_a_wider_limit_is_recorded():
    """A limit that is not the default stands in the row and in the run's options."""
    rules = {"thresholds": {"factor_shift": 0.5}}

    plan = second(factors(new=0.9), factors(new=1.0), **rules)

    assert row(plan).is_stable
    assert row(plan).factor.limits == {"factor_shift": 0.5}
    assert plan.run.options["thresholds"]["factor_shift"] == 0.5


def test_the_default_limit_is_not_recorded():
    """A file that repeats the default has the same options as one that is silent."""
    said = RegistrySettings.from_json({"name": "shop", "thresholds": {"factor_shift": 0.01}})

    assert run_options(said) == run_options(empty().settings)


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_limit_that_means_nothing_is_refused(limit):
    """registry.yaml takes a limit above 0."""
    text = f"schema: calreg/registry/1.0\nname: x\nthresholds: {{factor_shift: {limit}}}\n"

    with pytest.raises(InputError, match="/thresholds/factor_shift"):
        load_settings(text.encode(), where="registry.yaml")


@pytest.mark.parametrize(
    ("pointer", "value", "said"),
    [
        ("factor/factor_shift", 0.01, "not every metric is below"),
        ("labels/new/factor/factor_shift", 0.5, "not every metric is below"),
        ("labels/new/factor/factor_shift", None, "not every metric is below"),
        ("labels/used/factor", ..., "not every metric is below"),
        ("failed_metrics", ["factor_shift"], "not every metric is below"),
        ("metrics/jsd", 0.5, "not every metric is below"),
        ("factor/after", 0, "factor/after"),
        ("factor/factor_shift", -0.5, "factor/factor_shift"),
        ("factor/limits", {}, "factor/limits"),
        ("factor/extra", 1, "unknown key"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(pointer, value, said):
    """A stable row whose factor moved, or was not compared, is no document."""
    same = factors(new=1.0, used=0.5)
    data = json.loads(second(same, same).files["shop/price/v2/run.json"])
    *steps, last = pointer.split("/")
    place = data["heads"]["condition"]
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value

    with pytest.raises(InputError, match=said):
        load_model_run(json.dumps(data).encode(), where="run.json")
