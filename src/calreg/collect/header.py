"""What an output was begun with, in a small file beside it, and how far it is.

Whoever goes on with an output must ask for the same: the same scorer, options and data.
The header says what those were; it is replaced in one step, never edited.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calreg import failpoints
from calreg.collect.journal import sync_folder
from calreg.documents import canonical_bytes, load_json
from calreg.errors import InputError

__all__ = ["Header", "differences", "fingerprints", "read_header", "write_header"]

_KIND = "calreg collect 1"
_STATES = ("running", "stopped", "complete")


@dataclass(frozen=True, slots=True)
class Header:
    """One output: what it holds and how far it is.

    Args:
        scorer: `module:function`.
        options: What decides about the records, by option.
        dataset: Per file its name, size and sha256, in the order of reading.
        started: ISO 8601.
        tool: The program that began it.
        scorer_digest: sha256 of the scorer's file when the output was begun.
        labels: None until the first answers.
        state: `running` also means: was killed.
        counts: As of the last time somebody stopped in an orderly way.
    """

    scorer: str
    options: Mapping[str, Any]
    dataset: tuple[Mapping[str, Any], ...]
    started: str
    tool: str
    scorer_digest: str | None = None
    labels: tuple[str, ...] | None = None
    state: str = "running"
    counts: Mapping[str, int] | None = None


def fingerprints(files: Iterable[Path]) -> tuple[Mapping[str, Any], ...]:
    """Name, size and sha256 of every file; all of each is read.

    Raises:
        InputError: A file that cannot be read.
    """
    return tuple(_fingerprint(file) for file in files)


def _fingerprint(file: Path) -> Mapping[str, Any]:
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return {"name": file.name, "size": stream.tell(), "sha256": digest}
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise InputError(f"cannot be read: {reason}", where=str(file), code="scores") from error


def differences(earlier: Header, now: Header) -> list[str]:
    """What is asked for now and was not then, in words; empty if the output may be gone on with."""
    found = []
    if earlier.scorer != now.scorer:
        found.append(f"scorer {earlier.scorer}, now {now.scorer}")
    for option in sorted({*earlier.options, *now.options}):
        before, after = earlier.options.get(option), now.options.get(option)
        if before != after:
            found.append(f"--{option} {_said(before)}, now {_said(after)}")
    if earlier.dataset != now.dataset:
        found.append(f"data set {_files(earlier)}, now {_files(now)}")
    return found


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items()) or "none"
    return (", ".join(value) if isinstance(value, list) else str(value)) or "none"


def _files(header: Header) -> str:
    first, *more = header.dataset
    named = f"{first['name']} ({first['size']:,} bytes, sha256 {first['sha256'][:8]})"
    return f"{named} and {len(more)} more" if more else named


def read_header(file: Path) -> Header | None:
    """The header that stands there; None if there is none.

    Raises:
        InputError: It is not one.
    """
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return None
    value = load_json(raw, where=str(file))
    if value.pop("kind", None) != _KIND or value.get("state") not in _STATES:
        raise _no_header(file)
    try:
        labels = value.pop("labels")
        header = Header(
            labels=None if labels is None else tuple(labels),
            dataset=tuple(dict(one) for one in value.pop("dataset")),
            **value,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _no_header(file) from error
    if not (header.dataset and isinstance(header.options, dict)):
        raise _no_header(file)
    return header


def _no_header(file: Path) -> InputError:
    return InputError(
        f"is not what this version of calreg collect writes ({_KIND!r})",
        where=str(file),
        hint="Begin anew with --restart; it keeps what is there.",
        code="header",
    )


def write_header(file: Path, header: Header) -> None:
    """Put the header in place, on the disk and in one step."""
    value = {name: getattr(header, name) for name in Header.__slots__}
    beside = file.with_name(f".{file.name}.new")
    with beside.open("wb") as stream:
        stream.write(canonical_bytes({"kind": _KIND, **value}))
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
    sync_folder(file.parent)
    failpoints.reach("header-written")
