"""The API's description: what every operation may answer, said truly and in one place.

A route names what is its own. What the guard answers for every route (no key, foreign pages,
large and slow bodies, a service that is busy) is added here, by the rule that the guard uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from calreg import __version__
from calreg.service.auth import needs_key
from calreg.service.settings import Settings

__all__ = ["description_of"]

_ERROR = {"$ref": "#/components/schemas/ErrorAnswer"}
_SECURITY: list[dict[str, list[str]]] = [{"key": []}]
_SCHEMES = {"key": {"type": "http", "scheme": "bearer", "description": "calreg serve --make-key"}}
_ABOUT = (
    "Calibrations over HTTP: run them, read them, tag again only what changed. "
    "Every error is an `ErrorAnswer`."
)
_WORDS = {
    400: "No valid JSON.",
    401: "A key is needed.",
    403: "A page of another site, or production mode (`calibrate_heads: false`).",
    404: "There is no such thing; the hint names the nearest.",
    408: "The body did not arrive in time.",
    409: "Not now, or not by the registry's rules.",
    413: "The body is too large.",
    415: "Not a content type that can be read.",
    422: "The request is refused; `where` says which part of it.",
    429: "Too many wrong keys from this address; `Retry-After` says how long.",
    503: "The store is down, or the service is busy; `Retry-After` says how long.",
    504: "It took too long.",
}
_EVERY = (422, 503, 504)
_WITH_KEY = (401, 429)
_UNSAFE = (403, 408, 413)


def description_of(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The whole document, made once."""
    document = get_openapi(
        title="calreg", version=__version__, description=_ABOUT, routes=app.routes
    )
    document["components"].setdefault("securitySchemes", {}).update(_SCHEMES)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for path, method, operation in _operations(document):
        is_guarded = needs_key(method, path, is_private=settings.private)
        if is_guarded:
            operation["security"] = _SECURITY
        _add_problems(path, method, operation, is_guarded=is_guarded)
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _add_problems(path: str, method: str, operation: dict[str, Any], *, is_guarded: bool) -> None:
    wanted = {*_EVERY}
    if is_guarded:
        wanted.update(_WITH_KEY)
    if path.startswith(("/admin/", "/retag/")):
        wanted.add(403)
    if method != "GET":
        wanted.update(_UNSAFE)
    if "requestBody" in operation:
        wanted.add(400)
    responses = operation["responses"]
    for status in wanted:
        is_ours = "$ref" in str(responses.get(str(status), {}))
        is_default = "HTTPValidationError" in str(responses.get(str(status), {}))
        if not is_ours or is_default:
            responses[str(status)] = {"content": {"application/json": {"schema": _ERROR}}}
    for status, answer in responses.items():
        if int(status) in _WORDS:
            answer["description"] = _WORDS[int(status)]
    operation["responses"] = dict(sorted(responses.items()))
