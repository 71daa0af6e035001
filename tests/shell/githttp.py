"""git's smart HTTP on loopback: `git http-backend` behind a small server, for tests.

Every request is kept in `requests`, the bytes of all answers are added up in `sent`; with a
`token` only those that carry it in a Basic authorization are served.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["GitServer"]


class GitServer:
    """A server of the bare repositories below a folder, from `with` to its end.

    Args:
        root: The folder; `root/x.git` is served as `url/x.git`.
        token: The password that requests must carry, if any.
        redirect_to: Answer every request with a redirect to this address.
        is_old: Speak the first version of git's protocol only.
    """

    def __init__(
        self,
        root: Path,
        *,
        token: str | None = None,
        redirect_to: str | None = None,
        is_old: bool = False,
    ) -> None:
        self.root, self.token, self.redirect_to = root, token, redirect_to
        self.is_old = is_old
        self.requests: list[tuple[str, str, str | None]] = []
        self.sent = 0
        handler = type("Handler", (_Handler,), {"git_server": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
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


class _Handler(BaseHTTPRequestHandler):
    git_server: GitServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay quiet."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        authorization = self.headers.get("Authorization")
        self.git_server.requests.append((self.command, self.path, authorization))
        body = self._body()
        if self.git_server.redirect_to is not None:
            self.send_response(302)
            self.send_header("Location", self.git_server.redirect_to + self.path)
            self.end_headers()
        elif self.git_server.token is not None and not self._is_allowed(authorization):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
        else:
            self._answer(body)

    def _is_allowed(self, authorization: str | None) -> bool:
        _, _, encoded = (authorization or "").partition(" ")
        return base64.b64decode(encoded).decode().endswith(f":{self.git_server.token}")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    @property
    def _git_protocol(self) -> str:
        return self.headers.get("Git-Protocol", "")

    def _answer(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "GIT_PROJECT_ROOT": str(self.git_server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": "" if self.git_server.is_old else self._git_protocol,
            "REMOTE_USER": "tester",  # http-backend takes pushes from somebody it knows
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=variables, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.git_server.sent += len(content)
        self.wfile.write(content)
