"""What a comparison found: one table, the rule and its choice, and why the others lose.

The recommended option stands first, then those that keep the rule, then those that break
it, then those that could not be tuned. The same columns make the table of a terminal and
that of a Markdown file. `--json` has every figure unrounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from calreg.documents import Json
from calreg.evaluate import LabelEvidence
from calreg.report.numbers import UNICODE, Signs, count_text, number_text, plural
from calreg.report.table import Column, fits, rows
from calreg.report.tune import threshold_text, warning_lines
from calreg.tuning import Caution
from calreg.tuning.compare import Comparison, Tried
from calreg.tuning.figures import Together, figure_of_labels
from calreg.tuning.rebalance import REASONS

__all__ = ["compare_lines", "compare_markdown"]

_MAX_LABELS = 6
_MAX_NAMES = 3
_FIGURES = ("precision", "recall", "f1", "fpr", "nll", "brier", "ece15_equal_mass")
_HEADERS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "fpr": "FPR",
    "nll": "NLL",
    "brier": "Brier",
    "ece15_equal_mass": "ECE15 mass",
}
_LESS = (
    {"ECE15 mass", "Brier"},
    {"method"},
    {"FPR interval"},
    {"fires if"},
    {"NLL", "rows"},
    {"precision"},
    {"verdict"},
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the table: an option as a whole, or one label of it."""

    tried: Tried
    label: str | None
    is_first: bool


def compare_lines(
    head: str,
    comparison: Comparison,
    *,
    holdout_rows: int,
    width: int | None,
    signs: Signs = UNICODE,
) -> list[Text]:
    """The report for a terminal."""
    title = f"  {_title(comparison, holdout_rows)}"
    lines = [Text.assemble((head, "bold"), title), Text()]
    columns = _columns(comparison, signs)
    for headers in _LESS:
        if not fits(columns, width):
            columns = [column for column in columns if column.header not in headers]
    lines += rows(columns, width=width, signs=signs)
    lines += [Text(), Text(_recommendation(comparison), "bold")]
    for name, reasons in comparison.reasons.items():
        is_close = name in comparison.not_clearly_worse
        sign = (f"{signs.about} ", "yellow") if is_close else (f"{signs.failed} ", "red")
        lines.append(Text.assemble(sign, f"{name}: {'; '.join(reasons)}"))
    if added := _added(comparison, signs):
        lines += [Text(), *map(Text, added)]
    grave = [*comparison.cautions, *_by_options(comparison, _of_pools)]
    lines += warning_lines(grave, width=width, signs=signs)
    others = warning_lines(_by_options(comparison, _of_tuning), width=width, signs=signs)
    return [*lines, *(others[1:] if grave else others)]


def compare_markdown(head: str, comparison: Comparison, *, holdout_rows: int) -> str:
    """The report as a Markdown page."""
    columns = _columns(comparison, UNICODE)
    header = [_cell(column.header) for column in columns]
    rule = ["---:" if column.is_right else "---" for column in columns]
    body = zip(*([_cell(str(cell)) for cell in column.cells] for column in columns), strict=True)
    lines = [f"# {_escaped(head)}: {_title(comparison, holdout_rows)}", ""]
    lines += [f"| {' | '.join(row)} |" for row in (header, rule, *body)]
    lines += ["", f"**{_escaped(_recommendation(comparison))}**", ""]
    lines += [
        f"- {_escaped(name)}: {_escaped('; '.join(why))}"
        for name, why in comparison.reasons.items()
    ]
    for title, texts in (
        ("Rows from a pool", _added(comparison, UNICODE)),
        ("Warnings", [_warning(caution) for caution in _every_caution(comparison)]),
    ):
        if texts:
            lines += ["", f"## {title}", "", *(f"- {_escaped(text)}" for text in texts)]
    return "\n".join(lines).rstrip() + "\n"


def _title(comparison: Comparison, holdout_rows: int) -> str:
    options = plural(len(comparison.tried), "option")
    return f"{options} on one holdout of {plural(holdout_rows, 'row')}"


def _recommendation(comparison: Comparison) -> str:
    derived = ", as the objectives imply" if comparison.rule.is_derived else ""
    rule = f"{comparison.rule.text}{derived}"
    if comparison.recommended is None:
        return f"Recommended: none. No option keeps the rule: {rule}"
    value = number_text(comparison.values[comparison.recommended])
    return f"Recommended: {comparison.recommended} ({value}). The rule: {rule}"


# --- the table ------------------------------------------------------------------------------


def _columns(comparison: Comparison, signs: Signs) -> list[Column]:
    lines = _lines(comparison)
    first = [line.is_first for line in lines]

    def once(texts: Sequence[str]) -> list[str]:
        return [text if here else "" for text, here in zip(texts, first, strict=True)]

    columns = [
        Column("option", once([line.tried.option.name for line in lines]), can_shrink=True),
        Column("method", once([line.tried.option.request.method for line in lines])),
        Column("rows", once([count_text(line.tried.rows) for line in lines]), is_right=True),
        Column("on the holdout", [_subject(line) for line in lines], can_shrink=True),
        Column("fires if", [_fires(line, signs) for line in lines]),
        *_figure_columns(comparison, lines, signs),
        Column("verdict", once([_verdict(comparison, line.tried.option.name) for line in lines])),
    ]
    return [column for column in columns if any(map(str, column.cells))]


def _lines(comparison: Comparison) -> list[_Line]:
    found = []
    for name in _ranked(comparison):
        tried = comparison.tried[name]
        labels = list(tried.holdout)
        found.append(_Line(tried, labels[0] if len(labels) == 1 else None, is_first=True))
        if 1 < len(labels) <= _MAX_LABELS:
            found += [_Line(tried, label, is_first=False) for label in labels]
    return found


