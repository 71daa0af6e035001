"""The gate as a whole: what passes, what the base decides, and how it speaks."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from gate_builder import (
    DANCE,
    HAPPY,
    Registry,
    Tree,
    change,
    deciding,
    gated,
    rules_of,
    scored,
)
from gate_steps import TIMBRE, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.documents import (
    Retention,
    canonical_bytes,
    load_model_run,
)
from calreg.errors import InputError
from calreg.gate import RULES, SEVERITIES, Change, Judged, Side, judge
from calreg.gate.lines import Lines
from calreg.names import classify

OWN = Path(__file__).parents[2] / "registry"


@pytest.mark.parametrize("number", range(1, 12))
def test_every_step_passes(number: int) -> None:
    """Whatever the plans write, alone or after each other, passes the gate."""
    grown = steps()

    # What is collected must have been there before: a change cannot bring it and take it away.
    for base in grown[2 if number == 11 else 0 : number]:
        judged = gated(base.tree, grown[number].tree)
        assert judged.ok, judged.findings


def test_a_whole_registry_is_judged_by_its_own_rules() -> None:
    """A registry that is new as a whole is made anew from its first run on."""
    judged = gated(None, steps()[10].tree)

    assert judged.ok, judged.findings
    assert judged.registry == "music"


def own_tree() -> dict[str, bytes]:
    return {p.relative_to(OWN).as_posix(): p.read_bytes() for p in OWN.rglob("*") if p.is_file()}


def own_after(tree: Tree, number: int) -> dict[str, bytes]:
    """This project's registry as its run of that number left it."""
    numbered = re.compile(r"(?:/v|runs/)([0-9]+)[/.]")
    kept = {
        path: raw
        for path, raw in tree.items()
        if not ((found := numbered.search(path)) and int(found[1]) > number)
    }
    for path in kept:
        place = classify(path)
        if place is not None and place.kind == "reference" and place.head is not None:
            record = f"{place.model}/v{number}/run.json"
            row = load_model_run(tree[record], where=record).heads[place.head.head]
            kept[path] = tree[place.head.version_path(row.reference_after or 0)]
    return kept


def test_this_projects_own_registry_passes() -> None:
    """The registry that this project keeps passes its own gate, as a whole and run by run."""
    tree = own_tree()
    last = max(int(path[5:-5]) for path in tree if path.startswith("runs/"))

    assert gated(None, tree).ok
    for number in range(2, last + 1):
        judged = gated(own_after(tree, number - 1), own_after(tree, number))
        assert judged.ok, judged.findings


# --- what the base decides ----------------------------------------------------------------


def test_the_policy_is_that_of_the_base() -> None:
    """A change that lowers the bar and needs it lower is blocked by both rules."""
    base = Registry.new().run({HAPPY: {"yes": deciding()}})
    bad = base.run({HAPPY: {"yes": deciding(0.6, tp=5, fn=45, fp=55, tn=95)}}, day=2)
    lax = bad.but({"registry.yaml": base.tree["registry.yaml"] + b"gate: {min_f1: 0}\n"})

    assert rules_of(gated(base.tree, lax.tree)) == {"decision-quality", "policy-changed"}


def test_severities_go_up_and_down_to_the_floor() -> None:
    """A policy makes a finding more severe, or less, and never less than its rule's floor."""
    removing = {HAPPY: {"yes": scored(0.5)}}

    def judged(severities: bytes) -> Judged:
        base = Registry.new(b"gate: {severities: {" + severities + b"}}\n").run(
            {HAPPY: {"yes": scored(0.5), "no": scored(0.5)}}
        )
        return gated(base.tree, base.run(removing, day=2).tree)

    assert rules_of(judged(b"labels-removed: error")) == {"labels-removed"}
    lowered = judged(b"labels-removed: note")
    assert lowered.ok
    assert rules_of(lowered, "warning") == {"labels-removed"}


