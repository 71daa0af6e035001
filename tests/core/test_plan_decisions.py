"""Runs of heads that decide: what is recorded of them, and when two runs are one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from calreg.calibrate import describe, minmax
from calreg.documents import (
    DEFAULT_SHIFT_LIMITS,
    Calibration,
    Confusion,
    Decision,
    DecisionRow,
    Distribution,
    LabelCalibration,
    Pins,
    RegistrySettings,
    RunInputs,
    Trial,
    digest_of,
    load_calibration,
    load_model_run,
    load_settings,
)
from calreg.errors import InputError
from calreg.names import HeadName, classify
from calreg.plan import (
    Computed,
    Reference,
    RegistryState,
    RunPlan,
    plan_run,
    run_options,
    same_inputs,
)
from calreg.plan.run import run_id

NOW = "2026-11-01T12:00:00.000Z"
SPAM = HeadName("m", "spam")
MOOD = HeadName("m", "mood")
KEPT = describe(np.random.default_rng(1).beta(2.0, 3.0, 20_000), grid=(0.0, 1.0))


def cut(at: float | None, *, kept: Distribution = KEPT, objective: str = "max-f1", tp: int = 8):
    status = "infeasible" if at is None else "ok"
    decision = Decision(at, ">=", objective, status)
    trial = Trial("a" * 64, 10, 20, Confusion(tp, 2, 10 - tp, 18), {})
    return LabelCalibration("threshold", {}, kept, "higher", decision, holdout=trial)


def platt(slope: float) -> LabelCalibration:
    return LabelCalibration("platt", {"slope": slope, "intercept": -2.0}, KEPT, "higher")


def computed(heads: dict[HeadName, dict[str, LabelCalibration]], **changes: object) -> Computed:
    inputs = RunInputs("a" * 64, "labelled", 20_000, 20_000, {}, ("labelled.csv",))
    return replace(Computed(heads, {}, {}, inputs), **changes)  # type: ignore[arg-type]


def empty(**rules: object) -> RegistryState:
    settings = RegistrySettings.from_json({"name": "music", **rules})
    return RegistryState(settings, 0, 0, {}, Pins({}))


def run(state: RegistryState, labels: dict[str, LabelCalibration], **changes: object) -> RunPlan:
    return plan_run(state, computed({SPAM: labels}, **changes), timestamp=NOW, tool="calreg 0")


def after(state: RegistryState, plan: RunPlan) -> RegistryState:
    moved = {}
    for path, raw in plan.files.items():
        place = classify(path)
        if place.kind == "reference":
            moved[place.head] = Reference(load_calibration(raw, where=path), digest_of(raw), raw)
    return replace(state, highest_run=plan.run.version, references={**state.references, **moved})


def second(new: dict[str, LabelCalibration], old: dict[str, LabelCalibration], **rules: object):
    """The run of `new` in a registry whose reference holds `old`."""
    first = empty(**rules)
    return run(after(first, run(first, old)), new)


def row(plan: RunPlan):
    return plan.model_runs["m"].heads["spam"]


def test_a_moved_decision_is_recorded():
    """Row and label rows hold shift, changes of rates and the limit, and the reference moves."""
    plan = second({"scam": cut(0.75, tp=6)}, {"scam": cut(0.5)})

    found = row(plan)
    assert found.failed_metrics == ("threshold_shift",)
    assert (found.verdict, found.reference_update) == ("unstable", "updated")
    assert found.decision == DecisionRow(
        0.25, None, 12 / 18 - 0.8, 0.0, 0.6 - 0.8, (), DEFAULT_SHIFT_LIMITS
    )
    assert found.labels["scam"].decision == found.decision
    assert "moved m/spam v1 -> v2: threshold_shift 0.2500\n" in plan.message


def test_rows_read_back_as_they_were_written():
    """The run's document holds the decision, in words and numbers, and nothing is lost."""
    plan = second({"scam": cut(None)}, {"scam": cut(0.5)})
    raw = plan.files["m/v2/run.json"]

    assert load_model_run(raw, where="run.json") == plan.model_runs["m"]
    assert json.loads(raw)["heads"]["spam"]["decision"]["changes"] == ["status", "threshold"]
    assert "threshold_shift, changed status, threshold\n" in plan.message


def test_rows_that_only_rescale_say_nothing_of_decisions():
    """A minmax head's row is what it was before there were decisions, key by key."""
    plan = second({"yes": minmax(KEPT)}, {"yes": minmax(KEPT)})

    data = json.loads(plan.files["m/v2/run.json"])["heads"]["spam"]
    assert "decision" not in data
    assert "decision" not in data["labels"]["yes"]
    assert set(data["thresholds"]) == set(data["metrics"])
    assert "tune" not in plan.run.options
    assert "_shift" not in json.dumps(plan.run.options)


