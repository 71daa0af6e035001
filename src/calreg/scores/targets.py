"""Tables that are written: all or nothing, by a file beside the place and a rename."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calreg.errors import InputError, UsageError
from calreg.scores.engine import Connection, literal

__all__ = ["FORMATS", "TABLES", "Target", "begun", "target_of"]

_MAX_NAMED = 50  # of the target's name in that of the file beside it: a name has a limit

TABLES: Mapping[str, str] = {".csv": "FORMAT csv, HEADER true", ".parquet": "FORMAT parquet"}
"""Endings of tables, and what the engine is told to write."""

FORMATS: Mapping[str, str] = {
    ".csv": TABLES[".csv"],
    ".csv.gz": "FORMAT csv, HEADER true, COMPRESSION gzip",
    ".jsonl": "FORMAT json, ARRAY false",
    ".jsonl.gz": "FORMAT json, ARRAY false, COMPRESSION gzip",
    ".parquet": TABLES[".parquet"],
}
"""Endings of lists, which may also be JSONL and compressed."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file that is to be written: beside its place first."""

    place: Path
    part: Path
    options: str

    def write(self, connection: Connection, query: str) -> None:
        """Write what a query gives beside the place."""
        connection.execute(
            f"COPY ({query}) TO {literal(str(self.part))} ({self.options}, USE_TMP_FILE false)"
        )

    def put_in_place(self) -> None:
        """Replace what was there.

        Raises:
            InputError: It cannot be replaced.
        """
        try:
            self.part.replace(self.place)
        except OSError as error:
            raise _refused(self.place, error) from error


def target_of(out: Path, files: Sequence[str], formats: Mapping[str, str] = FORMATS) -> Target:
    """The file that `out` names, if it can be written.

    Args:
        out: Where to.
        files: What is read, and must not be written over.
        formats: The endings it may have.

    Raises:
        UsageError: Its name does not say what it is to be.
        InputError: It is one of the tables, a folder, or in none.
    """
    name = out.name.lower()
    ending = next(
        (one for one in sorted(formats, key=len, reverse=True) if name.endswith(one)), None
    )
    if ending is None:
        *others, last = formats
        known = f"{', '.join(others)} or {last}"
        raise UsageError(f"expected a file that ends in {known}, got {out.name!r}")
    place = out.resolve()
    if str(place) in files:
        raise InputError("is one of the tables to read", where=str(out), code="output")
    try:
        is_folder = place.is_dir()
    except OSError as error:
        raise _refused(place, error) from error
    if is_folder:
        raise InputError("is a folder", where=str(out), code="output")
    if not place.parent.is_dir():
        raise InputError(
            "there is no such folder to write to", where=str(out.parent), code="output"
        )
    part = place.with_name(f".{place.name[:_MAX_NAMED]}.{os.getpid()}.part")
    return Target(place, part, formats[ending])


@contextlib.contextmanager
def begun(wanted: Sequence[Target]) -> Iterator[None]:
    """The files beside their places, empty; whatever happens, none of them is left there.

    Raises:
        InputError: One cannot be written: said now, not after an hour.
    """
    try:
        for one in wanted:
            try:
                one.part.touch()
            except OSError as error:
                raise _refused(one.place, error) from error
        yield
    finally:
        for one in wanted:
            with contextlib.suppress(OSError):
                one.part.unlink(missing_ok=True)


def _refused(place: Path, error: OSError) -> InputError:
    reason = (error.strerror or "unknown").lower()
    return InputError(f"cannot be written: {reason}", where=str(place), code="output")
