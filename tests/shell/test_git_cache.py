"""Asking a remote where it is, following a branch of it, and bringing pieces of a commit."""

import os
import shutil
import subprocess
import sys

import pytest
from githttp import GitServer

from calreg.client.deadline import Deadline
from calreg.errors import InputError, RegistryError, TransportError
from calreg.git import (
    Bringing,
    Repository,
    comes_after,
    follow_remote,
    history_of,
    init_repository,
    is_followed,
    partial_tree,
    remote_tips,
    tree_at,
)
from calreg.git.partial import PartialTree
from calreg.git.process import Git
from calreg.git.tree import parse_entries


@pytest.fixture
def remote(tmp_path, run_git, publish):
    """A repository with three commits on main, and a branch at the second."""
    repository = init_repository(tmp_path / "remote")
    commits = [publish(repository, {f"a/b/{n}.txt": b"%d\n" % n}) for n in range(3)]
    run_git(tmp_path / "remote", "branch", "stable", commits[1])
    return repository, commits


def test_tips_in_one_question(tmp_path, remote, run_git):
    """Several refs cost one question, those that are not there are left out."""
    _, commits = remote
    run_git(tmp_path / "remote", "branch", "other/stable", commits[0])
    with GitServer(tmp_path) as server:
        tips = remote_tips(f"{server.url}/remote/.git", ["stable", "HEAD", "refs/heads/none"])

        assert tips == {"stable": commits[1], "HEAD": commits[2]}
        assert len([path for _, path, _ in server.requests if "info/refs" in path]) == 1


def test_tips_of_a_refused_name(tmp_path, remote):
    """A ref that is an option is refused before git sees it."""
    with pytest.raises(InputError):
        remote_tips((tmp_path / "remote").as_uri(), ["--upload-pack=touch x"])


def test_following(tmp_path, remote, run_git):
    """A followed branch is fetched without history first, then with all that came after."""
    repository, commits = remote
    url, cache = (tmp_path / "remote").as_uri(), tmp_path / "cache"
    assert not is_followed(url, "stable", cache)

    assert follow_remote(url, "stable", cache)[1] == commits[1]
    assert history_of(cache, commits[1]) == [commits[1]]
    assert is_followed(url, "stable", cache)
    assert not is_followed(url, "main", cache)
    run_git(tmp_path / "remote", "branch", "--force", "stable", commits[2])
    assert follow_remote(url, "stable", cache)[1] == commits[2]

    assert history_of(cache, commits[2]) == [commits[2], commits[1]]
    assert comes_after(cache, commits[1], commits[2]) is True
    assert repository.tip() == commits[2]


def test_what_does_not_come_after(tmp_path, remote, run_git, publish):
    """A branch that was set back, or begun anew, is told from one that went on."""
    _, commits = remote
    url, cache = (tmp_path / "remote").as_uri(), tmp_path / "cache"
    run_git(tmp_path / "remote", "branch", "--force", "stable", commits[2])
    follow_remote(url, "stable", cache)

    run_git(tmp_path / "remote", "branch", "--force", "stable", commits[1])
    assert comes_after(cache, commits[2], follow_remote(url, "stable", cache)[1]) is False
    run_git(tmp_path / "remote", "checkout", "--quiet", "--orphan", "new")
    run_git(tmp_path / "remote", "commit", "--quiet", "--message", "anew")
    run_git(tmp_path / "remote", "branch", "--force", "stable", "new")
    assert comes_after(cache, commits[2], follow_remote(url, "stable", cache)[1]) is False


def test_what_nobody_can_tell(tmp_path, remote, run_git):
    """Where the old commit is not here, or history is cut off, there is no answer."""
    _, commits = remote
    url, cache = (tmp_path / "remote").as_uri(), tmp_path / "cache"
    run_git(tmp_path / "remote", "branch", "--force", "stable", commits[2])
    follow_remote(url, "stable", cache)

    assert comes_after(cache, commits[0], commits[2]) is None
    follow_remote(str(tmp_path / "remote"), "main", cache)
    run_git(tmp_path / "remote", "branch", "--force", "other", commits[0])
    follow_remote(url, "other", cache)
    assert comes_after(cache, commits[0], commits[2]) is None


