from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calreg.errors import InputError
from calreg.labelled import LabelledScores
from calreg.names import HeadName
from calreg.scores import ScoreTable, read_labelled

HEAD = HeadName.parse("posts/filter")
Table = dict[str, list[Any]]


def read(*paths: Path | str, **options: Any) -> LabelledScores:
    """The labelled scores of files, of the head `posts/filter`."""
    table = {key: options.pop(key) for key in ("columns", "head", "model") if key in options}
    return read_labelled(ScoreTable(tuple(map(str, paths)), **{"head": HEAD, **table}), **options)


def refused(*paths: Path | str, **options: Any) -> tuple[str, str]:
    """The message and the hint with which a table is refused."""
    with pytest.raises(InputError) as caught:
        read(*paths, **options)
    return str(caught.value), caught.value.hint or ""


def rows_of(columns: Table) -> list[tuple[Any, ...]]:
    return list(zip(*columns.values(), strict=True))


def write_csv(path: Path, columns: Table) -> Path:
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows_of(columns))
    return path


def write_jsonl(path: Path, columns: Table) -> Path:
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.writelines(
            json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows_of(columns)
        )
    return path


def write_parquet(path: Path, columns: Table, **kinds: str) -> Path:
    connection = duckdb.connect()
    usual = {str: "VARCHAR", int: "TINYINT", float: "DOUBLE", bool: "BOOLEAN"}
    listed = ", ".join(
        f'"{name}" {kinds.get(name, usual[type(values[0])])}' for name, values in columns.items()
    )
    connection.execute(f"CREATE TABLE t ({listed})")
    marks = ", ".join("?" for _ in columns)
    connection.executemany(
        f"INSERT INTO t VALUES ({marks})", [list(row) for row in rows_of(columns)]
    )
    connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    return path


WRITERS = {
    ".csv": write_csv,
    ".csv.gz": write_csv,
    ".jsonl": write_jsonl,
    ".ndjson.gz": write_jsonl,
    ".parquet": write_parquet,
}


def posts(count: int = 40) -> Table:
    """Scores of three labels, one-vs-rest, with ids, texts' keys and truth."""
    chance = np.random.default_rng(3)
    scores = {f"score_{label}": chance.random(count).tolist() for label in ("ok", "ad", "scam")}
    truth = {f"y_{label}": chance.integers(0, 2, count).tolist() for label in ("ok", "ad", "scam")}
    ids = [f"{n:05d}" for n in range(count)]
    keys = [f"t{n % 7}" for n in range(count)]
    return {"id": ids, "text_key": keys, **truth, **scores}


def long_of(columns: Table, **names: str) -> Table:
    """The same table, a row per item and label."""
    labels = [name.removeprefix("score_") for name in columns if name.startswith("score_")]
    places = [(n, label) for n in range(len(columns["id"])) for label in labels]
    return {
        **{name: [text] * len(places) for name, text in names.items()},
        "item": [columns["id"][n] for n, _ in places],
        "text_key": [columns["text_key"][n] for n, _ in places],
        "label": [label for _, label in places],
        "score": [columns[f"score_{label}"][n] for n, label in places],
        "truth": [columns[f"y_{label}"][n] for n, label in places],
    }


def check(found: LabelledScores, columns: Table, labels: Sequence[str]) -> None:
    """The labels hold exactly what the columns hold."""
    assert sorted(found.labels) == sorted(labels)
    for label in labels:
        column = found.labels[label]
        assert column.scores.tolist() == columns[f"score_{label}"]
        assert column.truth.tolist() == [bool(y) for y in columns[f"y_{label}"]]
        assert column.rows.tolist() == list(range(len(columns["id"])))
    assert found.items is not None
    assert found.items.tolist() == columns["id"]


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("form", ["wide", "long", "many"])
def test_form_and_format_do_not_matter(tmp_path: Path, form: str, ending: str) -> None:
    """Wide, long or with heads in the columns: the same scores, truth, items and digests."""
    columns = posts()
    table = columns if form != "long" else long_of(columns, model="posts", head="filter")
    if form == "many":
        table = {name.replace("score_", "posts/filter:"): part for name, part in columns.items()}
    path = WRITERS[ending](tmp_path / f"t{ending}", table)

    found = read(path, keys=["text_key"])

    check(found, columns, ["ok", "ad", "scam"])
    assert found.keys["text_key"].tolist() == columns["text_key"]
    assert (found.rows, found.is_logit, found.rejected) == (40, False, {})
    assert found.files == (f"t{ending}",)
    usual = read(write_csv(tmp_path / "usual.csv", columns))
    assert [found.digest(label) for label in ("ok", "ad")] == [
        usual.digest(label) for label in ("ok", "ad")
    ]


