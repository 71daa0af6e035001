"""The description of an HTTP API as a page: operations, what they take, what they may answer.

Made from the OpenAPI document alone, without script, and nothing is fetched from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calreg.pages.board import scrolled
from calreg.pages.html import Html, Part, joined, tag
from calreg.pages.plain import plain_page

__all__ = ["api_page"]

Json = Mapping[str, Any]


def api_page(document: Json) -> bytes:
    """The page of an OpenAPI document."""
    info = document["info"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    links = (
        tag("li", tag("a", f"{method} {path}", href=f"#{operation['operationId']}"))
        for method, path, operation in operations
    )
    program = tag("p", "For programs: ", tag("a", "openapi.json", href="openapi.json"))
    return plain_page(
        f"{info['title']} API",
        tag("h1", f"{info['title']} {info['version']}: the API"),
        tag("p", _said(info.get("description", ""))),
        program,
        tag("ul", *links),
        *(_operation(*one) for one in operations),
        tag("h2", "Answers", id="schemas"),
        *(_schema(*one) for one in document["components"]["schemas"].items()),
    )


def _operation(method: str, path: str, operation: Json) -> Html:
    needs = tag("p", "Needs a key.", class_="soft") if operation.get("security") else None
    return tag(
        "section",
        tag("h2", tag("code", f"{method} {path}"), id=operation["operationId"]),
        tag("p", _said(operation.get("summary", ""))),
        needs,
        _parameters(operation),
        _body(operation),
        _responses(operation["responses"]),
    )


def _parameters(operation: Json) -> Part:
    rows = [
        (one["name"], one["in"], _kind(one["schema"]), one.get("description", ""))
        for one in operation.get("parameters", ())
    ]
    return _table(("Parameter", "In", "Type", "Meaning"), rows) if rows else None


def _body(operation: Json) -> Part:
    content = operation.get("requestBody", {}).get("content", {})
    rows = [(kind, _kind(one["schema"])) for kind, one in content.items()]
    return _table(("Body", "Type"), rows) if rows else None


def _responses(responses: Json) -> Html:
    rows = [(status, _answer(one), one.get("description", "")) for status, one in responses.items()]
    return _table(("Status", "Answer", "When"), rows)


def _answer(response: Json) -> str:
    return ", ".join(_kind(one["schema"]) for one in response.get("content", {}).values())


def _schema(name: str, schema: Json) -> Html:
    rows = [
        (key, _kind(one), one.get("description", ""))
        for key, one in schema.get("properties", {}).items()
    ]
    fields = _table(("Field", "Type", "Meaning"), rows) if rows else None
    return tag(
        "section", tag("h3", name, id=name), tag("p", _said(schema.get("description", ""))), fields
    )


def _kind(schema: Json) -> str:
    """What a schema allows, in a few words."""
    return " or ".join(dict.fromkeys(_kinds(schema)))


def _kinds(schema: Json) -> Iterator[str]:
    if "$ref" in schema:
        yield str(schema["$ref"]).rpartition("/")[2]
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _kinds(one)
    elif schema.get("type") == "array":
        yield f"list of {_kind(schema.get('items', {}))}"
    elif "const" in schema or "enum" in schema:
        yield from (repr(one) for one in schema.get("enum", [schema.get("const")]))
    else:
        kinds = schema.get("type", "anything")
        yield from [kinds] if isinstance(kinds, str) else kinds


def _table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Html:
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    lines = (tag("tr", tag("td", tag("code", first)), *(tag("td", _said(cell)) for cell in rest))
             for first, *rest in rows)  # fmt: skip
    return scrolled(tag("table", head, tag("tbody", joined(lines))), names[0])


def _said(text: str) -> Html:
    """A sentence, what stands between backticks as code.

    >>> _said("see `where`")
    'see <code>where</code>'
    """
    parts = text.split("`")
    return joined(tag("code", part) if place % 2 else part for place, part in enumerate(parts))
