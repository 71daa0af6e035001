"""`export` and `import`: to the files of another system, and back as a run."""

import json

from desk import fingerprint


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