def test_labels_stand_in_the_order_of_the_columns(tmp_path: Path) -> None:
    """A wide table's labels come in the order of its columns, chosen or not."""
    path = write_csv(tmp_path / "t.csv", posts())

    assert list(read(path).labels) == ["ok", "ad", "scam"]
    assert list(read(path, labels=["scam", "ok"]).labels) == ["ok", "scam"]


def test_logits_are_known_by_their_columns(tmp_path: Path) -> None:
    """Columns logit_<label> are logits, whatever their values."""
    path = write_csv(tmp_path / "t.csv", {"logit_a": [0.5, -3.0], "y_a": [1, 0]})

    found = read(path)

    assert found.is_logit
    assert found.items is None
    assert found.labels["a"].scores.tolist() == [0.5, -3.0]


@pytest.mark.parametrize("form", ["wide", "long"])
def test_float_columns_of_parquet_stay_float32(tmp_path: Path, form: str) -> None:
    """FLOAT columns are not widened: half the memory, the same numbers."""
    columns = posts() if form == "wide" else long_of(posts(), head="filter")
    kinds = {name: "FLOAT" for name in columns if name.startswith("score")}
    path = write_parquet(tmp_path / "t.parquet", columns, **kinds)

    found = read(path).labels["ad"].scores

    assert found.dtype == np.float32
    assert found.tolist() == np.array(posts()["score_ad"], np.float32).tolist()


def test_files_of_both_precisions_become_float64(tmp_path: Path) -> None:
    """A FLOAT and a DOUBLE column of one label are put together without loss."""
    columns = posts()
    write_parquet(tmp_path / "a.parquet", columns, score_ok="FLOAT")
    write_parquet(tmp_path / "b.parquet", columns)

    found = read(tmp_path / "*.parquet").labels["ok"].scores

    assert found.dtype == np.float64
    assert found[40:].tolist() == columns["score_ok"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scores=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    style=st.sampled_from(["{!r}", "{:.17e}", " {:.25g} "]),
    ending=st.sampled_from([".csv", ".jsonl"]),
)
def test_text_is_read_as_python_reads_it(
    tmp_path: Path, scores: list[float], style: str, ending: str
) -> None:
    """A number in a text file becomes the double that float() gives."""
    texts = [style.format(score) for score in scores]
    path = WRITERS[ending](tmp_path / f"t{ending}", {"score_a": texts, "y_a": [1] * len(texts)})

    assert read(path).labels["a"].scores.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    "truth", [["1", "0"], ["1.0", "0.0"], ["true", "False"], [True, False], [1.0, 0.0], [1, 0]]
)
def test_truth_is_written_in_many_ways(tmp_path: Path, ending: str, truth: list[Any]) -> None:
    """1, 1.0 and true are 1; 0, 0.0 and false are 0; in text and in typed columns."""
    path = WRITERS[ending](tmp_path / f"t{ending}", {"score_a": [0.5, 0.25], "y_a": truth})

    assert read(path).labels["a"].truth.tolist() == [True, False]


def test_one_truth_for_all_signals(tmp_path: Path) -> None:
    """`--column truth=NAME` is the truth of every column of scores, `item` and `where` as named."""
    table = {
        "model": ["llama", "llama", "qwen"],
        "sample_id": ["qa_1", "qa_2", "qa_1"],
        "group": ["1", "2", "1"],
        "label": ["1", "0", "0"],
        "score_hbar": [0.5, 2.5, 1.5],
        "score_pri": [1.5, 1.0, 1.25],
    }
    path = write_csv(tmp_path / "t.csv", table)
    columns = {"truth": "label", "item": "sample_id"}

    found = read(path, columns=columns, keys=["group"], where={"model": "llama"})

    assert {label: one.truth.tolist() for label, one in found.labels.items()} == {
        "hbar": [True, False],
        "pri": [True, False],
    }
    assert found.labels["pri"].scores.tolist() == [1.5, 1.0]
    assert found.items is not None
    assert (found.items.tolist(), found.keys["group"].tolist()) == (["qa_1", "qa_2"], ["1", "2"])


