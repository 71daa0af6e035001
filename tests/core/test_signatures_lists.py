"""Lists of keys: which may follow which, and who must have signed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing_by_hand import public, signed

from calreg.documents import Pins, checked_bytes, digest_of, load_settings
from calreg.errors import CalregError, InputError, RegistryError
from calreg.names import keys_path, keys_signature_path
from calreg.plan import RegistryState
from calreg.plan.keys import (
    SignedKeys,
    check_newest,
    check_signers,
    checked_lists,
    next_keys,
    plan_keys,
)
from calreg.signatures import INDEX_NAMESPACE, KEYS_NAMESPACE, PublicKey

NOW = "2026-01-02T03:04:05Z"


def raw_of(keys) -> bytes:
    return checked_bytes("keys", keys, where="keys.json")


def plan(before, numbers, threshold, signing, namespace=KEYS_NAMESPACE):
    """The plan of a list of some keys, signed by some."""
    keys = next_keys("nom-cal", before, [public(number) for number in numbers], threshold)
    raw = raw_of(keys)
    signature = signed(raw, *signing, namespace=namespace)
    return plan_keys(before, raw, signature, timestamp=NOW)


def first(numbers=(1, 2, 3), threshold=2, signing=(1, 2)) -> SignedKeys:
    return plan(None, numbers, threshold, signing).after


def files_of(*lists: SignedKeys) -> dict[str, bytes]:
    found = {}
    for each in lists:
        found[each.path] = each.raw
        found[keys_signature_path(each.keys.number)] = each.signature
    return found


def state(highest_keys: int) -> RegistryState:
    settings = load_settings(b"schema: calreg/registry/1.0\nname: nom-cal\n", where="registry.yaml")
    return RegistryState(settings, 0, 0, {}, Pins({}), highest_keys=highest_keys)


def test_a_first_list_is_signed_by_its_own_keys():
    """The first list names its keys, its threshold and nothing before it."""
    made = plan(None, (2, 1), 1, (1,))

    assert made.after.keys.number == 1
    assert made.after.keys.previous is None
    assert set(made.files) == {"keys/1.json", "keys/1.json.sig"}
    assert made.files["keys/1.json"] == made.after.raw
    assert set(made.added) == {public(1), public(2)}
    assert made.removed == ()
    assert (made.heads, made.timestamp) == ((), NOW)
    assert made.after.signed_by == {public(1).fingerprint}


def test_a_list_follows_the_one_before():
    """A new list says what it follows, who came and who went."""
    before = first()
    made = plan(before, (2, 3, 4), 2, (2, 3))

    assert made.after.keys.number == 2
    assert made.after.keys.previous == digest_of(before.raw)
    assert (made.added, made.removed) == ((public(4),), (public(1),))
    assert made.message.startswith("Trust 3 keys, 2 must sign\n")
    assert f"added {public(4)}" in made.message
    assert f"removed {public(1)}" in made.message


@pytest.mark.parametrize(
    ("signing", "missing_list"),
    [((3, 4), "keys/2.json"), ((1, 4), "keys/2.json"), ((1, 2), "keys/2.json")],
)
def test_a_list_needs_both_lists(signing, missing_list):
    """Enough of the old keys and enough of the new ones: either alone is refused."""
    with pytest.raises(RegistryError) as refused:
        plan(first(), (3, 4, 5), 2, signing)

    assert refused.value.code == "signature"
    assert refused.value.where == missing_list


def test_one_key_can_count_for_both_lists():
    """A key that is in both lists signs once for both."""
    assert plan(first(), (1, 2), 2, (1, 2)).after.keys.number == 2


def test_a_signature_of_an_index_signs_no_list():
    """A list that was signed as if it were an index is refused."""
    with pytest.raises(RegistryError, match="made for 'calreg-index@v1'"):
        plan(None, (1,), 1, (1,), namespace=INDEX_NAMESPACE)


def test_who_is_missing_is_said_before_anybody_signs():
    """Too few signers of either list are refused with the names of those that could sign."""
    before = first()
    keys = next_keys("nom-cal", before, [public(3), public(4)], 2)

    check_signers(before, keys, [public(1), public(3), public(4)])
    with pytest.raises(RegistryError) as refused:
        check_signers(before, keys, [public(3), public(4)])
    assert refused.value.message == (
        f"2 of the 3 keys of keys/1.json must sign, 1 would; 1 more of {names(before, 3)}"
    )
    with pytest.raises(RegistryError) as refused:
        check_signers(before, keys, [public(1), public(3)])
    assert refused.value.message == (
        f"2 of the 2 keys of keys/2.json must sign, 1 would; 1 more: {public(4)}"
    )


def names(list_: SignedKeys, *but: int) -> str:
    left = [public(number) for number in but]
    return ", ".join(str(key) for key in list_.public if key not in left)


def test_a_signer_of_neither_list_is_refused():
    """A signature that would count for nothing is refused before it is made."""
    keys = next_keys("nom-cal", first(), [public(1), public(2)], 1)

    with pytest.raises(InputError) as refused:
        check_signers(first(), keys, [public(1), public(2), public(9)])
    assert refused.value.message == (
        f"{public(9)} is not in keys/1.json nor in keys/2.json: its signature would not count"
    )


@pytest.mark.parametrize("threshold", [-1, 0, 3])
def test_a_threshold_must_be_reachable(threshold):
    """More signatures than keys, or none, is no rule."""
    with pytest.raises(InputError) as refused:
        next_keys("nom-cal", None, [public(1), public(2)], threshold)

    assert refused.value.message == f"{threshold} of 2 keys cannot sign"
    assert refused.value.hint == "--threshold K, from 1 to 2."


def test_a_threshold_stays_as_it_was():
    """Without a threshold the list before says it, as long as there are enough keys."""
    assert next_keys("nom-cal", first(), [public(1), public(2)], None).threshold == 2

    with pytest.raises(InputError, match="2 of 1 keys cannot sign, as in the list before"):
        next_keys("nom-cal", first(), [public(1)], None)


def test_a_first_threshold_is_asked_for():
    """Nobody guesses how many of several keys must sign; one key is one key."""
    assert next_keys("nom-cal", None, [public(1)], None).threshold == 1

    with pytest.raises(InputError) as refused:
        next_keys("nom-cal", None, [public(1), public(2), public(3)], None)
    assert refused.value.message == "how many of the 3 keys must sign?"
    assert refused.value.hint == "--threshold 2, for a majority; --threshold 1, for any of them."


def test_a_key_stands_in_a_list_once():
    """The same key under two comments would count twice, and is refused."""
    again = PublicKey(public(1).raw, "another name")

    with pytest.raises(InputError, match="is given 2 times"):
        next_keys("nom-cal", None, [public(1), public(2), again], 2)


@pytest.mark.parametrize("count", [0, 65])
def test_a_list_has_1_to_64_keys(count):
    """No keys, or more than a list may have, are refused."""
    with pytest.raises(InputError, match=f"expected 1 to 64 keys, got {count}"):
        next_keys("nom-cal", None, [public(number) for number in range(count)], 1)


def test_a_list_without_a_change_is_refused():
    """The same keys and threshold are no new list; another threshold or comment is."""
    before = first()
    same = [public(3), public(1), public(2)]

    with pytest.raises(RegistryError) as refused:
        next_keys("nom-cal", before, same, 2)
    assert refused.value.code == "no-change"
    assert next_keys("nom-cal", before, same, 3).number == 2
    renamed = [PublicKey(public(1).raw, "renamed"), public(2), public(3)]
    assert next_keys("nom-cal", before, renamed, 2).number == 2


def test_what_was_signed_must_still_be_the_next():
    """A list that somebody else's came before is refused: what was signed cannot change."""
    made = plan(first(), (1, 2), 2, (1, 2))

    check_newest(state(1), made)
    with pytest.raises(RegistryError) as refused:
        check_newest(state(2), made)
    assert refused.value.code == "keys-moved"
    assert refused.value.message == "the newest list is keys/2.json by now, not keys/1.json"


