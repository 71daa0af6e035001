"""Plans: what a run and a person's decision would write, as values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.calibrate import describe, minmax
from calreg.documents import (
    LabelCalibration,
    Pin,
    Pins,
    RegistrySettings,
    RunInputs,
    digest_of,
    load_calibration,
    load_model_run,
    load_move,
    load_pins,
    load_run,
)
from calreg.errors import InputError, RegistryError
from calreg.names import HeadName, classify
from calreg.plan import (
    Computed,
    Reference,
    RegistryState,
    RunPlan,
    plan_pin,
    plan_promote,
    plan_rollback,
    plan_run,
    plan_unpin,
    run_options,
    same_inputs,
)
from calreg.plan.message import one_line

Versions = tuple[RegistryState, list[Reference]]

NOW = "2026-11-01T12:00:00.000Z"
LATER = "2026-12-01T12:00:00.000Z"
HAPPY = HeadName("essentia/effnet", "mood_happy")
TIMBRE = HeadName("essentia/effnet", "timbre")
DANCE = HeadName("musicnn", "danceability")


def label(centre: float, *, items: int = 20_000, seed: int = 1) -> LabelCalibration:
    scores = np.clip(np.random.default_rng(seed).normal(centre, 0.1, items), 0.0, 1.0)
    return minmax(describe(scores, grid=(0.0, 1.0)))


def inputs(digest: str = "a" * 64) -> RunInputs:
    return RunInputs(digest, "long", 20_000, 20_000, {}, ("scores.csv",))


def computed(heads: dict[HeadName, float], **changes: object) -> Computed:
    made = {name: {"yes": label(centre)} for name, centre in heads.items()}
    return replace(Computed(made, {}, {}, inputs()), **changes)  # type: ignore[arg-type]


def empty(**rules: object) -> RegistryState:
    settings = RegistrySettings.from_json({"name": "music", **rules})
    return RegistryState(settings, 0, 0, {}, Pins({}))


def after(state: RegistryState, plan: RunPlan) -> RegistryState:
    """The state that a reader finds once a run's files are in the registry."""
    moved = {}
    for path, raw in plan.files.items():
        place = classify(path)
        assert place is not None
        if place.kind == "reference" and place.head is not None:
            moved[place.head] = Reference(load_calibration(raw, where=path), digest_of(raw), raw)
    return replace(state, highest_run=plan.run.version, references={**state.references, **moved})


def run(state: RegistryState, heads: dict[HeadName, float], **changes: object) -> RunPlan:
    return plan_run(state, computed(heads, **changes), timestamp=NOW, tool="calreg 0")


def version_of(plan: RunPlan, name: HeadName) -> Reference:
    raw = plan.files[name.version_path(plan.run.version)]
    return Reference(load_calibration(raw, where="v"), digest_of(raw), raw)


def test_first_run_creates_every_reference() -> None:
    """A first run writes version 1 of each head and makes its bytes the reference."""
    plan = run(empty(), {HAPPY: 0.5, DANCE: 0.4})

    for name in (HAPPY, DANCE):
        assert plan.files[name.reference_path] == plan.files[name.version_path(1)]
        row = plan.model_runs[name.model].heads[name.head]
        assert (row.reference_version, row.reference_after) == (None, 1)
        assert (row.reference_update, row.verdict, row.is_stable) == ("updated", "unstable", False)
        assert set(row.metrics.values()) == {None}
    assert plan.run.summary["references_moved"] == 2


def test_stable_head_keeps_its_reference() -> None:
    """A head that did not drift gets a version, and its reference is not written."""
    first = empty()
    second = after(first, run(first, {HAPPY: 0.5}))

    plan = run(second, {HAPPY: 0.5})

    assert HAPPY.version_path(2) in plan.files
    assert HAPPY.reference_path not in plan.files
    row = plan.model_runs[HAPPY.model].heads[HAPPY.head]
    assert (row.reference_update, row.reference_after, row.verdict) == ("unchanged", 1, "stable")
    assert set(row.metrics.values()) == {0.0}


