"""The page of a tuned head: the answer in words, the picture, and its figures as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from calreg.evaluate import LabelEvidence
from calreg.report.numbers import count_text, number_text
from calreg.report.pictures.frame import Page, Table
from calreg.report.pictures.specification import MAX_LABELS
from calreg.report.pictures.words import answer, undrawn_text, worst_first
from calreg.report.tune import threshold_text, warning_lines
from calreg.tuning import Tuned

__all__ = ["tune_page"]


def tune_page(head: str, tuned: Tuned) -> Page:
    """The page of a tuned head.

    Args:
        head: Its full name.
        tuned: What was found.
    """
    warnings = [line.plain for line in warning_lines(tuned.cautions) if line.plain]
    return Page(
        head=head,
        answer=answer(tuned),
        warnings=[line.removeprefix("! ") for line in warnings],
        said=undrawn_text(worst_first(tuned)[MAX_LABELS:]),
        tables=[_table(tuned)],
    )


# --- the table ------------------------------------------------------------------------------

_Cell = Callable[[LabelEvidence], str]


def _count(name: str) -> _Cell:
    return lambda found: count_text(getattr(found.confusion, name) if found.confusion else None)


def _rate(name: str) -> _Cell:
    return lambda found: number_text(getattr(found.confusion, name) if found.confusion else None)


def _figure(name: str) -> _Cell:
    return lambda found: number_text(found.trial.figures.get(name))


_CELLS: dict[str, _Cell] = {
    "positives": lambda found: count_text(found.positives),
    "negatives": lambda found: count_text(found.negatives),
    **{name: _count(name) for name in ("tp", "fp", "fn", "tn")},
    "precision": _rate("precision"),
    "recall": _rate("recall"),
    "F1": _rate("f1"),
    "FPR": _rate("fpr"),
    "AUROC": _figure("auroc"),
    "average precision": _figure("average_precision"),
    "Brier": _figure("brier"),
    "NLL": _figure("nll"),
    "ECE15 equal width": _figure("ece15_equal_width"),
}


def _cells(tuned: Tuned) -> dict[str, _Cell]:
    """The figures that at least one label has."""
    found = [one.calibration for one in tuned.labels.values()]
    nothing = number_text(None)
    return {
        name: cell for name, cell in _CELLS.items() if any(cell(one) != nothing for one in found)
    }


def _table(tuned: Tuned) -> Table:
    cells = _cells(tuned)
    return Table(
        "Every label, as chosen on calibration and as judged on the holdout",
        [("label", True), ("fires if", True), ("on", True), *((name, False) for name in cells)],
        [row for label in tuned.labels for row in _rows(tuned, label, cells)],
    )


def _rows(tuned: Tuned, label: str, cells: Mapping[str, _Cell]) -> list[list[str]]:
    one = tuned.labels[label]
    fires = threshold_text(one.label.decision)
    return [
        [label, fires, on, *(cell(found) for cell in cells.values())]
        for on, found in (("calibration", one.calibration), ("holdout", one.holdout))
        if found is not None
    ]
