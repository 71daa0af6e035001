"""Overrides of prices: a plain `{"CONDITION_PRICE_FACTOR": {condition: factor}}`.

An application multiplies its predictions of a condition by the factor. The file says
nothing else: how many pairs are behind a factor is not known, nor which head it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from calreg.documents import Calibration, Distribution, LabelCalibration, canonical_bytes
from calreg.errors import InputError
from calreg.formats.fields import Fields, escaped, label_problems
from calreg.formats.values import (
    Asked,
    Caution,
    FormatName,
    Imported,
    ImportedHead,
    Options,
    backbone_of,
    head_name,
    unique_paths,
)
from calreg.names import HeadName

__all__ = ["BOUNDS", "KEY", "is_mine", "read", "write"]

_FORMAT: FormatName = "price-factors"

KEY = "CONDITION_PRICE_FACTOR"
"""What such a file calls its factors."""

BOUNDS = (0.5, 1.2)
"""The lowest and the highest factor that the application takes."""

_HEAD = "condition_price_factor"
_FILE = re.compile(r"(?P<base>.+?)(?:-factors(?:-v[1-9][0-9]{0,8})?)?\.json")


def is_mine(data: Mapping[str, Any]) -> bool:
    """Whether an object looks like overrides of prices."""
    return KEY in data


def read(data: Mapping[str, Any], where: str, asked: Asked) -> Imported:
    """The one head of such a file; see `calreg.formats.read`."""
    fields = Fields(data, where)
    file = PurePosixPath(PureWindowsPath(where).as_posix()).name
    said = _FILE.fullmatch(file)
    base = said["base"] if said else file or "imported"
    name, _ = head_name(asked, asked.model or base, _HEAD, where=where, pointer="/")
    factors = fields.inner(KEY)
    if not factors.data:
        raise fields.refused(KEY, "holds no factor")
    labels = {group: _label(factors, group) for group in sorted(factors.data)}
    return Imported(
        _FORMAT,
        (ImportedHead(name, None, labels),),
        notes=tuple(_notes(data, name)),
        cautions=tuple(_cautions(name, factors)),
        options=Options(file_bases={name.full: base}),
    )


def _label(factors: Fields, group: str) -> LabelCalibration:
    factor = factors.number(group)
    if not factor > 0.0:
        raise factors.refused(escaped(group), f"expected a factor above 0, got {factor}")
    found = LabelCalibration("factor", {"factor": factor}, Distribution(samples=None))
    for tail, problem in label_problems(group, found):
        raise factors.refused(f"{escaped(group)}/{tail}".rstrip("/"), problem)
    return found


def _notes(data: Mapping[str, Any], name: HeadName) -> Iterator[str]:
    yield f"{name}: the file does not say how many pairs are behind a factor"
    if others := sorted(data.keys() - {KEY}):
        yield f"{name}: not kept, as they are no factors of conditions: {', '.join(others)}"


def _cautions(name: HeadName, factors: Fields) -> Iterator[Caution]:
    low, high = BOUNDS
    for group in sorted(factors.data):
        factor = factors.number(group)
        if not low <= factor <= high:
            yield Caution(
                "out-of-bounds",
                name,
                group,
                f"{factor} is outside {low} to {high}; an application that loads it refuses "
                "the file, unless it is its own default",
            )


def write(calibrations: list[Calibration], options: Options) -> dict[str, bytes]:
    """A file per head; see `calreg.formats.write`."""
    paths = unique_paths(calibrations, lambda calibration: _path(calibration, options))
    return {
        path: canonical_bytes({KEY: _factors(calibration)}) for path, calibration in paths.items()
    }


def _path(calibration: Calibration, options: Options) -> str:
    ending = f"-v{calibration.version}" if options.versioned else ""
    base = options.base_of(calibration)
    return f"{backbone_of(calibration.name)}/{base}-factors{ending}.json"


def _factors(calibration: Calibration) -> dict[str, Any]:
    for label, found in calibration.labels.items():
        if found.method != "factor":
            raise InputError(
                f"{calibration.name} label {label!r} is calibrated by {found.method}; "
                f"{_FORMAT} can only say factors",
                hint="Name the heads to export.",
                code="format",
            )
    return {label: found.parameters["factor"] for label, found in calibration.labels.items()}
