"""`Client`: handing out while pulls happen, looking in the background, stamps, forks."""

import logging
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from published import HAPPY, RELAXED, TIMBRE, Published, calibration
from setting import forked
from stabletree import NOW, Stable, new_key, withdrawal
from staticsite import StaticSite

from calreg import Client
from calreg.client import Installed, Stamp, status
from calreg.documents import Withdrawn
from calreg.errors import (
    DigestMismatchError,
    InputError,
    RegistryError,
    TransportError,
    UsageError,
)

ALL = (HAPPY, RELAXED, TIMBRE)


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads."""
    published = Published(tmp_path / "registry")
    published.publish(1)
    return published


@pytest.fixture
def stable(registry):
    """Its branch for production."""
    branch = Stable(registry)
    branch.publish()
    return branch


class Clock:
    """The time, as a test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self):
        """What time it is."""
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(stable, tmp_path, clock):
    """A client of the branch, with a folder of its own."""
    return Client(stable.registry.root.as_uri(), tmp_path / "models", now=clock)


def publish(stable: Stable, version: int, *heads: str, p5: float = 0.2) -> None:
    stable.registry.publish(version, *heads, p5=p5)
    stable.publish()


# Handing out


def test_one_set_in_memory(client):
    """References are read once and handed out again from memory."""
    first = client.reference(HAPPY)
    client.pull(heads=())

    assert client.reference(HAPPY) is client.reference(HAPPY)
    assert client.reference(HAPPY) == first
    assert list(client.references("essentia/effnet")) == [HAPPY, RELAXED]


def test_what_another_process_installed_is_handed_out(stable, client, clock):
    """A client serves the newest set in its folder, whoever pulled it."""
    client.pull()
    assert client.reference(HAPPY).version == 1
    publish(stable, 2)
    Client(client.source, client.dest, now=clock).pull()

    assert client.reference(HAPPY).version == 2


def test_a_damaged_lock_does_not_end_the_service(client):
    """If somebody damages the lock, what was good goes on serving, and the error can be read."""
    client.pull()
    client.reference(HAPPY)
    (client.dest / "calreg.lock").write_bytes(b"{}")

    assert client.reference(TIMBRE).version == 1
    assert isinstance(client.last_error, InputError)
    (client.dest / "calreg.lock").unlink()
    assert client.reference(RELAXED).version == 1


def test_several_sources_in_their_order(registry, stable, tmp_path, clock):
    """A head is taken from the first source that has it, and its stamp says which."""
    ours = Published(tmp_path / "ours", name="our-cal")
    ours.publish(5, HAPPY, p5=0.3)
    client = Client([ours.root.as_uri(), registry.root.as_uri()], tmp_path / "models", now=clock)

    pulled = client.pull()

    assert pulled.updated == ALL
    assert [client.reference(head).version for head in ALL] == [5, 1, 1]
    assert client.reference(HAPPY).stamp.registry == "our-cal"
    assert client.reference(TIMBRE).stamp.registry == "nom-cal"


def test_template_and_format_are_kept(client, tmp_path):
    """Where copies go and what they are written in stays until a pull asks for another."""
    copy = client.dest / "effnet/heads/softmax/mood_happy-calibration.json"
    client.pull(format="nomarr")
    assert b'"calibration_method"' in copy.read_bytes()
    client.pull()
    client.refresh()
    assert b'"calibration_method"' in copy.read_bytes()

    client.pull(template="{head}.json", format="calreg")

    assert not copy.exists()
    assert (client.dest / "mood_happy.json").read_bytes() == calibration(HAPPY, 1).to_bytes()
    with pytest.raises(UsageError):
        client.pull(offline=True, template="{head}")


def test_withdrawn_after_it_was_installed(stable, client):
    """A look learns that an installed version was withdrawn, and refuses it from then on."""
    client.pull(heads=[HAPPY, f"{TIMBRE}@v1"])
    assert client.reference(TIMBRE).version == 1
    stable.withdrawn = Withdrawn({TIMBRE: {1: withdrawal("bad labels")}})
    publish(stable, 2)

    with pytest.raises(RegistryError, match=f"{TIMBRE} v1"):
        client.refresh()

    with pytest.raises(RegistryError, match="bad labels"):
        client.reference(TIMBRE)
    assert client.reference(HAPPY).version == 1


# Looking for something new


def test_refresh_says_what_changed(stable, client):
    """One look installs what is new, keeps what was selected, and says what that was."""
    client.pull(heads=["essentia/effnet"])
    assert client.refresh().updated == ()
    publish(stable, 2, HAPPY, TIMBRE)

    assert client.refresh().moves == {HAPPY: (1, 2)}
    assert client.reference(HAPPY).version == 2


