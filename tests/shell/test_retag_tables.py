"""Comparing over tables: what is listed and counted is what applying both to every score says."""

from __future__ import annotations

import csv
import gzip
import io
import json

import duckdb
import numpy as np
import pytest

from calreg.calibrate import describe
from calreg.documents import Calibration, Decision, LabelCalibration
from calreg.errors import InputError, UsageError
from calreg.methods import apply_method, fires
from calreg.names import HeadName
from calreg.retag import RetagRules
from calreg.scores import ScoreTable, retag_scores

MOOD, TIMBRE = HeadName("m", "mood"), HeadName("n", "timbre")
RULES = RetagRules(0.02, (0.3, 0.6))
EVIDENCE = describe(np.linspace(0, 1, 200))
ROWS = 150


def label(method, parameters, threshold=None, direction="higher"):
    decision = None
    if threshold is not None:
        decision = Decision(threshold, "<=" if direction == "lower" else ">=", "max-f1", "ok")
    is_plain = method in {"minmax", "factor"}
    return LabelCalibration(method, parameters, EVIDENCE, None if is_plain else direction, decision)


def minmax(p5, p95):
    return label("minmax", {"p5": p5, "p95": p95})


BEFORE = {
    MOOD: Calibration(MOOD, 1, {"happy": minmax(0.1, 0.9), "it's": minmax(0.2, 0.8)}),
    TIMBRE: Calibration(
        TIMBRE,
        1,
        {
            "dark, or not": label("platt", {"slope": 6.0, "intercept": -3.0}, 0.5),
            "gone": minmax(0.0, 1.0),
            "same": label("threshold", {}, 0.5, "lower"),
        },
    ),
}
AFTER = {
    MOOD: Calibration(
        MOOD,
        2,
        {"happy": minmax(0.1, 0.95), "it's": label("isotonic", {"x": (0.2, 0.8), "y": (0.0, 1.0)})},
    ),
    TIMBRE: Calibration(
        TIMBRE,
        3,
        {
            "dark, or not": label("platt", {"slope": 6.0, "intercept": -2.9}, 0.5),
            "new": minmax(0.0, 1.0),
            "same": label("threshold", {}, 0.5, "lower"),
        },
    ),
}
KEYS = [(name, one) for name in (MOOD, TIMBRE)
        for one in sorted(BEFORE[name].labels.keys() | AFTER[name].labels.keys())]  # fmt: skip


def columns(rows=ROWS, seed=1):
    """Scores by head and label, with ties; a few are missing."""
    chance = np.random.default_rng(seed)
    found = {}
    for key in KEYS:
        scores = np.round(chance.random(rows), 3).tolist()
        scores[3] = None
        found[key] = scores
    return found


def outcome(side, score):
    """Value and fired of one score by one calibration, as production has them."""
    value = None
    if side.method != "threshold":
        value = float(apply_method(side.method, side.parameters, score))
    return value, bool(fires(side, score)) if side.decision is not None else False


def why_of(before, after, score, rules):
    """The reasons of one score, by applying both."""
    if before is None or after is None:
        return "added" if before is None else "removed"
    (old, fired), (new, fired_after) = outcome(before, score), outcome(after, score)
    found = []
    if old is not None and abs(new - old) >= rules.min_change:
        found.append("value")
    if fired != fired_after:
        found.append("fired")
    if old is not None and any((old >= tier) != (new >= tier) for tier in rules.tiers):
        found.append("tier")
    return "+".join(found)


def expected_changes(scores, rules=RULES):
    """Every change by item, head and label: score, before, after, why."""
    found = {}
    for (name, one), column in scores.items():
        before, after = BEFORE[name].labels.get(one), AFTER[name].labels.get(one)
        for row, score in enumerate(column):
            if score is None or not (why := why_of(before, after, score, rules)):
                continue
            sides = [None if side is None else outcome(side, score)[0] for side in (before, after)]
            found[f"t{row:04}", name.full, one] = (score, *sides, why)
    return found


