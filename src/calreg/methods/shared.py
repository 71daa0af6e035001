"""Softmax: probabilities that all labels of a head share.

What is one label's own is in `maps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calreg.documents import Parameter
from calreg.errors import InputError
from calreg.methods.arrays import BLOCK, raw_scores
from calreg.methods.parameters import PROBABILITY_CLIP, is_logit_scale, positive

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from calreg.methods.arrays import Floats

__all__ = ["softmax"]

_MIN_ROWS = 2**9


def softmax(parameters: Mapping[str, Parameter], columns: Sequence[ArrayLike]) -> list[Any]:
    """Probabilities of all labels of one head: exp(logit / temperature), over their sum.

    Where the scale is "probability", the logit is ln of the score brought into
    [1e-7, 1 - 1e-7]. An item with a score that is NaN or infinite gets NaN for every label:
    a sum of which one part is not known is not known.

    Args:
        parameters: `temperature` and `scale`, which the labels share.
        columns: Raw scores per label, all of one shape. The order of labels is the caller's
            and changes no bit.

    Returns:
        An array per column, of its shape; a scalar for a scalar. float32 for float32, else
        float64. Computed in float64 either way: pass float64 where a threshold is to be
        compared.

    Raises:
        InputError: Fewer than two columns, shapes that differ, what is no number.

    References:
        Guo et al. (2017), eq. 9.

    >>> probabilities = softmax({"temperature": 2.0, "scale": "logit"}, [[0.0], [0.0]])
    >>> [column.tolist() for column in probabilities]
    [[0.5], [0.5]]
    """
    import numpy as np

    temperature, is_logit = positive(parameters, "temperature"), is_logit_scale(parameters)
    given = [raw_scores(column) for column in columns]
    _check_shapes(given)
    found = [np.empty(column.shape, column.dtype) for column in given]
    flat = [(column.reshape(-1), out.reshape(-1)) for column, out in zip(given, found, strict=True)]
    rows = max(_MIN_ROWS, 2 * BLOCK // len(given))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for start in range(0, given[0].size, rows):
            part = slice(start, start + rows)
            block = np.array([column[part] for column, _ in flat], np.float64)
            _softmax_block(block, temperature, is_logit=is_logit)
            for (_, out), probabilities in zip(flat, block, strict=True):
                out[part] = probabilities
    return [out if out.ndim else out[()] for out in found]


def _check_shapes(columns: Sequence[Floats]) -> None:
    if len(columns) < 2:
        raise InputError(
            f"a softmax needs the scores of two labels or more, got {len(columns)}", code="scores"
        )
    if len(shapes := {column.shape for column in columns}) > 1:
        listed = " and ".join(map(str, sorted(shapes)))
        raise InputError(f"scores of one head differ in shape: {listed}", code="scores")


def _softmax_block(block: Floats, temperature: float, *, is_logit: bool) -> None:
    """In place, for labels × items."""
    import numpy as np

    finite = np.isfinite(block).all(axis=0)
    if not is_logit:
        np.clip(block, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP, out=block)
        np.log(block, out=block)
    # The largest first, then the division: infinities can arise only downwards, where they
    # are an exact 0, and never as infinity - infinity.
    np.subtract(block, block.max(axis=0), out=block)
    np.divide(block, temperature, out=block)
    np.exp(block, out=block)
    np.divide(block, _sums(block), out=block)
    if not finite.all():
        block[:, ~finite] = np.nan


def _sums(parts: Floats) -> Floats:
    """Sums over labels of parts in [0, 1], the largest of them 1: the same in any order.

    Floating sums are not: a threshold found with the labels in one order would be missed by
    a last bit in another. So the parts are counted in whole steps that int64 can hold.
    """
    import numpy as np

    bits = 62 - len(parts).bit_length()
    steps = np.multiply(parts, 2.0**bits).astype(np.int64)
    sums: Floats = steps.sum(axis=0) * 2.0**-bits
    return sums
