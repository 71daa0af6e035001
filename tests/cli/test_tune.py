"""`calreg tune`, as somebody at a terminal and a program that reads its JSON see it."""

import json

import pytest
from desk import fingerprint
from labelled_tables import table

from calreg.documents import load_calibration


@pytest.fixture
def calibration(tmp_path):
    return table(tmp_path / "calib.csv", seed=1)


@pytest.fixture
def holdout(tmp_path):
    return table(tmp_path / "holdout.csv", seed=2)


@pytest.fixture
def logits(tmp_path):
    return table(tmp_path / "logits.csv", seed=3, kind="logit")


def test_json_has_the_promised_shape(cli, calibration, holdout):
    """Threshold, status, objective, direction and both sets' counts, by label."""
    said = cli("tune", calibration, "--head", "m/posts", "--holdout", holdout, "--json")

    assert said.code == 0
    assert said.json["head"] == "m/posts"
    label = said.json["labels"]["scam"]
    assert {"threshold", "status", "objective", "direction"} <= label.keys()
    for side in ("calibration", "holdout"):
        found = label[side]
        counts = {"tp", "fp", "fn", "tn", "precision", "recall", "f1", "fpr", "fpr_interval"}
        assert counts | {"auroc", "average_precision"} <= found.keys()
        assert found["tp"] + found["fp"] + found["fn"] + found["tn"] == 300
        assert {"micro_f1", "macro_f1"} <= said.json["overall"][side].keys()
    assert said.json["temperature"] is None
    assert all({"code", "label", "message"} == warning.keys() for warning in said.json["warnings"])


def test_the_report_names_the_threshold_in_full(cli, calibration, holdout):
    """A person can copy the threshold from the screen without losing a digit."""
    as_json = cli("tune", calibration, "--head", "m/posts", "--holdout", holdout, "--json").json

    said = cli("tune", calibration, "--head", "m/posts", "--holdout", holdout)

    assert f">= {as_json['labels']['scam']['threshold']!r}" in said.out
    assert "Next: the same with --commit" in said.out


def test_without_commit_nothing_is_written(cli, registry, calibration):
    """Tuning looks; the registry stays as it is to the last byte."""
    before = fingerprint(registry)

    assert cli("tune", calibration, "--head", "m/posts").code == 0

    assert fingerprint(registry) == before


def test_production_mode_may_tune_and_not_commit(cli, registry, calibration, monkeypatch):
    """What writes nothing is allowed everywhere; a commit is not."""
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "false")

    assert cli("tune", calibration, "--head", "m/posts").code == 0
    refused = cli("tune", calibration, "--head", "m/posts", "--commit")

    assert refused.code == 4
    assert "calibrate_heads" in refused.err


def test_commit_publishes_a_version_that_apply_obeys(cli, registry, calibration, holdout):
    """The document in the registry fires on the holdout just as often as was told."""
    words = ("tune", calibration, "--head", "m/posts", "--holdout", holdout)
    tuned = cli(*words, "--commit", "--json")
    assert tuned.code == 0

    document = load_calibration((registry / "m/posts-calibration.json").read_bytes(), where="x")
    applied = cli("apply", holdout, "--head", "m/posts", "--out", registry / "out.csv", "--json")

    assert document.version == tuned.json["version"] == 1
    counts = tuned.json["labels"]["scam"]["holdout"]
    assert applied.json["fired"]["m/posts:scam"] == counts["tp"] + counts["fp"]
    trial = document.labels["scam"].holdout
    assert trial.confusion.to_json() == {key: counts[key] for key in ("tp", "fp", "fn", "tn")}


@pytest.mark.parametrize(("tuned_on", "applied_to"), [("score", "logit"), ("logit", "score")])
def test_scores_of_another_scale_are_not_decided(cli, registry, tmp_path, tuned_on, applied_to):
    """A threshold for scores says nothing of logits: the column's name gives it away."""
    known = table(tmp_path / "known.csv", kind=tuned_on)
    fresh = table(tmp_path / "fresh.csv", kind=applied_to)
    assert cli("tune", known, "--head", "m/p", "--commit").code == 0

    said = cli("apply", fresh, "--head", "m/p", "--out", registry / "out.csv")

    assert said.code == 3
    assert f"was tuned on {tuned_on}s" in said.err
    assert not (registry / "out.csv").exists()


def test_the_same_tuning_again_does_nothing(cli, registry, calibration):
    """Equal data and equal wishes are no new version; another objective is one."""
    words = ("tune", calibration, "--head", "m/posts", "--commit")
    cli(*words)

    again = cli(*words)
    other = cli(*words, "--objective", "youden", "--json")

    assert "Nothing to do" in again.out
    assert other.json["version"] == 2
    assert other.json["run"]["heads"]["m/posts"]["reference_update"] == "updated"


