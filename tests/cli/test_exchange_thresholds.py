"""`import` and `export` of thresholds files: 1.0 is no threshold, and low scores may fire."""

import json

import pytest
from desk import fingerprint

HEAD = "janitr/main3/texts"
SCAM = 0.9669240117073059
FULL = {
    "version": 1,
    "classes": ["scam", "topic"],
    "thresholds": {"scam": SCAM, "topic": 1.0},
    "tune_target_fpr": 0.02,
    "tuned_on": "data/calib.txt",
    "tuned_at": "2026-02-01",
    "label_stats": {
        "scam": {"threshold": SCAM, "fpr": 0.00625, "recall": 0.5625, "precision": 0.875},
        "topic": {"threshold": 1.0, "fpr": 1.0, "recall": 0.0, "precision": 0.0},
    },
}
TAU = {"best_tau": 0.3125, "best_precision": 0.75, "min_recall_target": 0.9, "auroc": 0.75}
TAU_FILE = "Qwen2.5-7B_20260102_030405_n200.json"


@pytest.fixture
def full(tmp_path):
    """A fastText thresholds file as its tuner writes it; one label is infeasible."""
    path = tmp_path / "thresholds.json"
    path.write_text(json.dumps(FULL))
    return path


@pytest.fixture
def flat(tmp_path):
    """The flat form of such a file, of labels that all have a threshold."""
    path = tmp_path / "flat.json"
    path.write_text(json.dumps({"scam": SCAM, "topic": 0.1}))
    return path


@pytest.fixture
def tau(tmp_path):
    """A hallucination threshold under the name that says what it was made of."""
    path = tmp_path / TAU_FILE
    path.write_text(json.dumps(TAU))
    return path


@pytest.fixture
def labels(cli, registry):
    """The labels of a head in the registry."""

    def shown(head=HEAD):
        return cli("show", head, "--json").json["calibration"]["labels"]

    return shown


def test_import_of_thresholds_is_a_run(cli, labels, full):
    """Thresholds become a version of a head, to the last bit, and 1.0 becomes null."""
    said = cli("import", full, "--head", HEAD)

    assert said.code == 0
    found = labels()
    assert (found["scam"]["method"], found["scam"]["threshold"]) == ("threshold", SCAM)
    assert found["scam"]["objective"] == "max-recall@fpr<=0.02"
    assert (found["topic"]["threshold"], found["topic"]["status"]) == (None, "infeasible")


def test_sentinel_is_told_loudly(cli, registry, full):
    """The warning names the label, says what was done, and how to keep the number."""
    said = cli("import", full, "--head", HEAD)

    (warning,) = [line for line in said.err.splitlines() if line.startswith("Warning: ")]
    for words in (HEAD, "'topic'", "1.0", "infeasible", "as null", "--keep-sentinel"):
        assert words in warning


def test_keep_sentinel(cli, labels, full):
    """--keep-sentinel keeps 1.0 and warns that real scores reach more."""
    said = cli("import", full, "--head", HEAD, "--keep-sentinel")

    assert said.code == 0
    assert (labels()["topic"]["threshold"], labels()["topic"]["status"]) == (1.0, "ok")
    assert "Warning: " in said.err
    assert "1.00001" in said.err


def test_import_lists_notes_for_programs(cli, registry, full):
    """--json holds every note and every warning, with its code and label."""
    said = cli("import", full, "--head", HEAD, "--json")

    assert said.json["status"] == "committed"
    assert any("fpr, recall and precision are not kept" in note for note in said.json["notes"])
    (warning,) = said.json["warnings"]
    assert (warning["code"], warning["head"], warning["label"]) == ("sentinel", HEAD, "topic")


def test_dry_run_tells_the_same(cli, registry, full):
    """--dry-run warns as the import would, and writes nothing."""
    before = fingerprint(registry)

    said = cli("import", full, "--head", HEAD, "--dry-run")

    assert said.code == 0
    assert "--keep-sentinel" in said.err
    assert fingerprint(registry) == before


