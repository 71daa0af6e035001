"""Which index is believed: laws over signatures, lists of keys, numbers and dates."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signing_by_hand import public, signed

from calreg.client.deadline import Deadline
from calreg.client.trust import (
    age_of,
    all_withdrawn,
    check_fresh,
    check_listed,
    freshness,
    load_withdrawn_list,
    model_heads,
    verified,
)
from calreg.client.views import Asking
from calreg.documents import (
    Entry,
    FileEntry,
    Index,
    Keys,
    LockSource,
    ModelEntry,
    ModelIndex,
    Withdrawal,
    Withdrawn,
    digest_of,
)
from calreg.errors import CalregError, DigestMismatchError, InputError, RegistryError
from calreg.signatures import KEYS_NAMESPACE

NOW = datetime(2026, 6, 1, tzinfo=UTC)
INDEX = Index(
    registry="nom-cal",
    seq=5,
    issued="2026-05-01T00:00:00Z",
    expires="2026-08-01T00:00:00Z",
    commit="c" * 40,
    previous="d" * 64,
    keys=None,
    withdrawn=None,
    models={"essentia/effnet": ModelEntry("e" * 64, 300, 2)},
)


def asking(known: LockSource | None = None, keys=(), threshold: int = 1) -> Asking:
    return Asking(
        deadline=Deadline(60.0),
        max_bytes=2**20,
        cache=Path("nowhere"),
        now=NOW,
        known=known,
        keys=tuple(keys),
        threshold=threshold,
    )


def believed(
    raw: bytes,
    signature: bytes | None = None,
    lists=None,
    known: LockSource | None = None,
    keys=(),
    threshold: int = 1,
) -> LockSource:
    """What a lock records after looking at an index."""
    _, origin = verified(
        raw,
        signature,
        (lists or {}).get,
        asking(known, keys, threshold),
        source="https://example.org/nom-cal",
        read="stable",
        tip="f" * 40,
    )
    return origin


def refused(*arguments, **options) -> str:
    """The code with which an index is refused."""
    with pytest.raises(RegistryError) as caught:
        believed(*arguments, **options)
    return caught.value.code


def key_lists(*steps: tuple[tuple[int, ...], int], by: str = "both") -> dict:
    """Lists of keys by number: each step has keys and a threshold, signed as it must be."""
    found: dict[int, tuple[bytes, bytes]] = {}
    before: tuple[int, ...] = ()
    previous = None
    for number, (keys, threshold) in enumerate(steps, start=1):
        lines = {public(key).fingerprint: public(key).line for key in keys}
        raw = Keys("nom-cal", number, threshold, lines, previous).to_bytes()
        signing = {"both": {*before, *keys}, "new": {*keys}, "old": {*(before or keys)}}[by]
        found[number] = (raw, signed(raw, *sorted(signing), namespace=KEYS_NAMESPACE))
        before, previous = keys, digest_of(raw)
    return found


def index_bytes(**changes) -> bytes:
    return replace(INDEX, **changes).to_bytes()


# First contact


def test_an_unsigned_registry_is_believed_at_first():
    """Where no key is known and none is named, an index stands for itself."""
    origin = believed(index_bytes())

    assert (origin.seq, origin.trust, origin.index) == (5, None, digest_of(index_bytes()))


@given(
    steps=st.lists(
        st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True), min_size=1, max_size=4
    ),
    data=st.data(),
)
@settings(max_examples=25, deadline=None)
def test_first_contact_pins_the_list_that_is_named(steps, data):
    """Whatever the lists of keys were, the one that the index names is pinned if enough sign."""
    chain = [
        (tuple(keys), data.draw(st.integers(1, len(keys)), label="threshold")) for keys in steps
    ]
    lists = key_lists(*chain)
    keys, threshold = chain[-1]
    raw = index_bytes(keys=len(chain))

    origin = believed(raw, signed(raw, *keys[:threshold]), lists)

    assert (origin.trust.number, origin.trust.threshold) == (len(chain), threshold)
    assert set(origin.trust.keys) == {public(key).line for key in keys}
    if threshold > 1:
        assert refused(raw, signed(raw, *keys[: threshold - 1]), lists) == "signature"


def test_first_contact_needs_the_signature_that_is_named():
    """An index that names a list of keys and has no signature is not believed."""
    assert refused(index_bytes(keys=1), None, key_lists(((1,), 1))) == "unsigned"


def test_first_contact_needs_every_list():
    """A list of keys that is missing on the way refuses the index."""
    lists = key_lists(((1,), 1), ((2,), 1), ((3,), 1))
    del lists[2]
    raw = index_bytes(keys=3)

    assert refused(raw, signed(raw, 3), lists) == "signature"


@pytest.mark.parametrize("by", ["new", "old"])
def test_a_list_is_signed_by_both(by):
    """A list of keys that only its own, or only the old keys signed is not followed."""
    raw = index_bytes(keys=2)

    assert refused(raw, signed(raw, 2), key_lists(((1,), 1), ((2,), 1), by=by)) == "signature"


def test_a_list_names_the_one_before():
    """Lists of two chains do not make a third one."""
    first = key_lists(((1,), 1), ((2,), 1), ((3,), 1))
    other = key_lists(((1, 4), 1), ((2,), 1), ((3,), 1))
    raw = index_bytes(keys=3)

    assert refused(raw, signed(raw, 3), {1: other[1], 2: first[2], 3: first[3]}) == "signature"


def test_a_list_of_another_registry():
    """Keys of another registry are no keys of this one."""
    lists = key_lists(((1,), 1))
    raw = index_bytes(keys=1, registry="other-cal")

    assert refused(raw, signed(raw, 1), lists) == "signature"


def test_a_fingerprint_must_be_its_keys():
    """A list whose key is under another key's fingerprint is refused."""
    listed = Keys("nom-cal", 1, 1, {public(2).fingerprint: public(1).line}, None).to_bytes()
    lists = {1: (listed, signed(listed, 1, namespace=KEYS_NAMESPACE))}
    raw = index_bytes(keys=1)

    with pytest.raises(InputError, match="is not the fingerprint of its key"):
        believed(raw, signed(raw, 1), lists)


