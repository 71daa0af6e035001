"""Blocks references that are not, byte for byte, a copy of a version of their head.

What production reads must be something that a run made and that lies in the registry under a
number; else nobody can say where its numbers come from, or go back to them.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every touched reference whose version is not there, or has other bytes."""
    for name, _, after in case.comparisons():
        path = name.version_path(after.version)
        found = case.version_bytes.get(path)
        if found != case.documents.raw.get(name.reference_path):
            problem = "which does not exist" if found is None else "but has other bytes"
            yield Said(
                f"should be a copy of {path}, {problem}",
                name.reference_path,
                name.full,
                hint="Move references with calreg promote or rollback, never by hand.",
                pointer=("version",),
            )


RULE = Rule("reference-copy", "references are copies of versions", "error", "error", check)
