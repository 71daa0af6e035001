"""`calreg.lock`: what is installed in a production folder, where from, and whom it trusts.

The one file that moves when a folder changes, so everything that must move together stands
in it: the set of references, and for every source the newest index that was seen, the keys
that sign it and the versions that were withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from calreg.documents.strict import Json, canonical_bytes
from calreg.documents.withdrawn import Withdrawn

__all__ = ["Lock", "LockEntry", "LockFormat", "LockSource", "ReadFrom", "Trust"]

_UNSETTLED = "?"  # no commit and no ETag begins like that

ReadFrom = Literal["main", "stable", "site"]
LockFormat = Literal["calreg", "nomarr"]


@dataclass(frozen=True, slots=True)
class LockEntry:
    """One installed reference: what it is and where in the folder it lies.

    `path` is that of the plain copy. `copy` is the digest of its bytes if they are those of
    another format, None if they are the document's own. `origin` says which of the lock's
    sources it is from: 0 for the first.
    """

    version: int
    digest: str
    size: int
    path: str
    copy: str | None = None
    origin: int = 0

    def to_json(self) -> Json:
        written: Json = {
            "version": self.version,
            "digest": self.digest,
            "size": self.size,
            "path": self.path,
        }
        if self.copy is not None:
            written["copy"] = self.copy
        if self.origin:
            written["origin"] = self.origin
        return written

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LockEntry:
        # A thousand of them are read before anybody can say that nothing is new.
        return cls(
            data["version"],
            data["digest"],
            data["size"],
            data["path"],
            data.get("copy"),
            data.get("origin", 0),
        )


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys a source's index must be signed by: of a numbered list, or given by a person.

    `number` is None for keys that a person gave; `keys` are lines as OpenSSH writes them.
    """

    number: int | None
    threshold: int
    keys: tuple[str, ...]

    def to_json(self) -> Json:
        return {"number": self.number, "threshold": self.threshold, "keys": list(self.keys)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trust:
        return cls(data["number"], data["threshold"], tuple(data["keys"]))


@dataclass(frozen=True, slots=True)
class LockSource:
    """What is known of one source: the newest state of it that was accepted.

    Args:
        source: Its address, without secrets.
        registry: The registry's name.
        commit: The commit of the registry's working branch that the state was made from.
        seq: The number of the index; None for a working branch, which has none.
        read: From the branch `stable`, a static site, or a working branch that nobody gated.
        tip: What is compared to see whether there is news: the commit of the branch that was
            read, or a site's ETag; None if it has none. Marked if something else is installed
            than was offered there; see `unsettled`.
        index: The digest of the index.
        issued: When the index was made.
        expires: When it stops being trusted as current.
        trust: Who must sign; None if the registry was never seen signed.
        withdrawn: Versions unfit for use.
    """

    source: str
    registry: str
    commit: str
    seq: int | None = None
    read: ReadFrom = "main"
    tip: str | None = None
    index: str | None = None
    issued: str | None = None
    expires: str | None = None
    trust: Trust | None = None
    withdrawn: Withdrawn = field(default_factory=lambda: Withdrawn({}))

    @property
    def is_settled(self) -> bool:
        """Whether what is installed is what the source offered at its tip."""
        return not (self.tip or "").startswith(_UNSETTLED)

    @property
    def seen_tip(self) -> str | None:
        """The tip that was seen last, whether or not what it offered is installed."""
        return (self.tip or "").removeprefix(_UNSETTLED) or None

    def unsettled(self) -> LockSource:
        """The same knowledge, where something else is installed than the source offers by it.

        The next pull then looks at everything, though nothing moved there.
        """
        return replace(self, tip=f"{_UNSETTLED}{self.seen_tip or ''}")

    def to_json(self) -> Json:
        return {
            **{f.name: getattr(self, f.name) for f in fields(self)},
            "trust": self.trust.to_json() if self.trust else None,
            "withdrawn": self.withdrawn.heads_to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LockSource:
        """The value; what a lock of version 1.0 does not have is unknown."""
        values = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        trust = data.get("trust")
        values["trust"] = Trust.from_json(trust) if trust else None
        values["withdrawn"] = Withdrawn.heads_from_json(data.get("withdrawn", {}))
        # A lock of version 1.0 was always read from a working branch.
        values.setdefault("tip", data["commit"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Lock:
    """What is installed in a production folder, and where it came from.

    Args:
        sources: Where it is filled from, the first one first; a head is taken from the first
            that has it.
        selection: The heads and patterns that were asked for, empty for all.
        heads: What is installed, by full name.
        as_of: The date or commit that was asked for; None for the present.
        template: Where plain copies go; None for the paths of the registry.
        format: In which format plain copies are written.
    """

    sources: tuple[LockSource, ...]
    selection: tuple[str, ...]
    heads: Mapping[str, LockEntry]
    as_of: str | None = None
    template: str | None = None
    format: LockFormat = "calreg"

    SCHEMA = "calreg/lock/1.1"

    @property
    def first(self) -> LockSource:
        """The first source."""
        return self.sources[0]

    def source_of(self, head: str) -> LockSource:
        """The source that an installed head is from."""
        return self.sources[self.heads[head].origin]

    def to_json(self) -> Json:
        return {
            "schema": self.SCHEMA,
            **self.first.to_json(),
            "upstream": [source.to_json() for source in self.sources[1:]],
            "selection": list(self.selection),
            "as_of": self.as_of,
            "template": self.template,
            "format": self.format,
            "heads": {head: entry.to_json() for head, entry in self.heads.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Lock:
        """The value of a lock of this version, or of 1.0, which knew one source only."""
        heads = {head: LockEntry.from_json(entry) for head, entry in sorted(data["heads"].items())}
        others = tuple(LockSource.from_json(source) for source in data.get("upstream", ()))
        return cls(
            sources=(LockSource.from_json(data), *others),
            selection=tuple(data["selection"]),
            heads=heads,
            as_of=data.get("as_of"),
            template=data.get("template"),
            format=data.get("format", "calreg"),
        )

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())
