"""What `calreg pull` says when it cannot: one line of what and where, what to do next, a code."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from published import HAPPY, RELAXED, TIMBRE, Published
from setting import a_nobody
from stabletree import Stable, new_key, withdrawal
from staticsite import StaticSite

from calreg.cli import call
from calreg.client import Installed, verify
from calreg.documents import Withdrawn, timestamp_text

ALL = (HAPPY, RELAXED, TIMBRE)


@dataclass(frozen=True)
class Said:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The error and its hint, each on one line."""
        return self.err.splitlines()


@pytest.fixture
def cli(capfd) -> Callable[..., Said]:
    """Run a command line in this process."""

    def run(*words: object) -> Said:
        capfd.readouterr()
        code = call([str(word) for word in words])
        return Said(code, *capfd.readouterr())

    return run


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads."""
    published = Published(tmp_path / "registry")
    published.publish(1)
    return published


@pytest.fixture
def key(tmp_path):
    return new_key(tmp_path)


def publish(stable: Stable, *, age: timedelta = timedelta(hours=2), **changes: object) -> str:
    """A publication of the real present, which is where commands live."""
    issued = datetime.now(UTC) - age
    expires = issued + timedelta(days=90)
    return stable.publish(
        **{"issued": timestamp_text(issued), "expires": timestamp_text(expires), **changes}
    )


@pytest.fixture
def stable(registry, key):
    """Its branch for production, signed by one key."""
    branch = Stable(registry)
    branch.trust([key])
    publish(branch)
    return branch


@pytest.fixture
def address(registry):
    return registry.root.as_uri()


@pytest.fixture
def dest(cli, stable, address, tmp_path):
    """A folder with index 1 installed."""
    folder = tmp_path / "models"
    assert cli("pull", address, folder).code == 0
    return folder


def refused(cli, dest: Path, code: int, *words: object, slug: str | None = None) -> tuple[str, str]:
    """Message and hint of a refused pull; what was installed is as it was."""
    before = Installed.open(dest).lock.heads if (dest / "calreg.lock").exists() else None
    said = cli("pull", *words)
    assert said.code == code, said.err
    assert said.out == ""
    assert len(said.lines) == 2, said.err
    assert said.lines[1].startswith("Hint: ")
    if before is not None:
        assert Installed.open(dest).lock.heads == before
        assert verify(dest) == []
    error = json.loads(cli("pull", *words, "--json").out)["error"]
    assert error["message"]
    if slug is not None:
        assert error["code"] == slug
    return said.lines[0], said.lines[1]


# The list


def test_unknown_head(cli, dest, address):
    """An unknown head is named with the nearest there is."""
    line, _ = refused(cli, dest, 3, address, dest, "essentia/effnet/mood_hapy", slug="unknown-head")

    assert "'essentia/effnet/mood_hapy'" in line
    assert f"Did you mean {HAPPY}?" in line


def test_unknown_version(cli, dest, address):
    """A version that there is not is named with the newest there is."""
    line, hint = refused(cli, dest, 3, address, dest, f"{HAPPY}@v9", slug="no-such-version")

    assert f"{HAPPY} v9" in line
    assert "v1" in hint


def test_withdrawn_version(cli, stable, dest, address):
    """A withdrawn version is refused with since when, by whom and why."""
    stable.withdrawn = Withdrawn({HAPPY: {1: withdrawal("trained on the wrong labels")}})
    stable.registry.publish(2, p5=0.2)
    publish(stable)
    assert cli("pull", address, dest).code == 0

    line, _ = refused(cli, dest, 4, address, dest, f"{HAPPY}@v1", slug="withdrawn")

    assert f"{HAPPY} v1" in line
    for word in ("2026-05-30", "Ada", "trained on the wrong labels"):
        assert word in line


def test_wrong_key(cli, stable, dest, address, tmp_path):
    """An index that the given key did not sign is refused."""
    new_key(tmp_path, "other")
    key = tmp_path / "other.pub"
    line, _ = refused(cli, dest, 4, address, dest, "--key", key, slug="signature")
    assert "index.json" in line

    fresh = tmp_path / "fresh"
    refused(cli, fresh, 4, address, fresh, "--key", key, slug="signature")
    assert not fresh.exists()


def test_unsigned_after_signed(cli, stable, dest, address):
    """Once an index was signed, one that is not is refused."""
    stable.signers = []
    stable.registry.publish(2, p5=0.2)
    publish(stable)

    line, _ = refused(cli, dest, 4, address, dest, slug="unsigned")
    assert "sign" in line


def test_expired_index(cli, stable, dest, address):
    """Nothing new is installed from an index past its time; its age is said."""
    stable.registry.publish(2, p5=0.2)
    publish(stable, age=timedelta(days=100))

    line, hint = refused(cli, dest, 4, address, dest, slug="expired")

    assert "100 days" in line
    assert "keeps what was installed" in hint


def test_expired_index_that_is_installed(cli, stable, address, tmp_path):
    """An expired index that is installed goes on with a warning, or fails if asked to."""
    folder = tmp_path / "old"
    publish(stable, age=timedelta(days=89, hours=23, minutes=59, seconds=55))
    assert cli("pull", address, folder).code == 0
    lock = Installed.open(folder).lock
    assert lock.first.expires is not None
    aged = lock.first.expires.replace(lock.first.expires[:4], "2025")
    issued = str(lock.first.issued).replace(str(lock.first.issued)[:4], "2025")
    text = (folder / "calreg.lock").read_text()
    text = text.replace(lock.first.expires, aged).replace(str(lock.first.issued), issued)
    (folder / "calreg.lock").write_text(text)

    said = cli("pull", address, folder)
    assert said.code == 0
    assert "expired" in said.out
    line, _ = refused(cli, folder, 4, address, folder, "--require-fresh", slug="expired")
    assert "expired on" in line


def test_rewound_index(cli, stable, dest, address):
    """An index below the one that was seen is refused with both numbers."""
    first = stable.tip()
    stable.registry.publish(2, p5=0.2)
    publish(stable)
    assert cli("pull", address, dest).code == 0
    stable.move(first)

    line, _ = refused(cli, dest, 4, address, dest, slug="rewound")

    assert "index 2 was seen here" in line
    assert "the source has 1" in line


def test_unreachable_host(cli, dest):
    """A host that does not answer leaves the last good set, and says so with its age."""
    line, hint = refused(
        cli, dest, 5, "https://127.0.0.1:1/r.git", dest, "--deadline", "20"
    )  # fmt: skip

    assert "127.0.0.1" in line
    assert f"{dest} keeps what was installed: nom-cal@" in hint
    assert "3 heads, index 1 of 2 hours ago" in hint


def test_a_page_that_is_no_registry(cli, dest, tmp_path):
    """An address with a web page behind it is not a registry, and the message says what it is."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.json").write_text("<!doctype html><title>Sign in</title>")
    fresh = tmp_path / "fresh"
    with StaticSite(pages) as site:
        line, _ = refused(cli, fresh, 3, site.url, fresh, slug="not-a-registry")

    assert "not a registry" in line
    assert not fresh.exists()


