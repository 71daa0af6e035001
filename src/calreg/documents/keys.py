"""The keys that sign a registry's index, list after list.

A list is signed by the keys of the one before it and by its own, so that a reader who trusts
one list can follow to the newest, and nobody else can put a list in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from calreg.documents.strict import Json, canonical_bytes

__all__ = ["Keys"]


@dataclass(frozen=True, slots=True)
class Keys:
    """A list of keys: `threshold` of them must sign.

    Args:
        registry: The registry's name.
        number: 1 for the first list, then one more each time.
        threshold: How many signatures make an index, or the next list, valid.
        keys: Fingerprint (`SHA256:…`) to the key as OpenSSH writes it.
        previous: The digest of the list before; None for the first.
    """

    registry: str
    number: int
    threshold: int
    keys: Mapping[str, str]
    previous: str | None

    SCHEMA = "calreg/keys/1.0"

    def to_json(self) -> Json:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"schema": self.SCHEMA, **values, "keys": dict(self.keys)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Keys:
        values = {f.name: data[f.name] for f in fields(cls)}
        return cls(**{**values, "keys": dict(sorted(data["keys"].items()))})

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())
