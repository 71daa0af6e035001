"""Installing: the old set or the new one, whoever looks and whenever it stops."""

import fcntl
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from killing import Warm
from published import HAPPY, RELAXED, TIMBRE, Published, calibration

from calreg import Client
from calreg.client import Installed, verify
from calreg.errors import DigestMismatchError, InputError, TransportError
from calreg.names import HeadName

ALL = (HAPPY, RELAXED, TIMBRE)


def path_of(dest: Path, head: str) -> Path:
    return dest / HeadName.parse(head).reference_path


def plain_versions(dest: Path) -> dict[str, int]:
    """What a program that knows nothing of calreg finds."""
    return {
        head: json.loads(path_of(dest, head).read_bytes())["version"]
        for head in ALL
        if path_of(dest, head).exists()
    }


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads."""
    published = Published(tmp_path / "registry")
    published.publish(1)
    return published


@pytest.fixture
def client(registry):
    """A client of that registry."""
    return Client(registry.root.as_uri())


@pytest.fixture
def dest(tmp_path, client):
    """A folder with version 1 installed."""
    client.pull(tmp_path / "models")
    return tmp_path / "models"


# Whoever looks


def test_a_reader_never_sees_a_mix(registry, client, dest):
    """While pulls change the set, every Installed is all of one version."""
    registry.publish(2, p5=0.2)
    seen: set[tuple[int, ...]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            installed = Installed.open(dest)
            seen.add(tuple(installed.reference(head).version for head in ALL))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for version in (2, 1) * 4:
            for head in ALL:
                registry.add(head, version, p5=version / 10)
            registry.commit(f"references to {version}")
            client.pull(dest)
    finally:
        done.set()
        reader.join()

    assert seen <= {(1, 1, 1), (2, 2, 2)}
    assert len(seen) == 2


def test_an_opened_set_stays(registry, client, dest):
    """A set that was opened answers from itself, however many pulls come after."""
    installed = Installed.open(dest)
    for version in range(2, 8):
        registry.publish(version, p5=version / 100)
        client.pull(dest)

    assert [installed.reference(head).version for head in ALL] == [1, 1, 1]
    assert Installed.open(dest).versions() == dict.fromkeys(ALL, 7)


def test_few_snapshots_are_kept(registry, client, dest):
    """Only the last three sets stay on disk."""
    for version in range(2, 7):
        registry.publish(version, p5=version / 100)
        client.pull(dest)

    assert len(list((dest / ".calreg/snapshots").iterdir())) == 3


def test_what_nobody_installed_does_not_stop_a_pull(registry, client, dest):
    """A file or link that something left among the snapshots is no reason to fail."""
    folder = dest / ".calreg" / "snapshots"
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "link").symlink_to(dest)

    for version in range(2, 7):
        registry.publish(version, p5=version / 20)
        client.pull(dest)

    assert (folder / "link").is_symlink()
    assert dict(Installed.open(dest).versions()) == dict.fromkeys(ALL, 6)


def test_without_snapshots_the_plain_copies_serve(dest, tmp_path):
    """A folder that was copied without its state is read by its lock, digest by digest."""
    copy = tmp_path / "copy"
    copy.mkdir()
    subprocess.run(["cp", "-r", dest / "essentia", dest / "calreg.lock", copy], check=True)

    assert Installed.open(copy).reference(HAPPY).version == 1
    path_of(copy, HAPPY).write_bytes(calibration(HAPPY, 2).to_bytes())
    with pytest.raises(DigestMismatchError):
        Installed.open(copy).reference(HAPPY)


def test_two_pulls_take_turns(warm, registry, dest):
    """Pulls at the same time into one folder all succeed and leave one good set."""
    registry.publish(2, p5=0.2)
    pulls = [warm.start(code=pull_code(registry, dest)) for _ in range(3)]

    assert [pull.end().code for pull in pulls] == [0, 0, 0]
    assert plain_versions(dest) == dict.fromkeys(ALL, 2)
    assert verify(dest) == []


def test_a_pull_waits_for_its_turn_only_so_long(registry, dest):
    """A pull that never gets its turn is a transport error that says why."""
    with (dest / ".calreg/lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TransportError, match="another pull into"):
            Client(registry.root.as_uri(), deadline_s=0.01).pull(dest)


# Wherever it stops


def pull_code(registry: Published, dest: Path) -> str:
    return f"from calreg import Client; Client({registry.root.as_uri()!r}).pull({str(dest)!r})"


def killed_pull(warm: Warm, registry: Published, dest: Path, step: str) -> None:
    """A pull in a process of its own that dies at a step."""
    warm.run_to(step, code=pull_code(registry, dest))


STEPS = ("objects-written", "journal-written", "ref-moved", "file-written", "settled")


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_pull_leaves_a_good_set(warm, registry, client, dest, step):
    """Wherever a pull dies, the set is the old or the new one, and the next pull is whole."""
    registry.publish(2, HAPPY, RELAXED, p5=0.2)
    registry.git("rm", "--quiet", "-r", HeadName.parse(TIMBRE).reference_path)
    registry.commit()

    killed_pull(warm, registry, dest, step)

    installed = Installed.open(dest)
    found = {head: installed.reference(head).version for head in installed.heads()}
    old, new = dict.fromkeys(ALL, 1), {HAPPY: 2, RELAXED: 2}
    assert found == (old if step in {"objects-written", "journal-written"} else new)
    assert verify(dest) == []
    assert plain_versions(dest) == found
    client.pull(dest)
    assert plain_versions(dest) == new
    assert verify(dest) == []
    assert sorted(path.name for path in (dest / ".calreg").iterdir()) == [
        "cache.git",
        "lock",
        "scratch",
        "snapshots",
    ]


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_first_pull_is_made_good(warm, registry, client, tmp_path, step):
    """Wherever a first pull dies, the next one needs no help."""
    fresh = tmp_path / "fresh"
    killed_pull(warm, registry, fresh, step)

    client.pull(fresh)

    assert plain_versions(fresh) == dict.fromkeys(ALL, 1)
    assert verify(fresh) == []


def test_a_full_disk_leaves_the_old_set(registry, dest):
    """A pull that cannot write fails in one line and leaves the old set."""
    registry.publish(2, p5=0.2)
    code = (
        "import resource, signal; from calreg.client import destination\n"
        "from calreg.client.deadline import Deadline\n"
        "from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"with destination.Destination.exclusively(Path({str(dest)!r}), Deadline(9)) as d:\n"
        "    lock = d.lock(); contents = d.contents(lock)\n"
        "    import dataclasses; new = dataclasses.replace(lock, heads={})\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "    d.install(new, {})\n"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "InputError" in ran.stderr
    assert "file too large" in ran.stderr
    assert verify(dest) == []
    assert plain_versions(dest) == dict.fromkeys(ALL, 1)


# What is in the way


def test_a_strangers_file_is_not_overwritten(client, tmp_path):
    """A file that nobody installed is named, and nothing is installed."""
    dest = tmp_path / "theirs"
    path_of(dest, HAPPY).parent.mkdir(parents=True)
    path_of(dest, HAPPY).write_text("mine")

    with pytest.raises(InputError, match=r"mood_happy.*this file is there already"):
        client.pull(dest)

    assert path_of(dest, HAPPY).read_text() == "mine"
    assert [path.name for path in dest.iterdir()] == ["essentia"]
    assert not path_of(dest, RELAXED).exists()


def test_an_equal_file_is_no_obstacle(client, tmp_path):
    """A file that holds the very bytes to be installed is taken over."""
    dest = tmp_path / "theirs"
    path_of(dest, HAPPY).parent.mkdir(parents=True)
    path_of(dest, HAPPY).write_bytes(calibration(HAPPY, 1).to_bytes())

    assert client.pull(dest).updated == ALL


def test_other_files_stay(registry, client, dest):
    """Files beside the references are never touched, not even when all heads go."""
    (dest / "essentia/effnet/weights.pb").write_bytes(b"weights")

    client.pull(dest, [TIMBRE])

    assert (dest / "essentia/effnet/weights.pb").read_bytes() == b"weights"
    assert plain_versions(dest) == {TIMBRE: 1}


def test_a_link_inside_is_not_followed(registry, client, dest, tmp_path):
    """A folder that was swapped for a link gets an error, and its target nothing."""
    registry.publish(2, p5=0.2)
    elsewhere = tmp_path / "elsewhere"
    (dest / "essentia").rename(elsewhere)
    (dest / "essentia").symlink_to(elsewhere)

    with pytest.raises(InputError, match="symbolic link"):
        client.pull(dest)
    assert (
        json.loads((elsewhere / "effnet/mood_happy-calibration.json").read_bytes())["version"] == 1
    )


def test_a_linked_file_is_not_followed(client, dest, tmp_path):
    """A reference that was swapped for a link is put back, and its target left alone."""
    target = tmp_path / "target"
    target.write_text("precious")
    path_of(dest, HAPPY).unlink()
    path_of(dest, HAPPY).symlink_to(target)

    with pytest.raises(InputError, match="symbolic link"):
        client.pull(dest)
    assert target.read_text() == "precious"


def test_an_altered_copy_is_repaired(client, dest):
    """A pull with nothing new puts altered and lost plain copies right, and says so."""
    path_of(dest, HAPPY).write_text("edited")
    path_of(dest, TIMBRE).unlink()

    pulled = client.pull(dest)

    assert (pulled.updated, pulled.repaired) == ((), (HAPPY, TIMBRE))
    assert verify(dest) == []


def test_a_damaged_snapshot_is_repaired(client, dest):
    """A pull with nothing new puts a damaged snapshot right."""
    (file,) = (dest / ".calreg/snapshots").rglob("documents")
    file.write_text("damaged")
    assert [finding.head for finding in verify(dest)] == list(ALL)

    client.pull(dest)

    assert verify(dest) == []


def test_all_copies_lost_are_fetched_again(client, dest):
    """What is lost in the snapshot and beside it is fetched again."""
    path_of(dest, HAPPY).unlink()
    (file,) = (dest / ".calreg/snapshots").rglob("documents")
    file.write_bytes(b"\0" * 334 + file.read_bytes()[334:])  # the first of them is its

    assert client.pull(dest).bytes == len(calibration(HAPPY, 1).to_bytes())
    assert verify(dest) == []


# verify


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "altered"),
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.with_name("other-calibration.json").write_text("{}"), "extra"),
        (lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), "not-a-plain-file"),
        (lambda path: (path.unlink(), path.mkdir()), "not-a-plain-file"),
    ],
)
def test_verify(dest, damage, rule):
    """An altered, missing, extra or linked reference is one finding with its path."""
    damage(path_of(dest, HAPPY))

    (finding,) = verify(dest)

    assert finding.rule == rule
    assert finding.path.startswith("essentia/effnet/")


def test_every_flipped_byte_is_found(dest):
    """No byte of a reference can change unnoticed."""
    file = path_of(dest, HAPPY)
    good = file.read_bytes()
    for place in range(len(good)):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert [finding.rule for finding in verify(dest)] == ["altered"]


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"{}",
        lambda lock: lock[: len(lock) // 2],
        lambda lock: lock.replace(b"essentia/musicnn/timbre-cal", b"../../timbre-cal"),
    ],
)
def test_a_damaged_lock_is_a_finding(dest, change):
    """A lock that is none, or that points outside, is a finding and an error to readers."""
    lock = dest / "calreg.lock"
    lock.write_bytes(change(lock.read_bytes()))

    assert [finding.rule for finding in verify(dest)] == ["lock-invalid"]
    with pytest.raises(InputError):
        Installed.open(dest)


@pytest.mark.parametrize("look", [verify, Installed.open])
def test_nothing_installed(tmp_path, look):
    """An empty folder and one that is not there are refused by name."""
    with pytest.raises(InputError, match="nothing is installed"):
        look(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        look(tmp_path / "nowhere")