def test_age(client, stable, clock):
    """The age is counted from the last look that found the set current, and survives a restart."""
    assert client.age is None
    client.pull()
    clock.now += timedelta(hours=2)
    assert client.age == 7200
    client.refresh()
    assert client.age == 0
    clock.now += timedelta(minutes=1)
    stable.registry.root.rename(stable.registry.root.with_name("gone"))
    with pytest.raises(TransportError):
        client.refresh()

    assert client.age == 60
    assert Client(client.source, client.dest, now=clock).age == 60


def test_changes_are_told(stable, client):
    """Callbacks are called with what was pulled if that changed anything, and only then."""
    told = []
    client.on_change(told.append)
    client.pull()
    client.refresh()
    publish(stable, 2, HAPPY)
    client.refresh()

    assert [pulled.updated for pulled in told] == [ALL, (HAPPY,)]


def test_a_callback_that_fails_harms_nobody(client, caplog):
    """What a callback raises is logged and kept; the pull and other callbacks are unharmed."""
    told = []

    @client.on_change
    def fails(_pulled):
        raise ValueError("mine")

    client.on_change(told.append)

    with caplog.at_level(logging.WARNING, "calreg.client"):
        assert client.pull().updated == ALL

    assert len(told) == 1
    assert "mine" in caplog.text
    assert repr(client.last_error) == "ValueError('mine')"


def test_a_callback_may_wait_for_another_thread(stable, client):
    """A callback that waits for a thread which pulls itself does not wait for ever."""
    client.pull()
    publish(stable, 2, HAPPY)
    found = []

    @client.on_change
    def waits(_pulled):
        thread = threading.Thread(target=lambda: found.append(client.pull()))
        thread.start()
        thread.join(30)

    client.refresh()

    assert [pulled.updated for pulled in found] == [()]


def test_a_daemon_may_change_its_folder(stable, tmp_path, monkeypatch, clock):
    """A folder that was given by a relative path stays the one it was."""
    monkeypatch.chdir(tmp_path)
    client = Client(stable.registry.root.as_uri(), "models", now=clock)
    client.pull()
    monkeypatch.chdir("/")
    publish(stable, 2)

    assert client.refresh().moves == dict.fromkeys(ALL, (1, 2))
    assert client.reference(HAPPY).version == 2


class Steps:
    """Stands for `Event.wait`: each look waits until a test lets it."""

    def __init__(self) -> None:
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.first = True

    def __call__(self, ended: threading.Event, _delay_s: float) -> bool:
        """Wait for the test, and say first that the look before is over."""
        if not self.first:
            self.done.release()
        self.first = False
        self.go.acquire(timeout=30)
        return ended.is_set()

    def look(self) -> None:
        """Let one look happen."""
        self.go.release()
        assert self.done.acquire(timeout=30)

    def stop(self, client: Client) -> None:
        """Stop the client, whose thread waits for us."""
        ending = threading.Thread(target=client.stop)
        ending.start()
        while ending.is_alive():
            self.go.release()
            ending.join(0.01)


def test_following_in_the_background(stable, client):
    """A client that was started installs what is new, and survives a failing source."""
    steps = Steps()
    client.pull()
    client.start(wait=steps)
    publish(stable, 2)
    steps.look()
    assert client.reference(HAPPY).version == 2

    gone = stable.registry.root.with_name("gone")
    stable.registry.root.rename(gone)
    steps.look()
    assert isinstance(client.last_error, TransportError)
    assert client.reference(HAPPY).version == 2

    gone.rename(stable.registry.root)
    publish(stable, 3)
    steps.look()
    assert client.last_error is None
    assert client.reference(HAPPY).version == 3
    steps.stop(client)


def test_following_fills_an_empty_folder(client):
    """A client that is started before anything is installed installs it."""
    steps = Steps()
    client.start(wait=steps)
    steps.look()

    assert Installed.open(client.dest).heads() == ALL
    steps.stop(client)


def test_a_bug_in_a_look_does_not_end_the_following(client, stable):
    """Whatever a look raises, the next one comes."""
    steps = Steps()
    client.pull()
    client.start(wait=steps)
    client._now = lambda: 1 / 0
    steps.look()
    assert isinstance(client.last_error, ZeroDivisionError)
    client._now = lambda: NOW
    publish(stable, 2)
    steps.look()

    assert client.reference(HAPPY).version == 2
    steps.stop(client)


