"""`keys new`, `keys trust`, `keys list`: who signs a registry, and who says so."""

import json
import shutil
import stat
import subprocess

import pytest
from desk import fingerprint

from calreg.documents import (
    Index,
    Lock,
    LockSource,
    Trust,
    checked_bytes,
    digest_of,
    load_keys,
)
from calreg.signatures import INDEX_NAMESPACE, KEYS_NAMESPACE, PublicKey, check_signed
from calreg.signing import sign


@pytest.fixture
def desk(cli, tmp_path):
    """Make keys by their names, outside the registry; hand back their files."""
    folder = tmp_path / "secrets"
    folder.mkdir()

    def make(*names):
        for name in names:
            assert cli("keys", "new", folder / name).code == 0
        return [folder / name for name in names]

    return make


def public(key):
    return key.with_name(f"{key.name}.pub")


def of(key) -> PublicKey:
    return PublicKey.parse(public(key).read_text())


@pytest.fixture
def signed_once(cli, registry, desk):
    """A registry with a first list: one of two keys must sign."""
    keys = desk("ci", "release")
    said = cli("keys", "trust", *map(public, keys), "--threshold", 1, "--sign", keys[0])
    assert said.code == 0
    return registry, *keys


def test_new_makes_a_key_and_says_what_is_next(cli, tmp_path):
    """A new key is its owner's alone; the line that follows is the command that trusts it."""
    said = cli("keys", "new", tmp_path / "ci")

    assert said.code == 0
    assert stat.S_IMODE((tmp_path / "ci").stat().st_mode) == 0o600
    key = of(tmp_path / "ci")
    assert key.comment == "ci"
    assert said.out.splitlines() == [
        str(key),
        f"made {tmp_path}/ci (private: keep it secret) and {tmp_path}/ci.pub",
        f"Next: calreg keys trust {tmp_path}/ci.pub --sign {tmp_path}/ci",
    ]


def test_new_in_json(cli, tmp_path):
    """--json has the files, the fingerprint and the public line; nothing of the private one."""
    found = cli("keys", "new", tmp_path / "ci", "--comment", "ci of reg", "--json").json

    key = of(tmp_path / "ci")
    assert found == {
        "path": str(tmp_path / "ci"),
        "public": str(tmp_path / "ci.pub"),
        "fingerprint": key.fingerprint,
        "comment": "ci of reg",
        "line": key.line,
    }


def test_new_refuses_a_place_in_a_registry(cli, registry):
    """A private key is not put where the next commit would take it along."""
    before = fingerprint(registry)

    said = cli("keys", "new", "ci")
    assert said.code == 3
    assert "a private key must not lie in a registry" in said.err
    assert fingerprint(registry) == before


def test_new_never_overwrites(cli, tmp_path):
    """A key that is there stays there."""
    cli("keys", "new", tmp_path / "ci")
    before = (tmp_path / "ci").read_bytes()

    said = cli("keys", "new", tmp_path / "ci")
    assert said.code == 3
    assert "is there already; a key is never overwritten" in said.err
    assert (tmp_path / "ci").read_bytes() == before


def test_the_first_list_is_one_commit(cli, registry, desk, git):
    """The first list and its signature are one commit, signed by the key that was given."""
    (key,) = desk("ci")
    before = git(registry, "rev-parse", "HEAD")
    said = cli("keys", "trust", public(key), "--sign", key)

    assert said.code == 0
    assert said.out.splitlines()[:3] == [
        "reg  keys/1.json · its one key must sign",
        f"+ {of(key)}",
        "1 signature: ci",
    ]
    changed = git(registry, "diff", "--name-status", before, "HEAD").splitlines()
    assert changed == ["A\tkeys/1.json", "A\tkeys/1.json.sig"]
    assert git(registry, "rev-list", "--count", f"{before}..HEAD") == "1"
    assert git(registry, "status", "--porcelain") == ""
    raw = (registry / "keys/1.json").read_bytes()
    listed = load_keys(raw, where="keys/1.json")
    assert (listed.registry, listed.number, listed.threshold) == ("reg", 1, 1)
    assert check_signed(
        raw,
        (registry / "keys/1.json.sig").read_bytes(),
        [of(key)],
        threshold=1,
        namespace=KEYS_NAMESPACE,
        where="keys/1.json",
    )


