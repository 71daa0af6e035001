"""What a gate trusts: the registry in the base, as far as a change is about it.

The only things believed without recomputing. If the base itself cannot be read, nothing can be
told: that is an error of the registry, not a finding on the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from calreg.documents import (
    Pins,
    RegistrySettings,
    Retention,
    Run,
    Withdrawn,
    digest_of,
    load_calibration,
    load_pins,
    load_retention,
    load_run,
    load_withdrawn,
)
from calreg.errors import InputError
from calreg.gate.reading import load_rules
from calreg.gate.values import FileAt, Side
from calreg.names import (
    PINS_PATH,
    REGISTRY_FILE,
    RETENTION_PATH,
    WITHDRAWN_PATH,
    HeadName,
    classify,
    run_path,
)
from calreg.plan import Reference

__all__ = ["Known", "known", "loaded_base"]

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Known:
    """The registry in the base; of a new one nothing but rules."""

    side: Side | None
    settings: RegistrySettings
    pins: Pins = field(default_factory=lambda: Pins({}))
    withdrawn: Withdrawn = field(default_factory=lambda: Withdrawn({}))
    retention: Retention = field(default_factory=Retention)
    highest: Mapping[str, int] = field(default_factory=dict)

    @property
    def listing(self) -> Mapping[str, FileAt]:
        """All its files; of a new registry none."""
        return {} if self.side is None else self.side.listing

    def highest_of(self, kind: str) -> int:
        """The highest number of a kind of documents; 0 if there are none."""
        return self.highest.get(kind, 0)

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Files of the base, those that are there.

        Raises:
            InputError: A file that is listed cannot be read.
        """
        wanted = sorted(set(paths))
        found = {} if self.side is None or not wanted else dict(self.side.read(wanted))
        missing = next(
            (path for path in wanted if path in self.listing and path not in found), None
        )
        if missing is not None:
            raise InputError("cannot be read in the base", where=missing, code="document")
        return found

    def references(self, names: Iterable[HeadName]) -> dict[HeadName, Reference]:
        """What some heads' references hold.

        Raises:
            InputError: A reference of the base is no calibration.
        """
        by_path = {name.reference_path: name for name in names}
        raw = self.read(path for path in by_path if path in self.listing)
        return {by_path[path]: reference_of(text, path) for path, text in sorted(raw.items())}

    def runs(self, numbers: Iterable[int]) -> dict[int, Run]:
        """Some recorded runs, those that are there."""
        paths = {run_path(number): number for number in numbers}
        raw = self.read(path for path in paths if path in self.listing)
        return {paths[path]: loaded_base(load_run, text, path) for path, text in raw.items()}


def known(side: Side | None, fallback: RegistrySettings) -> Known:
    """What the base holds.

    Args:
        side: The base; None if the registry is new.
        fallback: The rules of a new one.

    Raises:
        InputError: The base is no registry, or one of its documents is invalid.
    """
    if side is None:
        return Known(None, fallback)
    wanted = (REGISTRY_FILE, PINS_PATH, WITHDRAWN_PATH, RETENTION_PATH)
    raw = side.read([path for path in wanted if path in side.listing])
    if REGISTRY_FILE not in raw:
        raise InputError(
            f"is not a registry in the base: it has no {REGISTRY_FILE}", code="not-a-registry"
        )
    return Known(
        side,
        loaded_base(load_rules, raw[REGISTRY_FILE], REGISTRY_FILE),
        pins=_of(raw, PINS_PATH, load_pins, Pins({})),
        withdrawn=_of(raw, WITHDRAWN_PATH, load_withdrawn, Withdrawn({})),
        retention=_of(raw, RETENTION_PATH, load_retention, Retention()),
        highest=_highest(side.listing),
    )


def reference_of(raw: bytes, path: str) -> Reference:
    """The calibration that a trusted file holds."""
    return Reference(loaded_base(load_calibration, raw, path), digest_of(raw), raw)


def loaded_base(load: Callable[..., _T], raw: bytes, path: str) -> _T:
    """A document of the base.

    Raises:
        InputError: It is invalid, in whichever way.
    """
    try:
        return load(raw, where=path)
    except (ArithmeticError, ValueError) as error:
        raise InputError(f"in the base: {error}", where=path, code="document") from error


def _of(raw: Mapping[str, bytes], path: str, load: Callable[..., _T], otherwise: _T) -> _T:
    return loaded_base(load, raw[path], path) if path in raw else otherwise


def _highest(listing: Mapping[str, FileAt]) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in listing:
        # Only these have numbers of their own; to classify all heads takes seconds.
        if path.startswith(("runs/", "moves/", "keys/")):
            place = classify(path)
            if place is not None and place.number is not None:
                found[place.kind] = max(found.get(place.kind, 0), place.number)
    return found