def _ranked(comparison: Comparison) -> list[str]:
    is_high = comparison.rule.best.figure.is_better_high
    breaking = {
        name for name in comparison.reasons if _verdict(comparison, name) in {"ruled out", "failed"}
    }

    def place(name: str) -> tuple[bool, bool, bool, float]:
        value = comparison.values[name]
        good = 0.0 if value is None else value
        return (
            name != comparison.recommended,
            name in breaking,
            comparison.tried[name].tuned is None,
            -good if is_high else good,
        )

    return sorted(comparison.tried, key=place)


def _verdict(comparison: Comparison, name: str) -> str:
    if name == comparison.recommended:
        return "recommended"
    if comparison.tried[name].tuned is None:
        return "failed"
    if name in comparison.not_clearly_worse:
        return "not clearly worse"
    return "worse" if name in comparison.keeping else "ruled out"


def _subject(line: _Line) -> str:
    if line.tried.tuned is None:
        return ""
    return line.label if line.label is not None else "mean of labels"


def _fires(line: _Line, signs: Signs) -> str:
    tuned = line.tried.tuned
    if tuned is None or line.label is None:
        return ""
    decision = tuned.labels[line.label].label.decision
    return "" if decision is None else threshold_text(decision, signs=signs)


def _figure_columns(comparison: Comparison, lines: Sequence[_Line], signs: Signs) -> list[Column]:
    columns = []
    for name in _FIGURES:
        mean = figure_of_labels(f"macro_{name}")
        columns.append(_numbers(_HEADERS[name], [_value(line, mean) for line in lines], signs))
        if name == "fpr":
            cells = [_fpr_interval(line) for line in lines]
            columns.append(Column("FPR interval", cells))
    best = comparison.rule.best
    if best.how != "macro" or best.figure.name not in _FIGURES:
        values = [comparison.values[line.tried.option.name] for line in lines]
        shown = [
            value if line.is_first else None for value, line in zip(values, lines, strict=True)
        ]
        columns.append(_numbers(best.words, shown, signs))
    return columns


def _numbers(header: str, values: Sequence[float | None], signs: Signs) -> Column:
    texts = ["" if value is None else number_text(value, signs=signs) for value in values]
    return Column(header, texts, is_right=True)


def _value(line: _Line, mean: Together) -> float | None:
    return mean.of(_evidence(line))


def _evidence(line: _Line) -> Mapping[str, LabelEvidence]:
    every = line.tried.holdout
    return every if line.label is None else {line.label: every[line.label]}


def _fpr_interval(line: _Line) -> str:
    if line.label is None:
        return ""
    found = line.tried.holdout[line.label].intervals.get("fpr")
    return "" if found is None else f"{found[0]:.3f} to {found[1]:.3f}"


# --- below the table ------------------------------------------------------------------------


def _added(comparison: Comparison, signs: Signs) -> list[str]:
    return [
        f"{name}: {_step_text(step.meta, signs)}"
        for name, tried in comparison.tried.items()
        for step in tried.steps
    ]


def _step_text(meta: Json, signs: Signs) -> str:
    """What was added, and what became of the other rows of the pool."""
    files = ", ".join(meta["files"])
    if meta["kind"] == "mine":
        what = f"hardest negatives of {meta['label']}"
    else:
        what = f"rows with truth 0 for {', '.join(meta['labels'])}, seed {meta['seed']}"
    left = {"not negative": meta["not_negative"], "incomplete": meta["incomplete"]}
    left |= {REASONS[reason]: count for reason, count in meta["removed"].items()}
    parts = [f"{count:,} {reason}" for reason, count in left.items() if count]
    rest = f"of {meta['pool_rows']:,} rows in {files}: "
    rest += ", ".join([*parts, f"{meta['eligible']:,} eligible"])
    return signs.joined([f"{meta['added']:,} {what}", rest])


def _every_caution(comparison: Comparison) -> list[Caution]:
    own = [*_by_options(comparison, _of_pools), *_by_options(comparison, _of_tuning)]
    return [*comparison.cautions, *own]


def _of_pools(tried: Tried) -> Sequence[Caution]:
    return tried.cautions


def _of_tuning(tried: Tried) -> Sequence[Caution]:
    """What tuning warned of, without what the warning about its pool has said already."""
    cautions = tried.tuned.cautions if tried.tuned is not None else ()
    if not any(caution.code == "pool_trained_on" for caution in tried.cautions):
        return cautions
    said = "shared_rows_calibration_training"
    return [caution for caution in cautions if caution.code != said]


def _by_options(
    comparison: Comparison, cautions_of: Callable[[Tried], Sequence[Caution]]
) -> list[Caution]:
    """Each warning once, with the options that it concerns."""
    tuned = [name for name, tried in comparison.tried.items() if tried.tuned is not None]
    options: dict[Caution, list[str]] = {}
    for name, tried in comparison.tried.items():
        for caution in cautions_of(tried):
            options.setdefault(caution, []).append(name)
    found = []
    for caution, names in options.items():
        shown = "all options" if names == tuned and len(tuned) > 1 else _names(names)
        label = f"{shown}, {caution.label}" if caution.label is not None else shown
        found.append(replace(caution, label=label))
    return found


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _warning(caution: Caution) -> str:
    return caution.message if caution.label is None else f"{caution.label}: {caution.message}"


def _cell(text: str) -> str:
    return _escaped(text).replace("\n", " ")


def _escaped(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> _escaped("a_b|c")
    'a\\_b\\|c'
    """
    return "".join(f"\\{one}" if one in "\\`*_|<>[]#" else one for one in text)
