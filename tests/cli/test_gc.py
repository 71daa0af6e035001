"""`gc`: versions that nothing needs leave the tip, and every command copes."""

from shutil import copytree

import pytest
from desk import fingerprint, scores, wide


@pytest.fixture
def runs(templates, tmp_path, monkeypatch):
    """A registry of four runs, of which the reference holds the last."""
    copytree(templates / "four", tmp_path / "registry")
    monkeypatch.chdir(tmp_path / "registry")
    return tmp_path / "registry"


def test_gc(cli, runs, git):
    """What went is listed, the work tree follows, and the other commands go on."""
    said = cli("gc", "--keep-runs", "1")

    assert said.code == 0
    assert "m  v1, v2" in said.out
    assert "2 version folders collected" in said.out
    assert sorted(path.name for path in (runs / "m").iterdir() if path.is_dir()) == ["v3", "v4"]
    assert git(runs, "status", "--porcelain") == ""
    assert cli("doctor").code == 0
    assert len(cli("history", "--json").json["runs"]) == 2
    assert cli("show", "m/mood").code == 0
    said = cli("diff", "m/mood", "v1", "v4")
    assert said.code == 3
    assert "v1 of m was collected" in said.err
    assert cli("withdraw", "m/mood", "v1", "--reason", "late").code == 0
    assert cli("rollback", "m/mood", "--reason", "x").code == 0


def test_dry_run_writes_nothing(cli, runs):
    """--dry-run says what would go, and writes nothing."""
    before = fingerprint(runs)

    found = cli("gc", "--keep-runs", "1", "--dry-run", "--json").json

    assert (found["collected"], found["count"], found["commit"]) == ({"m": [1, 2]}, 2, None)
    assert fingerprint(runs) == before


def test_nothing_to_collect(cli, runs):
    """By default 50 runs stay, and that there is nothing to do is no error."""
    said = cli("gc")

    assert said.code == 0
    assert "Nothing to collect" in said.out
    assert cli("gc", "--json").json["count"] == 0


def test_last_number_is_remembered(cli, runs, tmp_path):
    """Without --keep-runs as many stay as the last time."""
    assert cli("gc", "--keep-runs", "1", "--json").json["keep_runs"] == 1
    for number, power in ((5, 8), (6, 8), (7, 8)):
        table = wide(
            tmp_path / f"{number}.csv", happy=scores(400, power=power), sad=scores(400, seed=number)
        )
        assert cli("run", table, "--head", "m/mood").code == 0

    assert cli("gc", "--json").json["keep_runs"] == 1


def test_repeat_of_a_collected_run(cli, runs, table):
    """A run whose version was collected is still known: its scores do nothing again."""
    cli("gc", "--keep-runs", "1")

    said = cli("run", table, "--head", "m/mood")

    assert said.code == 0
    assert "Nothing to do: run 1" in said.out


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_bad_number(cli, runs, number):
    """A number of runs that is none is a usage error."""
    assert cli("gc", "--keep-runs", number).code == 2
