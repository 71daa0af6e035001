"""Pulling: what production gets from a registry, and what it refuses to take."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from githttp import GitServer
from published import HAPPY, RELAXED, TIMBRE, Published, calibration

from calreg import Client
from calreg.client import Installed, status, verify
from calreg.documents import Retention
from calreg.errors import (
    DigestMismatchError,
    InputError,
    RegistryError,
    TransportError,
    UsageError,
)
from calreg.names import HeadName

ALL = (HAPPY, RELAXED, TIMBRE)


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads."""
    published = Published(tmp_path / "registry")
    published.publish(1)
    return published


@pytest.fixture
def dest(tmp_path):
    """A folder that is not there yet."""
    return tmp_path / "models"


def client_of(registry: Published, **options) -> Client:
    return Client(registry.root.as_uri(), **options)


def plain(dest: Path, head: str) -> dict:
    """A reference as a program that knows nothing of calreg reads it."""
    return json.loads((dest / HeadName.parse(head).reference_path).read_bytes())


def files_of(folder: Path) -> dict[str, bytes]:
    """All files a reader of the folder could see, git's cache and locks left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "cache.git" not in path.parts and path.name != "lock"
    }


def test_first_pull(registry, dest):
    """A first pull installs every reference, readable by any program and by Client."""
    pulled = client_of(registry).pull(dest)

    assert pulled.updated == ALL
    assert (pulled.registry, pulled.seq, pulled.ungated) == ("nom-cal", None, True)
    assert pulled.commit == registry.git("rev-parse", "HEAD")
    assert [plain(dest, head)["version"] for head in ALL] == [1, 1, 1]
    assert Client.open(dest).versions() == dict.fromkeys(ALL, 1)
    assert verify(dest) == []


def test_bytes_are_the_registrys(registry, dest):
    """Publish, then pull, gives the same digest."""
    client_of(registry).pull(dest)

    reference = Installed.open(dest).reference(HAPPY)
    assert reference.digest == calibration(HAPPY, 1).digest
    assert reference.calibration == calibration(HAPPY, 1)


def test_only_what_changed_is_read(registry, dest):
    """A second pull reads the bytes of the moved reference and of no other."""
    client_of(registry).pull(dest)
    registry.publish(2, HAPPY, p5=0.2)

    pulled = client_of(registry).pull(dest)

    assert pulled.updated == (HAPPY,)
    assert pulled.unchanged == (RELAXED, TIMBRE)
    assert pulled.moves == {HAPPY: (1, 2)}
    assert pulled.bytes == len(calibration(HAPPY, 2, p5=0.2).to_bytes())
    assert plain(dest, HAPPY)["version"] == 2


def test_nothing_new_asks_once(tmp_path, registry, dest):
    """With nothing new, a pull asks the server for its refs and fetches nothing."""
    with GitServer(tmp_path) as server:
        client = Client(f"{server.url}/registry/.git")
        client.pull(dest)
        server.requests.clear()

        pulled = client.pull(dest)

        assert pulled.unchanged == ALL
        assert pulled.bytes == 0
        services = [path for _, path, _ in server.requests if "info/refs" in path]
        assert len(services) == 1
        assert len(server.requests) <= 2  # capabilities, then the one ref


def test_other_commits_move_the_lock_only(registry, dest):
    """A commit that moves no reference is recorded and changes no file."""
    client_of(registry).pull(dest)
    before = plain(dest, HAPPY)
    registry.write("README.md", b"hello\n")
    commit = registry.commit()

    pulled = client_of(registry).pull(dest)

    assert (pulled.updated, pulled.commit) == ((), commit)
    assert Installed.open(dest).lock.first.commit == commit
    assert plain(dest, HAPPY) == before


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://{}/.git"])
def test_sources(registry, dest, form):
    """A folder and a file address name the same registry."""
    assert Client(form.format(registry.root)).pull(dest).updated == ALL


def test_a_folder_below_a_registry_is_none(registry, dest):
    """A local path into the middle of a registry is not a registry."""
    with pytest.raises(InputError, match=r"no registry\.yaml in folder 'essentia/effnet'"):
        Client(str(registry.root / "essentia/effnet")).pull(dest)


def test_bare_repository(registry, dest, tmp_path):
    """A bare repository is read like any other."""
    registry.git("clone", "--quiet", "--bare", str(registry.root), str(tmp_path / "bare.git"))

    assert Client(str(tmp_path / "bare.git")).pull(dest).updated == ALL


@pytest.mark.parametrize("suffix", ["", "#sub/reg"])
def test_subfolder(tmp_path, dest, suffix):
    """A registry in a subfolder is found if it is the only one, or named after '#'."""
    registry = Published(tmp_path / "repo", folder="sub/reg")
    registry.publish(1)

    pulled = Client(registry.root.as_uri() + suffix).pull(dest)

    assert pulled.updated == ALL
    assert pulled.source == registry.root.as_uri() + suffix


def test_local_subfolder(tmp_path, dest):
    """A local path may lead straight to a registry inside a repository."""
    registry = Published(tmp_path / "repo", folder="sub/reg")
    registry.publish(1)

    assert Client(str(registry.folder)).pull(dest).updated == ALL


def test_several_registries_are_not_guessed(tmp_path, dest):
    """Of several registries in one repository, one must be named."""
    registry = Published(tmp_path / "repo", folder="one")
    registry.write("../two/registry.yaml", b"schema: calreg/registry/1.0\nname: two\n")
    registry.publish(1)

    with pytest.raises(InputError, match="2 registries: one, two") as caught:
        client_of(registry).pull(dest)
    assert caught.value.hint is not None
    assert "#one" in caught.value.hint
    assert not dest.exists()


def test_selection(registry, dest):
    """What is asked for is what is installed, and the rest goes."""
    client_of(registry).pull(dest)

    pulled = client_of(registry).pull(dest, ["essentia/effnet"])

    assert pulled.removed == (TIMBRE,)
    assert not (dest / "essentia/musicnn").exists()
    assert Installed.open(dest).lock.selection == ("essentia/effnet",)


def test_unknown_head(registry, dest):
    """A misspelt head is refused with the nearest name, and nothing is written."""
    with pytest.raises(InputError) as caught:
        client_of(registry).pull(dest, ["essentia/effnet/mood_hapy"])

    assert str(caught.value) == (
        f"No head 'essentia/effnet/mood_hapy' in nom-cal. Did you mean {HAPPY}?"
    )
    assert not dest.exists()


def test_not_a_registry(tmp_path, dest):
    """A repository without registry.yaml is refused."""
    registry = Published(tmp_path / "repo")
    (registry.folder / "registry.yaml").unlink()
    registry.commit()

    with pytest.raises(InputError, match="not a registry"):
        client_of(registry).pull(dest)


def test_no_such_source(tmp_path, dest):
    """A source that is not there leaves the last good set and says so."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    client_of(registry).pull(dest)
    before = files_of(dest)
    registry.root.rename(tmp_path / "gone")

    with pytest.raises(TransportError) as caught:
        client_of(registry).pull(dest)

    assert caught.value.hint is not None
    assert "keeps what was installed: nom-cal@" in caught.value.hint
    assert files_of(dest) == before