@pytest.mark.parametrize("can_filter", ["true", "false"])
def test_pieces(tmp_path, remote, run_git, can_filter):
    """Of a commit without its files, folders and files are brought by id, and nothing lingers."""
    _, commits = remote
    run_git(tmp_path / "remote", "config", "uploadpack.allowFilter", can_filter)
    cache = tmp_path / "cache"
    with GitServer(tmp_path) as server:
        url = f"{server.url}/remote/.git"
        _, commit = follow_remote(url, "main", cache, only="tree:1")
        before = (cache / "config").read_bytes()
        tree = partial_tree(commit, Bringing(url, "main", cache, Deadline(60.0)))
        root = tree.paths(recursive=False)

        tree.bring([root["a"].oid])
        below = tree.folder(root["a"].oid)
        tree.bring([below["b"].oid])
        files = tree.folder(below["b"].oid)
        assert tree.read_entries([("x", files["2.txt"])]) == {"x": b"2\n"}
        server.requests.clear()
        assert tree.read_entries([("x", files["2.txt"])]) == {"x": b"2\n"}
        assert server.requests == []

    assert (cache / "config").read_bytes() == before
    assert b"promisor" not in before
    assert commit == commits[2]


def test_reading_never_reaches_the_network(tmp_path, remote, run_git):
    """What is not here is missing: no command that reads asks a server for it."""
    run_git(tmp_path / "remote", "config", "uploadpack.allowFilter", "true")
    cache = tmp_path / "cache"
    with GitServer(tmp_path) as server:
        url = f"{server.url}/remote/.git"
        _, commit = follow_remote(url, "main", cache, only="tree:1")
        # As a kill between a fetch and what tidies up after it leaves it.
        run_git(cache, "config", f"remote.{url}.promisor", "true")
        server.requests.clear()

        with pytest.raises((RegistryError, TransportError)):
            tree_at(cache, commit).paths()
        assert server.requests == []

        follow_remote(url, "main", cache)
        assert "a/b/2.txt" in tree_at(cache, commit).paths()


def test_pieces_that_nobody_has(tmp_path, remote, run_git):
    """An object that the server does not have is an error of the transport."""
    run_git(tmp_path / "remote", "config", "uploadpack.allowFilter", "true")
    cache = tmp_path / "cache"
    url = (tmp_path / "remote").as_uri()
    _, commit = follow_remote(url, "main", cache, only="tree:1")
    tree = partial_tree(commit, Bringing(url, "main", cache, Deadline(60.0)))

    tree.bring(["1" * 40])
    assert tree.read_entries([]) == {}
    with pytest.raises(TransportError):
        PartialTree(
            Git(cache, ("--git-dir", str(cache))),
            commit,
            Bringing((tmp_path / "gone").as_uri(), "main", cache, Deadline(60.0)),
        ).bring(["1" * 40])


def test_a_name_that_stands_twice():
    """A listing with one name twice is refused, whatever way it came."""
    row = b"100644 blob " + b"1" * 40 + b"\tx\0"

    assert set(parse_entries(row)) == {"x"}
    with pytest.raises(RegistryError, match="stands twice"):
        parse_entries(row + row.replace(b"1", b"2"))


@pytest.mark.parametrize("is_light", [True, False])
def test_both_ways_to_start_git_are_one(tmp_path, monkeypatch, is_light):
    """However git is started it gets the same cleaned environment, and no terminal."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace")
    shown = tmp_path / "git"
    shown.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *--no-pager*) ;; *) exec {shutil.which("git")} "$@";; esac\n'
        "env | grep -e ^GIT_ -e ^LC_ALL -e ^LANGUAGE | sort\nps -o sid= $$\n"
    )
    shown.chmod(0o755)
    code = (
        "import sys; from pathlib import Path; from calreg.git.process import Git; "
        f"answer = Git(Path({str(tmp_path)!r}), is_light={is_light}).run('version'); "
        "print(answer.text)"
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    lines = dict(line.split("=", 1) for line in ran.stdout.splitlines() if "=" in line)
    assert "GIT_DIR" not in lines
    assert lines["GIT_AUTHOR_NAME"] == "Grace"
    assert lines["GIT_CONFIG_GLOBAL"] == os.devnull
    assert (lines["LC_ALL"], lines["LANGUAGE"]) == ("C", "C")
    assert lines["GIT_ALLOW_PROTOCOL"] == "https:ssh:file"
    assert int(ran.stdout.split()[-1]) != os.getsid(0)


def test_a_repository_is_still_one(tmp_path, remote):
    """What follows a branch hands out a repository that can be read."""
    url = (tmp_path / "remote").as_uri()
    cache, commit = follow_remote(url, "main", tmp_path / "cache")

    assert isinstance(cache, Repository)
    assert cache.read(commit).read("a/b/0.txt") == b"0\n"
