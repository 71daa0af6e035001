from __future__ import annotations

import gzip
import json
import tracemalloc

import duckdb
import pytest
from collecting import Recording, data_set, lines_of, run, score_of

from calreg.collect import load_scorer, parse_reducers
from calreg.collect.columns import item_name
from calreg.collect.journal import locked
from calreg.collect.target import target_of
from calreg.errors import InputError, UsageError
from calreg.names import HeadName
from calreg.scores import ScoreTable, read_scores

ITEMS = [f"item-{number}" for number in range(250)]


@pytest.fixture
def data(tmp_path):
    """250 items."""
    return data_set(tmp_path / "data.csv", ITEMS)


@pytest.fixture
def out(tmp_path):
    """Where they go."""
    return tmp_path / "out.jsonl"


def test_every_item_is_scored_once_in_order(data, out):
    """A line per item, in the order of the data set, with its score, truth and group only."""
    scorer = Recording()

    done = run(data, out, scorer, batch_size=64)

    assert scorer.asked == ITEMS
    assert [len(batch) for batch in scorer.batches] == [64, 64, 64, 58]
    assert lines_of(out)[3] == {
        "item": "item-3",
        "score_spam": 0.003,
        "y_spam": "1",
        "group": "g0",
        "error": None,
    }
    assert [line["item"] for line in lines_of(out)] == ITEMS
    assert (done.counts["recorded"], done.is_complete, done.labels) == (250, True, ("spam",))


def test_nothing_but_what_was_asked_for_is_kept(data, out):
    """No text of an item is in the output, nor beside it, unless it was asked for."""
    run(data, out, Recording())

    for file in out.parent.glob("*out*"):
        assert "text of" not in file.read_text(errors="replace")
    run(data, out.with_name("with.jsonl"), Recording(), keep=("text", "item"))
    assert lines_of(out.with_name("with.jsonl"))[0]["text"] == "text of item-0"


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_the_output_is_a_table_of_scores(data, tmp_path, ending):
    """What was collected is read as scores of a head as it is, to the last bit."""
    out = tmp_path / f"out.{ending}"
    run(data, out, Recording(lambda item: {"spam": score_of(item["item"]) / 3, "ham": 0.1}))

    head = HeadName("m", "mail")
    found = read_scores(ScoreTable((str(out),), head=head), grid_of=lambda _h, _l: None)

    assert set(found.heads[head].labels) == {"spam", "ham"}
    assert (found.rows, found.rejected) == (500, {})
    expected = [score_of(item) / 3 for item in ITEMS]
    assert found.heads[head].labels["spam"].max == max(expected)
    assert duckdb.sql(f"SELECT score_spam FROM '{out}'").fetchall() == [(x,) for x in expected]


def test_parquet_is_made_in_one_step_at_the_end(data, tmp_path):
    """A Parquet output is one file with typed columns, and its journal is gone."""
    out = tmp_path / "out.parquet"

    run(data, out, Recording(), kind="logit")

    described = duckdb.sql(f"DESCRIBE FROM '{out}'").fetchall()
    assert [row[:2] for row in described] == [
        ("item", "VARCHAR"),
        ("logit_spam", "DOUBLE"),
        ("y_spam", "TINYINT"),
        ("group", "VARCHAR"),
        ("error", "VARCHAR"),
    ]
    assert duckdb.sql(f"SELECT item FROM '{out}'").fetchall() == [(item,) for item in ITEMS]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        ".out.parquet.collect.lock",
        "data.csv",
        "out.parquet",
        "out.parquet.collect.json",
    ]


def test_truth_that_is_none_stays_text(tmp_path):
    """A truth other than 0 and 1 is not turned into something else on the way to Parquet."""
    data = tmp_path / "data.csv"
    data.write_text("id,y_a\n1,maybe\n2,1\n3,\n")

    run(data, tmp_path / "out.parquet", lambda items: [0.5 for _ in items])

    rows = duckdb.sql(f"SELECT item, y_a FROM '{tmp_path / 'out.parquet'}'").fetchall()
    assert rows == [("1", "maybe"), ("2", "1"), ("3", "")]


