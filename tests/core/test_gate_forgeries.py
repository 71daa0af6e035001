"""What nobody gets past the gate: forgeries of changes that pass, and hostile trees."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from gate_builder import (
    DANCE,
    HAPPY,
    Registry,
    Tree,
    change,
    factor,
    gated,
    rules_of,
    side,
)
from gate_steps import pairs, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.documents import (
    canonical_bytes,
    digest_of,
    load_json,
    load_settings,
)
from calreg.errors import InputError
from calreg.gate import SEVERITIES, Change, FileAt, Side, Touch, judge
from calreg.names import classify


def mutants(tree: Tree, base: Tree, order: random.Random) -> tuple[str, dict[str, bytes], str]:
    """A head side with one thing forged: what, the files, and the mode of the last one."""
    fresh = sorted(path for path in tree if tree[path] != base.get(path))
    path = order.choice(fresh or sorted(tree))
    kind = order.choice(["byte", "drop", "move", "add", "mode", "number", "word", "swap", "old"])
    made = dict(tree)
    if kind == "byte":
        at = order.randrange(len(made[path]))
        flipped = made[path][at] ^ (1 << order.randrange(8))
        made[path] = made[path][:at] + bytes([flipped]) + made[path][at + 1 :]
    elif kind == "drop":
        del made[path]
    elif kind == "move":
        made[f"{path[:-5]}x.json"] = made.pop(path)
    elif kind == "add":
        made[_beside(path, order)] = made[path]
    elif kind in {"number", "word"}:
        data = _read(made[path], path)
        _forge(data, order, numbers=kind == "number")
        made[path] = canonical_bytes(data)
    elif kind == "swap":
        other = order.choice(fresh or sorted(tree))
        made[path], made[other] = made[other], made[path]
    elif kind == "old":
        old = order.choice(sorted(base.keys() & made.keys()))
        made[old] = made[old] + b"\n"
    return f"{kind} {path}", made, path if kind == "mode" else ""


def _read(raw: bytes, path: str) -> dict[str, Any]:
    """A document; of one that is none any more another one."""
    try:
        return load_json(raw, where=path)
    except InputError:
        return {"version": 1}


def _beside(path: str, order: random.Random) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{order.choice(['x', 'extra-', 'v9'])}{name}".lstrip("/")


def _places(value: Any, wanted: type | tuple[type, ...]) -> list[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[Any, Any]] = []
    for key, inner in pairs:
        if isinstance(inner, dict | list):
            found += _places(inner, wanted)
        elif isinstance(inner, wanted):
            found.append((value, key))
    return found


def _forge(data: dict[str, Any], order: random.Random, *, numbers: bool) -> None:
    """One value of a document another."""
    places = _places(data, (int, float) if numbers else (str, type(None), bool))
    holder, key = order.choice(places or [(data, "version")])
    old = holder.get(key) if isinstance(holder, dict) else holder[key]
    if numbers:
        steps_ = [(old or 0) + 1, (old or 0) * 2 + 1, 0, -1, 0.5, 10**6, True]
        holder[key] = order.choice([one for one in steps_ if one != old])
    else:
        words = ["stable", "unstable", "drift", "none", "a" * 64, "v1", None, False, "updated"]
        holder[key] = order.choice([one for one in words if one != old])


FREE = {
    "run": {("timestamp",), ("tool",), ("inputs",), ("excluded",), ("options", "tune")},
    "move": {("by",), ("reason",), ("timestamp",)},
    "retention": {("keep_runs",)},
}
"""What only its author can know, and no gate can tell from another truth."""


def is_another_truth(tree: Tree, mutant: Tree) -> bool:
    """Whether what was forged says nothing that could be recomputed."""
    changed = [path for path in {*tree, *mutant} if tree.get(path) != mutant.get(path)]
    for path in changed:
        place = classify(path)
        if path == "registry.yaml" and path in mutant:
            if load_settings(tree[path], where=path) != load_settings(mutant[path], where=path):
                return False
            continue  # in words only
        if place is None or place.kind not in FREE or path not in tree or path not in mutant:
            return path not in mutant and path.startswith("docs/")
        try:
            before, after = (load_json(each[path], where=path) for each in (tree, mutant))
        except InputError:
            return False
        for free in FREE[place.kind]:
            for data in (before, after):
                inner: Any = data
                for key in free[:-1]:
                    inner = inner.get(key, {})
                inner.pop(free[-1], None)
        if before != after:
            return False
    return True


@given(st.integers(0, 14), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_no_forgery_passes(number: int, order: random.Random) -> None:
    """One byte, file, name, mode or value forged in a change that passes: it does not pass."""
    base, head = pairs()[number]
    what, mutant, path = mutants(head.tree, base.tree, order)
    modes = {path: order.choice(["100755", "120000", "160000"])} if path else None
    if mutant == head.tree and not modes:
        return

    judged = gated(base.tree, mutant, modes=modes)

    assert not judged.ok or is_another_truth(head.tree, mutant), what


@given(st.integers(0, 14), st.integers(2, 6), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_forgeries_do_not_excuse_each_other(number: int, count: int, order: random.Random) -> None:
    """Several forgeries at once do not pass either."""
    base, head = pairs()[number]
    mutant = head.tree
    for _ in range(count):
        _, mutant, _ = mutants(mutant, base.tree, order)

    passes = gated(base.tree, mutant).ok

    assert not passes or mutant == base.tree or is_another_truth(head.tree, mutant)


def test_digests_made_honest_do_not_help() -> None:
    """A forged distribution under honest digests is another calibration, and its drift is said."""
    base = Registry.new().run({HAPPY: 0.5})
    head = base.run({HAPPY: 0.7}, day=2)
    path = HAPPY.version_path(2)
    calm = canonical_bytes(
        {**load_json(base.tree[HAPPY.version_path(1)], where=path), "version": 2}
    )
    part = "essentia/effnet/v2/run.json"
    swapped = head.but({path: calm, HAPPY.reference_path: calm}).edited(
        part, "heads", "mood_happy", "digest", digest_of(calm)
    )

    judged = gated(base.tree, swapped.honest_digests(2).tree)

    assert {"drift-recomputed", "unexplained-move"} <= rules_of(judged)


# --- hostile trees ------------------------------------------------------------------------

_NAMES = st.one_of(
    st.text(max_size=30),
    st.sampled_from([
        "", "/", "..", "../x", "a//b", "registry.yaml", "pins.json", "index.json", "runs/1.json",
        "runs/0.json", "runs/2.json", "moves/1.json", "keys/1.json", "keys/1.json.sig", "a/v1",
        "a/v1/run.json", "a/v2/run.json", "a/v2/b-calibration-v2.json", "a/b-calibration.json",
        "retention.json", "withdrawn.json", "v1/x", "a/v0/x", "a/v1/v2/x", "con/x-calibration.json",
        "runs/registry.yaml", "a/registry.yaml", "a/index.json", "a/v99999999999/run.json",
        "\udcff\udcfe.json", "a\nb.json", "a/v\u0663/run.json",
    ]),
)  # fmt: skip
_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=10),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
_MODES = st.sampled_from(["100644", "100755", "120000", "160000", "040000", "", "x", "100600"])


def _documents() -> st.SearchStrategy[bytes]:
    real = sorted(steps()[10].tree.items())
    return st.one_of(
        st.binary(max_size=200),
        st.dictionaries(st.text(max_size=8), _JSON, max_size=5).map(canonical_bytes),
        st.sampled_from([raw for _, raw in real]),
        st.sampled_from([b"[" * 5000, b'{"a":' * 100, b"\xff\xfe", b"{}", b"null", b"1" * 5000]),
    )


@given(
    st.dictionaries(_NAMES, st.tuples(st.deferred(_documents), _MODES), max_size=8),
    st.sampled_from([None, 0, 1, 6, 10]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_hostile_trees_never_raise(
    files: dict[str, tuple[bytes, str]],
    at: int | None,
    is_base_kept: bool,  # noqa: FBT001
) -> None:
    """Whatever somebody puts into a tree, the gate answers, and does not raise."""
    base = None if at is None else steps()[at].tree
    brought = {path: raw for path, (raw, _) in files.items()}
    head = {**(base or {}), **brought} if is_base_kept else brought

    judged = gated(base, head, modes={path: mode for path, (_, mode) in files.items()})

    assert all(one.problem.isprintable() for one in judged.findings)
    if base is None and brought and not is_base_kept:
        assert not judged.ok


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_hostile_values_never_raise(order: random.Random) -> None:
    """Absurd numbers and words in documents that are otherwise right do not raise."""
    absurd = [10**400, -(10**30), 1e308, 5e-324, -0.0, 2**53, "\u0000", "", (), None, True]
    base, head = order.choice(pairs())
    fresh = sorted(p for p in head.tree if head.tree[p] != base.tree.get(p) and p[-5:] == ".json")
    made = dict(head.tree)
    for _ in range(order.randrange(1, 4)):
        path = order.choice(fresh)
        data = _read(made[path], path)
        places = _places(data, (int, float, str, bool, type(None)))
        holder, key = order.choice(places or [(data, "version")])
        holder[key] = order.choice(absurd)
        made[path] = canonical_bytes(data)

    judged = gated(base.tree, made)

    assert all(one.severity in SEVERITIES for one in judged.findings)


@pytest.mark.parametrize("head", ["con", "a..b", "x.json", "v2"])
def test_impossible_heads_in_a_contradictory_part(head: str) -> None:
    """A run's part that contradicts itself and names what is no head does not raise."""
    base = Registry.new().run({HAPPY: 0.5})
    two = base.run({HAPPY: 0.7}, day=2)
    path = "essentia/effnet/v2/run.json"
    data = load_json(two.tree[path], where=path)
    row = {**data["heads"]["mood_happy"], "is_stable": True}
    data["heads"] = {head: row}

    judged = gated(base.tree, two.but({path: canonical_bytes(data)}).tree)

    assert "document" in rules_of(judged)


