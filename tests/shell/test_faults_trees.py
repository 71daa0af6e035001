"""Registries whose git objects are malformed or hostile: nothing of them is installed."""

from __future__ import annotations

import itertools
import subprocess

import pytest
from campaigns import git, old_or_new
from gitfaults import QuietGitServer
from published import Published
from staticsite import Answer, StaticSite

OWN = "essentia"


def tree(entries):
    """A tree's bytes, entry by entry, whatever git would say of it."""
    return b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    return registry


EXTRA = {
    "a parent folder": lambda oid: (b"100644", b"..", oid),
    "this folder": lambda oid: (b"100644", b".", oid),
    "git's own folder": lambda oid: (b"100644", b".git", oid),
    "git's own folder, in capitals": lambda oid: (b"40000", b".GIT", oid),
    "a path": lambda oid: (b"100644", b"a/b", oid),
    "no name": lambda oid: (b"100644", b"", oid),
    "a padded mode": lambda oid: (b"0100644", b"zzz", oid),
    "the same name twice": lambda oid: (b"100644", b"registry.yaml", oid),
    "an object that is missing": lambda _oid: (b"100644", b"zzz", "1" * 40),
}


@pytest.mark.parametrize("name", EXTRA)
def test_a_malformed_tree(tmp_path, warm, registry, name):
    """A commit with a malformed tree is refused as a whole, and the last good set stays."""
    dest = tmp_path / "models"
    with QuietGitServer(tmp_path) as server:
        words = ("pull", f"{server.url}/registry/.git", dest, "--json")
        assert warm.run(*words, cwd=tmp_path).code == 0
        blob = registry.git("rev-parse", "HEAD:registry.yaml")
        listed = registry.git("ls-tree", "HEAD").splitlines()
        entries = [
            (mode.lstrip("0").encode(), path.encode(), oid)
            for mode, _, oid, path in (line.replace("\t", " ").split(" ") for line in listed)
        ]
        if name == "git's own folder, in capitals":
            blob = registry.git("rev-parse", f"HEAD:{OWN}")
        raw = tree(sorted([*entries, EXTRA[name](blob)], key=lambda entry: entry[1]))
        hostile(registry, raw)

        ended = warm.run(*words, cwd=tmp_path)

    assert ended.code in (4, 5), ended.out
    assert "keeps what was installed" in ended.json["error"]["hint"]
    assert list(old_or_new(dest, {1}, may_be_nothing=False)) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "registry"]


def hostile(registry, raw):
    """Let HEAD be a commit of a tree with these bytes."""
    made = subprocess.run(
        ["git", "hash-object", "-w", "-t", "tree", "--literally", "--stdin"],
        cwd=registry.root, input=raw, capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip
    parent = registry.git("rev-parse", "HEAD")
    commit = registry.git("commit-tree", "-p", parent, "-m", "m", made)
    git("update-ref", "refs/heads/main", commit, cwd=registry.root)


def test_refs_without_end(tmp_path, warm):
    """A server that lists refs for ever is left at the deadline."""

    def fault(_path, _asked, _right):
        def body():
            yield b"001e# service=git-upload-pack\n0000"
            for number in itertools.count(1):
                line = b"%040x refs/heads/x%012d\n" % (number, number)
                yield b"%04x" % (len(line) + 4) + line

        kind = ("Content-Type", "application/x-git-upload-pack-advertisement")
        return Answer(200, (kind,), body, None)

    with StaticSite(tmp_path) as site:
        site.faults = {"*": fault}
        words = ("pull", f"{site.url}/x.git", tmp_path / "models", "--json", "--deadline", "1")
        ended = warm.run(*words, cwd=tmp_path)

    assert ended.code == 5, ended.out
    assert ended.seconds < 2
    assert not (tmp_path / "models").exists()