def test_a_column_called_truth_serves_labels_without_their_own(tmp_path: Path) -> None:
    """y_<label> is the truth of a label; a column `truth` is that of the others."""
    table = {"score_a": [0.5, 0.2], "score_b": [0.5, 0.2], "y_a": [1, 0], "truth": [0, 1]}

    found = read(write_csv(tmp_path / "t.csv", table)).labels

    assert found["a"].truth.tolist() == [True, False]
    assert found["b"].truth.tolist() == [False, True]


def test_items_are_text_as_written(tmp_path: Path) -> None:
    """Zeros in front, white space and letters of any script stay in an item's name."""
    items = ["00123", " 7 ", "größe, 木", "1e3", ""]
    table = {"item": items, "score_a": [0.5] * 5, "y_a": [1] * 5, "note": ["ü", "", "z", "", "x"]}
    path = write_csv(tmp_path / "t.csv", table)

    found = read(path, keys=["note"])

    assert found.items is not None
    assert found.items.tolist() == items
    assert found.keys["note"].tolist() == ["ü", "", "z", "", "x"]
    assert read(path, with_items=False).items is None


def test_optional_keys_are_kept_if_they_are_there(tmp_path: Path) -> None:
    """A further column that is wanted if there is one is kept once, and missed without a word."""
    path = write_csv(tmp_path / "t.csv", posts())

    found = read(path, keys=["text_key"], optional_keys=["text_key", "group"])

    assert {name: len(texts) for name, texts in found.keys.items()} == {"text_key": 40}


def test_null_items_and_keys_are_not_known(tmp_path: Path) -> None:
    """A null of Parquet in a column of text is an empty text."""
    table = {"item": ["a", None, "c"], "score_a": [0.5] * 3, "y_a": [1, 1, 0]}

    found = read(write_parquet(tmp_path / "t.parquet", table), keys=["item"])

    assert found.items is not None
    assert found.items.tolist() == found.keys["item"].tolist() == ["a", "", "c"]


def test_rejects_are_counted_and_named_by_line(tmp_path: Path) -> None:
    """Every reason is counted, the first named by file, line and value; rows say which are left."""
    path = tmp_path / "t.csv"
    lines = ["0.1,1", ",1", "text,0", "nan,1", "inf,0", "0.2,2", '"0.3",', "0.4,0"]
    path.write_text("score_a,y_a\n" + "\n".join(lines) + "\n")

    found = read(path, max_reject_rate=0.9)

    assert found.rejected == {
        "missing": 1,
        "not_a_number": 1,
        "nan": 1,
        "infinite": 1,
        "bad_truth": 2,
    }
    assert found.labels["a"].scores.tolist() == [0.1, 0.4]
    assert found.labels["a"].rows.tolist() == [0, 7]
    assert (found.rows, found.labels["a"].truth.tolist()) == (8, [True, False])
    assert found.first_rejects == (
        "t.csv line 3: missing (empty)",
        "t.csv line 4: not a number ('text')",
        "t.csv line 5: NaN ('nan')",
        "t.csv line 6: infinite ('inf')",
        "t.csv line 7: truth not 0 or 1 ('2')",
    )


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE"])
def test_nulls_and_nans_of_parquet_are_rejects(tmp_path: Path, kind: str) -> None:
    """NULL scores, NULL truth, NaN and infinities are never numbers; the others keep their rows."""
    table: Table = {
        "score_a": [0.5, None, float("nan"), float("-inf"), 0.25, 0.75],
        "y_a": [1, 1, 1, 1, None, 0],
    }
    path = write_parquet(tmp_path / "t.parquet", table, score_a=kind)

    found = read(path, max_reject_rate=1)

    assert found.rejected == {"missing": 1, "nan": 1, "infinite": 1, "bad_truth": 1}
    assert found.labels["a"].scores.tolist() == [0.5, 0.75]
    assert found.labels["a"].rows.tolist() == [0, 5]
    assert found.first_rejects[0] == "t.parquet row 2: missing (empty)"


def test_too_many_rejects_are_refused(tmp_path: Path) -> None:
    """More rejects than allowed stop everything, with the share that would pass."""
    table = {"score_a": [0.5] * 100, "y_a": ["1"] * 97 + ["", "x", "1"]}
    path = write_csv(tmp_path / "t.csv", table)

    message, hint = refused(path)

    assert "2 of 100 scores are rejected (2 truth not 0 or 1)" in message
    assert "t.csv line 99: truth not 0 or 1 (empty)" in message
    assert "--max-reject-rate 0.0203" in hint
    assert read(path, max_reject_rate=0.0203).rejected == {"bad_truth": 2}