def test_every_form_of_data_set_gives_the_same(tmp_path):
    """CSV, packed CSV, JSONL and Parquet with the same rows have the same output."""
    outputs = []
    source = data_set(tmp_path / "a.csv", ITEMS)
    with gzip.open(tmp_path / "a.csv.gz", "wb") as packed:
        packed.write(source.read_bytes())
    duckdb.sql(f"COPY (FROM read_csv('{source}', all_varchar = true)) TO '{tmp_path}/a.parquet'")
    duckdb.sql(f"COPY (FROM '{tmp_path}/a.parquet') TO '{tmp_path}/a.jsonl' (FORMAT json)")

    for name in ("a.csv", "a.csv.gz", "a.parquet", "a.jsonl"):
        out = tmp_path / f"{name}.out.jsonl"
        run(tmp_path / name, out, Recording())
        outputs.append(out.read_bytes())

    assert len(set(outputs)) == 1


def test_values_of_jsonl_and_parquet_are_what_they_are(tmp_path):
    """A scorer gets numbers and lists as numbers and lists; CSV has texts."""
    rows = [{"id": 7, "tokens": [1, 2], "weight": 0.5}, {"id": 8, "tokens": [], "weight": 2.0}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    duckdb.sql(f"COPY (FROM '{tmp_path}/a.jsonl') TO '{tmp_path}/a.parquet'")
    seen = {}

    for name in ("a.jsonl", "a.parquet"):
        run(
            tmp_path / name,
            tmp_path / f"{name}.out.jsonl",
            lambda item, name=name: seen.setdefault((name, item["id"]), item)["weight"],
            per_item=True,
        )

    assert [seen["a.jsonl", 7], seen["a.jsonl", 8]] == rows
    assert [seen["a.parquet", 7], seen["a.parquet", 8]] == rows
    assert lines_of(tmp_path / "a.jsonl.out.jsonl")[0]["item"] == "7"


def test_an_item_that_comes_twice_is_scored_once(tmp_path, out):
    """Of two rows with one name, in one file or two, the first counts and the others are named."""
    first = data_set(tmp_path / "a.csv", ["a-1", "a-2", "a-1"])
    second = data_set(tmp_path / "b.csv", ["a-2", "a-3"])
    scorer = Recording()

    done = run((str(first), str(second)), out, scorer)

    assert scorer.asked == ["a-1", "a-2", "a-3"]
    assert done.counts["duplicates"] == 2
    assert done.warnings[0]["message"] == (
        "2 rows name an item that came before; the first of each counts: "
        "'a-1' (a.csv line 4), 'a-2' (b.csv line 2)"
    )


def test_rows_without_a_name_are_counted(tmp_path, out):
    """A row whose name is missing or empty is an error with its line, and is not scored."""
    data = tmp_path / "data.jsonl"
    named = [json.dumps({"item": item}) for item in ("a-1", "", "  ", "a-2")]
    data.write_text("\n".join([*named, '{"other": 1}', '{"item": null}']))
    scorer = Recording()

    done = run(data, out, scorer, max_error_rate=1.0)

    assert scorer.asked == ["a-1", "a-2"]
    assert done.counts["nameless"] == 4
    assert done.first_errors[0] == ("data.jsonl line 2", "no item name")
    with pytest.raises(InputError, match="4 of 6 items have errors"):
        run(data, out.with_name("b.jsonl"), scorer)


@pytest.mark.parametrize("value", [None, "", " \t", True, float("nan"), [1], {}, "\ud800", b"x"])
def test_a_value_that_is_no_name(value):
    """Only texts that a file can hold, and numbers, name an item."""
    assert item_name(value) is None


@pytest.mark.parametrize(("value", "name"), [("a b", "a b"), (7, "7"), (0, "0"), ("é", "é")])
def test_a_value_that_is_a_name(value, name):
    """A name is taken as it is."""
    assert item_name(value) == name


def failing(*items, error=None):
    def answer(item):
        if item["item"] in items:
            raise error or ValueError(f"cannot read {item['item']}\nat all")
        return score_of(item["item"])

    return Recording(answer)


def test_only_the_guilty_item_of_a_batch_has_the_error(data, out):
    """When a batch raises, its items are tried alone; the one that raises is recorded so."""
    scorer = failing("item-70")

    done = run(data, out, scorer)

    bad = [line for line in lines_of(out) if line["error"] is not None]
    assert [(line["item"], line["score_spam"], line["error"]) for line in bad] == [
        ("item-70", None, "ValueError: cannot read item-70")
    ]
    assert done.first_errors == (("item-70", "ValueError: cannot read item-70"),)
    assert [len(batch) for batch in scorer.batches] == [64, 64, *[1] * 64, 64, 58]
    assert all(line["score_spam"] == score_of(line["item"]) for line in lines_of(out)[71:])


def test_a_batch_that_raises_can_be_recorded_as_it_is(data, out):
    """Without retries all items of the batch have its error, and none is given twice."""
    scorer = failing("item-70")

    done = run(data, out, scorer, retry=False, max_error_rate=1.0)

    assert scorer.asked == ITEMS
    assert done.counts["errors"] == 64


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemExit(0), "SystemExit: 0"),
        (MemoryError(), "MemoryError"),
        (KeyError("text"), "KeyError: 'text'"),
        (RuntimeError("x" * 1000), "RuntimeError: " + "x" * 286 + "…"),
        (RuntimeError("half \ud800"), "RuntimeError: half ?"),
    ],
)
def test_whatever_a_scorer_raises_is_recorded(data, out, error, text):
    """Exits, exhausted memory, long and broken messages: a line with type and message."""
    run(data, out, failing("item-9", error=error))

    assert lines_of(out)[9]["error"] == text
    assert lines_of(out)[9]["score_spam"] is None