def test_import_again_with_other_thresholds(cli, labels, flat):
    """A second import is a second version, compared with the first."""
    assert cli("import", flat, "--head", HEAD).code == 0
    assert cli("import", flat, "--head", HEAD, "--json").json["status"] == "already-done"
    flat.write_text(json.dumps({"scam": 0.5, "topic": 0.1}))

    said = cli("import", flat, "--head", HEAD, "--json")

    assert said.code == 0
    assert said.json["version"] == 2
    assert cli("show", f"{HEAD}@v2", "--json").json["calibration"]["labels"]["scam"][
        "threshold"
    ] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "direction", "sign"),
    [((), "lower", "<="), (("--direction", "higher"), "higher", ">=")],
)
def test_hallucination_direction(cli, labels, tau, options, direction, sign):
    """Low scores fire, as the format says, unless --direction says otherwise; a note tells."""
    said = cli("import", tau, *options)

    assert said.code == 0
    found = labels("qwen2.5-7b/hallucination")["hallucinated"]
    assert (found["threshold"], found["direction"], found["comparator"]) == (
        0.3125,
        direction,
        sign,
    )
    assert (found["samples"], found["objective"]) == (200, "max-precision@recall>=0.9")
    assert f"direction {direction}" in said.err


def test_constant_score_is_warned_about(cli, registry, tau):
    """A threshold of 0.0 without an AUROC comes with a warning."""
    tau.write_text(json.dumps({"best_tau": 0.0, "min_recall_target": 0.9}))

    said = cli("import", tau)
    assert said.code == 0
    assert "Warning: qwen2.5-7b/hallucination" in said.err
    assert "always 0.0" in said.err


def test_head_names_a_sidecar(cli, published, tmp_path):
    """--head names the head of a file of any format."""
    cli("export", tmp_path / "models")
    sidecar = tmp_path / "models/m/heads/softmax/mood-calibration-v1.json"

    said = cli("import", sidecar, "--head", "other/model/name", "--json")

    assert list(said.json["heads"]) == ["other/model/name"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("FULL", "--head", HEAD, "--model", "m"), "--head and --model both name the model"),
        (("FULL", "FLAT", "--head", HEAD), "--head is the name of one head, and there are 2 files"),
        (("TAU", "--keep-sentinel"), "--keep-sentinel is for fasttext-thresholds"),
        (("FULL", "--direction", "lower"), "--direction is for hallucination-thresholds"),
    ],
)
def test_import_ignores_no_option(cli, registry, full, flat, tau, words, said):
    """An option that says nothing about the files given is a usage error; nothing is written."""
    files = {"FULL": full, "FLAT": flat, "TAU": tau}
    before = fingerprint(registry)

    found = cli("import", *(files.get(word, word) for word in words))
    assert found.code == 2
    assert said in found.err
    assert fingerprint(registry) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"thresholds": {"scam": 0.5, "topic": 1.0}}, "at /label_stats/scam/threshold"),
        ({"thresholds": {"scam": "x"}, "label_stats": None}, "at /thresholds/scam"),
        ({"thresholds": {"CONDITION_PRICE_FACTOR": {"new": 1.1}}}, "CONDITION_PRICE_FACTOR"),
    ],
)
def test_bad_thresholds_change_nothing(cli, registry, full, change, said):
    """A file that contradicts itself is refused with exit 3 and its JSON pointer."""
    full.write_text(json.dumps(FULL | change))
    before = fingerprint(registry)

    found = cli("import", full, "--head", HEAD)
    assert found.code == 3
    assert said in found.err
    assert fingerprint(registry) == before


def test_pricing_overrides_are_no_thresholds(cli, registry, tmp_path):
    """The overrides of a pricing system are not taken for thresholds by label."""
    (tmp_path / "overrides.json").write_text('{"CONDITION_PRICE_FACTOR": {"new": 1.1}}')

    said = cli("import", tmp_path / "overrides.json", "--json")

    (name,) = said.json["heads"]
    assert said.code == 0
    labels = cli("show", name, "--json").json["calibration"]["labels"]
    assert labels == {"new": {"method": "factor", "factor": 1.1, "samples": None}}