def test_what_a_rule_calls_less_is_never_made_less() -> None:
    """What a rule itself calls a warning can be made an error, and no note."""
    base = Registry.new(b"gate: {severities: {retention: note}}\n").run({HAPPY: 0.5})
    base = base.but({"retention.json": Retention(9).to_bytes()})
    two = base.run({HAPPY: 0.7}, day=2).run({HAPPY: 0.5}, day=3)

    judged = gated(two.tree, two.collect("essentia/effnet/v2").tree)

    assert rules_of(judged, "warning") == {"retention"}


def test_a_severity_for_some_heads() -> None:
    """A policy for some heads leaves others alone."""
    rules = b"heads: {'musicnn/*': {gate: {severities: {unstable-not-moved: error}}}}\n"
    base = Registry.new(rules).run({HAPPY: 0.5, DANCE: 0.4}).pin(1, day=2).pin(1, DANCE, day=3)

    judged = gated(base.tree, base.run({HAPPY: 0.7, DANCE: 0.8}, day=4).tree)

    assert {(one.severity, one.head) for one in judged.findings} == {
        ("error", DANCE.full),
        ("note", HAPPY.full),
    }


@pytest.mark.parametrize("path", ["registry.yaml", HAPPY.reference_path])
def test_a_broken_base_is_no_finding(path: str) -> None:
    """If the base itself cannot be read, nothing can be told: that is an error, not a no."""
    base = Registry.new().run({HAPPY: 0.5}).but({path: b"{"})

    with pytest.raises(InputError):
        gated(base.tree, _with_run(base).tree)


def _with_run(base: Registry) -> Registry:
    two = Registry.new().run({HAPPY: 0.5}).run({HAPPY: 0.7}, day=2)
    return base.but({path: raw for path, raw in two.tree.items() if path not in base.tree})


def test_rules_of_a_later_schema_in_the_base() -> None:
    """By rules that the gate knows only in part nobody is judged."""
    base = Registry.new().but({"registry.yaml": b"schema: calreg/registry/1.9\nname: music\n"})

    with pytest.raises(InputError, match=r"this gate knows calreg/registry/1\.0"):
        gated(base.tree, base.but({"README.md": b"x"}).tree)


def test_a_base_that_is_no_registry() -> None:
    """A base without registry.yaml, but with files, is no registry to compare with."""
    with pytest.raises(InputError, match="is not a registry in the base"):
        gated({"README.md": b"x"}, Registry.new().tree)


# --- how it speaks ------------------------------------------------------------------------


def forged() -> tuple[Registry, Registry]:
    """A change with findings of many kinds."""
    base = steps()[6]
    head = base.run({HAPPY: {"yes": scored(0.9)}, TIMBRE: 0.9}, day=20)
    return base, head.but({
        "setup.py": b"x",
        "musicnn/v1/run.json": b"{}",
        "docs/Ä.md": b"x",
        "pins.json": None,
        TIMBRE.reference_path: base.tree[TIMBRE.reference_path],
    })  # fmt: skip


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_findings_are_the_same_in_any_order(order: random.Random) -> None:
    """Whatever the order of files, listings and reads, the answer is the same."""
    base, head = forged()
    asked = change(base.tree, head.tree)

    assert judge(_shuffled(asked, order)) == judge(asked)


def _shuffled(asked: Change, order: random.Random) -> Change:
    def mixed(found: Side) -> Side:
        listing = list(found.listing.items())
        order.shuffle(listing)

        def read(paths: Iterable[str]) -> dict[str, bytes]:
            raw = list(found.read(list(paths)).items())
            order.shuffle(raw)
            return dict(raw)

        return Side(dict(listing), read)

    touches = list(asked.touches)
    order.shuffle(touches)
    assert asked.base is not None
    return Change(mixed(asked.base), mixed(asked.head), tuple(touches))


def test_the_worst_comes_first() -> None:
    """Findings stand by severity, then by path, rule and head, each once."""
    base, head = forged()
    judged = gated(base.tree, head.tree)

    keys = [
        (SEVERITIES.index(f.severity), f.path or "", f.rule, f.head or "") for f in judged.findings
    ]
    assert keys == sorted(keys)
    assert len(set(judged.findings)) == len(judged.findings)
    assert {"foreign-file", "immutable-version", "move-record"} < rules_of(judged)


