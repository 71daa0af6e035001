"""Heads with thresholds beside any others: shown, compared, promoted, left alone by `run`."""

import json
from dataclasses import replace

import numpy as np
import pytest
from desk import scores, wide
from tuned import HOLDOUT, SPAM, imported, platt, published_run, threshold

from calreg.documents import load_calibration
from calreg.names import HeadName
from calreg.registry import AlreadyDone, Published, Registry
from calreg.report.decisions import decision_lines
from calreg.report.run_json import run_json
from calreg.report.runs import heads_of, reading_line, run_table, worst_first

TOPICS = HeadName("m", "topics")
ODDS = HeadName("m", "odds")
FLAG = HeadName("m", "flag")


@pytest.fixture
def tuned(registry):
    """A registry with a run of four heads that decide, one whose labels fall silent."""
    published_run(
        registry,
        {
            SPAM: {"scam": threshold(0.55)},
            TOPICS: {
                "crypto": threshold(None, objective="max-recall@fpr<=0.02"),
                "promo": threshold(0.3, status="fires_always"),
            },
            ODDS: {"win": platt(), "lose": platt(decides=False)},
            FLAG: {"yes": threshold(0.4, direction="lower")},
        },
    )
    return registry


@pytest.fixture
def moved(tuned):
    """The same after a second run, in which decisions moved."""
    published_run(
        tuned,
        {
            SPAM: {"scam": threshold(0.5)},
            TOPICS: {
                "crypto": threshold(0.6, objective="max-recall@fpr<=0.02"),
                "promo": threshold(0.3, objective="youden"),
            },
            ODDS: {"win": platt(0.625, raw=0.55), "lose": platt(decides=False)},
            FLAG: {"yes": platt()},
        },
        digest=2,
    )
    return tuned


@pytest.fixture
def refitted(registry):
    """A registry in which a map without threshold was fitted again, to the same scores."""
    published_run(registry, {ODDS: {"win": platt(decides=False)}})
    published_run(registry, {ODDS: {"win": platt(decides=False, slope=6.0)}}, digest=2)
    return registry


def row_of(out, name):
    return next(line.split("  ") for line in out.splitlines() if line.startswith(name))


# --- show ---------------------------------------------------------------------------------


def test_overview_says_when_heads_fire(cli, tuned):
    """`show` has method, threshold and F1 of every head that decides; never is a word."""
    out = cli("show").out

    assert ">= 0.5500" in row_of(out, "m/spam")
    assert "1 of 2, 1 never" in row_of(out, "m/topics")
    assert "<= 0.4000" in row_of(out, "m/flag")
    assert "platt" in row_of(out, "m/odds")
    assert any(" → 0." in cell for cell in row_of(out, "m/spam"))


def test_overview_of_a_head_that_never_fires(cli, registry):
    """A head of one label that never fires says so, and why."""
    published_run(registry, {SPAM: {"scam": threshold(None)}})

    assert "never (infeasible)" in row_of(cli("show").out, "m/spam")


def test_overview_of_rescaled_heads_is_as_before(cli, published):
    """Without decisions there is no column for them."""
    header = cli("show").out.splitlines()[2]

    assert "fires" not in header
    assert "method" not in header


def test_one_head_in_words(cli, tuned):
    """`show HEAD` has per label threshold, status, direction, objective and rates."""
    lines = cli("show", "m/topics").out.splitlines()

    header, crypto, promo = lines[2:5]
    assert header.split() == [
        "label", "method", "fires", "status", "direction", "objective", "F1", "FPR", "recall",
    ]  # fmt: skip
    assert crypto.split()[:5] == ["crypto", "threshold", "never", "infeasible", "higher"]
    assert crypto.split()[5] == "max-recall@fpr<=0.02"
    assert "fires always" in promo
    assert ">= 0.3000" in promo


def test_parameters_in_words(cli, tuned):
    """A probability map shows its numbers, its threshold, and the raw score that is."""
    out = cli("show", "m/odds").out

    assert "platt, slope 7.25, intercept -4" in out
    assert ">= 0.5000, score >= 0.5500" in out
    assert "0.125 → 0.125" in out  # Brier of the label that decides nothing


def test_narrow_terminals_lose_no_words(tuned):
    """What does not fit into the table stands below it, by label."""
    raw = (tuned / "m/topics-calibration.json").read_bytes()
    labels = load_calibration(raw, where="m").labels

    lines = [line.plain for line in decision_lines(labels, width=80)]

    assert max(map(len, lines)) <= 80
    assert "objective  max-recall@fpr<=0.02: crypto" in lines
    assert "method     threshold" in lines


