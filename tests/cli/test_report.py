"""Reports are values: lines of text that fit, sort and never hide a failure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.documents import (
    METRICS,
    Calibration,
    Distribution,
    HeadRow,
    LabelCalibration,
    LabelRow,
    RunInputs,
)
from calreg.names import HeadName
from calreg.report.heads import HeadStatus, head_lines, overview_lines
from calreg.report.numbers import ASCII, limited_text, number_text, sparkline
from calreg.report.runs import excluded_lines, reading_line, run_table, summary_lines, update_text
from calreg.report.table import Column, natural_width, rows

LIMITS = {
    "apd_p5": 0.01, "apd_p95": 0.01, "srd": 0.05, "jsd": 0.1, "median_drift": 0.05,
    "iqr_drift": 0.1,
}  # fmt: skip
NOTHING = dict.fromkeys(METRICS, 0.0)


def head(**changes) -> HeadRow:
    """A stable head, with changes."""
    numbers = LabelRow(0.1, 0.9, 500, NOTHING, NOTHING, ())
    values = {
        "digest": "0" * 64, "file_count": 500, "label": "a", "p5": 0.1, "p95": 0.9, "range": 0.8,
        "reference_version": 1, "reference_digest": "0" * 64, "reference_after": 1,
        "reference_update": "unchanged", "reason": None, "is_stable": True, "verdict": "stable",
        "evidence": "none", "failed_metrics": (), "metrics": NOTHING, "noise": NOTHING,
        "noise_assumption": "independent", "items_needed": None, "thresholds": LIMITS,
        "labels": {"a": numbers},
    }  # fmt: skip
    return HeadRow(**{**values, **changes})


def drifted(jsd: float, **changes) -> HeadRow:
    metrics = {**NOTHING, "jsd": jsd}
    return head(
        is_stable=False, verdict="unstable", evidence="drift", failed_metrics=("jsd",),
        metrics=metrics, reference_update="updated", reference_after=2, **changes,
    )  # fmt: skip


def text(lines) -> list[str]:
    return [line.plain for line in lines]


names = st.text("abcdef/_", min_size=1, max_size=60)


@given(st.lists(names, min_size=1, max_size=5), st.integers(30, 200))
def test_table_fits_where_names_may_shrink(heads, width):
    """A table with a column that may shrink is never wider than the terminal."""
    columns = [Column("head", heads, can_shrink=True), Column("n", ["1"] * len(heads))]

    lines = rows(columns, width=width)

    assert all(line.cell_len <= width for line in lines)
    assert len(lines) == len(heads) + 1


@given(st.lists(names, min_size=1, max_size=5))
def test_table_without_limit_hides_nothing(heads):
    """In a pipe every name stands there in full."""
    lines = rows([Column("head", heads, can_shrink=True), Column("n", ["1"] * len(heads))])

    assert all(name in line.plain for name, line in zip(heads, lines[1:], strict=True))


def test_columns_are_aligned():
    """Numbers end in one column, words begin in one."""
    columns = [Column("name", ["a", "long"]), Column("n", ["1", "100"], is_right=True)]

    assert text(rows(columns)) == ["name    n", "a       1", "long  100"]
    assert natural_width(columns) == 9


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=20))
def test_sparkline_is_one_block_per_value(values):
    """A sparkline has a block per value, and a blank for one that is not known."""
    line = sparkline(values)

    assert len(line) == len(values)
    assert [mark == " " for mark in line] == [value is None for value in values]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_sparkline_keeps_the_order(values):
    """A higher value never gets a lower block."""
    blocks = [ASCII.blocks.index(mark) for mark in sparkline(values, signs=ASCII)]
    pairs = sorted(zip(values, blocks, strict=True))

    assert [block for _, block in pairs] == sorted(blocks)


@given(st.floats(0.001, 0.2), st.sampled_from([0.01, 0.05, 0.1]))
def test_metric_is_not_rounded_onto_its_limit(value, limit):
    """What is shown of a metric is on the side of its limit that the metric is on."""
    shown = float(limited_text(value, limit))

    assert (shown < limit) == (value < limit) or value == pytest.approx(limit, abs=1e-8)


def test_unknown_number_is_a_sign():
    """What is not known is never shown as a number."""
    assert number_text(None) == number_text(float("nan")) == "–"


def test_worst_head_stands_first():
    """Heads are sorted by how far they are past their limits; many stable ones are a count."""
    heads = {f"m/s{number}": head() for number in range(10)}
    heads |= {"m/a": drifted(0.2), "m/b": drifted(0.5)}

    lines = text(run_table(heads, width=None))

    assert [line.split()[0] for line in lines[1:4]] == ["m/b", "m/a", "m/s0"]
    assert lines[-1] == "… 7 more stable"


def test_failure_has_a_sign_at_any_width():
    """A failed metric is marked by a sign, not only by colour, in the wide and narrow form."""
    for width in (None, 200, 80, 60):
        line = next(
            line for line in text(run_table({"m/a": drifted(0.2)}, width=width)) if "m/a" in line
        )
        assert "0.200 ✗" in line
        assert "v1 → v2" in line


def test_held_head_says_how_many_items_would_tell():
    """A head within noise says how many more items would tell."""
    row = head(
        is_stable=False, verdict="undecided", evidence="noise", failed_metrics=("jsd",),
        reference_update="held", reason="within sampling noise: jsd; about 3,100 items would tell",
        items_needed=3100,
    )  # fmt: skip

    assert update_text(row) == "v1 held, ~2,600 more items would tell"
    assert update_text(row, ASCII) == "v1 held, ~2,600 more items would tell"


def test_items_that_would_tell_are_an_estimate():
    """The difference to what there is reads as the estimate it is: two digits."""
    row = head(
        is_stable=False, verdict="undecided", evidence="noise", failed_metrics=("jsd",),
        reference_update="held", reason="within sampling noise: jsd; about 77,000 items would tell",
        items_needed=77_000, file_count=310,
    )  # fmt: skip

    assert update_text(row) == "v1 held, ~77,000 more items would tell"


def test_pinned_head_says_why():
    """A head that a pin holds says so, and why."""
    row = drifted(0.3)
    held = {"reference_update": "held", "reference_after": 1}
    reason = "pinned to v1 by Ada <a@example.org> until it is lifted: false alarms"
    fields = {name: getattr(row, name) for name in row.__dataclass_fields__}

    assert update_text(HeadRow(**{**fields, **held, "reason": reason})) == (
        "v1 held, pinned: false alarms"
    )


def test_summary_counts_each_head_once():
    """The summary's counts add up to all heads."""
    heads = {"m/a": drifted(0.2), "m/b": head(), "m/c": head(reference_version=None)}

    lines = text(summary_lines(heads, promote_on="unstable", outcome="done"))

    assert lines == ["1 stable · 1 drifted · 1 new        done"]


