"""Scores as arrays, and the walk through them block by block.

What a method computes is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from calreg.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Bools: TypeAlias = NDArray[np.bool_]
    Floats: TypeAlias = NDArray[Any]
    Transform: TypeAlias = Callable[[Floats, Floats], None]

__all__ = ["BLOCK", "checked_out", "in_blocks", "raw_scores"]

BLOCK = 2**15
"""Scores per pass: 256 kB of float64, which stay in a core's cache between the steps."""


def raw_scores(scores: ArrayLike) -> Floats:
    """The scores as float32 if they are, else as float64; masked ones as NaN.

    Raises:
        InputError: They are not numbers.
    """
    import numpy as np

    try:
        given = np.ma.asanyarray(scores) if np.ma.isMaskedArray(scores) else np.asarray(scores)
    except ValueError as error:
        raise InputError(f"scores are not an array of numbers: {error}", code="scores") from error
    if given.dtype.kind not in "fiu":
        raise InputError(
            f"scores: expected numbers, got an array of {given.dtype}",
            hint="Pass floats; write a missing score as NaN.",
            code="scores",
        )
    floats = given if given.dtype == np.float32 else given.astype(np.float64, copy=False)
    if isinstance(floats, np.ma.MaskedArray):
        return floats.filled(np.nan)
    return floats


def checked_out(out: Floats, scores: Floats) -> Floats:
    """`out` itself, if the outputs for these scores can be written into it.

    Raises:
        InputError: Not float32 or float64, of another shape, or read-only.
    """
    import numpy as np

    if not isinstance(out, np.ndarray) or out.dtype not in (np.float32, np.float64):
        kind = getattr(out, "dtype", type(out).__name__)
        raise InputError(f"out: expected an array of float32 or float64, got {kind}", code="scores")
    if out.shape != scores.shape:
        raise InputError(f"out: expected shape {scores.shape}, got {out.shape}", code="scores")
    if not out.flags.writeable:
        raise InputError("out: expected an array that can be written", code="scores")
    return out


def in_blocks(scores: Floats, out: Floats, transform: Transform, kind: Any) -> None:
    """Transform block after block, whatever the layout of the arrays and their overlap.

    Args:
        scores: What the transform reads.
        out: What it writes; NaN where a score is NaN or infinite, whatever it wrote there.
        transform: Reads its first array, of shape (n,), and fills its second, which may be
            the same memory.
        kind: The dtype of the arrays that the transform sees.
    """
    import numpy as np

    steps = np.nditer(
        (scores, out),
        flags=("external_loop", "buffered", "zerosize_ok", "copy_if_overlap"),
        op_flags=(("readonly", "overlap_assume_elementwise"),
                  ("writeonly", "overlap_assume_elementwise")),
        op_dtypes=(kind, kind),
        casting="same_kind",
        # As many bytes of float32 as of float64: twice the scores, half the calls.
        buffersize=BLOCK * 8 // np.dtype(kind).itemsize,
    )  # fmt: skip
    # Far scores may overflow on the way to 0 or 1; that is the right answer, not a warning.
    with np.errstate(over="ignore", invalid="ignore", under="ignore"), steps:
        for block, target in steps:
            finite = np.isfinite(block)  # before `target` is written: it may be the same memory
            transform(block, target)
            if not finite.all():
                target[~finite] = np.nan
