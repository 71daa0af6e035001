"""What a run found: one table, worst first, one line that sums up, one that says what next.

Shown are the heads that need a look; the rest is a count. Where the terminal is too narrow
for six metrics, those that failed stand in one column instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text

from calreg.decisions import DECISION_FAILURES, PROBABILITY_SHIFT, THRESHOLD_SHIFT
from calreg.documents import METRICS, HeadRow, ModelRun, RunInputs
from calreg.drift import FACTOR_SHIFT
from calreg.report.decisions import probability_text, shift_columns, shift_words
from calreg.report.factors import factor_column, factor_text
from calreg.report.numbers import (
    UNICODE,
    Signs,
    about_text,
    count_text,
    limited_text,
    number_text,
    plural,
    version_text,
)
from calreg.report.table import Column, fits, rows

__all__ = [
    "METRIC_HEADERS",
    "excluded_lines",
    "failed_text",
    "heads_of",
    "metric_cell",
    "reading_line",
    "run_table",
    "summary_lines",
    "update_text",
    "verdict_cell",
    "verdict_word",
    "worst_first",
]

METRIC_HEADERS: Mapping[str, str] = {
    "apd_p5": "apd p5",
    "apd_p95": "apd p95",
    "srd": "srd",
    "jsd": "jsd",
    "median_drift": "median",
    "iqr_drift": "iqr",
}
_FAILURE_HEADERS = {
    **METRIC_HEADERS,
    THRESHOLD_SHIFT: "threshold",
    PROBABILITY_SHIFT: "probability",
    FACTOR_SHIFT: "factor",
}
_VERDICT_STYLE = {"unstable": "red", "noise?": "yellow", "undecided": "yellow", "stable": "green"}
_MAX_NEW = 40
_MAX_CHANGED = 40
_MAX_STABLE = 3
_MAX_EXCLUDED = 10

Heads = Mapping[str, HeadRow]


def heads_of(models: Iterable[ModelRun]) -> dict[str, HeadRow]:
    """All rows of a run by the head's full name."""
    return {f"{part.model}/{head}": row for part in models for head, row in part.heads.items()}


def worst_first(heads: Heads) -> list[tuple[str, HeadRow]]:
    """Heads by how much somebody should look at them: drift, then noise, then stable ones."""
    rank = {"unstable": 0, "undecided": 1, "stable": 2}

    def order(item: tuple[str, HeadRow]) -> tuple[int, float, str]:
        name, row = item
        return rank[row.verdict], -_largest(row), name

    return sorted(heads.items(), key=order)


def _largest(row: HeadRow) -> float:
    """The largest metric relative to its threshold; one that is not known comes first."""
    if (found := row.factor) is not None:
        shift = found.factor_shift
        return float("inf") if shift is None else shift / found.limits[FACTOR_SHIFT]
    sizes = []
    for name in METRICS:
        value = row.metrics[name]
        sizes.append(float("inf") if value is None else value / row.thresholds[name])
    if (moved := row.decision) is not None:
        sizes += [(getattr(moved, name) or 0.0) / moved.limits[name] for name in moved.limits]
        sizes += [float("inf")] if moved.is_other else []
    return max(sizes)


def reading_line(
    inputs: RunInputs, rejects: Sequence[str], words: Mapping[str, str], signs: Signs = UNICODE
) -> Text:
    """What was read: files, scores, and what was rejected, with the first place."""
    kinds = {"long": "score", "wide": "score", "labelled": "score", "feedback": "pair"}
    what = kinds.get(inputs.kind, "label")  # imports hold no scores
    parts = [plural(len(inputs.files), "file"), plural(inputs.accepted, what)]
    if total := sum(inputs.rejected.values()):
        counts = ", ".join(
            f"{count:,} {words.get(reason, reason)}"
            for reason, count in sorted(inputs.rejected.items(), key=lambda pair: -pair[1])
            if count
        )
        first = f": {rejects[0]}" if rejects else ""
        more = f" {signs.more}" if first and total > 1 else ""
        parts.append(f"{total:,} rejected ({counts}{first}{more})")
    return Text("Read  " + signs.joined(parts))


def run_table(heads: Heads, *, width: int | None, signs: Signs = UNICODE) -> list[Text]:
    """The heads of a run that need a look, new ones last, and a count of the others."""
    compared = {name: row for name, row in heads.items() if row.reference_version is not None}
    new = {name: row for name, row in heads.items() if row.reference_version is None}
    lines = _compared_table(worst_first(compared), width=width, signs=signs) if compared else []
    if new:
        lines += [Text()] if lines else []
        lines += _new_table(sorted(new.items()), width=width, signs=signs)
    return lines


