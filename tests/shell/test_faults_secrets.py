"""A token that is looked for everywhere: outputs, files, and the arguments of all processes."""

from __future__ import annotations

import secrets

import pytest
from campaigns import git
from canary import Watched
from gitfaults import QuietGitServer, hook
from published import Published
from staticsite import StaticSite, unavailable


@pytest.fixture
def token():
    """A token that nobody else has."""
    return f"canary-{secrets.token_hex(12)}"


def with_token(url, token):
    return url.replace("://", f"://me:{token}@")


@pytest.mark.parametrize("right", [True, False])
def test_pulls(tmp_path, warm, token, right):
    """A token in an address reaches the server alone, whether it is let in or not."""
    registry, dest = Published(tmp_path / "served/registry"), tmp_path / "models"
    registry.publish(1)
    spoken = []
    asked = token if right else f"not-{token}"
    with QuietGitServer(tmp_path / "served", token=asked) as server, Watched(token) as watched:
        source = with_token(f"{server.url}/registry/.git", token)
        for words in (
            ("pull", source, dest),
            ("pull", source, dest, "--json"),
            ("pull", source, dest, "nothing/like/it"),
            ("status", dest, "--source", source),
            ("status", dest, "--source", source, "--json"),
            ("status", dest),
            ("verify", dest, "--json"),
            ("pull", source, dest, "--locked"),
            ("pull", source, dest, "--offline"),
            ("pull", source.replace("registry", "nowhere"), dest),
        ):
            ended = warm.run(*words, cwd=tmp_path)
            spoken += [ended.out, ended.err]
        heard = [authorization for _, _, authorization in server.requests if authorization]

    assert heard
    assert watched.samples > 5
    assert watched.leaks(*spoken, folders=[dest]) == []


@pytest.mark.parametrize("fault", ["none", "hook", "closed"])
def test_publishing(bench, token, fault, tmp_path):
    """A token in a remote's address is in git's own configuration and nowhere else."""
    spoken = []
    with QuietGitServer(tmp_path, token=token) as server, Watched(token) as watched:
        clone = bench.folder / "seed"
        url = with_token(f"{server.url}/bench/remote.git", token)
        (clone / ".git/config").write_text(
            (clone / ".git/config").read_text().replace(bench.remote.as_uri(), url)
        )
        if fault == "hook":
            hook(bench.remote, "echo no >&2; exit 1")
        if fault == "closed":
            server.token = "another"
        ended = bench.warm.run(*bench.words(1), cwd=clone)
        assert (ended.code == 0) == (fault == "none"), ended.out
        spoken += [ended.out, ended.err]
        for words in (("run", bench.table(1), "--push"), ("doctor",), ("doctor", "--json")):
            ended = bench.warm.run(*words, cwd=clone)
            spoken += [ended.out, ended.err]

    found = watched.leaks(*spoken, folders=[bench.folder])
    assert found == [f"file: {clone / '.git/config'}"]


def test_a_site(tmp_path, warm, editions, token):
    """A token in a site's address reaches that site alone, and no file or output of ours."""
    dest, spoken = tmp_path / "models", []
    with StaticSite(editions.site(1), token=token) as site, Watched(token) as watched:
        source = with_token(site.url, token)
        for words in (
            ("pull", source, dest),
            ("pull", source, dest, "--json"),
            ("status", dest, "--source", source, "--json"),
            ("status", dest),
            ("pull", source, dest, "nothing/like/it"),
            ("pull", source.replace(token, f"{token}-wrong"), dest),
        ):
            ended = warm.run(*words, cwd=tmp_path)
            spoken += [ended.out, ended.err]
        site.faults = {"*": unavailable(500)}
        spoken.append(warm.run("pull", source, dest, cwd=tmp_path).err)
        assert site.asked("/index.json")[0].status == 200

    assert watched.leaks(*spoken, folders=[dest]) == []


def test_publishing_for_production(tmp_path, editions, token):
    """Publications, withdrawals, sites and pushes keep a remote's token to git's configuration."""
    copied, spoken = editions.copy(tmp_path / "bench"), []
    clone, warm = copied.folder / "seed", copied.bench.warm
    key = copied.key
    commands = (
        copied.bench.words(20),
        ("stable", "publish", "--sign", key, "--json"),
        ("withdraw", "m/mood", "v2", "--reason", "r", "--stable", "--sign", key, "--push"),
        ("site", "build", copied.folder / "site"),
        ("push", "--json"),
        ("doctor", "--json"),
    )
    with QuietGitServer(tmp_path, token=token) as server:
        url = with_token(f"{server.url}/bench/remote.git", token)
        git("remote", "set-url", "origin", url, cwd=clone)
        with Watched(token) as watched:
            for words in commands:
                ended = warm.run(*words, cwd=clone)
                assert ended.code == 0, (words, ended.out, ended.err)
                spoken += [ended.out, ended.err]

    found = watched.leaks(*spoken, folders=[copied.folder])
    assert found == [f"file: {clone / '.git/config'}"]
