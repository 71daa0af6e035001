"""Pushes over lines that break, and to servers that refuse."""

from __future__ import annotations

import pytest
from campaigns import git
from finalhistory import Bare, history_findings
from gitfaults import HOOKS, broken_line, hook


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_push_that_is_cut(tmp_path, bench, direction):
    """A push cut anywhere is published or kept, and the repeat publishes it exactly once."""
    with broken_line(tmp_path) as (server, line):
        clone = bench.clone("cut", f"{line.url}/bench/remote.git")
        line.mend()
        assert bench.publish("cut", 1).code == 0
        size = line.passed[direction]
        line.direction = direction
        places = range(size // 6, size, size // 6)
        for number, place in enumerate(places, start=2):
            line.mend(cut_after=place)
            ended = bench.publish("cut", number)
            assert ended.code in (0, 5), ended.out
            if ended.code == 5:
                line.mend()
                server.rest()
                ended = bench.publish("cut", number)
            assert ended.code == 0, ended.out

    assert len(bench.published()) == 2 + len(places)
    assert history_findings(bench.remote) == []
    assert git("status", "--porcelain", cwd=clone) == ""


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_that_refuses(bench, name):
    """Whatever a server's hook does, the refusal is one clean line and the run is kept."""
    clone = bench.clone("refused")
    file = hook(bench.remote, HOOKS[name])
    before = Bare(bench.remote).commits("main")

    ended = bench.warm.run("run", bench.table(1), "--push", cwd=clone)

    lines = [line for line in ended.err.splitlines() if line]
    assert ended.code == 4, ended.err
    assert all(line.isprintable() for line in lines), lines
    assert sum(map(len, lines)) < 2000
    assert "is kept as" in ended.err
    assert Bare(bench.remote).commits("main") == before
    assert git("status", "--porcelain", cwd=clone) == ""
    file.unlink()
    assert bench.publish("refused", 1).code == 0
    assert (len(bench.published()), history_findings(bench.remote)) == (2, [])