def _compared_table(
    ordered: Sequence[tuple[str, HeadRow]], *, width: int | None, signs: Signs
) -> list[Text]:
    changed = [item for item in ordered if not item[1].is_stable]
    stable = [item for item in ordered if item[1].is_stable]
    shown = [*changed[:_MAX_CHANGED], *stable[:_MAX_STABLE]]
    columns = _wide_columns(shown, signs)
    if not fits(columns, width):
        columns = _narrow_columns(shown, signs)
    lines = rows(columns, width=width, signs=signs)
    if more := len(changed) - _MAX_CHANGED:
        lines += [Text(f"{signs.more} {more:,} more unstable")] if more > 0 else []
    if more := len(stable) - _MAX_STABLE:
        lines += [Text(f"{signs.more} {more:,} more stable", "dim")] if more > 0 else []
    return lines


def _wide_columns(shown: Sequence[tuple[str, HeadRow]], signs: Signs) -> list[Column]:
    # Heads of factors have no metrics.
    has_metrics = any(row.factor is None for _, row in shown)
    metrics = [
        Column(METRIC_HEADERS[name], [metric_cell(row, name, signs) for _, row in shown])
        for name in METRICS
        if has_metrics
    ]
    return [
        Column("head", [name for name, _ in shown], can_shrink=True),
        Column("label", [row.label for _, row in shown], can_shrink=True),
        Column(
            "items", [count_text(row.file_count, signs=signs) for _, row in shown], is_right=True
        ),
        Column("ref", [version_text(row.reference_version, signs=signs) for _, row in shown]),
        *metrics,
        *_decision_columns(shown, signs),
        Column("verdict", [verdict_cell(row) for _, row in shown]),
        Column("reference", [update_text(row, signs) for _, row in shown]),
    ]


def _decision_columns(shown: Sequence[tuple[str, HeadRow]], signs: Signs) -> list[Column]:
    moved = [row.decision for _, row in shown]
    failed = [row.failed_metrics for _, row in shown]
    factors = [row.factor for _, row in shown]
    return [*shift_columns(moved, failed, signs=signs), *factor_column(factors, failed, signs)]


def _narrow_columns(shown: Sequence[tuple[str, HeadRow]], signs: Signs) -> list[Column]:
    return [
        Column("head", [name for name, _ in shown], can_shrink=True),
        Column("verdict", [verdict_cell(row) for _, row in shown]),
        Column("failed", [Text(failed_text(row, signs)) for _, row in shown]),
        Column("reference", [update_text(row, signs, brief=True) for _, row in shown]),
    ]


def _new_table(
    new: Sequence[tuple[str, HeadRow]], *, width: int | None, signs: Signs
) -> list[Text]:
    shown = new[:_MAX_NEW]
    pairs = [(name, row, label) for name, row in shown for label in list(row.labels)[:1]]
    columns = [
        Column("new head", [name for name, _, _ in pairs], can_shrink=True),
        Column("labels", [count_text(len(row.labels)) for _, row, _ in pairs], is_right=True),
        Column(
            "items", [count_text(row.file_count, signs=signs) for _, row, _ in pairs], is_right=True
        ),
        Column("label", [label for _, _, label in pairs], can_shrink=True),
        *_first_numbers([(row, label) for _, row, label in pairs], signs),
        Column("reference", [_first_reference(row, signs) for _, row, _ in pairs]),
    ]
    lines = rows(columns, width=width, signs=signs)
    if len(new) > _MAX_NEW:
        lines.append(Text(f"{signs.more} {len(new) - _MAX_NEW:,} more new", "dim"))
    return lines


def _first_reference(row: HeadRow, signs: Signs) -> str:
    """The new head's reference; why it got none, if what it was made of was withdrawn once."""
    if row.reference_update == "held":
        return f"none, {row.reason}"
    return version_text(row.reference_after, signs=signs)


def _first_numbers(pairs: Sequence[tuple[HeadRow, str]], signs: Signs) -> list[Column]:
    """What a new head's first label holds: its p5 and p95, or a factor."""
    found = [row.labels[label] for row, label in pairs]
    factors = factor_column([one.factor for one in found], [()] * len(found), signs)
    if all(one.factor is not None for one in found):
        return factors
    bounds = [
        Column("p5", [number_text(one.p5) for one in found], is_right=True),
        Column("p95", [number_text(one.p95) for one in found], is_right=True),
    ]
    return [*bounds, *factors]


def metric_cell(row: HeadRow, name: str, signs: Signs = UNICODE) -> Text:
    """A metric, marked with colour and sign where it failed."""
    failed = name in row.failed_metrics
    text = limited_text(row.metrics[name], row.thresholds[name], signs=signs)
    return Text(f"{text} {signs.failed}", "red") if failed else Text(text)


