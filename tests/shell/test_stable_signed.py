"""Publishing with signatures: one key, several custodians, rotation, and tampering."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from published import HAPPY, Published
from stables import NOW, git, index_on, listed, made_keys, published_by, seqs, signer, trust

from calreg.errors import InputError, RegistryError
from calreg.git import Repository
from calreg.registry.stable import NothingNew, PublishedStable, survey
from calreg.signatures import INDEX_NAMESPACE, check_signed
from calreg.signing import public_key_of

_made: list[Path] = []


@pytest.fixture
def keys(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three private keys; made once for all tests, and copied."""
    if not _made:
        _made.extend(made_keys(tmp_path_factory.mktemp("made") / "keys", 3))
    folder = tmp_path / "keys"
    shutil.copytree(_made[0].parent, folder)
    return [folder / path.name for path in _made]


@pytest.fixture
def registry(tmp_path: Path) -> Published:
    """A registry with one version of three heads, without a remote."""
    made = Published(tmp_path / "work")
    made.publish(1)
    return made


def signed(folder: Path, *keys: Path, **order) -> PublishedStable:
    done = published_by(folder, signers=[signer(key) for key in keys], **order)
    assert isinstance(done, PublishedStable)
    return done


def idle(folder: Path, *keys: Path, **order) -> NothingNew:
    done = published_by(folder, signers=[signer(key) for key in keys], **order)
    assert isinstance(done, NothingNew)
    return done


def refused(folder: Path, *keys: Path, **order) -> RegistryError:
    before = git(folder, "for-each-ref", "refs/heads")
    with pytest.raises(RegistryError) as caught:
        published_by(folder, signers=[signer(key) for key in keys], **order)
    assert git(folder, "for-each-ref", "refs/heads") == before
    return caught.value


def signers_on(folder: Path, keys: list[Path], branch: str = "stable", least: int = 1) -> set[str]:
    """Which of the keys signed the index on a branch, by the names of their files."""
    raw = (git(folder, "show", f"{branch}:index.json") + "\n").encode()
    signature = (git(folder, "show", f"{branch}:index.json.sig") + "\n").encode()
    known = {public_key_of(key): key.name for key in keys}
    found = check_signed(
        raw, signature, known, threshold=least, namespace=INDEX_NAMESPACE, where="index.json"
    )
    return {name for key, name in known.items() if key.fingerprint in found}


def replaced(registry: Published, branch: str, path: str, old: bytes, new: bytes) -> None:
    """Somebody changes a file of a branch by hand."""
    registry.git("switch", "--quiet", branch)
    raw = (registry.root / path).read_bytes()
    assert old in raw
    (registry.root / path).write_bytes(raw.replace(old, new))
    registry.commit("by hand")
    registry.git("switch", "--quiet", "main")


# --- one key ------------------------------------------------------------------------------


def test_signed(registry: Published, keys: list[Path]) -> None:
    """The index is signed over its raw bytes, and the keys are published with it."""
    trust(registry, keys[:1])

    done = signed(registry.root, keys[0])

    assert index_on(registry.root)["keys"] == 1
    assert signers_on(registry.root, keys) == {"key1"}
    assert {"index.json.sig", "keys/1.json", "keys/1.json.sig"} < set(listed(registry.root))
    assert done.prepared.signed_by == (public_key_of(keys[0]).fingerprint,)


def test_signed_twice_is_signed_once(registry: Published, keys: list[Path]) -> None:
    """A second signed call finds everything published; it does not even sign."""
    trust(registry, keys[:1])
    signed(registry.root, keys[0])

    def never(_raw: bytes) -> bytes:
        raise AssertionError("it signed")

    assert isinstance(published_by(registry.root, signers=[never]), NothingNew)
    assert seqs(registry.root) == [1]


def test_from_unsigned_to_signed(registry: Published, keys: list[Path]) -> None:
    """A registry that gets keys is published signed from then on."""
    assert isinstance(published_by(registry.root), PublishedStable)
    trust(registry, keys[:1])

    done = signed(registry.root, keys[0])

    assert (done.prepared.index.seq, done.prepared.index.keys) == (2, 1)


