"""The service, put together: its routers over one `State`, its errors, its description, its guard.

A new part is a module with `router(state, …)` and one line in `_routers`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import Response

from calreg import __version__
from calreg.pages.api import api_page
from calreg.service import dashboard, health, ingest, metrics, queueing, reads, runs, sign_in
from calreg.service.admission import Admission
from calreg.service.guard import Guard
from calreg.service.openapi import description_of
from calreg.service.problems import add_handlers, json_answer
from calreg.service.shortcut import Shortcut
from calreg.service.state import State
from calreg.service.threads import Threads

__all__ = ["create_app"]


def create_app(state: State) -> Guard:
    """The service as an ASGI application; it begins and ends the work in the background."""
    threads, figures = Threads(), metrics.Metrics()
    admission = Admission(state.settings, clock=state.pace.clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Not in the service's own threads: at the end they may all be waiting for a database.
        await asyncio.to_thread(state.start)
        try:
            yield
        finally:
            await asyncio.to_thread(state.close)
            threads.close()

    app = FastAPI(
        title="calreg",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        # Both are made here: without scripts from elsewhere, and with the guard's answers.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    add_handlers(app)
    read = reads.Reads(state, threads)
    for router in (read.router(), *_routers(state, threads, figures, admission)):
        app.include_router(router)
    app.include_router(_described(app, state))
    quick = Shortcut(app, read.at_hand)
    return Guard(quick, settings=state.settings, admission=admission, watcher=figures)


def _routers(
    state: State, threads: Threads, figures: metrics.Metrics, admission: Admission
) -> Iterator[APIRouter]:
    yield ingest.router(state, threads, figures)
    yield queueing.router(state, threads)
    yield runs.router(state, threads)
    yield health.router(state, threads)
    yield metrics.router(state, threads, figures)
    yield sign_in.router(admission)
    yield dashboard.router(state, threads)


def _described(app: FastAPI, state: State) -> APIRouter:
    """The API's description, for programs and for people."""
    routes = APIRouter(include_in_schema=False)

    @cache
    def document() -> dict[str, Any]:
        return description_of(app, state.settings)

    @routes.get("/openapi.json")
    async def openapi() -> Response:
        return json_answer(document())

    @routes.get("/docs")
    async def docs() -> Response:
        return Response(api_page(document()), media_type="text/html")

    return routes
