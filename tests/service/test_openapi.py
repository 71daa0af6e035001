"""The API's description, and whether the service does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from time import monotonic

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks as openapi_checks

from calreg.service.auth import Failures

OPERATIONS = {
    "GET /admin/calibration/history",
    "GET /admin/calibration/runs",
    "GET /admin/calibration/runs/{run_id}",
    "GET /admin/calibration/runs/{run_id}/events",
    "GET /calibrations/{model}/{head}",
    "GET /health",
    "GET /metrics",
    "GET /retag/next",
    "POST /admin/calibration/retag",
    "POST /admin/calibration/retag-all",
    "POST /admin/calibration/run",
    "POST /retag/done",
    "POST /scores",
}
# All but those that ask a schema to say all: which names have a slug, no schema tells.
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.unsupported_method,
    openapi_checks.allow_header_conformance,
    openapi_checks.ignored_auth,
]


@pytest.fixture(scope="module")
def document(reading):
    """The description, as programs read it."""
    return reading.get("/openapi.json").json()


@pytest.fixture(scope="module")
def api(reading, document):
    """The description, as it is tested by."""
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
    schema.config.update(base_url=reading.url)
    reading.admission.failures = Failures(monotonic, tries=10**6)  # all come from one address
    return schema


def test_every_operation_is_described(document):
    """The description has the operations there are, each with a name of its own."""
    found = {
        f"{method.upper()} {path}": one
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    }

    assert set(found) == OPERATIONS
    assert len({one["operationId"] for one in found.values()}) == len(found)
    assert all(one["summary"] for one in found.values())


def test_every_error_is_in_one_shape(document):
    """Whatever is not a yes is described, and is an ErrorAnswer or has all that it has."""
    schemas = document["components"]["schemas"]
    assert {"HTTPValidationError", "ValidationError"} & set(schemas) == set()
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                assert answer["description"]
                if int(status) >= 400:
                    schema = answer["content"]["application/json"]["schema"]
                    name = schema["$ref"].rpartition("/")[2]
                    assert "error" in schemas[name]["properties"] or name == "Health"


def test_what_needs_a_key_says_so(document):
    """The operations with a lock are those that answer 401 without a key."""
    locked = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        if one.get("security") == [{"key": []}]
    }

    assert locked == {
        name
        for name in OPERATIONS
        if name.startswith("POST") or "/admin/" in name or "/retag/" in name
    }


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_it_does_what_it_says(api, reading, name):
    """Whatever is sent, no answer is a 5xx, and none has a status or a form not described."""
    method, _, path = name.partition(" ")
    operation = api[path][method]

    @settings(
        max_examples=15,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def told(case):
        answer = case.call(headers=dict(reading.headers), timeout=30)
        case.validate_response(answer, checks=CHECKS, headers=dict(reading.headers))

    told()


def test_the_description_is_a_page_too(reading, document):
    """/docs shows every operation and every answer, without script or anything from elsewhere."""
    page = reading.get("/docs")

    assert page.headers["content-type"].startswith("text/html")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in page.text
            assert operation["summary"].replace("'", "&#x27;") in page.text
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in page.text
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_the_guide_names_what_there_is(document):
    """Every path and every setting in docs/service.md exists, and no setting is left out."""
    from dataclasses import fields

    from calreg.service.settings import _KEYS, Settings

    guide = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:GET|POST) (/[a-z{][^\s`?]*)", guide))
    settings_named = set(re.findall(r"^\| `([a-z_]+)` \| ", guide, re.MULTILINE))

    assert named <= set(document["paths"])
    assert settings_named == set(_KEYS)
    assert {one.name for one in fields(Settings)} >= set(_KEYS) - {"store"}
