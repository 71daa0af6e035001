"""What must hold of a registry after any change that passes, however it came about.

The rules are not asked here: what a change may do is said again, in few words, and held against
whatever sequence of runs and decisions somebody who knows the tool may put into one change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from gate_builder import DANCE, HAPPY, Registry, deciding, factor, gated, scored
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.documents import (
    Calibration,
    GateSettings,
    HeadSettings,
    LabelCalibration,
    RegistrySettings,
    canonical_bytes,
    load_settings,
)
from calreg.errors import CalregError
from calreg.gate.loosened import rule_changes
from calreg.names import HeadName

PRICES = HeadName("prices", "condition")
Labels = Mapping[str, LabelCalibration]
Blocks = list[tuple[str, Mapping[str, Any]]]
Rules = tuple[Mapping[str, Any], Blocks]


@cache
def pool() -> dict[HeadName, tuple[Labels, ...]]:
    """What runs bring: good and bad, whole and stripped."""
    found = deciding(0.6, tp=45, fn=5)
    assert found.holdout is not None
    bare = replace(found, holdout=replace(found.holdout, confusion=None))
    return {
        HAPPY: (
            {"no": scored(0.4), "yes": scored(0.6)},
            {"no": scored(0.4), "yes": scored(0.7)},
            {"no": scored(0.6), "yes": scored(0.4)},
            {"yes": scored(0.6)},
            {"no": scored(0.4, items=60), "yes": scored(0.6, items=60)},
            {"no": factor(1.0), "yes": factor(1.0)},
        ),
        DANCE: (
            {"yes": deciding(0.5, tp=45, fn=5)},
            {"yes": found},
            {"yes": deciding(0.7, tp=5, fn=45, fp=55, tn=95)},
            {"yes": deciding(0.7, tp=5, fn=45, fp=55, tn=95, has_holdout=False)},
            {"yes": deciding(None, tp=0, fn=50, fp=0, tn=150)},
            {"yes": bare},
            {"yes": scored(0.5)},
        ),
        PRICES: tuple({"good": factor(value)} for value in (0.9, 1.0, 1.1, 1.19, 1.3, 0.6)),
    }


@cache
def started() -> Registry:
    """A registry with two runs, whose newest versions production reads."""
    first, second = ({name: labels[n] for name, labels in pool().items()} for n in (0, 1))
    return Registry.new().run(first, day=1).run(second, day=2)


_ACTIONS = ["run", "run", "run", "promote", "rollback", "pin", "unpin", "withdraw"]
_STEPS = st.lists(
    st.tuples(st.sampled_from(_ACTIONS), st.integers(0, 6), st.integers(0, 3)),
    min_size=1,
    max_size=4,
)
Steps = list[tuple[str, int, int]]


def walked(base: Registry, name: HeadName, steps: Steps) -> Registry:
    """A registry after the steps about a head that can be made, by the tool's own plans."""
    head = base
    for day, (action, one, other) in enumerate(steps, start=3):
        try:
            head = _walk(head, name, (action, one, other), day)
        except CalregError:  # nothing that may be
            continue
    return head


def _walk(head: Registry, name: HeadName, step: tuple[str, int, int], day: int) -> Registry:
    action, one, other = step
    choices = pool()[name]
    newest = head.state.highest_run
    version, fallback = max(1, newest - one % 3), max(0, newest - other)
    acts: dict[str, Callable[[], Registry]] = {
        "run": lambda: head.run({name: choices[one % len(choices)]}, day=day),
        "promote": lambda: head.promote(version, name, day=day),
        "rollback": lambda: head.rollback(version, name, day=day),
        "pin": lambda: head.pin(version, name, day=day),
        "unpin": lambda: head.unpin(name, day=day),
        "withdraw": lambda: head.withdraw(version, name, to=fallback or None, day=day),
    }
    return acts[action]()


@given(st.sampled_from([HAPPY, DANCE, PRICES]), _STEPS)
@settings(max_examples=200, deadline=None)
def test_what_passes_keeps_the_registry_sound(name: HeadName, steps: Steps) -> None:
    """Whatever runs and decisions come in one change: what passes breaks nothing."""
    base = started()
    head = walked(base, name, steps)

    if gated(base.tree, head.tree).ok:
        by_hand = any(action not in {"run", "unpin"} for action, *_ in steps)
        assert _broken(base, head, name, by_hand=by_hand) == []


def _broken(base: Registry, head: Registry, name: HeadName, *, by_hand: bool) -> list[str]:
    """What is wrong with a head's reference, that nobody decided by name."""
    path = name.reference_path
    if path not in head.tree or head.tree[path] == base.tree.get(path):
        return []
    before, after = base.reference(path).calibration, head.reference(path).calibration
    found = []
    if head.tree[path] != head.tree[name.version_path(after.version)]:
        found.append("is no copy")
    if head.state.withdrawn.of(name.full, after.version) is not None:
        found.append("is withdrawn")
    goes_back = after.version < before.version
    if not goes_back:
        found += _bad_decisions(after)
        found += _bad_factors(before, after)
    if not goes_back and not by_hand:
        found += _lost(before, after)
    return found


def _bad_decisions(after: Calibration) -> list[str]:
    found = []
    for label, numbers in after.labels.items():
        if numbers.decision is not None:
            trial = numbers.holdout or numbers.calibration
            confusion = trial.confusion if trial is not None else None
            if confusion is None or not confusion.f1 >= GateSettings().min_f1:
                found.append(f"{label} decides too badly")
    return found


