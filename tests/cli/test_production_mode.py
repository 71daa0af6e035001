"""Production mode refuses every command that writes, in one line that says how to switch."""

import pytest
from desk import fingerprint

from calreg.config import SWITCH, load_config
from calreg.errors import InputError

WRITING = [
    ["run", "SCORES", "--head", "m/mood"],
    ["run", "SCORES", "--head", "m/mood", "--no-commit"],
    ["promote", "m/mood", "v2", "--reason", "x"],
    ["rollback", "m/mood", "v1", "--reason", "x"],
    ["pin", "m/mood", "--reason", "x"],
    ["unpin", "m/mood", "--reason", "x"],
    ["withdraw", "m/mood", "v1", "--reason", "x"],
    ["push"],
    ["gc"],
    ["import", "SCORES"],
]
READING = [
    ["run", "SCORES", "--head", "m/mood", "--dry-run"],
    ["show"],
    ["history"],
    ["diff", "m/mood", "v1", "v1"],
    ["doctor"],
]


@pytest.fixture
def production(published):
    """A registry on a machine that is nobody's to develop on."""
    (published / "calreg.yaml").unlink()
    return published


@pytest.mark.parametrize("words", WRITING, ids=lambda words: " ".join(words[:1]))
def test_writing_is_refused(cli, production, drifted, words):
    """A writing command is refused with exit 4, one line and how to switch it on."""
    before = fingerprint(production)

    said = cli(*[drifted if word == "SCORES" else word for word in words])

    assert said.code == 4
    first, hint = said.err.splitlines()
    assert first.startswith("production mode (calibrate_heads is false by the default): ")
    assert f"'calreg {words[0]}' writes to a registry" in first
    assert hint == f"Hint: Set calibrate_heads: true in calreg.yaml, or {SWITCH}=1 for one command."
    assert fingerprint(production) == before


@pytest.mark.parametrize("words", WRITING, ids=lambda words: words[0])
def test_no_registry_is_said_first(cli, tmp_path, table, monkeypatch, words):
    """Where there is no registry at all, that is the answer (exit 3), not production mode."""
    monkeypatch.chdir(tmp_path)

    said = cli(*[table if word == "SCORES" else word for word in words])

    assert said.code == 3
    assert "not a registry" in said.err


@pytest.mark.parametrize("words", READING, ids=lambda words: " ".join(words[:1]))
def test_reading_is_allowed(cli, production, drifted, words):
    """Commands that write nothing work in production mode, a dry run among them."""
    assert cli(*[drifted if word == "SCORES" else word for word in words]).code == 0


def test_environment_overrides_the_file(cli, published, drifted, monkeypatch):
    """CALREG_CALIBRATE_HEADS decides over calreg.yaml, both ways."""
    monkeypatch.setenv(SWITCH, "false")
    assert cli("run", drifted, "--head", "m/mood").code == 4

    (published / "calreg.yaml").write_text("calibrate_heads: false\n")
    monkeypatch.setenv(SWITCH, "true")
    assert cli("run", drifted, "--head", "m/mood").code == 0


def test_drift_limits_come_from_the_configuration(cli, published, drifted):
    """calibration_drift_* override the registry's thresholds, per head below heads:."""
    (published / "calreg.yaml").write_text(
        "calibrate_heads: true\n"
        "calibration_drift_apd: 0.5\n"
        "heads:\n  m/*: {calibration_drift_srd: 0.6, calibration_drift_jsd: 0.9,\n"
        "    calibration_drift_median: 0.7, calibration_drift_iqr: 0.8}\n"
    )

    head = cli("run", drifted, "--head", "m/mood", "--json").json["heads"]["m/mood"]

    assert head["thresholds"] == {
        "apd_p5": 0.5, "apd_p95": 0.5, "srd": 0.6, "jsd": 0.9, "median_drift": 0.7,
        "iqr_drift": 0.8,
    }  # fmt: skip
    assert head["is_stable"] is True


def test_options_win_over_every_file(cli, published, table):
    """--min-samples on the command line wins over registry.yaml and calreg.yaml."""
    said = cli("run", table, "--head", "m/other", "--min-samples", "500")

    assert said.code == 3
    assert "400 scores, at least 500 are needed" in said.err


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("calibrate_head: true\n", "at /: unknown key 'calibrate_head'", "calibrate_heads"),
        ("calibrate_heads: maybe\n", "at /calibrate_heads: expected true or false", None),
        (
            "calibration_drift_jsd: 0\n",
            "at /calibration_drift_jsd: expected a number above 0",
            None,
        ),
        ("calibration_drift_jsd: .nan\n", "calibration_drift_jsd", None),
        ("heads: {a/b: {jsd: 1}}\n", "at /heads/a~1b: unknown key 'jsd'", "calibration_drift_jsd"),
        ("heads: {a/b: {min_samples: 1}}\n", "at /heads/a~1b/min_samples: expected 2", None),
        ("calibration_repo: 3\n", "at /calibration_repo", None),
        ("- a\n", "expected a mapping", None),
    ],
)
def test_bad_configuration(tmp_path, text, problem, hint):
    """A configuration that cannot be meant is refused with its place and the nearest key."""
    (tmp_path / "calreg.yaml").write_text(text)

    with pytest.raises(InputError) as caught:
        load_config(tmp_path, cwd=tmp_path, environment={})

    assert problem in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "calreg.yaml"))
    assert hint is None or hint in (caught.value.hint or "")


def test_bad_switch_is_refused(tmp_path):
    """A word that is neither true nor false is refused, not taken for false."""
    with pytest.raises(InputError, match="CALREG_CALIBRATE_HEADS: expected true or false"):
        load_config(None, cwd=tmp_path, environment={SWITCH: "perhaps"})


def test_nearest_file_counts(tmp_path):
    """The calreg.yaml nearest to the registry counts before the one of the current folder."""
    registry, here = tmp_path / "a/registry", tmp_path / "b"
    registry.mkdir(parents=True)
    here.mkdir()
    (tmp_path / "a/calreg.yaml").write_text("calibrate_heads: true\n")
    (here / "calreg.yaml").write_text("# nothing\n")

    found = load_config(registry, cwd=here, environment={})

    assert (found.calibrate_heads, found.file) == (True, tmp_path / "a/calreg.yaml")
    assert load_config(None, cwd=here, environment={}).calibrate_heads is False


def test_configured_registry_is_found(cli, published, tmp_path, monkeypatch):
    """calibration_repo names the registry where none is nearer."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "calreg.yaml").write_text("calibration_repo: ../registry\n")
    monkeypatch.chdir(elsewhere)

    assert cli("show", "--json").json["registry"] == "reg"


@pytest.mark.parametrize(
    ("repo", "hint"),
    [("../gone", "looked for from the folder of"), ("https://e.org/r.git", "calreg pull")],
)
def test_configured_registry_that_is_not_there(cli, tmp_path, monkeypatch, repo, hint):
    """A calibration_repo that names no folder is said to be wrong, not passed over."""
    (tmp_path / "calreg.yaml").write_text(f"calibration_repo: {repo}\n")
    monkeypatch.chdir(tmp_path)

    said = cli("show")

    assert said.code == 3
    assert f"calreg.yaml: at /calibration_repo: there is no folder {repo!r}" in said.err
    assert hint in said.err
