"""`init` and `doctor`: how one begins, and whether all is as it should be."""

import json
import os
import subprocess
import sys

import pytest
from desk import fingerprint


def test_init_makes_a_registry_to_work_in(cli, tmp_path, git):
    """`init` makes folder, repository, rules and switch, and leaves a clean work tree."""
    said = cli("init", tmp_path / "new", "--json")

    assert said.code == 0
    assert (said.json["registry"], said.json["new_repository"]) == ("new", True)
    assert (tmp_path / "new/calreg.yaml").read_text().endswith("calibrate_heads: true\n")
    assert git(tmp_path / "new", "status", "--porcelain") == ""


def test_init_overwrites_nothing(cli, published):
    """A folder that is a registry already is refused, and stays as it is."""
    before = fingerprint(published)

    said = cli("init", published)

    assert said.code == 3
    assert "is a registry already" in said.err
    assert fingerprint(published) == before


def test_doctor_finds_nothing(cli, published):
    """A sound registry gets a line per check and exit 0."""
    said = cli("doctor", "--json")

    assert said.code == 0
    assert said.json["ok"] is True
    assert {one["check"] for one in said.json["findings"]} >= {
        "python", "extras", "git", "identity", "configuration", "runs", "references", "digests",
        "work tree",
    }  # fmt: skip


def remove_a_run(folder, git):
    git(folder, "rm", "--quiet", "runs/1.json")
    git(folder, "commit", "--quiet", "-m", "Forget")


def edit_a_version(folder, git):
    for path in ("m/v1/mood-calibration-v1.json", "m/mood-calibration.json"):
        data = json.loads((folder / path).read_text())
        data["display_name"] = "Mood"
        text = json.dumps(data, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        (folder / path).write_text(text)
    git(folder, "commit", "--quiet", "-am", "Edit")


def edit_a_reference(folder, git):
    path = folder / "m/mood-calibration.json"
    path.write_text(path.read_text() + "\n")
    git(folder, "commit", "--quiet", "-am", "Edit")


def leave_changes(folder, git):
    path = folder / "m/mood-calibration.json"
    path.write_text(path.read_text() + "\n")


def break_the_rules(folder, git):
    (folder / "registry.yaml").write_text("schema: calreg/registry/1.0\nname: reg\nnoice: {}\n")
    git(folder, "commit", "--quiet", "-am", "Break")


def pin_nothing(folder, git):
    pin = {
        "pinned_to": 1,
        "by": "a",
        "why": "b",
        "since": "2026-01-01T00:00:00.000Z",
        "until": None,
    }
    document = {"schema": "calreg/pins/1.0", "heads": {"m/gone": pin}}
    (folder / "pins.json").write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    git(folder, "add", "pins.json")
    git(folder, "commit", "--quiet", "-m", "Pin")


def link_a_version(folder, git):
    path = folder / "m/v1/mood-calibration-v1.json"
    path.unlink()
    path.symlink_to("../mood-calibration.json")
    git(folder, "commit", "--quiet", "-am", "Link")


# What was done to the registry, and the finding that must name it.
DAMAGE = {
    "a missing run": (remove_a_run, "digests", "m/v1/run.json"),
    "an edited version": (edit_a_version, "digests", "m/v1/mood-calibration-v1.json"),
    "an edited reference": (edit_a_reference, "registry", "m/mood-calibration.json"),
    "uncommitted changes": (leave_changes, "work tree", "m/mood-calibration.json"),
    "invalid rules": (break_the_rules, "documents", "registry.yaml"),
    "a pin of nothing": (pin_nothing, "pins", "m/gone"),
    "a link": (link_a_version, "documents", "m/v1/mood-calibration-v1.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_doctor_names_the_damage(cli, published, git, damage):
    """Each kind of damage is a finding that names the file, and exit 1."""
    act, check, named = DAMAGE[damage]
    act(published, git)

    said = cli("doctor", "--json")

    assert said.code == 1
    problems = [one for one in said.json["findings"] if one["level"] == "problem"]
    assert any(one["check"] == check and named in one["message"] for one in problems), problems


def test_doctor_names_what_git_left_and_what_waits(cli, published, git):
    """A git lock is a finding; a run that was never published is told, and is no damage."""
    lost = git(published, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Run 2: 1 head")
    git(published, "update-ref", "refs/calreg/outbox/one", lost)
    waiting = cli("doctor")
    (published / ".git" / "refs" / "heads" / "main.lock").touch()
    locked = cli("doctor")

    assert waiting.code == 0
    assert "was computed and never published" in waiting.out
    assert locked.code == 1
    assert "main.lock is there: a git command is running, or was killed" in locked.out


def test_doctor_finishes_an_interrupted_command(cli, published, drifted):
    """After a kill in mid-commit `doctor` says so, and --fix puts it right."""
    words = ["run", str(drifted), "--head", "m/mood"]
    program = [sys.executable, "-c", "from calreg.cli import main; main()", *words]
    environment = {**os.environ, "CALREG_FAILPOINT": "ref-moved:kill"}
    subprocess.run(program, env=environment, capture_output=True, check=False)

    said = cli("doctor")
    assert said.code == 1
    assert "interrupted" in said.out

    assert cli("doctor", "--fix").code == 0
    assert cli("doctor").code == 0


def test_doctor_checks_what_is_installed(cli, published, tmp_path):
    """--installed checks a folder that was pulled into, too."""
    cli("pull", published, tmp_path / "p")
    assert cli("doctor", "--installed", tmp_path / "p").code == 0
    (tmp_path / "p/m/mood-calibration.json").unlink()

    assert cli("doctor", "--installed", tmp_path / "p").code == 1


def test_doctor_without_a_registry(cli, tmp_path, monkeypatch):
    """Outside any registry the installation alone is checked."""
    monkeypatch.chdir(tmp_path)

    said = cli("doctor")

    assert said.code == 0
    assert "not a registry" in said.out
