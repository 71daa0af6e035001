"""The folder that production reads: full and forbidden disks, turns, the set before."""

import contextlib
import errno
import os
import tempfile
import threading
from pathlib import Path

import pytest
from published import HAPPY, RELAXED, TIMBRE
from setting import ALL, a_nobody, a_set, into
from smalldisk import SmallDisk, needs_mount

from calreg.client import Installed, verify
from calreg.client.destination import is_held
from calreg.client.destination import open_folder as open_folder_of
from calreg.client.folder import Folder, Replacing
from calreg.documents import LockSource, Trust, Withdrawal, Withdrawn
from calreg.errors import InputError, RegistryError


def install(folder: Path, version: int, heads=ALL, **lock) -> None:
    with into(folder) as destination:
        destination.install(*a_set(version, heads, **lock))


def versions(folder: Path) -> dict[str, int]:
    return dict(Installed.open(folder).versions())


def temporary_files(folder: Path) -> list[Path]:
    state = folder / ".calreg"
    return [*(state / "scratch").rglob("*"), *(state / "new").rglob("*")]


# No room, no right


@needs_mount()
def test_a_full_disk(tmp_path):
    """Whatever little room there is, a pull that does not fit says so and changes nothing."""
    with SmallDisk(tmp_path / "disk", kilobytes=400) as disk:
        dest = disk.folder / "models"
        install(dest, 1)
        before = {path: path.read_bytes() for path in dest.rglob("*.json")}
        leaving = 0
        while error := refused_on(disk, dest, leaving):
            assert error.code == "disk-full"
            assert "no space left on device" in error.message
            assert versions(dest) == dict.fromkeys(ALL, 1)
            assert {path: path.read_bytes() for path in dest.rglob("*.json")} == before
            assert temporary_files(dest) == []
            leaving += 4096

        assert leaving > 0
        assert versions(dest) == dict.fromkeys(ALL, 2)
        assert verify(dest) == []


def refused_on(disk: SmallDisk, dest: Path, leaving: int) -> InputError | None:
    """What installing a second version fails with, on a disk with so little room."""
    ballast = disk.fill(leaving=leaving)
    try:
        install(dest, 2)
    except InputError as error:
        return error
    finally:
        ballast.unlink()
    return None


@needs_mount()
def test_a_read_only_disk(tmp_path):
    """A disk that was made read-only serves what is installed and refuses a pull in one line."""
    with SmallDisk(tmp_path / "disk", kilobytes=400) as disk:
        dest = disk.folder / "models"
        install(dest, 1)
        disk.protect()

        with pytest.raises(InputError, match="cannot be written to: read-only file") as caught:
            install(dest, 2)
        assert caught.value.code == "not-writable"
        with pytest.raises(InputError, match="cannot make this folder: Read-only file system"):
            install(disk.folder / "another", 1)
        assert versions(dest) == dict.fromkeys(ALL, 1)