def test_once_signed_always_signed(registry: Published, keys: list[Path]) -> None:
    """With keys, nothing unsigned is published, and the line says whose signature is wanted."""
    trust(registry, keys[:1])

    error = refused(registry.root)

    assert error.code == "unsigned"
    assert "--sign KEY, with 1 of: SHA256:" in (error.hint or "")
    assert "(key1)" in (error.hint or "")


def test_nothing_to_check_a_signature_by(registry: Published, keys: list[Path]) -> None:
    """Without a list of keys a signature is refused: nobody could check it."""
    error = refused(registry.root, keys[0])

    assert error.code == "no-keys"
    assert "calreg keys trust" in (error.hint or "")


def test_a_key_that_is_not_listed(registry: Published, keys: list[Path]) -> None:
    """A signature by another key is refused by its fingerprint."""
    trust(registry, keys[:1])

    error = refused(registry.root, keys[1])

    assert error.code == "unknown-key"
    assert public_key_of(keys[1]).fingerprint in error.message


def test_no_key_at_all(registry: Published, keys: list[Path], tmp_path: Path) -> None:
    """A file that is no key is refused, and nothing is published."""
    trust(registry, keys[:1])
    file = tmp_path / "no-key"
    file.write_text("hello\n")
    file.chmod(0o600)

    with pytest.raises(InputError):
        published_by(registry.root, signers=[signer(file)])
    assert git(registry.root, "branch", "--list", "stable") == ""


def test_a_signature_of_other_bytes(registry: Published, keys: list[Path]) -> None:
    """What a signer hands back is checked before it is used."""
    trust(registry, keys[:1])

    with pytest.raises(RegistryError, match="wrong signature") as caught:
        published_by(registry.root, signers=[lambda _raw: signer(keys[0])(b"other bytes\n")])
    assert caught.value.code == "signature"


# --- tampering ----------------------------------------------------------------------------


def test_a_tampered_index_is_not_built_on(registry: Published, keys: list[Path]) -> None:
    """An index that its signature does not fit is refused, however valid it looks."""
    trust(registry, keys[:1])
    signed(registry.root, keys[0])
    replaced(registry, "stable", "index.json", b'"seq": 1', b'"seq": 7')

    error = refused(registry.root, keys[0])

    assert error.code == "signature"
    assert error.where == "stable:index.json"


def test_a_signature_that_was_removed(registry: Published, keys: list[Path]) -> None:
    """A signed branch without its signature is refused."""
    trust(registry, keys[:1])
    signed(registry.root, keys[0])
    registry.git("switch", "--quiet", "stable")
    registry.git("rm", "--quiet", "index.json.sig")
    registry.commit("by hand")
    registry.git("switch", "--quiet", "main")

    assert refused(registry.root, keys[0]).code == "unsigned"


def test_a_tampered_reference_is_restored(registry: Published, keys: list[Path]) -> None:
    """A reference that somebody changed on the branch is put right by the next publication."""
    trust(registry, keys[:1])
    signed(registry.root, keys[0])
    path = "essentia/effnet/mood_happy-calibration.json"
    replaced(registry, "stable", path, b"0.1", b"0.3")

    done = signed(registry.root, keys[0])

    assert done.prepared.index.seq == 2
    assert registry.git("show", f"stable:{path}") == registry.git("show", f"main:{path}")


def test_keys_that_went_away(registry: Published, keys: list[Path]) -> None:
    """A main without the list that what is published is signed by is refused."""
    trust(registry, keys[:1])
    signed(registry.root, keys[0])
    registry.git("rm", "--quiet", "-r", "keys")
    registry.commit("no keys any more")

    error = refused(registry.root)

    assert error.code == "unsigned"
    assert "keys/1.json" in (error.hint or "")


# --- rotation -----------------------------------------------------------------------------


