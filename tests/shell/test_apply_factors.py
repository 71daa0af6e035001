"""Factors applied to predictions: in tables, and by a client of an installed registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from published import Published

from calreg import Client
from calreg.calibrate import describe, minmax
from calreg.documents import Calibration, Distribution, LabelCalibration
from calreg.errors import InputError
from calreg.methods import apply_method
from calreg.names import HeadName
from calreg.scores import ScoreTable, apply_scores

PRICE = HeadName.parse("shop/price/condition")
MOOD = HeadName.parse("shop/mood")
PREDICTED = [0.01, 19.99, 27.5, 1234.5, 0.1 + 0.2, *np.random.default_rng(3).uniform(1, 500, 200)]


def factor(value: float) -> LabelCalibration:
    return LabelCalibration("factor", {"factor": value}, Distribution(40))


HEAD = Calibration(PRICE, 1, {"new": factor(1.0), "used": factor(0.85)})


def columns_of(path: Path) -> dict[str, list[Any]]:
    found = duckdb.connect().execute(f"SELECT * FROM '{path}'")
    names = [column[0] for column in found.description or []]
    rows = found.fetchall()
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


def test_a_wide_table_is_multiplied(tmp_path: Path) -> None:
    """calibrated_<group> is the prediction times the factor, with the client's bits."""
    lines = [f"{value!r},{value!r}" for value in map(float, PREDICTED)]
    path = tmp_path / "s.csv"
    path.write_text("\n".join(["score_new,score_used", *lines, "x,"]) + "\n")

    counts = apply_scores(
        ScoreTable((str(path),), head=PRICE), tmp_path / "o.parquet", calibrations={PRICE: HEAD}
    )

    found = columns_of(tmp_path / "o.parquet")
    assert list(found)[2:] == ["calibrated_new", "calibrated_used"]
    expected = apply_method("factor", {"factor": 0.85}, np.array(PREDICTED)).tolist()
    assert found["calibrated_used"] == [*expected, None]
    assert found["calibrated_new"] == [*map(float, PREDICTED), None]
    assert (counts.calibrated, counts.unreadable) == (2 * len(PREDICTED), 2)


def test_a_long_table_is_multiplied_beside_others(tmp_path: Path) -> None:
    """Rows of factors, of rescaled heads and of heads without numbers each get their own."""
    plain = minmax(describe(np.linspace(0.0, 1.0, 201)))
    rows = [f"shop/price,condition,used,{value!r}" for value in map(float, PREDICTED)]
    rows += ["shop,mood,yes,0.5", "shop,other,a,0.25", "shop/price,condition,new,7.5"]
    path = tmp_path / "s.csv"
    path.write_text("\n".join(["model,head,label,score", *rows]) + "\n")

    apply_scores(
        ScoreTable((str(path),)),
        tmp_path / "o.parquet",
        calibrations={PRICE: HEAD, MOOD: Calibration(MOOD, 1, {"yes": plain})},
        missing="raw",
    )

    found = columns_of(tmp_path / "o.parquet")["calibrated"]
    expected = apply_method("factor", {"factor": 0.85}, np.array(PREDICTED)).tolist()
    assert found == [*expected, pytest.approx(0.5), 0.25, 7.5]


def test_a_client_multiplies(tmp_path: Path) -> None:
    """What production pulled corrects a prediction of a group, and nothing fires."""
    published = Published(tmp_path / "registry")
    published.write(PRICE.version_path(1), HEAD.to_bytes())
    published.write(PRICE.reference_path, HEAD.to_bytes())
    published.commit()
    Client(published.root.as_uri()).pull(tmp_path / "models")

    reference = Client.open(tmp_path / "models").reference(PRICE.full)

    assert reference.apply(100.0, label="used") == 85.0
    assert reference.apply_all({"new": [2.0], "used": [2.0]})["used"].tolist() == [1.7]
    with pytest.raises(InputError, match="nothing fires by method 'factor'"):
        reference.fires(100.0, label="used")