# Known keys

KNOWN = believed(index_bytes(keys=1), signed(index_bytes(keys=1), 1), key_lists(((1,), 1)))


def following(**changes) -> bytes:
    return index_bytes(**{"seq": 6, "previous": KNOWN.index, "keys": 1, **changes})


def test_a_known_key_goes_on():
    """The next index by the same key is believed; no list of keys is needed for it."""
    raw = following()

    assert believed(raw, signed(raw, 1), known=KNOWN).seq == 6


def test_unsigned_bytes_are_not_even_parsed():
    """Where a key is known, bytes without its signature are refused before anyone parses them."""
    assert refused(b"\x00 not json", None, known=KNOWN) == "unsigned"
    assert refused(b"\x00 not json", signed(b"else", 1), known=KNOWN) == "signature"


def test_a_signature_for_lists_of_keys_is_none_for_an_index():
    """What was signed as a list of keys is no index."""
    raw = following()

    assert refused(raw, signed(raw, 1, namespace=KEYS_NAMESPACE), known=KNOWN) == "signature"


@given(st.lists(st.integers(2, 9), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_rotation_is_followed_to_its_end(later):
    """From a pinned list any number of newer ones is followed, each by the one before."""
    chain = [((1,), 1), *(((key,), 1) for key in later)]
    raw = following(keys=len(chain))

    origin = believed(raw, signed(raw, later[-1]), key_lists(*chain), known=KNOWN)

    assert origin.trust.number == len(chain)
    assert origin.trust.keys == (public(later[-1]).line,)


def test_rotation_needs_the_pinned_keys():
    """A chain of lists that does not come from the pinned one is not followed."""
    raw = following(keys=2)

    assert refused(raw, signed(raw, 3), key_lists(((2,), 1), ((3,), 1)), known=KNOWN) == "signature"


def test_an_index_of_a_newer_list_by_old_keys_only():
    """Once an index names a newer list, that list's keys must have signed it."""
    lists = key_lists(((1,), 1), ((2,), 1))
    raw = following(keys=2)

    assert refused(raw, signed(raw, 1), lists, known=KNOWN) == "signature"
    assert believed(raw, signed(raw, 1, 2), lists, known=KNOWN).trust.number == 2


@pytest.mark.parametrize("named", [None, 1])
def test_the_list_never_falls(named):
    """An index that names an older list than the one in force, or none, is refused."""
    lists = key_lists(((1,), 1), ((1, 2), 1))
    raw = following(keys=2)
    known = believed(raw, signed(raw, 1), lists, known=KNOWN)
    later = index_bytes(seq=7, previous=known.index, keys=named)

    assert refused(later, signed(later, 1), lists, known=known) == "rewound"


def test_given_keys_count_alone():
    """Keys that a person gives must have signed, whatever list the index names."""
    raw = index_bytes(keys=1)
    lists = key_lists(((1,), 1))

    assert refused(raw, signed(raw, 1), lists, keys=[public(2)]) == "signature"
    assert refused(raw, signed(raw, 2), lists, keys=[public(2), public(3)], threshold=2) == (
        "signature"
    )
    origin = believed(raw, signed(raw, 2, 3), lists, keys=[public(2), public(3)], threshold=2)
    assert (origin.trust.number, origin.trust.threshold) == (None, 2)
    again = index_bytes(keys=1, seq=6, previous=origin.index)
    assert refused(again, signed(again, 2), lists, known=origin) == "signature"
    assert believed(again, signed(again, 2, 3), lists, known=origin).seq == 6


# Flipped bytes


@pytest.mark.parametrize("what", ["index", "signature", "keys", "keys-signature"])
def test_every_flipped_byte_is_found(what):
    """No byte of an index, a signature or a list of keys can be another one."""
    raw = index_bytes(keys=2)
    lists = key_lists(((1,), 1), ((2,), 1))
    parts = {
        "index": raw,
        "signature": signed(raw, 2),
        "keys": lists[2][0],
        "keys-signature": lists[2][1],
    }

    for place in range(len(parts[what])):
        altered = {**parts, what: flipped(parts[what], place)}
        with pytest.raises((RegistryError, InputError)):
            believed(
                altered["index"],
                altered["signature"],
                {1: lists[1], 2: (altered["keys"], altered["keys-signature"])},
                known=KNOWN,
            )


def test_every_flipped_byte_of_a_reference_is_found():
    """No byte of what an index lists can be another one, nor one more or less."""
    raw = bytes(range(256))
    listed = {"digest": digest_of(raw), "size": len(raw), "where": "x"}

    check_listed(raw, **listed)
    for place in range(len(raw)):
        with pytest.raises(DigestMismatchError):
            check_listed(flipped(raw, place), **listed)
    for other in (raw[:-1], raw + b"\n", b""):
        with pytest.raises(DigestMismatchError):
            check_listed(other, **listed)


def flipped(raw: bytes, place: int) -> bytes:
    altered = bytearray(raw)
    altered[place] ^= 1 << (place % 7)
    return bytes(altered)


# What it follows


@given(known=st.integers(1, 2**50), seq=st.integers(1, 2**50))
@settings(max_examples=200)
def test_numbers_only_rise(known, seq):
    """An index is believed exactly if its number does not fall, jump or stand for two."""
    before = replace(believed(index_bytes()), seq=known, index="a" * 64)
    raw = index_bytes(seq=seq, previous="a" * 64)

    if known < seq <= known + 10**6:
        assert believed(raw, known=before).seq == seq
    else:
        expected = "rewound" if seq < known else "seq-jump" if seq > known else "equivocation"
        assert refused(raw, known=before) == expected


def test_the_same_index_again():
    """The index that is known is believed again."""
    known = believed(index_bytes())

    assert believed(index_bytes(), known=known) == known


def test_rewound_says_both_numbers():
    """Who is told of a rewound registry is told both numbers."""
    with pytest.raises(RegistryError, match="index 9 was seen here, the source has 5"):
        believed(index_bytes(), known=replace(believed(index_bytes()), seq=9))


@given(jump=st.integers(10**6 + 2, 2**52))
@settings(max_examples=20, deadline=None)
def test_a_rotation_forgives_a_jump(jump):
    """Who holds the keys can put an end to a number that was set too high."""
    lists = key_lists(((1,), 1), ((2,), 1))
    raw = following(keys=2, seq=jump)

    assert believed(raw, signed(raw, 2), lists, known=replace(KNOWN, seq=1)).seq == jump
    same = following(keys=1, seq=jump)
    assert refused(same, signed(same, 1), lists, known=replace(KNOWN, seq=1)) == "seq-jump"


@pytest.mark.parametrize("seq", [2**53, 2**62, 2**63])
def test_numbers_have_an_end(seq):
    """A number that JSON readers cannot agree on is no number."""
    with pytest.raises(InputError, match="expected at most"):
        believed(index_bytes(seq=seq))


def test_another_registry():
    """Another registry's index is refused, whoever signed it."""
    raw = following(registry="other-cal")

    assert refused(raw, signed(raw, 1), known=KNOWN) == "another-registry"


def test_from_a_working_branch_anything_follows():
    """A folder that was filled from a working branch has no index to compare with."""
    known = LockSource("https://example.org/nom-cal", "nom-cal", "c" * 40)

    assert believed(index_bytes(), known=known).seq == 5


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"<!doctype html>", "is not JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"{}", "has no 'schema'"),
        (b'{"schema": "calreg/lock/1.1"}', "expected a index document"),
        (b"", "is not JSON"),
    ],
)
def test_what_is_no_index(raw, words):
    """Bytes that are no index are refused with what they are."""
    with pytest.raises(InputError, match=words):
        believed(raw)


