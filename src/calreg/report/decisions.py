"""When labels fire, in words and columns: what `show`, `diff`, `history` and `run` say of it.

A label that never fires says so; a blank would read as "not known". Rates go from the items
that a decision was chosen on to those kept apart: the second number is the one to believe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import repeat
from typing import Any, TypeAlias

from rich.text import Text

from calreg.decisions import METHOD_CHANGED, PROBABILITY_SHIFT, THRESHOLD_SHIFT, DecisionShift
from calreg.documents import Confusion, DecisionRow, LabelCalibration, Trial
from calreg.plan.message import one_line
from calreg.report.numbers import UNICODE, Signs, limited_text, number_text
from calreg.report.table import Column, fits, rows

__all__ = [
    "change_lines",
    "decision_json",
    "decision_lines",
    "fires_text",
    "head_columns",
    "is_plain",
    "method_text",
    "probability_text",
    "shift_columns",
    "shift_words",
]

Labels: TypeAlias = Mapping[str, LabelCalibration]

Moved: TypeAlias = Mapping[str, DecisionShift | None]
_Pair: TypeAlias = tuple[LabelCalibration | None, LabelCalibration | None]

_DIGITS = 4
_MAX_OBJECTIVE = 60
# What narrow terminals show below the table; numbers only where they are those of all labels.
_LESS = ("recall", "objective", "method", "Brier", "direction", "FPR")
_NUMBERS = ("recall", "Brier", "FPR")
_RATES: Mapping[str, Callable[[Confusion], float]] = {
    "F1": lambda found: found.f1,
    "FPR": lambda found: found.fpr,
    "recall": lambda found: found.recall,
}


def is_plain(labels: Labels) -> bool:
    """Whether nothing but rescaling is done with a head's scores."""
    return all(label.method == "minmax" for label in labels.values())


# --- one label in words -------------------------------------------------------------------


def method_text(label: LabelCalibration) -> str:
    """The method with its parameters, as short as they can be said."""
    parameters = label.parameters
    words = {
        "temperature": "temperature {temperature:.5g}, {link} of {scale} scores",
        "platt": "platt, slope {slope:.4g}, intercept {intercept:.4g}",
        "beta": "beta, a {a:.4g}, b {b:.4g}, c {c:.4g}",
        "factor": "factor {factor:.4g}",
    }
    if label.method in words:
        return words[label.method].format(**parameters)
    knots = {"isotonic": ("x", "knots"), "histogram": ("values", "bins")}
    if label.method in knots:
        name, what = knots[label.method]
        values = parameters[name]
        return f"{label.method}, {len(values) if isinstance(values, tuple) else 1} {what}"
    return label.method


def fires_text(label: LabelCalibration, *, signs: Signs = UNICODE) -> str:
    """When a label fires, `never` included, and the raw score at which its output does so."""
    decision = label.decision
    if decision is None:
        return signs.nothing
    if decision.threshold is None:
        return "never"
    text = f"{decision.comparator} {number_text(decision.threshold, digits=_DIGITS)}"
    if decision.score_threshold is None:
        return text
    sign = "<=" if label.direction == "lower" else ">="
    return f"{text}, score {sign} {number_text(decision.score_threshold, digits=_DIGITS)}"


def _status(label: LabelCalibration, signs: Signs) -> Text:
    if label.decision is None:
        return Text(signs.nothing)
    words = label.decision.status.replace("_", " ")
    return Text(words) if words == "ok" else Text(words, "yellow")


def _objective(label: LabelCalibration, signs: Signs) -> str:
    decision = label.decision
    if decision is None:
        return signs.nothing
    average = "" if decision.average == "per-label" else f" ({decision.average})"
    guarantee = "" if decision.guarantee is None else f", guaranteed at {decision.guarantee:g}"
    # Of a document from elsewhere it may be any text.
    return f"{one_line(decision.objective, limit=_MAX_OBJECTIVE)}{average}{guarantee}"


def _trend(before: float | None, after: float | None, signs: Signs) -> str:
    """Calibration → holdout, or the one of them that there is."""
    if before is None and after is None:
        return signs.nothing
    if after is None:
        return number_text(before)
    return f"{number_text(before, signs=signs)} {signs.arrow} {number_text(after)}"


