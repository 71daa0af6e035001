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

from calreg.calibrate import describe
from calreg.names import HeadName
from calreg.scores import Scores, ScoreTable, read_scores

Row = tuple[str, str, str, float]

HEADS = {
    ("essentia/effnet", "mood_happy"): ("happy", "non_happy"),
    ("essentia/musicnn", "timbre"): ("bright", "dark, or not", "it's"),
}
HAPPY = HeadName.parse("essentia/effnet/mood_happy")


def by_column(items: int = 300) -> dict[tuple[str, str, str], list[float]]:
    """Scores of every label, with ties, zeros of both signs and shortest-form decimals."""
    chance = np.random.default_rng(7)
    columns = {}
    for (model, head), labels in HEADS.items():
        for label in labels:
            scores = chance.beta(0.3, 0.7, items)
            scores[:5] = [0.0, -0.0, 1.0, 0.1, 0.30000000000000004]
            columns[model, head, label] = scores.tolist()
    return columns


def rows_of(columns: Mapping[tuple[str, str, str], Sequence[float]]) -> list[Row]:
    """One row per item and label, item by item."""
    items = len(next(iter(columns.values())))
    return [(*key, scores[n]) for n in range(items) for key, scores in columns.items()]


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A CSV file, packed if its name ends in .gz."""
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return str(path)


def write_jsonl(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A JSONL file, packed if its name ends in .gz."""
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.writelines(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows)
    return str(path)


def write_parquet(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]], *, kind: str = "DOUBLE"
) -> str:
    """A Parquet file; whatever is no text is of the kind given."""
    connection = duckdb.connect()
    types = ["VARCHAR" if isinstance(value, str) else kind for value in rows[0]]
    names = ['"' + name.replace('"', '""') + '"' for name in header]
    listed = ", ".join(f"{name} {one}" for name, one in zip(names, types, strict=True))
    connection.execute(f"CREATE TABLE scores ({listed})")
    marks = ", ".join("?" for _ in header)
    connection.executemany(f"INSERT INTO scores VALUES ({marks})", [list(row) for row in rows])
    connection.execute(f"COPY scores TO '{path}' (FORMAT parquet)")
    return str(path)


LONG = ("model", "head", "label", "score")
WIDE = tuple(f"{model}/{head}:{label}" for model, head, label in by_column())


def wide_rows() -> list[tuple[float, ...]]:
    """One row per item, a column per label."""
    return list(zip(*by_column().values(), strict=True))


def read(*paths: str, **options: Any) -> Scores:
    """The scores of files, on grids of their own."""
    table = {key: options.pop(key) for key in ("columns", "head", "model") if key in options}
    return read_scores(ScoreTable(paths, **table), grid_of=lambda _head, _label: None, **options)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    """What a plain long CSV file gives."""
    folder = tmp_path_factory.mktemp("expected")
    return read(write_csv(folder / "a.csv", LONG, rows_of(by_column())))


def test_long_csv_is_described_label_by_label(expected: Scores) -> None:
    """Each head has its labels, each label the description of its own scores."""
    assert [name.full for name in expected.heads] == [
        "essentia/effnet/mood_happy",
        "essentia/musicnn/timbre",
    ]
    for (model, head, label), scores in by_column().items():
        found = expected.heads[HeadName(model, head)]
        assert found.labels[label] == describe(np.array(scores))
        assert found.display_name is None
    assert (expected.rows, expected.accepted, expected.rejected) == (1500, 1500, {})
    assert (expected.files, expected.kind) == (("a.csv",), "long")


def same(found: Scores, expected: Scores) -> None:
    """The same numbers and the same digest."""
    assert found.heads == expected.heads
    assert found.digest == expected.digest


WRITERS = {
    ".csv": write_csv,
    ".csv.gz": write_csv,
    ".jsonl": write_jsonl,
    ".ndjson.gz": write_jsonl,
    ".parquet": write_parquet,
}


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("form", ["long", "wide"])
def test_form_and_format_do_not_matter(
    expected: Scores, tmp_path: Path, ending: str, form: str
) -> None:
    """Long or wide, CSV, JSONL or Parquet: the same scores give the same bits."""
    header: Sequence[str] = LONG if form == "long" else WIDE
    rows: Sequence[Sequence[Any]] = rows_of(by_column()) if form == "long" else wide_rows()
    path = WRITERS[ending](tmp_path / f"s{ending}", header, rows)

    found = read(path)

    same(found, expected)
    assert found.kind == form


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "VARCHAR", "DECIMAL(9, 5)"])
def test_types_of_parquet_columns_do_not_matter(tmp_path: Path, kind: str) -> None:
    """Scores that float32 holds exactly read the same from any type of column."""
    rows = [("m", "h", "a", n / 32) for n in range(200)]
    path = write_parquet(tmp_path / "s.parquet", LONG, rows, kind=kind)

    same(read(path), read(write_csv(tmp_path / "s.csv", LONG, rows)))


