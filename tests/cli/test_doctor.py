"""`doctor`: a line per finding, and `--fix` for what is safe, in registries and installations."""

import os
import subprocess
import time

import pytest

from calreg.signing import new_key


def findings(said, level="problem"):
    return [one for one in said.json["findings"] if one["level"] == level]


def doctor(cli, *words):
    said = cli("doctor", *words, "--json")
    return said.code, findings(said)


def age(path, minutes):
    then = time.time() - 60 * minutes
    os.utime(path, (then, then))


# --- registries -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["index.lock", "refs/heads/main.lock", "packed-refs.lock"])
def test_old_lock_is_removed(cli, twice, name):
    """A lock of git that is old and that nobody has open goes with --fix, and only then."""
    lock = twice / ".git" / name
    lock.touch()
    age(lock, 20)

    code, found = doctor(cli)
    assert code == 1
    assert [one["can_fix"] for one in found if one["check"] == "lock"] == [True]
    assert lock.exists()

    said = cli("doctor", "--fix")
    assert said.code == 0
    assert "20 minutes old, and nobody had it open" in said.out
    assert not lock.exists()


@pytest.mark.parametrize("is_young", [True, False])
def test_lock_that_is_held_stays(cli, twice, is_young):
    """A lock that is young, or that a process has open, is named and left alone."""
    lock = twice / ".git/refs/heads/main.lock"
    with lock.open("w") as stream:
        if is_young:
            stream.close()
        else:
            age(lock, 20)

        said = cli("doctor", "--fix")

    assert said.code == 1
    assert str(lock) in said.out
    assert lock.exists()


def test_object_that_is_gone(cli, twice, git, tmp_path):
    """An object that a branch needs and that is gone is a finding; nothing is invented."""
    blob = git(twice, "rev-parse", "HEAD:m/v1/mood-calibration-v1.json")
    for pack in (twice / ".git/objects/pack").glob("*.pack"):
        outside = pack.rename(tmp_path / pack.name)
        with outside.open("rb") as stream:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=twice, stdin=stream, check=True)
    (twice / ".git/objects" / blob[:2] / blob[2:]).unlink()

    code, found = doctor(cli, "--fix")

    assert code == 1
    assert any(one["check"] == "objects" and blob in one["message"] for one in found)


def test_outbox_that_keeps_nothing(cli, twice):
    """A ref of the outbox whose commit is gone is named, and forgotten with --fix."""
    ref = twice / ".git/refs/calreg/outbox/dead"
    ref.parent.mkdir(parents=True)
    ref.write_text("12" * 20 + "\n")

    code, found = doctor(cli)
    assert code == 1
    assert any(one["check"] == "outbox" and one["can_fix"] for one in found)

    cli("doctor", "--fix")
    assert doctor(cli)[0] == 0
    assert not ref.exists()


def test_interrupted_command(cli, twice, git):
    """What an interrupted command left is finished or forgotten, and said in one line."""
    tip = git(twice, "rev-parse", "HEAD")
    before = git(twice, "rev-parse", "HEAD~1")
    (twice / ".git/calreg").mkdir(exist_ok=True)
    (twice / ".git/calreg/pending").write_text(f"calreg pending commit 1\nmain\n{before}\n{tip}\n")
    assert doctor(cli)[0] == 1

    said = cli("doctor", "--fix")

    assert said.code == 0
    assert "the interrupted command was finished" in said.out


def test_branch_of_production(cli, twice, git, tmp_path):
    """The branch that production reads is checked: index, references, signatures."""
    key = tmp_path / "ci"
    new_key(key, comment="ci@reg")
    assert cli("keys", "trust", f"{key}.pub", "--sign", key).code == 0
    assert cli("stable", "publish", "--sign", key).code == 0
    assert "stable: index, references and signatures agree" in cli("doctor").out

    git(tmp_path, "clone", "--quiet", "--branch", "stable", str(twice), "by-hand")
    file = tmp_path / "by-hand/m/mood-calibration.json"
    file.write_text(file.read_text().replace("0.", "1.", 1))
    git(tmp_path / "by-hand", "commit", "--quiet", "--all", "--message", "by hand")
    git(tmp_path / "by-hand", "push", "--quiet", "origin", "stable")

    code, found = doctor(cli)
    assert code == 1
    assert [one["message"] for one in found] == [
        "stable: m/mood-calibration.json: is not what the index says"
    ]


