"""What the feedback loop writes down: the schemas of suggestions and of overrides."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from calreg.documents import (
    checked_bytes,
    load_overrides,
    load_suggestions,
    schema_bytes,
    semantic_problems,
)
from calreg.documents.acceptance import acceptance
from calreg.errors import InputError
from calreg.feedback.bounds import Bounds, bounded_factors, factors_after, read_suggested
from calreg.feedback.figures import feedback_figures, feedback_figures_by_group
from calreg.feedback.suggest import suggest_factors
from calreg.feedback.values import Joined, Keys
from calreg.overrides import load

KEY = "CONDITION_PRICE_FACTOR"
SCHEMAS = {kind: json.loads(schema_bytes(kind)) for kind in ("overrides", "suggestions")}
CURRENT = {"new": 1.0, "used": 0.8, "for_parts": 0.4}


def joined(n: int = 300) -> Joined:
    """Rows whose groups are sold at 10 % more, as predicted, and at 30 % less."""
    chance = np.random.default_rng(7)
    group = np.array(["new", "used", "for_parts"], dtype=object)[np.arange(n) % 3]
    truth = np.where(group == "new", 1.1, np.where(group == "used", 1.0, 0.7))
    predicted = chance.uniform(5.0, 50.0, n)
    sold = (chance.random(n) < 0.6).astype(np.int8)
    none = np.full(n, np.nan)
    return Joined(
        keys=np.array([f"{row:05}" for row in range(n)], dtype=object),
        predicted=predicted,
        outcome=predicted * truth * np.exp(chance.normal(0.0, 0.05, n)),
        probability=chance.random(n),
        hazard=none,
        days=chance.uniform(1.0, 60.0, n),
        horizon=none + 60.0,
        factor=np.array([CURRENT[name] for name in group]),
        sold=sold,
        group=group,
        counts=Keys(n, 0, 0),
        digest="0" * 64,
    )


def suggestions() -> dict:
    rows = joined()
    return {
        "schema": "calreg/suggestions/1.0",
        "id": "20260102T030405Z-1a2b3c4d",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "tool": "calreg 0",
        "data": {
            "digest": rows.digest,
            "files": ["predictions.jsonl", "outcomes.csv"],
            "keys": rows.counts.to_json(),
            "rejects": {"garbled": 8},
        },
        **feedback_figures(rows).to_json(),
        "groups": {name: one.group_json() for name, one in feedback_figures_by_group(rows).items()},
        "suggestions": suggest_factors(rows, current=CURRENT).to_json(),
    }


def overrides() -> dict:
    bounds = Bounds()
    wanted = read_suggested(suggestions()["suggestions"], where="s.json")
    factors = factors_after(bounded_factors(CURRENT, wanted, bounds))
    entry = {
        "id": "20260102T030405Z-1a2b3c4d",
        "timestamp": "2026-01-02T03:04:05Z",
        "by": "Ada Lovelace <ada@example.org>",
        "action": "apply",
        "data_digest": "0" * 64,
        "before": dict(CURRENT),
        "after": dict(factors),
        "why": "",
    }
    return {
        "schema": "calreg/overrides/1.0",
        "name": KEY,
        "factors": factors,
        "bounds": bounds.to_json(),
        "history": [
            {**entry, "id": "first", "action": "revert", "data_digest": None}
            | {"before": dict(CURRENT), "after": dict(CURRENT)},
            entry,
        ],
    }


EXAMPLES = {"suggestions": suggestions(), "overrides": overrides()}


def changed(kind: str, pointer: str, value: object) -> dict:
    """An example with one place set to a value, or without it."""
    document = copy.deepcopy(EXAMPLES[kind])
    *way, last = pointer.split("/")
    place = document
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schemas_take_what_is_computed(kind):
    """What the loop computes is a right document, the quick way and the thorough one."""
    schema = SCHEMAS[kind]

    Draft202012Validator.check_schema(schema)
    assert [
        error.message for error in Draft202012Validator(schema).iter_errors(EXAMPLES[kind])
    ] == []
    assert acceptance(schema)(EXAMPLES[kind])


@pytest.mark.parametrize(
    ("kind", "pointer", "value"),
    [
        ("suggestions", "schema", "calreg/suggestions/2.0"),
        ("suggestions", "schema", "calreg/suggestions/1.0\n"),
        ("suggestions", "id", "a b"),
        ("suggestions", "timestamp", "yesterday"),
        ("suggestions", "data/digest", "0" * 63),
        ("suggestions", "data/rejects/garbled", -1),
        ("suggestions", "data/keys/matched", ...),
        ("suggestions", "price/mae", -0.1),
        ("suggestions", "price/mae", "0.1"),
        ("suggestions", "price/n", 2.5),
        ("suggestions", "price/mae_interval", [1.0]),
        ("suggestions", "probability/brier", 1.1),
        ("suggestions", "probability/bins", []),
        ("suggestions", "holding/sell_through", 2),
        ("suggestions", "groups/", {}),
        ("suggestions", "suggestions/new/current_factor", 0),
        ("suggestions", "suggestions/new/current_factor", None),
        ("suggestions", "suggestions/new/suggested_factor", None),
        ("suggestions", "suggestions/new/suggested_factor", True),
        ("suggestions", "suggestions/new/suggested_factor", -0.5),
        ("suggestions", "suggestions/new/status", "fine"),
        ("suggestions", "suggestions/new", []),
        ("suggestions", "suggestions/new/n", ...),
        ("suggestions", "suggestions/new/surprise", 1),
        ("suggestions", "suggestions", ...),
        ("overrides", "schema", "calreg/suggestions/1.0"),
        ("overrides", "name", ""),
        ("overrides", "factors/new", 0),
        ("overrides", "factors/new", True),
        ("overrides", "factors/new", "0.9"),
        ("overrides", "factors/new", None),
        ("overrides", "bounds/max_step", 15),
        ("overrides", "bounds/min_factor", 0),
        ("overrides", "bounds/min_factor", ...),
        ("overrides", "history", ...),
        ("overrides", "history/0/action", "undo"),
        ("overrides", "history/1/data_digest", None),
        ("overrides", "history/0/before/new", -1),
        ("overrides", "history/0/by", ...),
        ("overrides", "more", 1),
    ],
)
def test_schemas_refuse_what_is_wrong(kind, pointer, value):
    """One wrong place, and neither way takes the document."""
    document = changed(kind, pointer, value)

    assert not Draft202012Validator(SCHEMAS[kind]).is_valid(document)
    assert not acceptance(SCHEMAS[kind])(document)


def test_what_is_suggested_is_what_is_applied_and_loaded(tmp_path):
    """From rows to an application's factors: bounded, and a cut below the floor stays put."""
    path = tmp_path / "overrides.json"
    path.write_text(json.dumps(EXAMPLES["overrides"]))
    found = EXAMPLES["suggestions"]["suggestions"]

    loaded = load({KEY: dict(CURRENT)}, path, strict=True)[KEY]

    assert (found["new"]["status"], found["for_parts"]["status"]) == ("ok", "ok")
    assert found["used"]["status"] == "within_noise"
    assert found["for_parts"]["suggested_factor"] < 0.4
    assert loaded["for_parts"] == 0.4
    assert loaded["used"] == 0.8
    assert 1.05 < loaded["new"] <= 1.15


