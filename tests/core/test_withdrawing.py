"""Withdrawing a version, and what rules and runs make of it afterwards: as values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_plan import HAPPY, LATER, NOW, after, computed, empty, version_of
from test_plan import run as run_of

from calreg.documents import Pins, load_move, load_pins, load_withdrawn
from calreg.errors import InputError, RegistryError
from calreg.names import PINS_PATH, WITHDRAWN_PATH
from calreg.plan import (
    MovePlan,
    Reference,
    RegistryState,
    plan_pin,
    plan_promote,
    plan_rollback,
    plan_run,
    plan_withdraw,
)


def two_versions() -> tuple[RegistryState, list[Reference]]:
    """A head at v2, and both of its versions."""
    first = empty()
    one = run_of(first, {HAPPY: 0.5})
    second = after(first, one)
    two = run_of(second, {HAPPY: 0.7})
    return after(second, two), [version_of(one, HAPPY), version_of(two, HAPPY)]


def withdraw(
    state: RegistryState, version: int, fallback: Reference | None, **changes: str
) -> MovePlan:
    how = {"by": "Ada", "reason": "bad labels", "timestamp": NOW, **changes}
    return plan_withdraw(state, HAPPY, version, fallback=fallback, **how)


def withdrawn(state: RegistryState, plan: MovePlan, **changes: object) -> RegistryState:
    """The state that a reader finds once a withdrawal is in the registry."""
    found = load_withdrawn(plan.files[WITHDRAWN_PATH], where="w")
    references = {
        name: held
        for name, held in state.references.items()
        if name.reference_path not in plan.delete
    }
    return replace(state, withdrawn=found, references=references, **changes)


def test_reference_goes_back_and_stays() -> None:
    """Withdrawing what production reads moves the reference to the fallback and pins it there."""
    state, (one, _) = two_versions()

    plan = withdraw(state, 2, one)

    assert plan.files[HAPPY.reference_path] == one.raw
    assert load_pins(plan.files[PINS_PATH], where="p").heads[HAPPY.full].pinned_to == 1
    found = load_withdrawn(plan.files[WITHDRAWN_PATH], where="w").of(HAPPY.full, 2)
    assert found is not None
    assert (found.by, found.why, found.since) == ("Ada", "bad labels", NOW)
    move = load_move(plan.files["moves/1.json"], where="m")
    assert (move.action, move.version, move.before, move.after) == ("withdraw", 2, 2, 1)
    assert plan.message.startswith("Withdraw essentia/effnet/mood_happy v2, reference v2 -> v1")
    assert "Calreg-Withdrawn: v2" in plan.message


def test_last_reference_is_removed() -> None:
    """Without a version to go back to, the head has no reference and no pin any more."""
    first = empty()
    state = after(first, run_of(first, {HAPPY: 0.5}))
    pinned = plan_pin(state, state.references[HAPPY], by="Ada", reason="x", timestamp=NOW)
    pins = load_pins(pinned.files[PINS_PATH], where="p")

    plan = withdraw(replace(state, pins=pins), 1, None)

    assert set(plan.delete) == {HAPPY.reference_path}
    assert load_pins(plan.files[PINS_PATH], where="p") == Pins({})
    assert (plan.move.before, plan.move.after) == (1, None)


def test_version_that_nobody_reads() -> None:
    """Withdrawing a version that the reference does not hold moves nothing."""
    state, (one, _) = two_versions()

    plan = withdraw(state, 1, None)

    assert set(plan.files) == {WITHDRAWN_PATH, "moves/1.json"}
    assert (plan.move.before, plan.move.after) == (2, 2)
    with pytest.raises(RegistryError, match="does not hold v1, it is at v2") as caught:
        withdraw(state, 1, one)
    assert caught.value.code == "not-the-reference"


def test_withdrawn_twice() -> None:
    """A second withdrawal says since when the version is withdrawn, by whom and why."""
    state, (one, _) = two_versions()
    state = withdrawn(state, withdraw(state, 2, one))

    with pytest.raises(
        RegistryError, match=r"v2 of essentia/\S+ is withdrawn 2026-11-01 by Ada: bad labels"
    ) as caught:
        withdraw(state, 2, None)
    assert caught.value.code == "already-withdrawn"


@pytest.mark.parametrize("plan", [plan_promote, plan_rollback, plan_pin])
def test_no_move_brings_it_back(plan) -> None:
    """No move makes a withdrawn version the reference."""
    state, (one, two) = two_versions()
    target = two if plan is plan_promote else one
    held = {HAPPY: one if plan is plan_promote else two}
    state = replace(state, references=held)
    found = withdrawn(state, withdraw(state, target.version, None))

    with pytest.raises(RegistryError, match="withdrawn 2026-11-01 by Ada") as caught:
        plan(found, target, by="Bob", reason="again", timestamp=LATER)
    assert caught.value.code == "withdrawn"


def test_fallback_must_be_fit() -> None:
    """A withdrawn version, or the one that is withdrawn, cannot take its place."""
    state, (one, two) = two_versions()
    state = withdrawn(state, withdraw(state, 1, None))

    with pytest.raises(RegistryError, match=r"v1 of .* is withdrawn"):
        withdraw(state, 2, one)
    with pytest.raises(RegistryError, match="cannot take the place of itself"):
        withdraw(state, 2, two)


def test_same_scores_do_not_come_back_silently() -> None:
    """A run of what a withdrawn version was made of writes a version, and holds the reference."""
    first = empty()
    state = after(first, run_of(first, {HAPPY: 0.5}))
    digests = {HAPPY.full: {"a" * 64: 1}}
    state = withdrawn(state, withdraw(state, 1, None), withdrawn_inputs=digests)

    again = plan_run(state, computed({HAPPY: 0.5}), timestamp=LATER, tool="calreg 0")
    other = run_of(state, {HAPPY: 0.5}, inputs=replace(computed({}).inputs, digest="b" * 64))

    row = again.model_runs[HAPPY.model].heads[HAPPY.head]
    assert (row.reference_update, row.reference_after) == ("held", None)
    assert row.reason == "made of the same scores as v1, withdrawn 2026-11-01 by Ada: bad labels"
    assert HAPPY.version_path(2) in again.files
    assert HAPPY.reference_path not in again.files
    row = other.model_runs[HAPPY.model].heads[HAPPY.head]
    assert (row.reference_update, row.reference_after) == ("updated", 2)


def test_same_scores_hold_beside_a_reference() -> None:
    """Where another reference is in use, too, the scores of a withdrawn version move nothing."""
    state, (one, _) = two_versions()
    state = replace(state, references={HAPPY: one})
    state = withdrawn(state, withdraw(state, 2, None), withdrawn_inputs={HAPPY.full: {"a" * 64: 2}})

    again = run_of(state, {HAPPY: 0.7})

    row = again.model_runs[HAPPY.model].heads[HAPPY.head]
    assert (row.reference_update, row.reference_after) == ("held", 1)
    assert "made of the same scores as v2" in (row.reason or "")


def test_reason_is_required() -> None:
    """Nobody withdraws a version without saying why."""
    state, (one, _) = two_versions()

    with pytest.raises(InputError, match="expected a reason"):
        withdraw(state, 2, one, reason=" ")