def test_first_row_of_a_decision_has_nothing_to_compare():
    """On a first run there is no shift."""
    state = empty()

    found = row(run(state, {"scam": cut(0.5)}))

    assert (found.decision, found.failed_metrics) == (None, ())
    assert found.p5 == KEPT.quantiles["p5"]


def test_unknown_percentiles_are_null():
    """A threshold from elsewhere has no distribution: p5, p95 and range are null."""
    plan = second(
        {"scam": cut(0.5, kept=Distribution(None))}, {"scam": cut(0.5, kept=Distribution(None))}
    )

    found = row(plan)
    assert (found.p5, found.p95, found.range) == (None, None, None)
    assert (found.labels["scam"].p5, found.labels["scam"].p95) == (None, None)
    assert found.verdict == "undecided"
    assert load_model_run(plan.files["m/v2/run.json"], where="x") == plan.model_runs["m"]


def test_policy_drift_moves_a_shifted_threshold():
    """A shift beyond its limit is not noise: `promote_on: drift` moves the reference too."""
    plan = second({"scam": cut(0.75)}, {"scam": cut(0.5)}, policy={"promote_on": "drift"})

    assert row(plan).reference_update == "updated"


def test_limit_comes_from_the_settings():
    """A wider limit keeps the reference, and stands in the row."""
    rules = {"thresholds": {"threshold_shift": 0.5}}
    plan = second({"scam": cut(0.75)}, {"scam": cut(0.5)}, **rules)

    assert row(plan).reference_update == "unchanged"
    assert row(plan).decision.limits == {**DEFAULT_SHIFT_LIMITS, "threshold_shift": 0.5}
    assert plan.run.options["thresholds"]["threshold_shift"] == 0.5


def test_moved_probabilities_are_recorded():
    """A refitted map moves the reference, and row, document and message say how far."""
    new, old = platt(4.0), platt(3.0)

    plan = second({"scam": new}, {"scam": old})

    found = row(plan)
    shift = found.decision.probability_shift
    assert (found.failed_metrics, found.reference_update) == (("probability_shift",), "updated")
    assert found.labels["scam"].decision == found.decision
    assert found.decision.limits == DEFAULT_SHIFT_LIMITS
    assert f"moved m/spam v1 -> v2: probability_shift {shift:.4f}\n" in plan.message
    assert load_model_run(plan.files["m/v2/run.json"], where="x") == plan.model_runs["m"]


def test_probabilities_have_a_limit_of_their_own():
    """A wider limit keeps the reference, and is recorded with the run."""
    rules = {"thresholds": {"probability_shift": 0.5}}

    plan = second({"scam": platt(4.0)}, {"scam": platt(3.0)}, **rules)

    assert row(plan).reference_update == "unchanged"
    assert row(plan).decision.limits == {**DEFAULT_SHIFT_LIMITS, "probability_shift": 0.5}
    assert plan.run.options["thresholds"]["probability_shift"] == 0.5
    assert "threshold_shift" not in plan.run.options["thresholds"]


def test_limit_for_one_head():
    """A pattern's limit is that of its heads; another pattern may take it back to the default."""
    settings = RegistrySettings.from_json(
        {
            "name": "music",
            "thresholds": {"threshold_shift": 0.5},
            "heads": {"m/*": {"thresholds": {"threshold_shift": 0.01}}},
        }
    )

    assert settings.for_head(HeadName("other", "x")).thresholds["threshold_shift"] == 0.5
    assert "threshold_shift" not in settings.for_head(SPAM).thresholds


def test_the_default_limit_is_not_recorded():
    """A file that repeats the default has the same options as one that is silent."""
    silent = RegistrySettings.from_json({"name": "music"})
    said = RegistrySettings.from_json(
        {"name": "music", "thresholds": {"threshold_shift": 0.01, "probability_shift": 0.01}}
    )

    assert run_options(silent) == run_options(said)


@pytest.mark.parametrize("name", DEFAULT_SHIFT_LIMITS)
@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_limit_that_means_nothing_is_refused(name, limit):
    """registry.yaml takes a limit above 0."""
    text = f"schema: calreg/registry/1.0\nname: x\nthresholds: {{{name}: {limit}}}\n"

    with pytest.raises(InputError, match=f"/thresholds/{name}"):
        load_settings(text.encode(), where="registry.yaml")