def wide_rows(scores):
    header = ["item", *(f"{name}:{one}" for name, one in scores)]
    rows = [[f"t{row:04}", *cells] for row, cells in enumerate(zip(*scores.values(), strict=True))]
    return header, rows


def long_rows(scores):
    header = ["model", "head", "label", "item", "score"]
    rows = [
        [name.model, name.head, one, f"t{row:04}", score]
        for (name, one), column in scores.items()
        for row, score in enumerate(column)
    ]
    return header, rows


def written(path, header, rows):
    """The table as CSV, JSONL or Parquet, by the name's ending."""
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(header, row, strict=True))) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)
    table = path.with_suffix(".csv")
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    if path.suffix == ".parquet":
        kinds = dict.fromkeys(header, "VARCHAR") | {
            name: "DOUBLE" for name in header if name == "score" or ":" in name
        }
        duckdb.sql(f"COPY (FROM read_csv('{table}', header = true, columns = {kinds})) TO '{path}'")
        table.unlink()
    return str(path)


def listed(path):
    """A list of changes as `expected_changes` has them."""
    if path.name.endswith(".parquet"):
        rows = duckdb.sql(f"FROM '{path}'").fetchall()
        names = duckdb.sql(f"FROM '{path}'").columns
        found = [dict(zip(names, row, strict=True)) for row in rows]
    else:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.name.endswith(".gz") else raw).decode()
        if ".jsonl" in path.name:
            found = [json.loads(line) for line in text.splitlines()]
        else:
            found = list(csv.DictReader(io.StringIO(text)))

    def number(value):
        return None if value in {None, ""} else float(value)

    result = {
        (row["item"], row["head"], row["label"]): (
            *(number(row[key]) for key in ("score", "before", "after")),
            row["why"],
        )
        for row in found
    }
    assert len(result) == len(found)
    return result


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("form", [wide_rows, long_rows], ids=["wide", "long"])
def test_every_change_is_listed_and_no_other(tmp_path, form, ending):
    """The list holds the items that applying both and comparing finds, with the same values."""
    scores = columns()
    table = written(tmp_path / f"scores{ending}", *form(scores))
    out, items = tmp_path / "out.parquet", tmp_path / "items.csv"

    found = retag_scores(ScoreTable((table,)), BEFORE, AFTER, RULES, out=out, items=items)
    expected = expected_changes(scores)

    assert listed(out) == expected
    again = sorted({item for item, _, _ in expected})
    assert items.read_text().splitlines() == ["item", *again]
    assert (found.items, found.changed_items) == (ROWS, len(again))
    assert found.saved == pytest.approx(1 - len(again) / ROWS)
    assert found.changed == len(expected)
    assert found.unreadable == len(KEYS)
    assert sorted(tmp_path.iterdir()) == sorted([out, items, type(out)(table)])


@pytest.mark.parametrize("form", [wide_rows, long_rows], ids=["wide", "long"])
@pytest.mark.parametrize("shift", [0.0, 0.02], ids=["usual", "ties"])
def test_items_are_listed_without_a_list_of_changes(tmp_path, form, shift):
    """The items alone are the same, also where moves tie with what is asked for."""
    scores = columns()
    table = written(tmp_path / "scores.parquet", *form(scores))
    before = {MOOD: BEFORE[MOOD]}
    after = {MOOD: Calibration(MOOD, 2, {"happy": minmax(0.1 + shift, 0.9 + shift),
                                         "it's": minmax(0.2, 0.85)})}  # fmt: skip
    rules = RetagRules(0.025)
    items = tmp_path / "items.jsonl"

    found = retag_scores(ScoreTable((table,), head=MOOD), before, after, rules, items=items)

    expected = sorted(
        {
            f"t{row:04}"
            for name, one in before[MOOD].labels.items()
            for row, score in enumerate(scores[MOOD, name])
            if score is not None and why_of(one, after[MOOD].labels[name], score, rules)
        }
    )
    assert [json.loads(line)["item"] for line in items.read_text().splitlines()] == expected
    assert found.changed_items == len(expected)


