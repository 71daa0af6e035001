"""What is published: one tree from one state, one number after the other."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing_by_hand import public, signed

from calreg.documents import (
    Withdrawal,
    Withdrawn,
    checked_bytes,
    digest_of,
    load_index,
    load_model_index,
)
from calreg.errors import InputError, RegistryError
from calreg.names import HeadName
from calreg.plan.keys import SignedKeys, next_keys, plan_keys
from calreg.plan.publication import (
    Before,
    Content,
    Publication,
    Served,
    content_of,
    plan_publication,
)
from calreg.signatures import KEYS_NAMESPACE

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MAIN = "a" * 40
HAPPY = HeadName("essentia/effnet", "mood_happy")
RELAXED = HeadName("essentia/effnet", "mood_relaxed")
TIMBRE = HeadName("essentia/musicnn", "timbre")
NONE = Withdrawn({})


def served(version: int, text: str = "") -> Served:
    return Served(version, f"{version} {text}\n".encode())


def content(references=None, *, withdrawn=NONE, keys=(), registry="nom-cal") -> Content:
    if references is None:
        references = {HAPPY: served(1), RELAXED: served(2), TIMBRE: served(1)}
    raw = checked_bytes("withdrawn", withdrawn, where="w") if withdrawn.heads else None
    return content_of(registry, references, withdrawn=raw, withdrawn_versions=withdrawn, keys=keys)


def first(held: Content | None = None, *, days: int = 90) -> Publication:
    return then(None, held, days=days)


def then(before, held=None, *, now=NOW, days=90, commit=MAIN, anew=False) -> Publication:
    found = maybe(before, held, now=now, days=days, commit=commit, anew=anew)
    assert found is not None
    return found


def maybe(before, held=None, *, now=NOW, days=90, commit=MAIN, anew=False) -> Publication | None:
    return plan_publication(
        held or content(), before, commit=commit, now=now, expires_days=days, anew=anew
    )


def after(made: Publication, held: Content | None = None) -> Before:
    return Before(made.index, made.raw, (held or content()).heads)


def withdrawn(head: HeadName, version: int) -> Withdrawn:
    why = Withdrawal("Ada <ada@example.org>", "wrong scores", "2026-10-02T00:00:00Z")
    return Withdrawn({head.full: {version: why}})


def keys(before: SignedKeys | None = None, *, number: int = 1) -> SignedKeys:
    raw = checked_bytes(
        "keys", next_keys("nom-cal", before, [public(number)], None), where="keys.json"
    )
    signing = (number,) if before is None else (1, number)
    made = plan_keys(
        before, raw, signed(raw, *signing, namespace=KEYS_NAMESPACE), timestamp="2026-01-01T00:00Z"
    )
    return made.after


# --- the tree -----------------------------------------------------------------------------


def test_the_tree_is_whole():
    """The first publication holds the index, an index per model, and every reference's bytes."""
    made = first()

    assert set(made.files) == {
        "index.json",
        "essentia/effnet/index.json",
        "essentia/effnet/mood_happy-calibration.json",
        "essentia/effnet/mood_relaxed-calibration.json",
        "essentia/musicnn/index.json",
        "essentia/musicnn/timbre-calibration.json",
    }
    assert made.files[HAPPY.reference_path] == served(1).raw
    assert made.files["index.json"] == made.raw


def test_both_levels_of_the_index_vouch_for_the_bytes():
    """The index names each model's index by digest and size, and that one each reference."""
    made = first()
    index = load_index(made.raw, where="index.json")

    for model, entry in index.models.items():
        raw = made.files[f"{model}/index.json"]
        assert (entry.digest, entry.size) == (digest_of(raw), len(raw))
        heads = load_model_index(raw, where=model).heads
        assert entry.heads == len(heads)
        for head, reference in heads.items():
            document = made.files[HeadName(model, head).reference_path]
            assert (reference.digest, reference.size) == (digest_of(document), len(document))
    assert index.models["essentia/effnet"].heads == 2


def test_the_first_says_that_nothing_was_before():
    """The first publication is number 1, follows nothing, and expires after its days."""
    index = first(days=30).index

    assert (index.seq, index.previous, index.keys, index.withdrawn) == (1, None, None, None)
    assert (index.registry, index.commit) == ("nom-cal", MAIN)
    assert index.issued == "2026-11-01T12:00:00.000Z"
    assert index.expires == "2026-12-01T12:00:00.000Z"


def test_the_next_names_the_one_before():
    """Each publication counts one more and names the digest of the index before."""
    one = first()

    two = then(after(one), content({HAPPY: served(4)}), commit="b" * 40)

    assert (two.index.seq, two.index.previous) == (2, digest_of(one.raw))
    assert two.index.commit == "b" * 40


@given(seed=st.integers(0, 2**16))
def test_the_order_of_the_state_does_not_matter(seed):
    """The same references in any order give the same files, byte for byte."""
    pairs = [(HAPPY, served(1)), (RELAXED, served(2)), (TIMBRE, served(1))]
    mixed = random.Random(seed).sample(pairs, k=3)

    assert first(content(dict(mixed))).files == first(content(dict(pairs))).files


# --- nothing new --------------------------------------------------------------------------


def test_the_same_is_not_published_again():
    """What is published already is not published again, whichever commit says it."""
    one = first()

    assert maybe(after(one), now=NOW + timedelta(days=44)) is None
    assert maybe(after(one), now=NOW + timedelta(days=44), commit="b" * 40) is None