def test_the_wrong_truth_column_is_pointed_to(tmp_path: Path) -> None:
    """If no truth is 0 or 1, the hint is about the column of truth."""
    table = {"score_a": [0.5] * 3, "y_a": ["yes", "no", "yes"]}

    message, hint = refused(write_csv(tmp_path / "t.csv", table))

    assert "all 3 scores are rejected (3 truth not 0 or 1)" in message
    assert "--column truth=NAME" in hint


def test_only_chosen_rows_can_be_rejected(tmp_path: Path) -> None:
    """Rows that `where` leaves out are neither read nor counted; lines are still the file's."""
    table = {
        "split": ["train", "test", "test", "train"],
        "score_a": ["x", "0.5", "y", "0.1"],
        "y_a": [1, 1, 0, 0],
    }
    path = write_csv(tmp_path / "t.csv", table)

    found = read(path, where={"split": "test"}, max_reject_rate=0.5)

    assert (found.rows, found.rejected) == (2, {"not_a_number": 1})
    assert found.first_rejects == ("t.csv line 4: not a number ('y')",)


def test_labels_that_are_left_out_cannot_be_rejected(tmp_path: Path) -> None:
    """What is wrong with a label that was not asked for does not matter, in either form."""
    wide = {"score_a": ["0.5", "0.25"], "score_b": ["x", "y"], "y_a": [1, 0]}
    long = {"label": ["a", "b"], "score": ["0.5", "x"], "truth": [1, 7]}

    found = [
        read(write_csv(tmp_path / f"{n}.csv", table), labels=["a"])
        for n, table in enumerate((wide, long))
    ]

    assert [one.rejected for one in found] == [{}, {}]
    assert found[0].labels["a"].scores.tolist() == [0.5, 0.25]
    assert found[1].labels["a"].scores.tolist() == [0.5]


def test_labels_without_truth_are_refused_by_name(tmp_path: Path) -> None:
    """A label without y_<label> is not guessed at: leave it out, or say where its truth is."""
    table = {"score_a": [0.5], "score_b": [0.5], "score_c": [0.5], "y_a": [1]}
    path = write_csv(tmp_path / "t.csv", table)

    message, hint = refused(path)

    assert message == "t.csv: no truth for 'b', 'c': there is no column y_b, y_c"
    assert hint == "Leave it out with --label a, or say where it is: --column truth=NAME"
    assert list(read(path, labels=["a"]).labels) == ["a"]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"labels": ["scan"]}, "no label 'scan'", "Did you mean scam?"),
        ({"keys": ["text_ky"]}, "no column 'text_ky'; it has id, text_key", "text_key?"),
        ({"where": {"splt": "x"}}, "no column 'splt'; it has id", "There are"),
        ({"where": {"text_key": "t9"}}, "has no rows with text_key = 't9'", "There are: t0"),
        (
            {"where": {"text_key": "t1", "id": "00000"}},
            "has no rows with text_key = 't1' and id = '00000'",
            "not together",
        ),
        ({"head": None}, "the head whose scores these are is not named", "--head model/head"),
        ({"columns": {"item": "nr"}}, "no column 'nr'", "--column item="),
        ({"columns": {"truth": "y"}}, "no column 'y'", "--column truth="),
    ],
)
def test_what_is_not_there_is_refused(
    tmp_path: Path, options: Mapping[str, Any], message: str, hint: str
) -> None:
    """Unknown labels, columns, texts and a missing head are refused with what there is."""
    said = refused(write_csv(tmp_path / "t.csv", posts()), **options)

    assert message in said[0]
    assert said[0].startswith("t.csv: ")
    assert hint in said[1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [1]}, "is neither a long nor a wide table; it has a"),
        ({"label": ["a"], "value": [1.0]}, "no column 'score'"),
        ({"value": ["a"], "score": [1.0]}, "no column 'label'"),
        ({"label": ["a"], "score": [1.0]}, "no column 'truth'"),
        ({"score_a": [1.0], "logit_a": [1.0], "y_a": [1]}, "has score_… and logit_… columns"),
        ({"posts/other:a": [1.0], "y_a": [1]}, "has no scores of 'posts/filter'"),
        (
            {"head": ["x"], "label": ["a"], "score": [1.0], "truth": [1]},
            "has no scores of 'posts/filter'",
        ),
        ({"posts/filter:a": [1.0]}, "no truth for 'a'"),
        ({"posts/filter:a": [1.0], "Posts/filter:b": [1.0]}, "would both be called"),
        ({"score_ a": [1.0], "y_ a": [1]}, "label"),
    ],
)
def test_tables_of_other_forms_are_refused(tmp_path: Path, table: Table, message: str) -> None:
    """A table that lacks a part of its form is refused with what it lacks."""
    assert message in refused(write_csv(tmp_path / "t.csv", table))[0]


