"""What a reader may expect to find: which head is at which version, with which bytes.

`Index` is the top of the `stable` branch, `ModelIndex` its second level, `Packed` all
references of a model in one file, as a static site keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from calreg.documents.strict import Json, canonical_bytes, digest_of

__all__ = ["Entry", "FileEntry", "Index", "ModelEntry", "ModelIndex", "Packed"]


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
        return cls(data["version"], data["digest"], data["size"])


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the tree and the bytes it must have."""

    digest: str
    size: int

    def to_json(self) -> Json:
        return {f.name: getattr(self, f.name) for f in fields(self)}


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
class Packed:
    """All references of one model: each head's document as the very text of its bytes."""

    model: str
    references: Mapping[str, str]

    SCHEMA = "calreg/references/1.0"

    def to_json(self) -> Json:
        return {"schema": self.SCHEMA, "model": self.model, "references": dict(self.references)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Packed:
        return cls(model=data["model"], references=dict(sorted(data["references"].items())))

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())


@dataclass(frozen=True, slots=True)
class Index:
    """The state of a registry's references as a whole.

    `seq` counts publications, `issued` is when this one was made, `expires` when a reader
    should stop trusting it as current, `commit` the one of `main` that it was made from,
    `previous` the digest of the index before. `keys` is the number of the list of keys that
    sign it, None for a registry without signatures; `withdrawn` is what the list of withdrawn
    versions must be, None if nothing is withdrawn.
    """

    registry: str
    seq: int
    issued: str
    expires: str
    commit: str
    previous: str | None
    keys: int | None
    withdrawn: FileEntry | None
    models: Mapping[str, ModelEntry]

    SCHEMA = "calreg/index/1.0"

    def to_json(self) -> Json:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            "schema": self.SCHEMA,
            **values,
            "withdrawn": self.withdrawn.to_json() if self.withdrawn else None,
            "models": {model: entry.to_json() for model, entry in self.models.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Index:
        values = {f.name: data[f.name] for f in fields(cls)}
        listed = data["withdrawn"]
        models = {
            model: ModelEntry(**{f.name: entry[f.name] for f in fields(ModelEntry)})
            for model, entry in sorted(data["models"].items())
        }
        withdrawn = FileEntry(listed["digest"], listed["size"]) if listed else None
        return cls(**{**values, "withdrawn": withdrawn, "models": models})

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())

    @property
    def digest(self) -> str:
        """The sha256 of the index's canonical bytes."""
        return digest_of(self.to_bytes())
