"""Blocks documents that are none: not JSON, against their schema, or without a meaning.

The same strict reader, schemas and checks that every writer and client uses. A document that
says it is another head, model or number than its path does, or whose time is none, is refused
as well; so is one of a later schema than this gate knows, since it cannot tell what it says.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import REGISTRY_FILE

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every touched document that cannot be used."""
    yield from case.documents.problems
    if REGISTRY_FILE not in case.change.head.listing:
        yield Said("is gone: this is no registry any more", REGISTRY_FILE)
    for path, own in case.foreign_bytes.items():
        if isinstance(own, str):
            head = case.files.places[path].head
            yield Said(own, path, head.full if head else None, hint="Upgrade the gate's calreg.")


RULE = Rule("document", "documents that can be read and mean something", "error", "error", check)
