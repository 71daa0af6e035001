"""git servers with something wrong: an older copy, a line that breaks, hooks that refuse.

They wrap `GitServer` (smart HTTP) and `TcpCut` (the line before it).
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from githttp import GitServer
from tcpcut import TcpCut

__all__ = ["HOOKS", "QuietGitServer", "broken_line", "hook", "older_copy", "serving_older"]

HOOKS = {
    "declines": "echo 'frozen until Monday' >&2; exit 1",
    "declines in silence": "exit 1",
    "prints a lot": "yes 'a line of a very talkative server' | head -c 3000000 >&2; exit 1",
    "prints control characters": r"printf '\033[2J\007\r\033]0;title\007 no\n' >&2; exit 1",
    "says what a race says": "echo 'stale info; fetch first; non-fast-forward' >&2; exit 1",
    "fails": "exit 70",
    "is no program": "\x00\x01",
    "is killed": "kill -9 $$",
}
"""Pre-receive hooks by what they do; none of them lets a push in."""


class QuietGitServer(GitServer):
    """A git server to whom clients that were killed are no news, and that says when it rests."""

    def __enter__(self) -> Self:
        self._busy, self._rested = 0, threading.Condition()
        attend = self._server.process_request

        def process(request: socket.socket, address: tuple[str, int]) -> None:
            with self._rested:
                self._busy += 1
            attend(request, address)

        hang_up = self._server.shutdown_request

        def shutdown(request: socket.socket) -> None:
            hang_up(request)
            with self._rested:
                self._busy -= 1
                self._rested.notify_all()

        self._server.process_request = process  # type: ignore[assignment]
        self._server.shutdown_request = shutdown  # type: ignore[assignment]
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        return super().__enter__()

    def rest(self) -> None:
        """Wait until every request is served, those of dead clients included."""
        with self._rested:
            assert self._rested.wait_for(lambda: self._busy == 0, timeout=60)


def hook(repository: Path, text: str, *, name: str = "pre-receive") -> Path:
    """Give a repository a hook; the file, to be deleted."""
    file = repository / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"#!/bin/sh\n" + text.encode() + b"\n")
    file.chmod(0o755)
    return file


@contextlib.contextmanager
def broken_line(root: Path, *, cut_after: int | None = None) -> Iterator[tuple[GitServer, TcpCut]]:
    """A git server of the repositories below a folder, and the line to it."""
    with QuietGitServer(root) as server:
        port = urlsplit(server.url).port
        assert port is not None
        with TcpCut(port, cut_after=cut_after) as line:
            yield server, line


def older_copy(repository: Path, to: Path, *, branch: str, commit: str) -> Path:
    """A bare copy of a repository in which a branch is where it once was."""
    shutil.rmtree(to, ignore_errors=True)
    git = ["git", "-c", "gc.auto=0"]
    subprocess.run([*git, "clone", "--quiet", "--bare", str(repository), str(to)], check=True)
    subprocess.run([*git, "-C", str(to), "update-ref", f"refs/heads/{branch}", commit], check=True)
    return to


@contextlib.contextmanager
def serving_older(
    repository: Path, scratch: Path, *, branch: str, commit: str
) -> Iterator[GitServer]:
    """A server that has, under the repository's own name, a branch as it once was."""
    scratch.mkdir(parents=True, exist_ok=True)
    older_copy(repository, scratch / repository.name, branch=branch, commit=commit)
    with QuietGitServer(scratch) as server:
        yield server
