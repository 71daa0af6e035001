"""JSON Schema for documents: which one applies, and the first thing it has against a value.

A schema is chosen by the document's own `schema` key among those that ship with this
program. Nothing is ever fetched: there is no `$ref` out of a schema, and none could be
followed. jsonschema is imported when a document is first checked, not before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from calreg.documents.acceptance import Check, acceptance
from calreg.errors import InputError

__all__ = ["KINDS", "Kind", "kind_of", "schema_bytes", "schema_problem"]

Kind = Literal[
    "calibration",
    "index",
    "keys",
    "lock",
    "model-index",
    "model-run",
    "move",
    "overrides",
    "pins",
    "references",
    "registry",
    "retention",
    "run",
    "suggestions",
    "withdrawn",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_MAJOR = 1
# The minor version that this program writes, where it is not 0.
_MINORS: Mapping[str, int] = {"lock": 1, "move": 1}
_MOST_ERRORS = 100
_NAME = re.compile(r"calreg/([a-z-]+)/([0-9]{1,4})\.([0-9]{1,4})")


def schema_bytes(kind: Kind) -> bytes:
    """The schema of one kind of document, as it ships."""
    # A wheel carries the schemas inside the package; a checkout has them beside src/.
    package = Path(__file__).parents[1] / "schemas"
    folder = package if package.is_dir() else Path(__file__).parents[3] / "schemas"
    return (folder / f"{kind}.schema.json").read_bytes()


def kind_of(data: Mapping[str, Any], *, where: str) -> tuple[str, int]:
    """The kind and minor version that a document says it is.

    Raises:
        InputError: No `schema`, one that is not ours, or an unknown major version.
    """
    name = data.get("schema")
    if not isinstance(name, str):
        raise InputError(
            "has no 'schema', so it is not a calreg document", where=where, code="document"
        )
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(f"has the unknown schema {name[:80]!r}", where=where, code="document")
    if int(found[2]) != _MAJOR:
        raise InputError(
            f"is of schema {name}; this program reads version {_MAJOR}",
            where=where,
            hint="Upgrade calreg.",
            code="document",
        )
    return found[1], int(found[3])


def schema_problem(
    kind: Kind, data: Mapping[str, Any], *, minor: int = 0
) -> tuple[str, str] | None:
    """The first thing a schema has against a document: JSON pointer and problem.

    A document of a newer minor version may have keys that this program does not know.
    """
    if _accepts(kind)(data):
        return None
    # A hostile document has millions: the first few of them say enough.
    some = islice(_errors(kind, data, minor), _MOST_ERRORS)
    errors = sorted(some, key=lambda error: (len(error.path), str(error.path)))
    if not errors:
        return None
    error = errors[0]
    pointer = "".join(f"/{_escaped(step)}" for step in error.absolute_path)
    return pointer or "/", _in_words(error)


def _errors(kind: Kind, data: Mapping[str, Any], minor: int) -> Iterator[Any]:
    for error in _validator(kind).iter_errors(data):
        if error.validator == "additionalProperties" and minor > _MINORS.get(kind, 0):
            continue
        yield error


def _escaped(step: Any) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _in_words(error: Any) -> str:
    shown = _short(error.instance)
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"has no {', '.join(repr(key) for key in missing)}"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        extra = [key for key in error.instance if key not in known]
        return f"has the unknown key {_short(extra[0])}" if extra else str(error.message)[:120]
    if error.validator == "type":
        wanted = error.validator_value
        kinds = wanted if isinstance(wanted, str) else " or ".join(wanted)
        return f"expected {kinds}, got {shown}"
    if error.validator == "enum":
        return f"expected one of {', '.join(map(str, error.validator_value))}, got {shown}"
    if error.validator in {"minimum", "exclusiveMinimum", "maximum"}:
        sign = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}
        return f"expected {sign[error.validator]} {error.validator_value}, got {shown}"
    if error.validator in {"minItems", "maxItems"}:
        return f"expected {error.validator_value} entries, got {len(error.instance)}"
    if error.validator == "pattern":
        form = error.validator_value.removesuffix(r"(?!\n)")
        return f"{shown} does not have the form {form}"
    return str(error.message)[:160]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


@cache
def _accepts(kind: Kind) -> Check:
    return acceptance(json.loads(schema_bytes(kind)))


@cache
def _validator(kind: Kind) -> Any:
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    strict_types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    extend: Any = validators.extend  # jsonschema's own is untyped
    strict = extend(Draft202012Validator, {"uniqueItems": _unique_items}, type_checker=strict_types)
    return strict(json.loads(schema_bytes(kind)), registry=Registry())


def _unique_items(_validator: Any, wanted: bool, value: Any, _schema: Any) -> Iterator[Any]:  # noqa: FBT001 -- jsonschema's
    """`uniqueItems` in one pass: jsonschema's own compares all pairs, hours for a hostile list."""
    from jsonschema import ValidationError

    if not (wanted and isinstance(value, list)):
        return
    seen: set[str] = set()
    for item in value:
        text = json.dumps(item, sort_keys=True)
        if text in seen:
            yield ValidationError(f"{_short(value)} has non-unique elements")
            return
        seen.add(text)
