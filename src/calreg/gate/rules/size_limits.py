"""Blocks what is more than a gate can look at: too many files, heads, moves or bytes.

Counts come before sizes and sizes before bytes, so that no change, however made, costs much
more than it takes to say that it is too large.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Each file that is too large, whatever it is; what is too much in all is said before."""
    limit = case.known.settings.gate.max_document_bytes
    for path, size in case.too_large.items():
        place = case.files.places.get(path)
        head = place.head if place is not None else None
        yield Said(
            f"has {size:,} bytes, at most {limit:,} are allowed",
            path,
            head.full if head else None,
        )


RULE = Rule("size-limits", "not too many files, heads or bytes", "error", "error", check)