def test_a_dry_run_shows_what_a_commit_would_do(cli, registry, calibration):
    """The drift from the reference is shown, and nothing is written."""
    cli("tune", calibration, "--head", "m/posts", "--commit")
    before = fingerprint(registry)
    words = ("tune", calibration, "--head", "m/posts", "--objective", "youden", "--dry-run")

    said = cli(*words)

    assert said.code == 0
    assert "dry run: nothing written" in said.out
    assert fingerprint(registry) == before
    assert cli(*words, "--commit").code == 2


def test_too_few_items_are_not_committed(cli, registry, tmp_path):
    """min_samples of the registry holds for tuning, too; nothing is written."""
    small = table(tmp_path / "small.csv", rows=60)
    before = fingerprint(registry)

    said = cli("tune", small, "--head", "m/posts", "--commit")

    assert said.code == 3
    assert "60 scores, at least 100 are needed" in said.err
    assert fingerprint(registry) == before


def test_out_writes_a_file_of_its_own(cli, calibration, tmp_path):
    """Two results of one second have two names, and hold a calibration that can be applied."""
    words = ("tune", calibration, "--head", "m/posts", "--out", tmp_path / "out")
    for _ in range(2):
        assert cli(*words, "--timestamp", "2027-01-31T12:00:00Z").code == 0

    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    written = json.loads((tmp_path / "out" / files[0]).read_text())

    assert files == [
        "m-posts_20270131_120000_n300-2.json",
        "m-posts_20270131_120000_n300.json",
    ]
    assert written["document"]["labels"]["scam"]["threshold"] is not None


def test_a_result_file_can_be_applied(cli, calibration, holdout, tmp_path):
    """People without a registry apply what tune wrote."""
    tuned = cli(
        "tune", calibration, "--head", "m/posts", "--holdout", holdout, "--out", tmp_path, "--json"
    ).json
    words = ("apply", holdout, "--head", "m/posts", "--out", tmp_path / "out.csv", "--json")

    applied = cli(*words, "--calibration", tuned["files"][0])

    counts = tuned["labels"]["promo"]["holdout"]
    assert applied.code == 0
    assert applied.json["fired"]["m/posts:promo"] == counts["tp"] + counts["fp"]


def test_shared_texts_are_found_unasked(cli, calibration):
    """A text_key column is looked at without being named."""
    said = cli("tune", calibration, "--head", "m/posts", "--train", calibration, "--json")

    messages = [one["message"] for one in said.json["warnings"]]
    assert any("by text_key: 300 of 300 rows" in message for message in messages)


def test_split_groups_need_the_column_named(cli, calibration, holdout):
    """--group names what must not be in both sets."""
    said = cli(
        "tune", calibration, "--head", "m/p", "--holdout", holdout, "--group", "group", "--json"
    )

    codes = {one["code"] for one in said.json["warnings"]}
    assert "split_groups_calibration_holdout" in codes


def test_the_grid_says_which_cells_are_one_decision(cli, logits):
    """The familiar search, and the exact one beside it, which is at least as good."""
    said = cli(
        *("tune", logits, "--head", "m/p", "--average", "micro"),
        *("--grid", "T=1:15:15", "t=0.1:0.9:9", "--json"),
    )

    grid = said.json["grid"]
    assert len(grid["micro_f1"]) == 15
    assert len(grid["micro_f1"][0]) == 9
    assert grid["decisions"] < 135
    assert grid["best_micro"]["micro_f1"] <= said.json["overall"]["calibration"]["micro_f1"]
    half = {"temperature": 1.0, "threshold": 0.5}
    assert len(next(cells for cells in grid["same_decision"] if half in cells)) >= 15


def test_quadrants_count_every_item_once(cli, calibration, holdout):
    """Four counts with truth rates, and the items that show most of each."""
    said = cli(
        *("tune", calibration, "--head", "m/p", "--holdout", holdout, "--json"),
        *("--quadrants", "scam", "promo", "--examples", "2", "--show", "group"),
    )

    found = said.json["quadrants"]
    parts = [found[name] for name in ("both", "only_a", "only_b", "neither")]
    assert sum(part["n"] for part in parts) == 300
    example = found["both"]["examples"][0]
    assert {"row", "item", "score_scam", "y_scam", "group"} <= example.keys()
    shown = cli(
        *("tune", calibration, "--head", "m/p", "--quadrants", "scam", "promo", "--examples", "1")
    )
    assert "only scam, most telling:" in shown.out