def test_too_many_errors_stop(data, out):
    """More errors than allowed stop after the first 100 items, and what was scored stays."""
    scorer = failing("item-1", "item-2", "item-3")

    with pytest.raises(InputError, match="3 of 128 items have errors") as caught:
        run(data, out, scorer)

    assert str(out) in caught.value.hint
    assert caught.value.exit_code == 3
    assert len(lines_of(out)) == 128
    done = run(data, out, scorer, max_error_rate=0.03)
    assert (done.counts["recorded"], done.resumed, done.is_complete) == (250, 128, True)
    assert [line["item"] for line in lines_of(out)] == ITEMS


def test_few_items_are_judged_at_the_end(tmp_path, out):
    """Below 100 items the share of errors is looked at once all were scored."""
    data = data_set(tmp_path / "few.csv", ITEMS[:50])

    with pytest.raises(InputError, match=r"1 of 50 items have errors .*more than 1.00% may"):
        run(data, out, failing("item-0"), batch_size=10)

    assert len(lines_of(out)) == 50


def test_a_stop_for_errors_asks_for_nothing_more(data, out):
    """Repeated without a change, a collecting with too many errors scores nothing more."""
    with pytest.raises(InputError):
        run(data, out, failing("item-1", "item-2"))
    again = Recording()

    with pytest.raises(InputError, match="2 of 128 items"):
        run(data, out, again)

    assert again.asked == []


def test_the_first_batch_may_fail_as_a_whole(data, out):
    """Before any answer there are no labels; records of errors have no score and no 0.0."""
    run(data, out, failing(*ITEMS[:64]), max_error_rate=1.0)

    assert lines_of(out)[0].keys() == {"item", "y_spam", "group", "error"}
    assert lines_of(out)[64]["score_spam"] == 0.064


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda items: [0.5] * (len(items) - 1), "expected 64 answers for 64 items, got 63"),
        (lambda items: [0.5] * (len(items) + 1), "expected 64 answers for 64 items, got 65"),
        (lambda _items: 0.5, "expected a list of answers, got float"),
        (lambda items: {item["item"]: 0.5 for item in items}, "a list of answers, got dict"),
        (lambda _items: None, "expected a list of answers, got NoneType"),
    ],
)
def test_answers_that_fit_no_items_stop(data, out, answer, message):
    """Answers that could belong to other items are not recorded at all."""
    with pytest.raises(InputError, match=message):
        run(data, out, answer)

    assert lines_of(out) == []


