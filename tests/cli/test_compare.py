"""`calreg compare`, as somebody with a file of options sees it."""

import json
import re
from pathlib import Path

import pytest
from desk import fingerprint
from labelled_tables import table

GUIDE = Path(__file__).parents[2] / "docs" / "compare.md"

SPEC = """\
head: m/posts
holdout: holdout.csv
defaults: {calibration: calib.csv, objective: max-recall@fpr<=0.05}
recommend: {maximize: macro_recall, limits: {fpr: 0.1}}
options:
- {name: plain}
- {name: sigmoid, method: platt}
- {name: best F1, objective: max-f1}
- {name: more, add_negatives: {from: pool.csv, max: 40}}
- {name: hard, mine: {from: pool.csv, label: scam, top: 20}}
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a holdout, a calibration set, a pool, a train set and a file of options."""
    for seed, name in enumerate(("calib", "holdout", "train"), start=1):
        table(tmp_path / f"{name}.csv", seed=seed)
    table(tmp_path / "pool.csv", seed=4, rows=500)
    return tmp_path


def written(folder, text=SPEC, name="compare.yaml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def lines_of(file, first, last):
    """The header and some rows of a table."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [lines[0], *lines[first:last]]


# --- what comes out -----------------------------------------------------------------------


def test_json_has_options_figures_and_a_recommendation(cli, folder):
    """A program finds every option's tuning, the rule, the choice and the reasons."""
    said = cli("compare", written(folder), "--json")

    assert said.code == 0
    found = said.json
    assert found["head"] == "m/posts"
    assert found["spec"]["defaults"]["calibration"] == "calib.csv"
    assert list(found["options"]) == ["plain", "sigmoid", "best F1", "more", "hard"]
    recommendation = found["recommendation"]
    assert recommendation["option"] in found["options"]
    assert recommendation["rule"]["text"] == "highest macro recall with every FPR at most 0.1"
    assert recommendation["reasons"].keys() == found["options"].keys() - {recommendation["option"]}
    for option in found["options"].values():
        assert option["status"] == "tuned"
        for label, tuned in option["tune"]["labels"].items():
            assert tuned["holdout"]["digest"] == found["holdout"]["labels"][label]["digest"]
        assert option["figure"]["value"] == option["tune"]["overall"]["holdout"]["macro_recall"]
    best = found["options"][recommendation["option"]]["tune"]["labels"]
    for label, stored in found["document"]["labels"].items():
        assert stored["threshold"] == best[label]["threshold"]


def test_an_option_is_tuned_as_tune_does(cli, folder):
    """The same words give the same thresholds and the same evidence in both commands."""
    by_hand = cli(
        *("tune", folder / "calib.csv", "--head", "m/posts", "--holdout", folder / "holdout.csv"),
        *("--objective", "max-recall@fpr<=0.05", "--method", "platt", "--json"),
    )

    found = cli("compare", written(folder), "--json").json["options"]["sigmoid"]["tune"]

    assert found["labels"] == by_hand.json["labels"]
    assert found["overall"] == by_hand.json["overall"]


def test_the_report_says_the_rule_the_choice_and_why_others_lose(cli, folder):
    """A person reads the table, the recommendation and a reason per option."""
    said = cli("compare", written(folder))

    assert said.code == 0
    assert re.search(
        r"^Recommended: .* The rule: highest macro recall with every FPR", said.out, re.MULTILINE
    )
    reasons = cli("compare", folder / "compare.yaml", "--json").json["recommendation"]["reasons"]
    for option, reason in reasons.items():
        assert f"{option}: {reason}" in said.out
    assert (
        "more: 40 rows with truth 0 for scam, promo, seed 0 · of 500 rows in pool.csv" in said.out
    )
    assert "hard: 20 hardest negatives of scam" in said.out
    assert said.out.rstrip().splitlines()[-1].startswith("Next: ")


def test_files_hold_the_same_and_are_the_same_again(cli, folder):
    """--out is the document of --json, --markdown one page; both equal on a second run."""
    spec = written(folder)
    words = ("compare", spec, "--out", folder / "a.json", "--markdown", folder / "a.md")
    document = cli(*words, "--json").json
    first = fingerprint(folder)

    assert cli(*words).code == 0

    assert fingerprint(folder) == first
    assert document.pop("files") == [str(folder / "a.json"), str(folder / "a.md")]
    assert json.loads((folder / "a.json").read_text(encoding="utf-8")) == document
    page = (folder / "a.md").read_text(encoding="utf-8")
    assert page.startswith("# m/posts: 5 options on one holdout of 300 rows")
    assert "**Recommended: " in page


def turned(*files):
    """The same tables, their last row first."""
    for file in files:
        head, *rows = file.read_text(encoding="utf-8").splitlines()
        file.write_text("\n".join([head, *rows[::-1]]) + "\n", encoding="utf-8")


def test_the_order_of_a_pool_changes_no_byte(cli, folder):
    """A pool the other way round gives the same document, to the last digit."""
    spec = written(folder)
    assert cli("compare", spec, "--out", folder / "a.json").code == 0

    turned(folder / "pool.csv")
    assert cli("compare", spec, "--out", folder / "b.json").code == 0

    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()


def test_the_order_of_any_set_changes_no_choice(cli, folder):
    """All tables the other way round: the same calibration, choice, reasons and counts."""
    spec = written(folder)
    first = cli("compare", spec, "--json").json

    turned(*(folder / f"{name}.csv" for name in ("pool", "holdout", "calib")))
    again = cli("compare", spec, "--json").json

    assert again["document"] == first["document"]
    assert again["recommendation"] == first["recommendation"]
    for name, option in first["options"].items():
        assert again["options"][name]["rebalancing"] == option["rebalancing"]


def test_rows_of_the_pool_are_counted_by_reason(cli, folder):
    """Rows of holdout and calibration stay out; trained ones are counted and warned about."""
    rows = [
        *lines_of(folder / "pool.csv", 1, 101),
        *lines_of(folder / "holdout.csv", 1, 31)[1:],
        *lines_of(folder / "calib.csv", 1, 21)[1:],
        *lines_of(folder / "train.csv", 1, 41)[1:],
    ]
    (folder / "pool.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = SPEC.replace("max: 40", "max: 1000").replace(
        "holdout: holdout.csv", "holdout: holdout.csv\ntrain: train.csv"
    )

    said = cli("compare", written(folder, text))
    meta = cli("compare", folder / "compare.yaml", "--json").json["options"]["more"]["rebalancing"][
        0
    ]

    assert meta["pool_rows"] == 190
    shared = {name: found["by"] for name, found in meta["pool_shared"].items()}
    assert shared == {
        "holdout": {"item": 30, "text_key": 30},
        "calibration": {"item": 20, "text_key": 20},
        "train": {"item": 40, "text_key": 40},
    }
    assert meta["added"] == meta["eligible"] > 0
    assert 0 < meta["added_trained_on"] < 40
    trained = f"trained on {meta['added_trained_on']} of {meta['added']} added rows (40 of 190"
    assert trained in said.out


def test_one_failed_option_is_a_row_and_all_failed_are_an_error(cli, folder):
    """A pool that is too small fails its option alone; alone it fails the comparison."""
    small = "{from: pool.csv, label: scam, top: 9000, min: 9000}"
    text = SPEC.replace("{from: pool.csv, label: scam, top: 20}", small)

    said = cli("compare", written(folder, text))
    only = "options:\n- {name: hard, mine: " + small + "}\n"
    alone = cli("compare", written(folder, text[: text.index("options:")] + only, "one.yaml"))

    assert said.code == 0
    assert "hard: pool.csv: " in said.out
    assert "at least 9,000 are wanted" in said.out
    assert alone.code == 3
    assert "no option could be tuned: hard: " in alone.err


def test_no_option_within_the_limits_is_said_and_exits_0(cli, folder):
    """A rule that nothing keeps gives no recommendation, and the document none to apply."""
    text = SPEC.replace("limits: {fpr: 0.1}", "limits: {fpr: 0.0001, recall: {scam: 0.99}}")

    said = cli("compare", written(folder, text))
    document = cli("compare", folder / "compare.yaml", "--json").json

    assert said.code == 0
    assert "Recommended: none. No option keeps the rule: " in said.out
    assert document["recommendation"]["option"] is None
    assert document["document"] is None


def test_paths_are_relative_to_the_file_and_sets_may_be_filtered(cli, folder, monkeypatch):
    """The file works from any folder, with globs, lists and `where`."""
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    text = SPEC.replace("holdout: holdout.csv", "holdout: [hold*.csv]").replace(
        "- {name: plain}", "- {name: plain, calibration: {from: calib.csv, where: {group: g1}}}"
    )

    said = cli("compare", written(folder, text), "--json")

    assert said.code == 0
    assert said.json["options"]["plain"]["calibration"]["rows"] == 15
    assert said.json["options"]["sigmoid"]["calibration"]["rows"] == 300


# --- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("holdout: ", "holdot: ", "at /: unknown key 'holdot'"),
        ("objective: max-r", "objectiv: max-r", "at /defaults: unknown key 'objectiv'"),
        ("method: platt", "metod: platt", "at /options/1: unknown key 'metod'"),
        ("max: 40", "maximum: 40", "at /options/3/add_negatives: unknown key 'maximum'"),
        ("method: platt", "method: plat", "at /options/1/method: expected one of threshold"),
        ("method: platt", "method: [platt, beta]", "at /options/1/method: platt and beta cannot"),
        ("method: platt", "guarantee: 2", "at /options/1: guarantee: expected a confidence"),
        ("method: platt", "link: softmax", "at /options/1: a softmax needs method temperature"),
        ("max-f1", "max-f", "at /options/2/objective: 'max-f'"),
        ("max-recall@fpr<=0.05", "max-recal", "at /defaults/objective: 'max-recal'"),
        ("label: scam", "label: spam", "at /options/4/mine: no label 'spam'"),
        ("objective: max-f1", "objectives: {x: youden}", "at /options/2/objectives: no label 'x'"),
        ("limits: {fpr: 0.1}", "limits: {fpr: {x: 1}}", "at /recommend/limits/fpr: no label 'x'"),
        ("name: sigmoid", "name: plain", "at /options/1/name: a second option 'plain'"),
        ("name: sigmoid, ", "", "at /options/1: has no 'name'"),
        ("macro_recall", "macro_recal", "at /recommend: no figure of several labels 'macro_recal'"),
        ("maximize", "minimize", "at /recommend: macro recall is better higher"),
        ("fpr: 0.1", "fprr: 0.1", "at /recommend: no figure 'fprr'"),
        ("fpr: 0.1", "fpr: low", "at /recommend/limits/fpr: expected a number, got 'low'"),
        ("max: 40", "max: 0", "at /options/3/add_negatives/max: expected at least 1, got 0"),
        ("max: 40", "max: 40, min: 50", "at /options/3/add_negatives/min: expected at most 40"),
        ("max: 40", "max: 40, exclude_train: true", "/exclude_train: nothing says what the model"),
        ("calibration: calib.csv, ", "", "at /options/0: has no 'calibration'"),
        ("head: m/posts", "head: posts", "at /head: "),
        ("head: m/posts", "head: m/posts\nhead: m/x", "stands twice"),
        ("pool.csv, max", "pond.csv, max", "pond.csv"),
        ("holdout.csv", "https://example.org/a.csv", "is a URL"),
    ],
)
def test_a_bad_file_is_refused_where_it_is_wrong(cli, folder, old, new, message):
    """An error of the file names its place, ends with 3, and nothing is written."""
    assert old in SPEC
    spec = written(folder, SPEC.replace(old, new, 1))
    before = fingerprint(folder)

    said = cli("compare", spec, "--out", folder / "a.json", "--markdown", folder / "a.md")

    assert (said.code, said.out) == (3, "")
    assert message in said.err
    assert fingerprint(folder) == before