def test_a_finding_names_the_line() -> None:
    """A finding on a value says in which line of the file it stands."""
    base = Registry.new().run({HAPPY: 0.5})
    path = "essentia/effnet/v2/run.json"
    head = base.run({HAPPY: 0.7}, day=2).edited(path, "heads", "mood_happy", "evidence", "noise")

    found = next(f for f in gated(base.tree, head.tree).findings if f.rule == "drift-recomputed")

    assert found.line is not None
    assert head.tree[path].splitlines()[found.line - 1].strip() == b'"evidence": "noise",'


@given(
    st.recursive(
        st.integers(0, 9),
        lambda inner: st.dictionaries(st.text(max_size=4), inner, min_size=1, max_size=3),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, dict)),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_lines_are_those_of_the_keys(value: dict[str, Any], data: st.DataObject) -> None:
    """Keys that lead to a value lead to its line, whatever they are called."""
    pointer, inner = [], value
    while isinstance(inner, dict):
        key = data.draw(st.sampled_from(sorted(inner)))
        pointer.append(key)
        inner = inner[key]
    marked = canonical_bytes(_replaced(value, pointer, "here")).split(b"\n")

    line = Lines(canonical_bytes(value)).of(pointer)

    assert line is not None
    assert b'"here"' in marked[line - 1]


def _replaced(value: dict[str, Any], pointer: list[str], by: str) -> dict[str, Any]:
    first, *rest = pointer
    return {**value, first: _replaced(value[first], rest, by) if rest else by}


def test_the_report_for_programs() -> None:
    """The report says whether it passes, what was found and what becomes of each head."""
    base = Registry.new().run({HAPPY: {"yes": deciding()}, DANCE: 0.4})
    head = base.run({HAPPY: {"yes": deciding(0.6, tp=42, fn=8)}, DANCE: 0.4}, day=2)

    told = gated(base.tree, head.tree).to_json()

    assert told["ok"] is True
    assert told["registry"] == "music"
    happy, dance = told["heads"][HAPPY.full], told["heads"][DANCE.full]
    assert (happy["action"], happy["verdict"], happy["version"]) == ("moved", "unstable", 2)
    assert (happy["reference_before"], happy["reference_after"]) == (1, 2)
    assert happy["f1_before"] == pytest.approx(80 / 95)
    assert happy["f1_after"] == pytest.approx(84 / 97)
    assert happy["failed_metrics"] == ["threshold_shift"]
    assert (dance["action"], dance["verdict"], dance["f1_after"]) == ("kept", "stable", None)
    assert set(dance["metrics"]) == set(dance["noise"])
    assert dance["samples"] == 3_000


def test_actions() -> None:
    """The table says what becomes of a reference: new, held, rolled back, withdrawn, removed."""
    grown = steps()

    def actions(base: int, head: Registry) -> dict[str, str]:
        judged = gated(grown[base].tree, head.tree)
        return {name: result.action for name, result in judged.heads.items()}

    assert actions(0, grown[1]) == dict.fromkeys([HAPPY.full, DANCE.full, TIMBRE.full], "new")
    assert actions(2, grown[3]) == {HAPPY.full: "rolled back"}
    assert actions(3, grown[4])[HAPPY.full] == "kept"
    assert actions(7, grown[8])[TIMBRE.full] == "held"
    assert actions(9, grown[10]) == {DANCE.full: "withdrawn"}
    gone = grown[1].but({TIMBRE.reference_path: None})
    assert actions(1, gone) == {TIMBRE.full: "removed"}


def test_rules_have_floors_no_higher_than_their_severity() -> None:
    """No rule's floor is worse than its default."""
    for name, rule in RULES.items():
        assert rule.name == name
        assert SEVERITIES.index(rule.floor) >= SEVERITIES.index(rule.severity)


def test_nothing_changed_is_nothing_to_say() -> None:
    """A change that touches nothing passes in silence."""
    tree = steps()[5].tree

    assert gated(tree, tree) == Judged((), {}, "music")
