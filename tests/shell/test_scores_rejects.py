from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import duckdb
import pytest

from calreg.errors import CalregError, InputError, UsageError
from calreg.names import HeadName
from calreg.scores import Scores, ScoreTable, read_scores

HEAD = HeadName.parse("some/net/head")
HEADER = "model,head,label,score\n"
GOOD = "m,h,a,0.5\n" * 8


def read(*paths: Path | str, **options: Any) -> Scores:
    """The scores of files, however many are rejected unless said otherwise."""
    table = {key: options.pop(key) for key in ("columns", "head", "model") if key in options}
    options = {"max_reject_rate": 0.9} | options
    return read_scores(
        ScoreTable(tuple(map(str, paths)), **table),
        grid_of=lambda _head, _label: None,
        **options,
    )


def refusal(*paths: Path | str, **options: Any) -> CalregError:
    """The error that reading ends with: one line, exit code 3."""
    with pytest.raises(InputError) as caught:
        read(*paths, **options)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A file to write a table to."""
    return tmp_path / "score.csv"


def test_rejects_are_counted_by_reason_and_placed(table: Path) -> None:
    """Each kind of bad score is counted under its reason and named with its line."""
    table.write_text(
        HEADER + GOOD + 'm,h,a,\nm,h,a,nan\n\nm,h,"a",inf\nm,h,a,oops\nm,h,,0.5\n,h,a,0.5\n' + GOOD
    )

    found = read(table)

    assert found.rejected == {
        "missing_name": 2,
        "missing": 1,
        "not_a_number": 1,
        "nan": 1,
        "infinite": 1,
    }
    assert (found.rows, found.accepted) == (22, 16)
    assert [str(one) for one in found.first_rejects] == [
        "score.csv line 10: missing (empty)",
        "score.csv line 11: NaN ('nan')",
        "score.csv line 13: infinite ('inf')",
        "score.csv line 14: not a number ('oops')",
        "score.csv line 15: without model, head or label ('m/h/')",
    ]


def test_quoted_line_breaks_do_not_shift_lines(table: Path) -> None:
    """A row that spans lines is named by its first, and the next ones stay right."""
    table.write_text(
        'item,model,head,label,score\n"one\ntwo",m,h,a,0.5\n"x\n\ny",m,h,a,bad\nz,m,h,a,worse\n'
    )

    lines = [(one.line, one.value) for one in read(table).first_rejects]

    assert lines == [(4, "'bad'"), (7, "'worse'")]


def test_lines_of_jsonl(tmp_path: Path) -> None:
    """JSONL is counted in lines, blank ones included; null and NaN are told apart."""
    path = tmp_path / "s.jsonl"
    row = '{"model": "m", "head": "h", "label": "a", "score": %s}\n'
    path.write_text(row % 1 + "\n" + row % "null" + row % "NaN" + row % '"text"' + row % "2e0")

    found = read(path)

    assert [(one.reason, one.line) for one in found.first_rejects] == [
        ("missing", 3),
        ("nan", 4),
        ("not_a_number", 5),
    ]
    assert found.accepted == 2


def test_lines_in_packed_files(tmp_path: Path) -> None:
    """Lines of a .gz file are those of what is in it."""
    path = tmp_path / "s.csv.gz"
    path.write_bytes(gzip.compress((HEADER + GOOD + "m,h,a,bad\n").encode()))

    assert [(one.source, one.line) for one in read(path).first_rejects] == [("s.csv.gz", 10)]


@pytest.mark.parametrize("form", ["long", "wide"])
def test_rows_of_parquet(tmp_path: Path, form: str) -> None:
    """Parquet files are counted in rows from 1."""
    path = tmp_path / "s.parquet"
    score = "CASE i WHEN 3 THEN NULL WHEN 4 THEN 'nan' WHEN 5 THEN '-inf' ELSE '0.5' END::FLOAT"
    columns = f"'m' AS model, 'h' AS head, 'a' AS label, {score} AS score"
    if form == "wide":
        columns = f'{score} AS "m/h:a", 0.25::DOUBLE AS "m/h:b"'
    duckdb.connect().execute(f"COPY (SELECT {columns} FROM range(1, 101) t(i)) TO '{path}'")

    found = read(path)

    assert [str(one) for one in found.first_rejects] == [
        "s.parquet row 3: missing (empty)",
        "s.parquet row 4: NaN ('nan')",
        "s.parquet row 5: infinite ('-inf')",
    ]
    assert found.rejected == {"missing": 1, "nan": 1, "infinite": 1}
    assert found.accepted == (97 if form == "long" else 197)
    assert found.heads[HeadName("m", "h")].labels["a"].samples == 97


def test_first_rejects_of_several_files_are_in_order(tmp_path: Path) -> None:
    """Of several files those of the first by name come first, five at most."""
    for name in "cba":
        (tmp_path / f"{name}.csv").write_text(HEADER + GOOD + "m,h,a,bad\n" * 3)

    found = read(tmp_path / "*.csv")

    places = [(one.source, one.line) for one in found.first_rejects]
    assert places == [("a.csv", 10), ("a.csv", 11), ("a.csv", 12), ("b.csv", 10), ("b.csv", 11)]
    assert found.rejected == {"not_a_number": 9}


@pytest.mark.parametrize("form", ["long", "wide"])
def test_bad_truth_rejects_the_score(table: Path, form: str) -> None:
    """A truth that is neither 0 nor 1 rejects its score; an empty one is no fault."""
    rows = ["0.1,0", "0.2,1", "0.3,", "0.4,2", "0.5,maybe", "0.6,1.0"]
    if form == "long":
        text = "model,head,label,score,truth\n" + "".join(f"m,h,a,{row}\n" for row in rows)
    else:
        text = "score_a,y_a\n" + "".join(f"{row}\n" for row in rows)
    table.write_text(text)

    found = read(table, head=None if form == "long" else HEAD)

    assert found.rejected == {"bad_truth": 2}
    assert [(one.line, one.value) for one in found.first_rejects] == [(5, "'2'"), (6, "'maybe'")]


def test_a_label_without_accepted_scores_is_empty(table: Path) -> None:
    """A label whose scores are all rejected is there with 0 samples, whatever the reason."""
    table.write_text(HEADER + GOOD + "m,h,b,\nm,h,c,nan\n")

    labels = read(table).heads[HeadName("m", "h")].labels

    assert {label: one.samples for label, one in labels.items()} == {"a": 8, "b": 0, "c": 0}


def test_rejects_do_not_change_the_digest(tmp_path: Path) -> None:
    """The digest names the accepted scores only."""
    (tmp_path / "a.csv").write_text(HEADER + GOOD)
    (tmp_path / "b.csv").write_text(HEADER + "m,h,a,\n" + GOOD + "m,h,b,nan\n")

    assert read(tmp_path / "a.csv").digest == read(tmp_path / "b.csv").digest


def test_too_many_rejects_stop_the_run(table: Path) -> None:
    """More rejects than the rate allows are refused with counts and places."""
    table.write_text(HEADER + GOOD + "m,h,a,x\nm,h,a,nan\n")

    error = refusal(table, max_reject_rate=0.19)

    assert str(error) == (
        "score.csv: 2 of 10 scores are rejected (1 not a number, 1 NaN), at most 0.19 of them "
        "may be: score.csv line 10: not a number ('x'); score.csv line 11: NaN ('nan')"
    )
    assert read(table, max_reject_rate=0.2).accepted == 8


def test_all_rejected_is_refused_at_any_rate(table: Path) -> None:
    """When no score is accepted the rate does not matter."""
    table.write_text(HEADER + "m,h,a,yes\nm,h,a,no\n")

    error = refusal(table, max_reject_rate=1.0)

    assert str(error).startswith(
        "score.csv: all 2 scores are rejected (2 not a number): score.csv line 2: not a number"
    )


def test_missing_column_names_what_there_is(table: Path) -> None:
    """A missing column is answered with the columns there are and how to map one."""
    table.write_text("model,head,label,value\nm,h,a,0.5\n")

    error = refusal(table)

    assert str(error) == "score.csv: no column 'score'; it has model, head, label, value"
    assert error.hint == "--column score=value"


def test_mapped_column_that_is_missing(table: Path) -> None:
    """A mapping to a column that does not exist is answered like a missing column."""
    table.write_text(HEADER + GOOD)

    error = refusal(table, columns={"score": "prob"})

    assert str(error) == "score.csv: no column 'prob'; it has model, head, label, score"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "score.csv: is empty", None),
        ("\n\n", "score.csv: is empty", None),
        (HEADER, "score.csv: has no rows", None),
        (
            "a,b\n1,2\n",
            "score.csv: is neither a long nor a wide table; it has a, b",
            "A long table has columns model",
        ),
        (
            "score_a,score_b\n1,2\n",
            "score.csv: columns score_a, … are the scores of one head, which is not named",
            "--head model/head",
        ),
        (
            "model,head,label,score,score\nm,h,a,1,2\n",
            "score.csv: has the column 'score' twice",
            None,
        ),
        (
            "model,head,label,score,Score\nm,h,a,1,2\n",
            "score.csv: has the column 'Score' twice (as 'score')",
            None,
        ),
        (HEADER + "m,h,a,0.5\nm,h,0.5\n", "score.csv: line 3: expected 4 columns, got 3", None),
        (HEADER + 'm,h,a,"0.5\n', "score.csv: line 2: a quoted value does not end", None),
        (HEADER + "m,h, a,0.5\n", "label ' a' begins or ends with white space", None),
        (
            HEADER + "m,h,a,0.5\nm,H,a,0.5\n",
            "heads 'm/H' and 'm/h' would both be called 'm/h'",
            "Names must differ",
        ),
        (
            HEADER + "m,h,a,0.5\nM,g,a,0.5\n",
            "models 'M' and 'm' would both be called 'm'",
            "Names must differ",
        ),
        ("m/h:a,m/H:b\n1,2\n", "heads 'm/H' and 'm/h' would both be called 'm/h'", "Names"),
        ("score_a,logit_a\n1,2\n", "score.csv: has score_… and logit_… columns", "Leave out"),
        (HEADER + "m,h,a,1e200\n", "m/h, label 'a': expected scores within ±1e+140", None),
    ],
)
def test_unfit_tables_are_refused_in_one_line(
    table: Path, text: str, message: str, hint: str | None
) -> None:
    """A table that cannot be read says what is wrong in one line, with a hint if there is one."""
    table.write_text(text)
    head = HEAD if text.startswith("score_a,logit_a") else None

    error = refusal(table, head=head)

    assert str(error).startswith(message)
    assert hint is None or (error.hint or "").startswith(hint)


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("s.parquet", b"nonsense", "s.parquet: is not a Parquet file"),
        ("s.parquet", b"", "s.parquet: is not a Parquet file"),
        ("s.parquet", b"PAR1 but then nothing", "s.parquet: "),
        ("s.jsonl", b"{]\n", "s.jsonl: line 1: expected one JSON object, got '{]'"),
        ("s.jsonl", b"[1]\n", "s.jsonl: line 1: expected one JSON object, got '[1]'"),
        ("s.csv.gz", b"no gzip", "s.csv.gz: cannot be read: "),
        ("s.csv", b"model,head,label,score\nm,h,\xff,0.5\n", "s.csv: "),
        ("s.csv", b"m\xff\n", "s.csv: is not UTF-8 text"),
        ("s.txt", b"x", "s.txt: its name does not say what it is"),
        ("s.parquet.gz", b"x", "s.parquet.gz: is a Parquet file in gzip"),
    ],
)
def test_files_that_are_not_what_they_say(
    tmp_path: Path, name: str, raw: bytes, message: str
) -> None:
    """A file that is damaged or of another kind is refused in one line with its name."""
    (tmp_path / name).write_bytes(raw)

    assert str(refusal(tmp_path / name)).startswith(message)


def test_broken_line_far_down(tmp_path: Path) -> None:
    """A JSONL line that is no JSON is refused by its number even behind the sampled ones."""
    path = tmp_path / "s.jsonl"
    row = '{"model": "m", "head": "h", "label": "a", "score": 0.5}\n'
    path.write_text(row * 1500 + "{broken\n")

    assert str(refusal(path)) == "s.jsonl: line 1501: expected one JSON object, got '{broken'"


def test_files_must_agree_in_form(tmp_path: Path) -> None:
    """A long and a wide table are not read together."""
    (tmp_path / "a.csv").write_text(HEADER + GOOD)
    (tmp_path / "b.csv").write_text("m/h:a\n0.5\n")

    assert str(refusal(tmp_path / "*.csv")) == "b.csv: is a wide table, a.csv is a long one"


@pytest.mark.parametrize("text", [HEADER + GOOD, "m/h:a\n0.5\n"])
def test_a_head_beside_named_heads_is_refused(table: Path, text: str) -> None:
    """Naming a head for a table that names its own is refused, not ignored."""
    table.write_text(text)

    assert "one head was named beside it" in str(refusal(table, head=HEAD))


def test_missing_files(tmp_path: Path) -> None:
    """A missing file, a glob without a match and a folder are named."""
    assert str(refusal(tmp_path / "no.csv")) == f"{tmp_path}/no.csv: no such file"
    assert str(refusal(tmp_path / "*.csv")) == f"{tmp_path}/*.csv: no file matches"
    assert str(refusal(tmp_path)) == f"{tmp_path}: is a folder"


@pytest.mark.parametrize("url", ["https://example.org/s.csv", "s3://bucket/s.parquet"])
def test_nothing_is_fetched(url: str) -> None:
    """A URL is refused before anything is opened."""
    assert "is a URL; scores are read from local files only" in str(refusal(url))


def test_booleans_are_no_scores(tmp_path: Path) -> None:
    """A column of a type that holds no numbers is refused by its type."""
    path = tmp_path / "s.parquet"
    duckdb.connect().execute(f"COPY (SELECT true AS \"m/h:a\") TO '{path}'")

    assert str(refusal(path)) == "s.parquet: column 'm/h:a' holds BOOLEAN, expected numbers"


def test_unknown_roles_are_a_usage_error() -> None:
    """A mapping for a role that no column can have is wrong usage, exit code 2."""
    with pytest.raises(UsageError, match="'colour' is not a role of a column"):
        ScoreTable(("a.csv",), columns={"colour": "x"})