@pytest.mark.parametrize(
    "options", ["", "options: []\n", "options: {a: 1}\n", "options: [plain]\n"]
)
def test_a_comparison_needs_options(cli, folder, options):
    """No option, or something that is none, is refused at its place."""
    text = SPEC[: SPEC.index("options:")] + options

    said = cli("compare", written(folder, text))

    assert said.code == 3
    assert "at /options: " in said.err


def test_an_unknown_key_comes_with_the_nearest(cli, folder):
    """The hint names the key that was probably meant."""
    said = cli("compare", written(folder, SPEC.replace("holdout: ", "holdot: ")))

    assert "Did you mean holdout?" in said.err


def test_a_file_that_is_not_there_is_refused(cli, folder):
    """A missing file of options is bad input, not a bug."""
    said = cli("compare", folder / "none.yaml")

    assert said.code == 3
    assert "cannot be read" in said.err


# --- the guide ----------------------------------------------------------------------------


def test_the_guide_works_as_it_stands(cli, folder, monkeypatch):
    """The command and the file of docs/compare.md run on tables of their names."""
    page = GUIDE.read_text(encoding="utf-8")
    (folder / "calib.csv").rename(folder / "calibration.csv")
    written(folder, re.search(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1])
    command = re.search(r"^\$ calreg (.*)$", page, re.MULTILINE)[1].split()
    monkeypatch.chdir(folder)

    said = cli(*command, "--json")

    assert said.code == 0, said.err
    assert {option["status"] for option in said.json["options"].values()} == {"tuned"}
    assert (folder / "compare.md").is_file()
    assert (folder / "compare.json").is_file()