def test_a_list_replaces_the_one_before(cli, signed_once, desk):
    """Keys that are not named no longer count; the report says who came and who went."""
    registry, ci, release = signed_once
    (new,) = desk("new")
    said = cli("keys", "trust", public(release), public(new), "--sign", release, "--json")

    assert said.code == 0
    found = said.json
    assert (found["number"], found["threshold"], found["pushed"]) == (2, 1, False)
    assert found["added"] == [of(new).fingerprint]
    assert found["removed"] == [of(ci).fingerprint]
    assert found["signed_by"] == [of(release).fingerprint]
    second = load_keys((registry / "keys/2.json").read_bytes(), where="keys/2.json")
    assert second.previous == digest_of((registry / "keys/1.json").read_bytes())
    listed = cli("keys", "list", "--json").json
    assert [each["number"] for each in listed["lists"]] == [1, 2]
    assert {each["comment"]: each["since"] for each in listed["keys"]} == {"release": 1, "new": 2}


def test_too_few_signatures_name_who_is_missing(cli, signed_once, desk):
    """A list that too few sign is refused with the names of the others, and nothing is written."""
    registry, ci, release = signed_once
    (new,) = desk("new")
    both = [public(ci), public(new)]
    before = fingerprint(registry)

    said = cli("keys", "trust", *both, "--threshold", 2, "--sign", ci)
    assert said.code == 4
    assert said.err.splitlines()[0] == (
        f"2 of the 2 keys of keys/2.json must sign, 1 would; 1 more: {of(new)}"
    )
    said = cli("keys", "trust", public(new), "--threshold", 1, "--sign", new)
    assert said.code == 4
    assert "1 of the 2 keys of keys/1.json must sign, 0 would; 1 more of " in said.err
    assert str(of(ci)) in said.err
    assert str(of(release)) in said.err
    assert fingerprint(registry) == before


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["{ci}.pub"], 2, "nobody signs the list"),
        (["{ci}.pub", "--threshold", "2", "--sign", "{ci}"], 3, "2 of 1 keys cannot sign"),
        (["{ci}.pub", "--threshold", "0", "--sign", "{ci}"], 3, "0 of 1 keys cannot sign"),
        (["{ci}.pub", "{ci}.pub", "--sign", "{ci}"], 3, "is given 2 times"),
        (["{release}.pub", "{ci}.pub", "--sign", "{ci}"], 4, "lists exactly these keys already"),
        (["{ci}", "--sign", "{ci}"], 3, "this is a private key; only its public half"),
        (["{ci}.pub", "--sign", "{ci}x"], 3, "there is no such key file"),
        (["{ci}x.pub", "--sign", "{ci}"], 3, "cannot be read"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_a_list_is_refused(cli, signed_once, words, code, problem):
    """Every list that makes no sense is refused in one line, and nothing is written."""
    registry, ci, release = signed_once
    before = fingerprint(registry)

    said = cli("keys", "trust", *(word.format(ci=ci, release=release) for word in words))
    assert said.code == code
    assert problem in said.err
    assert "Traceback" not in said.err
    assert fingerprint(registry) == before


def test_no_line_of_a_private_key_is_ever_said(cli, signed_once):
    """Whatever is done with a private key, nothing of it is in any output."""
    _, ci, release = signed_once
    secret = ci.read_text().splitlines()[1:-1]
    lines = [
        ["trust", ci, "--sign", ci],
        ["trust", public(ci), "--sign", ci],
        ["trust", public(release), "--sign", public(ci)],
        ["list"],
        ["new", ci],
    ]
    for words in lines:
        for more in ([], ["--json"]):
            said = cli("keys", *words, *more)
            assert not any(line in said.out + said.err for line in secret), words


def test_signatures_can_be_made_elsewhere(cli, signed_once, desk, tmp_path):
    """Two people on two machines sign one list: its bytes are the same for both."""
    registry, ci, release = signed_once
    (new,) = desk("new")
    words = ["keys", "trust", public(release), public(new), "--threshold", 2]
    file = tmp_path / "next.json"
    before = fingerprint(registry)
    assert cli(*words, "--unsigned", file).code == 0
    assert fingerprint(registry) == before
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", KEYS_NAMESPACE, "-f", new, file], check=True
    )

    said = cli(*words, "--sign", ci, "--signature", f"{file}.sig")
    assert said.code == 4
    assert "1 more: " + str(of(release)) in said.err
    said = cli(*words, "--sign", ci, "--sign", release, "--signature", f"{file}.sig")
    assert said.code == 0
    assert (registry / "keys/2.json").read_bytes() == file.read_bytes()


