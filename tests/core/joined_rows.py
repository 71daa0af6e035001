"""Joined rows for tests, made from the columns that matter."""

from __future__ import annotations

from typing import Any

import numpy as np

from calreg.feedback.values import Joined, Keys

_NUMBERS = ("predicted", "outcome", "probability", "hazard", "days", "horizon", "factor")


def joined(size: int, **columns: Any) -> Joined:
    """Rows of which everything that is not given is missing."""
    numbers = {
        name: np.array(columns.pop(name, [np.nan] * size), dtype=np.float64) for name in _NUMBERS
    }
    group = np.empty(size, dtype=np.object_)
    group[:] = columns.pop("group", [""] * size)
    keys = np.empty(size, dtype=np.object_)
    keys[:] = columns.pop("keys", [f"k{row:06d}" for row in range(size)])
    sold = np.array(columns.pop("sold", [-1] * size), dtype=np.int8)
    assert not columns, f"no such column: {sorted(columns)}"
    return Joined(keys=keys, **numbers, sold=sold, group=group, counts=Keys(size, 0, 0))
