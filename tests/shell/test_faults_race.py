"""Eight publishers at once, and the judge of what they made."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from campaigns import Bench, git, race
from finalhistory import history_findings
from gitfaults import QuietGitServer


def test_eight_publishers(tmp_path, bench):
    """Eight people publish two runs each at once: none is lost, made twice or misnumbered."""
    with QuietGitServer(tmp_path) as server:
        result = race(bench, server, publishers=8, runs=2)

    assert (result.failed, result.findings) == ([], [])
    assert len(result.seconds) == 16
    assert max(result.tries) <= 10


@pytest.fixture(scope="module")
def history(tmp_path_factory, first_bench):
    """A registry with three runs, in a work tree."""
    bench = Bench.copy_of(first_bench, tmp_path_factory.mktemp("history") / "bench")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HOME", str(first_bench.folder.parent / "home"))
        for number in (1, 2):
            assert bench.publish("seed", number).code == 0
    return bench.folder / "seed"


SPOILT = {
    "a run that is missing": ("rm runs/2.json", "expected 1..2, got [1, 3]"),
    "a run made twice": (
        "sed -i 's/version\": 3/version\": 4/;w runs/4.json' runs/3.json",
        "2 times",
    ),
    "a version that was changed": (
        "sed -i s/120/121/ m/v1/mood-calibration-v1.json",
        "was changed",
    ),
    "a version that was deleted": ("rm m/v1/mood-calibration-v1.json", "was changed or deleted"),
    "a version of no run": (
        "mkdir m/v9; cp m/v1/mood-calibration-v1.json m/v9/mood-calibration-v9.json",
        "no run names it",
    ),
    "a reference that is no copy": ("sed -i s/120/121/ m/mood-calibration.json", "no copy of v"),
    "a reference that is missing": ("rm m/mood-calibration.json", "no reference"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_the_judge_sees(tmp_path, history, name):
    """A history that was spoilt is found out."""
    spoilt = shutil.copytree(history, tmp_path / "spoilt")
    command, words = SPOILT[name]
    assert history_findings(spoilt) == []

    subprocess.run(["sh", "-c", command], cwd=spoilt, check=True)
    git("add", "--all", cwd=spoilt)
    git("commit", "--quiet", "-m", "spoil", cwd=spoilt)

    assert any(words in line for line in history_findings(spoilt)), history_findings(spoilt)


def test_the_judge_sees_a_repeat(tmp_path, history):
    """A run id in two commits, and a number out of order, are found out."""
    spoilt = shutil.copytree(history, tmp_path / "spoilt")
    message = git("log", "-1", "--format=%B", cwd=spoilt)
    git("commit", "--quiet", "--allow-empty", "-m", message, cwd=spoilt)

    found = history_findings(spoilt)

    assert any("log: run id" in line for line in found)
    assert any("log: expected runs 1..4" in line for line in found)
    assert json.loads((spoilt / "runs/3.json").read_bytes())["version"] == 3
