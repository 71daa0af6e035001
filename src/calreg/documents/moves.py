"""References moved or held by hand: the log of moves, and the pins in force.

A move is recorded once, under its number, and never again. `pins.json` is what the moves
left behind: the heads that no run may move until somebody lifts the pin by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from calreg.documents.strict import Json, canonical_bytes

__all__ = ["Action", "Move", "Pin", "Pins"]

Action = Literal["promote", "rollback", "pin", "unpin", "withdraw"]


@dataclass(frozen=True, slots=True)
class Move:
    """One decision of a person about one head.

    `before` and `after` are the versions that the reference held and holds; `until` is a
    time after which a pin no longer binds, None for "until lifted"; `version` is the one that
    was withdrawn, and None for every other action.
    """

    number: int
    timestamp: str
    action: Action
    head: str
    before: int | None
    after: int | None
    by: str
    reason: str
    until: str | None = None
    version: int | None = None

    SCHEMA = "calreg/move/1.0"
    SCHEMA_OF_WITHDRAWAL = "calreg/move/1.1"

    def to_json(self) -> Json:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.version is not None:
            return {"schema": self.SCHEMA_OF_WITHDRAWAL, **values}
        # As it was before there were withdrawals: a move's bytes never change.
        del values["version"]
        return {"schema": self.SCHEMA, **values}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Move:
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())


@dataclass(frozen=True, slots=True)
class Pin:
    """A reference that stays where it is: at which version, who said so, why, how long."""

    pinned_to: int
    by: str
    why: str
    since: str
    until: str | None = None

    def to_json(self) -> Json:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def binds(self, now: str) -> bool:
        """Whether the pin is in force at a time (both as written in documents)."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Pins:
    """All pins of a registry, by head."""

    heads: Mapping[str, Pin]

    SCHEMA = "calreg/pins/1.0"

    def to_json(self) -> Json:
        return {
            "schema": self.SCHEMA,
            "heads": {head: pin.to_json() for head, pin in self.heads.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pins:
        return cls(
            {
                head: Pin(**{f.name: pin[f.name] for f in fields(Pin)})
                for head, pin in sorted(data["heads"].items())
            }
        )

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())
