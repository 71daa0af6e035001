"""What is installed, in use: withdrawn versions, stamps, age, threads, forks."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from published import HAPPY, RELAXED, TIMBRE, calibration
from setting import ALL, a_set, forked, into

from calreg.client import Installed, Stamp
from calreg.documents import Lock, LockSource, Withdrawal, Withdrawn
from calreg.errors import DigestMismatchError, InputError, RegistryError

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def source(registry: str = "nom-cal", commit: str = "a", **values) -> LockSource:
    return LockSource(f"https://example.org/{registry}.git", registry, commit * 40, **values)


def install(folder: Path, lock: Lock, contents: dict[str, bytes]) -> None:
    with into(folder) as destination:
        destination.install(lock, contents)


def test_a_withdrawn_version_is_refused(tmp_path):
    """A version that was withdrawn is refused where it is installed: which, when, by whom, why."""
    out = Withdrawn({HAPPY: {3: Withdrawal("Ada", "wrong labels", "2026-05-30T10:00:00Z")}})
    install(tmp_path, *a_set(3, source=source(withdrawn=out)))
    installed = Installed.open(tmp_path)

    with pytest.raises(RegistryError) as caught:
        installed.reference(HAPPY)

    assert caught.value.message == f"{HAPPY} v3 was withdrawn on 2026-05-30 by Ada: wrong labels"
    assert caught.value.code == "withdrawn"
    assert installed.reference(RELAXED).version == 3
    with pytest.raises(RegistryError, match="withdrawn"):
        installed.references("essentia/effnet")


def two_sources(**values) -> tuple[Lock, dict[str, bytes]]:
    """TIMBRE from the first source, the others from an upstream."""
    lock, contents = a_set(3)
    ours, theirs = source("our-cal", "b", **values), source("nom-cal", "c")
    entries = {
        head: entry if head == TIMBRE else entry.__class__(**{**entry.to_json(), "origin": 1})
        for head, entry in lock.heads.items()
    }
    return Lock((ours, theirs), (), entries), contents


def test_a_stamp_is_of_the_heads_own_source(tmp_path):
    """Of several sources a stamp names the one that its head is from."""
    install(tmp_path, *two_sources())
    installed = Installed.open(tmp_path)

    assert installed.origin == f"our-cal@{'b' * 40}"
    assert installed.reference(TIMBRE).stamp.origin == f"our-cal@{'b' * 40}"
    assert installed.reference(HAPPY).stamp.origin == f"nom-cal@{'c' * 40}"


def test_withdrawn_by_another_source_is_not_withdrawn(tmp_path):
    """A list of withdrawn versions is about its own registry's heads."""
    out = Withdrawn({HAPPY: {3: Withdrawal("Ada", "wrong", "2026-05-30T10:00:00Z")}})
    install(tmp_path, *two_sources(withdrawn=out))

    assert Installed.open(tmp_path).reference(HAPPY).version == 3


def test_stamps_are_read_back(tmp_path):
    """A stamp's text gives the stamp again; anything else is refused."""
    install(tmp_path, *a_set(3))
    stamp = Installed.open(tmp_path).reference(HAPPY).stamp

    assert Stamp.parse(str(stamp)) == stamp
    assert stamp.registry == "nom-cal"
    for text in ("", "nom-cal@4f2a91c", str(stamp)[:-1], str(stamp).replace("v3", "v0")):
        with pytest.raises(InputError):
            Stamp.parse(text)


def test_references_of_a_model(tmp_path):
    """All heads of a model come at once; an unknown model gets the nearest there are."""
    install(tmp_path, *a_set(2))
    installed = Installed.open(tmp_path)

    assert list(installed.references("essentia/effnet")) == [HAPPY, RELAXED]
    assert list(installed.references("essentia")) == list(ALL)
    with pytest.raises(InputError, match=r"No model 'essentia/efnet' .* essentia/effnet") as caught:
        installed.references("essentia/efnet")
    assert caught.value.code == "unknown-model"


def test_expiry_is_that_of_the_sources_in_use(tmp_path):
    """A set is expired when the first index that a head of it is from is."""
    soon, later = "2026-06-10T00:00:00Z", "2026-09-10T00:00:00Z"
    lock, contents = a_set(3)
    unused = source("other-cal", "d", expires=soon)
    install(tmp_path, Lock((source(expires=later), unused), (), lock.heads), contents)
    installed = Installed.open(tmp_path)

    assert installed.expires() == datetime(2026, 9, 10, tzinfo=UTC)
    assert not installed.is_expired(datetime(2026, 9, 9, tzinfo=UTC))
    assert installed.is_expired(datetime(2026, 9, 10, tzinfo=UTC))
    assert installed.reference(HAPPY).version == 3


