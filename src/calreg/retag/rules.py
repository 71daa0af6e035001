"""What counts as a change of an outcome, and the reasons by which one is told.

Nothing here looks at a score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from calreg.errors import InputError

__all__ = ["ADDED", "FIRED", "REASONS", "REMOVED", "TIER", "VALUE", "RetagRules", "reason_text"]

VALUE, FIRED, TIER, ADDED, REMOVED = 1, 2, 4, 8, 16

REASONS: Mapping[str, int] = {
    "value": VALUE,
    "fired": FIRED,
    "tier": TIER,
    "added": ADDED,
    "removed": REMOVED,
}
"""Why a score's outcome changes; a byte of changes has the bit of every reason that holds.

`value`: the calibrated value moves by at least `min_change`, or there was none, or is none
any more. `fired`: the label fires before or after, not both; one without a decision never
fires. `tier`: the value lies between other cuts. `added`, `removed`: only one of the two
calibrations has the label.
"""

_SEPARATOR = "+"


def reason_text(changes: int) -> str:
    """The reasons in a byte of changes; empty for none.

    >>> reason_text(VALUE | FIRED)
    'value+fired'
    """
    return _SEPARATOR.join(name for name, bit in REASONS.items() if changes & bit)


@dataclass(frozen=True, slots=True)
class RetagRules:
    """When an outcome counts as changed.

    Args:
        min_change: A calibrated value that moves by this much or more; above 0.
        tiers: Ascending cuts of the calibrated value; at a cut begins the tier above it.

    Raises:
        InputError: Not such numbers.
    """

    min_change: float = 0.01
    tiers: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.min_change < math.inf:
            raise InputError(
                f"min_change: expected a number above 0, got {self.min_change!r}",
                hint="At 0 every item would be listed, moved or not.",
                code="min-change",
            )
        is_ascending = all(low < high for low, high in pairwise(self.tiers))
        if not (is_ascending and all(map(math.isfinite, self.tiers))):
            raise InputError(
                f"tiers: expected ascending numbers, got {', '.join(map(repr, self.tiers))}",
                hint="Each cut begins a tier: 0.3,0.6,0.8.",
                code="tiers",
            )
