"""The present of a registry, as far as a plan depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from calreg.documents import Calibration, Pin, Pins, RegistrySettings
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
    """One commit of a registry: its rules, its references, its pins, its highest numbers."""

    settings: RegistrySettings
    highest_run: int
    highest_move: int
    references: Mapping[HeadName, Reference]
    pins: Pins

    def binding_pin(self, name: HeadName, now: str) -> Pin | None:
        """The pin that holds a head's reference at a time, if one does."""
        pin = self.pins.heads.get(name.full)
        return pin if pin is not None and pin.binds(now) else None
