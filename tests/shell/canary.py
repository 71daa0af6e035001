"""Where a secret turned up: outputs, files, and what every user sees of a process.

with Watched(secret) as watched:       # looks at /proc/*/cmdline all the while
    ended = run(...)
assert watched.leaks(ended.out, ended.err, folders=[tmp_path]) == []
"""

from __future__ import annotations

import base64
import contextlib
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

__all__ = ["Watched", "forms_of"]


def forms_of(secret: str, *, user: str = "me") -> tuple[bytes, ...]:
    """The secret as it is, as a web address has it, and as headers have it."""
    pairs = [f"{user}:{secret}", f":{secret}", secret, f"x-access-token:{secret}"]
    encoded = [base64.b64encode(pair.encode()).rstrip(b"=") for pair in pairs]
    return tuple(dict.fromkeys([secret.encode(), quote(secret, safe="").encode(), *encoded]))


class Watched:
    """A secret, and the arguments of all processes from `with` to its end.

    Args:
        secret: Long and random enough to be nobody else's.
        user: The name that goes with it.
    """

    def __init__(self, secret: str, *, user: str = "me") -> None:
        self.forms = forms_of(secret, user=user)
        self.samples = 0
        self._seen: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.001):
            self.samples += 1
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    raw = (process / "cmdline").read_bytes()
                    if any(form in raw for form in self.forms):
                        self._seen.add(raw.replace(b"\0", b" ").decode("utf-8", "replace"))

    def leaks(self, *texts: str, folders: Iterable[Path] = (), started: str = "") -> list[str]:
        """Where the secret was found.

        Args:
            texts: Outputs.
            folders: Every file below them is read, git's packed objects unpacked.
            started: A command line that a person typed with the secret in it.
        """
        found = [f"output: {text[:200]}" for text in texts if self._is_in(text.encode())]
        found += [f"argv: {line}" for line in sorted(self._seen) if not _is_typed(line, started)]
        for folder in folders:
            found += [f"file: {path}" for path in self._files(folder)]
        return found

    def _is_in(self, raw: bytes) -> bool:
        return any(form in raw for form in self.forms)

    def _files(self, folder: Path) -> Iterator[Path]:
        for path in sorted(folder.rglob("*")):
            if self._is_in(str(path).encode()):
                yield path
            elif path.is_file() and not path.is_symlink():
                raw = path.read_bytes()
                if self._is_in(raw) or self._is_in(_unpacked(raw)):
                    yield path


def _is_typed(line: str, started: str) -> bool:
    return bool(started) and started in line


def _unpacked(raw: bytes) -> bytes:
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(47).decompress(raw)
    return b""
