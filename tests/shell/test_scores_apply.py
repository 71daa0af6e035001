from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from calreg.calibrate import describe, minmax
from calreg.documents.calibration import Calibration
from calreg.errors import InputError, UsageError
from calreg.names import HeadName
from calreg.scores import AppliedCounts, ScoreTable, apply_scores

HAPPY = HeadName.parse("essentia/effnet/mood_happy")
TIMBRE = HeadName.parse("essentia/effnet/timbre")


def calibration(name: HeadName, *labels: str) -> Calibration:
    """A head whose labels were calibrated on some scores."""
    scores = np.random.default_rng(len(labels)).beta(0.5, 0.7, 500)
    return Calibration(name, 1, {label: minmax(describe(scores)) for label in labels})


CALIBRATIONS = {
    HAPPY: calibration(HAPPY, "happy", 'it\'s, "sad"'),
    TIMBRE: calibration(TIMBRE, "bright"),
}


def rescaled(name: HeadName, label: str, scores: list[float]) -> list[float]:
    """What numpy makes of the scores."""
    numbers = CALIBRATIONS[name].labels[label].parameters
    p5, p95 = numbers["p5"], numbers["p95"]
    clipped: list[float] = np.clip((np.array(scores) - p5) / (p95 - p5), 0, 1).tolist()
    return clipped


def apply(path: Path | str, out: Path, **options: Any) -> AppliedCounts:
    """Apply the calibrations to a table."""
    table = ScoreTable((str(path),), head=options.pop("head", None))
    return apply_scores(table, out, calibrations=CALIBRATIONS, **options)