def test_an_objective_from_elsewhere_cannot_paint_the_terminal():
    """Control characters and line ends of an imported objective are not printed."""
    label = threshold(0.5, objective="a\n\x1b[31mb" + "c" * 100)

    lines = [line.plain for line in decision_lines({"x": label}, width=None)]

    assert len(lines) == 2
    assert "a [31mbcc" in lines[1]
    assert "c" * 60 not in lines[1]


def test_json_has_every_figure(cli, tuned):
    """`--json` has threshold, status and the rates of both trials, unrounded."""
    overview = cli("show", "--json").json["heads"]["m/topics"]["decisions"]
    head = cli("show", "m/topics", "--json").json

    assert overview == head["decisions"]
    assert overview["crypto"]["threshold"] is None
    assert overview["crypto"]["status"] == "infeasible"
    promo = overview["promo"]["holdout"]
    assert promo["recall"] == promo["tp"] / (promo["tp"] + promo["fn"])
    assert {"f1", "fpr", "precision", "auroc"} <= promo.keys()
    assert head["calibration"]["labels"]["promo"]["threshold"] == 0.3


def test_imported_thresholds_are_shown(cli, registry):
    """A threshold without distribution or trial is shown, and its history does not break."""
    for digest in (1, 2):
        published_run(registry, {SPAM: {"a": imported(0.7), "b": imported(None)}}, digest=digest)

    out = cli("show", "m/spam").out
    assert ">= 0.7000" in out
    assert "never" in out
    assert cli("history").code == 0
    assert [run["p5"] for run in cli("history", "--json").json["runs"]] == [None, None]
    assert cli("diff", "m/spam", "v1", "v2").code == 0


# --- diff, history ------------------------------------------------------------------------


def test_diff_of_thresholds(cli, moved):
    """`diff` has both thresholds, the shift with its limit, and rates on the same holdout."""
    out = cli("diff", "m/spam", "v1", "v2").out

    line = row_of(out, "scam  ")
    changes = next(line for line in out.splitlines() if ">= 0.5500 → >= 0.5000" in line)
    assert changes.endswith("0.050 ✗")
    assert changes.count("→") == 4
    assert line[0] == "scam"
    assert "unstable" in out.splitlines()[0]


def test_diff_json_of_thresholds(cli, moved):
    """`diff --json` has shift, changes and limit, of the head and of every label."""
    found = cli("diff", "m/spam", "v1", "v2", "--json").json

    assert found["decision"]["threshold_shift"] == pytest.approx(0.05)
    assert found["thresholds"]["threshold_shift"] == 0.01
    label = found["labels"]["scam"]
    assert label["decision"] == found["decision"]
    before, after = (label[side]["holdout"] for side in ("from", "to"))
    assert before["digest"] == after["digest"] == HOLDOUT
    recall = after["tp"] / after["positives"] - before["tp"] / before["positives"]
    assert label["decision"]["recall_change"] == recall


def test_diff_of_two_holdouts_has_no_change_of_rates(cli, registry):
    """Rates on other items are not subtracted."""
    published_run(registry, {SPAM: {"scam": threshold(0.5)}})
    published_run(registry, {SPAM: {"scam": threshold(0.5, holdout="c" * 64)}}, digest=2)

    found = cli("diff", "m/spam", "v1", "v2", "--json").json["labels"]["scam"]["decision"]
    assert found["f1_change"] is None
    assert found["threshold_shift"] == 0.0


def test_diff_of_parameters(cli, moved):
    """Another method is shown with its parameters, before and after."""
    out = cli("diff", "m/flag", "v1", "v2").out

    assert "threshold → platt, slope 7.25, intercept -4" in out
    assert "<= 0.4000 → >= 0.5500" in out
    assert "method ✗" in out


def test_diff_of_rescaled_versions_is_as_before(cli, published, drifted):
    """Without decisions `diff` has no table of them."""
    cli("run", drifted, "--head", "m/mood")

    assert "fires" not in cli("diff", "m/mood", "v1", "v2").out


def test_history_names_what_failed(cli, moved):
    """A row of `history` says how far the threshold moved, and what else is other."""
    out = cli("history").out

    assert "0.050 ✗" in row_of(out, "m/spam")
    assert "came or went ✗" in row_of(out, "m/topics")
    assert any("method ✗" in cell for cell in row_of(out, "m/flag"))
    rows = {row["head_name"]: row for row in cli("history", "--limit", 4, "--json").json["runs"]}
    assert rows["spam"]["decision"]["threshold_shift"] == pytest.approx(0.05)
    assert rows["flag"]["failed_metrics"][-2:] == ["threshold_shift", "method"]
    assert rows["topics"]["labels"]["promo"]["decision"]["changes"] == ["objective", "status"]
    assert rows["odds"]["is_stable"]