def test_a_dead_server_is_a_transport_error(dest):
    """A server that does not answer is exit code 5, and nothing is left behind."""
    with GitServer(dest.parent) as server:
        url = server.url

    with pytest.raises(TransportError):
        Client(f"{url}/x.git").pull(dest)
    assert not dest.exists()


@pytest.mark.parametrize("address", ["ext::sh -c touch% x", "--upload-pack=touch x", "ftp://h/x"])
def test_addresses_that_run_things_are_refused(dest, address):
    """Transport helpers, options and other protocols are refused before git sees them."""
    with pytest.raises(InputError):
        Client(address).pull(dest)


def test_secrets_are_not_recorded(tmp_path, registry, dest):
    """A token in the address reaches the server and no file of ours."""
    with GitServer(tmp_path, token="s3cr3t-canary") as server:
        url = server.url.replace("://", "://me:s3cr3t-canary@") + "/registry/.git"
        pulled = Client(url).pull(dest)

    assert "canary" not in pulled.source
    assert not any(
        b"s3cr3t-canary" in path.read_bytes() for path in dest.rglob("*") if path.is_file()
    )


# What a registry may not offer


def refused(registry: Published, dest: Path, kind=RegistryError) -> str:
    """The error of a pull that fails on top of a good one, which must survive."""
    before = files_of(dest)
    with pytest.raises(kind) as caught:
        client_of(registry).pull(dest)
    assert files_of(dest) == before
    return str(caught.value)