def test_drifted_head_moves() -> None:
    """A head that drifted has its reference moved to the new version, alone of all heads."""
    first = empty()
    second = after(first, run(first, {HAPPY: 0.5, DANCE: 0.4}))

    plan = run(second, {HAPPY: 0.6, DANCE: 0.4})

    assert plan.files[HAPPY.reference_path] == plan.files[HAPPY.version_path(2)]
    assert DANCE.reference_path not in plan.files
    row = plan.model_runs[HAPPY.model].heads[HAPPY.head]
    assert (row.reference_version, row.reference_after, row.evidence) == (1, 2, "drift")


def test_drift_is_measured_from_the_reference_not_the_last_run() -> None:
    """Slow drift does not creep through: each run is compared with the reference in use."""
    state = empty(thresholds={"apd_p5": 0.05, "apd_p95": 0.05, "jsd": 0.9})
    versions = []
    for centre in (0.50, 0.52, 0.54, 0.56):
        plan = run(state, {HAPPY: centre})
        versions.append(plan.model_runs[HAPPY.model].heads[HAPPY.head].reference_after)
        state = after(state, plan)

    assert versions == [1, 1, 1, 4]


def small_runs(promote_on: str) -> tuple[RunPlan, RunPlan]:
    """Two runs on 200 items of one distribution, which differ by chance alone."""
    state = empty(policy={"promote_on": promote_on})
    made = [
        Computed({HAPPY: {"yes": label(0.5, items=200, seed=seed)}}, {}, {}, inputs())
        for seed in (1, 2)
    ]
    first = plan_run(state, made[0], timestamp=NOW, tool="calreg 0")
    return first, plan_run(after(state, first), made[1], timestamp=NOW, tool="calreg 0")


def test_noise_is_held_under_promote_on_drift() -> None:
    """With promote_on: drift a reference is not moved for noise, and the reason says so."""
    _, plan = small_runs("drift")

    row = plan.model_runs[HAPPY.model].heads[HAPPY.head]
    assert (row.verdict, row.evidence, row.is_stable) == ("undecided", "noise", False)
    assert (row.reference_update, row.reference_after) == ("held", 1)
    assert "within sampling noise" in (row.reason or "")
    assert "would tell" in (row.reason or "")
    assert HAPPY.reference_path not in plan.files
    assert plan.run.summary["references_held"] == 1
    assert plan.run.summary["undecided_heads"] == 1


def test_noise_moves_under_promote_on_unstable() -> None:
    """By default every instability moves the reference, noise or not."""
    _, plan = small_runs("unstable")

    row = plan.model_runs[HAPPY.model].heads[HAPPY.head]
    assert (row.verdict, row.reference_update, row.reference_after) == ("undecided", "updated", 2)


@pytest.mark.parametrize(
    ("until", "update"), [(None, "held"), (LATER, "held"), ("2026-10-01T00:00:00.000Z", "updated")]
)
def test_pin_holds_a_drifted_head(until: str | None, update: str) -> None:
    """A pin holds the reference of a drifted head until its time is over."""
    first = empty()
    pinned = replace(
        after(first, run(first, {HAPPY: 0.5})),
        pins=Pins({HAPPY.full: Pin(1, "Ann", "wait for\nthe audit", NOW, until)}),
    )

    row = run(pinned, {HAPPY: 0.8}).model_runs[HAPPY.model].heads[HAPPY.head]

    assert row.reference_update == update
    if update == "held":
        assert "pinned to v1 by Ann" in (row.reason or "")
        assert "wait for the audit" in (row.reason or "")


def test_changed_labels_move_the_reference() -> None:
    """A head whose set of labels changed is unstable by that alone."""
    first = empty()
    second = after(first, run(first, {HAPPY: 0.5}))
    both = Computed({HAPPY: {"yes": label(0.5), "no": label(0.5)}}, {}, {}, inputs())

    plan = plan_run(second, both, timestamp=NOW, tool="calreg 0")

    row = plan.model_runs[HAPPY.model].heads[HAPPY.head]
    assert row.failed_metrics[-1] == "labels"
    assert row.reference_after == 2