def _rate(trial: Trial | None, rate: Callable[[Confusion], float]) -> float | None:
    return None if trial is None or trial.confusion is None else rate(trial.confusion)


def _rates(label: LabelCalibration, name: str, signs: Signs) -> str:
    rate = _RATES[name]
    return _trend(_rate(label.calibration, rate), _rate(label.holdout, rate), signs)


def _brier(label: LabelCalibration, signs: Signs) -> str:
    before, after = (
        None if trial is None else trial.figures.get("brier")
        for trial in (label.calibration, label.holdout)
    )
    return _trend(before, after, signs)


# --- one head -----------------------------------------------------------------------------


def decision_lines(labels: Labels, *, width: int | None, signs: Signs = UNICODE) -> list[Text]:
    """A table of what the labels do, and below it what is the same for all of them."""
    found = list(labels.values())
    columns = [
        Column("label", list(labels), can_shrink=True),
        Column("method", [method_text(label) for label in found]),
        Column("fires", [fires_text(label, signs=signs) for label in found]),
        Column("status", [_status(label, signs) for label in found]),
        Column("direction", [label.direction or signs.nothing for label in found]),
        Column("objective", [_objective(label, signs) for label in found]),
        *(Column(name, [_rates(label, name, signs) for label in found]) for name in _RATES),
        Column("Brier", [_brier(label, signs) for label in found]),
    ]
    columns = [column for column in columns if set(map(str, column.cells)) != {signs.nothing}]
    below: list[Text] = []
    for header in _LESS:
        if fits(columns, width):
            break
        taken = [column for column in columns if column.header == header]
        columns = [column for column in columns if column.header != header]
        below += [line for column in taken for line in _below(column, list(labels))]
    lines = rows(columns, width=width, signs=signs)
    return [*lines, Text(), *below] if below else lines


def _below(column: Column, labels: Sequence[str]) -> list[Text]:
    """What a column says, by line instead: of words all, of numbers those of all labels."""
    by_text: dict[str, list[str]] = {}
    for label, cell in zip(labels, column.cells, strict=True):
        by_text.setdefault(str(cell), []).append(label)
    if len(by_text) == 1:
        return [Text(f"{column.header:<11}{text}") for text in by_text]
    if column.header in _NUMBERS:
        return []
    return [Text(f"{column.header:<11}{text}: {', '.join(some)}") for text, some in by_text.items()]


def decision_json(label: LabelCalibration) -> dict[str, Any]:
    """What a label does and how that did, for programs; rates are None without counts."""
    trials = {"calibration": label.calibration, "holdout": label.holdout}
    return {
        "method": label.method,
        "direction": label.direction,
        **(label.decision.to_json() if label.decision is not None else {}),
        **{name: _trial_json(trial) for name, trial in trials.items() if trial is not None},
    }


def _trial_json(trial: Trial) -> dict[str, Any]:
    rates = {name.lower(): _rate(trial, rate) for name, rate in _RATES.items()}
    return {**trial.to_json(), **rates, "precision": _rate(trial, lambda found: found.precision)}


# --- many heads ---------------------------------------------------------------------------


def head_columns(heads: Sequence[Labels], signs: Signs) -> list[Column]:
    """What each of many heads does: its method, when it fires, its mean F1 and FPR."""
    return [
        Column("method", [_methods(labels) for labels in heads], can_shrink=True),
        Column("fires", [_fires(labels, signs) for labels in heads]),
        *(
            Column(name, [_mean_rates(labels, name, signs) for labels in heads])
            for name in ("F1", "FPR")
        ),
    ]


def _methods(labels: Labels) -> str:
    return ", ".join(sorted({label.method for label in labels.values()}))


def _fires(labels: Labels, signs: Signs) -> str:
    """The threshold of a head's one label; of several how many have none."""
    deciding = [label for label in labels.values() if label.decision is not None]
    if len(labels) == 1 and deciding:
        return _fires_of_one(deciding[0], signs)
    never = sum(
        label.decision is not None and label.decision.threshold is None for label in deciding
    )
    if not deciding:
        return signs.nothing
    return f"{len(deciding) - never} of {len(labels)}" + (f", {never} never" if never else "")


