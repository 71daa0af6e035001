"""The documents of the feedback loop: what a run of it suggests, and the factors in force.

Their JSON forms are in `schemas/suggestions.schema.json` and `schemas/overrides.schema.json`.
Nothing here computes a figure or decides about a factor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from calreg.documents.strict import Json, canonical_bytes, digest_of

__all__ = ["Application", "FactorAction", "Overrides", "Suggestions"]

FactorAction = Literal["apply", "revert"]


@dataclass(frozen=True, slots=True)
class Application:
    """One entry of an overrides' history: the factors before and after, who, when, and why.

    `data_digest` is that of the joined rows behind it, None for a revert.
    """

    id: str
    timestamp: str
    by: str
    action: FactorAction
    data_digest: str | None
    before: Mapping[str, float]
    after: Mapping[str, float]
    why: str

    def to_json(self) -> Json:
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**own, "before": dict(self.before), "after": dict(self.after)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Application:
        values = {field.name: data[field.name] for field in fields(cls)}
        factors = {key: _factors(data[key]) for key in ("before", "after")}
        return cls(**{**values, **factors})


@dataclass(frozen=True, slots=True)
class Overrides:
    """The factors in force, the bounds they were kept in, and how they came about.

    Args:
        name: What the application calls the factors, such as CONDITION_PRICE_FACTOR.
        factors: Factor per group.
        bounds: `min_factor`, `max_factor` and `max_step`, as the last application had them.
        history: Every application and revert, oldest first.
    """

    name: str
    factors: Mapping[str, float]
    bounds: Mapping[str, float]
    history: tuple[Application, ...] = ()

    SCHEMA = "calreg/overrides/1.0"

    def to_json(self) -> Json:
        return {
            "schema": self.SCHEMA,
            "name": self.name,
            "factors": dict(self.factors),
            "bounds": dict(self.bounds),
            "history": [entry.to_json() for entry in self.history],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Overrides:
        """The value of an object that passed the schema and the semantic checks."""
        return cls(
            name=data["name"],
            factors=_factors(data["factors"]),
            bounds=_factors(data["bounds"]),
            history=tuple(map(Application.from_json, data["history"])),
        )

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())

    @property
    def digest(self) -> str:
        """The sha256 of the document's canonical bytes."""
        return digest_of(self.to_bytes())


def _factors(data: Mapping[str, Any]) -> dict[str, float]:
    return {group: float(factor) for group, factor in sorted(data.items())}


_OPTIONAL = ("options", "joined", "keys", "rejects", "warnings")


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What one run of the feedback says: figures, and a suggested factor per group.

    The figures are plain objects, as the values in `calreg.feedback` write them.

    Args:
        id: Unique among runs of the feedback.
        timestamp: When, UTC.
        tool: The program and its version.
        data: `digest` of the joined rows, `files`, `keys`, `rejects` per reason, and more.
        price: Price figures of all pairs.
        probability: Probability figures of all rows.
        groups: Price figures per group, with `probability` and `holding` where known.
        holding: Sell-through and days.
        suggestions: Per group `current_factor`, `suggested_factor`, `n`, `status`,
            `median_ratio`, `interval`.
        options: What the run was asked for.
        joined: Keys that stand on both sides.
        keys: Keys on either side, as in `data`.
        rejects: The first lines and values that were not accepted.
        warnings: What a person should know, in sentences.
    """

    id: str
    timestamp: str
    tool: str
    data: Mapping[str, Any]
    price: Mapping[str, Any]
    probability: Mapping[str, Any]
    groups: Mapping[str, Mapping[str, Any]]
    holding: Mapping[str, Any]
    suggestions: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] | None = None
    joined: int | None = None
    keys: Mapping[str, int] | None = None
    rejects: Sequence[Mapping[str, Any]] | None = None
    warnings: tuple[str, ...] | None = None

    SCHEMA = "calreg/suggestions/1.0"

    @property
    def data_digest(self) -> str:
        """The sha256 of the joined rows: the same evidence has the same one."""
        return str(self.data["digest"])

    def to_json(self) -> Json:
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        left_out = {key for key in _OPTIONAL if named[key] is None}
        known = {key: _plain(value) for key, value in named.items() if key not in left_out}
        return {"schema": self.SCHEMA, **known}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Suggestions:
        """The value of an object that passed the schema and the semantic checks."""
        values: dict[str, Any] = {field.name: data.get(field.name) for field in fields(cls)}
        if values["warnings"] is not None:
            values["warnings"] = tuple(values["warnings"])
        return cls(**values)

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())

    @property
    def digest(self) -> str:
        """The sha256 of the document's canonical bytes."""
        return digest_of(self.to_bytes())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