def test_head_rules_apply_to_their_heads() -> None:
    """A threshold for a pattern of heads decides for those heads only."""
    state = empty(heads={"essentia/*": {"thresholds": dict.fromkeys(_LOOSE, 10.0)}})
    state = after(state, run(state, {HAPPY: 0.5, DANCE: 0.5}))

    plan = run(state, {HAPPY: 0.6, DANCE: 0.6})

    assert plan.model_runs[HAPPY.model].heads[HAPPY.head].is_stable
    assert not plan.model_runs[DANCE.model].heads[DANCE.head].is_stable


_LOOSE = ("apd_p5", "apd_p95", "srd", "jsd", "median_drift", "iqr_drift")


def test_excluded_heads_keep_their_references() -> None:
    """A head that was left out has no version in the run; the run names it and why."""
    first = empty()
    second = after(first, run(first, {HAPPY: 0.5, DANCE: 0.4}))

    plan = run(second, {HAPPY: 0.5}, excluded={DANCE.full: "label 'yes': constant at 0.0"})

    assert not any(DANCE.model in path for path in plan.files)
    assert plan.run.excluded == {DANCE.full: "label 'yes': constant at 0.0"}
    assert "left out musicnn/danceability: label 'yes': constant at 0.0" in plan.message


def test_no_head_left_is_refused() -> None:
    """A run that is left without heads is refused, naming heads and reasons."""
    with pytest.raises(InputError, match="no head is left to calibrate: musicnn/danceability: emp"):
        run(empty(), {}, excluded={DANCE.full: "empty"})


def test_run_files_are_documents_that_agree() -> None:
    """Every file of a run is read back as what it was, and the digests name each other."""
    plan = run(empty(), {HAPPY: 0.5, TIMBRE: 0.3, DANCE: 0.4})

    whole = load_run(plan.files["runs/1.json"], where="runs/1.json")
    assert whole == plan.run
    assert set(whole.models) == {"essentia/effnet", "musicnn"}
    for model, digest in whole.models.items():
        raw = plan.files[f"{model}/v1/run.json"]
        assert digest_of(raw) == digest
        part = load_model_run(raw, where="run.json")
        assert part == plan.model_runs[model]
        for head, row in part.heads.items():
            assert row.digest == digest_of(plan.files[HeadName(model, head).version_path(1)])


def test_plan_is_a_function_of_its_arguments() -> None:
    """The same state and input give the same bytes, whatever the order of heads."""
    one = run(empty(), {HAPPY: 0.5, TIMBRE: 0.3, DANCE: 0.4})
    other = run(empty(), {DANCE: 0.4, TIMBRE: 0.3, HAPPY: 0.5})

    assert (one.files, one.message) == (other.files, other.message)


def test_calibration_bytes_hold_no_time() -> None:
    """The time of a run changes the run's documents and no calibration."""
    one = plan_run(empty(), computed({HAPPY: 0.5}), timestamp=NOW, tool="calreg 0")
    other = plan_run(empty(), computed({HAPPY: 0.5}), timestamp=LATER, tool="calreg 0")

    changed = {path for path in one.files if one.files[path] != other.files[path]}
    assert changed == {"runs/1.json", "essentia/effnet/v1/run.json"}


def test_same_inputs_needs_digest_and_options() -> None:
    """A run is a repeat only if both its scores and its options are those of an earlier one."""
    state = empty()
    done = run(state, {HAPPY: 0.5}).run
    other = RegistrySettings.from_json({"name": "music", "min_samples": 7})

    assert same_inputs([done], "a" * 64, run_options(state.settings)) == done
    assert same_inputs([done], "b" * 64, run_options(state.settings)) is None
    assert same_inputs([done], "a" * 64, run_options(other)) is None


def test_order_of_patterns_is_an_option() -> None:
    """Two orders of overlapping patterns are different options, since the later one wins."""
    blocks = [("a/*", {"min_samples": 5}), ("*/b", {"min_samples": 9})]
    one, other = (
        RegistrySettings.from_json({"name": "music", "heads": dict(order)})
        for order in (blocks, blocks[::-1])
    )

    assert one.for_head(HeadName("a", "b")) != other.for_head(HeadName("a", "b"))
    assert run_options(one) != run_options(other)