def test_rows_and_files_may_come_in_any_order(expected: Scores, tmp_path: Path) -> None:
    """Shuffled rows, spread over files of three formats, give the same bits."""
    rows = rows_of(by_column())
    np.random.default_rng(5).shuffle(rows)
    write_csv(tmp_path / "b.csv", LONG, rows[:400])
    write_csv(tmp_path / "a.csv", LONG[::-1], [row[::-1] for row in rows[400:800]])
    jsonl = write_jsonl(tmp_path / "c.jsonl", LONG, rows[800:1000])
    parquet = write_parquet(tmp_path / "d.parquet", LONG, rows[1000:])

    found = read(parquet, str(tmp_path / "*.csv"), jsonl)

    same(found, expected)
    assert found.files == ("a.csv", "b.csv", "c.jsonl", "d.parquet")


def test_a_file_named_twice_is_read_once(expected: Scores, tmp_path: Path) -> None:
    """A file that a path and a glob both name counts once."""
    path = write_csv(tmp_path / "a.csv", LONG, rows_of(by_column()))

    same(read(path, str(tmp_path / "*.csv"), path), expected)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1)), min_size=1, max_size=40),
    st.randoms(),
)
def test_order_of_rows_never_matters(
    tmp_path: Path, pairs: list[tuple[str, float]], chance: Any
) -> None:
    """Any rows in any order give the digest of the same rows in another."""
    rows = [("m", "h", label, score) for label, score in pairs]
    shuffled = rows.copy()
    chance.shuffle(shuffled)

    same(
        read(write_csv(tmp_path / "one.csv", LONG, rows)),
        read(write_csv(tmp_path / "other.csv", LONG, shuffled)),
    )


# One byte merges score by score, so it gets few; still in several sorted runs.
@pytest.mark.parametrize(
    ("memory_bytes", "items"), [(1, 4_500), (5_000, 12_000), (100_000, 30_000)]
)
@pytest.mark.parametrize("form", ["long", "wide"])
def test_memory_does_not_matter(tmp_path: Path, memory_bytes: int, items: int, form: str) -> None:
    """Scores that are kept on disk give the bits of those kept in memory."""
    chance = np.random.default_rng(9)
    scores = chance.random((items, 3))
    scores[chance.random(scores.shape) < 0.3] = 0.25
    columns = {("m", "h", label): scores[:, n].tolist() for n, label in enumerate("abc")}
    arrays = {f"m/h:{label}": scores[:, n] for n, label in enumerate("abc")}
    path = tmp_path / "s.parquet"
    connection = duckdb.connect()
    source = ", ".join(f'unnest($c{n}::DOUBLE[]) AS "{name}"' for n, name in enumerate(arrays))
    values = {f"c{n}": values.tolist() for n, values in enumerate(arrays.values())}
    connection.execute(f"CREATE TABLE wide AS SELECT {source}", values)
    query = "SELECT * FROM wide"
    if form == "long":
        query = (
            "SELECT 'm' AS model, 'h' AS head, split_part(name, ':', 2) AS label, score "
            "FROM (UNPIVOT wide ON * INTO NAME name VALUE score)"
        )
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")

    found = read(str(path), memory_bytes=memory_bytes)

    assert found.heads[HeadName("m", "h")].labels == {
        label: describe(np.array(values)) for (_, _, label), values in columns.items()
    }
    same(found, read(str(path)))


def test_one_heads_wide_table(tmp_path: Path) -> None:
    """Columns score_<label> or logit_<label> are the labels of the head that is named."""
    scores = by_column()["essentia/effnet", "mood_happy", "happy"]
    rows = [(f"i{n}", score, n % 2) for n, score in enumerate(scores)]

    for kind in ("score", "logit"):
        path = write_csv(tmp_path / f"{kind}.csv", ("id", f"{kind}_happy", "y_happy"), rows)
        found = read(path, head=HAPPY)
        assert list(found.heads) == [HAPPY]
        assert found.heads[HAPPY].labels == {"happy": describe(np.array(scores))}


def test_long_table_of_one_head(tmp_path: Path) -> None:
    """A long table without heads belongs to the head that is named."""
    path = write_csv(tmp_path / "s.csv", ("label", "score"), [("a", n / 9) for n in range(9)])

    assert list(read(path, head=HAPPY).heads) == [HAPPY]


def test_long_table_without_model(tmp_path: Path) -> None:
    """A long table without models belongs to the model that is named."""
    path = write_csv(tmp_path / "s.csv", LONG[1:], [("h", "a", n / 9) for n in range(9)])

    assert list(read(path, model="some/net").heads) == [HeadName("some/net", "h")]


def test_columns_can_be_mapped(expected: Scores, tmp_path: Path) -> None:
    """A column of another name is read if its role is given."""
    header = ("network", "head", 'my "label"', "value")
    path = write_csv(tmp_path / "s.csv", header, rows_of(by_column()))

    found = read(path, columns={"model": "network", "label": 'my "label"', "score": "value"})

    same(found, expected)


