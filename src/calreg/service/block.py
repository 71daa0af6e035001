"""One block of `calreg.yaml`, read key by key: every refusal names its JSON pointer.

A new kind of value is one method here; which keys there are, and what they mean, is said
where the block is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calreg.errors import InputError
from calreg.names import nearest

__all__ = ["Block"]


_MOST = 1e9


class Block:
    """A mapping of settings.

    Args:
        data: What stands there.
        known: The keys that it may have.
        where: The file, for messages.
        pointer: Where in the file it stands.

    Raises:
        InputError: No mapping, or an unknown key (with the nearest known one).
    """

    def __init__(self, data: Any, known: Sequence[str], *, where: str, pointer: str) -> None:
        self._where, self._pointer = where, pointer
        if not isinstance(data, Mapping):
            raise self.refused("", f"expected a mapping of settings, got {_kind(data)}")
        self._data = data
        unknown = next((key for key in data if key not in known), None)
        if unknown is not None:
            raise InputError(
                f"at {pointer}: unknown key {unknown!r}",
                where=where,
                hint=nearest(str(unknown), known),
                code="config",
            )

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def refused(self, key: str, problem: str) -> InputError:
        """The error that says what is wrong with a key."""
        place = f"{self._pointer}/{key}" if key else self._pointer
        return InputError(f"at {place}: {problem}", where=self._where, code="config")

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty; without a default the key must be there."""
        found = self._data.get(key, default)
        if not (isinstance(found, str) and found):
            raise self.refused(key, f"expected a text, got {_kind(found)}")
        return found

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        found = self._data.get(key, default)
        if not isinstance(found, bool):
            raise self.refused(key, f"expected true or false, got {found!r}")
        return found

    def whole(self, key: str, default: int, *, most: int = 2**31 - 1) -> int:
        """A whole number from 1 upwards."""
        found = self._data.get(key, default)
        is_whole = isinstance(found, int) and not isinstance(found, bool)
        if not (is_whole and 1 <= found <= most):
            raise self.refused(key, f"expected a whole number, 1 to {most:,}, got {found!r}")
        return int(found)

    def number(self, key: str, default: float) -> float:
        """A number above 0, and such that a time that far ahead is still one."""
        found = self._data.get(key, default)
        if not (_is_number(found) and 0 < found <= _MOST):
            raise self.refused(key, f"expected a number above 0, got {found!r}")
        return float(found)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of numbers; empty if there is none."""
        found = self._list(key)
        if not all(_is_number(one) and math.isfinite(one) for one in found):
            raise self.refused(key, f"expected a list of numbers, got {found!r}")
        return tuple(map(float, found))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty if there is none."""
        found = self._list(key)
        if not all(isinstance(one, str) and one for one in found):
            raise self.refused(key, "expected a list of texts")
        return tuple(found)

    def named_texts(self, key: str) -> dict[str, str]:
        """A mapping of texts to texts; empty if there is none."""
        found = self._data.get(key, {})
        if not (
            isinstance(found, Mapping)
            and all(isinstance(one, str) for pair in found.items() for one in pair)
        ):
            raise self.refused(key, "expected a mapping of texts")
        return dict(found)

    def block(self, key: str, known: Sequence[str]) -> Block:
        """The block below a key; empty if there is none."""
        return self._below(self._data.get(key, {}), known, key)

    def blocks(self, key: str, known: Sequence[str]) -> Iterator[Block]:
        """The blocks of a list; none if there is none."""
        for number, one in enumerate(self._list(key)):
            yield self._below(one, known, f"{key}/{number}")

    def _below(self, data: Any, known: Sequence[str], step: str) -> Block:
        return Block(data, known, where=self._where, pointer=f"{self._pointer}/{step}")

    def _list(self, key: str) -> list[Any]:
        found = self._data.get(key, [])
        if not isinstance(found, list):
            raise self.refused(key, f"expected a list, got {_kind(found)}")
        return found


def _kind(found: Any) -> str:
    """What something is, where it may be a key that stands in the wrong place: not what it says."""
    if isinstance(found, str):
        return "text" if found else "an empty text"
    if isinstance(found, Mapping):
        return "a mapping"
    return "a list" if isinstance(found, list) else repr(found)


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)
