"""One figure for a head of many labels: pooled over items, or averaged over labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from calreg.documents import Confusion
from calreg.errors import InputError
from calreg.evaluate.checked import checked_firing
from calreg.labelled import LabelledColumn

__all__ = ["exact_match", "overall_of"]

_RATES: Mapping[str, Callable[[Confusion], float]] = {
    "f1": lambda counts: counts.f1,
    "precision": lambda counts: counts.precision,
    "recall": lambda counts: counts.recall,
    "fpr": lambda counts: counts.fpr,
}


def overall_of(confusions: Mapping[str, Confusion]) -> dict[str, float]:
    """`micro_…` and `macro_…` of F1, precision, recall and FPR, and `worst_fpr`.

    Micro pools the counts of all labels; macro is the plain mean of the labels' own rates,
    where a label without positives has recall and F1 0. Labels without a decision are left
    out by the caller.

    Raises:
        InputError: No labels.

    References:
        Manning, Raghavan & Schütze (2008), Introduction to information retrieval, ch. 13.6.
    """
    if not confusions:
        raise InputError("expected at least one label with a decision, got none", code="overall")
    pooled = sum(confusions.values(), Confusion(0, 0, 0, 0))
    figures = {f"micro_{name}": rate(pooled) for name, rate in _RATES.items()}
    for name, rate in _RATES.items():
        own = [rate(counts) for counts in confusions.values()]
        figures[f"macro_{name}"] = math.fsum(own) / len(own)
    figures["worst_fpr"] = max(counts.fpr for counts in confusions.values())
    return figures


def exact_match(
    columns: Mapping[str, LabelledColumn], fires: Mapping[str, NDArray[np.bool_]]
) -> float | None:
    """The share of items for which every label was decided right.

    None where the labels do not cover the same rows, or there are none: no item was
    decided whole.

    Raises:
        InputError: A label without decisions, or of another number.
    """
    is_right: NDArray[np.bool_] | None = None
    rows: NDArray[np.intp] | None = None
    for label, column in columns.items():
        if label not in fires:
            raise InputError("expected decisions for every label", where=label, code="decisions")
        agrees = checked_firing(fires[label], column.truth) == column.truth
        if rows is None or is_right is None:
            rows, is_right = column.rows, agrees
        elif not np.array_equal(rows, column.rows):
            return None
        else:
            is_right &= agrees
    return float(is_right.mean()) if is_right is not None and is_right.size else None
