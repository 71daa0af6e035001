"""A browser shows its key once: a form, a cookie that no script reads, and out again.

The cookie counts as the key for pages and for what they ask. Other sites cannot use it: it is
sent to pages of this service alone, and what changes something needs this service's origin.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from calreg.pages.signing_in import sign_in_page
from calreg.service.admission import Admission, too_many_failures
from calreg.service.auth import COOKIE, SESSION_S

__all__ = ["router"]

_MAX_FORM = 4096


def router(admission: Admission) -> APIRouter:
    """The routes of this module; they are for people, and no part of the API's description."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/sign-in", response_class=Response)
    async def form(request: Request) -> Response:
        target = _local(request.query_params.get("next", "/"))
        return _page(target, request.scope.get("owner"))

    @routes.post("/sign-in", response_class=Response)
    async def sign_in(request: Request) -> Response:
        fields = parse_qs((await request.body())[:_MAX_FORM].decode("utf-8", "replace"))
        target = _local(fields.get("next", ["/"])[0])
        owner = admission.keys.owner(fields.get("key", [""])[0].strip())
        if owner is None:
            wait_s = admission.failure(request.scope)
            if wait_s > 0:
                return too_many_failures(wait_s).answer()
            return _page(target, None, status=401, problem="This is not a key of this service.")
        answer = RedirectResponse(target, 303)
        answer.set_cookie(
            COOKIE,
            admission.sessions.begin(owner),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @routes.post("/sign-out", response_class=Response)
    async def sign_out() -> Response:
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return routes


def _page(target: str, owner: str | None, *, status: int = 200, problem: str = "") -> Response:
    return Response(
        sign_in_page(target, owner=owner, problem=problem), status, media_type="text/html"
    )


def _local(target: str) -> str:
    """A path of this service, whatever was asked for.

    >>> _local("/heads/m/h"), _local("//elsewhere.org"), _local("https://elsewhere.org")
    ('/heads/m/h', '/', '/')
    """
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_path and target.isascii() and target.isprintable() else "/"