@pytest.fixture
def open_folder():
    """A folder that any user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("locked", ["models", "models/.calreg", "models/essentia/effnet"])
def test_a_folder_that_is_not_ours(open_folder, locked):
    """A user who may not write gets one line; what is installed stays and can be read."""
    dest = open_folder / "models"
    install(dest, 1)
    for path in [dest, *dest.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    dest.chmod(0o775 if os.geteuid() != 0 else 0o1777)
    (open_folder / locked).chmod(0o555)

    with (
        a_nobody(),
        pytest.raises(InputError, match=r"(permission denied|not permitted)") as caught,
    ):
        install(dest, 2, (HAPPY,))

    assert caught.value.code == "not-writable"
    assert versions(dest) == dict.fromkeys(ALL, 1)
    (open_folder / locked).chmod(0o755)
    assert verify(dest) == []


def test_a_folder_where_none_can_be_made(open_folder):
    """A folder that cannot be made is named."""
    open_folder.chmod(0o555)
    with a_nobody(), pytest.raises(InputError, match="cannot make this folder") as caught:
        install(open_folder / "models", 1)
    assert caught.value.where == str(open_folder / "models")


def test_a_folder_open_to_all_is_refused(tmp_path):
    """Where everybody may replace files nothing is installed, unless the sticky bit forbids it."""
    tmp_path.chmod(0o777)
    with pytest.raises(InputError, match="everybody on this machine may replace") as caught:
        install(tmp_path, 1)
    assert "chmod o-w" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []

    tmp_path.chmod(0o1777)
    install(tmp_path, 1)
    tmp_path.chmod(0o775)
    install(tmp_path, 2)
    assert versions(tmp_path) == dict.fromkeys(ALL, 2)


def test_a_folder_of_ours_is_never_open_to_all(tmp_path):
    """Whatever the umask, a folder that a pull makes is one that the next pull accepts."""
    before = os.umask(0)
    try:
        install(tmp_path / "models", 1)
        install(tmp_path / "models", 2)
    finally:
        os.umask(before)
    assert (tmp_path / "models").stat().st_mode & 0o002 == 0
    assert versions(tmp_path / "models") == dict.fromkeys(ALL, 2)


def swap(folder: Path, elsewhere: Path, done: threading.Event) -> None:
    """Put a link in a folder's place and take it away again, over and over."""
    aside = folder.with_name("aside")
    while not done.is_set():
        with contextlib.suppress(OSError):
            folder.rename(aside)
            folder.symlink_to(elsewhere)
        with contextlib.suppress(OSError):
            folder.unlink()
            aside.rename(folder)


def test_a_folder_swapped_for_a_link_all_the_time(tmp_path):
    """Whenever a folder inside becomes a link, nothing is written or deleted behind it."""
    dest, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    install(dest, 1)
    (elsewhere / "effnet").mkdir(parents=True)
    precious = elsewhere / "effnet/mood_happy-calibration.json"
    precious.write_text("precious")
    done = threading.Event()
    swapping = threading.Thread(target=swap, args=(dest / "essentia", elsewhere, done))
    swapping.start()
    try:
        for version in range(2, 16):
            with contextlib.suppress(InputError):
                install(dest, version, ALL if version % 2 else (RELAXED,))
    finally:
        done.set()
        swapping.join()

    assert [path.name for path in elsewhere.rglob("*")] == ["effnet", precious.name]
    assert precious.read_text() == "precious"


# A file that is held open by others


class Refusing:
    """`os.replace` on a system that refuses the first times, and the pauses it was given."""

    def __init__(self, times: int) -> None:
        self.left, self.pauses = times, []

    def replace(self, source, target, **at) -> None:
        """Refuse, or do it."""
        if self.left:
            self.left -= 1
            raise PermissionError(errno.EACCES, "Access is denied")
        os.replace(source, target, **at)  # noqa: PTH105 - with folders' descriptors

    def as_value(self) -> Replacing:
        """What a folder is given."""
        return Replacing(self.replace, self.pauses.append)


def test_a_file_held_open_is_tried_again(tmp_path):
    """A replacement that is refused nine times is made the tenth, within 2 s."""
    refusing = Refusing(9)
    with Folder(tmp_path, scratch=".scratch", replacing=refusing.as_value()) as folder:
        folder.write("a", b"new")

    assert (tmp_path / "a").read_bytes() == b"new"
    assert len(refusing.pauses) == 9
    assert sum(refusing.pauses) == pytest.approx(2.0)


def test_a_file_held_open_for_good(tmp_path):
    """A replacement that is always refused is an error after ten tries, and leaves no file."""
    (tmp_path / "a").write_bytes(b"old")
    refusing = Refusing(99)
    with (
        Folder(tmp_path, scratch=".scratch", replacing=refusing.as_value()) as folder,
        pytest.raises(InputError, match="access is denied"),
    ):
        folder.write("a", b"new")

    assert refusing.left == 89
    assert (tmp_path / "a").read_bytes() == b"old"
    assert list((tmp_path / ".scratch").iterdir()) == []


def test_an_install_survives_files_held_open(tmp_path):
    """A whole install goes on where every tenth replacement is refused at first."""
    refusing = Refusing(5)
    with into(tmp_path, replacing=refusing.as_value()) as destination:
        destination.install(*a_set(1))

    assert versions(tmp_path) == dict.fromkeys(ALL, 1)
    assert len(refusing.pauses) == 5


# The set before


