"""`apply` with thresholds and probabilities: new columns, and how often each label fires."""

import csv
import json

import numpy as np
import pytest
from desk import scores, wide

from calreg.calibrate import describe
from calreg.documents.calibration import Calibration, LabelCalibration
from calreg.documents.decision import Decision
from calreg.names import HeadName


def tuned(**labels):
    """A head whose labels fire at a probability of one half, or never."""
    evidence = describe(np.linspace(0, 1, 200))
    parameters = {"slope": 2.0, "intercept": -1.0}
    return Calibration(
        HeadName("m", "mood"),
        1,
        {
            label: LabelCalibration("platt", parameters, evidence, "higher", decision)
            for label, decision in labels.items()
        },
    )


FIRES = Decision(0.5, ">=", "max-f1", "ok", score_threshold=0.5)
NEVER = Decision(None, ">=", "max-recall@fpr<=0.02", "infeasible")


@pytest.fixture
def decided(published, git):
    """A registry whose reference has probabilities and thresholds."""
    document = tuned(happy=FIRES, sad=NEVER).to_bytes()
    for place in ("m/mood-calibration.json", "m/v1/mood-calibration-v1.json"):
        (published / place).write_bytes(document)
    git(published, "commit", "--all", "--message", "Tune")
    return published


@pytest.fixture
def today(tmp_path):
    """New scores of the head's labels."""
    return wide(tmp_path / "today.csv", happy=scores(20), sad=scores(20, seed=1))


def test_apply_writes_probabilities_and_decisions(cli, decided, today, tmp_path):
    """Labels with a probability and a threshold get p_<label> and fires_<label>."""
    said = cli("apply", today, "--head", "m/mood", "--out", tmp_path / "o.csv")

    assert said.code == 0
    with (tmp_path / "o.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0])[3:] == ["p_happy", "fires_happy", "p_sad", "fires_sad"]
    raw = scores(20)
    assert [row["fires_happy"] for row in rows] == [str(one >= 0.5).lower() for one in raw]
    assert {row["fires_sad"] for row in rows} == {"false"}
    assert np.allclose(
        [float(row["p_happy"]) for row in rows], 1 / (1 + np.exp(1 - 2 * raw)), rtol=1e-14
    )


def test_apply_says_how_often_labels_fire(cli, decided, today, tmp_path):
    """The counts of decisions stand below the line of rows, and in the JSON by head and label."""
    words = ["apply", today, "--head", "m/mood", "--out", tmp_path / "o.csv"]
    count = int((scores(20) >= 0.5).sum())

    assert cli(*words).out.splitlines()[-1] == f"fires: happy {count}, sad 0"
    assert cli(*words, "--json").json == {
        "out": str(tmp_path / "o.csv"),
        "rows": 20,
        "calibrated": 40,
        "unreadable": 0,
        "raw": 0,
        "fired": {"m/mood:happy": count, "m/mood:sad": 0},
    }


def test_apply_of_installed_references_decides_alike(cli, decided, today, tmp_path):
    """What was pulled decides as the registry that it was pulled from does."""
    words = ["apply", today, "--head", "m/mood", "--out"]
    assert cli("pull", decided, tmp_path / "production").code == 0

    assert cli(*words, tmp_path / "a.csv").code == 0
    assert cli(*words, tmp_path / "b.csv", "--from", tmp_path / "production").code == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_apply_without_decisions_speaks_of_none(cli, published, table, tmp_path):
    """A head that is only rescaled says nothing of firing."""
    words = ["apply", table, "--head", "m/mood", "--out", tmp_path / "o.csv"]

    assert "fires" not in cli(*words).out
    assert cli(*words, "--json").json["fired"] == {}


def test_apply_lists_the_labels_that_fire_most(cli, published, git, tmp_path):
    """Of many labels the ten most frequent are named, the rest counted."""
    names = [f"l{n:02}" for n in range(14)]
    document = tuned(**dict.fromkeys(names, FIRES)).to_bytes()
    for place in ("m/mood-calibration.json", "m/v1/mood-calibration-v1.json"):
        (published / place).write_bytes(document)
    git(published, "commit", "--all", "--message", "Tune")
    columns = {name: np.full(3, 0.9 if name == "l13" else 0.1) for name in names}
    path = wide(tmp_path / "many.csv", **columns)

    said = cli("apply", path, "--head", "m/mood", "--out", tmp_path / "o.csv")

    assert said.out.splitlines()[-1].startswith("fires: l13 3, l00 0, ")
    assert said.out.splitlines()[-1].endswith("and 4 more labels")


def test_apply_refuses_a_softmax_in_rows(cli, published, git, tmp_path):
    """A softmax over a long table is refused in one line, with the form that works."""
    parameters = {"temperature": 2.0, "link": "softmax", "scale": "logit"}
    evidence = describe(np.linspace(0, 1, 200))
    labels = {
        name: LabelCalibration("temperature", parameters, evidence, "higher") for name in "ab"
    }
    document = Calibration(HeadName("m", "mood"), 1, labels).to_bytes()
    for place in ("m/mood-calibration.json", "m/v1/mood-calibration-v1.json"):
        (published / place).write_bytes(document)
    git(published, "commit", "--all", "--message", "Tune")
    path = tmp_path / "long.csv"
    path.write_text("model,head,label,score\nm,mood,a,0.5\nm,mood,b,0.5\n")

    said = cli("apply", path, "--out", tmp_path / "o.csv", "--json")

    assert said.code == 3
    error = json.loads(said.out)["error"]
    assert "a long table has them in rows of their own" in error["message"]
    assert "wide table" in error["hint"]


def test_apply_help_names_the_new_columns(cli):
    """The help says which columns come."""
    said = cli("apply", "--help")

    for column in ("calibrated_<label>", "p_<label>", "fires_<label>", "p:<column>"):
        assert column in said.out