# --- as frozen values ---------------------------------------------------------------------

SUGGESTED = EXAMPLES["suggestions"]["suggestions"]["new"]
LOAD = {"suggestions": load_suggestions, "overrides": load_overrides}


@pytest.mark.parametrize("kind", LOAD)
def test_values_keep_their_bytes(kind):
    """A document that is read and written again has the same bytes, and the same digest."""
    value = LOAD[kind](json.dumps(EXAMPLES[kind]).encode(), where="x")

    raw = checked_bytes(kind, value, where="x")

    assert raw == value.to_bytes()
    assert LOAD[kind](raw, where="x") == value
    assert json.loads(raw) == EXAMPLES[kind]


def test_optional_parts_of_suggestions_come_back():
    """What a run may add to its suggestions is read and written as it was."""
    more = {"options": {"shrink": 20}, "joined": 300, "warnings": ["no factor"], "rejects": []}
    document = EXAMPLES["suggestions"] | more | {"keys": EXAMPLES["suggestions"]["data"]["keys"]}

    value = load_suggestions(json.dumps(document).encode(), where="x")

    assert json.loads(checked_bytes("suggestions", value, where="x")) == document
    assert value.warnings == ("no factor",)
    assert value.data_digest == "0" * 64


@pytest.mark.parametrize(
    ("kind", "pointer", "value", "said"),
    [
        ("overrides", "bounds/min_factor", 2.0, "at /bounds/min_factor: 2.0 is above max_factor"),
        ("overrides", "factors/new", 0.75, "at /factors: are not what the last entry"),
        ("overrides", "history/1/before/new", 0.75, "at /history/1/before: is not what"),
        ("overrides", "history/1/id", "first", "at /history/1/id: 'first' stands there twice"),
        ("overrides", "history/0/after/a\nb", 1.0, "at /history/0/after/a"),
        ("suggestions", "price/mae_interval", [2.0, 1.0], "at /price/mae_interval: 2.0 is above"),
        ("suggestions", "suggestions/new/interval", [2.0, 1.0], "at /suggestions/new/interval"),
        ("overrides", "factors/new", 10**400, "at /factors/new: is too large for a number"),
        ("overrides", "bounds/max_factor", 10**400, "at /bounds/max_factor: is too large"),
        ("suggestions", "suggestions/new/n", 10**400, "at /suggestions/new/n: is too large"),
        ("suggestions", "joined", 299, "at /joined: 299 joined, but 300 keys matched"),
        ("suggestions", "suggestions/a\nb", SUGGESTED, "at /suggestions/a"),
    ],
)
def test_documents_that_contradict_themselves_are_refused(kind, pointer, value, said):
    """What no schema can say is said with its place: names, ends, and a history's chain."""
    document = changed(kind, pointer, value)

    with pytest.raises(InputError) as refused:
        LOAD[kind](json.dumps(document).encode(), where="x.json")

    assert said in str(refused.value)
    assert refused.value.where == "x.json"


def test_numbers_that_are_none_are_found_in_values():
    """NaN in a value made by a program is a problem with a place, not a crash."""
    document = changed("suggestions", "price/mae", float("nan"))

    found = dict(semantic_problems("suggestions", document))

    assert found == {"/price/mae": "nan is not a finite number"}