def test_thresholds_there_and_back(cli, labels, flat, tmp_path):
    """What was imported is exported, flat or not, and imported again, bit for bit."""
    cli("import", flat, "--head", HEAD)
    before = labels()

    for options in ((), ("--flat",)):
        folder = tmp_path / f"out{len(options)}"
        said = cli("export", folder, HEAD, "--format", "fasttext-thresholds", *options, "--json")
        assert said.json["files"] == ["main3/texts-thresholds-v1.json"]
        file = folder / "main3/texts-thresholds-v1.json"
        data = json.loads(file.read_text())
        assert data.get("thresholds", data) == {"scam": SCAM, "topic": 0.1}
        assert cli("import", file, "--head", HEAD, "--json").json["status"] == "already-done"
    assert labels() == before


def test_hallucination_there_and_back(cli, registry, tau, tmp_path):
    """A hallucination threshold goes out under a name that says when and of how many."""
    cli("import", tau, "--timestamp", "2026-01-02T03:04:05Z")

    said = cli(
        "export", tmp_path / "out", "--format", "hallucination-thresholds",
        "--file-base", "qwen2.5-7b/hallucination=Qwen2.5-7B", "--json",
    )  # fmt: skip
    assert said.json["files"] == [TAU_FILE]
    data = json.loads((tmp_path / "out" / TAU_FILE).read_text())
    assert data == {"best_tau": 0.3125, "min_recall_target": 0.9}


def test_export_of_never(cli, registry, full, tmp_path):
    """A label that never fires goes out only as a number that no score reaches."""
    cli("import", full, "--head", HEAD)
    words = ["export", tmp_path / "out", HEAD, "--format", "fasttext-thresholds"]

    said = cli(*words)
    assert said.code == 3
    assert "'topic' never fires" in said.err
    assert "--never 2" in said.err
    assert cli(*words, "--never", "1.0").code == 3
    assert not (tmp_path / "out").exists()

    assert cli(*words, "--never", "2").code == 0
    data = json.loads((tmp_path / "out/main3/texts-thresholds-v1.json").read_text())
    assert data["thresholds"] == {"scam": SCAM, "topic": 2.0}
    # The day of the import is not the day of the tuning, which nobody knows any more.
    assert "tuned_at" not in data
    assert data["tune_target_fpr"] == pytest.approx(0.02)


def test_export_of_the_other_kind(cli, published, full, tmp_path):
    """A head that is rescaled has no threshold, one of thresholds no percentiles: both refused."""
    cli("import", full, "--head", HEAD)

    said = cli("export", tmp_path / "out", "--format", "fasttext-thresholds", "--never", "2")
    assert said.code == 3
    assert "m/mood label 'happy' has no threshold" in said.err
    said = cli("export", tmp_path / "out", HEAD)
    assert said.code == 3
    assert "can only say minmax" in said.err
    assert "fasttext-thresholds" in said.err
    assert not (tmp_path / "out").exists()


def test_export_of_low_scores_as_fasttext(cli, registry, tau, tmp_path):
    """A label that fires at low scores is refused by a format of high ones."""
    cli("import", tau)

    said = cli("export", tmp_path / "out", "--format", "fasttext-thresholds")
    assert said.code == 3
    assert "fires at lower scores" in said.err


@pytest.mark.parametrize(
    ("fmt", "option"),
    [
        ("nomarr-sidecar", ["--flat"]),
        ("nomarr-state", ["--never", "2"]),
        ("hallucination-thresholds", ["--flat"]),
        ("hallucination-thresholds", ["--plain-names"]),
        ("fasttext-thresholds", ["--head-type", "softmax"]),
        ("fasttext-thresholds", ["--library-size", "3"]),
    ],
)
def test_export_refuses_options_of_other_formats(cli, published, tmp_path, fmt, option):
    """An option that the format does not know is a usage error, not silence."""
    said = cli("export", tmp_path / "out", "--format", fmt, *option)

    assert said.code == 2
    assert f"{option[0]} says nothing in {fmt}" in said.err
