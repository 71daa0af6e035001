"""Blocks decisions whose figures, computed from scores with truth, are not what is stored.

Counts in a document are a claim. With `--holdout DATA` the gate computes them again: where the
stored trial is of these very items, counts must be equal; in any case the policy is asked of
what was computed here, and F1 is compared with the reference's on the same items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from calreg.documents import Calibration, Confusion, LabelCalibration
from calreg.errors import CalregError
from calreg.evaluate import confusion_of, ece
from calreg.gate.case import Case
from calreg.gate.figures import drop_problem, figures_of, has_probabilities, limit_problems
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.labelled import LabelledColumn, LabelledScores
from calreg.methods import apply_head, fires, is_shared
from calreg.names import HeadName

__all__ = ["RULE", "check"]

_WHERE = "on the holdout given"


def check(case: Case) -> Iterator[Said]:
    """Every head whose reference changes and that decides, on the scores that were given."""
    if case.holdout is None:
        return
    for name, before, after in case.comparisons():
        if not any(label.decision is not None for label in after.labels.values()):
            continue
        scores = case.holdout.heads.get(name.full)
        if scores is None:
            yield Said(
                "decides, and the holdout has no scores of it",
                name.reference_path,
                name.full,
                severity="warning",
            )
            continue
        yield from _head(case, name, (before, after), scores)


def _head(
    case: Case,
    name: HeadName,
    sides: tuple[Calibration | None, Calibration],
    scores: LabelledScores,
) -> Iterator[Said]:
    before, after = sides
    try:
        with np.errstate(all="ignore"):
            now = _tried(after, scores)
            then = _tried(before, scores) if before is not None else {}
    except (CalregError, ArithmeticError, ValueError) as error:
        message = error.message if isinstance(error, CalregError) else str(error)
        yield Said(f"cannot be tried on the holdout: {message}", name.reference_path, name.full)
        return
    for label, found in after.labels.items():
        for problem, is_chance in _label(case, name, label, found, now, then, scores):
            yield Said(
                f"label {label!r}: {problem}",
                name.reference_path,
                name.full,
                severity="note" if is_chance else None,
                pointer=("labels", label),
            )


_Tried = Mapping[str, tuple[Confusion | None, float | None]]


def _label(
    case: Case,
    name: HeadName,
    label: str,
    found: LabelCalibration,
    now: _Tried,
    then: _Tried,
    scores: LabelledScores,
) -> Iterator[tuple[str, bool]]:
    if found.decision is None and not has_probabilities(found):
        return
    if label not in now:
        yield "has no scores in the holdout", False
        return
    if found.is_logit is not None and found.is_logit != scores.is_logit:
        yield f"was tuned with is_logit {found.is_logit}, the holdout has {scores.is_logit}", False
        return
    confusion, error = now[label]
    for problem in limit_problems(found, figures_of(confusion, error), case.policy(name), _WHERE):
        yield problem, False
    stored = found.holdout.confusion if found.holdout is not None else None
    is_same = found.holdout is not None and found.holdout.digest == scores.digest(label)
    if is_same and None not in (stored, confusion) and stored != confusion:
        yield f"stores {_counts(stored)}, these items give {_counts(confusion)}", False
    old = then.get(label, (None, None))[0]
    if confusion is not None and old is not None:
        fallen = drop_problem(old, confusion, case.policy(name), _WHERE)
        if fallen is not None:
            yield fallen


def _counts(confusion: Confusion | None) -> str:
    if confusion is None:
        return "no counts"
    return f"tp {confusion.tp}, fp {confusion.fp}, fn {confusion.fn}, tn {confusion.tn}"


def _tried(calibration: Calibration, scores: LabelledScores) -> _Tried:
    """Counts and calibration error of each label that has scores."""
    labels = {label: found for label, found in calibration.labels.items() if label in scores.labels}
    if is_shared(calibration.labels):
        return _tried_together(calibration, {label: scores.labels[label] for label in labels})
    return {
        label: _of_label({label: found}, label, {label: scores.labels[label]})
        for label, found in labels.items()
    }


def _tried_together(
    calibration: Calibration, columns: Mapping[str, LabelledColumn]
) -> dict[str, tuple[Confusion | None, float | None]]:
    """A softmax takes items of which every label has a score."""
    shared: np.ndarray | None = None
    for column in columns.values():
        shared = column.rows if shared is None else np.intersect1d(shared, column.rows)
    rows = np.array([], np.intp) if shared is None else shared
    kept = {}
    for label, column in columns.items():
        at = np.isin(column.rows, rows)
        kept[label] = LabelledColumn(column.scores[at], column.truth[at], column.rows[at])
    return {label: _of_label(calibration.labels, label, kept) for label in kept}


def _of_label(
    labels: Mapping[str, LabelCalibration], label: str, columns: Mapping[str, LabelledColumn]
) -> tuple[Confusion | None, float | None]:
    found, truth = labels[label], columns[label].truth
    scores = {name: column.scores.astype(np.float64) for name, column in columns.items()}
    output = apply_head(labels, scores)[label] if has_probabilities(found) else None
    confusion = error = None
    if found.decision is not None:
        confusion = confusion_of(fires(found, scores[label], output=output), truth)
    if output is not None and truth.size:
        error = ece(output, truth).value
    return confusion, error


RULE = Rule("holdout", "figures computed from scores", "error", "error", check)