@pytest.fixture
def installed(registry, dest):
    """A folder with version 1 installed."""
    client_of(registry).pull(dest)
    return dest


def test_a_link_is_refused(registry, installed):
    """A reference that is a symbolic link is refused by its path."""
    file = registry.folder / HeadName.parse(HAPPY).reference_path
    file.unlink()
    file.symlink_to("/etc/passwd")
    registry.commit()

    said = refused(registry, installed)
    assert "mood_happy-calibration.json" in said
    assert "symbolic link" in said


def test_a_program_is_refused(registry, installed):
    """A reference with the executable bit is refused."""
    (registry.folder / HeadName.parse(HAPPY).reference_path).chmod(0o755)
    registry.commit()

    assert "got a program" in refused(registry, installed)


def test_names_that_differ_in_case_are_refused(registry, installed):
    """A file that would overwrite another one on some disks is refused."""
    registry.write("essentia/effnet/Mood_happy-calibration.json", b"{}")
    registry.commit()

    assert "differs only in case" in refused(registry, installed)


def test_a_reference_that_is_no_copy_is_refused(registry, installed):
    """A reference with other bytes than its version is refused, valid as it may be."""
    raw = calibration(HAPPY, 1, p5=0.3).to_bytes()
    registry.write(HeadName.parse(HAPPY).reference_path, raw)
    registry.commit()

    assert "expected a copy of v1, which has other bytes" in refused(registry, installed)


def test_a_reference_without_its_version_is_refused(registry, installed):
    """A reference to a version that the commit does not have is refused."""
    raw = calibration(HAPPY, 7).to_bytes()
    registry.write(HeadName.parse(HAPPY).reference_path, raw)
    registry.commit()

    assert "expected a copy of v7, which has no file" in refused(registry, installed)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{}", "has no 'schema'"),
        (b"not json", "is not JSON"),
        (calibration(TIMBRE, 2).to_bytes(), "got that of essentia/musicnn/timbre"),
        (calibration(HAPPY, 2).to_bytes().replace(b"\n", b"\r\n"), "canonical"),
        (calibration(HAPPY, 2, p5=0.95).to_bytes(), "p5 0.95 is not below"),
    ],
)
def test_invalid_bytes_are_refused(registry, installed, raw, words):
    """A reference that is not a valid, canonical calibration of its head is refused."""
    registry.write(HeadName.parse(HAPPY).reference_path, raw)
    registry.write(HeadName.parse(HAPPY).version_path(2), raw)
    registry.commit()

    assert words in refused(registry, installed, InputError)


def test_too_much_is_refused(registry, dest):
    """More bytes than allowed are refused, and nothing is installed."""
    with pytest.raises(RegistryError, match="at most 500 are read"):
        client_of(registry, max_bytes=500).pull(dest)
    assert not dest.exists()


def test_the_deadline_is_for_the_whole(registry, dest):
    """A pull that may take no time is a transport error."""
    with pytest.raises(TransportError, match="not done within 0 s"):
        client_of(registry, deadline_s=0).pull(dest)