def three_lists() -> list[SignedKeys]:
    one = first()
    two = plan(one, (2, 3, 4), 2, (2, 3)).after
    return [one, two, plan(two, (4, 5), 1, (3, 4)).after]


def test_a_chain_of_lists_is_followed():
    """Each list is checked against the one before, from the first to the newest."""
    lists = three_lists()

    assert checked_lists("nom-cal", files_of(*lists)) == tuple(lists)
    assert checked_lists("nom-cal", {}) == ()


def broken(lists, number, raw=None, signature=None) -> dict[str, bytes]:
    files = files_of(*lists)
    if raw is not None:
        files[keys_path(number)] = raw
    if signature is not None:
        files[keys_signature_path(number)] = signature
    return files


def refusal(files) -> CalregError:
    with pytest.raises(CalregError) as refused:
        checked_lists("nom-cal", files, where="reg/")
    return refused.value


def test_every_altered_byte_of_a_list_is_seen():
    """A chain in which one byte of any list is another one is refused."""
    lists = three_lists()
    for each in lists:
        for place in range(0, len(each.raw), 3):
            altered = bytearray(each.raw)
            altered[place] ^= 1 << place % 8

            assert refusal(broken(lists, each.keys.number, raw=bytes(altered)))


def test_a_missing_signature_is_unsigned():
    """A list without its file of signatures is refused as unsigned."""
    for number in (1, 2, 3):
        files = files_of(*three_lists())
        del files[keys_signature_path(number)]

        error = refusal(files)
        assert (error.code, error.where) == ("unsigned", f"reg/keys/{number}.json")


