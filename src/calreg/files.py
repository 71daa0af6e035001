"""One file, put in place in one step: a program that reads it sees the old or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from calreg.errors import InputError

__all__ = ["check_folder", "new_file", "read_file", "replace_file"]


def read_file(file: Path) -> bytes:
    """The bytes of a file that a person named.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise _refused("read", file, error, code="input-file") from error


def _refused(what: str, path: Path, error: OSError, *, code: str = "output") -> InputError:
    reason = (error.strerror or "unknown").lower()
    return InputError(f"cannot be {what}: {reason}", where=str(path), code=code)


def check_folder(folder: Path) -> None:
    """Make sure that a file could be written there, while nothing has been done yet.

    Raises:
        InputError: It could not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".calreg-"):
            return
    except OSError as error:
        raise _refused("written to", folder, error) from error


def replace_file(target: Path, raw: bytes) -> None:
    """Write a file beside its place, then rename it there; folders above are made.

    Raises:
        InputError: It cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, raw)
    except OSError as error:
        raise _refused("written", target, error) from error


def new_file(folder: Path, stem: str, suffix: str, raw: bytes) -> Path:
    """Write a file that was not there before; a number is added to a name that is taken.

    Raises:
        InputError: It cannot be written.
    """
    number = 1
    while True:
        target = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            target.open("xb").close()  # claims the name, so that of two writers none is lost
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise _refused("written", target, error) from error
        replace_file(target, raw)
        return target


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