def test_only_some_labels_and_rows(cli, calibration):
    """--label and --where leave out what is not meant."""
    said = cli(
        *("tune", calibration, "--head", "m/p", "--label", "scam"),
        *("--where", "group=g3", "--json"),
    )

    assert list(said.json["labels"]) == ["scam"]
    assert said.json["sets"]["calibration"]["rows"] == 15


def test_objectives_and_directions_by_label(cli, calibration):
    """LABEL= before an objective or a direction is for that label alone."""
    said = cli(
        *("tune", calibration, "--head", "m/p", "--json", "--objective", "youden"),
        *("--objective", "scam=min-cost@fp=1,fn=20", "--direction", "promo=higher"),
    )

    labels = said.json["labels"]
    assert labels["scam"]["objective"] == "min-cost@fp=1,fn=20"
    assert labels["promo"]["objective"] == "youden"


def test_a_probability_method_with_an_objective_decides_on_its_output(cli, logits):
    """--method platt alone decides nothing; with an objective it has threshold and cut."""
    alone = cli("tune", logits, "--head", "m/p", "--method", "platt", "--json").json
    both = cli(
        *("tune", logits, "--head", "m/p", "--method", "platt", "--objective", "max-f1", "--json")
    ).json

    assert alone["labels"]["scam"]["threshold"] is None
    assert alone["labels"]["scam"]["status"] is None
    assert 0 < both["labels"]["scam"]["threshold"] < 1
    assert both["labels"]["scam"]["score_threshold"] is not None
    assert both["overall"]["calibration"]["nll"] < both["overall"]["calibration"]["nll_before"]


HEAD = ("--head", "m/p")


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("--objective", "max-f"), 2, "max-f1"),
        (("--objective", "scan=max-f1"), 3, "no label 'scan'"),
        (("--objective", "max-f1", "--objective", "youden"), 2, "a second one"),
        (("--method", "platt", "--method", "beta"), 2, "cannot both come first"),
        (("--guarantee", "0.95"), 2, "false positive rate"),
        (("--link", "softmax"), 2, "softmax needs"),
        (("--push",), 2, "Add --commit"),
        (("--examples", "3"), 2, "--quadrants"),
        (("--quadrants", "scam", "scan"), 2, "no label 'scan'"),
        (("--direction", "up"), 2, "expected [LABEL=]auto|higher|lower"),
        (("--where", "group"), 2, "COLUMN=TEXT"),
        (("--where", "group=nobody"), 3, "group"),
        (("--label", "scan"), 3, "scan"),
        (("--group", "speaker"), 3, "no column 'speaker'"),
        (("--grid", "T=1:15:15", "t=0.1:0.9:9"), 3, "divides logits"),
        (("--grid", "T=1:15:15", "T=1:2:2"), 2, "an axis T and an axis t"),
        (("--holdout", "nowhere.csv"), 3, "nowhere.csv"),
    ],
)
def test_bad_options_are_one_clear_line(cli, calibration, words, code, problem):
    """What, where, and what to do next; never a traceback."""
    said = cli("tune", calibration, *HEAD, *words)

    assert said.code == code
    assert problem in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("header", "row", "problem"),
    [
        ("item,score_a", "{n},0.{n}", "no truth for 'a'"),
        ("item,score_a,y_a", "{n},0.{n},1", "all 40 truths are 1"),
        ("item,score_a,y_a", "{n},0.5,{odd}", "all 40 scores are 0.5"),
        ("item,value,y_a", "{n},0.5,{odd}", "value"),
        ("item,score_a,y_a", "{n},0.{n},maybe", "truth not 0 or 1"),
    ],
)
def test_tables_that_cannot_be_tuned(cli, tmp_path, header, row, problem):
    """The table and the label are named, and the exit code is 3."""
    path = tmp_path / "bad.csv"
    rows = [row.format(n=number, odd=number % 2) for number in range(40)]
    path.write_text("\n".join([header, *rows]) + "\n")

    said = cli("tune", path, *HEAD)

    assert said.code == 3
    assert problem in said.err
    assert "Traceback" not in said.err


def test_never_is_null_and_said_in_words(cli, tmp_path):
    """An infeasible target is null with its status, never a number such as 1.0."""
    path = tmp_path / "hard.csv"
    rows = [f"{n},{0.9 if n % 2 else 1.00001},{n % 2}" for n in range(50)]
    path.write_text("\n".join(["item,score_a,y_a", *rows]) + "\n")
    words = ("tune", path, *HEAD, "--direction", "higher", "--objective", "max-recall@fpr<=0.02")

    as_json = cli(*words, "--json").json
    said = cli(*words)

    assert as_json["labels"]["a"]["threshold"] is None
    assert as_json["labels"]["a"]["status"] == "infeasible"
    assert "never (infeasible)" in said.out