def failed_text(row: HeadRow, signs: Signs = UNICODE) -> str:
    """The failed metrics in words, a decision first: `threshold 0.051, jsd 0.142 ✗`."""
    if not row.failed_metrics:
        return ""
    important = {*DECISION_FAILURES, FACTOR_SHIFT}
    ordered = sorted(row.failed_metrics, key=lambda name: name not in important)
    first = [
        " ".join([_FAILURE_HEADERS.get(name, name), *_failed_number(row, name, signs)])
        for name in ordered[:2]
    ]
    more = len(row.failed_metrics) - len(first)
    return f"{', '.join(first)} {signs.failed}" + (f" +{more}" if more else "")


def _failed_number(row: HeadRow, name: str, signs: Signs) -> list[str]:
    """The metric's number; none for a changed set of labels, which has none."""
    if name == THRESHOLD_SHIFT and row.decision is not None:
        return [shift_words(row.decision, signs=signs)]
    if name == PROBABILITY_SHIFT and row.decision is not None:
        return [probability_text(row.decision, signs=signs)]
    if name == FACTOR_SHIFT and row.factor is not None:
        return [factor_text(row.factor, signs=signs)]
    if name not in row.metrics:
        return []
    return [limited_text(row.metrics[name], row.thresholds[name], signs=signs)]


def verdict_cell(row: HeadRow) -> Text:
    """The verdict of a run on a head; `new` where there was nothing to compare with."""
    if row.reference_version is None:
        return Text("new", "cyan")
    return verdict_word(row.verdict, row.evidence)


def verdict_word(verdict: str, evidence: str) -> Text:
    """A verdict in a word and a colour; `noise?` where sampling alone may explain it."""
    word = "noise?" if verdict == "undecided" and evidence == "noise" else verdict
    return Text(word, _VERDICT_STYLE[word])


def update_text(row: HeadRow, signs: Signs = UNICODE, *, brief: bool = False) -> str:
    """What became of the reference: `v2 → v3`, `v1`, or `v1 held` and why."""
    before = version_text(row.reference_version, signs=signs)
    if row.reference_update == "updated":
        return f"{before} {signs.arrow} {version_text(row.reference_after)}"
    if row.reference_update == "unchanged":
        return before
    if brief:
        return f"{before} held"
    return f"{before} held, {_held_reason(row, signs)}"


def _held_reason(row: HeadRow, signs: Signs) -> str:
    """Why, in a few words: how many more items would tell, or what the document says."""
    reason = row.reason or ""
    if reason.startswith("pinned"):  # who and until when: calreg show
        return f"pinned: {reason.partition(': ')[2]}"
    if row.items_needed is None or row.file_count is None:
        return reason
    if "both sides" in reason or row.items_needed <= row.file_count:
        return f"{about_text(row.items_needed, signs=signs)} items on both sides would tell"
    more = about_text(row.items_needed - row.file_count, signs=signs)
    return f"{more} more items would tell"


def excluded_lines(excluded: Mapping[str, str], signs: Signs = UNICODE) -> list[Text]:
    """The heads left out of a run, by name and with the reason."""
    shown = sorted(excluded.items())[:_MAX_EXCLUDED]
    lines = [Text(f"Left out  {head}: {reason}", "yellow") for head, reason in shown]
    if (more := len(excluded) - len(shown)) > 0:
        lines.append(Text(f"{signs.more} {more:,} more left out", "yellow"))
    return lines


def summary_lines(
    heads: Heads, *, promote_on: str, outcome: str, width: int | None = None, signs: Signs = UNICODE
) -> list[Text]:
    """How many heads got which verdict, and what was committed: on one line if it fits."""
    compared = [row for row in heads.values() if row.reference_version is not None]
    new = len(heads) - len(compared)
    stable = sum(row.is_stable for row in compared)
    noise = sum(row.verdict == "undecided" and row.evidence == "noise" for row in compared)
    unknown = sum(row.verdict == "undecided" and row.evidence != "noise" for row in compared)
    unstable = len(compared) - stable - noise - unknown
    drifted = sum(row.verdict == "unstable" and row.evidence == "drift" for row in compared)
    parts = [
        f"{stable:,} stable" if stable else "",
        f"{unstable:,} {'drifted' if drifted == unstable else 'unstable'}" if unstable else "",
        f"{noise:,} within noise (promote_on: {promote_on})" if noise else "",
        f"{unknown:,} undecided" if unknown else "",
        f"{new:,} new" if new else "",
    ]
    counts = Text(signs.joined(parts), "bold")
    line = Text.assemble(counts, (f"        {outcome}", "bold"))
    return [line] if width is None or line.cell_len <= width else [counts, Text(outcome, "bold")]