def test_headers_may_differ_in_case_and_begin_with_a_mark(expected: Scores, tmp_path: Path) -> None:
    """Upper case and a byte order mark in a header do not hide its columns."""
    path = tmp_path / "s.csv"
    write_csv(path, ("Model", "HEAD", "label", "Score"), rows_of(by_column()))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    same(read(str(path)), expected)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_found(expected: Scores, tmp_path: Path, delimiter: str) -> None:
    """The delimiter is taken from the header."""
    path = tmp_path / "s.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([LONG, *rows_of(by_column())])

    same(read(str(path)), expected)


def test_odd_file_names_are_only_names(expected: Scores, tmp_path: Path) -> None:
    """Quotes, brackets and stars in a file's name stay part of the name."""
    path = write_csv(tmp_path / 'it\'s [1] * "x"; --.csv', LONG, rows_of(by_column()))

    same(read(path), expected)


def test_names_are_slugged_and_kept(tmp_path: Path) -> None:
    """A head's name becomes its slug; what it came as is its display name."""
    rows = [("Essentia/VGGish", "Voice / Instrumental", "a", n / 9) for n in range(9)]
    rows += [("plain", "tonal/atonal", "a", n / 9) for n in range(9)]

    heads = read(write_csv(tmp_path / "s.csv", LONG, rows)).heads

    assert {name.full: head.display_name for name, head in heads.items()} == {
        "essentia/vggish/voice-instrumental": "Essentia/VGGish/Voice / Instrumental",
        "plain/tonal-atonal": "tonal/atonal",
    }


def test_a_heads_own_slash_is_kept_apart_from_the_models(tmp_path: Path) -> None:
    """A long and a wide table of one library name the same heads, if the model is said."""
    path = tmp_path / "wide.csv"
    path.write_text("net/tonal/atonal:tonal,net/plain:x\n" + "0.1,0.2\n0.3,0.4\n")

    found = read_scores(ScoreTable((str(path),), model="net"), grid_of=lambda *_: None).heads

    assert {name.full: head.display_name for name, head in found.items()} == {
        "net/plain": None,
        "net/tonal-atonal": "tonal/atonal",
    }


def test_names_that_turn_up_late_are_read(tmp_path: Path) -> None:
    """Labels that begin after many rows of another are read like the rest."""
    path = tmp_path / "s.parquet"
    duckdb.connect().execute(
        "COPY (SELECT 'm' AS model, 'h' AS head, 'l' || (i // 60000) AS label, "
        f"(i % 1000) / 1000 AS score FROM range(180000) t(i)) TO '{path}'"
    )

    labels = read(str(path)).heads[HeadName("m", "h")].labels

    assert {label: one.samples for label, one in labels.items()} == dict.fromkeys(
        ["l0", "l1", "l2"], 60_000
    )


def test_many_heads_and_labels(tmp_path: Path) -> None:
    """300 models with their own heads and labels are told apart."""
    rows = [(f"m{n}", f"h{n}", f"l{n}", k / 3 + n) for n in range(300) for k in range(4)]

    found = read(write_csv(tmp_path / "s.csv", LONG, rows))

    assert len(found.heads) == 300
    assert found.heads[HeadName("m77", "h77")].labels["l77"].min == 77.0
    assert found.accepted == 1200


def test_grids_are_asked_for_by_head_and_label(tmp_path: Path) -> None:
    """A grid that is fixed already is used for its head and label only."""
    path = write_csv(tmp_path / "s.csv", LONG, rows_of(by_column()))

    found = read_scores(
        ScoreTable((path,)),
        grid_of=lambda head, label: (-1.0, 3.0) if (head, label) == (HAPPY, "happy") else None,
    )

    histograms = {
        label: one.histogram for label, one in found.heads[HAPPY].labels.items() if one.histogram
    }
    assert (histograms["happy"].lo, histograms["happy"].hi) == (-1.0, 3.0)
    assert (histograms["non_happy"].lo, histograms["non_happy"].hi) == (0.0, 1.0)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_progress_reaches_its_total(tmp_path: Path, ending: str) -> None:
    """Progress never runs backwards or past its total, and ends at it."""
    calls: list[tuple[int, int]] = []
    path = WRITERS[ending](tmp_path / f"s{ending}", LONG, rows_of(by_column()))

    read(path, progress=lambda done, total: calls.append((done, total)))

    assert calls[-1] == (1500, 1500)
    assert all(done <= total for done, total in calls)


def test_no_temporary_files_stay(tmp_path: Path) -> None:
    """Reading leaves nothing in the folder for temporary files, even if it spilled."""
    path = write_csv(tmp_path / "s.csv", LONG, rows_of(by_column()))
    folder = tmp_path / "tmp"
    folder.mkdir()
    script = (
        "import sys; from calreg.scores import *; "
        "read_scores(ScoreTable((sys.argv[1],)), grid_of=lambda h, l: None, memory_bytes=1)"
    )

    subprocess.run([sys.executable, "-c", script, path], env={"TMPDIR": str(folder)}, check=True)

    assert list(folder.iterdir()) == []