def test_a_failed_first_pull_leaves_the_folder_of_a_person(tmp_path):
    """A folder that somebody made stays when nothing comes of the first pull; one of ours goes."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    (tmp_path / "empty").mkdir()

    for dest in (theirs, ours):
        with pytest.raises(InputError):
            Client(str(tmp_path / "empty")).pull(dest)

    assert (theirs.exists(), list(theirs.iterdir()), ours.exists()) == (True, [], False)


def test_a_rewound_history_is_refused(registry, dest):
    """A registry that lost an installed version is refused; the newer set stays."""
    old = registry.git("rev-parse", "HEAD")
    registry.publish(2, HAPPY, p5=0.2)
    client_of(registry).pull(dest)
    registry.git("reset", "--quiet", "--hard", old)

    said = refused(registry, dest)
    assert "no longer has essentia/effnet/mood_happy v2" in said


def test_a_rewritten_version_is_refused(registry, installed):
    """A version with other bytes than were installed under its number is refused."""
    registry.publish(1, HAPPY, p5=0.4)

    assert "has other bytes for essentia/effnet/mood_happy v1" in refused(registry, installed)


def test_a_roll_back_in_the_registry_is_followed(registry, dest):
    """A reference moved back to an older version is installed: versions only stay."""
    registry.publish(2, HAPPY, p5=0.2)
    client_of(registry).pull(dest)
    registry.write(HeadName.parse(HAPPY).reference_path, calibration(HAPPY, 1).to_bytes())
    registry.commit()

    assert client_of(registry).pull(dest).moves == {HAPPY: (2, 1)}


def test_another_registry_is_refused(tmp_path, installed):
    """A folder of one registry never takes references of another."""
    other = Published(tmp_path / "other", name="other-cal")
    other.publish(1)

    assert "holds references of 'nom-cal', this source is 'other-cal'" in refused(other, installed)


def test_a_registry_that_moved_is_followed(registry, installed, tmp_path):
    """The same registry under another address goes on, as it has what is installed."""
    registry.root.rename(tmp_path / "moved")
    moved = Client(str(tmp_path / "moved"))

    assert moved.pull(installed).unchanged == ALL
    assert Installed.open(installed).lock.first.source == str(tmp_path / "moved")


def test_a_client_never_serves_another_registrys_numbers(tmp_path, installed):
    """A client of another registry than the one installed raises, it does not read on."""
    other = Published(tmp_path / "other", name="other-cal")
    other.publish(1)

    with pytest.raises(RegistryError, match="other-cal"):
        client_of(other, dest=installed).reference(HAPPY)


# Offline, locked, status


def test_offline_uses_what_is_installed(registry, installed, tmp_path):
    """With offline no source is asked, and a lost plain copy is written again."""
    registry.root.rename(tmp_path / "gone")
    (installed / HeadName.parse(HAPPY).reference_path).unlink()

    pulled = client_of(registry).pull(installed, offline=True)

    assert (pulled.unchanged, pulled.repaired) == (ALL, (HAPPY,))
    assert verify(installed) == []


@pytest.mark.parametrize("mode", ["offline", "locked"])
def test_nothing_installed(registry, dest, mode):
    """Offline and locked need something that is installed."""
    with pytest.raises(InputError, match="nothing is installed"):
        client_of(registry).pull(dest, **{mode: True})
    assert not dest.exists()


def test_locked_installs_the_lock(registry, installed, tmp_path):
    """A lock alone brings back exactly its versions, however far the registry has moved."""
    lock = (installed / "calreg.lock").read_bytes()
    registry.publish(2, p5=0.2)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "calreg.lock").write_bytes(lock)

    client_of(registry).pull(fresh, locked=True)

    assert (fresh / "calreg.lock").read_bytes() == lock
    assert plain(fresh, HAPPY)["version"] == 1
    assert verify(fresh) == []


def test_locked_needs_no_network_for_what_is_here(registry, installed, tmp_path):
    """A lock that is wholly installed is checked without asking anybody."""
    registry.root.rename(tmp_path / "gone")

    assert client_of(registry).pull(installed, locked=True).unchanged == ALL


def test_locked_bytes_must_match(registry, tmp_path):
    """A version with other bytes than the lock says is refused."""
    other = Published(tmp_path / "twin")
    other.publish(1, p5=0.3)
    dest = tmp_path / "models"
    client_of(other).pull(dest)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "calreg.lock").write_bytes((dest / "calreg.lock").read_bytes())

    with pytest.raises(DigestMismatchError):
        client_of(registry).pull(fresh, locked=True)
    assert sorted(path.name for path in fresh.iterdir() if path.name[0] != ".") == ["calreg.lock"]


def test_locked_takes_no_heads(registry, installed):
    """To name heads and to install exactly the lock exclude each other."""
    with pytest.raises(UsageError):
        client_of(registry).pull(installed, [HAPPY], locked=True)


def test_status(registry, installed):
    """Status names the heads that moved, those that are new, and none when nothing did."""
    assert status(installed).is_current
    registry.write("README.md", b"more words\n")
    registry.commit()
    assert status(installed).is_current
    registry.publish(2, HAPPY, "essentia/effnet/new", p5=0.2)

    found = status(installed)

    assert not found.is_current
    assert (found.behind, found.new, found.gone) == ((HAPPY,), ("essentia/effnet/new",), ())
    assert Installed.open(installed).versions()[HAPPY] == 1


@pytest.mark.parametrize("lost", [slice(None), slice(200, -20), slice(300, 400), slice(-40, -20)])
def test_a_damaged_cache_is_made_anew(registry, dest, lost):
    """A cache with broken objects costs a second fetch, not a person."""
    client_of(registry).pull(dest, [HAPPY])
    (pack,) = (dest / ".calreg/cache.git/objects/pack").glob("*.pack")
    bytes_of_pack = bytearray(pack.read_bytes())
    bytes_of_pack[lost] = b"\xff" * len(bytes_of_pack[lost])
    pack.chmod(0o644)
    pack.write_bytes(bytes_of_pack)

    assert client_of(registry).pull(dest).updated == (RELAXED, TIMBRE)


def test_client_reference(registry, dest):
    """Client.reference brings the one head it is asked for, once, and stamps it."""
    client = client_of(registry, dest=dest)

    reference = client.reference(HAPPY)

    assert Installed.open(dest).heads() == (HAPPY,)
    assert str(reference.stamp).startswith(f"nom-cal@{registry.git('rev-parse', 'HEAD')} {HAPPY}")
    assert reference.apply([0.1, 0.5, 0.9], label="yes").tolist() == [0.0, 0.5, 1.0]
    assert client.reference(TIMBRE).version == 1
    assert Installed.open(dest).heads() == (HAPPY, TIMBRE)


def test_client_needs_no_folder(registry, home, monkeypatch):
    """Without a folder of its own a client installs in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))

    assert client_of(registry).reference(HAPPY).version == 1
    assert len(list((home / "cache/calreg/installed").iterdir())) == 1


