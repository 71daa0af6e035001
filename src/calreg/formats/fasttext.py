"""Thresholds of a fastText classifier: a number per label, flat or with how it was tuned.

A label fires at score >= threshold. Its tuner had no word for "no threshold meets the
target" and wrote 1.0, for labels it was not asked to tune as well; but real scores reach
1.00001. So 1.0 and more is read as null, unless the file's own statistics say that
something fires there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from calreg.documents import Calibration, Json, LabelCalibration, canonical_bytes
from calreg.errors import InputError
from calreg.formats.cuts import fpr_limit, fpr_objective, raw_cut, threshold_label
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
    path_words,
    unique_paths,
)
from calreg.names import HeadName

__all__ = ["HIGHEST_SEEN", "SENTINEL", "is_mine", "read", "write"]

_FORMAT: FormatName = "fasttext-thresholds"

SENTINEL = 1.0
"""What the tuner wrote for "infeasible"."""

HIGHEST_SEEN = 1.0000100135803223
"""The highest score that such a classifier gives: 1.00001 in float32."""

_RATES = ("fpr", "recall", "precision")
_FILE = re.compile(r"(?P<base>.+?)(?:-thresholds(?:-v(?P<version>[1-9][0-9]{0,8}))?)?\.json")

# Keys with a meaning in some file: an object of numbers that has one is no list of labels.
_RESERVED = frozenset(
    {
        *("version", "classes", "thresholds", "tune_target_fpr", "tuned_on", "tuned_at"),
        *("label_stats", "labels", "calibrations", "format", "metadata", "CONDITION_PRICE_FACTOR"),
        *("calibration_version", "calibration_method", "library_size", "min_samples", "backbone"),
        *("best_tau", "best_precision", "min_recall_target", "auroc", "pr_auc"),
    }
)


def is_mine(data: Mapping[str, Any]) -> bool:
    """Whether an object looks like thresholds, with statistics or flat."""
    if isinstance(data.get("thresholds"), dict):
        return True
    are_numbers = all(type(value) in {int, float} for value in data.values())
    return bool(data) and are_numbers and _RESERVED.isdisjoint(data)


def read(data: Mapping[str, Any], where: str, asked: Asked) -> Imported:
    """The one head of a thresholds file; see `calreg.formats.read`."""
    fields = Fields(data, where)
    thresholds = fields.inner("thresholds") if "thresholds" in data else fields
    if not thresholds.data:
        raise fields.refused("thresholds", "holds no label")
    numbers = {label: thresholds.number(label) for label in sorted(thresholds.data)}
    stats: Mapping[str, _Stats] = {}
    if thresholds is not fields:
        stats = _stats(fields, numbers)
        _check_classes(fields, numbers)
    name, shown, version = _name(fields, asked)
    labels, cautions = {}, []
    for label, number in numbers.items():
        threshold, caution = _meant(number, stats.get(label), asked, name=name, label=label)
        cautions += [caution] if caution is not None else []
        objective = fpr_objective(_target_of(fields, label, stats))
        labels[label] = _checked(thresholds, label, threshold, objective)
    head = ImportedHead(name, shown, labels, version=version)
    is_flat = thresholds is fields
    return Imported(
        _FORMAT,
        (head,),
        notes=tuple(_notes(fields, head, stats, asked, is_flat=is_flat)),
        cautions=tuple(cautions),
        options=_options(fields, name, is_flat=is_flat),
    )


_Stats = Mapping[str, float | None]


def _stats(fields: Fields, numbers: Mapping[str, float]) -> dict[str, _Stats]:
    """The rates of each label that has them.

    Raises:
        InputError: They are of another threshold, or of a label that has none.
    """
    if not fields.has("label_stats"):
        return {}
    stats = fields.inner("label_stats")
    found: dict[str, _Stats] = {}
    for label in sorted(stats.data):
        inner = stats.inner(label)
        if label not in numbers:
            raise stats.refused(escaped(label), "is the label of no threshold")
        if inner.number("threshold") != numbers[label]:
            raise inner.refused(
                "threshold", f"{inner.number('threshold')} is not the threshold {numbers[label]}"
            )
        found[label] = {rate: inner.optional_share(rate) for rate in _RATES}
    return found


def _check_classes(fields: Fields, numbers: Mapping[str, float]) -> None:
    if not fields.has("classes"):
        return
    classes = fields.data["classes"]
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise fields.refused("classes", "expected a list of labels")
    for label in numbers:
        if label not in classes:
            raise fields.refused(f"thresholds/{escaped(label)}", "is none of the classes")


def _name(fields: Fields, asked: Asked) -> tuple[HeadName, str | None, int | None]:
    """The head, called like its file: nothing in the file names it."""
    file = PurePosixPath(PureWindowsPath(fields.where).as_posix()).name
    found = _FILE.fullmatch(file)
    base = found["base"] if found else file or "imported"
    model = asked.model or path_words(fields.where).backbone or "imported"
    name, shown = head_name(asked, model, base, where=fields.where, pointer="/")
    version = found["version"] if found else None
    return name, shown, int(version) if version else None


def _target_of(fields: Fields, label: str, stats: Mapping[str, _Stats]) -> float | None:
    """The FPR limit that a label was tuned to; None for one that was set by hand."""
    target = fields.optional_share("tune_target_fpr")
    return None if stats and label not in stats else target


def _meant(
    number: float, stats: _Stats | None, asked: Asked, *, name: HeadName, label: str
) -> tuple[float | None, Caution | None]:
    """The threshold that a number stands for, and what to say about it."""
    if number < SENTINEL:
        return number, None
    reached = (stats or {}).get("recall")
    if reached:
        return number, Caution(
            "threshold-at-saturation",
            name,
            label,
            f"threshold {number} is kept: the file says that it still catches {reached:.1%}; "
            "a score that cannot go higher separates little",
        )
    if asked.keep_sentinel:
        return number, Caution(
            "sentinel-kept",
            name,
            label,
            f"threshold {number} is kept as a number; real scores reach 1.00001 "
            f"and {'fire at it' if number <= HIGHEST_SEEN else 'do not reach it'}",
        )
    return None, Caution(
        "sentinel",
        name,
        label,
        f'threshold {number} is what that tuner wrote for "infeasible" (or not tuned): imported '
        "as null, status infeasible, so it never fires; --keep-sentinel keeps the number",
    )


def _checked(
    thresholds: Fields, label: str, threshold: float | None, objective: str
) -> LabelCalibration:
    found = threshold_label(threshold, objective=objective, direction="higher")
    for tail, problem in label_problems(label, found):
        step = escaped(label)
        raise thresholds.refused(f"{step}/{tail}" if tail else step, problem)
    return found


def _notes(
    fields: Fields,
    head: ImportedHead,
    stats: Mapping[str, _Stats],
    asked: Asked,
    *,
    is_flat: bool,
) -> Iterator[str]:
    if asked.head is None:
        yield f"{head.name}: the file names no head, so it is called like it; --head names it"
    yield f"{head.name}: the file has no scores to measure drift with, only thresholds"
    if is_flat:
        yield f"{head.name}: the file does not say what its thresholds are the optimum of"
        return
    if stats:
        yield (
            f"{head.name}: the file's fpr, recall and precision are not kept: without the counts "
            "behind them nobody can check them"
        )
    by_hand = sorted(set(head.labels) - set(stats)) if stats else []
    if by_hand:
        yield f"{head.name}: not tuned, as the file has no statistics for it: {', '.join(by_hand)}"
    if bare := sorted(set(fields.data.get("classes") or ()) - set(head.labels)):
        yield f"{head.name}: classes without a threshold are left out: {', '.join(bare)}"
    kept = {"thresholds", "tune_target_fpr", "classes", "label_stats"}
    if lost := sorted(fields.data.keys() - kept):
        yield f"{head.name}: not kept: {', '.join(lost)}"


def _options(fields: Fields, name: HeadName, *, is_flat: bool) -> Options:
    when = fields.optional_text("tuned_at") if not is_flat else None
    return Options(flat=is_flat, times={name.full: when} if when is not None else {})


def write(calibrations: list[Calibration], options: Options) -> dict[str, bytes]:
    """A thresholds file per head; see `calreg.formats.write`."""

    def path_of(calibration: Calibration) -> str:
        ending = f"-v{calibration.version}" if options.versioned else ""
        base = options.base_of(calibration)
        return f"{backbone_of(calibration.name)}/{base}-thresholds{ending}.json"

    paths = unique_paths(calibrations, path_of)
    return {
        path: canonical_bytes(_document(calibration, options))
        for path, calibration in paths.items()
    }


def _document(calibration: Calibration, options: Options) -> Json:
    thresholds = _numbers(calibration, options.never)
    if options.flat:
        if clash := sorted(_RESERVED & thresholds.keys()):
            raise InputError(
                f"{calibration.name} has a label {clash[0]!r}, "
                "which a flat file cannot tell from a field",
                hint="Export it without --flat.",
                code="format",
            )
        return dict(thresholds)
    data: Json = {
        "version": 1,
        "classes": sorted(thresholds),
        "thresholds": thresholds,
        "tune_target_fpr": _shared_target(calibration),
        "tuned_at": options.times.get(calibration.name.full, "")[:10] or None,
        "label_stats": _written_stats(calibration, thresholds) or None,
    }
    # Absent says "not known"; null would be a number to a reader that does not check.
    return {key: value for key, value in data.items() if value is not None}


def _numbers(calibration: Calibration, never: float | None) -> dict[str, float]:
    """A number per label; `never` for those that have none.

    Raises:
        InputError: A label cannot be said in this format, or not with this `never`.
    """
    found: dict[str, float] = {}
    silent = []
    for label in sorted(calibration.labels):
        cut = raw_cut(calibration, label, direction="higher", fmt=_FORMAT)
        if cut is not None:
            found[label] = cut
        elif never is not None:
            found[label] = _unreached(calibration, label, never)
        else:
            silent.append(label)
    if silent:
        raise InputError(
            f"{calibration.name}: {', '.join(map(repr, silent))} never fires (threshold null), "
            f"and {_FORMAT} has numbers only",
            hint="--never 2 writes a number in its place; choose one that no score reaches.",
            code="never-fires",
        )
    return found


def _unreached(calibration: Calibration, label: str, never: float) -> float:
    """The number that stands for "never", if no score reaches it: known ones or later ones."""
    known = calibration.labels[label].distribution.max
    highest = HIGHEST_SEEN if known is None else max(known, HIGHEST_SEEN)
    if not (math.isfinite(never) and never > highest):
        raise InputError(
            f"{calibration.name} label {label!r} would fire at {never}: real scores reach "
            f"{highest}",
            hint="--never takes a number above every score, such as 2.",
            code="never-fires",
        )
    return never


def _shared_target(calibration: Calibration) -> float | None:
    """The FPR limit that every label was tuned to, if they share one."""
    limits = {
        fpr_limit(found.decision.objective) if found.decision is not None else None
        for found in calibration.labels.values()
    }
    return limits.pop() if len(limits) == 1 else None


def _written_stats(calibration: Calibration, thresholds: Mapping[str, float]) -> Json:
    """The rates on the items that each threshold was chosen on, as that tuner has them."""
    trials = {
        label: found.calibration.confusion
        for label, found in sorted(calibration.labels.items())
        if found.calibration is not None
    }
    return {
        label: {"threshold": thresholds[label], **{rate: getattr(counts, rate) for rate in _RATES}}
        for label, counts in trials.items()
        if counts is not None
    }
