"""Locks of refs that a killed git left: given back if they are ours, named if they are not."""

from __future__ import annotations

import os
import time

import pytest

NAMES = (
    "refs/calreg/pending.lock",
    "refs/heads/main.lock",
    "refs/remotes/origin/main.lock",
    "packed-refs.lock",
    "HEAD.lock",
)


def plant(git_dir, name, *, age_s):
    """A lock that somebody took so long ago."""
    lock = git_dir / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (time.time() - age_s,) * 2)
    return lock


def died(git_dir, *, age_s):
    """A command of ours began so long ago, and was killed."""
    note = git_dir / "calreg/lock"
    note.write_text("4194304\n")
    os.utime(note, (time.time() - age_s,) * 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_of_a_command_that_died(bench, name):
    """A lock that came while a killed command ran is removed by the next one."""
    git_dir = bench.folder / "seed/.git"
    died(git_dir, age_s=100)
    lock = plant(git_dir, name, age_s=50)

    ended = bench.publish("seed", 1)

    assert ended.code == 0, ended.out
    assert not lock.exists()
    assert (git_dir / "calreg/lock").read_bytes() == b""


@pytest.mark.parametrize("who", ["nobody of ours died", "it was there before"])
def test_a_lock_of_somebody_else(bench, who):
    """Any other lock is left alone and named, with what to do."""
    git_dir = bench.folder / "seed/.git"
    if who == "it was there before":
        died(git_dir, age_s=50)
    lock = plant(git_dir, "refs/heads/main.lock", age_s=100)
    words = ("run", bench.table(1), "--json")

    ended = bench.warm.run(*words, cwd=bench.folder / "seed")

    error = ended.json["error"]
    assert (ended.code, error["code"]) == (4, "git-locked")
    assert str(lock) in error["message"]
    assert "remove that file" in error["hint"]
    assert lock.exists()
    lock.unlink()
    assert bench.warm.run(*words, cwd=bench.folder / "seed").code == 0


def test_a_lock_that_is_held(bench):
    """A lock that is younger than any git holds one is waited for before it is removed."""
    git_dir = bench.folder / "seed/.git"
    died(git_dir, age_s=100)
    lock = plant(git_dir, "refs/heads/main.lock", age_s=1.5)

    ended = bench.publish("seed", 1)

    assert ended.code == 0, ended.out
    assert not lock.exists()
