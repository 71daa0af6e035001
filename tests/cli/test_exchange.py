"""`export` and `import`: to the files of another system, and back as a run."""

import json

import pytest
from desk import fingerprint, scores


def test_export_drops_into_a_folder_of_models(cli, published, tmp_path):
    """`export` writes one sidecar per head where the other system looks for it."""
    said = cli("export", tmp_path / "models")

    assert said.code == 0
    sidecar = tmp_path / "models/m/heads/softmax/mood-calibration-v1.json"
    assert json.loads(sidecar.read_text())["calibration_version"] == 1
    assert cli("export", tmp_path / "models", "--json").json["files"] == [
        "m/heads/softmax/mood-calibration-v1.json"
    ]


def test_export_replaces_nothing_unasked(cli, published, tmp_path):
    """A file that is there and differs stays, unless --force says otherwise."""
    cli("export", tmp_path / "models")
    sidecar = tmp_path / "models/m/heads/softmax/mood-calibration-v1.json"
    good = sidecar.read_bytes()
    sidecar.write_text("mine\n")

    said = cli("export", tmp_path / "models")
    assert said.code == 3
    assert "--force" in said.err
    assert sidecar.read_text() == "mine\n"

    assert cli("export", tmp_path / "models", "--force").code == 0
    assert sidecar.read_bytes() == good


def test_import_is_a_run(cli, published, registry_of_its_own, tmp_path):
    """What was exported comes back as a run with the same parameters, once."""
    cli("export", tmp_path / "models")
    sidecar = tmp_path / "models/m/heads/softmax/mood-calibration-v1.json"
    target = ["--registry", registry_of_its_own]

    said = cli(*target, "import", sidecar, "--model", "m", "--json")

    assert said.code == 0
    assert said.json["inputs"]["kind"] == "nomarr-sidecar"
    ours = cli("show", "m/mood", "--json").json["calibration"]["labels"]["happy"]
    theirs = cli(*target, "show", "m/mood", "--json").json["calibration"]["labels"]["happy"]
    assert (ours["p5"], ours["p95"], ours["samples"]) == (
        theirs["p5"], theirs["p95"], theirs["samples"],
    )  # fmt: skip
    assert (
        cli(*target, "import", sidecar, "--model", "m", "--json").json["status"] == "already-done"
    )


def test_bad_import_changes_nothing(cli, published, tmp_path):
    """A file that is in no known format is refused with exit 3, and nothing is written."""
    before = fingerprint(published)
    (tmp_path / "x.json").write_text('{"a": NaN}')

    assert cli("import", tmp_path / "x.json").code == 3
    assert cli("import", tmp_path / "none.json").code == 3
    assert fingerprint(published) == before


@pytest.fixture
def library(cli, registry, tmp_path):
    """A registry of three heads of two models, two kinds of heads among them."""
    rows = [
        f"{model},{name},yes,{value!r}"
        for seed, (model, name) in enumerate(
            [("a/one", "mood"), ("a/one", "age_regression"), ("a/two", "tonal/atonal")]
        )
        for value in scores(300, seed=seed).tolist()
    ]
    (tmp_path / "library.csv").write_text("model,head,label,score\n" + "\n".join(rows) + "\n")
    assert cli("run", tmp_path / "library.csv").code == 0
    return registry


def test_export_sorts_heads_by_type(cli, library, tmp_path):
    """--head-type may be said per pattern of names: a library mixes kinds of heads."""
    said = cli(
        "export", tmp_path / "models",
        "--head-type", "*_regression=identity", "--head-type", "a/two/*=sigmoid",
        "--json",
    )  # fmt: skip

    assert said.json["files"] == [
        "one/heads/identity/age_regression-calibration-v1.json",
        "one/heads/softmax/mood-calibration-v1.json",
        "two/heads/sigmoid/tonal-atonal-calibration-v1.json",
    ]
    sidecar = json.loads((tmp_path / "models" / said.json["files"][0]).read_text())
    assert sidecar["head_type"] == "identity"


def test_export_names_files_like_the_model_s(cli, library, tmp_path):
    """--file-base puts a calibration beside the model's file, whatever the head is called."""
    said = cli(
        "export", tmp_path / "models", "a/two/tonal-atonal",
        "--file-base", "a/two/tonal-atonal=tonal_atonal-msd-1", "--json",
    )  # fmt: skip

    assert said.json["files"] == ["two/heads/softmax/tonal_atonal-msd-1-calibration-v1.json"]
    sidecar = json.loads((tmp_path / "models" / said.json["files"][0]).read_text())
    assert sidecar["model"] == "tonal_atonal-msd-1"


def test_export_says_the_registry_s_least_samples(cli, library, git, tmp_path):
    """A sidecar's min_samples is what the registry's rules say for that head."""
    rules = library / "registry.yaml"
    rules.write_text(
        "schema: calreg/registry/1.0\nname: reg\nmin_samples: 150\n"
        "heads:\n  a/two/*: {min_samples: 200}\n"
    )
    git(library, "commit", "--quiet", "-am", "Rules")

    cli("export", tmp_path / "models")

    found = {
        json.loads(path.read_text())["model"]: json.loads(path.read_text())["min_samples"]
        for path in (tmp_path / "models").rglob("*.json")
    }
    assert found == {"mood": 150, "age_regression": 150, "tonal-atonal": 200}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--head-type", "b/*=identity", "no exported head matches 'b/*'"),
        ("--head-type", "=identity", "expected TYPE or PATTERN=TYPE"),
        ("--head-type", "a/*=", "expected TYPE or PATTERN=TYPE"),
        ("--file-base", "a/one/moood=x", "'a/one/moood' is not exported"),
        ("--file-base", "mood", "expected HEAD=BASE"),
    ],
)
def test_export_ignores_no_option(cli, library, tmp_path, option, value, said):
    """A pattern or head that names nothing there is refused: else the files lie elsewhere."""
    found = cli("export", tmp_path / "models", option, value)

    assert found.code == 2
    assert said in found.err
    assert not (tmp_path / "models").exists()
