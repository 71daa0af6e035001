"""Blocks references whose decisions are too bad, worse than before, or without evidence.

F1, false positive rate, recall and precision are computed from the stored counts of the holdout
(or, without one, of the items that the threshold was chosen on) and compared with the base's
policy; so is the calibration error of probabilities. On the same items F1 may not fall by more
than `max_f1_drop`, unless its interval reaches the old one. A figure that is missing fails. Where
a person goes back to a version that the base has left behind, all of it is a warning: the way
back is never barred.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import LabelCalibration, Trial
from calreg.gate.case import Case
from calreg.gate.figures import (
    ECE,
    drop_problem,
    figures_of,
    limit_problems,
    shared_trials,
    trial_of,
)
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.gate.values import Severity
from calreg.names import HeadName

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every label of a reference that changes and does not keep the policy."""
    for name, before, after in case.comparisons():
        goes_back = case.goes_back(name)
        for label, found in after.labels.items():
            old = before.labels.get(label) if before is not None else None
            for problem, severity in _label(case, name, found, old):
                yield Said(
                    f"label {label!r}: {problem}",
                    name.reference_path,
                    name.full,
                    severity="warning" if goes_back and severity is None else severity,
                    hint=_HINT,
                    pointer=("labels", label),
                )


_HINT = "Tune it again; what is asked of it stands below gate in registry.yaml of the base."

_Problem = tuple[str, Severity | None]
"""A problem, and how severe it is if that is less than the rule's default."""


def _label(
    case: Case, name: HeadName, label: LabelCalibration, old: LabelCalibration | None
) -> Iterator[_Problem]:
    if old is not None and old.decision is not None and label.decision is None:
        yield "decided until now, and would decide nothing any more", None
        return
    trial, policy = trial_of(label), case.policy(name)
    confusion = trial.confusion if trial is not None else None
    where = "on the holdout" if label.holdout is not None else "where it was chosen"
    ece = trial.figures.get(ECE) if trial is not None else None
    # A label that was silent before is no worse for staying so.
    as_before: Severity | None = "warning" if _is_silent(label) and _is_silent(old) else None
    for problem in limit_problems(label, figures_of(confusion, ece), policy, where):
        yield problem, as_before
    if confusion is None or label.decision is None:
        return
    if _is_silent(label) and confusion.tp + confusion.fp:
        yield "never fires, and its counts say that it did", None
    yield from _fallen(case, name, label, old)


def _is_silent(label: LabelCalibration | None) -> bool:
    """Whether a label decides, and decides never to fire."""
    return label is not None and label.decision is not None and label.decision.threshold is None


def _fallen(
    case: Case, name: HeadName, label: LabelCalibration, old: LabelCalibration | None
) -> Iterator[_Problem]:
    shared = shared_trials(old, label) if old is not None else None
    if shared is None:
        return
    then, now = shared
    is_holdout = now is label.holdout
    if (now.positives, now.negatives) != (then.positives, then.negatives):
        what = "the same holdout has" if is_holdout else "the same items to choose on have"
        yield f"{what} {_classes(then)} in the reference, and {_classes(now)} here", None
    elif now.confusion is not None and then.confusion is not None:
        where = "on the holdout" if is_holdout else "where it was chosen"
        found = drop_problem(then.confusion, now.confusion, case.policy(name), where)
        if found is not None:
            text, is_chance = found
            yield (f"{text}, within its interval", "note") if is_chance else (text, None)


def _classes(trial: Trial) -> str:
    return f"{trial.positives} positives and {trial.negatives} negatives"


RULE = Rule("decision-quality", "decisions good enough, and no worse", "error", "error", check)
