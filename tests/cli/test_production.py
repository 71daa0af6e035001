"""`pull`, `verify`, `status`, `apply`: from a registry to calibrated scores."""

import csv

import pytest
from desk import scores, wide


@pytest.fixture
def dest(cli, published, tmp_path):
    """A folder with the references installed."""
    folder = tmp_path / "production"
    assert cli("pull", published, folder).code == 0
    return folder


def test_pull_says_what_it_installed(cli, published, tmp_path):
    """`pull` names the registry, the references that changed and the folder."""
    said = cli("pull", published, tmp_path / "p")

    assert said.code == 0
    assert "1 of 1 reference changed" in said.out
    assert "  m/mood  v1 new" in said.out
    assert "nobody gated or signed it" in said.out
    assert (tmp_path / "p/m/mood-calibration.json").exists()


def test_pull_json(cli, published, tmp_path, git):
    """`pull --json` has the keys other programs rely on."""
    found = cli("pull", published, tmp_path / "p", "--json").json

    assert set(found) >= {"source", "commit", "seq", "updated", "unchanged", "bytes"}
    assert found["commit"] == git(published, "rev-parse", "HEAD")
    assert (found["updated"], found["seq"]) == (["m/mood"], None)


def test_unknown_head_names_the_nearest(cli, published, tmp_path):
    """A head the registry lacks is refused with the nearest it has."""
    said = cli("pull", published, tmp_path / "p", "m/moood")

    assert said.code == 3
    assert "m/moood" in said.err
    assert "Did you mean m/mood?" in said.err


def test_verify_finds_what_was_altered(cli, dest):
    """`verify` is 0 for what was installed and 1 for anything else, with the file."""
    assert cli("verify", dest).code == 0
    assert cli("verify", dest, "--json").json == {"ok": True, "findings": []}
    (dest / "m/mood-calibration.json").write_text("{}\n")

    said = cli("verify", dest)

    assert said.code == 1
    assert "altered" in said.out
    assert "m/mood-calibration.json" in said.out


def test_verify_advises_what_helps(cli, dest):
    """After `verify` comes a pull that keeps what was chosen; for a foreign file, its removal."""
    (dest / "m/mood-calibration.json").write_text("{}\n")
    assert f"Next: calreg pull --locked SOURCE {dest}" in cli("verify", dest).out
    assert cli("pull", "--offline", "SOURCE", dest).code == 0
    (dest / "m/other-calibration.json").write_text("{}\n")

    assert "Next: remove what is extra" in cli("verify", dest).out


def test_status_advises_a_pull_of_the_same_heads(cli, published, tmp_path, drifted):
    """The command that `status` ends with removes nothing that was chosen before."""
    folder = tmp_path / "chosen"
    cli("pull", published, folder, "m/*")
    cli("run", drifted, "--head", "m/mood")

    assert f"Next: calreg pull {published} {folder} 'm/*'" in cli("status", folder).out


def test_a_threshold_that_no_keys_reach_is_refused(cli, published, tmp_path):
    """`--threshold` without keys, or with fewer than it says, is never left out silently."""
    key = tmp_path / "ci"
    cli("keys", "new", key)

    alone = cli("pull", published, tmp_path / "p", "--threshold", "2")
    few = cli("pull", published, tmp_path / "p", "--key", f"{key}.pub", "--threshold", "2")

    assert (alone.code, few.code) == (2, 3)
    assert "2 keys must sign, and 1 key is given" in few.err


def test_status_is_behind_after_a_move(cli, published, dest, drifted):
    """`status` is 0 while nothing moved, then 1 with the heads that are behind."""
    assert cli("status", dest).code == 0
    cli("run", drifted, "--head", "m/mood")

    said = cli("status", dest, "--json")

    assert said.code == 1
    assert said.json["behind"] == ["m/mood"]
    assert "m/mood  behind" in cli("status", dest).out


def test_a_pull_that_moves_a_reference_says_how_to_tag_again(cli, published, dest, drifted):
    """The line that a pull ends with is a command that works in the registry."""
    assert cli("--registry", published, "run", drifted, "--head", "m/mood").code == 0

    last = cli("pull", published, dest).out.splitlines()[-1]

    words = last.removeprefix("  calreg ").replace("SCORES", str(drifted)).split()
    assert words[0] == "retag"
    said = cli("--registry", published, *words, "--head", "m/mood")
    assert "to tag again" in said.out
    assert "calreg retag" not in cli("pull", published, dest).out


def test_apply_installed_references(cli, dest, tmp_path):
    """`apply --from` writes a calibrated column beside every raw one."""
    table = wide(tmp_path / "new.csv", happy=scores(10, seed=3), sad=scores(10, seed=4))

    said = cli("apply", table, "--head", "m/mood", "--from", dest, "--out", tmp_path / "o.csv")

    assert said.code == 0
    assert "10 rows" in said.out
    with (tmp_path / "o.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert all(0 <= float(row["calibrated_happy"]) <= 1 for row in rows)
    raw = [float(row["score_sad"]) for row in rows]
    assert raw == scores(10, seed=4).tolist()


def test_apply_a_version_of_a_registry(cli, published, table, drifted, tmp_path):
    """Without --from a registry's references are applied, or the version of --use."""
    cli("run", drifted, "--head", "m/mood")
    words = ["apply", table, "--head", "m/mood", "--json", "--out"]

    assert cli(*words, tmp_path / "now.csv").json["calibrated"] == 800
    assert cli(*words, tmp_path / "then.csv", "--use", "m/mood@v1").json["calibrated"] == 800
    assert (tmp_path / "now.csv").read_bytes() != (tmp_path / "then.csv").read_bytes()


def test_apply_refuses_a_label_without_calibration(cli, dest, tmp_path):
    """A label without a calibration is refused, or passed through if that is asked for."""
    table = wide(tmp_path / "new.csv", angry=scores(10))
    words = ["apply", table, "--head", "m/mood", "--from", dest, "--out", tmp_path / "o.csv"]

    said = cli(*words)
    assert said.code == 3
    assert "angry" in said.err
    assert not (tmp_path / "o.csv").exists()

    assert cli(*words, "--missing", "raw", "--json").json["raw"] == 10
