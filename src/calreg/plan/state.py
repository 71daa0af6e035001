"""The present of a registry, as far as a plan depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calreg.documents import (
    Calibration,
    Pin,
    Pins,
    RegistrySettings,
    Retention,
    Withdrawal,
    Withdrawn,
)
from calreg.names import HeadName

__all__ = ["Reference", "RegistryState"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A calibration with the very bytes it lies in the registry with.

    `digest` is the sha256 of `raw`. It is what a reference file holds, or the version that
    one is about to become a copy of.
    """

    calibration: Calibration
    digest: str
    raw: bytes

    @property
    def version(self) -> int:
        """The version whose bytes these are."""
        return self.calibration.version

    @property
    def name(self) -> HeadName:
        """The head whose calibration this is."""
        return self.calibration.name


@dataclass(frozen=True, slots=True)
class RegistryState:
    """One commit of a registry: its rules, its references, its pins, its highest numbers.

    Args:
        settings: The rules in force.
        highest_run: The number of the last run; 0 if there is none.
        highest_move: The number of the last move by hand; 0 if there is none.
        references: Every head's reference.
        pins: Where references are held, pins whose time is over included.
        withdrawn: The versions that are unfit for any use.
        withdrawn_inputs: A head's full name to the digests of what its withdrawn versions
            were made of, each with the version.
        retention: What was taken off the tip.
        highest_keys: The number of the newest list of keys; 0 if there is none.
    """

    settings: RegistrySettings
    highest_run: int
    highest_move: int
    references: Mapping[HeadName, Reference]
    pins: Pins
    withdrawn: Withdrawn = field(default_factory=lambda: Withdrawn({}))
    withdrawn_inputs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    retention: Retention = field(default_factory=Retention)
    highest_keys: int = 0

    def binding_pin(self, name: HeadName, now: str) -> Pin | None:
        """The pin that holds a head's reference at a time, if one does."""
        pin = self.pins.heads.get(name.full)
        return pin if pin is not None and pin.binds(now) else None

    def withdrawal_of(self, name: HeadName, version: int) -> Withdrawal | None:
        """Why a version is withdrawn; None if it is not."""
        return self.withdrawn.of(name.full, version)

    def made_of_withdrawn(self, name: HeadName, digest: str) -> int | None:
        """The withdrawn version that was made of the same input, if one was."""
        return self.withdrawn_inputs.get(name.full, {}).get(digest)
