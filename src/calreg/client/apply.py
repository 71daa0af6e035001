"""The arithmetic of a calibration: raw scores in, calibrated scores out.

Pure functions of arrays; numpy is imported when the first one is called. A new method is
one function of a block here, and one line in `_METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from calreg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[Any]
    Method = Callable[[Floats, Floats], None]

__all__ = ["BLOCK", "apply_method", "raw_scores"]

BLOCK = 2**15
"""Scores per pass: 256 kB of float64, which stay in a core's cache between the steps."""


def apply_method(
    method: str,
    parameters: Mapping[str, float],
    scores: ArrayLike,
    *,
    out: Floats | None = None,
) -> Any:
    """Calibrated scores, by one label's method and parameters.

    `minmax` is clip((x - p5) / (p95 - p5), 0, 1). A score that is no number (NaN or an
    infinity) gives NaN: what is not known never becomes a number.

    Args:
        method: The method's name in a document.
        parameters: Its parameters, by their names in a document.
        scores: Numbers of any shape. float32 stays float32, with the parameters cast to it;
            everything else becomes float64.
        out: Where to write; float32 or float64, of the scores' shape. May be the scores.

    Returns:
        `out`, or a new array of the scores' shape; a scalar for a scalar.

    Raises:
        InputError: Text, truth values, an unknown method, a range that is empty in the
            precision of the scores, or an `out` that does not fit.

    >>> apply_method("minmax", {"p5": 0.25, "p95": 0.75}, [0.0, 0.5, 1.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    import numpy as np

    given = raw_scores(scores)
    result = np.empty(given.shape, given.dtype) if out is None else _checked_out(out, given)
    transform = _METHODS.get(method)
    if transform is None:
        raise InputError(
            f"method {method!r} is unknown to this program",
            hint="Upgrade calreg.",
            code="calibration",
        )
    _in_blocks(given, result, transform(parameters, result.dtype.type))
    return result if out is not None or result.ndim else result[()]


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


def _checked_out(out: Floats, scores: Floats) -> Floats:
    import numpy as np

    if not isinstance(out, np.ndarray) or out.dtype not in (np.float32, np.float64):
        kind = getattr(out, "dtype", type(out).__name__)
        raise InputError(f"out: expected an array of float32 or float64, got {kind}", code="scores")
    if out.shape != scores.shape:
        raise InputError(f"out: expected shape {scores.shape}, got {out.shape}", code="scores")
    if not out.flags.writeable:
        raise InputError("out: expected an array that can be written", code="scores")
    return out


def _in_blocks(scores: Floats, out: Floats, transform: Method) -> None:
    """Transform block after block, whatever the layout of the arrays and their overlap."""
    import numpy as np

    steps = np.nditer(
        (scores, out),
        flags=("external_loop", "buffered", "zerosize_ok", "copy_if_overlap"),
        op_flags=(("readonly", "overlap_assume_elementwise"),
                  ("writeonly", "overlap_assume_elementwise")),
        op_dtypes=(out.dtype, out.dtype),
        casting="same_kind",
        buffersize=BLOCK,
    )  # fmt: skip
    # Far scores may overflow on the way to 0 or 1; that is the right answer, not a warning.
    with steps, np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for block, target in steps:
            transform(block, target)


def _minmax(parameters: Mapping[str, float], kind: Callable[[float], Any]) -> Method:
    p5, p95 = parameters["p5"], parameters["p95"]
    low, width = kind(p5), kind(p95 - p5)
    if not 0 < width < float("inf"):
        raise InputError(
            f"degenerate calibration: p5 {p5} and p95 {p95} leave no range in {width.dtype}",
            code="degenerate",
        )
    return partial(_minmax_block, low, width)


def _minmax_block(low: Any, width: Any, scores: Floats, out: Floats) -> None:
    import numpy as np

    finite = np.isfinite(scores)  # before `out` is written: it may be the same memory
    np.subtract(scores, low, out=out)
    np.divide(out, width, out=out)
    np.clip(out, 0, 1, out=out)
    if not finite.all():
        out[~finite] = np.nan


_METHODS: Mapping[str, Callable[[Mapping[str, float], Callable[[float], Any]], Method]] = {
    "minmax": _minmax,
}
