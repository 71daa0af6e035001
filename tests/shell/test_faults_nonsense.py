"""Whatever a file of a site is instead of itself: refused, and the last good set stays."""

from __future__ import annotations

import pytest
from campaigns import HEADS
from sitepulls import ALL_FILES, INDEX, NONSENSE, check_nonsense, pulled

# All of it as the index; of each other file a fourth, and no two files the same fourth.
SOME = {INDEX: list(NONSENSE)} | {
    path: list(NONSENSE)[number::4]
    for number, path in enumerate(path for path in ALL_FILES if path != INDEX)
}


@pytest.mark.parametrize("path", ALL_FILES)
def test_nonsense(warm, sited, edited, path):
    """Whatever a file is instead, nothing of it is installed, and the next pull works."""
    check_nonsense(warm, sited, edited, path, SOME[path])

    sited.faults = {}
    assert pulled(warm, sited, edited).json["updated"] == list(HEADS)
