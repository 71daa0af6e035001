"""Disks that are full or closed: the old set stays, one line says why, and it goes on later."""

from __future__ import annotations

import shutil

import pytest
from campaigns import Bench, git, old_or_new
from finalhistory import fsck_findings, history_findings
from published import Published
from smalldisk import SmallDisk, needs_mount

from calreg.client import verify

pytestmark = needs_mount()

LEFT = (0, 4, 12, 24, 40, 64, 100, 160)  # kB


@pytest.fixture
def disk(tmp_path):
    """Four megabytes."""
    with SmallDisk(tmp_path / "disk", kilobytes=4096) as disk:
        yield disk


def test_a_pull_into_a_full_disk(tmp_path, warm, disk):
    """However much is left of a full disk, a pull installs all of the new set or nothing."""
    registry, dest = Published(tmp_path / "registry"), disk.folder / "models"
    registry.publish(1)
    words = ("pull", registry.root.as_uri(), dest, "--json")
    assert warm.run(*words, cwd=tmp_path).code == 0
    codes = []

    for number, left in enumerate(LEFT):
        registry.publish(number + 2, p5=(number + 2) / 1000)
        old = {1, *range(2, number + 2)}
        ballast = disk.fill(leaving=left * 1024)
        ended = warm.run(*words, cwd=tmp_path)
        codes.append(ended.code)
        ballast.unlink()
        if ended.code == 0:
            old = {number + 2}
        else:
            assert ended.code in (3, 5), ended.out
            assert "keeps what was installed" in ended.json["error"]["hint"], ended.out
        assert list(old_or_new(dest, old, may_be_nothing=False)) == []
        assert not [path for path in dest.rglob("*") if path.name.startswith("tmp_")]

    assert (codes[0] != 0, codes[-1]) == (True, 0), codes
    assert warm.run(*words, cwd=tmp_path).code == 0
    assert verify(dest) == []


@pytest.mark.parametrize("kilobytes", [8, 40])
def test_a_first_pull_into_a_small_disk(tmp_path, warm, kilobytes):
    """A first pull that does not fit leaves nothing behind but the room to try again."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    with SmallDisk(tmp_path / "disk", kilobytes=kilobytes) as disk:
        dest = disk.folder / "models"
        words = ("pull", registry.root.as_uri(), dest, "--json")

        ended = warm.run(*words, cwd=tmp_path)
        assert ended.code in (3, 5), ended.out
        assert "keeps" not in (ended.json["error"]["hint"] or "")
        assert not dest.exists()
        disk.grow(4096)
        again = warm.run(*words, cwd=tmp_path)

        assert again.code == 0, again.out
        assert verify(dest) == []


def test_a_pull_into_a_closed_disk(tmp_path, warm, disk):
    """A disk that nobody may write to any more goes on serving; the pull says why it cannot."""
    registry, dest = Published(tmp_path / "registry"), disk.folder / "models"
    registry.publish(1)
    words = ("pull", registry.root.as_uri(), dest, "--json")
    assert warm.run(*words, cwd=tmp_path).code == 0
    registry.publish(2, p5=0.2)
    disk.protect()

    ended = warm.run(*words, cwd=tmp_path)

    assert ended.code == 5, ended.out
    assert "ead-only file system" in ended.json["error"]["message"]
    assert list(old_or_new(dest, {1}, may_be_nothing=False)) == []
    disk.protect(is_read_only=False)
    assert warm.run(*words, cwd=tmp_path).code == 0


def test_a_publisher_on_a_full_disk(first_bench, tmp_path, disk):
    """A publisher whose disk is full publishes a run wholly or not at all, and later once."""
    bench = Bench.copy_of(first_bench, tmp_path / "bench")
    shutil.move(bench.folder / "seed", disk.folder / "clone")
    clone = disk.folder / "clone"
    codes = []

    for number, left in enumerate(LEFT, start=1):
        words = bench.words(number)
        ballast = disk.fill(leaving=left * 1024)
        ended = bench.warm.run(*words, cwd=clone)
        codes.append(ended.code)
        ballast.unlink()
        assert ended.code in (0, 4, 5), ended.out
        assert fsck_findings(clone) == []
        again = bench.warm.run(*words, cwd=clone)
        assert again.code == 0, (left, ended.out, again.out)

    assert (codes[0], codes[-1]) == (5, 0), codes
    assert len(bench.published()) == 1 + len(LEFT)
    assert history_findings(bench.remote) == []
    assert git("status", "--porcelain", cwd=clone) == ""


def test_a_remote_with_a_full_disk(first_bench, tmp_path, disk):
    """A server whose disk is full takes a run wholly or not at all; what it refuses is kept."""
    bench = Bench.copy_of(first_bench, tmp_path / "bench")
    shutil.move(bench.remote, disk.folder / "remote.git")
    bench.remote.symlink_to(disk.folder / "remote.git")
    codes = []

    for number, left in enumerate(LEFT, start=1):
        ballast = disk.fill(leaving=left * 1024)
        ended = bench.publish("seed", number)
        codes.append(ended.code)
        ballast.unlink()
        assert ended.code in (0, 4, 5), ended.out
        assert ended.code == 0 or "is kept as" in ended.json["error"]["message"]
        assert bench.publish("seed", number).code == 0

    assert codes[0] != 0
    assert codes[-1] == 0
    assert len(bench.published()) == 1 + len(LEFT)
    assert history_findings(bench.remote) == []
