"""Runs whose version folders were taken off the tip, so that a registry does not grow for ever.

Nothing is lost: the folders are in the commits before, `runs/` keeps every run with the
digests of its parts, and numbers are never used again. Who misses a version on the tip finds
here whether it was collected or is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from calreg.documents.strict import Json, canonical_bytes

__all__ = ["Retention"]


@dataclass(frozen=True, slots=True)
class Retention:
    """What was collected, and how many runs were kept the last time.

    Args:
        keep_runs: The newest runs that every model keeps whatever they are.
        collected: Model to the runs whose folders are gone, as ranges with both ends.
    """

    keep_runs: int = 50
    collected: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)

    SCHEMA = "calreg/retention/1.0"

    def has(self, model: str, version: int) -> bool:
        """Whether a version of a model was collected."""
        return any(first <= version <= last for first, last in self.collected.get(model, ()))

    def numbers(self, model: str) -> set[int]:
        """All collected runs of a model."""
        ranges = self.collected.get(model, ())
        return {number for first, last in ranges for number in range(first, last + 1)}

    def after(self, gone: Mapping[str, Collection[int]], *, keep_runs: int) -> Retention:
        """The record once more folders are gone."""
        models = sorted({*self.collected, *gone})
        return Retention(
            keep_runs,
            {model: _ranges(self.numbers(model) | {*gone.get(model, ())}) for model in models},
        )

    def to_json(self) -> Json:
        return {
            "schema": self.SCHEMA,
            "keep_runs": self.keep_runs,
            "collected": {
                model: [{"first": first, "last": last} for first, last in ranges]
                for model, ranges in self.collected.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Retention:
        return cls(
            data["keep_runs"],
            {
                model: tuple((one["first"], one["last"]) for one in ranges)
                for model, ranges in sorted(data["collected"].items())
            },
        )

    def to_bytes(self) -> bytes:
        """The document's canonical bytes."""
        return canonical_bytes(self.to_json())


def _ranges(numbers: Collection[int]) -> tuple[tuple[int, int], ...]:
    """Numbers as ascending ranges.

    >>> _ranges({1, 2, 3, 7})
    ((1, 3), (7, 7))
    """
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)
