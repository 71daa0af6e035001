"""A line that is cut at every byte of a pull, and at many bytes of a push."""

from __future__ import annotations

import pytest
from campaigns import old_or_new
from finalhistory import history_findings
from gitfaults import broken_line
from published import Published

from calreg.client import verify

PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_every_byte_of_a_pull(tmp_path, warm, tell, part):
    """A pull cut after any number of bytes leaves the old set or brings the new one."""
    registry, dest = Published(tmp_path / "registry"), tmp_path / "models"
    registry.publish(1)
    codes = {0: 0, 4: 0, 5: 0}
    with broken_line(tmp_path) as (_, line):
        words = ("pull", f"{line.url}/registry/.git", dest, "--json")
        assert warm.run(*words, cwd=tmp_path).code == 0
        version, size, place = 1, 10**9, part
        while place < size:
            if version == 1 or codes[0]:
                version += 1
                registry.publish(version, p5=version / 10**6)
                codes[0] = 0
            line.then = ("close", "reset")[place % 2]
            line.mend(cut_after=place)
            ended = warm.run(*words, cwd=tmp_path)
            assert ended.code in codes, (place, line.then, ended.out)
            if ended.code == 4:
                # Cut within its headers, an answer of HTTP/1.0 is that of an empty repository.
                assert ended.json["error"]["code"] == "no-such-branch"
            codes[ended.code] += 1
            expected = {version} if ended.code == 0 else {version - 1}
            assert list(old_or_new(dest, expected, may_be_nothing=False)) == [], place
            if ended.code == 0:
                size = min(size, line.passed["down"])
            place += PARTS
    tell(f"exit codes of cuts of {size} bytes: {codes}")

    assert codes[4] + codes[5] >= size // PARTS - 1
    assert verify(dest) == []


@pytest.mark.parametrize("direction", ["up", "down"])
def test_many_bytes_of_a_push(bench, tmp_path, tell, direction):
    """A push cut anywhere is published or kept, and its repeat publishes it exactly once."""
    with broken_line(tmp_path) as (server, line):
        bench.clone("cut", f"{line.url}/bench/remote.git")
        line.mend()
        assert bench.publish("cut", 1).code == 0
        size = line.passed[direction]
        line.direction = direction
        places = range(1, size, max(1, size // 100))
        for number, place in enumerate(places, start=2):
            line.mend(cut_after=place)
            ended = bench.publish("cut", number)
            assert ended.code in (0, 5), ended.out
            line.mend()
            server.rest()
            assert bench.publish("cut", number).code == 0
    tell(f"{len(places)} cuts of {size} bytes")

    assert len(bench.published()) == 2 + len(places)
    assert history_findings(bench.remote) == []