def test_a_signature_of_other_bytes_is_refused(cli, signed_once, tmp_path):
    """A signature that was made elsewhere for another list is refused."""
    _, ci, release = signed_once
    other = tmp_path / "other.json"
    other.write_text("{}\n")
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", KEYS_NAMESPACE, "-f", release, other], check=True
    )

    said = cli("keys", "trust", public(ci), "--sign", ci, "--signature", f"{other}.sig")
    assert said.code == 4
    assert "keys/2.json: wrong signature by " + str(of(release)) in said.err


def test_a_list_is_pushed(cli, registry, desk, git, tmp_path):
    """--push brings the list to the remote's branch; without it, the next line says how."""
    (key, other) = desk("ci", "other")
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", remote], check=True)
    git(registry, "remote", "add", "origin", remote.as_uri())
    git(registry, "push", "-q", "-u", "origin", "main")
    said = cli("keys", "trust", public(key), "--sign", key, "--push")

    assert said.code == 0
    assert "pushed to" in said.out
    assert git(remote, "rev-parse", "main") == git(registry, "rev-parse", "HEAD")
    said = cli("keys", "trust", public(key), public(other), "--sign", key)
    assert "Next: calreg push, calreg stable publish" in said.out


def test_a_list_that_somebody_else_replaced_is_not_published(cli, signed_once, desk, git, tmp_path):
    """Of two people who replace the same list, the second is told to look, and writes nothing."""
    registry, ci, _ = signed_once
    (new,) = desk("new")
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "clone", "-q", "--bare", registry, remote], check=True)
    git(registry, "remote", "add", "origin", remote.as_uri())
    git(registry, "fetch", "-q", "origin")
    git(registry, "branch", "-q", "-u", "origin/main")
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", remote.as_uri(), other], check=True)
    words = ["trust", public(ci), "--sign", ci, "--push"]
    assert cli("--registry", other, "keys", *words).code == 0
    theirs = git(remote, "rev-parse", "main")

    said = cli("keys", "trust", public(ci), public(new), "--sign", ci, "--push")
    assert said.code == 4
    assert "the newest list is keys/2.json by now, not keys/1.json" in said.err
    assert git(remote, "rev-parse", "main") == theirs
    assert not (registry / "keys/2.json").exists()


def test_production_lists_and_does_not_trust(cli, signed_once, monkeypatch):
    """In production mode keys are listed, and none is trusted."""
    _, ci, _ = signed_once
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "false")

    assert cli("keys", "list").code == 0
    assert cli("keys", "trust", public(ci), "--sign", ci).code == 4


def test_a_registry_without_keys_says_what_is_next(cli, registry):
    """Without a list the report says so, and how to begin; --json has nulls."""
    said = cli("keys", "list")

    assert said.out.splitlines()[0] == "reg has no keys: nobody signs its index."
    assert "calreg keys new PATH" in said.out
    found = cli("keys", "list", "--json").json
    assert (found["number"], found["threshold"], found["keys"], found["lists"]) == (
        None,
        None,
        [],
        [],
    )


def test_a_list_in_words(cli, signed_once):
    """The newest list is a table; each list is a line with its rule and its signers."""
    _, ci, _ = signed_once
    assert cli("keys", "trust", public(ci), "--sign", ci).code == 0

    lines = cli("keys", "list").out.splitlines()
    assert lines[0] == "reg  keys/2.json · its one key must sign"
    assert lines[1].split() == ["key", "name", "since"]
    assert lines[2].split() == [of(ci).fingerprint, "ci", "list", "1"]
    assert lines[3] == "list 2: its one key must sign · removed release · signed by ci"
    assert lines[4].startswith("list 1: 1 of 2 keys must sign · added ")


@pytest.mark.parametrize("name", ["keys/1.json", "keys/1.json.sig"])
def test_a_list_that_somebody_altered_is_refused(cli, signed_once, git, name):
    """A list that was changed in the repository is refused by its name."""
    registry, ci, _ = signed_once
    file = registry / name
    file.write_bytes(file.read_bytes().replace(b"A", b"B", 1))
    git(registry, "commit", "-q", "-a", "-m", "altered")

    assert cli("keys", "list").code in {3, 4}
    said = cli("keys", "trust", public(ci), "--sign", ci)
    assert said.code in {3, 4}
    assert "keys/1.json" in said.err


