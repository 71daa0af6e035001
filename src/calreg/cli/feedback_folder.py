"""The feedback folder: suggestions, the factors in force, and a line for all that happened.

    suggestions-<id>.json   one per run
    overrides.json          the factors in force, with how they came about
    history.jsonl           a line per run, application and revert, the oldest first
    publishing.json         a change that goes to a registry first, while it is on its way

Files are put in place in one step and lines are only ever added, so that whoever reads
sees what was before or what is after. `overrides.json` is written before its line: whoever
writes next adds the line of a change that was cut off between the two. Nothing here
decides what a factor should be.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from calreg import failpoints
from calreg.cli.feedback_history import Entry, change_line, is_printable, read_line
from calreg.documents import (
    Overrides,
    Suggestions,
    canonical_bytes,
    checked_bytes,
    load_json,
    load_overrides,
)
from calreg.errors import InputError
from calreg.files import check_folder, read_file, replace_file
from calreg.names import HeadName
from calreg.overrides import MAX_BYTES

__all__ = ["NAME", "STEPS", "FeedbackFolder", "History", "OnItsWay", "stamp_of"]

NAME = "CONDITION_PRICE_FACTOR"
"""What applications call the factors."""

STEPS = ("feedback-announced", "feedback-published", "overrides-written", "change-recorded")
"""Where `CALREG_FAILPOINT` can end an application or a revert."""

_OVERRIDES = "overrides.json"
_PUBLISHING = "publishing.json"
_HISTORY = "history.jsonl"
_LOCK = ".lock"
_MAX_NOTES = 10


@dataclass(frozen=True, slots=True)
class History:
    """The lines that could be read, the oldest first, and sentences about those that could not."""

    lines: tuple[Entry, ...]
    notes: tuple[str, ...] = ()

    def runs(self) -> list[Entry]:
        """The lines that hold figures."""
        return [line for line in self.lines if line["action"] == "run"]


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A change that goes to a registry first.

    Args:
        head: The full name of the head.
        change: Its one entry is the change as it is meant, with the bounds of it.
    """

    head: str
    change: Overrides

    def is_of(self, head: HeadName, digest: str | None) -> bool:
        """Whether it is a change of this head, by this evidence."""
        return self.head == head.full and self.change.history[0].data_digest == digest

    @property
    def text(self) -> str:
        """What there is to know about it, and what to do."""
        return (
            f"a change of {self.head} is being published, or was cut off: "
            f"calreg feedback apply --head {self.head} --commit finishes it"
        )


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
        return _document(self.overrides_file)

    def publishing(self) -> OnItsWay | None:
        """A change that goes to a registry now, or did when its process ended; None if none.

        Raises:
            InputError: The file cannot be read, or holds something else.
        """
        file = self.path / _PUBLISHING
        if not _is_there(file):
            return None
        data = load_json(_read(file), where=str(file))
        head, change = data.get("head"), data.get("change")
        if isinstance(head, str) and isinstance(change, dict):
            found = load_overrides(canonical_bytes(change), where=str(file))
            if len(found.history) == 1:
                return OnItsWay(head, found)
        raise InputError(
            "holds no change of factors",
            where=str(file),
            hint="If nothing is being published, it can be deleted.",
            code="document",
        )

    def owns(self, path: Path) -> bool:
        """Whether a file would take the place of one of the folder's own."""
        place = path.resolve()
        names = {_OVERRIDES, _HISTORY, _LOCK, _PUBLISHING}
        linked = {(self.path / name).resolve() for name in names}
        is_ours = place.name in names or place.name.startswith("suggestions-")
        return place in linked or (place.parent == self.path.resolve() and is_ours)

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
        lines, notes = self._lines()
        try:
            found = self.publishing()
        except InputError as error:
            notes.append(str(error))
        else:
            notes += [found.text] if found is not None else []
        return History((*lines, *self._lineless(lines)), tuple(notes))

    def _lines(self) -> tuple[list[Entry], list[str]]:
        """What the file holds, and sentences about what of it cannot be read."""
        file = self.path / _HISTORY
        lines, notes = list[Entry](), list[str]()
        content = _read(file) if _is_there(file) else b""
        for number, raw in enumerate(content.split(b"\n"), 1):
            if not raw.strip():
                continue
            try:
                lines.append(read_line(raw, where=f"{file}, line {number}"))
            except InputError as error:
                notes.append(f"{error}: the line is left out, a write was cut off there")
        if more := len(notes) - _MAX_NOTES:
            notes[_MAX_NOTES:] = [f"{more:,} more lines are left out"] if more > 0 else []
        return lines, notes

    def _lineless(self, lines: Sequence[Entry]) -> list[Entry]:
        """The lines of changes that the factors in force know of, and the history does not."""
        try:
            overrides = self.overrides()
        except InputError:  # said to whoever needs the factors; what happened can be told
            return []
        known = {line["id"] for line in lines}
        entries = overrides.history if overrides is not None else ()
        found = (change_line(entry) for entry in entries if entry.id not in known)
        return [line for line in found if is_printable(line)]

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
        with _appending(self.path / _LOCK) as stream:
            try:
                fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    "another calreg feedback writes here",
                    where=str(self.path),
                    hint="Wait for it to end, then run this again.",
                    code="locked",
                ) from error
            history = self.path / _HISTORY
            if _is_there(history):  # before anything else is written
                _check_plain(history)
                _appending(history).close()
            yield

    def write_suggestions(self, document: Suggestions) -> Path:
        """The file that a run's document now lies in.

        Raises:
            InputError: It would be refused by its readers, or cannot be written.
        """
        file = self.suggestions_file(document.id)
        replace_file(file, checked_bytes("suggestions", document, where=str(file)))
        return file

    def checked(self, overrides: Overrides) -> bytes:
        """The bytes of the factors in force, as they would be written.

        Raises:
            InputError: They would be refused by their readers.
        """
        raw = checked_bytes("overrides", overrides, where=str(self.overrides_file))
        if len(raw) > MAX_BYTES:
            raise InputError(
                f"would have {len(raw):,} bytes with its history, at most {MAX_BYTES:,} are read",
                where=str(self.overrides_file),
                hint="Go on in another --folder, with --current set to this file.",
                code="overrides",
            )
        return raw

    def write_overrides(self, overrides: Overrides) -> Path:
        """The file that the factors in force now lie in; the history has a line of each change.

        Raises:
            InputError: It would be refused by its readers, or cannot be written.
        """
        raw = self.checked(overrides)
        # Where the file is a link, those who read what it points to are meant, too.
        file = self.overrides_file
        replace_file(file.resolve() if file.is_symlink() else file, raw)
        failpoints.reach("overrides-written")
        self._catch_up()
        failpoints.reach("change-recorded")
        return self.overrides_file

    def announce(self, found: OnItsWay) -> None:
        """Say which change goes to a registry now: if this ends half-way, somebody knows."""
        self.checked(found.change)
        replace_file(
            self.path / _PUBLISHING,
            canonical_bytes({"head": found.head, "change": found.change.to_json()}),
        )
        failpoints.reach("feedback-announced")

    def settle(self) -> None:
        """Nothing is on its way any more."""
        (self.path / _PUBLISHING).unlink(missing_ok=True)

    def record(self, line: Entry) -> None:
        """Add a line to the history, on the disk before this returns."""
        self._catch_up()
        self._append(line)

    def _catch_up(self) -> None:
        """Add the lines of changes that have none, the oldest first."""
        for line in self._lineless(self._lines()[0]):
            self._append(line)

    def _append(self, line: Entry) -> None:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False, sort_keys=True)
        with _appending(self.path / _HISTORY) as stream:
            stream.seek(0, os.SEEK_END)
            if size := stream.tell():
                stream.seek(size - 1)
                # What a write that was cut off left is a line of its own.
                text = text if stream.read(1) == b"\n" else f"\n{text}"
            stream.write(f"{text}\n".encode("utf-8", "backslashreplace"))
            stream.flush()
            os.fsync(stream.fileno())


def _document(file: Path) -> Overrides | None:
    return load_overrides(_read(file), where=str(file)) if _is_there(file) else None


def _is_there(file: Path) -> bool:
    """Whether there is anything of this name, a link to nothing included.

    Raises:
        InputError: The system does not tell: then it may be there.
    """
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _refused("read", file, error) from error
    return True


def _read(file: Path) -> bytes:
    """The bytes of a file of the folder.

    Raises:
        InputError: It cannot be read, or is none.
    """
    _check_plain(file)
    return read_file(file)


def _check_plain(file: Path) -> None:
    """Refuse a link to nothing, and what waits for somebody when it is opened.

    Raises:
        InputError: It is one of these.
    """
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise _refused("read", file, error) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError("expected a file, got a FIFO, a socket or a device", where=str(file))


def _appending(file: Path) -> IO[bytes]:
    """The file, open for writing at its end.

    Raises:
        InputError: It cannot be written to.
    """
    try:
        return file.open("a+b")
    except OSError as error:
        raise _refused("written to", file, error) from error


def _refused(what: str, file: Path, error: OSError) -> InputError:
    reason = (error.strerror or "unknown").lower()
    return InputError(f"cannot be {what}: {reason}", where=str(file), code="feedback-folder")