def test_other_objectives_are_another_run():
    """What was asked for is recorded, and makes runs of the same scores differ."""
    state = empty()
    asked = {"objective": {"scam": "max-f1"}}

    done = run(state, {"scam": cut(0.5)}, options=asked).run

    assert done.options["tune"] == asked
    same, other = run_options(state.settings, asked), run_options(state.settings, {"x": 1})
    assert same_inputs([done], "a" * 64, same) == done
    assert same_inputs([done], "a" * 64, other) is None
    assert same_inputs([done], "a" * 64, run_options(state.settings)) is None
    assert run_id("a" * 64, same) != run_id("a" * 64, other)


def test_tuning_one_head_leaves_the_others():
    """A run of one head writes nothing of another one's reference."""
    first = empty()
    both = computed({SPAM: {"scam": cut(0.5)}, MOOD: {"yes": minmax(KEPT)}})
    state = after(first, plan_run(first, both, timestamp=NOW, tool="calreg 0"))

    plan = run(state, {"scam": cut(0.75)})

    assert SPAM.reference_path in plan.files
    assert not [path for path in plan.files if "mood" in path]


def poisoned(*changes: tuple[str, object]) -> bytes:
    """A stable row of a threshold head, with values at keys below it changed."""
    plan = second({"scam": cut(0.5)}, {"scam": cut(0.5)})
    data = json.loads(plan.files["m/v2/run.json"])
    for pointer, value in changes:
        *steps, last = pointer.split("/")
        place = data["heads"]["spam"]
        for step in steps:
            place = place[step]
        place[last] = value
    return json.dumps(data).encode()


def test_the_row_to_poison_is_good():
    """Unchanged, the row of the next test is accepted."""
    assert load_model_run(poisoned(), where="run.json").heads["spam"].is_stable


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\x7f", "\x00"])
def test_an_objective_with_control_characters_is_no_document(text):
    """It can be neither written nor read: it would reach terminals and commit messages."""
    good = Calibration(SPAM, 1, {"scam": cut(0.5)})
    data = good.to_json()
    data["labels"]["scam"]["objective"] = text

    with pytest.raises(InputError, match="/labels/scam/objective: holds control characters"):
        load_calibration(json.dumps(data).encode(), where="x")
    with pytest.raises(InputError, match="/labels/scam/objective: holds control characters"):
        run(empty(), {"scam": cut(0.5, objective=text)})


def test_objectives_may_be_in_any_language():
    """Letters beyond ASCII are no control characters."""
    plan = run(empty(), {"scam": cut(0.5, objective="höchstens 2 % 誤報")})

    raw = plan.files["m/spam-calibration.json"]
    decision = load_calibration(raw, where="x").labels["scam"].decision
    assert decision.objective == "höchstens 2 % 誤報"


def test_a_stable_row_may_tell_of_another_status():
    """A status that changed by itself is in the row, and contradicts nothing."""
    told = poisoned(("decision/changes", ["status"]), ("labels/scam/decision/changes", ["status"]))

    assert load_model_run(told, where="run.json").heads["spam"].decision.changes == ("status",)


@pytest.mark.parametrize(
    ("pointer", "value", "problem"),
    [
        ("decision/threshold_shift", 0.01, "not every metric is below its threshold"),
        ("decision/changes", ["objective"], "not every metric is below its threshold"),
        ("labels/scam/decision/threshold_shift", 0.5, "not every metric is below"),
        ("labels/scam/decision/changes", ["method"], "not every metric is below"),
        ("failed_metrics", ["threshold_shift"], "not every metric is below"),
        ("failed_metrics", ["f1_change"], "failed_metrics"),
        ("decision/threshold_shift", -0.5, "decision/threshold_shift"),
        ("decision/f1_change", 1.5, "decision/f1_change"),
        ("decision/probability_shift", 0.01, "not every metric is below its threshold"),
        ("labels/scam/decision/probability_shift", 1.5, "decision/probability_shift"),
        ("decision/limits/probability_shift", 0, "decision/limits/probability_shift"),
        ("decision/limits", {"threshold_shift": 0.01}, "decision/limits"),
        ("decision/changes", ["mood"], "decision/changes"),
        ("decision/extra", 1, "unknown key"),
        ("range", None, "known together or not at all"),
        ("p5", None, "known together or not at all"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(pointer, value, problem):
    """A stable row whose decision moved, or half a range, is no document."""
    with pytest.raises(InputError, match=problem):
        load_model_run(poisoned((pointer, value)), where="run.json")