def test_whom_an_installation_trusts(cli, tmp_path, desk):
    """Of a folder of pulled references, the keys per source are listed; or that there are none."""
    (key,) = desk("ci")
    source = LockSource("https://example.org/reg", "reg", "0" * 40, seq=3, read="stable")
    trusting = LockSource(
        "https://example.org/up",
        "up",
        "0" * 40,
        seq=3,
        read="stable",
        trust=Trust(2, 1, (of(key).line,)),
    )
    (tmp_path / "dest").mkdir()
    lock = Lock((source, trusting), (), {})
    (tmp_path / "dest" / "calreg.lock").write_bytes(lock.to_bytes())

    lines = cli("keys", "list", tmp_path / "dest").out.splitlines()
    assert lines[0] == "reg from https://example.org/reg  no keys: its index is not signed"
    assert lines[1] == "up from https://example.org/up  list 2 · its one key must sign"
    assert lines[3].split() == [of(key).fingerprint, "ci"]
    found = cli("keys", "list", tmp_path / "dest", "--json").json["sources"]
    assert [each["registry"] for each in found] == ["reg", "up"]
    assert found[1]["keys"][0]["fingerprint"] == of(key).fingerprint


def test_a_list_in_a_subfolder(cli, registry, desk, tmp_path, git):
    """A registry that is a folder of its repository has its lists in that folder."""
    (key,) = desk("ci")
    whole = tmp_path / "whole"
    subprocess.run(["git", "init", "-q", "-b", "main", whole], check=True)
    shutil.copytree(registry, whole / "reg", ignore=shutil.ignore_patterns(".git"))
    git(whole, "add", "-A")
    git(whole, "commit", "-q", "-m", "a registry in a folder")

    said = cli("--registry", whole / "reg", "keys", "trust", public(key), "--sign", key)
    assert said.code == 0
    assert (whole / "reg/keys/1.json").is_file()
    assert cli("--registry", whole / "reg", "keys", "list", "--json").json["number"] == 1
    assert json.loads((whole / "reg/keys/1.json").read_text())["registry"] == "reg"


@pytest.fixture
def remote(signed_once, git, tmp_path):
    """A remote of the signed registry: its working branch, and `stable` with a signed index."""
    registry, ci, _ = signed_once
    place = tmp_path / "remote.git"
    commit = git(registry, "rev-parse", "HEAD")
    index = Index(
        registry="reg",
        seq=1,
        issued="2026-01-02T03:04:05.000Z",
        expires="2026-04-02T03:04:05.000Z",
        commit=commit,
        previous=None,
        keys=1,
        withdrawn=None,
        models={},
    )
    raw = checked_bytes("index", index, where="index.json")
    git(registry, "checkout", "-q", "--orphan", "stable")
    git(registry, "rm", "-q", "-r", "--cached", "--", ":!keys")
    (registry / "index.json").write_bytes(raw)
    (registry / "index.json.sig").write_bytes(sign(raw, ci, namespace=INDEX_NAMESPACE))
    git(registry, "add", "index.json", "index.json.sig")
    git(registry, "commit", "-q", "-m", "index 1")
    subprocess.run(["git", "clone", "-q", "--bare", registry, place], check=True)
    git(place, "symbolic-ref", "HEAD", "refs/heads/main")
    return place


def test_what_a_source_says_for_itself(cli, signed_once, remote):
    """The keys of a source that was never seen are listed, with a word of caution."""
    _, ci, release = signed_once

    said = cli("keys", "list", remote.as_uri())
    assert said.code == 0, said.err
    assert said.out.splitlines()[0] == f"reg from {remote.as_uri()}  list 1 · 1 of 2 keys must sign"
    assert {of(ci).fingerprint, of(release).fingerprint} < set(said.out.split())
    assert "compare the fingerprints" in said.err
    found = cli("keys", "list", remote.as_uri(), "--json").json["sources"][0]
    assert (found["registry"], found["read"], found["number"], found["threshold"]) == (
        "reg",
        "stable",
        1,
        1,
    )


def test_a_source_without_a_signed_branch(cli, remote, git):
    """A source that has a working branch only says that nobody signs it."""
    git(remote, "update-ref", "-d", "refs/heads/stable")

    said = cli("keys", "list", remote.as_uri())
    assert said.out == (f"reg from {remote.as_uri()}  no keys: nobody signs a working branch\n")


def test_a_folder_of_a_registry_is_a_registry(cli, signed_once, tmp_path, monkeypatch):
    """A folder that holds a registry is listed like the one that somebody is in."""
    registry, _, _ = signed_once
    inside = cli("keys", "list").out
    monkeypatch.chdir(tmp_path)

    assert cli("keys", "list", registry).out == inside
    assert cli("keys", "list", tmp_path / "secrets").code == 3