def test_a_truth_that_is_called_label_is_no_long_table(tmp_path: Path) -> None:
    """One column cannot be both the truth and the name of the label."""
    path = write_csv(tmp_path / "t.csv", {"score": [0.5], "label": [1]})

    message, hint = refused(path, columns={"truth": "label"})

    assert "column 'label' is the truth, and nothing names the label of a row" in message
    assert "score_<label>" in hint


def test_empty_tables_are_refused(tmp_path: Path) -> None:
    """A header alone says nothing, in either form."""
    for header in ("score_a,y_a", "label,score,truth", "head,label,score,truth"):
        (tmp_path / "t.csv").write_text(header + "\n")

        assert refused(tmp_path / "t.csv")[0] == "t.csv: has no rows"
        assert refused(tmp_path / "t.csv", labels=["a"])[0] == "t.csv: has no rows"


def test_files_must_agree_in_form_and_items(tmp_path: Path) -> None:
    """Forms are not mixed, nor files with names of items and files without."""
    write_csv(tmp_path / "a.csv", {"id": ["1"], "score_a": [0.5], "y_a": [1]})
    write_csv(tmp_path / "b.csv", {"score_a": [0.5], "y_a": [1]})
    write_csv(tmp_path / "c.csv", {"label": ["a"], "score": [0.5], "truth": [1]})

    assert "b.csv: has no column 'id', a.csv has one" in refused(tmp_path / "[ab].csv")[0]
    assert "c.csv: is a long table, b.csv is a wide one" in refused(tmp_path / "[bc].csv")[0]


def test_rows_of_several_files_follow_each_other(tmp_path: Path) -> None:
    """Rows are numbered over all files, in the order of their names, columns in any order."""
    write_csv(tmp_path / "a.csv", {"id": ["1", "2"], "score_a": [0.1, 0.2], "y_a": [1, 0]})
    write_jsonl(tmp_path / "b.jsonl", {"y_a": [0], "score_a": [0.3], "id": ["3"]})
    write_csv(tmp_path / "c.csv", {"id": ["4"], "score_b": [0.4], "y_b": [1]})

    found = read(tmp_path / "[abc].*")

    assert found.items is not None
    assert found.items.tolist() == ["1", "2", "3", "4"]
    assert found.labels["a"].rows.tolist() == [0, 1, 2]
    assert found.labels["a"].scores.tolist() == [0.1, 0.2, 0.3]
    assert found.labels["b"].rows.tolist() == [3]
    assert found.files == ("a.csv", "b.jsonl", "c.csv")


def test_the_head_chooses_the_rows_of_a_long_table(tmp_path: Path) -> None:
    """Rows of other heads are passed over, whatever is wrong with them; names become slugs."""
    table = {
        "model": ["Posts", "Posts", "posts2", "Posts"],
        "head": ["Filter", "Other", "filter", "Filter"],
        "label": ["a", "a", "a", "b"],
        "score": ["0.5", "x", "y", "0.25"],
        "truth": [1, 3, 4, 0],
    }

    found = read(write_csv(tmp_path / "t.csv", table))

    assert {label: one.scores.tolist() for label, one in found.labels.items()} == {
        "a": [0.5],
        "b": [0.25],
    }
    assert (found.rejected, found.items) == ({}, None)


def test_a_file_per_head_may_be_among_others(tmp_path: Path) -> None:
    """Of several files those that name other heads only are passed over."""
    for head in ("filter", "other"):
        table = {"head": [head], "label": ["a"], "score": [len(head)], "truth": [1]}
        write_csv(tmp_path / f"{head}.csv", table)
        many = {f"posts/{head}:a": [len(head)], "y_a": [1]}
        write_csv(tmp_path / f"wide-{head}.csv", many)

    assert read(tmp_path / "[fo]*.csv").labels["a"].scores.tolist() == [6.0]
    assert read(tmp_path / "wide-*.csv").labels["a"].scores.tolist() == [6.0]
    assert refused(tmp_path / "other.csv") == (
        "other.csv: has no scores of 'posts/filter'",
        "Did you mean posts/other?",
    )


