"""Heads of factors: shown, compared, exchanged, left alone by `run` and `tune`."""

from __future__ import annotations

import json

import pytest
from desk import scores, wide
from labelled_tables import table as labelled_table
from tuned import published_run

from calreg.documents import Distribution, LabelCalibration
from calreg.names import HeadName
from calreg.registry import Registry
from calreg.report.runs import heads_of, run_table, worst_first

PRICE = HeadName("shop/price", "condition")
SECOND = HeadName("shop/price", "brand")
KEY = "CONDITION_PRICE_FACTOR"


def factors(pairs: int | None = 40, **values: float) -> dict[str, LabelCalibration]:
    return {
        group: LabelCalibration("factor", {"factor": value}, Distribution(pairs))
        for group, value in values.items()
    }


@pytest.fixture
def fed(registry):
    """A registry with two heads of factors, of which one moved in a second run."""
    published_run(registry, {PRICE: factors(new=1.0, used=0.8, parts=0.4), SECOND: factors(a=1.0)})
    published_run(
        registry,
        {PRICE: factors(60, new=1.0, used=0.68, parts=0.4), SECOND: factors(60, a=1.0)},
        digest=2,
    )
    return registry


def row_of(out: str, name: str) -> str:
    return next(line for line in out.splitlines() if line.strip().startswith(name))


def test_show_lists_factors_and_pairs(cli, fed):
    """`show HEAD` has a line per group with its factor and the pairs behind it, no percentiles."""
    out = cli("show", PRICE.full).out

    assert row_of(out, "used").split() == ["used", "0.6800", "60"]
    assert row_of(out, "parts").split() == ["parts", "0.4000", "60"]
    assert "180 pairs" in out
    assert "v2 unstable  factor 0.8000 → 0.6800 (-15.0 %) ✗" in out
    assert "p5" not in out


def test_the_overview_names_the_method(cli, fed):
    """`show` says that the head holds factors, and is not confused by what they lack."""
    said = cli("show", "--json").json["heads"][PRICE.full]
    out = cli("show").out

    assert "factor" in row_of(out, PRICE.full)
    assert "fires" not in out
    assert said["decisions"]["used"] == {"method": "factor", "direction": None}
    assert said["failed_metrics"] == ["factor_shift"]


def test_diff_has_before_and_after(cli, fed):
    """`diff` has factor before and after, the relative change, the limit and the pairs."""
    out = cli("diff", PRICE.full, "v1", "v2").out

    assert "unstable" in out.splitlines()[0]
    assert "noise" not in out
    assert row_of(out, "used").split() == [
        *("used", "0.8000", "0.6800", "-15.0", "%", "0.150", "✗", "40", "60"),
    ]
    assert row_of(out, "new").split()[3:5] == ["+0.0", "%"]
    assert row_of(out, "stable below").split() == ["stable", "below", "0.01"]


def test_diff_for_programs_has_the_shift(cli, fed):
    """`diff --json` has the head's and every group's factor, unrounded, and the limit."""
    found = cli("diff", PRICE.full, "v1", "v2", "--json").json

    assert found["factor"] == found["labels"]["used"]["factor"]
    assert (found["factor"]["before"], found["factor"]["after"]) == (0.8, 0.68)
    assert found["factor"]["factor_shift"] == pytest.approx(0.15)
    assert found["thresholds"]["factor_shift"] == 0.01
    assert found["labels"]["parts"]["factor"]["factor_shift"] == 0.0


def test_history_has_factors_and_their_trend(cli, fed):
    """`history` has before, after and change in place of the metrics, and a line of blocks."""
    out = cli("history", "--head", PRICE.full).out

    assert "0.8000 → 0.6800 (-15.0 %) ✗" in out
    assert "jsd" not in out
    assert any("▁" in line and "0.680" in line for line in out.splitlines())


def test_history_for_programs_has_factors(cli, fed):
    """`history --json` has the head's factor and every group's, newest first."""
    newest, oldest = cli("history", "--head", PRICE.full, "--json").json["runs"]

    assert newest["factor"]["before"] == 0.8
    assert newest["labels"]["parts"]["factor"]["after"] == 0.4
    assert oldest["factor"] == {
        "before": None,
        "after": 1.0,
        "factor_shift": None,
        "limits": {"factor_shift": 0.01},
    }


def test_a_history_of_both_kinds_keeps_the_metrics(cli, published):
    """Beside a head that is rescaled, the columns of both stand."""
    published_run(published, {PRICE: factors(new=1.0)}, digest=3)

    out = cli("history").out

    assert "jsd" in out
    assert "factor" in out


def test_a_run_report_shows_factors(fed):
    """The table of a run has factors in place of metrics; the head that moved comes first."""
    heads = heads_of(Registry.open(fed).model_runs(1))

    lines = [line.plain for line in run_table(heads, width=None)]

    assert "factor" in lines[0]
    assert "jsd" not in lines[0]
    assert "0.8000 → 0.6800 (-15.0 %) ✗" in lines[1]
    assert [name for name, _ in worst_first(heads)] == [PRICE.full, SECOND.full]
    narrow = [line.plain for line in run_table(heads, width=76)]
    assert any("factor 0.8000" in line for line in narrow)


def test_a_first_run_report_shows_factors(registry):
    """New heads of factors have the factor of their first group, and no percentiles."""
    published_run(registry, {SECOND: factors(a=1.0, b=0.5)})
    heads = heads_of(Registry.open(registry).model_runs(1))

    lines = [line.plain for line in run_table(heads, width=None)]

    assert "p5" not in lines[0]
    assert "1.0000" in row_of("\n".join(lines), SECOND.full)


