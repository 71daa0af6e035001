"""Bytes that turned over on a disk: in what is installed, and in the cache beside it."""

from __future__ import annotations

import shutil

import pytest
from campaigns import ALL, damage, old_or_new
from published import HAPPY, Published, calibration

from calreg.client import Installed, verify
from calreg.errors import CalregError
from calreg.names import HeadName


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    return registry


@pytest.fixture
def dest(tmp_path, warm, registry):
    """Version 1, installed."""
    folder = tmp_path / "models"
    assert warm.run("pull", registry.root.as_uri(), folder, cwd=tmp_path).code == 0
    return folder


def flips(raw):
    """The same bytes, each time with another bit of another byte turned over."""
    for place in range(len(raw)):
        yield raw[:place] + bytes([raw[place] ^ (1 << place % 8)]) + raw[place + 1 :]


def test_every_byte_of_a_plain_copy(dest):
    """One bit of any byte of an installed file is found by verify, by name."""
    file = dest / HeadName.parse(HAPPY).reference_path
    whole = file.read_bytes()
    missed = 0

    for raw in flips(whole):
        file.write_bytes(raw)
        missed += [(found.rule, found.head) for found in verify(dest)] != [("altered", HAPPY)]

    assert (missed, len(whole) > 300) == (0, True)


def test_every_byte_of_a_snapshot(dest):
    """One bit of any byte of the set that readers use is never handed out."""
    (file,) = (dest / ".calreg/snapshots").glob("*/documents")
    whole, right = file.read_bytes(), calibration(HAPPY, 1).to_bytes()
    (dest / HeadName.parse(HAPPY).reference_path).unlink()
    refused = 0

    for raw in flips(whole):
        file.write_bytes(raw)
        try:
            reference = Installed.open(dest).reference(HAPPY)
        except CalregError:
            refused += 1
            continue
        assert reference.calibration.to_bytes() == right

    assert refused >= len(right)
    assert verify(dest) != []


def test_every_byte_of_the_lock(dest):
    """One bit of any byte of the lock is an error or changes nothing that is handed out."""
    file = dest / "calreg.lock"
    whole = file.read_bytes()
    right = {head: Installed.open(dest).reference(head).digest for head in ALL}

    for raw in flips(whole):
        file.write_bytes(raw)
        try:
            installed = Installed.open(dest)
            found = {head: installed.reference(head).digest for head in installed.heads()}
        except CalregError:
            continue
        assert found.items() <= right.items()


def test_a_damaged_cache(tmp_path, warm, registry, dest):
    """Whatever happens to a file of the cache, the next pull makes good what it needs."""
    for number in range(2, 14):
        what = damage(dest / ".calreg/cache.git", seed=number)
        registry.publish(number, p5=number / 1000)

        ended = warm.run("pull", registry.root.as_uri(), dest, cwd=tmp_path)

        assert ended.code == 0, (what, ended.err)
        assert list(old_or_new(dest, {number}, may_be_nothing=False)) == [], what
    shutil.rmtree(dest / ".calreg/cache.git")
    assert warm.run("pull", registry.root.as_uri(), dest, cwd=tmp_path).code == 0
