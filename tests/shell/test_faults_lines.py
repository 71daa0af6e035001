"""Pulls over lines that break, stall and lie."""

from __future__ import annotations

import time

import pytest
from campaigns import git, old_or_new
from gitfaults import QuietGitServer, broken_line, serving_older
from published import Published

from calreg.client import verify


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    return registry


def pulled(warm, source, dest, *options):
    return warm.run("pull", source, dest, "--json", *options, cwd=dest.parent)


@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_pull_that_is_cut(tmp_path, warm, registry, then):
    """A pull cut after any number of bytes leaves the last good set, and says so with code 5."""
    dest = tmp_path / "models"
    with broken_line(tmp_path) as (_, line):
        source = f"{line.url}/registry/.git"
        assert pulled(warm, source, dest).code == 0
        registry.publish(2, p5=0.2)
        line.then = then
        line.mend()
        whole = tmp_path / "whole"
        assert pulled(warm, source, whole).code == 0
        size = line.passed["down"]

        for place in (0, 1, *range(size // 8, size, size // 8), size - 1):
            line.mend(cut_after=place)
            ended = pulled(warm, source, dest)
            # Cut within its headers, an answer of HTTP/1.0 is that of an empty repository: 4.
            assert ended.code in (0, 4, 5), (place, ended.out)
            assert list(old_or_new(dest, {2 if ended.code == 0 else 1}, may_be_nothing=False)) == []
            if ended.code != 0:
                assert "keeps what was installed" in ended.json["error"]["hint"]

        line.mend()
        assert (pulled(warm, source, dest).code, verify(dest)) == (0, [])
        assert list(old_or_new(dest, {2}, may_be_nothing=False)) == []


@pytest.mark.parametrize("place", [0, 300, 1200])
def test_a_pull_that_stalls(tmp_path, warm, registry, place):
    """A server that falls silent is left at the deadline, a second later at most."""
    dest = tmp_path / "models"
    with broken_line(tmp_path) as (_, line):
        source = f"{line.url}/registry/.git"
        assert pulled(warm, source, dest).code == 0
        registry.publish(2, p5=0.2)
        line.then = "stall"
        line.mend(cut_after=place)

        begun = time.monotonic()
        ended = pulled(warm, source, dest, "--deadline", "0.7")

    assert (ended.code, ended.json["error"]["code"]) == (5, "timeout")
    assert time.monotonic() - begun < 1.7
    assert list(old_or_new(dest, {1}, may_be_nothing=False)) == []


def test_an_older_copy(tmp_path, warm, registry):
    """A server that went back to an older commit is refused; the newer set stays."""
    dest, old = tmp_path / "models", registry.git("rev-parse", "HEAD")
    registry.publish(2, p5=0.2)
    bare = tmp_path / "served" / "cal.git"
    git("clone", "--quiet", "--bare", str(registry.root), str(bare), cwd=tmp_path)
    with QuietGitServer(tmp_path / "served") as server:
        assert pulled(warm, f"{server.url}/cal.git", dest).code == 0

    with serving_older(bare, tmp_path / "older", branch="main", commit=old) as server:
        ended = pulled(warm, f"{server.url}/cal.git", dest)

    assert (ended.code, ended.json["error"]["code"]) == (4, "history-rewritten")
    assert list(old_or_new(dest, {2}, may_be_nothing=False)) == []