def _bad_factors(before: Calibration, after: Calibration) -> list[str]:
    found = []
    for label in after.labels:
        factors = [
            side.labels[label].parameters.get("factor") if label in side.labels else None
            for side in (before, after)
        ]
        if factors[0] is not None and factors[1] is not None:
            is_near = abs(factors[1] / factors[0] - 1) <= 0.15 + 1e-9
            if not (is_near and 0.5 <= factors[1] <= 1.2):
                found.append(f"{label} goes too far")
    return found


def _lost(before: Calibration, after: Calibration) -> list[str]:
    found = [f"{label} is gone" for label in before.labels.keys() - after.labels.keys()]
    for label in before.labels.keys() & after.labels.keys():
        old, new = before.labels[label], after.labels[label]
        if old.distribution.histogram is not None and new.distribution.histogram is None:
            found.append(f"{label} has no histogram any more")
        if old.decision is not None and new.decision is None:
            found.append(f"{label} does not decide any more")
        if new.decision is not None and old.holdout is not None and new.holdout is None:
            found.append(f"{label} has no holdout any more")
        if new.method != "factor" and not (new.distribution.samples or 0) >= 100:
            found.append(f"{label} has too few scores")
    return found


# --- rules for single heads ---------------------------------------------------------------

_HEADS = [HeadName("a", "x"), HeadName("a", "y"), HeadName("b", "x"), HeadName("b/c", "y")]
_BLOCK = st.fixed_dictionaries(
    {},
    optional={
        "min_samples": st.sampled_from([50, 100, 200]),
        "thresholds": st.dictionaries(
            st.sampled_from(["jsd", "srd", "threshold_shift"]), st.sampled_from([0.01, 0.05, 0.2])
        ),
        "policy": st.fixed_dictionaries({"promote_on": st.sampled_from(["unstable", "drift"])}),
        "gate": st.fixed_dictionaries(
            {},
            optional={
                "min_f1": st.sampled_from([None, 0.0, 0.1, 0.5]),
                "max_f1_drop": st.sampled_from([None, 0.0, 0.02, 0.5]),
                "max_fpr": st.sampled_from([None, 0.01, 0.1]),
                "allow_unknown_samples": st.booleans(),
                "factor_bounds": st.sampled_from([[0.5, 1.2], [0.8, 1.1], [0.1, 2.0]]),
                "severities": st.dictionaries(
                    st.sampled_from(["labels-removed", "holdout-changed"]),
                    st.sampled_from(["error", "warning", "note"]),
                ),
            },
        ),
    },
)
_PATTERNS = st.sampled_from(["*", "a/*", "*/x", "b/*", "a/x"])
_RULES = st.tuples(
    _BLOCK, st.lists(st.tuples(_PATTERNS, _BLOCK), max_size=4, unique_by=lambda p: p[0])
)


@given(_RULES, _RULES, st.sampled_from(["other", "more", "turned"]))
@settings(max_examples=250, deadline=None)
def test_what_is_not_called_looser_is_not(before: Rules, after: Rules, kept: str) -> None:
    """Rules of which no change is called looser let nothing through for any head."""
    top, blocks = after
    # Of what has nothing in common with what was there hardly anything is tighter.
    if kept == "more":
        top, blocks = before[0], [*before[1], *(b for b in blocks if b[0] not in dict(before[1]))]
    elif kept == "turned":
        top, blocks = before[0], before[1][::-1]
    old, new = (_settings(*rules) for rules in (before, (top, blocks)))

    if not any(one.is_looser for one in rule_changes(old, new)):
        for name in _HEADS:
            assert _is_tight(old.for_head(name), new.for_head(name))
            assert _is_tight_gate(old.gate_for(name), new.gate_for(name))


def _settings(top: Mapping[str, Any], blocks: Blocks) -> RegistrySettings:
    data = {"schema": "calreg/registry/1.0", "name": "r", **top, "heads": dict(blocks)}
    return load_settings(canonical_bytes(data), where="registry.yaml")


def _is_tight(old: HeadSettings, new: HeadSettings) -> bool:
    limits = [{"threshold_shift": 0.01, **side.thresholds} for side in (old, new)]
    return (
        all(limits[1][name] <= limits[0][name] for name in limits[0])
        and new.min_samples >= old.min_samples
        and (new.promote_on, new.grid, new.assume) == (old.promote_on, old.grid, old.assume)
    )


def _is_tight_gate(old: GateSettings, new: GateSettings) -> bool:
    def asks(value: float | None) -> float:
        return -1.0 if value is None else value

    def allows(value: float | None) -> float:
        return 2.0 if value is None else value

    rank = ["error", "warning", "note"].index
    default = {"labels-removed": "error", "holdout-changed": "warning"}
    return (
        asks(new.min_f1) >= asks(old.min_f1)
        and allows(new.max_f1_drop) <= allows(old.max_f1_drop)
        and allows(new.max_fpr) <= allows(old.max_fpr)
        and new.allow_unknown_samples <= old.allow_unknown_samples
        and new.factor_bounds[0] >= old.factor_bounds[0]
        and new.factor_bounds[1] <= old.factor_bounds[1]
        and all(
            rank(new.severities.get(rule, usual)) <= rank(old.severities.get(rule, usual))
            for rule, usual in default.items()
        )
    )