def _fires_of_one(label: LabelCalibration, signs: Signs) -> str:
    text = fires_text(label, signs=signs).partition(",")[0]
    status = _status(label, signs).plain
    falls = label.direction == "lower" and not text.startswith("<=")
    notes = [status if status != "ok" else "", "lower" if falls else ""]
    return text + "".join(f" ({note})" for note in notes if note)


def _mean_rates(labels: Labels, name: str, signs: Signs) -> str:
    found = labels.values()
    before = _mean([_rate(label.calibration, _RATES[name]) for label in found])
    after = _mean([_rate(label.holdout, _RATES[name]) for label in found])
    return _trend(before, after, signs)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


# --- what moved ---------------------------------------------------------------------------


def shift_words(moved: DecisionRow, *, signs: Signs = UNICODE) -> str:
    """How far a decision moved: the shift, and what is another than before.

    >>> limits = {"threshold_shift": 0.01, "probability_shift": 0.01}
    >>> shift_words(DecisionRow(0.05, None, None, None, None, ("objective", "method"), limits))
    '0.050, other objective'
    """
    changes = [word for change, word in _CHANGES.items() if change in moved.changes]
    if "threshold" in moved.changes:
        changes = [word for word in changes if word != _CHANGES["status"]]
    if moved.threshold_shift is None and changes:
        return ", ".join(dict.fromkeys(changes))
    number = limited_text(moved.threshold_shift, moved.limits[THRESHOLD_SHIFT], signs=signs)
    return ", ".join([number, *dict.fromkeys(changes)])


# A changed method has a sign of its own; that a status changed with the threshold is no news.
_CHANGES: Mapping[str, str] = {
    "threshold": "came or went",
    "decision": "came or went",
    "direction": "other direction",
    "objective": "other objective",
    "status": "other status",
}


def change_lines(
    labels: Sequence[str],
    old: Labels,
    new: Labels,
    moved: Moved,
    limits: Mapping[str, float],
    *,
    width: int | None,
    signs: Signs = UNICODE,
) -> list[Text]:
    """From old to new: method, raw score cut, rates on the same holdout, shifts and limits.

    There is no rate where the two were not tried on the same holdout.
    """
    pairs = [(old.get(label), new.get(label)) for label in labels]
    shifts = [moved.get(label) for label in labels]
    found = [None if shift is None else _row(shift, limits) for shift in shifts]
    failed = [() if shift is None else shift.failures(limits) for shift in shifts]
    shown_shifts = [
        replace(column, cells=[*column.cells, Text(f"{limits[name]:g}", "dim")])
        for name, column in _shift_columns(found, failed, signs).items()
    ]
    method = Column("method", [*(_method_change(pair, signs) for pair in pairs), ""])

    def columns(rate_text: Callable[..., str]) -> list[Column]:
        made = [
            Column("label", [*labels, "stable below"], can_shrink=True),
            Column("fires", [*(_before_after(pair, _cut_text, signs) for pair in pairs), ""]),
            *(
                Column(name, [*map(rate_text, pairs, shifts, repeat(name), repeat(signs)), ""])
                for name in _RATES
            ),
            *shown_shifts,
        ]
        return [column for column in made if {*map(str, column.cells)} != {signs.nothing, ""}]

    wide = columns(_rate_change)
    if fits([wide[0], method, *wide[1:]], width):
        return rows([wide[0], method, *wide[1:]], width=width, signs=signs)
    shown = wide if fits(wide, width) else columns(_rate_brief)
    below = _below(replace(method, cells=method.cells[:-1]), labels)
    return [*rows(shown, width=width, signs=signs), Text(), *below]


def _row(shift: DecisionShift, limits: Mapping[str, float]) -> DecisionRow:
    """As it would stand in a run with these limits."""
    named = {part.name: getattr(shift, part.name) for part in fields(shift)}
    return DecisionRow(**named, limits=limits)


def _before_after(pair: _Pair, text_of: Callable[[LabelCalibration], str], signs: Signs) -> str:
    before, after = (signs.nothing if label is None else text_of(label) for label in pair)
    return before if before == after else f"{before} {signs.arrow} {after}"


