"""Thresholds for flagging hallucinations: one number, flagged at score <= it.

`{model}_{YYYYMMDD_HHMMSS}_n{N}.json` with `best_tau` and how it was found. The direction
of that score was found to be inverted after the fact, and a constant score once passed for
a calibration; the file cannot show either, so both are asked about when it is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from calreg.documents import Calibration, Direction, Json, LabelCalibration, canonical_bytes
from calreg.errors import InputError
from calreg.formats.cuts import raw_cut, recall_limit, recall_objective, threshold_label
from calreg.formats.fields import Fields, label_problems
from calreg.formats.values import (
    Asked,
    Caution,
    FormatName,
    Imported,
    ImportedHead,
    Options,
    head_name,
    unique_paths,
)
from calreg.names import HeadName

__all__ = ["LABEL", "is_mine", "read", "write"]

_FORMAT: FormatName = "hallucination-thresholds"

LABEL = "hallucinated"
"""The one label of such a file, which does not name it."""

_HEAD = "hallucination"
_KEPT = frozenset({"best_tau", "min_recall_target"})
_FILE = re.compile(
    r"(?P<model>.+?)(?:_(?P<time>[0-9]{8}_[0-9]{6}))?(?:_n(?P<count>[0-9]{1,15}))?\.json"
)


def is_mine(data: Mapping[str, Any]) -> bool:
    """Whether an object looks like a hallucination threshold."""
    return "best_tau" in data


def read(data: Mapping[str, Any], where: str, asked: Asked) -> Imported:
    """The one head of such a file; see `calreg.formats.read`."""
    fields = Fields(data, where)
    file = PurePosixPath(PureWindowsPath(where).as_posix()).name
    said = _FILE.fullmatch(file)
    base = said["model"] if said else file or "imported"
    samples = int(said["count"]) if said and said["count"] else None
    name, _ = head_name(asked, asked.model or base, _HEAD, where=where, pointer="/")
    direction: Direction = asked.direction or "lower"
    label = threshold_label(
        fields.number("best_tau"),
        objective=recall_objective(fields.optional_share("min_recall_target")),
        direction=direction,
        samples=samples or None,  # n = 0 says as little as none
    )
    for tail, problem in label_problems(LABEL, label):
        raise fields.refused(tail, problem)
    auroc = fields.optional_share("auroc")
    for key in ("pr_auc", "best_precision"):
        fields.optional_share(key)
    head = ImportedHead(name, None, {LABEL: label})
    time = _iso(said["time"]) if said and said["time"] else None
    return Imported(
        _FORMAT,
        (head,),
        notes=tuple(_notes(fields, name, direction, samples)),
        cautions=tuple(_cautions(fields, name, auroc)),
        options=Options(
            file_bases={name.full: base}, times={name.full: time} if time is not None else {}
        ),
    )


def _iso(stamp: str) -> str:
    """`20260102_030405` as `2026-01-02T03:04:05`."""
    day, _, clock = stamp.partition("_")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}"


def _notes(
    fields: Fields, name: HeadName, direction: Direction, samples: int | None
) -> Iterator[str]:
    sign = "<=" if direction == "lower" else ">="
    tau = fields.number("best_tau")
    other = "higher" if direction == "lower" else "lower"
    yield (
        f"{name}: direction {direction}, so {LABEL!r} fires at score {sign} {tau}; files of this "
        f"format were once found to have it inverted: check it on scores with truth "
        f"(calreg tune), --direction {other} turns it round"
    )
    if samples is None:
        yield f"{name}: the file's name does not say how many scores are behind it (…_n200.json)"
    yield f"{name}: the file has no scores to measure drift with, only a threshold"
    if lost := sorted(fields.data.keys() - _KEPT):
        yield f"{name}: not kept, as the counts behind them are not known: {', '.join(lost)}"


def _cautions(fields: Fields, name: HeadName, auroc: float | None) -> Iterator[Caution]:
    tau = fields.number("best_tau")
    if tau == 0.0 and auroc in {None, 0.5}:
        said = "no auroc" if auroc is None else "an auroc of 0.5"
        yield Caution(
            "constant-score",
            name,
            LABEL,
            f"a threshold of 0.0 with {said} is what a score that is always 0.0 gives; "
            "look at the scores before you rely on it",
        )
    if auroc is not None and auroc < 0.5:
        yield Caution(
            "inverted-auroc",
            name,
            LABEL,
            f"the file's auroc is {auroc}, below 0.5: its score and its direction "
            "may contradict each other",
        )


def write(calibrations: list[Calibration], options: Options) -> dict[str, bytes]:
    """A file per head; see `calreg.formats.write`."""
    paths = unique_paths(calibrations, lambda calibration: _path(calibration, options))
    return {
        path: canonical_bytes(_document(calibration, options))
        for path, calibration in paths.items()
    }


def _path(calibration: Calibration, options: Options) -> str:
    """The name that such a file has, without the parts that nobody knows."""
    digits = re.sub("[^0-9]", "", options.times.get(calibration.name.full, ""))
    time = f"_{digits[:8]}_{digits[8:14]}" if len(digits) >= 14 else ""
    count = f"_n{calibration.samples}" if calibration.samples is not None else ""
    return f"{options.model_base_of(calibration.name)}{time}{count}.json"


def _document(calibration: Calibration, options: Options) -> Json:
    label = _only_label(calibration)
    found = calibration.labels[label]
    cut = raw_cut(calibration, label, direction="lower", fmt=_FORMAT)
    trial = found.calibration
    counts = trial.confusion if trial is not None else None
    figures = trial.figures if trial is not None else {}
    objective = found.decision.objective if found.decision is not None else ""
    data: Json = {
        "best_tau": _unreached(calibration, found, options.never) if cut is None else cut,
        "best_precision": counts.precision if counts is not None else None,
        "min_recall_target": recall_limit(objective),
        "auroc": figures.get("auroc"),
        "pr_auc": figures.get("average_precision"),
    }
    # Absent says "not known"; null would be a number to a reader that does not check.
    return {key: value for key, value in data.items() if value is not None}


def _only_label(calibration: Calibration) -> str:
    if len(calibration.labels) != 1:
        raise InputError(
            f"{calibration.name} has {len(calibration.labels)} labels; {_FORMAT} has one threshold",
            hint="fasttext-thresholds has one per label.",
            code="format",
        )
    return next(iter(calibration.labels))


def _unreached(calibration: Calibration, label: LabelCalibration, never: float | None) -> float:
    """The number that stands for "never": below every score, as the label fires at low ones."""
    lowest = label.distribution.min
    if never is None or lowest is None or not (math.isfinite(never) and never < lowest):
        known = "not known" if lowest is None else str(lowest)
        raise InputError(
            f"{calibration.name} never fires (threshold null), and {_FORMAT} has numbers only",
            hint=f"--never writes a number below the lowest score, which is {known}.",
            code="never-fires",
        )
    return never