def test_a_head_that_becomes_factors_says_so(published, cli):
    """Where a head held scores before, the report and `diff` name the method that changed."""
    mood = HeadName("m", "mood")
    published_run(published, {mood: factors(happy=1.0, sad=1.0)}, digest=3)

    (line,) = [
        line.plain
        for line in run_table(heads_of(Registry.open(published).model_runs(1)), width=None)[1:]
    ]

    assert "1.0000, other method ✗" in line
    assert "factor 1" in cli("diff", mood.full, "v1", "v2").out
    assert cli("history", "--head", mood.full).code == 0


def test_a_run_of_scores_leaves_factors_out(cli, fed, tmp_path):
    """`run` names the head, says what its reference holds, and writes nothing of it."""
    table = tmp_path / "s.csv"
    lines = [f"shop/price,condition,new,{score!r}" for score in scores(300).tolist()]
    lines += [f"m,mood,yes,{score!r}" for score in scores(300).tolist()]
    table.write_text("\n".join(["model,head,label,score", *lines]) + "\n")

    said = cli("run", str(table), "--json")

    assert said.code == 0
    assert said.json["excluded"] == {
        PRICE.full: "its reference holds factors; calreg feedback apply makes new ones"
    }
    assert cli("show", PRICE.full, "--json").json["version"] == 2


def test_scores_of_factors_alone_are_no_run(cli, fed, tmp_path):
    """Where nothing else is left the run is refused, with what to do instead."""
    table = wide(tmp_path / "s.csv", new=scores(300))

    said = cli("run", str(table), "--head", PRICE.full)

    assert said.code == 3
    assert "its reference holds factors" in said.err
    assert f"calreg feedback apply --head {PRICE.full} --commit" in said.err


def test_tune_leaves_factors_alone(cli, fed, tmp_path):
    """`tune --commit` on such a head is refused before anything is read or written."""
    table = labelled_table(tmp_path / "l.csv", seed=1)

    said = cli("tune", str(table), "--head", PRICE.full, "--commit")

    assert said.code == 3
    assert "its reference holds factors; calreg feedback apply makes new ones" in said.err


def test_factors_go_out_and_come_in(cli, fed, tmp_path):
    """`export` writes the plain file of an application, and `import` reads it as a head."""
    assert cli("export", str(tmp_path / "out"), PRICE.full, "--format", "price-factors").code == 0
    file = tmp_path / "out" / "price" / "condition-factors-v2.json"
    assert json.loads(file.read_text()) == {KEY: {"new": 1.0, "parts": 0.4, "used": 0.68}}

    said = cli("import", str(file), "--head", "other/price", "--json")

    assert said.code == 0
    row = said.json["heads"]["other/price"]
    assert row["labels"]["used"]["factor"]["after"] == 0.68
    assert [one["code"] for one in said.json["warnings"]] == ["out-of-bounds"]
    shown = cli("show", "other/price", "--json").json["calibration"]["labels"]["used"]
    assert shown == {"factor": 0.68, "method": "factor", "samples": None}


def test_an_import_over_a_head_of_factors_measures_drift(cli, fed, tmp_path):
    """The plain file of the same head is compared with its reference, group by group."""
    file = tmp_path / "f.json"
    file.write_text(json.dumps({KEY: {"new": 1.0, "used": 0.68, "parts": 0.4}}))

    row = cli("import", str(file), "--head", PRICE.full, "--json").json["heads"][PRICE.full]

    assert (row["is_stable"], row["reference_update"]) == (True, "unchanged")


def test_doctor_finds_a_registry_of_factors_well(cli, fed):
    """Documents, runs and digests of factors are as they should be."""
    assert cli("doctor").code == 0


# --- which overrides are in force ---------------------------------------------------------


def overrides_of(said):
    return next(one for one in said.json["findings"] if one["check"] == "overrides")


def test_doctor_says_that_no_overrides_are_asked_for(cli, registry):
    """Without the variable none are in force, and nothing is wrong."""
    found = overrides_of(cli("doctor", "--json"))

    assert (found["level"], found["message"]) == (
        "ok",
        "CALREG_OVERRIDES is not set, none are in force",
    )


def test_doctor_shows_overrides_in_force(cli, registry, tmp_path, monkeypatch):
    """The file that the variable names is shown with its factors."""
    file = tmp_path / "f.json"
    file.write_text(json.dumps({KEY: {"new": 1.0, "used": 0.68}}))
    monkeypatch.setenv("CALREG_OVERRIDES", str(file))

    said = cli("doctor", "--json")

    assert said.code == 0
    assert overrides_of(said)["message"] == f"{file}: {KEY} new 1, used 0.68 in force"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "is not there: no such file"),
        ("{", "is not JSON"),
        (json.dumps({KEY: {"new": 1.5}}), "1.5 is out of bounds"),
        (json.dumps({KEY: {"new": "1"}}), "expected a number"),
        (json.dumps({KEY: {"new": 1.0}, "OTHER": {"a": 1.0}}), "not white-listed: 'OTHER'"),
    ],
)
def test_doctor_says_why_overrides_are_not_in_force(
    cli, registry, tmp_path, monkeypatch, text, reason
):
    """A file that may not be used is a problem, with path and reason, and exit 1."""
    file = tmp_path / "f.json"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("CALREG_OVERRIDES", str(file))

    said = cli("doctor", "--json")

    found = overrides_of(said)
    assert (said.code, found["level"]) == (1, "problem")
    assert found["message"].startswith(f"{file}: ")
    assert reason in found["message"]
    assert "unset CALREG_OVERRIDES" in found["hint"]