def test_endless_lists_of_keys_are_not_checked() -> None:
    """Hundreds of lists of keys in one change are refused unread."""
    lists = {f"keys/{n}.json": b"{}" for n in range(1, 202)}
    base = Registry.new()

    judged = gated(base.tree, base.but(lists).tree)

    assert any("at most 200 are checked" in one.problem for one in judged.findings)


def test_files_that_a_reader_leaves_out() -> None:
    """A file that is listed and cannot be read is a finding on the head side."""
    base, head = Registry.new(), Registry.new().run({HAPPY: 0.5})
    asked = change(base.tree, head.tree)
    blind = replace(asked, head=Side(asked.head.listing, lambda _: {}))

    judged = judge(blind)

    assert "document" in rules_of(judged)
    assert {one.path for one in judged.findings if one.problem == "cannot be read"} == {
        path for path in head.tree if path not in base.tree
    }


def test_too_much_is_not_read() -> None:
    """A change that is too large is refused before a byte of it is read."""
    base = Registry.new(b"gate: {max_files: 10}\n")
    touches = tuple(
        Touch(f"a/v1/h{n}-calibration-v1.json", None, FileAt("100644", "0" * 40, 10))
        for n in range(11)
    )

    def refuse(paths: Iterable[str]) -> dict[str, bytes]:
        raise AssertionError(f"reads {paths}")

    judged = judge(Change(side(base.tree), Side({}, refuse), touches))

    assert rules_of(judged) == {"size-limits"}