def test_an_iterator_is_as_good_as_a_list(data, out):
    """A generator of answers is gone through, and what it raises belongs to the items."""

    def answers(items):
        for item in items:
            if item["item"] == "item-5":
                raise ValueError("no")
            yield 0.5

    run(data, out, answers)

    assert [line["item"] for line in lines_of(out) if line["error"]] == ["item-5"]


def test_what_a_scorer_does_to_its_items_stays_with_it(data, out):
    """A scorer may change and empty what it is given; output and retries do not see it."""

    def greedy(items):
        found = []
        while items:
            item = items.pop(0)
            if item.pop("item") == "item-5" and item.pop("y_spam") and item["text"] != "x":
                raise ValueError("no")
            found.append(0.5)
            item.clear()
        return found

    run(data, out, greedy)

    assert [line["item"] for line in lines_of(out)] == ITEMS
    assert [line["item"] for line in lines_of(out) if line["error"]] == ["item-5"]
    assert {line["y_spam"] for line in lines_of(out)} == {"0", "1"}


def test_many_values_become_one(data, out):
    """Reducers make one score of the values of an item, label by label."""
    answer = {"a": [0.1, 0.9, 0.2], "b": (1.0, 2.0, 6.0), "c": 0.5}
    run(
        data,
        out,
        lambda items: [answer for _ in items],
        reducers=parse_reducers(["mean-top2", "a=last"]),
    )

    line = lines_of(out)[0]
    assert (line["score_a"], line["score_b"], line["score_c"]) == (0.2, 4.0, 0.5)


def test_a_label_can_be_chosen(data, out):
    """Labels that were asked for are the columns, whatever else the scorer gives."""
    done = run(
        data, out, lambda items: [{"a": 0.5, "b": 1.0} for _ in items], labels=("b",), kind="logit"
    )

    assert done.labels == ("b",)
    assert lines_of(out)[0].keys() == {"item", "logit_b", "y_spam", "group", "error"}


def test_a_label_that_comes_late_is_an_error(data, out):
    """A label that the first batch did not have is no column that nobody reads: it is said."""
    run(
        data,
        out,
        lambda items: [
            {"a": 0.5, **({"late": 1.0} if item["item"] == "item-200" else {})} for item in items
        ],
    )

    assert lines_of(out)[200]["error"] == "unexpected label 'late'"
    assert lines_of(out)[200]["score_a"] == 0.5


OTHERWISE = [
    {"name": "m:g"},
    {"kind": "logit"},
    {"item": "text"},
    {"labels": ("other",)},
    {"keep": ("other",)},
]


@pytest.mark.parametrize("change", OTHERWISE, ids=lambda change: next(iter(change)))
def test_another_collecting_does_not_go_on(data, out, change):
    """An output is gone on with only by the same scorer and options."""
    run(data, out, Recording())
    before = out.read_bytes()

    with pytest.raises(InputError, match="was begun with another") as caught:
        run(data, out, Recording(), **change)

    assert "--restart" in caught.value.hint
    assert out.read_bytes() == before


def test_another_data_set_does_not_go_on(data, out):
    """A data set with one other byte is another one, though its size is the same."""
    run(data, out, Recording())
    data.write_text(data.read_text().replace("text of item-9,", "TEXT of item-9,"))

    with pytest.raises(InputError, match=r"another data set data\.csv"):
        run(data, out, Recording())


def test_a_changed_scorer_file_is_warned_about(data, out):
    """Going on with another version of the scorer's file is allowed and said."""
    with pytest.raises(InputError):
        run(data, out, failing("item-1", "item-2"), digest="a" * 64)

    done = run(data, out, Recording(), digest="b" * 64, max_error_rate=1.0)

    assert done.warnings[0]["code"] == "scorer-changed"


