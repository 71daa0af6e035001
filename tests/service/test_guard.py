"""What every request passes, around applications that are handed in."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx
import pytest
from fastapi import FastAPI, Request
from running_service import TOKEN, settings_with

from calreg.errors import InputError, RegistryError, TransportError, UsageError
from calreg.service.admission import Admission
from calreg.service.guard import Guard
from calreg.service.problems import add_handlers

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Watched(list):
    """Answers as they are told to whoever watches."""

    def answered(self, *answer) -> None:
        """One answer."""
        self.append(answer)


def guarded(app, folder, watched=None, **block) -> Guard:
    settings = settings_with(folder, **block)
    return Guard(
        app,
        settings=settings,
        admission=Admission(settings),
        watcher=Watched() if watched is None else watched,
    )


def asked(
    app: Guard, method: str = "GET", path: str = "/", *, headers=HEADERS, **options
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, headers=headers, **options)

    return asyncio.run(ask())


def failing(error: Exception) -> FastAPI:
    """An application that raises."""
    app = FastAPI(openapi_url=None)
    add_handlers(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    @app.post("/")
    async def read(request: Request) -> int:
        return len(await request.body())

    return app


async def hanging(scope, receive, send) -> None:
    await asyncio.Event().wait()


async def streaming(scope, receive, send) -> None:
    """An answer that begins at once, and takes its time."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(3):
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.1)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_a_bug_says_nothing_of_the_inside(tmp_path, caplog):
    """What nobody foresaw is 500 without a detail; the log has the traceback, once."""
    answer = asked(guarded(failing(ZeroDivisionError("secret")), tmp_path))

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "bug"
    assert "secret" not in answer.text
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


def test_a_bug_below_the_framework_is_an_answer_too(tmp_path):
    """Even where the framework itself fails, there is an answer in the usual shape."""

    async def broken(scope, receive, send) -> None:
        raise ZeroDivisionError

    assert asked(guarded(broken, tmp_path)).json()["error"]["code"] == "bug"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("x"), 422),
        (InputError("x", code="json"), 400),
        (InputError("x", code="no-such-head"), 404),
        (UsageError("x"), 422),
        (RegistryError("x"), 409),
        (TransportError("x"), 503),
    ],
)
def test_every_error_has_a_status(tmp_path, error, status):
    """An error of calreg is answered by its kind or its code, with all that it says."""
    answer = asked(guarded(failing(error), tmp_path))

    assert answer.status_code == status
    assert answer.json() == {
        "error": {"code": error.code, "message": "x", "hint": None, "where": None}
    }
    assert ("retry-after" in answer.headers) is (status == 503)


@pytest.mark.parametrize("kind", [InputError, RegistryError, TransportError])
def test_a_stranger_is_told_nothing_of_the_inside(tmp_path, kind):
    """Without a key an error says its code; paths, hosts and users are for who shows one."""
    error = kind("cannot read /srv/inside", where="/srv/inside", hint="ask me@inside", code="git")
    app = guarded(failing(error), tmp_path)

    assert "inside" in asked(app).text
    answer = asked(app, headers={})
    assert "inside" not in answer.text
    assert answer.json()["error"]["code"] == "git"


def test_a_stranger_is_told_what_is_not_there(tmp_path):
    """Which head comes next to the one that was asked for is no secret."""
    error = InputError("no head 'x'", hint="Did you mean y?", code="no-such-head")

    answer = asked(guarded(failing(error), tmp_path), headers={})

    assert answer.json()["error"]["hint"] == "Did you mean y?"


def test_a_password_in_an_error_is_struck_out(tmp_path):
    """Addresses in messages and hints lose who and what is secret."""
    error = TransportError("cannot reach https://me:s3cret@host/r.git", hint="git@x:s3?")

    answer = asked(guarded(failing(error), tmp_path))

    assert answer.json()["error"]["message"] == "cannot reach https://host/r.git"


def test_what_takes_too_long_is_told(tmp_path):
    """A request that does not begin to answer in time is 504."""
    answer = asked(guarded(hanging, tmp_path, request_timeout_s=0.05))

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")


def test_an_answer_that_has_begun_may_take_its_time(tmp_path):
    """Events go on for longer than a request may take to begin."""
    answer = asked(guarded(streaming, tmp_path, request_timeout_s=0.05))

    assert answer.text == "xxx"


def test_every_answer_is_told(tmp_path):
    """Whoever watches hears method, route, status and time of each; routes as declared."""
    watched = Watched()
    app = guarded(failing(InputError("x")), tmp_path, watched)
    asked(app)
    asked(app, path="/nothing")
    asked(app, "POST", content=b"abc")

    assert [answer[:3] for answer in watched] == [
        ("GET", "/", 422), ("GET", "none", 404), ("POST", "/", 200),
    ]  # fmt: skip
    assert all(answer[3] >= 0 for answer in watched)


def test_what_is_set_already_stays(tmp_path):
    """A page's own policy and caching are not overwritten; what it lacks is added."""

    async def page(scope, receive, send) -> None:
        headers = [(b"cache-control", b"max-age=60"), (b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    answer = asked(guarded(page, tmp_path))

    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'; base-uri 'none'"


def test_a_websocket_is_nothing(tmp_path):
    """What is neither a request nor the beginning or end of the service goes nowhere."""
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    asyncio.run(guarded(hanging, tmp_path)({"type": "websocket"}, None, send))

    assert sent == []
