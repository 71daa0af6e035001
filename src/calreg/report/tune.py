"""What tuning found: a line per label, first as chosen, then as the holdout judges it.

Warnings stand under the table, because a figure that should not be believed is worse than
none; the last line says what to do next. `--json` has every figure unrounded.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence

from rich.text import Text

from calreg.documents import Confusion, Decision, Trial
from calreg.evaluate import LabelEvidence
from calreg.report.numbers import UNICODE, Signs, count_text, number_text
from calreg.report.table import Column, fits, rows
from calreg.tuning import Caution, Tuned, TunedLabel

__all__ = ["threshold_text", "tune_lines", "warning_lines"]

_MAX_LABELS = 40
_MAX_WARNINGS = 12
# What narrow terminals go without, first to last.
_LESS = (
    {"recall 95 %"},
    {"FPR 95 %"},
    {"direction"},
    {"AUROC"},
    {"precision"},
    {"tp", "fp", "fn", "tn"},
    {"objective"},
    {"positives"},
    {"Brier"},  # the lines below the table have both
    {"ECE15 mass"},
)
# The worst news first; a caution whose code is not named here comes between.
_FIRST = (
    *("tuned_on_holdout", "shared_rows", "split_groups", "other_scale"),
    *("target_missed", "map_worse", "direction"),
)
_LAST = ("no_holdout", "few_positives")

_OF_DECISIONS = {
    *("fires if", "objective", "tp", "fp", "fn", "tn"),
    *("precision", "recall", "F1", "FPR", "recall 95 %", "FPR 95 %"),
}

_Rate = Callable[[Confusion], float]


def threshold_text(decision: Decision | None, *, signs: Signs = UNICODE) -> str:
    """A threshold in full precision, or in words why there is none.

    >>> threshold_text(Decision(None, ">=", "max-f1", "infeasible"))
    'never (infeasible)'
    """
    if decision is None:
        return signs.nothing
    if decision.threshold is None:
        return f"never ({decision.status.replace('_', ' ')})"
    always = " (always)" if decision.status == "fires_always" else ""
    return f"{decision.comparator} {decision.threshold!r}{always}"


def tune_lines(head: str, tuned: Tuned, *, width: int | None, signs: Signs = UNICODE) -> list[Text]:
    """The report of one head, the labels in the order of the table."""
    shown = dict(list(tuned.labels.items())[: _MAX_LABELS if width is not None else None])
    lines = [Text.assemble((head, "bold"), f"  {_title(tuned, signs)}"), Text()]
    columns = _columns(shown, signs)
    for headers in _less(tuned):
        if not fits(columns, width):
            columns = [column for column in columns if column.header not in headers]
    lines += rows(columns, width=width, signs=signs)
    if more := len(tuned.labels) - len(shown):
        lines.append(Text(f"{signs.more} {more:,} more labels (all in a pipe, or --json)", "dim"))
    lines += _overall(tuned, signs)
    lines += _empirical(tuned, signs)
    return [*lines, *warning_lines(tuned.cautions, width=width, signs=signs)]


def _less(tuned: Tuned) -> Sequence[set[str]]:
    """An objective that all labels have stands in the title, and can go first."""
    return _LESS if _one_objective(tuned) is None else ({"objective"}, *_LESS)


def _one_objective(tuned: Tuned) -> str | None:
    decisions = [found.label.decision for found in tuned.labels.values()]
    found = {one.objective if one is not None else "" for one in decisions}
    return (found.pop() or None) if len(found) == 1 else None


def _title(tuned: Tuned, signs: Signs) -> str:
    request = tuned.request
    temperature = tuned.temperature
    return signs.joined(
        [
            request.method if temperature is None else f"temperature {temperature:.6g}",
            request.link if request.link == "softmax" else "",
            _one_objective(tuned) or "",
            "" if request.average == "per-label" else f"one threshold, {request.average}",
            "" if request.guarantee is None else f"FPR guaranteed at {request.guarantee:g}",
        ]
    )


def _columns(labels: Mapping[str, TunedLabel], signs: Signs) -> list[Column]:
    """Two lines per label where there is a holdout; the label stands on the first."""
    lines = [
        (label, found, name, evidence)
        for label, found in labels.items()
        for name, evidence in (("calibration", found.calibration), ("holdout", found.holdout))
        if evidence is not None
    ]
    first = [name == "calibration" for _, _, name, _ in lines]
    trials = [evidence.trial for *_, evidence in lines]

    def once(texts: Sequence[str]) -> list[str]:
        return [text if here else "" for text, here in zip(texts, first, strict=True)]

    decisions = [found.label.decision for _, found, _, _ in lines]
    columns = [
        Column("label", once([label for label, *_ in lines]), can_shrink=True),
        Column("fires if", once([threshold_text(one, signs=signs) for one in decisions])),
        Column("direction", once([str(found.label.direction) for _, found, _, _ in lines])),
        Column("objective", once([one.objective if one else signs.nothing for one in decisions])),
        Column("on", [name for _, _, name, _ in lines]),
        *_counts(trials, signs),
        *_rates(trials, signs),
        *_intervals([evidence for *_, evidence in lines], signs),
        *_figures([evidence for *_, evidence in lines], signs),
    ]
    if all(one is None for one in decisions):
        return [column for column in columns if column.header not in _OF_DECISIONS]
    return columns


def _counts(trials: Sequence[Trial], signs: Signs) -> list[Column]:
    def count(trial: Trial, name: str) -> str:
        found = trial.confusion
        return count_text(getattr(found, name) if found else None, signs=signs)

    return [
        Column("positives", [count_text(trial.positives) for trial in trials], is_right=True),
        *(
            Column(name, [count(trial, name) for trial in trials], is_right=True)
            for name in ("tp", "fp", "fn", "tn")
        ),
    ]


def _rates(trials: Sequence[Trial], signs: Signs) -> list[Column]:
    rates: Mapping[str, _Rate] = {
        "precision": lambda c: c.precision,
        "recall": lambda c: c.recall,
        "F1": lambda c: c.f1,
        "FPR": lambda c: c.fpr,
    }

    def cell(trial: Trial, rate: _Rate) -> str:
        found = trial.confusion
        return number_text(rate(found) if found else None, signs=signs)

    return [
        Column(name, [cell(trial, rate) for trial in trials], is_right=True)
        for name, rate in rates.items()
    ]


def _intervals(evidence: Sequence[LabelEvidence], signs: Signs) -> list[Column]:
    """Where recall and FPR lie with 95 % confidence, by Clopper and Pearson."""

    def cell(found: LabelEvidence, rate: str) -> str:
        interval = found.intervals.get(rate)
        return signs.nothing if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"

    return [
        Column(f"{name} 95 %", [cell(found, rate) for found in evidence], is_right=True)
        for name, rate in (("recall", "recall"), ("FPR", "fpr"))
    ]


def _figures(evidence: Sequence[LabelEvidence], signs: Signs) -> list[Column]:
    names = {"AUROC": "auroc", "NLL": "nll", "Brier": "brier", "ECE15 mass": "ece15_equal_mass"}
    figures = [found.trial.figures for found in evidence]
    return [
        Column(header, [_figure(known.get(name), signs) for known in figures], is_right=True)
        for header, name in names.items()
        if any(name in known for known in figures)
    ]


def _figure(value: float | None, signs: Signs) -> str:
    """A figure with three decimals; what rounding left of a zero is one.

    >>> _figure(5e-17, UNICODE), _figure(0.02, UNICODE)
    ('0.000', '0.020')
    """
    return number_text(0.0 if value is not None and abs(value) < 1e-9 else value, signs=signs)


def _overall(tuned: Tuned, signs: Signs) -> list[Text]:
    """All labels in a line per set: decisions, and probabilities before and after."""
    lines = []
    for name in ("calibration", "holdout"):
        found = tuned.overall.get(name) or {}
        parts = [
            f"{text} {number_text(found[key], digits=4, signs=signs)}"
            for text, key in (("micro-F1", "micro_f1"), ("macro-F1", "macro_f1"))
            if key in found and len(tuned.labels) > 1
        ]
        parts += [
            _before_and_after(text, found, key, signs)
            for text, key in (("NLL", "nll"), ("Brier", "brier"), ("ECE15", "ece15_equal_mass"))
            if key in found
        ]
        if "ece15_equal_mass_perfect" in found:
            perfect = number_text(found["ece15_equal_mass_perfect"], signs=signs)
            parts.append(f"a perfect model's ECE15 here {perfect}")
        if parts:
            lines.append(Text(f"all labels on {name}: {signs.joined(parts)}"))
    return [Text(), *lines] if lines else []


def _before_and_after(text: str, found: Mapping[str, float], key: str, signs: Signs) -> str:
    before = found.get(f"{key}_before")
    after = _figure(found[key], signs)
    if before is None:
        return f"{text} {after}"
    return f"{text} {_figure(before, signs)} {signs.arrow} {after}"


def _empirical(tuned: Tuned, signs: Signs) -> list[Text]:
    """What the plain optimum would have been where a guarantee chose another one."""
    lines = []
    for label, found in tuned.labels.items():
        plain = found.empirical
        if plain is None or found.label.decision is None:
            continue
        counts = plain.confusion
        where = "never" if plain.threshold is None else repr(plain.threshold)
        parts = [
            f"recall {counts.recall:.3f}",
            f"FPR {counts.fpr:.4f}",
            "fresh items exceed its limit about every second time",
        ]
        lines.append(Text(f"{label}: without the guarantee {where}, {signs.joined(parts)}", "dim"))
    return [Text(), *lines] if lines else []


def warning_lines(
    cautions: Sequence[Caution], *, width: int | None = None, signs: Signs = UNICODE
) -> list[Text]:
    """The warnings, the gravest first; the rest is a count."""
    if not cautions:
        return []
    ordered = sorted(cautions, key=_gravity)
    lines = [Text()]
    for caution in ordered[:_MAX_WARNINGS]:
        subject = f"{caution.label}: " if caution.label is not None else ""
        first, *rest = _wrapped(f"{subject}{caution.message}", width)
        lines.append(Text.assemble(("! ", "yellow"), first))
        lines += [Text(f"  {line}") for line in rest]
    more = len(ordered) - _MAX_WARNINGS
    if more > 0:
        lines.append(Text(f"{signs.more} {more:,} more warnings (all with --json)", "dim"))
    return lines


def _wrapped(text: str, width: int | None) -> list[str]:
    """Lines that fit beside the mark; one line in a pipe."""
    return [text] if width is None else textwrap.wrap(text, max(width - 2, 20)) or [""]


def _gravity(caution: Caution) -> int:
    if caution.code.startswith(_FIRST):
        return 0
    return 2 if caution.code in _LAST else 1
