"""Lists of what changes, as files: all or nothing, by a file beside and a rename."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calreg.errors import InputError, UsageError
from calreg.retag import REASONS, reason_text
from calreg.scores.engine import Connection, insert_rows, literal, translated
from calreg.scores.retag_blocks import CHANGED
from calreg.scores.retag_plan import Key

__all__ = ["Listing", "begun", "listing", "write_changes", "write_items"]

_MAX_NAMED = 50  # of the target's name in that of the file beside it: a name has a limit
_FORMATS: Mapping[str, str] = {
    ".csv": "FORMAT csv, HEADER true",
    ".csv.gz": "FORMAT csv, HEADER true, COMPRESSION gzip",
    ".jsonl": "FORMAT json, ARRAY false",
    ".jsonl.gz": "FORMAT json, ARRAY false, COMPRESSION gzip",
    ".parquet": "FORMAT parquet",
}
_KEYS = "calreg_keys"
_WHYS = "calreg_whys"


@dataclass(frozen=True, slots=True)
class Listing:
    """A file that is to be written: beside its place first."""

    target: Path
    part: Path
    options: str

    def put_in_place(self) -> None:
        """Replace what was there.

        Raises:
            InputError: It cannot be replaced.
        """
        try:
            self.part.replace(self.target)
        except OSError as error:
            raise _refused(self.target, error) from error


def listing(out: Path, files: Sequence[str]) -> Listing:
    """The file that `out` names, if it can be written.

    Args:
        out: Where to.
        files: What is read, and must not be written over.

    Raises:
        UsageError: Its name does not say what it is to be.
        InputError: It is one of the tables, a folder, or in none.
    """
    name = out.name.lower()
    ending = next(
        (one for one in sorted(_FORMATS, key=len, reverse=True) if name.endswith(one)), None
    )
    if ending is None:
        raise UsageError(f"expected a file that ends in {', '.join(_FORMATS)}, got {out.name!r}")
    target = out.resolve()
    if str(target) in files:
        raise InputError("is one of the tables to read", where=str(out), code="output")
    try:
        is_folder = target.is_dir()
    except OSError as error:
        raise _refused(target, error) from error
    if is_folder:
        raise InputError("is a folder", where=str(out), code="output")
    if not target.parent.is_dir():
        raise InputError(
            "there is no such folder to write to", where=str(out.parent), code="output"
        )
    part = target.with_name(f".{target.name[:_MAX_NAMED]}.{os.getpid()}.part")
    return Listing(target, part, _FORMATS[ending])


def write_changes(connection: Connection, keys: Sequence[Key], wanted: Listing) -> None:
    """Write every change: item, head, label, score, the values before and after, and why."""
    _write_names(connection, keys)
    known = "CASE WHEN isnan({0}) THEN NULL ELSE {0} END AS {0}"
    _copy(
        connection,
        f"SELECT item, head, label, score, {known.format('before')}, {known.format('after')}, "
        f"text AS why FROM {CHANGED} JOIN {_KEYS} USING (place) JOIN {_WHYS} USING (why)",
        wanted,
    )


def _write_names(connection: Connection, keys: Sequence[Key]) -> None:
    connection.execute(f"CREATE TABLE {_KEYS} (place INTEGER, head VARCHAR, label VARCHAR)")
    connection.execute(f"CREATE TABLE {_WHYS} (why UTINYINT, text VARCHAR)")
    rows = [(place, name.full, label) for place, (name, label) in enumerate(keys)]
    insert_rows(connection, _KEYS, rows)
    every = range(1, 2 * max(REASONS.values()))
    insert_rows(connection, _WHYS, [(why, reason_text(why)) for why in every])


def write_items(connection: Connection, items: str, wanted: Listing) -> None:
    """Write every item that a query has as `i` once, in order."""
    distinct = f"SELECT DISTINCT i AS item FROM ({items}) WHERE i IS NOT NULL ORDER BY item"
    _copy(connection, distinct, wanted)


def _copy(connection: Connection, query: str, wanted: Listing) -> None:
    with translated(wanted.target.name):
        connection.execute(
            f"COPY ({query}) TO {literal(str(wanted.part))} ({wanted.options}, USE_TMP_FILE false)"
        )


@contextlib.contextmanager
def begun(wanted: Sequence[Listing]) -> Iterator[None]:
    """The files beside their places, empty; whatever happens, none of them is left there.

    Raises:
        InputError: One cannot be written: said now, not after an hour.
    """
    try:
        for one in wanted:
            try:
                one.part.touch()
            except OSError as error:
                raise _refused(one.target, error) from error
        yield
    finally:
        for one in wanted:
            with contextlib.suppress(OSError):
                one.part.unlink(missing_ok=True)


def _refused(target: Path, error: OSError) -> InputError:
    reason = (error.strerror or "unknown").lower()
    return InputError(f"cannot be written: {reason}", where=str(target), code="output")