def test_run_message_has_table_and_trailers() -> None:
    """A run's message sums up for people and ends in trailers for programs."""
    first = empty()
    second = after(first, run(first, {HAPPY: 0.5, DANCE: 0.4}))

    message = run(second, {HAPPY: 0.7, DANCE: 0.4}).message

    subject, _, rest = message.partition("\n\n")
    assert subject == "Run 2: 2 heads, 1 reference moved"
    assert "1 stable, 1 unstable, 0 references held" in rest
    assert "moved essentia/effnet/mood_happy v1 -> v2: apd_p5 0.2" in rest
    trailers = dict(line.split(": ", 1) for line in message.split("\n\n")[-1].splitlines())
    assert trailers["Calreg-Run"] == "2"
    assert trailers["Calreg-Inputs"] == "sha256:" + "a" * 64
    assert trailers["Calreg-Moved"] == "essentia/effnet/mood_happy v1 -> v2"
    assert trailers["Calreg-Timestamp"] == NOW
    assert len(trailers["Calreg-Run-Id"]) == 32


def test_message_of_many_heads_is_short() -> None:
    """A run of many heads lists the first fifty and counts the rest."""
    one = {"yes": label(0.5, items=500)}
    heads = {HeadName("m", f"h{n}"): one for n in range(120)}
    plan = plan_run(empty(), Computed(heads, {}, {}, inputs()), timestamp=NOW, tool="calreg 0")

    assert plan.message.count("Calreg-Moved: ") == 51
    assert "Calreg-Moved: and 70 more" in plan.message
    assert len(plan.message.splitlines()) < 120


@given(st.text())
def test_text_from_data_is_one_line(text: str) -> None:
    """Whatever a name or a reason holds, it is one printable line of a message."""
    line = one_line(text)

    assert line.isprintable()
    assert len(line) <= 200


# --- by hand ------------------------------------------------------------------------------


@pytest.fixture
def three_versions() -> Versions:
    """A head at reference v3, with v1 and v2 before it."""
    state, versions = empty(), []
    for centre in (0.3, 0.5, 0.7):
        plan = run(state, {HAPPY: centre})
        versions.append(version_of(plan, HAPPY))
        state = after(state, plan)
    return state, versions


def test_rollback_moves_and_pins(three_versions: Versions) -> None:
    """A roll-back makes the older version's bytes the reference and pins the head there."""
    state, versions = three_versions

    plan = plan_rollback(state, versions[0], by="Ann", reason="too loud", timestamp=NOW)

    assert plan.files[HAPPY.reference_path] == versions[0].raw
    pins = load_pins(plan.files["pins.json"], where="pins.json")
    assert pins.heads[HAPPY.full] == Pin(1, "Ann", "too loud", NOW, None)
    move = load_move(plan.files["moves/1.json"], where="moves/1.json")
    assert (move.action, move.before, move.after) == ("rollback", 3, 1)
    assert "Calreg-Moved: essentia/effnet/mood_happy v3 -> v1" in plan.message


def test_pinned_head_is_not_promoted(three_versions: Versions) -> None:
    """A pinned head is not promoted until it is unpinned by name; the message says how."""
    state, versions = three_versions
    pinned = replace(
        state,
        references={HAPPY: versions[0]},
        pins=Pins({HAPPY.full: Pin(1, "Ann", "audit", NOW)}),
    )

    with pytest.raises(RegistryError, match="is pinned to v1 by Ann: audit") as caught:
        plan_promote(pinned, versions[2], by="Bob", reason="go", timestamp=NOW)
    assert (
        caught.value.hint
        == "Lift the pin first: calreg unpin essentia/effnet/mood_happy --reason …"
    )
    with pytest.raises(RegistryError, match="is pinned to v1"):
        plan_pin(pinned, versions[2], by="Bob", reason="go", timestamp=NOW)


