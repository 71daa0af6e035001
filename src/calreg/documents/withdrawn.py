"""Versions that are unfit for any use: which, who said so, why, since when.

The list only grows. A reader refuses what is on it even where it is installed already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from calreg.documents.strict import Json, canonical_bytes

__all__ = ["Withdrawal", "Withdrawn"]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Why a version was taken out of use: who said so, the reason, the time."""

    by: str
    why: str
    since: str

    @property
    def text(self) -> str:
        """The withdrawal in words: since which day, by whom, why.

        >>> Withdrawal("ci", "bad labels", "2026-11-22T05:00:00.000Z").text
        'withdrawn 2026-11-22 by ci: bad labels'
        """
        return f"withdrawn {self.since[:10]} by {self.by}: {self.why}"

    def to_json(self) -> Json:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Withdrawal:
        return cls(**{f.name: data[f.name] for f in fields(cls)})


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """All withdrawn versions of a registry, by head and version."""

    heads: Mapping[str, Mapping[int, Withdrawal]]

    SCHEMA = "calreg/withdrawn/1.0"

    def of(self, head: str, version: int) -> Withdrawal | None:
        """Why a version is withdrawn; None if it is not."""
        return self.heads.get(head, {}).get(version)

    def with_(self, head: str, version: int, why: Withdrawal) -> Withdrawn:
        """The list with one more version on it."""
        versions = dict(sorted({**self.heads.get(head, {}), version: why}.items()))
        return Withdrawn(dict(sorted({**self.heads, head: versions}.items())))

    def heads_to_json(self) -> Json:
        """The list alone, as `calreg.lock` keeps it."""
        return {
            head: {f"v{version}": found.to_json() for version, found in sorted(versions.items())}
            for head, versions in self.heads.items()
        }

    @classmethod
    def heads_from_json(cls, data: Mapping[str, Any]) -> Withdrawn:
        """The value of the list alone."""
        return cls(
            {
                head: {
                    int(version.removeprefix("v")): Withdrawal.from_json(found)
                    for version, found in versions.items()
                }
                for head, versions in sorted(data.items())
            }
        )

    def to_json(self) -> Json:
        return {"schema": self.SCHEMA, "heads": self.heads_to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Withdrawn:
        return cls.heads_from_json(data["heads"])

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())