def test_history_says_how_far_probabilities_moved(cli, refitted):
    """A map without threshold has a column of its own, and none of thresholds."""
    out = cli("history").out

    header = out.splitlines()[0].split()
    assert "probability" in header
    assert "threshold" not in header
    assert "0.192 ✗" in row_of(out, "m/odds")
    newest = cli("history", "--json").json["runs"][0]
    assert newest["failed_metrics"] == ["probability_shift"]
    kept = cli("show", "m/odds", "--json").json["calibration"]["labels"]["win"]
    scores = np.array([*kept["quantiles"].values(), kept["min"], kept["max"]])
    apart = 1 / (1 + np.exp(4 - 7.25 * scores)) - 1 / (1 + np.exp(4 - 6 * scores))
    assert newest["decision"]["probability_shift"] == pytest.approx(apart.max(), abs=1e-12)


def test_diff_shows_both_maps_and_their_distance(cli, refitted):
    """`diff` names each parameter once, with both numbers, the shift, and its limit."""
    out = cli("diff", "m/odds", "v1", "v2").out

    assert "platt, slope 7.25 → 6, intercept -4" in out
    header = next(line for line in out.splitlines() if "fires" in line).split()
    assert header == ["label", "method", "fires", "probability"]
    assert "0.192 ✗" in next(line for line in out.splitlines() if "platt" in line)
    found = cli("diff", "m/odds", "v1", "v2", "--json").json
    assert found["thresholds"]["probability_shift"] == 0.01
    assert found["failed_metrics"] == ["probability_shift"]


def test_show_says_that_probabilities_moved(cli, refitted):
    """The last run's line names the shift."""
    assert "v2 unstable  probability 0.192 ✗" in cli("show", "m/odds").out


def test_history_of_rescaled_heads_has_no_column_more(cli, published):
    """Without decisions the table is what it was; the JSON says null."""
    assert "threshold" not in cli("history").out
    assert cli("history", "--json").json["runs"][0]["decision"] is None


def test_show_says_why_a_head_is_unstable(cli, moved):
    """The last run's failed decision stands first, with its shift."""
    assert "v2 unstable  threshold 0.050 ✗" in cli("show", "m/spam").out


# --- run ----------------------------------------------------------------------------------


def test_run_leaves_tuned_heads_out(cli, tuned, tmp_path):
    """`run` does not take thresholds from production: the head is left out, by name."""
    table = tmp_path / "many.csv"
    lines = ["m/spam:scam,m/mood:happy"]
    lines += [f"{a},{b}" for a, b in zip(scores(400), scores(400, seed=1), strict=True)]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    before = (tuned / "m/spam-calibration.json").read_bytes()

    said = cli("run", table)

    assert said.code == 0
    assert "m/spam: its reference holds thresholds; calreg tune makes new ones" in said.out
    assert (tuned / "m/spam-calibration.json").read_bytes() == before
    run = json.loads((tuned / "runs/2.json").read_text())
    assert list(run["excluded"]) == ["m/spam"]


def test_run_of_tuned_heads_alone_is_refused(cli, tuned, tmp_path):
    """Where nothing is left, exit 3 says what to do instead."""
    table = wide(tmp_path / "x.csv", scam=scores(400))

    said = cli("run", table, "--head", "m/spam")

    assert said.code == 3
    assert "no head can be calibrated: m/spam, its reference holds thresholds" in said.err
    assert "Hint: calreg tune LABELLED --head m/spam --commit" in said.err


def test_run_of_a_probability_map_is_refused_in_its_words(cli, registry, tmp_path):
    """A map without thresholds is not called a threshold."""
    published_run(registry, {ODDS: {"win": platt(decides=False)}})

    said = cli("run", wide(tmp_path / "x.csv", win=scores(400)), "--head", "m/odds", "--json")

    assert said.code == 3
    assert "its reference holds probability maps" in said.json["error"]["message"]


def test_same_data_with_other_objectives_is_another_run(registry):
    """A second run of the same scores is made if something else was asked for, else not."""
    heads = {SPAM: {"scam": threshold(0.5)}}
    asked = {"objective": "max-f1"}

    assert isinstance(published_run(registry, heads, options=asked), Published)
    assert isinstance(published_run(registry, heads, options=asked), AlreadyDone)
    assert isinstance(published_run(registry, heads, options={"objective": "youden"}), Published)


