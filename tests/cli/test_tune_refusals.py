"""What `calreg tune` refuses, says of doubtful tables, and leaves alone when it fails."""

import pytest
from desk import fingerprint
from labelled_tables import table


@pytest.fixture
def calibration(tmp_path):
    return table(tmp_path / "calib.csv", seed=1)


def edited(path, edit):
    """The table with its lines put through `edit`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(edit(lines)) + "\n", encoding="utf-8")
    return path


def with_cell(path, text):
    """The table with its last cell, a score of promo, replaced."""
    return edited(path, lambda lines: [*lines[:-1], lines[-1].rpartition(",")[0] + f",{text}"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--bins", "5"), "--bins belongs to --method histogram"),
        (("--direction", "lower", "--direction", "higher"), "a second one for all labels"),
        (("--direction", "scam=lower", "--direction", "scam=auto"), "a second one for scam"),
        (("--where", "group=g1", "--where", "group=g2"), "a second one for 'group'"),
        (("--average", "micro", "--method", "platt"), "one threshold, and none is asked for"),
        (("--max-reject-rate", "nan"), "nan is not in the range"),
        (("--plot", "tuned.txt"), "expected a name that ends in .html"),
    ],
)
def test_contradictions_are_usage_errors(cli, calibration, options, problem):
    """An option that would be overlooked, or overruled by its own repetition, is refused."""
    said = cli("tune", calibration, "--head", "m/posts", *options)

    assert said.code == 2
    assert problem in said.err
    assert said.out == ""


def test_rejects_are_told_without_a_commit(cli, calibration):
    """Who only looks sees what was left out, and where it stands."""
    with_cell(calibration, "NaN")

    said = cli("tune", calibration, "--head", "m/posts")
    as_json = cli("tune", calibration, "--head", "m/posts", "--json").json

    assert "! 1 score of calibration rejected (1 NaN): calib.csv line 301: NaN ('NaN')" in said.out
    assert as_json["sets"]["calibration"]["first_rejects"] == ["calib.csv line 301: NaN ('NaN')"]


def test_nothing_is_said_of_rejects_where_there_are_none(cli, calibration):
    """A clean table gets no line about it."""
    assert "rejected" not in cli("tune", calibration, "--head", "m/posts").out


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_a_commit_waits_for_a_place_to_write(cli, registry, calibration, tmp_path, option):
    """Where a result file or a picture cannot be written, no version is published either."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    place = tmp_path / "file" / ("results" if option == "--out" else "tuned.html")
    before = fingerprint(registry)

    said = cli("tune", calibration, "--head", "m/posts", "--commit", option, place)

    assert said.code == 3
    assert "cannot be written to" in said.err
    assert fingerprint(registry) == before
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_a_score_beyond_all_bounds_is_named_by_label(cli, calibration):
    """1e141 is no score that sums could be made of: its label is said."""
    with_cell(calibration, "1e141")

    said = cli("tune", calibration, "--head", "m/posts")

    assert said.code == 3
    assert "label 'promo': expected scores within ±1e+140" in said.err


def test_a_label_that_cannot_be_one_is_named_with_its_file(cli, calibration):
    """Of many files the one with the broken header is known."""
    edited(calibration, lambda lines: [lines[0].replace("_promo", "_ promo"), *lines[1:]])

    said = cli("tune", calibration, "--head", "m/posts")

    assert said.code == 3
    assert said.err.startswith("calib.csv: label ' promo' begins or ends with white space")


def test_items_that_repeat_within_a_set_are_counted(cli, calibration):
    """An item that stands twice counts twice, and a warning says so."""
    edited(calibration, lambda lines: [*lines, *lines[1:4]])

    said = cli("tune", calibration, "--head", "m/posts", "--json")

    found = {warning["code"]: warning["message"] for warning in said.json["warnings"]}
    assert "3 of 303 rows of calibration" in found["repeated_items_calibration"]


def test_a_holdout_on_another_scale_is_doubted(cli, calibration, tmp_path):
    """Percent in one table and shares in the other: the counts say so before F1 does."""
    holdout = table(tmp_path / "holdout.csv", seed=2)

    def in_percent(lines):
        rows = [line.split(",") for line in lines[1:]]
        return [lines[0], *(",".join([*r[:-1], str(100 * float(r[-1]))]) for r in rows)]

    edited(holdout, in_percent)
    said = cli("tune", calibration, "--head", "m/posts", "--holdout", holdout, "--json")

    doubts = [w["message"] for w in said.json["warnings"] if w["code"] == "other_scale"]
    assert len(doubts) == 1
    assert doubts[0].startswith("promo: ")


def test_the_same_scale_is_not_doubted(cli, calibration, tmp_path):
    """Scores of the same kind raise no question of scale."""
    holdout = table(tmp_path / "holdout.csv", seed=2)

    said = cli("tune", calibration, "--head", "m/posts", "--holdout", holdout, "--json")

    assert "other_scale" not in {warning["code"] for warning in said.json["warnings"]}


def test_a_map_that_does_harm_is_doubted(cli, calibration, tmp_path):
    """A histogram with a bin per item knows its items by heart, and the holdout shows it."""
    holdout = table(tmp_path / "holdout.csv", seed=2)
    words = ("tune", calibration, "--head", "m/posts", "--holdout", holdout, "--json")

    learnt = cli(*words, "--method", "histogram", "--bins", "300").json
    fitted = cli(*words, "--method", "platt").json

    assert "map_worse_on_holdout" in {warning["code"] for warning in learnt["warnings"]}
    assert "map_worse_on_holdout" not in {warning["code"] for warning in fitted["warnings"]}


def test_apply_names_the_heads_that_a_document_has(cli, calibration, tmp_path):
    """A head that is not in the document gets the nearest one that is."""
    cli("tune", calibration, "--head", "m/posts", "--out", tmp_path / "results")
    (document,) = (tmp_path / "results").iterdir()

    words = ("apply", calibration, "--head", "m/post", "--calibration", document)
    said = cli(*words, "--out", tmp_path / "fired.csv")

    assert said.code == 3
    assert "no calibration for m/post" in said.err
    assert "Did you mean m/posts?" in said.err
    assert not (tmp_path / "fired.csv").exists()


def test_one_threshold_for_all_is_not_judged_by_what_it_did_not_seek(cli, tmp_path):
    """Where micro-F1 was asked for, a lower macro-F1 on the holdout is no sign of overfitting."""
    words = []
    for seed, flag in ((1, None), (2, "--holdout")):
        name = f"set{seed}.csv"
        path = table(tmp_path / name, seed=seed, big=(0.5, 2.0), rare=(0.02, 0.2 * (3 - seed)))
        words += [flag, path] if flag else [path]

    said = cli("tune", *words, "--head", "m/posts", "--average", "micro", "--json").json

    overall = said["overall"]
    assert overall["calibration"]["macro_f1"] - overall["holdout"]["macro_f1"] > 0.02
    assert abs(overall["calibration"]["micro_f1"] - overall["holdout"]["micro_f1"]) < 0.02
    assert "overfit" not in {warning["code"] for warning in said["warnings"]}
