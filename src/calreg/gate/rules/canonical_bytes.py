"""Blocks documents with other bytes than this program would write for what they say.

Equal documents have equal digests only as long as there is one way to write each. Another order
of keys, another indent, 1 for 1.0 or an added key would make copies that differ and digests that
nobody can recompute.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every touched document that says something, but not in the one way to say it."""
    for path, own in case.foreign_bytes.items():
        if isinstance(own, bytes):
            place = case.files.places[path]
            line = _first_difference(own, case.documents.raw[path])
            yield Said(
                f"is not in canonical form from line {line} on",
                path,
                place.head.full if place.head else None,
                hint="Documents are written by calreg, not by hand or by a formatter.",
            )


def _first_difference(own: bytes, got: bytes) -> int:
    ours, theirs = own.split(b"\n"), got.split(b"\n")
    pairs = enumerate(zip(ours, theirs, strict=False), start=1)
    return next((number for number, (a, b) in pairs if a != b), min(len(ours), len(theirs)))


RULE = Rule("canonical-bytes", "one way to write each document", "error", "error", check)