@pytest.mark.parametrize("form", [wide_rows, long_rows], ids=["wide", "long"])
def test_counts_need_no_list(tmp_path, form):
    """Counts by label and reason, and of items, are the same where nothing is written."""
    scores = columns()
    table = written(tmp_path / "scores.parquet", *form(scores))

    found = retag_scores(ScoreTable((table,)), BEFORE, AFTER, RULES)
    expected = expected_changes(scores)

    assert found.changed_items == len({item for item, _, _ in expected})
    for one in found.labels:
        whys = [why for (_, head, name), (*_, why) in expected.items()
                if (head, name) == (one.head.full, one.label)]  # fmt: skip
        assert (one.scores, one.changed) == (ROWS - 1, len(whys))
        for reason, count in one.reasons.items():
            assert count == sum(reason in why.split("+") for why in whys)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet"])
def test_the_list_comes_in_every_format(tmp_path, ending):
    """The same changes, whichever format was asked for."""
    scores = columns(60)
    table = written(tmp_path / "scores.csv", *wide_rows(scores))
    out = tmp_path / f"out{ending}"

    retag_scores(ScoreTable((table,)), BEFORE, AFTER, RULES, out=out)

    assert listed(out) == expected_changes(scores)


@pytest.mark.parametrize("form", [wide_rows, long_rows], ids=["wide", "long"])
def test_the_farthest_movers_are_named(tmp_path, form):
    """The scores whose values move farthest come first, with their items."""
    scores = columns()
    table = written(tmp_path / "scores.parquet", *form(scores))

    found = retag_scores(ScoreTable((table,)), BEFORE, AFTER, RULES, limit=7)
    moves = sorted(
        (abs(after - before) for _, before, after, _ in expected_changes(scores).values()
         if before is not None and after is not None), reverse=True,
    )  # fmt: skip

    assert [one.move for one in found.movers] == moves[:7]
    for one in found.movers:
        key = one.item, one.head.full, one.label
        assert expected_changes(scores)[key] == (one.score, one.before, one.after, one.why)


def test_one_head_of_many(tmp_path):
    """A head that is named is looked at alone; the others may lack calibrations."""
    scores = columns()
    for form in (wide_rows, long_rows):
        table = written(tmp_path / f"{form.__name__}.parquet", *form(scores))

        found = retag_scores(
            ScoreTable((table,), head=MOOD), {MOOD: BEFORE[MOOD]}, {MOOD: AFTER[MOOD]}, RULES
        )

        expected = {key for key in expected_changes(scores) if key[1] == MOOD.full}
        assert found.changed == len(expected)
        assert found.changed_items == len({item for item, _, _ in expected})
        assert {one.head for one in found.labels} == {MOOD}


def test_several_files_are_one_library(tmp_path):
    """Items that stand in two files of a long table are one item each."""
    scores = columns()
    header, rows = long_rows(scores)
    for number, part in enumerate((rows[::2], rows[1::2])):
        written(tmp_path / f"part-{number}.parquet", header, part)

    found = retag_scores(ScoreTable((str(tmp_path / "*.parquet"),)), BEFORE, AFTER, RULES)

    assert found.items == ROWS
    assert found.changed_items == len({item for item, _, _ in expected_changes(scores)})


def test_a_head_without_scores_is_named(tmp_path):
    """A calibration that changed and of which the table has no scores is not forgotten."""
    scores = {key: column for key, column in columns(20).items() if key[0] == MOOD}
    table = written(tmp_path / "scores.csv", *wide_rows(scores))

    assert retag_scores(ScoreTable((table,)), BEFORE, AFTER, RULES).absent == (TIMBRE,)


