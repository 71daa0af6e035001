"""SIGKILL at random: 100 of them in all, 40 of publishers and 60 of pulls."""

from __future__ import annotations

from campaigns import git, kill_commands, kill_publishers, kill_pullers, kill_replaced
from gitfaults import QuietGitServer


def test_killed_runs(tmp_path, bench):
    """However often a publisher is killed, each run is published once and nobody is needed."""
    with QuietGitServer(tmp_path) as server:
        url = f"{server.url}/bench/remote.git"
        tally = kill_publishers(bench, kills=20, seed=1, url=url, rest=server.rest)

    assert tally.findings == []
    assert tally.kills >= 20
    assert tally.done >= 1


def test_killed_publications(tmp_path, editions):
    """The same of runs, publications for production and sites, one after the other."""
    copied = editions.copy(tmp_path / "bench")
    with QuietGitServer(tmp_path) as server:
        url = f"{server.url}/bench/remote.git"
        git("remote", "set-url", "origin", url, cwd=copied.folder / "seed")
        tally = kill_commands(
            copied.bench, copied.cycle, kills=20, seed=2, rest=server.rest, usual_s=0.3
        )

    assert tally.findings == []
    assert tally.kills >= 20
    assert tally.done >= 1


def test_killed_pulls_of_a_branch(tmp_path, warm):
    """However often a pull is killed, the old set or the new one is there, and the next works."""
    with QuietGitServer(tmp_path) as server:
        tally = kill_pullers(
            tmp_path / "pulls", warm, kills=30, seed=3,
            source_of=lambda root: f"{server.url}/{root.relative_to(tmp_path)}/.git",
        )  # fmt: skip

    assert tally.findings == []
    assert (tally.kills >= 30, tally.done >= 1) == (True, True)


def test_killed_pulls_of_a_site(tmp_path, warm, sited, edited):
    """The same of a signed site."""
    words = ("pull", sited.url)
    tally = kill_replaced(
        tmp_path / "pulls", warm, words, old=edited, versions=(1, 2), kills=30, seed=4
    )

    assert tally.findings == []
    assert (tally.kills >= 30, tally.done >= 1) == (True, True)