def test_start_and_stop(client):
    """A client stops at the end of its block; an interval that is none is refused."""
    client.pull()
    with client.start(10**6):
        thread = client._following._thread
        assert thread.is_alive()
        assert thread.daemon
    assert not thread.is_alive()
    client.stop()
    with pytest.raises(UsageError):
        client.start(0)


def test_a_forked_process_follows_by_itself(stable, client, tmp_path):
    """In a child the thread is gone; the first question starts one, and both go on."""
    client.pull()
    client.start(10**6)
    client._pulling.acquire()  # as if a look were under way just then

    child = forked()
    if child == 0:
        following = client._following
        was_alive = following.is_alive
        served = client.reference(HAPPY).version
        publish(stable, 2)
        client.refresh()
        good = (was_alive, served, client._following is following) == (False, 1, False)
        good = good and client._following.is_alive and client.reference(HAPPY).version == 2
        os._exit(0 if good else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    client._pulling.release()

    assert code == 0
    assert client._following.is_alive
    assert client.reference(HAPPY).version == 2  # what the child installed
    client.stop()


def test_eight_threads_while_pulls_happen(stable, client):
    """Threads that ask all the time get one whole set or the next, and no error."""
    client.pull()
    failed, seen, done = [], set(), threading.Event()

    def ask() -> None:
        try:
            while not done.wait(0.001):
                seen.add(tuple(found.version for found in client.references("essentia").values()))
                client.reference(HAPPY).apply([0.5], label="yes")
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for version in (2, 3, 4):
            publish(stable, version, p5=version / 10)
            client.refresh()
    finally:
        done.set()
        for thread in threads:
            thread.join()

    assert not failed
    assert {(1, 1, 1), (4, 4, 4)} <= seen <= {(version,) * 3 for version in (1, 2, 3, 4)}


# Going back


def test_rolled_back_until_the_next_pull(stable, client):
    """After a local roll-back looks change nothing; a pull moves on."""
    client.pull()
    publish(stable, 2)
    client.pull()

    assert {entry.version for entry in client.rollback_local().heads.values()} == {1}
    assert client.reference(HAPPY).version == 1
    assert client.refresh().updated == ()
    assert client.reference(HAPPY).version == 1
    with pytest.raises(InputError, match="No head"):
        client.reference("essentia/effnet/mood_hapy")
    assert client.pull().moves == dict.fromkeys(ALL, (1, 2))


def put(stable: Stable, folder: Path) -> None:
    """The publication as the files of a static site."""
    for path, raw in stable.files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)


def test_rolled_back_from_a_site(stable, tmp_path, clock):
    """With a site as the source a roll-back is held, seen by status, and ended by a pull too."""
    put(stable, tmp_path / "site")
    with StaticSite(tmp_path / "site") as site:
        client = Client(site.url, tmp_path / "models", now=clock)
        client.pull()
        stamp = client.reference(HAPPY).stamp
        stable.registry.publish(2, HAPPY, p5=0.2)
        put(stable, tmp_path / "site")
        assert client.refresh().moves == {HAPPY: (1, 2)}

        client.rollback_local()

        assert client.refresh().updated == ()
        assert client.reference(HAPPY).version == 1
        assert status(client.dest, now=NOW).behind == (HAPPY,)
        assert client.pull().moves == {HAPPY: (1, 2)}
        assert status(client.dest, now=NOW).is_current
        assert client.at(stamp).version == 1
        with pytest.raises(InputError, match="is a site, which has references only"):
            Client(site.url, tmp_path / "fresh", now=clock).at(stamp)


def test_what_was_learnt_does_not_hide_what_is_new(stable, client):
    """After a pull that was refused, the next one installs what it would have."""
    client.pull()
    stable.withdrawn = Withdrawn({HAPPY: {1: withdrawal("bad labels")}})
    publish(stable, 2)
    with pytest.raises(RegistryError, match="bad labels"):
        client.pull(heads=[f"{HAPPY}@v1"])
    assert client.reference(TIMBRE).version == 1

    assert client.pull().moves == dict.fromkeys(ALL, (1, 2))


# Stamps


def test_a_stamp_from_a_kept_set(stable, client):
    """A stamp is replayed from a set that is still on disk, without asking anybody."""
    stamp = client.reference(HAPPY).stamp
    publish(stable, 2)
    client.pull()
    stable.registry.root.rename(stable.registry.root.with_name("gone"))

    replayed = client.at(str(stamp))

    assert (replayed.version, replayed.stamp) == (1, stamp)
    assert replayed.calibration == calibration(HAPPY, 1)
    assert client.reference(HAPPY).version == 2