def test_summary_breaks_where_it_does_not_fit():
    """On a narrow terminal the outcome stands on a line of its own, not broken within a word."""
    lines = summary_lines({"m/b": head()}, promote_on="unstable", outcome="x" * 60, width=70)

    assert text(lines) == ["1 stable", "x" * 60]


def test_reading_line_names_the_first_reject():
    """Rejects are counted by reason, most first, with the place of the first."""
    inputs = RunInputs("0" * 64, "long", 898175, 898163, {"not_a_number": 3, "nan": 9}, ("a", "b"))
    words = {"nan": "NaN", "not_a_number": "not a number"}

    line = reading_line(inputs, ["b line 4,117: NaN"], words).plain

    assert line == (
        "Read  2 files · 898,163 scores · 12 rejected (9 NaN, 3 not a number: b line 4,117: NaN …)"
    )


def many_labels(count: int) -> HeadStatus:
    numbers = LabelCalibration("minmax", {"p5": 0.1, "p95": 0.9}, Distribution(samples=500))
    labels = {f"l{number:03}": numbers for number in range(count)}
    calibration = Calibration(HeadName("m", "mood"), 1, labels)
    return HeadStatus("m/mood", calibration, "0" * 64)


def test_terminal_is_not_flooded():
    """A terminal gets a screenful of labels or heads and a count; a pipe gets all of them."""
    status = many_labels(45)
    one = {"reference": 1, "versions": [1]}

    assert "… 5 more labels (all in a pipe, or with --json)" in text(
        head_lines(status, width=100, **one)
    )
    assert sum(line.startswith("l") for line in text(head_lines(status, width=None, **one))) == 46
    assert text(overview_lines("reg", [status] * 41, width=100))[-1].startswith("… 1 more head (")
    assert len(overview_lines("reg", [status] * 41, width=None)) == 3 + 41


def test_excluded_heads_are_named_and_bounded():
    """Heads left out are named with the reason; beyond ten, counted."""
    lines = text(excluded_lines({f"m/h{number:02}": "empty" for number in range(12)}))

    assert lines[0] == "Left out  m/h00: empty"
    assert lines[-1] == "… 2 more left out"
