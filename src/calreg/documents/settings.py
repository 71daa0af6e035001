"""`registry.yaml`: what a registry is called and by which rules its heads are judged.

A setting for a head is looked up in three steps: the built-in default, the registry's own
value, then every pattern under `heads` that matches, in the order of the file. What a gate asks
(`gate`) is looked up likewise and kept apart: it decides what may be merged, never what a run
computes, so it is no part of a run's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from calreg.documents.strict import Json
from calreg.names import HeadName

__all__ = [
    "DEFAULT_FACTOR_SHIFT",
    "DEFAULT_MIN_SAMPLES",
    "DEFAULT_SHIFT_LIMITS",
    "DEFAULT_THRESHOLDS",
    "GateSettings",
    "HeadSettings",
    "RegistrySettings",
]

Assumption = Literal["independent", "grown"]
PromoteOn = Literal["unstable", "drift"]

DEFAULT_MIN_SAMPLES = 100
DEFAULT_THRESHOLDS: Mapping[str, float] = {
    "apd_p5": 0.01,
    "apd_p95": 0.01,
    "srd": 0.05,
    "jsd": 0.1,
    "median_drift": 0.05,
    "iqr_drift": 0.1,
}
DEFAULT_SHIFT_LIMITS: Mapping[str, float] = {"threshold_shift": 0.01, "probability_shift": 0.01}
"""The limits for decisions; they are in no `thresholds` unless a file sets others."""

DEFAULT_FACTOR_SHIFT = 0.01
"""The limit of `factor_shift`, for heads of factors; likewise."""

_UNWRITTEN: Mapping[str, float] = {**DEFAULT_SHIFT_LIMITS, "factor_shift": DEFAULT_FACTOR_SHIFT}


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """The rules for one head.

    `thresholds` maps each drift metric to the value it must stay strictly below, and
    a shift of a decision or a factor too where its limit is not the default; `grid` is the
    histogram's (lo, hi), None where the scores decide; `promote_on` says which verdict moves
    the reference: any instability, or only drift beyond sampling noise.
    """

    thresholds: Mapping[str, float]
    min_samples: int = DEFAULT_MIN_SAMPLES
    grid: tuple[float, float] | None = None
    promote_on: PromoteOn = "unstable"
    assume: Assumption = "independent"

    def overridden(self, data: Mapping[str, Any]) -> HeadSettings:
        """These rules with those of one block of the file laid over them."""
        grid = data.get("histogram")
        policy = data.get("policy", {})
        return replace(
            self,
            thresholds=_laid_over(self.thresholds, data.get("thresholds", {})),
            min_samples=data.get("min_samples", self.min_samples),
            grid=(float(grid["lo"]), float(grid["hi"])) if grid else self.grid,
            promote_on=policy.get("promote_on", self.promote_on),
            assume=data.get("noise", {}).get("assume", self.assume),
        )

    def to_json(self) -> Json:
        """The rules as they are recorded with a run."""
        return {
            "thresholds": dict(self.thresholds),
            "min_samples": self.min_samples,
            "histogram": {"lo": self.grid[0], "hi": self.grid[1]} if self.grid else None,
            "promote_on": self.promote_on,
            "assume": self.assume,
        }


def _laid_over(limits: Mapping[str, float], data: Mapping[str, Any]) -> dict[str, float]:
    found = {**limits, **{key: float(value) for key, value in data.items()}}
    # A default is not written: a run is the same whether a file repeats it or not, and
    # runs from before there were such limits are, too.
    return {key: limit for key, limit in found.items() if _UNWRITTEN.get(key) != limit}


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a gate asks of a change, for all heads or for one; None: it does not ask.

    Args:
        min_f1: The least F1 of a label that decides.
        max_f1_drop: By how much it may be below that of the reference on the same holdout.
        max_fpr: The greatest false positive rate.
        min_recall: The least recall.
        min_precision: The least precision.
        max_ece: The greatest `ece15_equal_width` of a label with probabilities.
        allow_unknown_samples: A label may do without a number of samples.
        factor_bounds: Where a factor must lie, both ends included.
        max_factor_step: By how much a change may move one, relative to the one before.
        max_heads: Heads that one change may touch.
        max_files: Files that it may touch.
        max_moves: Decisions by hand that it may record.
        max_document_bytes: Bytes of one file.
        max_change_bytes: Bytes of all new files together.
        files: Patterns of files that are none of the registry's, and may be there.
        severities: Rules to how severe their findings are; never below a rule's floor.
    """

    min_f1: float | None = 0.10
    max_f1_drop: float | None = 0.02
    max_fpr: float | None = None
    min_recall: float | None = None
    min_precision: float | None = None
    max_ece: float | None = None
    allow_unknown_samples: bool = False
    factor_bounds: tuple[float, float] = (0.5, 1.2)
    max_factor_step: float = 0.15
    max_heads: int = 20_000
    max_files: int = 100_000
    max_moves: int = 1_000
    max_document_bytes: int = 16 * 2**20
    max_change_bytes: int = 256 * 2**20
    files: tuple[str, ...] = (
        *("README*", "LICENSE*", "CHANGELOG*", "CODEOWNERS", "Makefile", "docs/*"),
        *(".gitattributes", ".gitignore", ".editorconfig", ".pre-commit-config.yaml"),
        *(".github/*", ".gitlab-ci.yml", ".circleci/*"),
    )
    severities: Mapping[str, str] = field(default_factory=dict)

    def overridden(self, data: Mapping[str, Any]) -> GateSettings:
        """These with one block `gate` of the file laid over them; severities rule by rule."""
        found = {one.name: data[one.name] for one in fields(self) if one.name in data}
        if "factor_bounds" in found:
            lowest, highest = found["factor_bounds"]
            found["factor_bounds"] = (float(lowest), float(highest))
        if "files" in found:
            found["files"] = tuple(found["files"])
        found["severities"] = {**self.severities, **found.get("severities", {})}
        return replace(self, **found)


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """A registry's name and rules, as its `registry.yaml` and a person's overrides say.

    `gate` is what a gate asks for all heads, `gate_heads` what it asks else by pattern.
    """

    name: str
    defaults: HeadSettings = field(default_factory=lambda: HeadSettings(DEFAULT_THRESHOLDS))
    heads: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    gate: GateSettings = field(default_factory=GateSettings)
    gate_heads: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    SCHEMA = "calreg/registry/1.0"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RegistrySettings:
        """The value of a mapping that passed the schema."""
        blocks = data.get("heads", {}).items()
        rules = [(pattern, _without_gate(block), "gate" in block) for pattern, block in blocks]
        return cls(
            name=data["name"],
            defaults=HeadSettings(DEFAULT_THRESHOLDS).overridden(data),
            heads=tuple(
                (pattern, rest) for pattern, rest, is_gated in rules if rest or not is_gated
            ),
            gate=GateSettings().overridden(data.get("gate", {})),
            gate_heads=tuple((p, block["gate"]) for p, block in blocks if "gate" in block),
        )

    def overridden(self, data: Mapping[str, Any]) -> RegistrySettings:
        """These settings with a person's own laid over them, per head last."""
        return replace(
            self,
            defaults=self.defaults.overridden(data),
            heads=(*self.heads, *data.get("heads", {}).items()),
        )

    def for_head(self, name: HeadName) -> HeadSettings:
        """The rules for one head: defaults, then each matching pattern in file order."""
        found = self.defaults
        for pattern, data in self.heads:
            if fnmatchcase(name.full, pattern):
                found = found.overridden(data)
        return found

    def gate_for(self, name: HeadName) -> GateSettings:
        """What a gate asks of one head."""
        found = self.gate
        for pattern, data in self.gate_heads:
            if fnmatchcase(name.full, pattern):
                found = found.overridden(data)
        return found

    def to_json(self) -> Json:
        """All rules as they are recorded with a run."""
        return {**self.defaults.to_json(), "heads": {p: dict(d) for p, d in self.heads}}


def _without_gate(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "gate"}