def test_a_large_file_is_not_read() -> None:
    """A file over the limit is named and not read, the others are judged."""
    base = Registry.new().run({HAPPY: 0.5})
    path = DANCE.version_path(2)
    asked: list[str] = []
    made = change(base.tree, {**base.tree, path: b"x"})
    huge = replace(made.touches[0], new=FileAt("100644", "0" * 40, 2**30))

    def read(paths: Iterable[str]) -> dict[str, bytes]:
        asked.extend(paths)
        return {}

    judged = judge(replace(made, head=Side(made.head.listing, read), touches=(huge,)))

    assert "size-limits" in rules_of(judged)
    assert path not in asked


def test_endless_documents_that_are_none() -> None:
    """After so many bytes that are no documents the rest is blocked unread."""
    base = Registry.new()
    huge = {f"runs/{number}.json": b"x" * (8 * 2**20) for number in range(1, 7)}

    judged = gated(base.tree, base.but(huge).tree)

    unread = [one.path for one in judged.findings if "not looked at any more" in one.problem]
    assert unread == ["runs/6.json"]
    assert {one.path for one in judged.findings if one.rule == "document"} == set(huge)


def test_endless_findings_are_counted() -> None:
    """Of a million wrong places the first are named, the others counted, and it is blocked."""
    base = Registry.new(b"gate: {max_document_bytes: 16777216}\n")
    labels = {f"l{n}": factor(9.0) for n in range(3_000)}

    judged = gated(base.tree, base.run({HAPPY: labels}).tree)

    found = [one for one in judged.findings if one.rule == "factor-bounds"]
    assert len(found) == 2_001
    assert {one.severity for one in found} == {"error"}
    assert "says so of 1,000 more places" in {one.problem for one in found}


@given(st.integers(0, 14), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_no_row_is_forged_under_honest_digests(number: int, order: random.Random) -> None:
    """A value of a row that is forged, with every digest above it made to fit, does not pass."""
    base, head = pairs()[number]
    records = sorted(
        path
        for path in head.tree.keys() - base.tree.keys()
        if (place := classify(path)) is not None and place.kind == "model-run"
    )
    if not records:
        return
    path = order.choice(records)
    data = load_json(head.tree[path], where=path)
    _forge(data, order, numbers=order.random() < 0.5)
    version = load_json(head.tree[path], where=path)["version"]
    forged = head.but({path: canonical_bytes(data)}).honest_digests(version)

    assert forged.tree == head.tree or not gated(base.tree, forged.tree).ok