def test_a_beginning_without_records_binds_nobody(data, out):
    """Options can be mended as long as nothing is recorded."""
    with pytest.raises(InputError, match="values for label"):
        run(data, out, lambda items: [[0.5, 0.6] for _ in items])
    done = run(
        data, out, lambda items: [[0.5, 0.5] for _ in items], reducers=parse_reducers(["max"])
    )

    assert done.counts["recorded"] == 250


def test_restart_moves_everything_aside(data, out):
    """A restart deletes nothing: the old files are kept under names that say when."""
    run(data, out, Recording())
    old = out.read_bytes()

    done = run(data, out, lambda items: [0.25] * len(items), name="m:g", restart=True)
    again = run(data, out, lambda items: [0.75] * len(items), name="m:g", restart=True)

    assert done.aside[0] == f"{out}.bak-20260102T030405Z"
    assert out.with_name("out.jsonl.bak-20260102T030405Z").read_bytes() == old
    assert again.aside[0] == f"{out}.bak-20260102T030405Z-2"
    assert lines_of(out)[0]["score_spam"] == 0.75


def test_a_complete_output_is_left_alone(data, out):
    """The same command once more scores nothing, and does not even ask for the scorer."""
    run(data, out, Recording())
    stamp = out.stat()

    scorer = Recording()
    done = run(data, out, scorer)

    assert scorer.asked == []
    assert (done.counts["recorded"], done.resumed, done.is_complete) == (250, 250, True)
    assert out.stat() == stamp


def test_a_file_of_somebody_else_is_not_added_to(data, out):
    """An output that no collecting began is refused and keeps its bytes."""
    out.write_text("mine\n")

    with pytest.raises(InputError, match="nothing says that calreg collect made it"):
        run(data, out, Recording())

    assert out.read_text() == "mine\n"
    run(data, out, Recording(), restart=True)
    assert len(lines_of(out)) == 250


def interrupted(data, out):
    """A collecting that stopped after 128 items."""
    with pytest.raises(InputError):
        run(data, out, failing("item-1", "item-2"))


@pytest.mark.parametrize("torn", ['{"it', '{"item": "item-128", "score_spam": 0.1', "\0" * 9000])
def test_a_torn_line_is_cut_and_scored_again(data, out, torn):
    """What stands after the last line's end is cut off; that item counts as not scored."""
    interrupted(data, out)
    with out.open("a") as file:
        file.write(torn)
    scorer = Recording()

    done = run(data, out, scorer, max_error_rate=1.0)

    assert done.torn_bytes == len(torn)
    assert scorer.asked == ITEMS[128:]
    assert [line["item"] for line in lines_of(out)] == ITEMS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:5], "x\n", *lines[5:]], "line 6: expected the record of an item"),
        (lambda lines: [*lines[:5], "{}\n"], "line 6: expected the record of an item"),
        (lambda lines: lines[1:], "record 1 is of 'item-1', the data set has 'item-0' there"),
        (lambda lines: [*lines[:7], lines[3]], "record 8 is of 'item-3'"),
    ],
)
def test_a_changed_journal_is_refused(data, out, change, message):
    """Records that were edited, dropped or doubled are found before anything is scored."""
    interrupted(data, out)
    out.write_text("".join(change(out.read_text().splitlines(keepends=True))))
    scorer = Recording()

    with pytest.raises(InputError, match=message):
        run(data, out, scorer)

    assert scorer.asked == []


def test_a_lost_journal_is_not_begun_again_silently(data, out):
    """When the header knows of records and the file is gone, a person decides."""
    interrupted(data, out)
    out.unlink()

    with pytest.raises(InputError, match="is gone"):
        run(data, out, Recording())


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"kind": "calreg collect 1", "state": "running"}']
)
def test_a_broken_header_is_named(data, out, text):
    """A header that cannot be read stops, with its path."""
    interrupted(data, out)
    header = target_of(out).header
    header.write_text(text)

    with pytest.raises(InputError) as caught:
        run(data, out, Recording())

    assert caught.value.where == str(header)


