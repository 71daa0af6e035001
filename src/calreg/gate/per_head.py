"""Whether rules for single heads, by pattern, let anything through that they did not before.

Which pattern wins depends on all others and on heads that do not exist yet, so no head is asked:
for any head there may ever be, what counts now must be at least as tight as what counted before.
That is so if nothing was taken away or changed its place, a value that changed became tighter,
and a value that is new is at least as tight as every one that it could win over. Whatever cannot
be told so counts as looser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["UNKNOWN", "IsTight", "Key", "Patterns", "flat", "looser_patterns"]

Patterns = tuple[tuple[str, Mapping[str, Any]], ...]
Key = tuple[str, ...]
IsTight = Callable[[Key, Any, Any], bool]
"""Whether a value of a key, the last, is at least as tight as another: or as `UNKNOWN`."""

UNKNOWN = object()
"""A default that stands in no file."""


def looser_patterns(
    before: Patterns,
    after: Patterns,
    common: Mapping[Key, Any],
    is_tight: IsTight,
) -> frozenset[str]:
    """The patterns whose blocks changed and may let more through.

    Args:
        before: The blocks as they were, in the order of the file.
        after: As they are.
        common: What holds where no pattern matches, by key as `flat` makes them; a key that
            is missing there has a default that nobody here knows.
        is_tight: Says which of two values is tighter.
    """
    old = {pattern: flat(block) for pattern, block in before}
    new = {pattern: flat(block) for pattern, block in after}
    values: dict[Key, list[Any]] = {key: [value] for key, value in common.items()}
    for block in old.values():
        for key, value in block.items():
            values.setdefault(key, [UNKNOWN]).append(value)
    return frozenset(
        pattern
        for pattern in old.keys() | new.keys()
        if any(_looser(old.get(pattern, {}), new.get(pattern, {}), values, is_tight))
    )


def _looser(
    old: Mapping[Key, Any],
    new: Mapping[Key, Any],
    values: Mapping[Key, list[Any]],
    is_tight: IsTight,
) -> Iterator[bool]:
    """Per key of a pattern, whether its value may be looser than what it wins over."""
    for key in old.keys() | new.keys():
        if key not in new:
            yield True
        elif key in old:
            yield not is_tight(key, old[key], new[key])
        else:
            rivals = values.get(key, [UNKNOWN])
            yield not all(is_tight(key, one, new[key]) for one in rivals)


def flat(block: Mapping[str, Any]) -> dict[Key, Any]:
    """The values of a block by the keys that lead to them; of an empty one nothing.

    >>> flat({"min_samples": 9, "thresholds": {"jsd": 0.1}})
    {('min_samples',): 9, ('thresholds', 'jsd'): 0.1}
    """
    found: dict[Key, Any] = {}
    for key, value in block.items():
        if isinstance(value, Mapping):
            found |= {(key, *inner): each for inner, each in flat(value).items()}
        else:
            found[key,] = value
    return found