def test_back_to_the_set_before(tmp_path):
    """One step back brings the versions, the selection and the copies of the set before."""
    install(tmp_path, 1)
    install(tmp_path, 2, (HAPPY,), template="{head}.json")

    with into(tmp_path) as destination:
        destination.roll_back()

    assert versions(tmp_path) == dict.fromkeys(ALL, 1)
    assert not (tmp_path / "mood_happy.json").exists()
    assert verify(tmp_path) == []


def test_back_and_back_again(tmp_path):
    """Each step goes one set further back, also after a newer one was installed meanwhile."""
    for version in (1, 2, 3):
        install(tmp_path, version)
    with into(tmp_path) as destination:
        destination.roll_back()
        assert versions(tmp_path) == dict.fromkeys(ALL, 2)
        destination.install(*a_set(4))
        destination.roll_back()
        assert versions(tmp_path) == dict.fromkeys(ALL, 2)
        destination.roll_back()
        assert versions(tmp_path) == dict.fromkeys(ALL, 1)


def test_nothing_to_go_back_to(tmp_path):
    """Without a set before there is one line that says what else to do."""
    with pytest.raises(InputError, match="no set before this one"), into(tmp_path) as destination:
        destination.roll_back()
    install(tmp_path, 1)
    with pytest.raises(InputError, match="no set before this one"), into(tmp_path) as destination:
        destination.roll_back()
    assert versions(tmp_path) == dict.fromkeys(ALL, 1)


def source(commit: str, **values) -> LockSource:
    return LockSource("https://example.org/r.git", "nom-cal", commit * 40, read="stable", **values)


def test_going_back_forgets_nothing(tmp_path):
    """A roll-back keeps the highest seq, the trusted keys and the withdrawn versions."""
    trust = Trust(2, 1, ("ssh-ed25519 AAAA",))
    out = Withdrawn({TIMBRE: {2: Withdrawal("ci", "bad", "2026-11-20T00:00:00Z")}})
    install(tmp_path, 1, source=source("a", seq=1))
    newest = source("b", seq=9, tip="c" * 40, trust=trust, withdrawn=out)
    install(tmp_path, 2, source=newest)

    with into(tmp_path) as destination:
        lock = destination.roll_back()

    assert lock.first == newest.unsettled()
    assert (lock.first.seen_tip, lock.first.is_settled) == ("c" * 40, False)


def test_a_folder_is_held_until_the_next_pull(tmp_path):
    """A roll-back is remembered until something else is installed."""
    install(tmp_path, 1)
    install(tmp_path, 2)
    with into(tmp_path) as destination, open_folder_of(tmp_path) as folder:
        destination.roll_back()
        assert is_held(folder)
        current = destination.lock()
        destination.install(current, destination.contents(current))
        assert is_held(folder)
        destination.install(*a_set(3))
        assert not is_held(folder)


def test_not_back_to_withdrawn_versions(tmp_path):
    """A set with a version that was withdrawn since is not gone back to: which, when, why."""
    out = Withdrawn({HAPPY: {1: Withdrawal("ci", "wrong library", "2026-11-20T00:00:00Z")}})
    install(tmp_path, 1, source=source("a", seq=1))
    install(tmp_path, 2, source=source("b", seq=2, withdrawn=out))

    with (
        pytest.raises(RegistryError, match=f"{HAPPY} v1, which was withdrawn on 2026-11-20") as no,
        into(tmp_path) as destination,
    ):
        destination.roll_back()

    assert no.value.code == "withdrawn"
    assert "wrong library" in no.value.message
    assert versions(tmp_path) == dict.fromkeys(ALL, 2)


def test_not_back_to_a_damaged_set(tmp_path):
    """A set before that lost bytes is refused whole."""
    install(tmp_path, 1)
    (file,) = (tmp_path / ".calreg/snapshots").rglob("documents")
    install(tmp_path, 2)
    raw = bytearray(file.read_bytes())
    raw[-3] ^= 1
    file.write_bytes(raw)

    with (
        pytest.raises(RegistryError, match="the set before this one is damaged"),
        into(tmp_path) as destination,
    ):
        destination.roll_back()
    assert versions(tmp_path) == dict.fromkeys(ALL, 2)