def test_without_expiry_nothing_expires(tmp_path):
    """What was read from a working branch has no expiry."""
    install(tmp_path, *a_set(3))

    assert Installed.open(tmp_path).expires() is None
    assert not Installed.open(tmp_path).is_expired(NOW + timedelta(days=9999))


def test_age(tmp_path):
    """The age of a set is the time since its lock was written or confirmed, never negative."""
    install(tmp_path, *a_set(3))
    os.utime(tmp_path / "calreg.lock", (NOW.timestamp(),) * 2)
    installed = Installed.open(tmp_path)

    assert installed.age_s(NOW + timedelta(hours=1)) == 3600
    assert installed.age_s(NOW - timedelta(hours=1)) == 0


def test_lost_documents_of_another_format_are_an_error(tmp_path):
    """Copies in another format do not stand in for lost documents."""
    install(tmp_path, *a_set(3, format="nomarr"))
    (file,) = (tmp_path / ".calreg/snapshots").rglob("documents")
    file.unlink()

    with pytest.raises(DigestMismatchError, match="a copy in another format only"):
        Installed.open(tmp_path).reference(HAPPY)


@pytest.mark.parametrize("place", [0, 50, 200, 333])
def test_altered_documents_are_not_handed_out(tmp_path, place):
    """A byte of the set that changed on disk is an error or is made good by the plain copy."""
    install(tmp_path, *a_set(3))
    (file,) = (tmp_path / ".calreg/snapshots").rglob("documents")
    raw = bytearray(file.read_bytes())
    raw[place] ^= 1
    file.write_bytes(raw)

    assert Installed.open(tmp_path).reference(HAPPY).calibration == calibration(HAPPY, 3, p5=0.03)
    (tmp_path / "essentia/effnet/mood_happy-calibration.json").unlink()
    with pytest.raises(DigestMismatchError):
        Installed.open(tmp_path).reference(HAPPY)


def test_a_deleted_snapshot_stays_readable(tmp_path):
    """A set that is open goes on, though its snapshot and all its copies were deleted."""
    install(tmp_path, *a_set(1))
    installed = Installed.open(tmp_path)
    for version in range(2, 8):
        install(tmp_path, *a_set(version))

    assert len(list((tmp_path / ".calreg/snapshots").iterdir())) == 3
    assert [installed.reference(head).version for head in ALL] == [1, 1, 1]


def test_a_forked_process_goes_on(tmp_path):
    """After a fork parent and child both read from the set that was opened before."""
    install(tmp_path, *a_set(1))
    installed = Installed.open(tmp_path)
    install(tmp_path, *a_set(2))

    child = forked()
    if child == 0:
        found = [installed.reference(head).version for head in ALL]
        os._exit(0 if found == [1, 1, 1] else 1)
    assert [installed.reference(head).version for head in ALL] == [1, 1, 1]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_fork_does_not_keep_the_turn(tmp_path):
    """A process that is forked in the middle of an install does not hold up the next one."""
    reading, writing = os.pipe()
    with into(tmp_path) as destination:
        child = forked()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        destination.install(*a_set(1))
    os.close(reading)

    install(tmp_path, *a_set(2))
    os.close(writing)
    os.waitpid(child, 0)

    assert Installed.open(tmp_path).versions() == dict.fromkeys(ALL, 2)


def test_threads_hammer_one_set(tmp_path):
    """Eight threads that read one set while others are installed see that one set only."""
    install(tmp_path, *a_set(1))
    installed = Installed.open(tmp_path)
    seen: set[tuple[int, ...]] = set()
    failed: list[BaseException] = []
    done = threading.Event()

    def hammer() -> None:
        try:
            while not done.wait(0.002):
                again = Installed.open(tmp_path)
                seen.add(tuple(again.reference(head).version for head in ALL))
                assert [installed.reference(head).version for head in ALL] == [1, 1, 1]
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for version in range(2, 12):
            install(tmp_path, *a_set(version))
    finally:
        done.set()
        for thread in threads:
            thread.join()

    assert not failed
    assert seen <= {(version,) * 3 for version in range(1, 12)}
    assert len(seen) > 1