# --- moves --------------------------------------------------------------------------------


def held(folder):
    return json.loads((folder / "m/spam-calibration.json").read_text())


def test_thresholds_roll_back_and_forth(cli, moved):
    """Roll-back, pin and promotion move a threshold head as any other."""
    assert held(moved)["labels"]["scam"]["threshold"] == 0.5

    assert cli("rollback", "m/spam", "--reason", "too eager").code == 0
    assert held(moved)["labels"]["scam"]["threshold"] == 0.55

    published_run(moved, {SPAM: {"scam": threshold(0.45)}}, digest=3)
    assert held(moved)["version"] == 1
    assert cli("unpin", "m/spam", "--reason", "looked at").code == 0
    assert cli("promote", "m/spam", "v3", "--reason", "better").code == 0
    assert held(moved)["labels"]["scam"]["threshold"] == 0.45
    assert cli("pin", "m/spam", "--reason", "stay").code == 0


# --- the report of a run ------------------------------------------------------------------


@pytest.fixture
def rows(moved):
    """What the second run found, by head."""
    return heads_of(Registry.open(moved).model_runs(1))


def test_report_shows_failed_decisions(rows):
    """A run's table has a column of shifts, marked where they failed."""
    lines = [line.plain for line in run_table(rows, width=200)]

    assert "threshold" in lines[0].split()
    assert "0.050 ✗" in next(line for line in lines if line.startswith("m/spam"))
    assert "method ✗" in next(line for line in lines if line.startswith("m/flag"))


def test_narrow_report_names_the_decision_first(rows):
    """Where there is no room for columns, a failed decision goes before metrics."""
    lines = [line.plain for line in run_table(rows, width=90)]

    flag = next(line for line in lines if line.startswith("m/flag"))
    assert "other direction, other objective, method ✗ +" in flag
    spam = next(line for line in lines if line.startswith("m/spam"))
    assert "threshold 0.050 ✗" in spam


def test_report_says_how_far_probabilities_moved(refitted):
    """Wide, it is a column; narrow, it stands among what failed."""
    found = heads_of(Registry.open(refitted).model_runs(1))

    wide, narrow = ([line.plain for line in run_table(found, width=width)] for width in (200, 70))

    assert "probability" in wide[0].split()
    assert "0.192 ✗" in wide[1]
    assert "probability 0.192 ✗" in narrow[1]


def test_another_status_is_told_not_failed(registry):
    """From one kind of never to another the head stays stable, and the report says so."""
    published_run(registry, {SPAM: {"scam": threshold(None)}})
    published_run(registry, {SPAM: {"scam": threshold(None, status="too_few_positives")}}, digest=2)

    found = heads_of(Registry.open(registry).model_runs(1))
    assert found["m/spam"].is_stable
    row = [line.plain for line in run_table(found, width=200)][1]
    assert "other status" in row
    assert "✗" not in row


def test_scores_with_truth_are_called_scores(tuned):
    """What was read for tuning are scores, as for a run; what was imported are labels."""
    inputs = Registry.open(tuned).runs()[0].inputs

    assert reading_line(inputs, [], {}).plain == "Read  1 file · 4,000 scores"
    imported_ones = replace(inputs, kind="fasttext", accepted=2)
    assert reading_line(imported_ones, [], {}).plain == "Read  1 file · 2 labels"


def test_changed_decisions_are_listed_before_shifts(rows):
    """Worst first: what was changed goes before what moved by a number."""
    names = [name for name, _ in worst_first(rows)]

    assert names.index("m/topics") < names.index("m/spam") < names.index("m/odds")


def test_run_json_has_the_decision(moved):
    """`run --json` has shifts, changes and limits of head and label, of stable maps too."""
    part = Registry.open(moved).model_runs(1)[0]
    run = Registry.open(moved).runs()[-1]

    found = run_json(run, {"m": part}, commit=None, status="committed", pushed=False)["heads"]

    assert found["m/spam"]["decision"]["threshold_shift"] == pytest.approx(0.05)
    assert found["m/spam"]["labels"]["scam"]["decision"] == found["m/spam"]["decision"]
    lose = found["m/odds"]["labels"]["lose"]["decision"]
    assert (lose["threshold_shift"], lose["probability_shift"]) == (None, 0.0)
    assert lose["limits"] == {"threshold_shift": 0.01, "probability_shift": 0.01}