def test_unpin_lifts_and_moves_nothing(three_versions: Versions) -> None:
    """Lifting a pin removes it and leaves the reference where it is."""
    state, _ = three_versions
    pinned = replace(state, pins=Pins({HAPPY.full: Pin(3, "Ann", "audit", NOW)}))

    plan = plan_unpin(pinned, HAPPY, by="Bob", reason="audit done", timestamp=NOW)

    assert load_pins(plan.files["pins.json"], where="pins.json").heads == {}
    assert set(plan.files) == {"pins.json", "moves/1.json"}
    assert (plan.move.before, plan.move.after) == (3, 3)


def test_unpin_of_an_unpinned_head_is_refused(three_versions: Versions) -> None:
    """There is nothing to lift from a head without a pin."""
    state, _ = three_versions

    with pytest.raises(RegistryError, match="mood_happy is not pinned"):
        plan_unpin(state, HAPPY, by="Bob", reason="?", timestamp=NOW)


def test_directions_are_kept_apart(three_versions: Versions) -> None:
    """Promotion goes to newer versions, roll-back to older ones, and each names the other."""
    state, versions = three_versions
    at_two = replace(state, references={HAPPY: versions[1]})

    with pytest.raises(RegistryError, match=r"v1 of .* is not newer than v2") as caught:
        plan_promote(at_two, versions[0], by="A", reason="r", timestamp=NOW)
    assert "calreg rollback essentia/effnet/mood_happy v1" in (caught.value.hint or "")
    with pytest.raises(RegistryError, match=r"v3 of .* is not older than v2"):
        plan_rollback(at_two, versions[2], by="A", reason="r", timestamp=NOW)
    with pytest.raises(RegistryError, match="is at v2 already"):
        plan_promote(at_two, versions[1], by="A", reason="r", timestamp=NOW)


def test_promote_moves_and_drops_a_pin_that_is_over(three_versions: Versions) -> None:
    """Promotion copies the version's bytes; a pin whose time is over goes with it."""
    state, versions = three_versions
    over = Pin(1, "Ann", "audit", NOW, NOW)
    at_one = replace(state, references={HAPPY: versions[0]}, pins=Pins({HAPPY.full: over}))

    plan = plan_promote(at_one, versions[2], by="Bob", reason="listened", timestamp=LATER)

    assert plan.files[HAPPY.reference_path] == versions[2].raw
    assert load_pins(plan.files["pins.json"], where="pins.json").heads == {}


@pytest.mark.parametrize("until", ["2026-12-24", "2026-12-24T00:00:00", "2026-12-24T01:00+01:00"])
def test_until_is_written_one_way(three_versions: Versions, until: str) -> None:
    """A pin's end is kept as UTC, however it was typed."""
    state, versions = three_versions

    plan = plan_pin(state, versions[2], by="A", reason="r", timestamp=NOW, until=until)

    assert plan.move.until == "2026-12-24T00:00:00.000Z"
    assert HAPPY.reference_path not in plan.files


@pytest.mark.parametrize(
    ("until", "problem"), [("soon", "'soon' is not a date"), ("2020-01-01", "is over already")]
)
def test_bad_until_is_refused(three_versions: Versions, until: str, problem: str) -> None:
    """A pin that would never bind, or until nobody knows when, is refused."""
    state, versions = three_versions

    with pytest.raises(InputError, match=problem):
        plan_pin(state, versions[2], by="A", reason="r", timestamp=NOW, until=until)


@pytest.mark.parametrize("reason", ["", "  \n", "\udce9"])
def test_reason_must_say_something(three_versions: Versions, reason: str) -> None:
    """A decision without a reason, or with one that is no text, is refused."""
    state, versions = three_versions

    with pytest.raises(InputError, match="reason"):
        plan_rollback(state, versions[0], by="A", reason=reason, timestamp=NOW)


def test_reason_cannot_forge_trailers(three_versions: Versions) -> None:
    """Line breaks in a reason or a name cannot start a trailer of their own."""
    state, versions = three_versions
    forged = "ok\n\nCalreg-Run: 99"

    message = plan_rollback(state, versions[0], by=forged, reason=forged, timestamp=NOW).message

    assert not any(line.startswith("Calreg-Run:") for line in message.splitlines())