def test_past_half_of_its_life_it_is_renewed():
    """From the middle of its life on, the same is published again for a later expiry."""
    one = first()

    two = then(after(one), now=NOW + timedelta(days=45))

    assert two.index.seq == 2
    assert two.index.expires == "2027-03-16T12:00:00.000Z"
    assert {path: raw for path, raw in two.files.items() if path != "index.json"} == {
        path: raw for path, raw in one.files.items() if path != "index.json"
    }


def test_anew_publishes_the_same():
    """Whoever asks for it gets the same published again."""
    assert then(after(first()), anew=True).index.seq == 2


@pytest.mark.parametrize(
    "other",
    [
        content({HAPPY: served(2), RELAXED: served(2), TIMBRE: served(1)}),
        content({HAPPY: served(1, "other"), RELAXED: served(2), TIMBRE: served(1)}),
        content({HAPPY: served(1), RELAXED: served(2)}),
        content(withdrawn=withdrawn(HAPPY, 9)),
        content(keys=[keys()]),
    ],
    ids=["version", "bytes", "head-gone", "withdrawn", "keys"],
)
def test_any_change_is_published(other):
    """A reference, a withdrawn version, a list of keys: each is a reason to publish."""
    assert then(after(first()), other).index.seq == 2


# --- what else is in it -------------------------------------------------------------------


def test_withdrawn_versions_and_keys_are_in_the_tree():
    """The list of withdrawn versions is named by digest, the keys by their number."""
    one = keys()
    two = keys(one, number=2)
    held = content(withdrawn=withdrawn(HAPPY, 9), keys=[one, two])
    made = first(held)

    raw = made.files["withdrawn.json"]
    assert made.index.withdrawn is not None
    assert (made.index.withdrawn.digest, made.index.withdrawn.size) == (digest_of(raw), len(raw))
    assert made.index.keys == 2
    assert made.files["keys/1.json"] == one.raw
    assert made.files["keys/2.json.sig"] == two.signature


def test_the_message_says_what_moved():
    """A commit's message lists what moved, and ends in trailers for programs."""
    before = after(first())
    made = then(before, content({HAPPY: served(3), TIMBRE: served(1)}), commit="b" * 40)

    assert made.message == (
        "Publication 2: 2 references, 2 moved\n\n"
        "moved essentia/effnet/mood_happy v1 -> v3\n"
        "moved essentia/effnet/mood_relaxed v2 -> none\n"
        "expires 2027-01-30T12:00:00.000Z\n\n"
        "Calreg-Seq: 2\n"
        f"Calreg-Commit: {'b' * 40}\n"
        f"Calreg-Index: sha256:{digest_of(made.raw)}\n"
    )


def test_a_long_message_is_cut():
    """Of very many moved heads the first fifty are listed, and the rest counted."""
    many = {HeadName("m", f"h{n:04d}"): served(1) for n in range(1_000)}

    message = first(content(many)).message

    assert message.count("moved m/h") == 50
    assert "\nand 950 more\n" in message


# --- refusals -----------------------------------------------------------------------------


def test_a_withdrawn_version_is_never_published():
    """A reference that holds a withdrawn version is refused, with who, when and why."""
    with pytest.raises(RegistryError, match="mood_happy v1 was withdrawn on 2026-10-02") as caught:
        content(withdrawn=withdrawn(HAPPY, 1))
    assert caught.value.code == "withdrawn"
    assert "wrong scores" in caught.value.message
    assert "calreg rollback essentia/effnet/mood_happy" in (caught.value.hint or "")


def test_nothing_to_publish():
    """A registry without references has nothing to publish."""
    with pytest.raises(InputError, match="no references yet"):
        content({})


def test_another_registry_is_not_published_over():
    """What is published of one registry is not followed by another's."""
    with pytest.raises(RegistryError, match="of 'other', not of 'nom-cal'"):
        then(after(first(content(registry="other"))))


def test_once_signed_always_signed():
    """Keys that sign what is published cannot go away."""
    with pytest.raises(RegistryError, match="signed by list 1") as caught:
        then(after(first(content(keys=[keys()]))))
    assert caught.value.code == "unsigned"


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_days_out_of_range(days):
    """A publication that never was valid, or always is, is refused."""
    with pytest.raises(InputError, match="1 to 3650 days"):
        first(days=days)


def test_clocks_that_differ_a_little():
    """A clock that is a little behind does not date a publication before the one it follows."""
    made = then(after(first()), content({HAPPY: served(4)}), now=NOW - timedelta(hours=3))

    assert made.index.issued == "2026-11-01T12:00:00.000Z"


def test_a_clock_that_is_wrong():
    """A clock that is days behind the publication before is refused."""
    with pytest.raises(InputError, match=r"it is 2026-10-22T12:00:00\.000Z here") as caught:
        then(after(first()), content({HAPPY: served(4)}), now=NOW - timedelta(days=10))
    assert caught.value.code == "clock"


def test_a_head_that_the_index_does_not_list_counts_as_new():
    """What the index before does not vouch for is taken as not published."""
    before = replace(after(first()), heads={})

    assert [str(one) for one in then(before, content({HAPPY: served(3)})).moved] == [
        "essentia/effnet/mood_happy none -> v3"
    ]
