"""Errors as answers: one shape for all of them, the same as the command line's `--json`.

Every error of calreg has a code; which HTTP status it gets is in `_STATUS_OF_CODE`, else in
`_STATUS_OF_KIND`. A new kind of refusal is one line there. What nobody foresaw is a 500 that
says nothing of the inside; its traceback goes to the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from calreg.errors import CalregError, InputError, RegistryError, TransportError, UsageError
from calreg.git import redact

__all__ = [
    "Problem",
    "Refused",
    "add_handlers",
    "answer_of",
    "bug_problem",
    "json_answer",
    "problem_of",
]

LOG = logging.getLogger("calreg.service")

_RETRY_S = 5
_LONGEST_PATH = 200
_STATUS_OF_CODE: Mapping[str, int] = {
    "already-running": 409,
    "json": 400,
    "no-such-head": 404,
    "no-such-model": 404,
    "no-such-run": 404,
    "no-such-version": 404,
    "production-mode": 403,
    "too-many-listeners": 503,
}
_STATUS_OF_KIND: Mapping[type[CalregError], int] = {
    UsageError: 422,
    InputError: 422,
    RegistryError: 409,
    TransportError: 503,
}
_WORDS = {404: "nothing is there", 405: "this cannot be done there"}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is answered instead of what was asked for.

    `more` are further fields of the answer, beside `error`; `headers` go with it.
    """

    status: int
    code: str
    message: str
    hint: str | None = None
    where: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def answer(self) -> Response:
        """As an answer."""
        error = {
            "code": self.code,
            "message": redact(self.message),
            "hint": None if self.hint is None else redact(self.hint),
            "where": None if self.where is None else redact(self.where),
        }
        return json_answer({"error": error, **self.more}, self.status, self.headers)


class Refused(HTTPException):
    """Raised where a body is read: the framework lets it through and turns nothing into 400."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status, problem.message, dict(problem.headers))
        self.problem = problem


def json_answer(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A value as JSON."""
    return Response(to_json(value), status, headers, media_type="application/json")


def problem_of(error: CalregError) -> Problem:
    """An error of calreg as an answer; what comes from outside gets a time to try again."""
    by_kind = (code for kind, code in _STATUS_OF_KIND.items() if isinstance(error, kind))
    status = _STATUS_OF_CODE.get(error.code) or next(by_kind, 500)
    headers = {"retry-after": str(_RETRY_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Problem(status, error.code, error.message, error.hint, error.where, headers)


def answer_of(error: CalregError) -> Response:
    """An error of calreg as an answer."""
    return problem_of(error).answer()


def add_handlers(app: FastAPI) -> None:
    """Have every error answered in the one shape."""
    app.add_exception_handler(CalregError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)


def _gone(request: Request, error: Exception) -> Response:  # noqa: ARG001 -- the framework's signature
    """Whoever sent half a body and went away: no bug, and nobody reads the answer."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def _bug(request: Request, error: Exception) -> Response:  # noqa: ARG001 -- the framework's signature
    return bug_problem(error).answer()


def _known(request: Request, error: Exception) -> Response:
    if not isinstance(error, CalregError):
        return bug_problem(error).answer()
    problem = problem_of(error)
    is_stranger = request.scope.get("owner") is None
    return (_briefly(problem) if is_stranger else problem).answer()


def _briefly(problem: Problem) -> Problem:
    """What a stranger is told: all of what is not there, nothing of what is wrong inside."""
    if problem.status == HTTPStatus.NOT_FOUND:
        return problem
    return replace(
        problem,
        message="this cannot be answered now",
        hint="Who shows a key is told why.",
        where=None,
    )


def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        return error.problem.answer()
    if not isinstance(error, HTTPException):
        return bug_problem(error).answer()
    status = error.status_code
    words = _WORDS.get(status) or str(error.detail)
    return Problem(
        status,
        HTTPStatus(status).phrase.lower().replace(" ", "-"),
        f"{request.method} {request.scope['path'][:_LONGEST_PATH]}: {words}",
        hint="All there is: /docs" if status in _WORDS else None,
        headers=error.headers or {},
    ).answer()


def _invalid(request: Request, error: Exception) -> Response:  # noqa: ARG001 -- the framework's signature
    if not isinstance(error, RequestValidationError):
        return bug_problem(error).answer()
    first = error.errors()[0]
    place = "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in first["loc"])
    status = 400 if first["type"] == "json_invalid" else 422
    code = "json" if status == HTTPStatus.BAD_REQUEST else "input"
    message = str(first["msg"]).removeprefix("Value error, ")
    return Problem(status, code, message[:1].lower() + message[1:], where=f"/{place}").answer()


def bug_problem(error: Exception) -> Problem:
    """What nobody foresaw: logged whole, answered without a word about the inside."""
    LOG.error("a request ended in a bug", exc_info=error)
    return Problem(
        500, "bug", "this is a bug in calreg", hint="The service's log has the traceback."
    )
