"""Every byte of every file of a site: turned over, the last that arrives, or all of it another."""

from __future__ import annotations

import pytest
from editions import installed_files
from sitepulls import ALL_FILES, NONSENSE, check_nonsense, check_refused, pulled
from staticsite import flipped, instead, truncated


@pytest.mark.parametrize("path", ALL_FILES)
def test_every_byte_turned_over(warm, sited, editions, edited, tell, path):
    """One bit of any byte of any file is refused, and nothing of it installed."""
    before = installed_files(edited)
    size = (editions.site(2) / path[1:]).stat().st_size

    for place in range(size):
        sited.faults = {path: flipped(at=place, bit=place % 8)}
        check_refused(pulled(warm, sited, edited), edited, before)
    tell(f"{size} bytes")

    sited.faults = {}
    assert pulled(warm, sited, edited).code == 0


@pytest.mark.parametrize("path", ALL_FILES)
def test_every_length(warm, sited, editions, edited, tell, path):
    """A file that ends after any number of bytes is refused, be its length told or promised."""
    before = installed_files(edited)
    raw = (editions.site(2) / path[1:]).read_bytes()

    # A packed file is an envelope: without its last line break it holds the same references.
    for place in range(len(raw) - 1):
        sited.faults = {path: instead(raw[:place])}
        check_refused(pulled(warm, sited, edited), edited, before)
    for place in range(0, len(raw), 16):
        sited.faults = {path: truncated(at=place)}
        ended = pulled(warm, sited, edited)
        if place < len(raw) // 4:  # of the compressed bytes all may have arrived
            check_refused(ended, edited, before)
    tell(f"{len(raw)} bytes")


@pytest.mark.parametrize("path", ALL_FILES)
def test_nonsense(warm, sited, edited, path):
    """Whatever any file is instead, nothing of it is installed, and the next pull works."""
    check_nonsense(warm, sited, edited, path, NONSENSE)

    sited.faults = {}
    assert pulled(warm, sited, edited).code == 0