def test_sizes_have_an_end():
    """An index or a signature beyond its size is refused unread."""
    assert refused(b" " * (16 * 2**20 + 1)) == "too-large"
    assert refused(following(), b"x" * (64 * 2**10 + 1), known=KNOWN) == "too-large"
    huge = {1: (b"x" * (64 * 2**10 + 1), b"")}
    assert refused(index_bytes(keys=1), b"", huge) == "too-large"


# How old it is


@given(minutes=st.integers(-10_000, 200_000))
def test_expiry_has_one_moment(minutes):
    """An index is past its time exactly from five minutes after it on."""
    now = datetime.fromisoformat(INDEX.expires) + timedelta(minutes=minutes)
    if minutes <= 5:
        check_fresh(KNOWN, now)
    else:
        with pytest.raises(RegistryError, match="expired on 2026-08-01"):
            check_fresh(KNOWN, now)
        assert len(freshness(KNOWN, now)) == 1


def test_the_age_is_said():
    """An index past its time says how old it is."""
    now = datetime.fromisoformat(INDEX.issued) + timedelta(days=120)

    with pytest.raises(RegistryError, match="it is 120 days old"):
        check_fresh(KNOWN, now)
    assert age_of(KNOWN, now) == 120 * 86400
    assert age_of(LockSource("x", "nom-cal", "c" * 40), now) is None