def _method_change(pair: _Pair, signs: Signs) -> str:
    """The method before and after; of one that stayed, only the parameters that did not."""
    old, new = pair
    if old is None or new is None or old.method != new.method:
        return _before_after(pair, method_text, signs)
    parts = zip(method_text(old).split(", "), method_text(new).split(", "), strict=True)
    return ", ".join(_part_change(before, after, signs) for before, after in parts)


def _part_change(before: str, after: str, signs: Signs) -> str:
    """A name is not said twice: `slope 1 → 2`."""
    if before == after:
        return before
    named, _, number = after.rpartition(" ")
    same = before.rpartition(" ")[0] == named
    return f"{before} {signs.arrow} {number if same else after}"


def _cut_text(label: LabelCalibration) -> str:
    """When it fires by the raw score, by which shifts are measured, where that is known."""
    decision = label.decision
    if decision is None:
        return "no threshold"
    if decision.threshold is None:
        return "never"
    sign = "<=" if label.direction == "lower" else ">="
    if decision.score_threshold is not None:
        return f"{sign} {number_text(decision.score_threshold, digits=_DIGITS)}"
    what = "" if label.method == "threshold" else "probability "
    return f"{what}{decision.comparator} {number_text(decision.threshold, digits=_DIGITS)}"


def _rate_brief(_pair: _Pair, shift: DecisionShift | None, name: str, signs: Signs) -> str:
    change = None if shift is None else getattr(shift, f"{name.lower()}_change")
    return signs.nothing if change is None else f"{change:+.3f}"


def _rate_change(pair: _Pair, shift: DecisionShift | None, name: str, signs: Signs) -> str:
    old, new = pair
    change = None if shift is None else getattr(shift, f"{name.lower()}_change")
    if change is None or old is None or new is None:
        return signs.nothing
    before, after = (_rate(label.holdout, _RATES[name]) for label in (old, new))
    return f"{_trend(before, after, signs)} ({change:+.3f})"


def shift_columns(
    moved: Sequence[DecisionRow | None],
    failed: Sequence[Sequence[str]],
    *,
    signs: Signs = UNICODE,
) -> list[Column]:
    """How far decisions and probabilities moved, one row each; no column where none could.

    Args:
        moved: A row's decision; None where it has none.
        failed: What failed of the row.
        signs: What the stream can show.
    """
    return list(_shift_columns(moved, failed, signs).values())


def _shift_columns(
    moved: Sequence[DecisionRow | None], failed: Sequence[Sequence[str]], signs: Signs
) -> dict[str, Column]:
    known = [row for row in moved if row is not None]
    columns = {}
    if any(row.threshold_shift is not None or row.changes for row in known):
        cells = [_shift_cell(*row, signs) for row in zip(moved, failed, strict=True)]
        columns[THRESHOLD_SHIFT] = Column("threshold", cells)
    if any(row.probability_shift is not None for row in known):
        cells = [_probability_cell(*row, signs) for row in zip(moved, failed, strict=True)]
        columns[PROBABILITY_SHIFT] = Column("probability", cells)
    return columns


def _shift_cell(moved: DecisionRow | None, failed: Sequence[str], signs: Signs) -> Text:
    """The shift, marked with colour and sign where it failed; a changed method is named."""
    if moved is None:
        return Text(signs.nothing)
    words = shift_words(moved, signs=signs)
    parts = [Text(words)]
    if THRESHOLD_SHIFT in failed:
        parts = [Text(f"{words} {signs.failed}", "red")]
    if METHOD_CHANGED in failed:
        parts = [*(parts if words != signs.nothing else []), Text(f"method {signs.failed}", "red")]
    return Text(" ").join(parts)


def _probability_cell(moved: DecisionRow | None, failed: Sequence[str], signs: Signs) -> Text:
    if moved is None:
        return Text(signs.nothing)
    text = probability_text(moved, signs=signs)
    return Text(f"{text} {signs.failed}", "red") if PROBABILITY_SHIFT in failed else Text(text)


def probability_text(moved: DecisionRow, *, signs: Signs = UNICODE) -> str:
    """How far probabilities moved, never rounded onto the limit."""
    return limited_text(moved.probability_shift, moved.limits[PROBABILITY_SHIFT], signs=signs)
