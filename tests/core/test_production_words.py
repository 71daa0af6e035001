"""The documents that production reads: index, keys, withdrawn versions, packed references, lock."""

import json

import pytest

from calreg import documents
from calreg.documents import (
    Entry,
    FileEntry,
    Index,
    Keys,
    Lock,
    LockEntry,
    LockSource,
    ModelEntry,
    ModelIndex,
    Packed,
    Trust,
    Withdrawal,
    Withdrawn,
    checked_bytes,
)
from calreg.errors import InputError
from calreg.names import classify, keys_path, keys_signature_path

DIGEST = "ab" * 32
COMMIT = "0123456789abcdef0123456789abcdef01234567"
KEY = "ssh-ed25519 " + "A" * 68
PRINT = "SHA256:" + "x" * 43
WITHDRAWN = Withdrawn(
    {"m/e/h": {3: Withdrawal("A <a@b.c>", "two labels swapped", "2026-01-01T00:00:00Z")}}
)
INDEX = Index(
    "reg", 7, "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", COMMIT, DIGEST, 2,
    FileEntry(DIGEST, 120), {"m/e": ModelEntry(DIGEST, 1000, 3)},
)  # fmt: skip
KEYS = Keys("reg", 2, 1, {PRINT: KEY}, DIGEST)
SOURCE = LockSource(
    "https://example.org/reg.git", "reg", COMMIT, 7, "stable", COMMIT, DIGEST,
    "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", Trust(2, 1, (KEY,)), WITHDRAWN,
)  # fmt: skip
ONE = {"digest": DIGEST, "size": 1, "heads": 1}
LOCK = Lock(
    (SOURCE, LockSource("/srv/up", "up", COMMIT)),
    ("m/*",),
    {
        "m/e/h": LockEntry(4, DIGEST, 99, "models/h.json", DIGEST),
        "u/x": LockEntry(1, DIGEST, 9, "p", None, 1),
    },
    as_of="2026-01-01",
    template="models/{head}.json",
    format="nomarr",
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "load", "value"),
    [
        ("index", documents.load_index, INDEX),
        ("model-index", documents.load_model_index, ModelIndex("m/e", {"h": Entry(3, DIGEST, 5)})),
        ("references", documents.load_packed, Packed("m/e", {"h": "{}\n"})),
        ("keys", documents.load_keys, KEYS),
        ("withdrawn", documents.load_withdrawn, WITHDRAWN),
        ("lock", documents.load_lock, LOCK),
    ],
)
def test_what_is_written_is_what_is_read(kind, load, value):
    """Each document comes back as the value it was written from."""
    raw = checked_bytes(kind, value, where="x.json")

    assert load(raw, where="x.json") == value
    assert raw == value.to_bytes()


def test_a_lock_of_the_first_version_is_still_read():
    """A folder that an older program installed has one source, read from a working branch."""
    old = {
        "schema": "calreg/lock/1.0", "source": "/srv/reg", "registry": "reg", "commit": COMMIT,
        "seq": None, "selection": [], "heads": {
            "m/e/h": {"version": 2, "digest": DIGEST, "size": 9, "path": "m/e/h-calibration.json"}
        },
    }  # fmt: skip

    lock = documents.load_lock(json.dumps(old).encode(), where="calreg.lock")

    assert lock.sources == (LockSource("/srv/reg", "reg", COMMIT, tip=COMMIT),)
    assert lock.heads["m/e/h"].origin == 0
    assert (lock.template, lock.format, lock.as_of) == (None, "calreg", None)


def changed(value, **keys):
    return {**json.loads(value.to_bytes()), **keys}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (changed(INDEX, expires="2025-01-01T00:00:00Z"), "is not after issued"),
        (changed(INDEX, models={"con/x": ONE}), "device name"),
        (changed(INDEX, seq=0), "at least 1"),
        (changed(INDEX, seq=2**62), "at most"),
        (changed(INDEX, withdrawn={"digest": "AB", "size": 1}), "at /withdrawn"),
        (changed(KEYS, threshold=2), "more than there are keys"),
        (changed(KEYS, number=1), "/previous"),
        (changed(KEYS, previous=None), "/previous"),
        (changed(KEYS, keys={}), "at /keys"),
        (changed(KEYS, keys={PRINT: "ssh-rsa AAAA"}), "at /keys"),
        (changed(LOCK, trust={"number": 1, "threshold": 2, "keys": [KEY]}), "trust/threshold"),
        (changed(LOCK, upstream=[]), "/origin"),
        (changed(WITHDRAWN, heads={"m": {}}), "at /heads"),
        (changed(WITHDRAWN, heads={"m/h": {"3": {}}}), "at /heads"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(data, problem):
    """A document that no reader could act on is refused, with the place."""
    kind = data["schema"].split("/")[1]

    with pytest.raises(InputError, match=problem):
        documents.load(kind, json.dumps(data).encode(), where="x.json")


def test_a_version_is_withdrawn_or_not():
    """A list says of each version why it is out of use, or nothing."""
    assert WITHDRAWN.of("m/e/h", 3).why == "two labels swapped"
    assert WITHDRAWN.of("m/e/h", 4) is None
    assert WITHDRAWN.of("m/e/x", 3) is None


def test_a_registry_has_a_place_for_keys_and_withdrawn_versions():
    """Lists of keys, their signatures and withdrawn versions are files of a registry."""
    assert classify("withdrawn.json").kind == "withdrawn"
    assert (classify(keys_path(3)).kind, classify(keys_path(3)).number) == ("keys", 3)
    assert classify(keys_signature_path(12)).kind == "keys-signature"
    assert classify("keys/0.json") is None