def test_many_columns_are_read_some_at_a_time(tmp_path):
    """An item that changes in columns that are read apart counts once."""
    names = [f"l{n:03}" for n in range(150)]
    before = {MOOD: Calibration(MOOD, 1, {name: minmax(0.0, 1.0) for name in names})}
    after = {MOOD: Calibration(MOOD, 2, {name: minmax(0.0, 0.5) for name in names})}
    scores = np.zeros((6, 150))
    scores[1, [3, 149]] = scores[4, 70] = 0.25
    header = ["item", *(f"score_{name}" for name in names)]
    rows = [[f"t{n}", *line] for n, line in enumerate(scores.tolist())]
    table = written(tmp_path / "scores.csv", header, rows)

    found = retag_scores(ScoreTable((table,), head=MOOD), before, after, RULES)

    assert (found.items, found.changed_items, found.changed) == (6, 2, 3)


def softmax(temperature):
    parameters = {"temperature": temperature, "link": "softmax", "scale": "logit"}
    return {name: label("temperature", parameters) for name in ("a", "b")}


def test_a_softmax_is_compared_item_by_item(tmp_path):
    """Probabilities that labels share are compared where all of them are in one row."""
    chance = np.random.default_rng(2)
    logits = chance.normal(size=(300, 2)) * 3
    header = ["item", "logit_a", "logit_b"]
    rows = [[f"t{n}", *line] for n, line in enumerate(logits.tolist())]
    table = written(tmp_path / "scores.csv", header, rows)
    before, after = (Calibration(MOOD, n, softmax(t)) for n, t in ((1, 1.0), (2, 1.2)))

    found = retag_scores(ScoreTable((table,), head=MOOD), {MOOD: before}, {MOOD: after}, RULES)

    def probability(temperature):
        return 1 / (1 + np.exp((logits[:, 1] - logits[:, 0]) / temperature))

    old, new = probability(1.0), probability(1.2)
    moved = np.abs(new - old) >= RULES.min_change
    for tier in RULES.tiers:
        moved |= (old >= tier) != (new >= tier)
        moved |= (1 - old >= tier) != (1 - new >= tier)
    assert found.changed_items == moved.sum()


def test_a_softmax_in_rows_is_refused(tmp_path):
    """Rows of one label each do not hold what a softmax needs, unless nothing changes."""
    table = written(
        tmp_path / "scores.csv",
        ["model", "head", "label", "item", "score"],
        [["m", "mood", "a", "t", 0.5], ["m", "mood", "b", "t", 0.25]],
    )
    one, other = ({MOOD: Calibration(MOOD, n, softmax(float(n)))} for n in (1, 2))

    with pytest.raises(InputError, match="softmax needs the scores of all labels"):
        retag_scores(ScoreTable((table,)), one, other, RULES)
    assert retag_scores(ScoreTable((table,)), one, one, RULES).changed == 0


def test_a_table_without_items_is_counted_by_scores(tmp_path):
    """A long table that names no items gives counts of scores, and says so."""
    scores = columns()
    header, rows = long_rows(scores)
    table = written(tmp_path / "s.csv", [*header[:3], "score"], [[*r[:3], r[4]] for r in rows])

    found = retag_scores(ScoreTable((table,)), BEFORE, AFTER, RULES)

    assert (found.items, found.changed_items) == (None, None)
    assert found.changed == len(expected_changes(scores))
    assert found.movers[0].item is None


# Refusals


def refused(tmp_path, table, *, before=None, after=None, **options):
    """What the refusal says; nothing was written beside the table."""
    there = sorted(tmp_path.iterdir())
    with pytest.raises((InputError, UsageError)) as caught:
        retag_scores(table, before or BEFORE, after or AFTER, RULES, **options)
    assert sorted(tmp_path.iterdir()) == there
    return str(caught.value)


@pytest.fixture
def small(tmp_path):
    """A wide table of both heads."""
    return ScoreTable((written(tmp_path / "scores.csv", *wide_rows(columns(20))),))


def test_a_head_that_neither_side_has_is_refused(tmp_path, small):
    """With the names of what lacks a calibration."""
    only = {MOOD: BEFORE[MOOD]}

    said = refused(tmp_path, small, before=only, after=only)
    assert said == "no calibration before or after for n/timbre"


def test_a_label_that_neither_side_has_is_refused(tmp_path):
    """A misspelt label is no change."""
    table = written(tmp_path / "s.csv", ["item", "score_happi"], [["t", 0.5]])

    said = refused(tmp_path, ScoreTable((table,), head=MOOD))
    assert "no calibration before or after for m/mood label 'happi'" in said