def test_a_missing_list_is_said():
    """A gap in the numbers is refused with the file that is missing."""
    files = files_of(*three_lists())
    del files["keys/2.json"]

    assert str(refusal(files)) == "reg/keys/2.json: this list of keys is missing"


def test_another_list_in_between_is_refused():
    """A list that follows another list than the one before it is refused, even if signed."""
    one, two, _ = three_lists()
    other = plan(one, (2, 3, 9), 2, (2, 3)).after
    after_other = plan(other, (2, 3), 2, (2, 3)).after

    error = refusal(files_of(one, two) | files_of(after_other))
    assert error.where == "reg/keys/3.json"
    assert "does not follow the list before" in error.message


def test_a_first_list_that_follows_something_is_refused():
    """Number 1 is the first: a list that names one before it does not become it."""
    two = three_lists()[1]

    error = refusal({"keys/1.json": two.raw, "keys/1.json.sig": two.signature})
    assert "does not follow the list before: expected number 1, previous None" in error.message


def test_a_list_has_the_number_that_its_file_says():
    """A list of another number than the next is refused, whatever it follows."""
    keys = replace(next_keys("nom-cal", first(), [public(1)], 1), number=3)
    raw = raw_of(keys)
    signature = signed(raw, 1, 2, namespace=KEYS_NAMESPACE)

    with pytest.raises(InputError, match="does not follow the list before: expected number 2"):
        plan_keys(first(), raw, signature, timestamp=NOW)


def test_a_list_of_another_registry_is_refused():
    """A list cannot be carried from one registry to another."""
    with pytest.raises(InputError, match="expected 'other', got 'nom-cal'"):
        checked_lists("other", files_of(first()))

    before = first()
    keys = replace(next_keys("nom-cal", before, [public(1)], 1), registry="other")
    raw = raw_of(keys)
    signature = signed(raw, 1, 2, namespace=KEYS_NAMESPACE)
    with pytest.raises(InputError, match="is a list of 'other', not of 'nom-cal'"):
        plan_keys(before, raw, signature, timestamp=NOW)


def test_a_fingerprint_is_that_of_its_key():
    """A list in which a key stands under another one's fingerprint is refused."""
    keys = next_keys("nom-cal", None, [public(1)], 1)
    raw = raw_of(replace(keys, keys={public(2).fingerprint: public(1).line}))
    signature = signed(raw, 1, 2, namespace=KEYS_NAMESPACE)

    with pytest.raises(InputError, match="stands before the key"):
        plan_keys(None, raw, signature, timestamp=NOW)


@given(
    st.sets(st.integers(1, 6), min_size=1),
    st.sets(st.integers(1, 6), min_size=1),
    st.data(),
)
def test_a_list_counts_exactly_if_enough_of_both_signed(old, new, data):
    """For any two lists and any signers, the plan is made if and only if both rules are kept."""
    old_threshold = data.draw(st.integers(1, len(old)))
    new_threshold = data.draw(st.integers(1, len(new)))
    signing = data.draw(st.sets(st.integers(1, 6), min_size=1))
    before = first(tuple(sorted(old)), old_threshold, tuple(sorted(old)))
    keys = next_keys("nom-cal", before, [public(n) for n in new | {7}], new_threshold)
    raw = raw_of(keys)
    enough = len(signing & old) >= old_threshold and len(signing & new) >= new_threshold
    try:
        plan_keys(before, raw, signed(raw, *signing, namespace=KEYS_NAMESPACE), timestamp=NOW)
        made = True
    except RegistryError:
        made = False

    assert made == enough
