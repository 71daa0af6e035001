"""Sets of references to install by hand, and a user who may do less than root."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from published import HAPPY, RELAXED, TIMBRE, calibration

from calreg import documents
from calreg.client.deadline import Deadline
from calreg.client.destination import Destination
from calreg.documents import Lock, LockEntry, LockSource
from calreg.names import HeadName

__all__ = ["ALL", "a_nobody", "a_set", "forked", "into"]

ALL = (HAPPY, RELAXED, TIMBRE)
_NOBODY = 65534


def a_set(
    version: int = 1, heads: tuple[str, ...] = ALL, *, source: LockSource | None = None, **lock
) -> tuple[Lock, dict[str, bytes]]:
    """A lock and the documents it names: one version of some heads."""
    contents = {head: calibration(head, version, p5=version / 100).to_bytes() for head in heads}
    entries = {
        head: LockEntry(
            version, documents.digest_of(raw), len(raw), HeadName.parse(head).reference_path
        )
        for head, raw in contents.items()
    }
    found = source or LockSource("file:///reg", "nom-cal", f"{version:040x}")
    return Lock((found,), (), entries, **lock), contents


@contextlib.contextmanager
def into(folder: Path, **options) -> Iterator[Destination]:
    """A destination that is ours alone for a while."""
    with Destination.exclusively(folder, Deadline(10), **options) as destination:
        yield destination


@contextlib.contextmanager
def a_nobody() -> Iterator[None]:
    """Be a user without rights of its own for a while, if this one is root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def forked() -> int:
    """Fork; Python warns of threads, and that they survive it is what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
