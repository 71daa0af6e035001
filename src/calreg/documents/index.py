"""What a reader may expect to find: which head is at which version, with which bytes.

`Index` is the top of the `stable` branch, `ModelIndex` its second level, `Lock` what a
production folder records about itself (`calreg.lock`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from calreg.documents.strict import Json, canonical_bytes, digest_of

__all__ = ["Entry", "Index", "Lock", "LockEntry", "ModelEntry", "ModelIndex"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One head's reference: its version, and the bytes it must have."""

    version: int
    digest: str
    size: int

    def to_json(self) -> Json:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        return cls(**{f.name: data[f.name] for f in fields(cls)})


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model's index: the bytes it must have, and how many heads it lists."""

    digest: str
    size: int
    heads: int

    def to_json(self) -> Json:
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class ModelIndex:
    """The references of one model."""

    model: str
    heads: Mapping[str, Entry]

    SCHEMA = "calreg/model-index/1.0"

    def to_json(self) -> Json:
        return {
            "schema": self.SCHEMA,
            "model": self.model,
            "heads": {head: entry.to_json() for head, entry in self.heads.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelIndex:
        heads = {head: Entry.from_json(entry) for head, entry in sorted(data["heads"].items())}
        return cls(model=data["model"], heads=heads)

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())


@dataclass(frozen=True, slots=True)
class Index:
    """The state of a registry's references as a whole.

    `seq` counts publications, `expires` is when a reader should stop trusting it as
    current, `commit` is the one of `main` that it was made from, `previous` the digest of
    the index before.
    """

    registry: str
    seq: int
    expires: str
    commit: str
    previous: str | None
    models: Mapping[str, ModelEntry]

    SCHEMA = "calreg/index/1.0"

    def to_json(self) -> Json:
        return {
            "schema": self.SCHEMA,
            "registry": self.registry,
            "seq": self.seq,
            "expires": self.expires,
            "commit": self.commit,
            "previous": self.previous,
            "models": {model: entry.to_json() for model, entry in self.models.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Index:
        values = {f.name: data[f.name] for f in fields(cls)}
        models = {
            model: ModelEntry(**{f.name: entry[f.name] for f in fields(ModelEntry)})
            for model, entry in sorted(data["models"].items())
        }
        return cls(**{**values, "models": models})

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())

    @property
    def digest(self) -> str:
        """The sha256 of the index's canonical bytes."""
        return digest_of(self.to_bytes())


@dataclass(frozen=True, slots=True)
class LockEntry:
    """One installed reference: what it is and where in the folder it lies."""

    version: int
    digest: str
    size: int
    path: str

    def to_json(self) -> Json:
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class Lock:
    """What is installed in a production folder, and where it came from.

    `commit` is the registry's commit that was read; `seq` is that of a published index,
    None for a registry read from `main`, which nobody gated or signed; `selection` are the
    heads and patterns that were asked for, empty for all.
    """

    source: str
    registry: str
    commit: str
    seq: int | None
    selection: tuple[str, ...]
    heads: Mapping[str, LockEntry]

    SCHEMA = "calreg/lock/1.0"

    def to_json(self) -> Json:
        return {
            "schema": self.SCHEMA,
            "source": self.source,
            "registry": self.registry,
            "commit": self.commit,
            "seq": self.seq,
            "selection": list(self.selection),
            "heads": {head: entry.to_json() for head, entry in self.heads.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Lock:
        values = {f.name: data[f.name] for f in fields(cls)}
        heads = {
            head: LockEntry(**{f.name: entry[f.name] for f in fields(LockEntry)})
            for head, entry in sorted(data["heads"].items())
        }
        return cls(**{**values, "selection": tuple(data["selection"]), "heads": heads})

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())
