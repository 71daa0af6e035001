"""One file, put in place in one step: a program that reads it sees the old or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from calreg.errors import InputError

__all__ = ["read_file", "replace_file"]


def read_file(file: Path) -> bytes:
    """The bytes of a file that a person named.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {(error.strerror or 'unknown').lower()}",
            where=str(file),
            code="input-file",
        ) from error


def replace_file(target: Path, raw: bytes) -> None:
    """Write a file beside its place, then rename it there; folders above are made.

    Raises:
        InputError: It cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, raw)
    except OSError as error:
        raise InputError(
            f"cannot be written: {(error.strerror or 'unknown').lower()}",
            where=str(target),
            code="output",
        ) from error


def _replace(target: Path, raw: bytes) -> None:
    descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)  # mkstemp's files are the owner's alone
            os.fsync(stream.fileno())
        Path(beside).replace(target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
