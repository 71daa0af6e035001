"""Calibrations in the files of other systems: bytes to values, and values to bytes.

Three formats of one audio tagger: `nomarr-sidecar` (a file per head, beside the model's
files), `nomarr-bundle` (labels and metadata, no head names) and `nomarr-state` (every head
in one file, with fine histograms). Two of thresholds: `fasttext-thresholds` (a number per
label) and `hallucination-thresholds` (one number). One of factors: `price-factors` (one per
group). They are told apart by what is in them. Nothing here opens a file. What a format
does not say stays None; what calreg cannot keep is said in the notes, what somebody must
look at in the cautions.

A new format is one module with `is_mine`, `read` and `write`, and one line in `_MODULES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import get_args

from calreg.documents import Calibration, Direction, load_json
from calreg.errors import InputError, UsageError
from calreg.formats import bundle, factors, fasttext, hallucination, sidecar, state
from calreg.formats.values import Asked, Caution, FormatName, Imported, ImportedHead, Options
from calreg.names import HeadName, nearest

__all__ = [
    "FORMATS",
    "Caution",
    "FormatName",
    "Imported",
    "ImportedHead",
    "Options",
    "read",
    "write",
]

FORMATS: tuple[FormatName, ...] = get_args(FormatName)
"""The names of the formats, as `--format` takes them."""

# A state file of 100 labels lists some 300,000 bins; a document of ours is far smaller.
_MAX_BYTES = 64 * 2**20

_MODULES: dict[FormatName, ModuleType] = {
    "nomarr-state": state,
    "nomarr-sidecar": sidecar,
    "nomarr-bundle": bundle,  # after it: a sidecar has `labels` too
    "hallucination-thresholds": hallucination,
    "price-factors": factors,
    "fasttext-thresholds": fasttext,  # last: its flat form is any object of numbers
}


def read(
    raw: bytes,
    where: str,
    *,
    model: str | None = None,
    head: HeadName | None = None,
    keep_sentinel: bool = False,
    direction: Direction | None = None,
) -> Imported:
    """The calibrations that one file of another system holds.

    Args:
        raw: The file's bytes.
        where: Its path: named in errors, and asked for what the content leaves out.
        model: The model's path in the registry, instead of the backbone the file names.
        head: The full name of the one head in the file, instead of what the file says.
        keep_sentinel: A fastText threshold of 1.0 is kept as a number; else it is read as
            what its tuner meant by it, no threshold.
        direction: Which scores speak for the label of hallucination thresholds; None takes
            that format's own, "lower".

    Raises:
        InputError: Not strict JSON, none of the formats, or a value that means nothing:
            path, JSON pointer, problem.
    """
    data = load_json(raw, where=where, max_bytes=_MAX_BYTES)
    asked = Asked(model, head, keep_sentinel, direction)
    for module in _MODULES.values():
        if module.is_mine(data):
            found: Imported = module.read(data, where, asked)
            return found
    raise InputError(
        f"is in none of the formats {', '.join(FORMATS)}",
        where=where,
        hint="Expected 'labels' (sidecar, bundle), 'calibrations' (state), 'thresholds' or "
        "labels with a number each (fastText), 'best_tau' (hallucination) or "
        "'CONDITION_PRICE_FACTOR' at the top level.",
        code="format",
    )


def write(
    calibrations: Iterable[Calibration], fmt: FormatName, options: Options | None = None
) -> dict[str, bytes]:
    """The files that hold these calibrations in another system's format.

    Args:
        calibrations: One version of each head, in any order.
        fmt: One of `FORMATS`.
        options: What the format wants to know and a calibration does not say.

    Returns:
        Paths below that system's folder of models, and the bytes to put there.

    Raises:
        InputError: The format cannot hold them, or two of them want one path.
    """
    if fmt not in _MODULES:
        raise UsageError(f"{fmt!r} is not a format", hint=nearest(str(fmt), FORMATS))
    ordered = sorted(calibrations, key=lambda calibration: calibration.name)
    if not ordered:
        raise InputError("there is no calibration to export", code="format")
    if fmt in _MINMAX_ONLY:
        for calibration in ordered:
            _check_methods(calibration, fmt)
    files: dict[str, bytes] = _MODULES[fmt].write(ordered, options or Options())
    return files


_MINMAX_ONLY: frozenset[FormatName] = frozenset({"nomarr-sidecar", "nomarr-bundle", "nomarr-state"})


def _check_methods(calibration: Calibration, fmt: FormatName) -> None:
    for label, found in calibration.labels.items():
        if found.method != "minmax":
            raise InputError(
                f"{calibration.name} label {label!r} is calibrated by {found.method}; "
                f"{fmt} can only say minmax",
                hint="Name the heads to export; thresholds go out as fasttext-thresholds or "
                "hallucination-thresholds, factors as price-factors.",
                code="format",
            )
