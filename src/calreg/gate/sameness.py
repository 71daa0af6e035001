"""Whether two documents say the same, but for the last digits of what was computed.

Logarithms and exponentials differ by a bit between processors; a document is recomputed on
another one than it was made on. Words, counts and verdicts have no last digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isclose
from typing import Any

__all__ = ["differences", "nearly_same"]

_RELATIVE = 1e-9
_ABSOLUTE = 1e-12


def nearly_same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal, but for the last digits of numbers.

    >>> nearly_same({"jsd": 0.1}, {"jsd": 0.10000000000000002}), nearly_same([1], [2])
    (True, False)
    """
    return next(differences(one, other), None) is None


def differences(
    expected: Any, got: Any, pointer: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Where two plain values differ: the keys that lead there, and both."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key in sorted({*expected, *got}):
            if key not in got or key not in expected:
                yield (*pointer, key), expected.get(key), got.get(key)
            else:
                yield from differences(expected[key], got[key], (*pointer, key))
    elif isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        if list(expected) != list(got):
            yield pointer, list(expected), list(got)
    elif not _equal(expected, got):
        yield pointer, expected, got


def _equal(expected: Any, got: Any) -> bool:
    if isinstance(expected, float) and isinstance(got, float):
        return expected == got or isclose(expected, got, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return type(expected) is type(got) and bool(expected == got)
