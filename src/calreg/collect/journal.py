"""Records of scored items, a line of JSON each, added at the end and never changed.

What is here is scored; what is not here is not. A batch is on the disk before the next one
is scored. A process killed in the middle of a line leaves a torn one, which is cut off when
the journal is opened again: that item counts as not scored.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from calreg import failpoints
from calreg.errors import InputError

__all__ = ["Journal", "locked", "sync_folder"]

_BLOCK = 2**16
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class Journal:
    """A file of records, open for adding. Only the holder of the output's lock opens it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.torn_bytes = self._cut_torn_line()
        sync_folder(path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def _cut_torn_line(self) -> int:
        size = end = os.fstat(self._descriptor).st_size
        while end > 0:
            start = max(0, end - _BLOCK)
            block = os.pread(self._descriptor, end - start, start)
            if (place := block.rfind(b"\n")) >= 0:
                end = start + place + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._descriptor, end)
            os.fsync(self._descriptor)
        return size - end

    def records(self) -> Iterator[Mapping[str, Any]]:
        """What was recorded before, in order.

        Raises:
            InputError: A line that is no record.
        """
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield self._record(line, number)

    def _record(self, line: bytes, number: int) -> Mapping[str, Any]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not (isinstance(found, dict) and isinstance(found.get("item"), str)):
            raise InputError(
                f"line {number}: expected the record of an item, got {line[:40]!r}",
                where=self._path.name,
                hint="Somebody changed the file. Begin anew with --restart; it keeps this one.",
                code="journal",
            )
        return found

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Put records on the disk: all of them are safe when this returns.

        Raises:
            OSError: No space, or the disk fails.
        """
        raw = "".join(f"{_ENCODER.encode(one)}\n" for one in records).encode()
        half = len(raw) // 2
        self._write(raw[:half])
        failpoints.reach("records-torn")
        self._write(raw[half:])
        failpoints.reach("records-written")
        os.fsync(self._descriptor)
        failpoints.reach("records-synced")

    def _write(self, raw: bytes) -> None:
        left = memoryview(raw)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:  # a bare descriptor has no name to tell
            raise OSError(error.errno, error.strerror, str(self._path)) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as lasting as the files."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Be the only one who collects into an output; the system drops the lock with its holder.

    Raises:
        InputError: Somebody else does.
    """
    import fcntl

    with file.open("a+b") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read(20).decode("ascii", "replace").strip()
            raise InputError(
                f"another calreg collect (process {holder or '?'}) writes this output",
                where=str(file),
                hint="Wait for it to end; then the same command goes on from there.",
                code="locked",
            ) from error
        stream.truncate(0)
        stream.write(b"%d\n" % os.getpid())
        stream.flush()
        try:
            yield
        finally:
            fcntl.flock(stream.fileno(), fcntl.LOCK_UN)