def test_labels(registry, installed):
    """An unknown label raises and names the labels, unless raw scores were asked for."""
    reference = Installed.open(installed).reference(HAPPY)

    with pytest.raises(InputError, match=r"no label 'maybe' in .* it has no, yes"):
        reference.apply([0.5], label="maybe")
    assert reference.apply([0.05], label="maybe", missing="raw").tolist() == [0.05]
    assert reference.labels == ("no", "yes")


def test_reading_needs_no_git(installed):
    """A process that applies what is installed never imports git or starts one."""
    code = (
        "import sys; from calreg.client import Installed; "
        f"Installed.open({str(installed)!r}).reference({HAPPY!r}); print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"git", "numpy", "yaml", "requests"} & set(ran.stdout.split()) == set()


@pytest.mark.parametrize(
    "module", ["calreg.client", "calreg.client.face", "calreg.client.checking"]
)
def test_start_up_is_light(module):
    """Importing the client imports neither numpy nor git nor jsonschema nor yaml."""
    code = f"import sys; import {module}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    heavy = {"numpy", "git", "jsonschema", "duckdb", "yaml", "requests", "calreg.git"}
    assert heavy & set(ran.stdout.split()) == set()


def test_progress(registry, dest):
    """Progress counts up to the number of references."""
    told: list[tuple[int, int]] = []
    client_of(registry).pull(dest, progress=lambda done, total: told.append((done, total)))

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_collected_version_is_no_rewritten_history(registry, installed):
    """A version that the registry collected may be gone; one that is merely gone may not."""
    for head in ALL:
        registry.add(head, 2)
        (registry.folder / HeadName.parse(head).version_path(1)).unlink()
    registry.commit("Run 2, and the folders of run 1 are gone")
    client = client_of(registry)

    with pytest.raises(RegistryError, match="no longer has"):
        client.pull(installed)

    models = {HeadName.parse(head).model for head in ALL}
    record = Retention(1, dict.fromkeys(models, ((1, 1),)))
    registry.write("retention.json", record.to_bytes())
    registry.commit("Collect run 1")

    assert client.pull(installed).updated == ALL
    with pytest.raises(InputError, match="was collected"):
        client.pull(installed, [f"{HAPPY}@v1"])
