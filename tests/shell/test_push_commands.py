"""`run --push` and `promote --push` as they are typed, in clones that race."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from computing import fresh_copy

from calreg.cli import call
from calreg.registry import Registry

Git = Callable[..., str]

_CALREG = (sys.executable, "-c", "from calreg.cli import main; main()")


def table(path: Path, *, power: float) -> Path:
    """400 scores of one head; another power is another distribution."""
    scores = np.random.default_rng(1).random(400) ** power
    path.write_text("score_yes\n" + "".join(f"{score!r}\n" for score in scores.tolist()))
    return path


@pytest.fixture
def clones(
    tmp_path: Path,
    remote_folder: Path,
    run_git: Git,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Path]:
    """Two clones of a registry without runs, whose owners may write."""
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "true")
    first = fresh_copy(tmp_path / "first", tmp_path_factory)
    run_git(first, "push", "--quiet", remote_folder.as_uri(), "main")
    for name in ("one", "other"):
        run_git(tmp_path, "clone", "--quiet", remote_folder.as_uri(), name)
    return [tmp_path / "one", tmp_path / "other"]


def tips(places: list[Path], run_git: Git) -> set[str]:
    return {run_git(place, "rev-parse", "main").strip() for place in places}


def test_two_clones_that_push_at_once(
    clones: list[Path], tmp_path: Path, remote_folder: Path, run_git: Git
) -> None:
    """Of two runs pushed at the same time both are published, one after the other."""
    started = [
        subprocess.Popen(
            [*_CALREG, "--registry", str(clone), "run", str(scores), "--head", "m/mood", "--push"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        for clone, scores in zip(
            clones,
            [table(tmp_path / f"{power}.csv", power=power) for power in (1.0, 3.0)],
            strict=True,
        )
    ]

    said = [process.communicate(timeout=60)[1].decode() for process in started]

    assert [process.returncode for process in started] == [0, 0], said
    run_git(tmp_path, "clone", "--quiet", remote_folder.as_uri(), "last")
    registry = Registry.open(tmp_path / "last")
    assert [run.version for run in registry.runs()] == [1, 2]
    registry.state()
    assert all(run_git(clone, "status", "--porcelain") == "" for clone in clones)


def test_promote_pushes(
    clones: list[Path],
    tmp_path: Path,
    remote_folder: Path,
    run_git: Git,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A move by hand with --push is at the remote, built on what others pushed meanwhile."""
    one, other = map(str, clones)
    for clone, power in ((one, 1.0), (one, 3.0)):
        scores = str(table(tmp_path / f"{power}.csv", power=power))
        assert call(["--registry", clone, "run", scores, "--head", "m/mood", "--push"]) == 0
    assert call(["--registry", one, "rollback", "m/mood", "--reason", "x", "--push"]) == 0
    run_git(clones[1], "pull", "--quiet")
    assert call(["--registry", one, "unpin", "m/mood", "--reason", "x", "--push"]) == 0
    capsys.readouterr()

    words = ["promote", "m/mood", "v2", "--reason", "checked", "--push", "--json"]
    code = call(["--registry", other, *words])

    move = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (move["pushed"], move["before"], move["after"]) == (True, 1, 2)
    assert tips([clones[1], remote_folder], run_git) == {move["commit"]}
    assert run_git(clones[1], "status", "--porcelain") == ""


def test_withdrawal_that_was_faster(
    clones: list[Path], tmp_path: Path, run_git: Git, capsys: pytest.CaptureFixture[str]
) -> None:
    """A promotion from a clone that is behind is refused if the version was withdrawn meanwhile."""
    one, other = map(str, clones)
    for power in (1.0, 3.0):
        scores = str(table(tmp_path / f"{power}.csv", power=power))
        assert call(["--registry", one, "run", scores, "--head", "m/mood", "--push"]) == 0
    assert call(["--registry", one, "rollback", "m/mood", "--reason", "x", "--push"]) == 0
    assert call(["--registry", one, "unpin", "m/mood", "--reason", "x", "--push"]) == 0
    run_git(clones[1], "pull", "--quiet")
    assert call(["--registry", one, "withdraw", "m/mood", "v2", "--reason", "bad", "--push"]) == 0
    before = tips([clones[0]], run_git)

    code = call(["--registry", other, "promote", "m/mood", "v2", "--reason", "y", "--push"])

    assert code == 4
    assert "v2 of m/mood is withdrawn" in capsys.readouterr().err
    assert tips([clones[0]], run_git) == before