def test_a_degenerate_reference_is_refused_as_apply_refuses_it(tmp_path, small):
    """On either side, before a score is looked at, with head and label."""
    broken = Calibration(MOOD, 9, {"happy": minmax(0.5, 0.5), "it's": minmax(0, 1)})

    for sides in ((BEFORE, {**AFTER, MOOD: broken}), ({**BEFORE, MOOD: broken}, AFTER)):
        with pytest.raises(InputError, match="degenerate") as caught:
            retag_scores(small, *sides, RULES)
        assert caught.value.where == "m/mood, label 'happy'"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.txt", "expected a file that ends in"),
        ("scores.csv", "one of the tables"),
        ("no/out.csv", "no such folder"),
    ],
)
def test_an_output_that_cannot_be_is_refused(tmp_path, small, name, words):
    """Before anything is read."""
    assert words in refused(tmp_path, small, out=tmp_path / name)
    assert words in refused(tmp_path, small, items=tmp_path / name)


def test_two_lists_are_two_files(tmp_path, small):
    """One would be written over the other."""
    both = {"out": tmp_path / "x.csv", "items": tmp_path / "x.csv"}

    assert "to the same file" in refused(tmp_path, small, **both)


def test_an_output_that_has_no_place_is_refused_at_once(tmp_path, small):
    """A name that is too long is found out before the table is read."""
    out = tmp_path / f"{'x' * 300}.csv"

    assert "cannot be written" in refused(tmp_path, small, out=out)


def test_a_list_needs_names_of_items(tmp_path):
    """A list of what nobody could find is refused, with the option that helps."""
    table = written(tmp_path / "s.csv", ["track", "score_happy"], [["t", 0.5]])

    said = refused(tmp_path, ScoreTable((table,), head=MOOD), items=tmp_path / "items.csv")
    assert "no column 'item' or 'id'" in said
    named = ScoreTable((table,), columns={"item": "track"}, head=MOOD)
    retag_scores(named, BEFORE, AFTER, RetagRules(1e-6), items=tmp_path / "items.csv")
    assert (tmp_path / "items.csv").read_text() == "item\nt\n"


@pytest.mark.parametrize("rows", [[], [["t", ""]], [["t", "x"]]], ids=["none", "empty", "words"])
def test_a_table_without_a_readable_score_is_refused(tmp_path, rows):
    """Nothing to compare is no library without changes."""
    table = written(tmp_path / "s.csv", ["item", "score_happy"], rows)

    assert "no readable scores" in refused(tmp_path, ScoreTable((table,), head=MOOD))


def test_a_broken_file_is_refused_and_leaves_nothing(tmp_path):
    """A row that does not fit stops the reading; there is no half of a list."""
    table = tmp_path / "s.csv"
    table.write_text("item,score_happy\nt,0.5\nu,0.5,0.7\n")

    said = refused(tmp_path, ScoreTable((str(table),), head=MOOD), out=tmp_path / "out.csv")
    assert said == "s.csv: line 3: expected 2 columns, got 3"


def test_names_with_quotes_go_through(tmp_path):
    """Items, labels and heads are text, whatever stands in them."""
    odd = 'it\'s; DROP TABLE "x" --,\n ü'
    table = written(tmp_path / "s.csv", ["item", "label", "score"], [[odd, "it's", 0.5]])
    one, other = ({MOOD: Calibration(MOOD, n, {"it's": minmax(0.0, float(n))})} for n in (1, 2))

    out, items = tmp_path / "out.jsonl", tmp_path / "items.jsonl"
    table = ScoreTable((table,), head=MOOD)
    found = retag_scores(table, one, other, RULES, out=out, items=items)

    assert listed(out) == {(odd, "m/mood", "it's"): (0.5, 0.5, 0.25, "value+tier")}
    assert json.loads(items.read_text()) == {"item": odd}
    assert found.movers[0].item == odd
