"""The quick way to accept a document is never more lenient than jsonschema."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators

from calreg.calibrate import describe, minmax
from calreg.documents import (
    Distribution,
    LabelCalibration,
    Pins,
    RegistrySettings,
    RunInputs,
    load_json,
)
from calreg.documents.acceptance import acceptance
from calreg.documents.schemas import KINDS, Kind, schema_bytes
from calreg.names import HeadName
from calreg.plan import Computed, RegistryState, plan_run

SCHEMAS = {kind: json.loads(schema_bytes(kind)) for kind in KINDS}
ACCEPTS = {kind: acceptance(schema) for kind, schema in SCHEMAS.items()}

STRICT: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    ),
)


def is_allowed(kind: Kind, value: Any) -> bool:
    return bool(STRICT(SCHEMAS[kind]).is_valid(value))


def examples() -> dict[Kind, Any]:
    """A document of each kind that a run writes or reads."""
    label = minmax(describe(np.linspace(0.0, 1.0, 200), grid=(0.0, 1.0)))
    name = HeadName("a/b", "c")
    state = RegistryState(RegistrySettings("music"), 0, 0, {}, Pins({}))
    inputs = RunInputs("0" * 64, "long", 200, 200, {"nan": 0}, ("a.csv",))
    factor = LabelCalibration("factor", {"factor": 0.85}, Distribution(40))
    heads = {name: {"yes": label}, HeadName("a/b", "f"): {"new": factor}}
    brings = Computed(heads, {name: "A/B"}, {"a/b/d": "empty"}, inputs)
    plan = plan_run(state, brings, timestamp="2026-01-01T00:00:00.000Z", tool="calreg 0")
    files = {path: load_json(raw, where=path) for path, raw in plan.files.items()}
    pin = {"pinned_to": 1, "by": "A", "why": "w", "since": "2026-01-01T00:00:00Z", "until": None}
    return {
        "calibration": files[name.version_path(1)],
        "model-run": files["a/b/v1/run.json"],
        "run": files["runs/1.json"],
        "pins": {"schema": "calreg/pins/1.0", "heads": {"a/b/c": pin}},
        "registry": {
            "schema": "calreg/registry/1.0",
            "name": "music",
            "thresholds": {"jsd": 0.2},
            "heads": {"a/*": {"policy": {"promote_on": "drift"}}},
        },
    }


EXAMPLES = examples()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_right_documents_are_accepted(kind: Kind) -> None:
    """A right document takes the quick way: no keyword of its schema is unknown to it."""
    assert ACCEPTS[kind](EXAMPLES[kind])
    assert is_allowed(kind, EXAMPLES[kind])


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key inside a document."""
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))[:3]
    else:
        return []
    return [(value, key) for key, _ in inner] + [p for _, v in inner for p in places(v)]


ODD = [
    *(None, True, False, 0, 1, -1, 2**70, 1.0, 0.5, -0.5, float("nan"), float("inf")),
    *("", "a", "A/B", "calreg/run/1.0", "x" * 2_000, "2026-01-01T00:00:00Z", "noise"),
    *([], [1], ["jsd"], ["jsd", "jsd"], [-1], [True], {}, {"a": 1}, {"p5": 0.1}),
]


@given(st.data())
def test_accepted_is_allowed(data: st.DataObject) -> None:
    """Whatever is done to a right document, what is accepted still fits its schema."""
    kind = data.draw(st.sampled_from(sorted(EXAMPLES)))
    document = copy.deepcopy(EXAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 2))):
        spots = places(document)
        where, key = spots[data.draw(st.integers(0, len(spots) - 1))]
        change = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "remove":
            del where[key]
        elif change == "add" and isinstance(where, dict):
            where[data.draw(st.sampled_from(["extra", "A/B", "x" * 300]))] = 1
        else:
            where[key] = data.draw(st.sampled_from(ODD))

    assert is_allowed(kind, document) or not ACCEPTS[kind](document)


def test_conditions_are_understood() -> None:
    """A rule for one method is asked of that method and spared the others."""
    rules = {"if": {"properties": {"method": {"const": "minmax"}}}, "then": {"required": ["p5"]}}
    test = acceptance({"allOf": [rules]})

    assert test({"method": "minmax", "p5": 0.1})
    assert test({"method": "factor"})
    assert not test({"method": "minmax"})
    assert not test({})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"if": {}, "then": {"required": ["a"]}}, {}),
        ({"oneOf": [{}]}, 1),
        ({"enum": [1]}, 1),
        ({"$ref": "https://example.org/x"}, 1),
        ({"uniqueItems": True}, None),
    ],
)
def test_what_is_not_known_is_not_accepted(schema: dict[str, Any], value: Any) -> None:
    """A keyword or form that the quick way does not know is left to jsonschema."""
    assert not acceptance(schema)(value)
