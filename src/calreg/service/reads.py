"""What production and people read: references as they were committed, and the history.

Answers are made once for a view of the registry and sent as they are from then on. A new way
of reading is one route here; what it shows comes from `State`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Scope

from calreg.errors import InputError
from calreg.names import nearest
from calreg.service.documented import HISTORY, REFERENCE, REFERENCE_PARAMETERS, problems
from calreg.service.flights import Flights
from calreg.service.shortcut import Ready
from calreg.service.state import Served, State
from calreg.service.threads import Threads

__all__ = ["Reads"]

_PREFIX = "/calibrations/"
_REFERENCE = "/calibrations/{model:path}/{head}"
_HISTORY = "/admin/calibration/history"

_KEPT_ANSWERS = 256
_KEPT_BYTES = 64 * 2**20
_MAX_ROWS = 5000
_MAX_COMPARED = 1000
_LONGEST_SHOWN = 200
# A reference may be kept for good by whoever asks whether it is still the same.
_REVALIDATE = b"no-cache"


@dataclass(frozen=True, slots=True)
class _Reference:
    """One head's reference, ready to be sent."""

    raw: bytes
    etag: str
    headers: list[tuple[bytes, bytes]]

    def answer(self, if_none_match: str | None) -> Ready:
        if if_none_match is not None and _names(if_none_match, self.etag):
            return Ready(304, b"", self.headers, _REFERENCE)
        return Ready(200, self.raw, [*self.headers, *_json_headers(self.raw)], _REFERENCE)


def _json_headers(raw: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(raw))]


class _References:
    """All references of the registry as it is served, ready to be sent."""

    def __init__(self, state: State, threads: Threads) -> None:
        self._state, self._threads = state, threads
        self._made: tuple[int, Mapping[str, _Reference]] = (0, {})
        self._preparing: Flights[Mapping[str, _Reference]] = Flights()

    def at_hand(self, scope: Scope) -> Ready | None:
        """The answer to a request for a reference, if it is prepared."""
        generation, ready = self._made
        if generation != self._state.snapshot().generation:
            return None
        found = ready.get(scope["path"].removeprefix(_PREFIX))
        return None if found is None else found.answer(_if_none_match(scope))

    async def of(self, head: str) -> _Reference:
        """The reference of a head.

        Raises:
            InputError: There is none; with the nearest.
        """
        served = self._state.snapshot()
        generation, ready = self._made
        if generation != served.generation:
            ready = await self._preparing.join(
                served.generation, lambda: self._threads.read(_prepared, served)
            )
            self._made = served.generation, ready
        found = ready.get(head)
        if found is None:
            raise await self._threads.read(_unknown, head, ready)
        return found


def _unknown(head: str, ready: Collection[str]) -> InputError:
    """The error for a head that is not there; anybody may ask, so the search has an end."""
    shown = head[:_LONGEST_SHOWN]
    model, _, name = shown.rpartition("/")
    alike = [one for one in ready if one.startswith(f"{model}/") or one.endswith(f"/{name}")]
    return InputError(
        f"no head {shown!r} has a reference here",
        hint=nearest(shown, (alike or list(ready))[:_MAX_COMPARED]),
        code="no-such-head",
    )


def _prepared(served: Served) -> dict[str, _Reference]:
    origin = f"{served.snapshot.settings.name}@{served.commit}"
    return {
        head: _Reference(
            one.raw,
            f'"{one.digest}"',
            [
                (b"etag", f'"{one.digest}"'.encode()),
                (b"cache-control", _REVALIDATE),
                (b"x-calreg-version", f"v{one.version}".encode()),
                (
                    b"x-calreg-stamp",
                    f"{origin} {head} v{one.version} sha256:{one.digest}".encode(),
                ),
            ],
        )
        for head, one in served.references.items()
    }


def _names(header: str, etag: str) -> bool:
    """Whether an `If-None-Match` names this tag, weakly or not."""
    wanted = (part.strip().removeprefix("W/") for part in header.split(","))
    return any(part in {etag, "*"} for part in wanted)


class _History:
    """Answers about the history, kept for as long as the store's stays what it is."""

    def __init__(self, state: State, threads: Threads) -> None:
        self._state, self._threads = state, threads
        self._kept: OrderedDict[tuple[str | None, bytes], Ready] = OrderedDict()
        self._size = 0
        self._reading: Flights[bytes] = Flights()

    def at_hand(self, scope: Scope) -> Ready | None:
        """The answer to a request for rows, if the same was asked before."""
        return self._kept.get((self._state.watch.followed, scope["query_string"]))

    async def of(self, query: bytes, model: str | None, head: str | None, limit: int) -> Ready:
        """The rows asked for, ready to be sent; kept for who asks the same again."""
        followed = self._state.watch.followed
        raw = await self._reading.join(
            (followed, query), lambda: self._threads.read(self._rows, model, head, limit)
        )
        found = Ready(200, raw, _json_headers(raw), _HISTORY)
        if followed is not None:
            self._keep((followed, query), found)
        return found

    def _rows(self, model: str | None, head: str | None, limit: int) -> bytes:
        if self._state.watch.followed is None:
            self._state.watch.settle()  # a new store: no rows would be no answer
        rows = self._state.store.history(model, head, limit)
        return to_json({"status": "ok", "count": len(rows), "runs": rows})

    def _keep(self, key: tuple[str | None, bytes], found: Ready) -> None:
        before = self._kept.pop(key, None)
        self._size += len(found.body) - (0 if before is None else len(before.body))
        self._kept[key] = found
        while self._size > _KEPT_BYTES or len(self._kept) > _KEPT_ANSWERS:
            self._size -= len(self._kept.popitem(last=False)[1].body)


def _if_none_match(scope: Scope) -> str | None:
    found = (value for name, value in scope["headers"] if name == b"if-none-match")
    value = next(found, None)
    return None if value is None else value.decode("latin-1")


class Reads:
    """References and history of a service.

    Args:
        state: What the service shares.
        threads: Where it reads what is not at hand.
    """

    def __init__(self, state: State, threads: Threads) -> None:
        self._references = _References(state, threads)
        self._history = _History(state, threads)

    def at_hand(self, scope: Scope) -> Ready | None:
        """The answer to a request, if it was made before; else its route makes it."""
        path = scope["path"]
        if path.startswith(_PREFIX):
            return self._references.at_hand(scope)
        return self._history.at_hand(scope) if path == _HISTORY else None

    def router(self) -> APIRouter:
        """The routes of this module."""
        routes = APIRouter(tags=["read"])
        references, history = self._references, self._history

        @routes.get(
            _REFERENCE,
            responses=REFERENCE | problems(404),
            response_class=Response,
            openapi_extra=REFERENCE_PARAMETERS,
            operation_id="reference",
            summary="A head's reference, byte for byte as it was committed.",
        )
        async def reference(request: Request) -> Response:
            found = await references.of(request.scope["path"].removeprefix(_PREFIX))
            return found.answer(_if_none_match(request.scope)).answer()

        @routes.get(
            _HISTORY,
            responses=HISTORY | problems(404),
            response_class=Response,
            operation_id="history",
            summary="What runs found, one row per head and run, the newest first.",
        )
        async def rows(
            request: Request,
            model: Annotated[str, Query(max_length=400, description="A path, or a pattern.")] = "",
            head: Annotated[str, Query(max_length=500, description="A name, or a pattern.")] = "",
            limit: Annotated[int, Query(ge=1, le=_MAX_ROWS)] = 50,
        ) -> Response:
            query = request.scope["query_string"]
            return (await history.of(query, model or None, head or None, limit)).answer()

        return routes