def rows_of(path: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of a file that was written."""
    found = duckdb.connect().execute(f"SELECT * FROM '{path}'")
    return [column[0] for column in found.description or []], found.fetchall()


def long_table(folder: Path) -> tuple[Path, list[tuple[HeadName, str, float]]]:
    """A long Parquet table, labels cycling, with a column that nobody asked for."""
    chance = np.random.default_rng(8)
    keys = [(HAPPY, "happy"), (HAPPY, 'it\'s, "sad"'), (TIMBRE, "bright")]
    rows = [(*keys[n % 3], float(chance.random())) for n in range(3000)]
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (item INT, model TEXT, head TEXT, label TEXT, score DOUBLE)")
    connection.executemany(
        "INSERT INTO t VALUES (?, ?, ?, ?, ?)",
        [(n, name.model, name.head, label, score) for n, (name, label, score) in enumerate(rows)],
    )
    connection.execute(f"COPY t TO '{folder}/long.parquet'")
    return folder / "long.parquet", rows


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_long_scores_are_rescaled_like_numpy(tmp_path: Path, ending: str) -> None:
    """Every row gets the bits that numpy gives, in the order of the table, columns kept."""
    path, rows = long_table(tmp_path)

    counts = apply(path, tmp_path / f"out{ending}")

    columns, found = rows_of(tmp_path / f"out{ending}")
    assert columns == ["item", "model", "head", "label", "score", "calibrated"]
    assert [row[:5] for row in found] == [
        (n, name.model, name.head, label, score) for n, (name, label, score) in enumerate(rows)
    ]
    assert [row[5] for row in found] == [rescaled(*row[:2], [row[2]])[0] for row in rows]
    assert counts == AppliedCounts(tmp_path / f"out{ending}", 3000, 3000, 0, 0)


def test_float32_scores_are_rescaled_in_float64(tmp_path: Path) -> None:
    """FLOAT columns are cast first: the result has the bits of float64 arithmetic."""
    path = tmp_path / "s.parquet"
    query = "SELECT ((i % 97) / 97)::FLOAT AS score_happy FROM range(500) t(i)"
    duckdb.connect().execute(f"COPY ({query}) TO '{path}'")

    apply(path, tmp_path / "out.parquet", head=HAPPY)

    _, found = rows_of(tmp_path / "out.parquet")
    scores = [float(np.float32(n % 97 / 97)) for n in range(500)]
    assert [row[1] for row in found] == rescaled(HAPPY, "happy", scores)


def test_calibrated_scores_stay_in_the_unit_and_in_order(tmp_path: Path) -> None:
    """A higher raw score never gets a lower calibrated one; all lie in [0, 1]."""
    path = tmp_path / "s.csv"
    scores = np.sort(np.random.default_rng(1).normal(size=1000))
    path.write_text("score_happy\n" + "\n".join(map(repr, scores.tolist())) + "\n")

    apply(path, tmp_path / "out.parquet", head=HAPPY)

    found = [row[1] for row in rows_of(tmp_path / "out.parquet")[1]]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0.0, 1.0)


def test_what_is_no_score_becomes_null(tmp_path: Path) -> None:
    """Missing, NaN, infinite and unreadable scores are written as null and counted."""
    path = tmp_path / "s.csv"
    row = "essentia/effnet,mood_happy,happy,"
    scores = ["0.5", "", "nan", "inf", "text"]
    path.write_text(
        "model,head,label,score\n" + "".join(f"{row}{score}\n" for score in scores) + ",,,0.5\n"
    )

    counts = apply(path, tmp_path / "out.csv")

    _, found = rows_of(tmp_path / "out.csv")
    assert [row[4] for row in found] == [*rescaled(HAPPY, "happy", [0.5]), *[None] * 5]
    assert (counts.rows, counts.calibrated, counts.unreadable, counts.raw) == (6, 1, 5, 0)


def test_wide_tables_get_a_column_per_label(tmp_path: Path) -> None:
    """One head's columns become calibrated_<label>, many heads' calibrated:<column>."""
    (tmp_path / "one.csv").write_text("id,score_happy\nx,0.5\n")
    (tmp_path / "many.csv").write_text("id,essentia/effnet/timbre:bright\nx,0.5\n")

    apply(tmp_path / "one.csv", tmp_path / "out1.csv", head=HAPPY)
    apply(tmp_path / "many.csv", tmp_path / "out2.csv")

    assert rows_of(tmp_path / "out1.csv") == (
        ["id", "score_happy", "calibrated_happy"],
        [("x", 0.5, *rescaled(HAPPY, "happy", [0.5]))],
    )
    assert rows_of(tmp_path / "out2.csv") == (
        ["id", "essentia/effnet/timbre:bright", "calibrated:essentia/effnet/timbre:bright"],
        [("x", 0.5, *rescaled(TIMBRE, "bright", [0.5]))],
    )


def test_files_of_several_formats_become_one(tmp_path: Path) -> None:
    """Rows of all files follow in the order of the files' names."""
    (tmp_path / "a.csv").write_text("id,score_happy\na,0.5\n")
    (tmp_path / "b.jsonl").write_text('{"score_happy": 0.25, "id": "b"}\n')

    counts = apply(tmp_path / "[ab].*", tmp_path / "out.csv", head=HAPPY)

    _, found = rows_of(tmp_path / "out.csv")
    assert [row[0] for row in found] == ["a", "b"]
    assert [row[2] for row in found] == rescaled(HAPPY, "happy", [0.5, 0.25])
    assert counts.calibrated == 2


def test_missing_calibrations_are_refused_by_name(tmp_path: Path) -> None:
    """Heads and labels without a calibration are listed, and nothing is written."""
    path = tmp_path / "s.csv"
    path.write_text(
        "model,head,label,score\nessentia/effnet,mood_happy,angry,0.5\nother,net,a,0.5\n"
    )

    with pytest.raises(InputError) as caught:
        apply(path, tmp_path / "out.csv")

    assert str(caught.value) == (
        "no calibration for other/net, essentia/effnet/mood_happy label 'angry'"
    )
    assert list(tmp_path.iterdir()) == [path]


def test_raw_scores_pass_only_when_asked_for(tmp_path: Path) -> None:
    """With missing='raw' a score without a calibration passes as it is, and is counted."""
    path = tmp_path / "s.csv"
    path.write_text(
        "model,head,label,score\nessentia/effnet,mood_happy,happy,0.5\nother,net,a,7.5\n"
    )

    counts = apply(path, tmp_path / "out.csv", missing="raw")

    _, found = rows_of(tmp_path / "out.csv")
    assert [row[4] for row in found] == [*rescaled(HAPPY, "happy", [0.5]), 7.5]
    assert (counts.calibrated, counts.raw) == (1, 1)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("s.csv", "is one of the tables to read"),
        ("no/out.csv", "there is no such folder to write to"),
        ("folder.csv", "is a folder"),
        (f"{'x' * 252}.csv", "cannot be written: file name too long"),
    ],
)
def test_outputs_that_would_do_harm_are_refused(tmp_path: Path, out: str, message: str) -> None:
    """An output over an input, in no folder or over a folder is refused."""
    path = tmp_path / "s.csv"
    path.write_text("score_happy\n0.5\n")
    (tmp_path / "folder.csv").mkdir()

    with pytest.raises(InputError, match=message):
        apply(path, tmp_path / out, head=HAPPY)

    assert path.read_text() == "score_happy\n0.5\n"


def test_outputs_of_unknown_format_are_a_usage_error(tmp_path: Path) -> None:
    """An output whose name says neither CSV nor Parquet is wrong usage."""
    path = tmp_path / "s.csv"
    path.write_text("score_happy\n0.5\n")

    with pytest.raises(UsageError, match=r"ends in \.csv or \.parquet"):
        apply(path, tmp_path / "out.xlsx", head=HAPPY)


def test_a_column_that_is_taken_is_not_overwritten(tmp_path: Path) -> None:
    """A table that has a column of the new name already is refused."""
    path = tmp_path / "s.csv"
    path.write_text("score_happy,Calibrated_Happy\n0.5,0.1\n")

    with pytest.raises(InputError, match="has a column 'calibrated_happy' already"):
        apply(path, tmp_path / "out.csv", head=HAPPY)


def test_a_table_that_breaks_leaves_the_old_output(tmp_path: Path) -> None:
    """If reading fails, what was at the output before is still there, and nothing else."""
    path = tmp_path / "s.csv"
    path.write_text("id,score_happy\na,0.5\nb\n")
    (tmp_path / "out.csv").write_text("old")

    with pytest.raises(InputError, match="line 3: expected 2 columns, got 1"):
        apply(path, tmp_path / "out.csv", head=HAPPY)

    assert (tmp_path / "out.csv").read_text() == "old"
    assert {one.name for one in tmp_path.iterdir()} == {"s.csv", "out.csv"}