def test_two_at_once_are_refused(data, out):
    """While one process collects into an output, another is told to wait."""
    with locked(target_of(out).lock), pytest.raises(InputError, match="another calreg collect"):
        run(data, out, Recording())

    assert run(data, out, Recording()).is_complete


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"item": "nope"}, "no column 'nope' that names the items"),
        ({"keep": ("nope",)}, "--keep: no column 'nope'"),
    ],
)
def test_columns_that_are_not_there_are_named(data, out, options, message):
    """A column that the data set does not have is refused before anything is scored."""
    with pytest.raises(InputError, match=message):
        run(data, out, Recording(), **options)

    assert not out.exists()


def test_a_kept_column_may_not_hide_a_score(tmp_path, out):
    """A column called as one of the output is refused."""
    (tmp_path / "data.csv").write_text("item,score_a\nx,1\n")

    with pytest.raises(UsageError, match="a column of that name itself"):
        run(tmp_path / "data.csv", out, lambda _: [{"a": 0.5}], keep=("score_a",))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "item,t\na,1\nb\n", "expected 2 columns"),
        ("a.csv", "item,t\n", "holds no rows"),
        ("a.jsonl", '{"item": "a"}\nx\n', "line 2"),
        ("a.csv", "", "is empty"),
        ("a.txt", "item\na\n", "its name does not say"),
    ],
)
def test_a_broken_data_set_is_refused_before_scoring(tmp_path, out, name, text, message):
    """A data set is gone through once before the first item is scored."""
    (tmp_path / name).write_text(text)
    scorer = Recording()

    with pytest.raises(InputError, match=message):
        run(tmp_path / name, out, scorer)

    assert scorer.asked == []
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "error"), [("out.csv", UsageError), ("no/out.jsonl", InputError), ("", UsageError)]
)
def test_an_output_that_cannot_be_is_refused(data, tmp_path, name, error):
    """A name that says no format, a missing folder, a folder."""
    with pytest.raises(error):
        run(data, tmp_path / name, Recording())


def test_the_output_is_no_data(data, tmp_path):
    """The output may lie where a glob of the data set finds it, but may not be named as data."""
    (tmp_path / "in.jsonl").write_text('{"item": "a-1"}\n')
    out = tmp_path / "out.jsonl"
    glob = (str(tmp_path / "*.jsonl"),)
    run(glob, out, Recording())

    assert run(glob, out, Recording()).counts["recorded"] == 1
    with pytest.raises(InputError, match="is the data set to read"):
        run((str(out),), out, Recording())


def peak_of(items, tmp_path):
    data = data_set(tmp_path / f"{items}.csv", (f"item-{number}" for number in range(items)))
    out = tmp_path / f"{items}.jsonl"
    tracemalloc.start()
    try:
        run(data, out, lambda batch: [0.5] * len(batch), batch_size=256)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_follow_the_items(tmp_path):
    """Ten times the items take no more memory."""
    peak_of(100, tmp_path)  # what is imported and compiled once

    assert peak_of(20_000, tmp_path) < peak_of(2_000, tmp_path) + 200_000


def test_a_scorer_is_found_by_its_name():
    """`module:function` names any callable of a module, dotted too."""
    assert load_scorer("json:dumps").function is json.dumps
    assert load_scorer("json:JSONEncoder.encode").function is json.JSONEncoder.encode
    assert len(load_scorer("json:dumps").digest) == 64


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("json", UsageError, "expected MODULE:FUNCTION"),
        (":dumps", UsageError, "expected MODULE:FUNCTION"),
        ("json:", UsageError, "expected MODULE:FUNCTION"),
        (".json:dumps", UsageError, "expected MODULE:FUNCTION"),
        ("no_such_module:f", InputError, "cannot import 'no_such_module': ModuleNotFoundError"),
        ("json:dump_s", InputError, "'json' has no 'dump_s'"),
        ("json:dumps.x", InputError, "'json' has no 'dumps.x'"),
        ("json:__name__", InputError, "is no function, it is str"),
    ],
)
def test_a_scorer_that_is_none_is_named(name, error, message):
    """One line says what is wrong with the scorer's name."""
    with pytest.raises(error, match=message):
        load_scorer(name)
