"""Sites that are slow, wrong, old or hostile: the last good set stays, and one line says why."""

from __future__ import annotations

import ctypes
import shutil
import threading

import pytest
from editions import installed_files
from sitepulls import (
    ALL_FILES,
    INDEX,
    PACKED,
    SIGNATURE,
    SINGLE,
    check_refused,
    pulled,
)
from staticsite import (
    StaticSite,
    always_304,
    bomb,
    drip,
    endless,
    flipped,
    gone,
    instead,
    redirect,
    stale,
    stalled,
)

SLOW = {
    "endless": endless(),
    "a gigabyte in a megabyte": bomb(2**30),
    "stalls": stalled(after=100),
    "drips": drip(50),
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("path", [INDEX, SIGNATURE, PACKED, SINGLE])
def test_too_much_or_too_slow(warm, sited, edited, name, path):
    """Endless, slow and swollen answers end at a limit or at the deadline."""
    before = installed_files(edited)
    sited.faults = {path: SLOW[name]}

    ended = pulled(warm, sited, edited)

    check_refused(ended, edited, before)


@pytest.mark.parametrize("path", ALL_FILES)
def test_a_missing_file(warm, sited, edited, path):
    """A file that is missing is refused, or read from where the site has it, too."""
    before = installed_files(edited)
    sited.faults = {path: gone()}

    ended = pulled(warm, sited, edited)

    if path == PACKED:
        assert ended.code == 0, ended.out
    else:
        check_refused(ended, edited, before)


def test_a_frozen_site(warm, sited, edited):
    """A site that always says 304 keeps the old set; a reader who has nothing is not fooled."""
    before = installed_files(edited)
    sited.faults = {"*": always_304()}

    ended = pulled(warm, sited, edited)

    assert (ended.code, ended.json["updated"]) == (0, [])
    assert installed_files(edited) == before


def test_an_older_site(warm, sited, editions, edited):
    """A site that went back to an older edition is refused, with both numbers."""
    assert pulled(warm, sited, edited).code == 0
    before = installed_files(edited)
    sited.faults = {"*": stale(editions.site(1))}

    ended = pulled(warm, sited, edited)

    assert (ended.code, ended.json["error"]["code"]) == (4, "rewound")
    assert "index 2 was seen here" in ended.json["error"]["message"]
    assert "has 1" in ended.json["error"]["message"]
    check_refused(ended, edited, before)


def test_an_older_site_after_the_state_was_lost(warm, sited, editions, edited):
    """Without its state folder, too: the lock alone remembers what was seen."""
    assert pulled(warm, sited, edited).code == 0
    shutil.rmtree(edited / ".calreg")
    sited.folder = editions.site(1)

    ended = pulled(warm, sited, edited)

    assert (ended.code, ended.json["error"]["code"]) == (4, "rewound")


@pytest.mark.parametrize("path", ALL_FILES)
@pytest.mark.parametrize("other", [1, 3])
def test_a_mixture_of_editions(warm, sited, editions, edited, path, other):
    """A file of another edition among those of this one is never installed."""
    before = installed_files(edited)
    sited.faults = {path: stale(editions.site(other))}

    ended = pulled(warm, sited, edited)

    if (path, other) == (INDEX, 1):
        # That is what is installed, so there is nothing to fetch.
        assert (ended.code, ended.json["updated"], installed_files(edited)) == (0, [], before)
    else:
        check_refused(ended, edited, before)


@pytest.mark.parametrize("path", [INDEX, PACKED])
def test_redirects(tmp_path, warm, sited, editions, edited, path):
    """A redirect on the same server is followed; to another server nothing is sent."""
    before = installed_files(edited)
    shutil.copytree(editions.site(2), tmp_path / "both" / "moved")
    with StaticSite(tmp_path / "both/moved") as other:
        sited.faults = {path: redirect(other.url + "{path}")}
        ended = pulled(warm, sited, edited)
        assert other.requests == []
    check_refused(ended, edited, before)

    shutil.copytree(editions.site(2), tmp_path / "both", dirs_exist_ok=True)
    sited.folder = tmp_path / "both"
    sited.faults = {path: redirect("/moved{path}")}
    assert pulled(warm, sited, edited).code == 0


def test_signatures_are_needed_for_ever(tmp_path, warm, sited, editions, edited):
    """Once a registry was signed, an unsigned edition of it is refused."""
    before = installed_files(edited)
    sited.faults = {SIGNATURE: gone()}

    ended = pulled(warm, sited, edited)

    assert (ended.code, ended.json["error"]["code"]) == (4, "unsigned")
    check_refused(ended, edited, before)


@pytest.mark.parametrize("path", ALL_FILES)
def test_bits_that_turned_over(warm, sited, editions, edited, path):
    """One bit of any file is refused: by the signature, a digest, or a file's own form."""
    before = installed_files(edited)
    size = (editions.site(2) / path[1:]).stat().st_size

    for place in range(3, size, size // 4):
        sited.faults = {path: flipped(at=place, bit=place % 8)}
        check_refused(pulled(warm, sited, edited), edited, before)
        assert sited.asked(path)


@pytest.mark.parametrize("path", ALL_FILES)
def test_bodies_that_end_early(warm, sited, editions, edited, path):
    """A file cut anywhere, however honestly its length is told, is refused."""
    before = installed_files(edited)
    raw = (editions.site(2) / path[1:]).read_bytes()

    for place in (1, len(raw) // 2, len(raw) - 2):
        sited.faults = {path: instead(raw[:place])}
        check_refused(pulled(warm, sited, edited), edited, before)


def exchange(one, other):
    """Let two names change places at once (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if libc.renameat2(here, bytes(one), here, bytes(other), swap) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def test_a_folder_that_is_swapped_for_a_link(tmp_path, warm, sited, editions, edited):
    """While a folder inside is swapped for a link, nothing is ever written where it leads."""
    inside, elsewhere, link = edited / "m", tmp_path / "elsewhere", tmp_path / "link"
    elsewhere.mkdir()
    link.symlink_to(elsewhere)
    done = threading.Event()

    def swap():
        while not done.is_set():
            exchange(inside, link)
            exchange(inside, link)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for turn in range(24):
            sited.folder = editions.site(2 + turn % 2)
            pulled(warm, sited, edited)
    finally:
        done.set()
        swapper.join()

    assert list(elsewhere.iterdir()) == []
    sited.folder = editions.site(3)
    assert pulled(warm, sited, edited).code == 0