def test_a_clock_far_behind_is_said():
    """An index from more than a day in the future is said, not refused."""
    now = datetime.fromisoformat(INDEX.issued)

    assert freshness(KNOWN, now - timedelta(hours=23)) == []
    assert "in the future" in freshness(KNOWN, now - timedelta(hours=25))[0]
    assert age_of(KNOWN, now - timedelta(days=2)) == 0.0


# What it lists

LISTED = Withdrawn({"essentia/effnet/x": {1: Withdrawal("Ada", "wrong", "2026-05-01T00:00:00Z")}})


def test_the_list_of_withdrawn_versions_is_bound_to_the_index():
    """A list of withdrawn versions that is missing or another one is refused."""
    raw = LISTED.to_bytes()
    index = replace(INDEX, withdrawn=FileEntry(digest_of(raw), len(raw)))

    assert load_withdrawn_list(raw, index) == LISTED
    assert load_withdrawn_list(None, INDEX) == Withdrawn({})
    for other in (None, raw + b"\n", Withdrawn({}).to_bytes()):
        with pytest.raises(CalregError) as caught:
            load_withdrawn_list(other, index)
        assert caught.value.exit_code == 4


@given(
    *(
        st.dictionaries(st.sampled_from(["a/x", "a/y"]), st.sets(st.integers(1, 5), min_size=1))
        for _ in range(2)
    )
)
def test_withdrawn_versions_only_grow(before, now):
    """What was withdrawn once stays withdrawn."""
    known, listed = (
        Withdrawn({h: {v: Withdrawal("a", "b", "c") for v in vs} for h, vs in which.items()})
        for which in (before, now)
    )
    found = all_withdrawn(replace(KNOWN, withdrawn=known), listed)

    assert {(h, v) for h, vs in found.heads.items() for v in vs} == {
        (h, v) for which in (before, now) for h, vs in which.items() for v in vs
    }
    assert all_withdrawn(None, listed) == listed


def test_a_models_index_is_bound_to_the_index():
    """A model's index that is missing, altered or another model's is refused."""
    listed = ModelIndex("a/b", {"x": Entry(3, "e" * 64, 10)})
    raw = listed.to_bytes()
    announced = ModelEntry(digest_of(raw), len(raw), 1)

    assert model_heads(raw, announced, "a/b", where="x") == {"a/b/x": Entry(3, "e" * 64, 10)}
    with pytest.raises(InputError, match="expected the index of a/c, got that of a/b"):
        model_heads(raw, announced, "a/c", where="x")
    for other in (None, raw + b"\n"):
        with pytest.raises(RegistryError):
            model_heads(other, announced, "a/b", where="x")
