"""The feedback folder: suggestions, the factors in force, and a line for all that happened.

    suggestions-<id>.json   one per run
    overrides.json          the factors in force, with how they came about
    history.jsonl           a line per run, application and revert, the oldest first

Files are put in place in one step and lines are only ever added, so that whoever reads
sees what was before or what is after. Nothing here decides what a factor should be.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calreg.cli.files import check_folder, read_file, replace_file
from calreg.documents import (
    Application,
    Overrides,
    Suggestions,
    checked_bytes,
    load_json,
    load_overrides,
)
from calreg.errors import InputError

__all__ = ["NAME", "FeedbackFolder", "History", "change_line", "run_line", "stamp_of"]

NAME = "CONDITION_PRICE_FACTOR"
"""What applications call the factors."""

_OVERRIDES = "overrides.json"
_HISTORY = "history.jsonl"
_LOCK = ".lock"
_ACTIONS = ("run", "apply", "revert")
_EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(("price", "probability", "holding", "groups", "before", "after")),
    "alerts": [],
    "why": "",
}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """The lines that could be read, the oldest first, and sentences about those that could not."""

    lines: tuple[Entry, ...]
    notes: tuple[str, ...] = ()

    def runs(self) -> list[Entry]:
        """The lines that hold figures."""
        return [line for line in self.lines if line["action"] == "run"]


def stamp_of(moment: datetime, digest: str) -> str:
    """The beginning of a name: when, and of which data.

    >>> stamp_of(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "ab" * 32)
    '20260102T030405Z-abababab'
    """
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest[:8]}"


@dataclass(frozen=True, slots=True)
class FeedbackFolder:
    """Where the feedback of one application is kept; nothing is made before it is written to."""

    path: Path

    @property
    def overrides_file(self) -> Path:
        """Where the factors in force lie."""
        return self.path / _OVERRIDES

    def suggestions_file(self, name: str) -> Path:
        """Where the suggestions of a run lie."""
        return self.path / f"suggestions-{name}.json"

    def overrides(self) -> Overrides | None:
        """The factors in force; None before the first application.

        Raises:
            InputError: The document cannot be read, or is not one.
        """
        file = self.overrides_file
        if not file.exists():
            return None
        return load_overrides(read_file(file), where=str(file))

    def newest_suggestions(self) -> Path:
        """The suggestions of the last run.

        Raises:
            InputError: There are none.
        """
        for line in reversed(self.history().runs()):
            file = self.suggestions_file(line["id"])
            if file.is_file():
                return file
        # Without the history the names still say when.
        found = sorted(self.path.glob("suggestions-*.json"))
        if found:
            return found[-1]
        raise InputError(
            "holds no suggestions yet",
            where=str(self.path),
            hint="calreg feedback run PREDICTIONS OUTCOMES makes some; or name a file of them.",
            code="no-suggestions",
        )

    def history(self) -> History:
        """What happened here; a line that was cut off is left out and said.

        Raises:
            InputError: The file cannot be read.
        """
        file = self.path / _HISTORY
        if not file.exists():
            return History(())
        lines, notes = [], []
        for number, raw in enumerate(read_file(file).split(b"\n"), 1):
            if not raw.strip():
                continue
            try:
                lines.append(_line(raw, where=f"{file}, line {number}"))
            except InputError as error:
                notes.append(f"{error}: the line is left out, a write was cut off there")
        return History(tuple(lines), tuple(notes))

    def new_id(self, moment: datetime, digest: str) -> str:
        """A name that nothing here has yet."""
        taken = {line["id"] for line in self.history().lines}
        stem, number = stamp_of(moment, digest), 1
        while True:
            name = stem if number == 1 else f"{stem}-{number}"
            if name not in taken and not self.suggestions_file(name).exists():
                return name
            number += 1

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who writes here; the system drops the lock with its holder.

        Raises:
            InputError: Somebody else writes, or the folder cannot be written to.
        """
        import fcntl

        check_folder(self.path)
        with (self.path / _LOCK).open("a+b") as stream:
            try:
                fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    "another calreg feedback writes here",
                    where=str(self.path),
                    hint="Wait for it to end, then run this again.",
                    code="locked",
                ) from error
            yield

    def write_suggestions(self, document: Suggestions) -> Path:
        """The file that a run's document now lies in.

        Raises:
            InputError: It would be refused by its readers, or cannot be written.
        """
        file = self.suggestions_file(document.id)
        replace_file(file, checked_bytes("suggestions", document, where=str(file)))
        return file

    def write_overrides(self, overrides: Overrides) -> Path:
        """The file that the factors in force now lie in.

        Raises:
            InputError: It would be refused by its readers, or cannot be written.
        """
        file = self.overrides_file
        replace_file(file, checked_bytes("overrides", overrides, where=str(file)))
        return file

    def record(self, line: Entry) -> None:
        """Add a line to the history, on the disk before this returns."""
        text = json.dumps(line, ensure_ascii=False, allow_nan=False, sort_keys=True)
        with (self.path / _HISTORY).open("a+b") as stream:
            stream.seek(0, os.SEEK_END)
            if size := stream.tell():
                stream.seek(size - 1)
                # What a write that was cut off left is a line of its own.
                text = text if stream.read(1) == b"\n" else f"\n{text}"
            stream.write(f"{text}\n".encode("utf-8", "backslashreplace"))
            stream.flush()
            os.fsync(stream.fileno())


def run_line(document: Suggestions, *, by: str, **more: Any) -> dict[str, Any]:
    """A run's line of the history; what it does not say is null.

    Args:
        document: What the run said.
        by: Who made it.
        more: Figures, `before` and `alerts`.
    """
    own = {"id": document.id, "timestamp": document.timestamp, "by": by, "action": "run"}
    return {**_EMPTY, **own, "data_digest": document.data_digest, **more}


def change_line(entry: Application) -> dict[str, Any]:
    """The line of an application or a revert."""
    own = entry.to_json()
    return {**_EMPTY, **own}


def _line(raw: bytes, *, where: str) -> Entry:
    line = load_json(raw, where=where)
    texts = [line.get(key) for key in ("id", "timestamp", "by", "action")]
    is_ours = all(isinstance(text, str) for text in texts) and line["action"] in _ACTIONS
    if not (is_ours and _ID.fullmatch(line["id"]) and _is_printable(line)):
        raise InputError("is no line of a feedback history", where=where, code="document")
    return line


def _is_printable(value: Any) -> bool:
    """Whether a terminal can be shown all of it; reasons are not shown."""
    if isinstance(value, Mapping):
        shown = {key: inner for key, inner in value.items() if key != "why"}
        return all(key.isprintable() and _is_printable(shown[key]) for key in shown)
    if isinstance(value, list):
        return all(map(_is_printable, value))
    return not isinstance(value, str) or value.isprintable()
