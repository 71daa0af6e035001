"""`registry.yaml`: what a registry is called and by which rules its heads are judged.

A setting for a head is looked up in three steps: the built-in default, the registry's own
value, then every pattern under `heads` that matches, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from calreg.documents.strict import Json
from calreg.names import HeadName

__all__ = [
    "DEFAULT_FACTOR_SHIFT",
    "DEFAULT_MIN_SAMPLES",
    "DEFAULT_SHIFT_LIMITS",
    "DEFAULT_THRESHOLDS",
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
class RegistrySettings:
    """A registry's name and rules, as its `registry.yaml` and a person's overrides say."""

    name: str
    defaults: HeadSettings = field(default_factory=lambda: HeadSettings(DEFAULT_THRESHOLDS))
    heads: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    SCHEMA = "calreg/registry/1.0"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RegistrySettings:
        """The value of a mapping that passed the schema."""
        return cls(
            name=data["name"],
            defaults=HeadSettings(DEFAULT_THRESHOLDS).overridden(data),
            heads=tuple(data.get("heads", {}).items()),
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

    def to_json(self) -> Json:
        """All rules as they are recorded with a run."""
        return {**self.defaults.to_json(), "heads": {p: dict(d) for p, d in self.heads}}