def test_rows_that_do_not_say_whose_they_are_are_rejects(tmp_path: Path) -> None:
    """A long row without model, head or label is counted, not passed over."""
    table = {
        "model": ["posts", "", "posts", "posts"],
        "head": ["filter", "filter", "", "filter"],
        "label": ["a", "a", "a", ""],
        "score": [0.5, 0.5, 0.5, 0.5],
        "truth": [1, 1, 1, 1],
    }

    found = read(write_csv(tmp_path / "t.csv", table), max_reject_rate=0.75)

    assert found.rejected == {"missing_name": 3}
    assert found.labels["a"].rows.tolist() == [0]
    assert found.first_rejects[0] == "t.csv line 3: without model, head or label ('/filter/a')"


def test_long_rows_become_rows_of_items(tmp_path: Path) -> None:
    """A row of the result is an item: labels of one item share it, in any order of rows."""
    table = {
        "item": ["x", "y", "y", "x", "z"],
        "group": ["g", "h", "h", "g", "g"],
        "label": ["a", "b", "a", "b", "a"],
        "score": ["0.1", "0.2", "0.3", "0.4", "nan"],
        "truth": [1, 0, 1, 0, 1],
    }

    found = read(write_csv(tmp_path / "t.csv", table), keys=["group"], max_reject_rate=0.2)

    assert found.items is not None
    assert found.items.tolist() == ["x", "y", "z"]
    assert found.keys["group"].tolist() == ["g", "h", "g"]
    assert found.labels["a"].rows.tolist() == [0, 1]
    assert found.labels["b"].rows.tolist() == [0, 1]
    assert found.labels["b"].scores.tolist() == [0.4, 0.2]
    assert (found.rows, found.rejected) == (3, {"nan": 1})


def test_long_rows_without_items_are_rows_of_the_table(tmp_path: Path) -> None:
    """Nothing says that two rows are one item, so they are not: no labels share a row."""
    table = {"label": ["a", "b", "a"], "score": [0.1, 0.2, 0.3], "truth": [1, 0, 0]}

    found = read(write_csv(tmp_path / "t.csv", table), keys=["label"])

    assert found.items is None
    assert found.labels["a"].rows.tolist() == [0, 2]
    assert found.labels["b"].rows.tolist() == [1]
    assert (found.rows, found.keys["label"].tolist()) == (3, ["a", "b", "a"])


def test_items_without_a_name_are_items_of_their_own(tmp_path: Path) -> None:
    """Two long rows without a name of an item are two items, not one that stands twice."""
    table = {"item": ["", "", "x"], "label": ["a"] * 3, "score": [0.1, 0.2, 0.3], "truth": [1] * 3}

    found = read(write_csv(tmp_path / "t.csv", table))

    assert found.items is not None
    assert found.items.tolist() == ["", "", "x"]
    assert found.labels["a"].rows.tolist() == [0, 1, 2]


def test_an_item_that_stands_twice_for_a_label_is_refused(tmp_path: Path) -> None:
    """A pivot is unique or none: the item, its label and the count are named."""
    table = {
        "item": ["x", "y", "x", "x", "y", "z"],
        "label": ["a"] * 6,
        "score": [0.5] * 6,
        "truth": [1] * 6,
    }
    path = write_csv(tmp_path / "t.csv", table)

    message, hint = refused(path)

    assert message == "t.csv: item 'x' stands 3 times for label 'a', and 1 more items"
    assert "--column item=NAME" in hint
    assert "item 'x' stands 3 times" in refused(path, with_items=False)[0]


def test_a_key_that_differs_within_an_item_is_refused(tmp_path: Path) -> None:
    """A key says something of the item, so all its rows must say the same."""
    table = {
        "item": ["x", "x"],
        "label": ["a", "b"],
        "group": ["1", "2"],
        "score": [0.5] * 2,
        "truth": [1] * 2,
    }
    path = write_csv(tmp_path / "t.csv", table)

    assert "item 'x' has two texts of one key, '1' and '2'" in refused(path, keys=["group"])[0]
    assert read(path).rows == 1


