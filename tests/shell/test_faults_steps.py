"""SIGKILL at every named step of a command: the old state or the new one, and nobody needed."""

from __future__ import annotations

import pytest
from campaigns import ALL, git, old_or_new
from finalhistory import fsck_findings, history_findings
from published import HAPPY, RELAXED, Published

from calreg import failpoints
from calreg.client import verify


def at(step):
    return {failpoints.VARIABLE: f"{step}:kill"}


@pytest.mark.parametrize("step", failpoints.STEPS)
def test_publishing(warm, bench, step):
    """A publisher killed at a step leaves a sound remote, and its repeat publishes once."""
    seed = bench.folder / "seed"
    words = bench.words(1)

    killed = warm.run(*words, cwd=seed, env=at(step))
    assert fsck_findings(bench.remote) == []
    again = warm.run(*words, cwd=seed)

    assert (killed.was_killed, again.code) == (True, 0), again.err
    assert history_findings(bench.remote) == []
    assert git("ls-tree", "--name-only", "main", "runs/", cwd=bench.remote) == (
        "runs/1.json\nruns/2.json"
    )
    assert git("status", "--porcelain", cwd=seed) == ""


PULL_STEPS = ("objects-written", "journal-written", "ref-moved", "file-written", "settled")


@pytest.mark.parametrize("step", PULL_STEPS)
@pytest.mark.parametrize("is_first", [True, False])
def test_pulling(tmp_path, warm, step, is_first):
    """A pull killed at a step leaves the old set or the new one, and the next one finishes."""
    registry, dest = Published(tmp_path / "registry"), tmp_path / "models"
    words = ("pull", registry.root.as_uri(), dest)
    registry.publish(1)
    if not is_first:
        assert warm.run(*words, cwd=tmp_path).code == 0
        registry.add(HAPPY, 2, p5=0.2)
        registry.add(RELAXED, 2, p5=0.2)
        registry.commit()

    killed = warm.run(*words, cwd=tmp_path, env=at(step))
    found = list(old_or_new(dest, {1, 2}, may_be_nothing=is_first, may_be_mixed=True))
    again = warm.run(*words, cwd=tmp_path)

    assert (killed.was_killed, again.code, found) == (True, 0, []), again.err
    assert verify(dest) == []
    assert len(list(dest.rglob("*-calibration.json"))) >= len(ALL)
    assert not (dest / ".calreg/replaced.lock").exists()
