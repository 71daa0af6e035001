"""SIGKILL at random, 2,000 times: 1,000 publishers and 1,000 pulls, by file, http and ssh."""

from __future__ import annotations

import pytest
from campaigns import git, kill_commands, kill_publishers, kill_pullers, kill_replaced
from gitfaults import QuietGitServer
from sshserver import SshServer, find_sshd

needs_sshd = pytest.mark.skipif(find_sshd() is None, reason="OpenSSH's server is not installed")


@pytest.mark.parametrize("seed", range(100, 110))
def test_runs_over_http(tmp_path, bench, tell, seed):
    """However often a publisher is killed, each run is published once and nobody is needed."""
    with QuietGitServer(tmp_path) as server:
        url = f"{server.url}/bench/remote.git"
        tally = kill_publishers(bench, kills=50, seed=seed, url=url, rest=server.rest)
    tell(tally)

    assert tally.findings == []
    assert tally.kills >= 50


@needs_sshd
@pytest.mark.parametrize("seed", range(200, 204))
def test_runs_over_ssh(tmp_path, bench, monkeypatch, tell, seed):
    """The same by ssh."""
    with SshServer(tmp_path / "ssh") as server:
        monkeypatch.setenv("GIT_SSH_COMMAND", server.command)
        url = server.url(bench.remote)
        tally = kill_publishers(bench, kills=50, seed=seed, url=url, rest=server.rest)
    tell(tally)

    assert tally.findings == []
    assert tally.kills >= 50


@pytest.mark.parametrize("seed", range(300, 306))
def test_publications(tmp_path, editions, tell, seed):
    """The same of runs, publications for production and sites, one after the other."""
    copied = editions.copy(tmp_path / "bench")
    with QuietGitServer(tmp_path) as server:
        url = f"{server.url}/bench/remote.git"
        git("remote", "set-url", "origin", url, cwd=copied.folder / "seed")
        tally = kill_commands(copied.bench, copied.cycle, kills=50, seed=seed, rest=server.rest)
    tell(tally)

    assert tally.findings == []
    assert tally.kills >= 50


@pytest.mark.parametrize("seed", range(400, 403))
def test_pulls_of_a_folder(tmp_path, warm, tell, seed):
    """However often a pull is killed, the old set or the new one is there, and the next works."""
    tally = kill_pullers(tmp_path / "pulls", warm, kills=100, seed=seed)
    tell(tally)

    assert tally.findings == []
    assert tally.kills >= 100


@pytest.mark.parametrize("seed", range(500, 503))
def test_pulls_of_a_branch(tmp_path, warm, tell, seed):
    """The same from a git server."""
    with QuietGitServer(tmp_path) as server:
        tally = kill_pullers(
            tmp_path / "pulls", warm, kills=100, seed=seed,
            source_of=lambda root: f"{server.url}/{root.relative_to(tmp_path)}/.git",
        )  # fmt: skip
    tell(tally)

    assert tally.findings == []
    assert tally.kills >= 100


@pytest.mark.parametrize("seed", range(600, 604))
def test_pulls_of_a_site(tmp_path, warm, sited, edited, tell, seed):
    """The same of a signed site."""
    words = ("pull", sited.url)
    tally = kill_replaced(
        tmp_path / "pulls", warm, words, old=edited, versions=(1, 2), kills=100, seed=seed
    )
    tell(tally)

    assert tally.findings == []
    assert tally.kills >= 100