def test_columns_of_lists_are_no_scores(tmp_path: Path) -> None:
    """A column that holds neither numbers nor text is refused by its type."""
    connection = duckdb.connect()
    connection.execute(f"COPY (SELECT [0.5] AS score_a, 1 AS y_a) TO '{tmp_path}/t.parquet'")

    assert "column 'score_a' holds DECIMAL(2,1)[]" in refused(tmp_path / "t.parquet")[0]


def test_a_large_column_comes_whole_and_in_order(tmp_path: Path) -> None:
    """A million rows in many row groups come in the order of the file."""
    path = tmp_path / "t.parquet"
    query = "SELECT i AS id, i::FLOAT AS score_a, i % 3 = 0 AS y_a FROM range(1000000) t(i)"
    duckdb.connect().execute(f"COPY ({query}) TO '{path}' (ROW_GROUP_SIZE 50000)")

    found = read(path, with_items=False).labels["a"]

    assert np.array_equal(found.scores, np.arange(1_000_000, dtype=np.float32))
    assert np.array_equal(found.truth, np.arange(1_000_000) % 3 == 0)
    assert found.positives == 333_334


_MEMORY = """
import resource, sys
from calreg.names import HeadName
from calreg.scores import ScoreTable, read_labelled
table = lambda path: ScoreTable((path,), head=HeadName("m", "h"))
read_labelled(table(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = read_labelled(table(sys.argv[2]), with_items=False)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 / found.labels["a"].scores.nbytes)
"""


def test_memory_is_a_few_times_the_scores(tmp_path: Path) -> None:
    """Reading 4 M float32 scores takes no more than six times their size, the engine's included."""
    for name, rows in (("small", 10), ("large", 4_000_000)):
        query = f"SELECT random()::FLOAT AS score_a, random() < 0.5 AS y_a FROM range({rows})"
        duckdb.connect().execute(f"COPY ({query}) TO '{tmp_path}/{name}.parquet'")
    words = [
        sys.executable,
        "-c",
        _MEMORY,
        f"{tmp_path}/small.parquet",
        f"{tmp_path}/large.parquet",
    ]

    done = subprocess.run(words, capture_output=True, text=True, check=True)

    assert float(done.stdout) < 6


def test_progress_is_told_and_ends_at_the_total(tmp_path: Path) -> None:
    """Progress never goes back or past the total."""
    told: list[tuple[int, int]] = []

    read(write_csv(tmp_path / "t.csv", posts()), progress=lambda *pair: told.append(pair))

    assert told[0][0] == 0
    assert all(done <= total for done, total in told)
    assert told == sorted(told)


@pytest.mark.parametrize("path", ["https://example.org/t.csv", ".", "no.csv", "*.nothing"])
def test_the_guards_of_all_tables_hold(path: str) -> None:
    """Addresses, folders and files that are not there are refused as for `run`."""
    with pytest.raises(InputError):
        read(path)


def test_hundreds_of_labels_are_read_as_few_are(tmp_path: Path) -> None:
    """A table wider than one query takes gives every label its own scores and rows."""
    names = [f"l{number}" for number in range(250)]

    def wide(path: Path, first: int, shown: Sequence[str]) -> Path:
        columns: Table = {"item": [f"{path.stem}-{row}" for row in range(3)]}
        for name in shown:
            base = first + int(name[1:])
            columns[f"score_{name}"] = [base, base + 0.25, base + 0.5]
            columns[f"y_{name}"] = [row % 2 for row in range(3)]
        if first:
            columns["score_l249"][1] = "nan"
        return write_csv(path, columns)

    paths = (wide(tmp_path / "a.csv", 0, names), wide(tmp_path / "b.csv", 1000, names[::-1]))
    found = read(*paths, max_reject_rate=0.5)

    assert list(found.labels) == names
    assert found.rows == 6
    assert found.items is not None
    assert found.items.tolist() == ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2"]
    for number, name in enumerate(names[:-1]):
        expected = [number, number + 0.25, number + 0.5]
        expected += [1000 + value for value in expected]
        assert found.labels[name].scores.tolist() == expected
        assert found.labels[name].rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.labels["l249"].scores.tolist() == [249, 249.25, 249.5, 1249, 1249.5]
    assert found.labels["l249"].rows.tolist() == [0, 1, 2, 3, 5]
    assert found.rejected == {"nan": 1}