@pytest.mark.parametrize("branch", ["stable", "main"])
def test_a_stamp_from_the_source(registry, tmp_path, clock, branch):
    """A stamp of which nothing is left here is replayed from the registry's versions."""
    publications = Stable(registry)
    if branch == "stable":
        publications.publish()
    client = Client(registry.root.as_uri(), tmp_path / "models", now=clock)
    stamp = client.reference(HAPPY).stamp
    registry.publish(2, p5=0.2)
    if branch == "stable":
        publications.publish()
    fresh = Client(registry.root.as_uri(), tmp_path / "fresh", now=clock)

    assert fresh.at(stamp).calibration == calibration(HAPPY, 1)
    assert not (tmp_path / "fresh").exists()
    fresh.pull()
    assert fresh.at(stamp).calibration == calibration(HAPPY, 1)
    assert fresh.reference(HAPPY).version == 2


def test_a_stamp_of_withdrawn_numbers(stable, client):
    """Numbers that were withdrawn since are not replayed: since when, why."""
    stamp = client.reference(HAPPY).stamp
    stable.withdrawn = Withdrawn({HAPPY: {1: withdrawal("bad labels")}})
    publish(stable, 2)
    client.pull()

    with pytest.raises(RegistryError, match="v1 was withdrawn on 2026-05-30 by Ada: bad labels"):
        client.at(stamp)
    fresh = Client(client.source, client.dest.with_name("fresh"), now=client._now)
    with pytest.raises(RegistryError, match="bad labels"):
        fresh.at(stamp)


def test_a_stamp_of_other_bytes(client, stable):
    """A source that has other bytes under the stamp's version is refused."""
    stamp = client.reference(HAPPY).stamp
    forged = Stamp(stamp.origin, stamp.head, stamp.version, "0" * 64)

    with pytest.raises(DigestMismatchError):
        client.at(forged)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "is not a stamp"),
        (f"other@{'a' * 40} {HAPPY} v1 sha256:{'0' * 64}", "none of the sources is the registry"),
        (f"nom-cal@{'a' * 40} {HAPPY} v9 sha256:{'0' * 64}", "v9"),
        (f"nom-cal@{'a' * 40} a/b v1 sha256:{'0' * 64}", "a/b v1"),
    ],
)
def test_stamps_that_name_nothing(client, text, words):
    """A stamp of another registry, or of a version or head there never was, is refused."""
    with pytest.raises(InputError, match=words):
        client.at(text)


# Keys


def test_keys_are_lines_files_or_keys(registry, tmp_path, clock):
    """A key may be given as its line, as a file of lines, or read already."""
    key, other = new_key(tmp_path), new_key(tmp_path, "other")
    branch = Stable(registry)
    branch.trust([key])
    branch.publish()
    listed = tmp_path / "keys.txt"
    listed.write_text(f"# ours\n\n{key.line}\n{other.line}\n")

    for number, given in enumerate([key.line, listed, key.public]):
        dest = tmp_path / f"models{number}"
        Client(registry.root.as_uri(), dest, keys=[given], now=clock).pull()
    with pytest.raises(RegistryError) as caught:
        Client(registry.root.as_uri(), tmp_path / "x", keys=[other.line], now=clock).pull()
    assert caught.value.code == "signature"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no key in this file"),
        (b"# nothing\n", "no key in this file"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "private key"),
        (b"ssh-rsa AAAA me\n", "only ssh-ed25519"),
        (b"\x00\xff" * 9, "no public key"),
        (b"x" * 70_000, "no file of keys"),
        (None, "cannot be read"),
    ],
)
def test_files_that_are_no_keys(client, tmp_path, content, words):
    """A file that holds no public key is refused by its path, and none of it is repeated."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InputError, match=words) as caught:
        Client(client.source, client.dest, keys=[path]).pull()
    assert caught.value.where == str(path)


# What it costs


def loaded(statement: str, *, folder: Path) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    return set(ran.stdout.split())


def test_a_service_pays_for_what_it_uses(client, tmp_path):
    """To serve what is installed, nothing is imported for pulling, git, the web or arrays."""
    client.pull()
    serve = f"from calreg import Client; Client({client.source!r}, {str(client.dest)!r})"

    heavy = {"git", "calreg.git", "requests", "numpy", "jsonschema", "yaml", "rich", "click"}
    assert not loaded(f"{serve}.dest", folder=tmp_path) & (heavy | {"calreg.client.pulling"})
    opened = f"from calreg import Client; Client.open({str(client.dest)!r}).reference({HAPPY!r})"
    assert not loaded(opened, folder=tmp_path) & (heavy | {"calreg.client.pulling"})