def test_a_folder_that_is_no_registry(cli, dest, tmp_path):
    """A folder of no repository is not a registry."""
    (tmp_path / "empty").mkdir()
    line, _ = refused(cli, dest, 3, tmp_path / "empty", dest)
    assert str(tmp_path / "empty") in line


def test_dest_that_cannot_be_written(cli, stable, address):
    """A DEST that this user may not write is named."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        dest = Path(folder) / "models"
        with a_nobody():
            said = cli("--debug", "pull", stable.registry.root, dest)
    assert said.code == 3
    assert "cannot make this folder" in said.err or "ermission denied" in said.err


def test_dest_with_files_that_nobody_installed(cli, stable, address, tmp_path):
    """A file in the way is named, and neither it nor any other is touched."""
    dest = tmp_path / "theirs"
    mine = dest / "essentia/effnet/mood_happy-calibration.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (dest / "notes.txt").write_text("mine too")

    said = cli("pull", address, dest)

    assert said.code == 3
    assert str(mine) in said.lines[0]
    assert "calreg did not install it" in said.lines[0]
    assert "Move it away" in said.lines[1]
    assert mine.read_text() == "mine"
    assert sorted(path.name for path in dest.iterdir()) == ["essentia", "notes.txt"]


def test_a_lock_that_does_not_match(cli, stable, dest, address, tmp_path):
    """--locked fails where the registry has other bytes than the lock, or another name."""
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    text = (dest / "calreg.lock").read_text()
    entry = Installed.open(dest).lock.heads[HAPPY]
    (fresh / "calreg.lock").write_text(text.replace(entry.digest, "0" * 64))
    said = cli("pull", "--locked", address, fresh)
    assert said.code == 4
    assert "expected sha256 0000" in said.lines[0]

    (fresh / "calreg.lock").write_text(text.replace('"nom-cal"', '"other-cal"'))
    said = cli("pull", "--locked", address, fresh)
    assert said.code == 4
    assert "other-cal" in said.err
    assert [path.name for path in fresh.iterdir() if path.name[0] != "."] == ["calreg.lock"]


def test_no_lock_at_all(cli, stable, address, tmp_path):
    """--locked and --offline need something that is installed."""
    for option in ("--locked", "--offline"):
        line, _ = refused(cli, tmp_path / "no", 3, option, address, tmp_path / "no")
        assert "nothing is installed here" in line


# What cannot be meant


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--template", "../{head}"], 3, "no place for a reference"),
        (["--template", "{heads}"], 3, "no field {heads}"),
        (["--template", "all.json"], 3, "would both be installed as all.json"),
        (["--locked", HAPPY], 2, "--locked installs what the lock names"),
        (["--locked", "--template", "{head}"], 2, "template or format"),
        (["--offline", "--as-of", "2026-01-01"], 2, "--offline"),
        (["--previous", HAPPY], 2, "takes nothing but DEST"),
        (["--as-of", "yesterday"], 3, "expected a date or a commit"),
        (["--key", "/nowhere/key.pub"], 3, "/nowhere/key.pub"),
        (["--threshold", "0"], 2, "--threshold"),
        (["--format", "yaml"], 2, "--format"),
        (["--max-bytes", "10"], 4, "at most 10 are read"),
    ],
)
def test_options_that_cannot_be_meant(cli, stable, dest, address, tmp_path, words, code, message):
    """Options that contradict each other or mean nothing are refused, and nothing is installed."""
    target = dest if "--locked" in words or "--offline" in words else tmp_path / "fresh"

    said = cli("pull", address, target, *words)

    assert said.code == code, said.err
    assert message in said.err
    assert target == dest or not target.exists()


# What goes well


def test_what_was_verified_is_said(cli, stable, dest, address, key):
    """A pull says who signed, how old the index is, and until when it is believed."""
    stable.registry.publish(2, HAPPY, p5=0.2)
    publish(stable)

    said = cli("pull", address, dest)

    assert said.code == 0
    assert "nom-cal  index 1 → 2 · 1 of 3 references changed" in said.out
    assert f"  {HAPPY}  v1 → v2" in said.out
    assert f"signed by {key.public.fingerprint[:19]}… (keys list 1, 1 of 1)" in said.out
    assert "issued 2 hours ago" in said.out
    assert "expires in 90 days" in said.out
    assert max(map(len, said.out.splitlines())) <= 100


def test_first_use_is_said(cli, stable, address, key, tmp_path):
    """Keys that were believed because they came first are said to be; given ones are not."""
    assert "pinned on first use" in cli("pull", address, tmp_path / "a").out
    given = cli("pull", address, tmp_path / "b", "--key", f"{key.file}.pub").out
    assert "pinned on first use" not in given
    assert "keys given, 1 of 1" in given


def test_several_sources_and_their_keys(cli, stable, address, key, tmp_path):
    """Each source is reported for itself, and --key SOURCE=FILE is for that one."""
    ours = Published(tmp_path / "ours", name="our-cal")
    ours.publish(5, HAPPY, p5=0.3)
    words = ["pull", ours.root.as_uri(), tmp_path / "m", "--also", address]

    said = cli(*words, "--key", f"{address}={key.file}.pub")

    assert said.code == 0, said.err
    assert "our-cal + 1 more  commit" in said.out
    assert "our-cal: Read from the working branch: nobody gated or signed it." in said.out
    assert "nom-cal: signed by" in said.out
    assert Installed.open(tmp_path / "m").versions() == {HAPPY: 5, RELAXED: 1, TIMBRE: 1}


def test_template_and_back(cli, stable, dest, address):
    """A template is one option, is kept by later pulls, and status and verify know it."""
    template = "models/{model_name}/heads/{head}-calibration.json"
    copy = dest / "models/effnet/heads/mood_happy-calibration.json"

    assert cli("pull", address, dest, "--template", template).code == 0
    assert copy.exists()
    assert not (dest / "essentia").exists()
    assert cli("pull", address, dest).code == 0
    assert copy.exists()
    assert cli("verify", dest).code == 0
    assert cli("status", dest).code == 0
    assert cli("pull", address, dest, "--template", "{model}/{head}-calibration.json").code == 0
    assert (dest / "essentia/effnet/mood_happy-calibration.json").exists()
    assert not copy.exists()


def test_a_relative_dest(cli, stable, address, tmp_path, monkeypatch):
    """DEST may be relative to where one is, for every command."""
    monkeypatch.chdir(tmp_path)

    assert cli("pull", "registry", "models").code == 0
    stable.registry.publish(2, p5=0.2)
    publish(stable)
    assert cli("status", "models").code == 1
    assert cli("pull", "registry", "models").code == 0
    assert cli("pull", "--previous", "models").code == 0
    assert cli("verify", "models").code == 0


def test_versions_and_dates(cli, stable, dest, address):
    """A version by name and a commit of the past are one argument each."""
    then = stable.registry.git("rev-parse", "HEAD")
    stable.registry.publish(2, p5=0.2)
    publish(stable)
    assert cli("pull", address, dest, f"{HAPPY}@v1", TIMBRE).code == 0
    assert Installed.open(dest).versions() == {HAPPY: 1, TIMBRE: 2}

    assert cli("pull", address, dest, "--as-of", then).code == 0
    assert Installed.open(dest).versions() == dict.fromkeys(ALL, 1)
    assert cli("status", dest).code == 0
    assert cli("pull", address, dest).code == 0
    assert Installed.open(dest).versions() == dict.fromkeys(ALL, 2)


def test_back_to_the_set_before(cli, stable, dest, address):
    """--previous goes one set back without asking anybody, and says until when."""
    stable.registry.publish(2, HAPPY, p5=0.2)
    publish(stable)
    assert cli("pull", address, dest).code == 0

    said = cli("pull", "--previous", dest)

    assert said.code == 0, said.err
    assert "Back to the set before: 1 reference changed" in said.out
    assert f"  {HAPPY}  v2 → v1" in said.out
    assert "until the next calreg pull" in said.out
    assert Installed.open(dest).versions()[HAPPY] == 1
    status = cli("status", dest)
    assert status.code == 1
    assert "Rolled back here" in status.out
    again = cli("pull", "--previous", dest)
    assert again.code == 3
    assert "no set before this one" in again.err
    assert json.loads(cli("pull", address, dest, "--json").out)["moves"] == {
        HAPPY: {"from": 1, "to": 2}
    }


def test_a_narrow_terminal(stable, dest, address):
    """No line of the report is wider than the terminal."""
    from calreg.cli.production_report import pulled_lines
    from calreg.client import Client

    stable.registry.publish(2, p5=0.2)
    publish(stable)
    pulled = Client(address, dest).pull()

    lines = pulled_lines(pulled, "models", width=80, now=datetime.now(UTC))

    assert max(len(line.plain) for line in lines) <= 80
    assert os.linesep not in "".join(line.plain for line in lines)