def test_rotation(registry: Published, keys: list[Path]) -> None:
    """A new list of keys is published signed by the new ones, with both lists beside it."""
    trust(registry, keys[:1])
    signed(registry.root, keys[0])
    trust(registry, keys[1:2], signing=keys[:1])

    assert refused(registry.root, keys[0]).code == "unknown-key"
    done = signed(registry.root, keys[1])

    assert (done.prepared.index.seq, done.prepared.index.keys) == (2, 2)
    assert signers_on(registry.root, keys) == {"key2"}
    assert {"keys/1.json", "keys/2.json", "keys/2.json.sig"} < set(listed(registry.root))
    assert idle(registry.root, keys[1]).why == "current"


# --- several custodians -------------------------------------------------------------------


def test_enough_keys_at_once(registry: Published, keys: list[Path]) -> None:
    """Two of three keys in one call publish at once."""
    trust(registry, keys, threshold=2)

    done = signed(registry.root, keys[2], keys[0])

    assert (done.prepared.branch, done.prepared.missing) == ("stable", 0)
    assert signers_on(registry.root, keys, least=2) == {"key1", "key3"}


def test_too_few_wait(registry: Published, keys: list[Path]) -> None:
    """One of two signatures publishes nothing, but waits on a branch beside."""
    trust(registry, keys, threshold=2)

    done = signed(registry.root, keys[0])

    assert (done.prepared.branch, done.prepared.missing) == ("stable-pending", 1)
    assert git(registry.root, "branch", "--list", "stable") == ""
    assert signers_on(registry.root, keys, "stable-pending") == {"key1"}


def test_the_second_signature_publishes(registry: Published, keys: list[Path]) -> None:
    """Another custodian adds a signature to the very same bytes, and they are published."""
    trust(registry, keys, threshold=2)
    waiting = signed(registry.root, keys[0])

    done = signed(registry.root, keys[1], only_pending=True, now=NOW + timedelta(hours=5))

    assert (done.prepared.branch, done.prepared.missing) == ("stable", 0)
    assert done.prepared.index == waiting.prepared.index
    assert signers_on(registry.root, keys, least=2) == {"key1", "key2"}


def test_each_adds_to_what_waits(registry: Published, keys: list[Path]) -> None:
    """Three custodians of whom all must sign come one after the other, in any order."""
    trust(registry, keys, threshold=3)

    found = [
        signed(registry.root, key, now=NOW + timedelta(hours=hour))
        for hour, key in enumerate((keys[1], keys[0], keys[2]))
    ]

    assert [done.prepared.missing for done in found] == [2, 1, 0]
    assert len({done.prepared.index.digest for done in found}) == 1
    assert signers_on(registry.root, keys, least=3) == {"key1", "key2", "key3"}
    assert seqs(registry.root) == [1]


def test_waiting_twice_loses_no_signature(registry: Published, keys: list[Path]) -> None:
    """The same call again finds its publication waiting, and leaves it as it is."""
    trust(registry, keys, threshold=2)
    signed(registry.root, keys[0])

    again = idle(registry.root, keys[0], now=NOW + timedelta(hours=1))

    assert (again.why, again.missing) == ("waiting", 1)
    assert signers_on(registry.root, keys, "stable-pending") == {"key1"}


