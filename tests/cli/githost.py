"""A host of repositories on loopback: git's smart HTTP, and the part of an API that we use.

It keeps pull requests and comments as the real one does, asks for its token, and remembers
every request: what was sent, and with which authorization.
"""

from __future__ import annotations

import importlib.util
import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

__all__ = ["ApiServer", "GitServer", "Request", "Silence"]

_SPEC = importlib.util.spec_from_file_location(
    "githttp", Path(__file__).parents[1] / "shell" / "githttp.py"
)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
GitServer = _MODULE.GitServer


@dataclass(frozen=True)
class Request:
    """One request that came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    authorization: str | None
    body: Any


@dataclass
class ApiServer:
    """The API of one project, from `with` to its end.

    Args:
        project: `owner/name`.
        token: What requests must carry.
        answers: Path, or method and path, to (status, body): given instead of what it would
            say; the body of a redirect is where it goes.
        headers: Sent with those.
    """

    project: str
    token: str = "t0ken"
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def pull(self, **more: Any) -> dict[str, Any]:
        """Another pull request that is open."""
        number = len(self.pulls) + 1
        found = {"number": number, "html_url": f"https://host/{number}", "state": "open", **more}
        self.pulls.append(found)
        return found

    def answer(self, request: Request) -> tuple[int, Any]:
        """Status and body for a request, as the real one gives them."""
        if request.authorization != f"Bearer {self.token}":
            return 401, {"message": "Bad credentials"}
        steps = request.path.removeprefix(f"/repos/{self.project}/").split("/")
        match request.method, steps:
            case "GET", ["pulls"]:
                return 200, [one for one in self.pulls if self._matches(one, request.query)]
            case "POST", ["pulls"]:
                return 201, self._opened(request.body)
            case "PATCH", ["pulls", number]:
                self.pulls[int(number) - 1].update(request.body)
                return 200, self.pulls[int(number) - 1]
            case "GET", ["issues", _, "comments"]:
                page = int(request.query.get("page", ["1"])[0])
                return 200, self.comments[100 * (page - 1) : 100 * page]
            case "POST", ["issues", _, "comments"]:
                return 201, self._commented(request.body["body"])
            case "PATCH", ["issues", "comments", number]:
                self.comments[int(number) - 1]["body"] = request.body["body"]
                return 200, self.comments[int(number) - 1]
        return 404, {"message": "Not Found"}

    def _matches(self, pull: dict[str, Any], query: dict[str, list[str]]) -> bool:
        wanted = query.get("head", [""])[0].partition(":")[2]
        return pull["state"] == "open" and pull["head"]["ref"] == wanted

    def _opened(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.pull(**{**body, "head": {"ref": body["head"]}})

    def _commented(self, text: str) -> dict[str, Any]:
        number = len(self.comments) + 1
        made = {
            "id": number,
            "body": text,
            "user": {"type": "Bot"},
            "html_url": f"https://c/{number}",
        }
        self.comments.append(made)
        return made


class _Handler(BaseHTTPRequestHandler):
    api: ApiServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay quiet."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        authorization = self.headers.get("Authorization")
        request = Request(self.command, parts.path, parse_qs(parts.query), authorization, body)
        self.api.requests.append(request)
        answers = self.api.answers
        given = answers.get(f"{self.command} {parts.path}", answers.get(parts.path))
        if given is not None:
            status, raw = given
        else:
            status, found = self.api.answer(request)
            raw = json.dumps(found).encode()
        self.send_response(status)
        for name, value in self.api.headers.items() if given is not None else ():
            self.send_header(name, value)
        if 300 <= status < 400:
            self.send_header("Location", raw.decode())
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the base's names


class Silence:
    """A host that takes connections and never says a word, from `with` to its end."""

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"