def test_signature_of_a_stranger(cli, twice, git, tmp_path):
    """A signature that is not of the registry's keys is a finding."""
    key, other = tmp_path / "ci", tmp_path / "other"
    for one in (key, other):
        new_key(one, comment="x")
    assert cli("keys", "trust", f"{key}.pub", "--sign", key).code == 0
    assert cli("stable", "publish", "--sign", key).code == 0
    git(tmp_path, "clone", "--quiet", "--branch", "stable", str(twice), "by-hand")
    file = tmp_path / "by-hand/index.json.sig"
    lines = file.read_text().splitlines()
    lines[3] = lines[3][::-1]
    file.write_text("\n".join(lines) + "\n")
    git(tmp_path / "by-hand", "commit", "--quiet", "--all", "--message", "by hand")
    git(tmp_path / "by-hand", "push", "--quiet", "origin", "stable")

    code, found = doctor(cli)

    assert code == 1
    assert any(one["check"] == "stable" for one in found)


def test_shape_of_json(cli, twice):
    """--json keeps its shape: ok, and findings with level, check, message, hint, can_fix."""
    found = cli("doctor", "--json").json

    assert found["ok"]
    assert {key for one in found["findings"] for key in one} == {
        "level", "check", "message", "hint", "can_fix",
    }  # fmt: skip


# --- installations --------------------------------------------------------------------------


@pytest.fixture
def installed(cli, twice, tmp_path):
    """A folder into which the registry's references are pulled."""
    assert cli("pull", twice, tmp_path / "models").code == 0
    return tmp_path / "models"


def test_lost_copy_is_written_again(cli, installed):
    """A plain copy that is missing is written again; an altered one is somebody's, and stays."""
    file = installed / "m/mood-calibration.json"
    raw = file.read_bytes()
    file.unlink()
    assert cli("doctor", "--installed", installed).code == 1

    said = cli("doctor", "--installed", installed, "--fix")
    assert said.code == 0
    assert "1 missing file written again" in said.out
    assert file.read_bytes() == raw

    file.write_bytes(b"mine")
    assert cli("doctor", "--installed", installed, "--fix").code == 1
    assert file.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["new", "scratch"])
def test_leftovers_of_a_killed_pull(cli, installed, name):
    """What a killed pull was about to install is removed with --fix."""
    left = installed / ".calreg" / name
    left.mkdir(exist_ok=True)
    (left / "half").write_bytes(b"{")

    said = cli("doctor", "--installed", installed)
    assert f".calreg/{name}: a pull that was killed left it" in said.out

    said = cli("doctor", "--installed", installed, "--fix")
    assert said.code == 0
    assert not (left / "half").exists()


def test_broken_cache_is_dropped(cli, installed, twice):
    """A cache with bytes that are not its own is dropped, and the next pull makes it anew."""
    caches = [path for path in (installed / ".calreg").glob("cache*") if path.is_dir()]
    packs = [path for cache in caches for path in cache.glob("objects/pack/*.pack")]
    assert packs
    for pack in packs:
        pack.chmod(0o644)
        raw = bytearray(pack.read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        pack.write_bytes(raw)
    assert cli("doctor", "--installed", installed).code == 1

    said = cli("doctor", "--installed", installed, "--fix")

    assert said.code == 0
    assert "dropped, the next pull makes it anew" in said.out
    assert cli("pull", twice, installed).code == 0
    assert cli("doctor", "--installed", installed).code == 0


def test_folder_that_is_not_ours(cli, published, tmp_path):
    """A folder into which nothing was pulled is refused, and nothing in it is touched."""
    (tmp_path / "other/.calreg/new").mkdir(parents=True)
    (tmp_path / "other/.calreg/new/x").write_text("x")

    said = cli("doctor", "--installed", tmp_path / "other", "--fix")

    assert said.code == 1
    assert "nothing is installed here" in said.out
    assert (tmp_path / "other/.calreg/new/x").exists()
