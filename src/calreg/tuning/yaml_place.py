"""One mapping of a YAML file, and where it stands: typed values out, or an error with a place.

A key that is absent and one that is null are the same: nobody said anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calreg.errors import InputError
from calreg.names import nearest

__all__ = ["Place"]

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A mapping of plain values.

    Args:
        data: The mapping.
        pointer: Its JSON pointer.
        where: The file.
        origins: The pointers of mappings that some keys come from instead.
    """

    data: Mapping[str, Any]
    pointer: str
    where: str
    origins: Mapping[str, str] = field(default_factory=dict)

    def refused(self, key: str | None, problem: str, *, hint: str | None = None) -> InputError:
        """The error for a key, or for the whole mapping."""
        at = self.pointer if key is None else self._at(key)
        return InputError(f"at {at or '/'}: {problem}", where=self.where, hint=hint, code="spec")

    def lacks(self, key: str) -> InputError:
        """The error for a key that must be there."""
        return self.refused(None, f"has no {key!r}")

    def has(self, key: str) -> bool:
        """Whether somebody said anything."""
        return self.data.get(key) is not None

    def only(self, known: Sequence[str]) -> None:
        """Refuse a key that is none of these."""
        for key in self.data:
            if key not in known:
                raise self.refused(None, f"unknown key {key!r}", hint=nearest(key, known))

    def over(self, defaults: Place) -> Place:
        """This mapping where it says anything, even null; else the defaults."""
        origins = {key: defaults.pointer for key in defaults.data if key not in self.data}
        return Place({**defaults.data, **self.data}, self.pointer, self.where, origins)

    def block(self, key: str) -> Place:
        """A mapping inside this one; an empty one if nobody said anything."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(key, "a mapping", value)
        return Place(value or {}, self._at(key), self.where)

    def blocks(self, key: str) -> list[Place]:
        """A list of mappings, at least one."""
        value = self.data.get(key)
        if not isinstance(value, list) or not value:
            raise self._wrong(key, "a list of at least one", value)
        for number, inner in enumerate(value):
            if not isinstance(inner, dict):
                problem = f"entry {number}: expected a mapping, got {_short(inner)}"
                raise self.refused(key, problem)
        return [
            Place(inner, f"{self._at(key)}/{number}", self.where)
            for number, inner in enumerate(value)
        ]

    def text(self, key: str) -> str | None:
        """A text that is not empty; None if nobody said anything."""
        value = self.data.get(key)
        if value is not None and not (isinstance(value, str) and value):
            raise self._wrong(key, "text", value)
        return value

    def needed_text(self, key: str) -> str:
        """A text that must be there."""
        value = self.text(key)
        if value is None:
            raise self.lacks(key)
        return value

    def choice(self, key: str, among: Sequence[str]) -> str | None:
        """One of these words; None if nobody said anything."""
        value = self.text(key)
        if value is not None and value not in among:
            expected = f"expected one of {', '.join(among)}, got {_short(value)}"
            raise self.refused(key, expected, hint=nearest(value, among))
        return value

    def texts(
        self, key: str, *, among: Sequence[str] = (), needed: bool = False
    ) -> tuple[str, ...]:
        """A text or a list of them; empty if nobody said anything."""
        value = self.data.get(key)
        if value is None:
            if needed:
                raise self.lacks(key)
            return ()
        listed = value if isinstance(value, list) else [value]
        found = [one for one in listed if isinstance(one, str) and one]
        if not found or len(found) < len(listed):
            raise self._wrong(key, "text or a list of texts", value)
        for one in found:
            if among and one not in among:
                expected = f"expected one of {', '.join(among)}, got {_short(one)}"
                raise self.refused(key, expected, hint=nearest(one, among))
        return tuple(found)

    def texts_by_name(self, key: str) -> dict[str, str]:
        """A mapping of texts; whole numbers are taken for what they look like."""
        inner = self.block(key)
        for name, value in inner.data.items():
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise inner.refused(name, f"expected text, got {_short(value)}")
        return {name: str(value) for name, value in inner.data.items()}

    def number(
        self,
        key: str,
        *,
        least: float | None = None,
        most: float | None = None,
        default: float | None = None,
    ) -> float:
        """A number within limits."""
        value = self.data.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number", value)
        self._within(key, value, least, most)
        return float(value)

    def whole(
        self, key: str, *, least: int, most: int | None = None, default: int | None = None
    ) -> int:
        """A whole number within limits."""
        value = self.data.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number", value)
        self._within(key, value, least, most)
        return value

    def needed_whole(self, key: str, *, least: int) -> int:
        """A whole number that must be there."""
        if not self.has(key):
            raise self.lacks(key)
        return self.whole(key, least=least)

    def flag(self, key: str) -> bool:
        """True or false; false if nobody said anything."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return bool(value)

    def _within(self, key: str, value: float, least: float | None, most: float | None) -> None:
        if least is not None and not value >= least:
            raise self._wrong(key, f"at least {least:g}", value)
        if most is not None and not value <= most:
            raise self._wrong(key, f"at most {most:g}", value)

    def _wrong(self, key: str, expected: str, value: Any) -> InputError:
        return self.refused(key, f"expected {expected}, got {_short(value)}")

    def _at(self, key: str) -> str:
        pointer = self.origins.get(key, self.pointer)
        return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