def test_nobody_signs_what_main_does_not_say(registry: Published, keys: list[Path]) -> None:
    """What waits and is not what main says is not signed, even with a valid signature on it."""
    trust(registry, keys, threshold=2)
    signed(registry.root, keys[0])
    registry.publish(2, HAPPY, p5=0.2)

    error = refused(registry.root, keys[1], only_pending=True)

    assert error.code == "nothing-pending"
    done = signed(registry.root, keys[1])
    assert (done.prepared.branch, done.prepared.missing) == ("stable-pending", 1)
    assert signers_on(registry.root, keys, "stable-pending") == {"key2"}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("index.json", b'"seq": 1', b'"seq": 9'),
        ("index.json", b"2027-01-30T12:00", b"2027-01-30T11:00"),
        ("index.json", b"2027-01-30", b"9999-01-30"),
        ("index.json.sig", b"-----BEGIN SSH SIGNATURE-----\n", b""),
    ],
    ids=["seq", "not-whole-days", "for-ever", "signature"],
)
def test_what_waits_was_tampered_with(
    registry: Published, keys: list[Path], path: str, old: bytes, new: bytes
) -> None:
    """A waiting publication that was changed never gets production's branch."""
    trust(registry, keys, threshold=2)
    signed(registry.root, keys[0])
    replaced(registry, "stable-pending", path, old, new)

    done = published_by(registry.root, signers=[signer(keys[1])])

    assert isinstance(done, PublishedStable)
    assert (done.prepared.branch, done.prepared.missing) == ("stable-pending", 1)
    assert signers_on(registry.root, keys, "stable-pending") == {"key2"}


def test_one_key_twice_is_one_key(registry: Published, keys: list[Path]) -> None:
    """A key that is given twice signs once, and its publication waits for another one."""
    trust(registry, keys, threshold=2)
    signed(registry.root, keys[1])

    done = signed(registry.root, keys[0], keys[0], renew=True, now=NOW + timedelta(days=46))

    assert (done.prepared.branch, done.prepared.missing) == ("stable-pending", 1)
    assert signers_on(registry.root, keys, "stable-pending") == {"key1"}


def test_garbage_where_publications_wait(registry: Published, keys: list[Path]) -> None:
    """Whatever somebody pushes to the branch beside is replaced by the next publication."""
    trust(registry, keys, threshold=2)
    registry.git("switch", "--quiet", "--orphan", "stable-pending")
    (registry.root / "index.json").symlink_to("/etc/passwd")
    registry.commit("garbage")
    registry.git("switch", "--quiet", "main")

    done = signed(registry.root, keys[0])

    assert done.prepared.missing == 1
    assert signers_on(registry.root, keys, "stable-pending") == {"key1"}
    listed(registry.root, "stable-pending")


def test_nothing_waits_where_one_key_is_enough(registry: Published, keys: list[Path]) -> None:
    """Without anything that waits there is nothing to add a signature to."""
    trust(registry, keys[:1])

    assert refused(registry.root, keys[0], only_pending=True).code == "nothing-pending"


def test_old_pendings_are_not_revived(registry: Published, keys: list[Path]) -> None:
    """What waited for longer than half of its life is made anew, not signed."""
    trust(registry, keys, threshold=2)
    signed(registry.root, keys[0])

    error = refused(registry.root, keys[1], only_pending=True, now=NOW + timedelta(days=46))

    assert error.code == "nothing-pending"


# --- a survey -----------------------------------------------------------------------------


def test_survey(registry: Published, keys: list[Path]) -> None:
    """A survey says who signed, what main has beyond it, and what waits."""
    trust(registry, keys, threshold=2)
    signed(registry.root, keys[0], keys[1])
    registry.publish(2, HAPPY, p5=0.2)
    signed(registry.root, keys[2])

    found = survey(Repository.find(registry.root), "", branch="stable", now=NOW, remote=False)

    assert found.state == "behind"
    assert len(found.signed_by) == 2
    assert [str(one) for one in found.lacking] == [f"{HAPPY} v1 -> v2"]
    assert found.pending is not None
    assert found.pending.signed_by == (public_key_of(keys[2]).fingerprint,)
    assert found.pending.missing == 1


def test_survey_of_what_is_tampered_with(registry: Published, keys: list[Path]) -> None:
    """A survey of a branch with a wrong signature says so, and still shows what is there."""
    trust(registry, keys[:1])
    signed(registry.root, keys[0])
    replaced(registry, "stable", "index.json", b'"seq": 1', b'"seq": 7')

    found = survey(Repository.find(registry.root), "", branch="stable", now=NOW, remote=False)

    assert found.state == "problem"
    assert found.problem is not None
    assert found.problem.code == "signature"
    assert found.stable is not None
    assert found.stable.index.seq == 7
