"""Signatures: files of them, made by ssh-keygen and by hand, and who counts as a signer."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing_by_hand import armoured, blob, golden, golden_key, public, signed, string

from calreg.errors import CalregError, RegistryError
from calreg.signatures import INDEX_NAMESPACE, KEYS_NAMESPACE, check_signed, signers

MESSAGE = golden("message.json")
CI, RELEASE, STRANGER = (golden_key(name) for name in ("ci", "release", "stranger"))
PLACE = "nom-cal: index.json"


def check(message, signature, *keys, threshold=1, namespace=INDEX_NAMESPACE):
    return check_signed(
        message, signature, keys, threshold=threshold, namespace=namespace, where=PLACE
    )


def refusal(message, signature, *keys, **options) -> RegistryError:
    with pytest.raises(RegistryError) as refused:
        check(message, signature, *keys, **options)
    assert refused.value.where == PLACE
    assert str(refused.value).startswith(f"{PLACE}: ")
    return refused.value


@pytest.mark.parametrize("name", ["ci.sig", "ci-sha256.sig"])
def test_signatures_of_ssh_keygen_are_valid(name):
    """A signature by ssh-keygen is valid, with either hash."""
    assert check(MESSAGE, golden(name), CI) == {CI.fingerprint}


def test_several_signatures_are_one_file():
    """Blocks one after another are the signatures of all their keys."""
    both = golden("ci.sig") + golden("release.sig")

    assert check(MESSAGE, both, CI, RELEASE, threshold=2) == {CI.fingerprint, RELEASE.fingerprint}


def test_only_keys_that_were_named_count():
    """A signature by a key that nobody named is ignored, whoever else signed."""
    both = golden("stranger.sig") + golden("ci.sig")

    found = signers(MESSAGE, both, [CI], namespace=INDEX_NAMESPACE, where=PLACE)
    assert found == {CI.fingerprint}
    found = signers(MESSAGE, golden("stranger.sig"), [CI], namespace=INDEX_NAMESPACE, where=PLACE)
    assert found == frozenset()


def test_no_signature_is_not_signed():
    """Where a key is known, a missing signature is an error of its own."""
    error = refusal(MESSAGE, None, CI, RELEASE)

    assert error.code == "unsigned"
    assert error.exit_code == 4
    assert error.message == f"{PLACE}: not signed, and 1 of 2 keys must sign it"


def test_too_few_signatures_name_everybody():
    """One signature of two is refused, with who signed and who did not."""
    error = refusal(MESSAGE, golden("ci.sig"), CI, RELEASE, threshold=2)

    assert error.code == "signature"
    assert error.message == (
        f"{PLACE}: 1 valid signature, 2 of 2 keys must sign; signed by {CI}; not by {RELEASE}"
    )


def test_a_strangers_signature_is_named():
    """A signature by nobody we know is refused, with its fingerprint."""
    error = refusal(MESSAGE, golden("stranger.sig"), CI)

    assert error.code == "signature"
    assert error.message == (
        f"{PLACE}: 0 valid signatures, 1 key must sign; not by {CI}; "
        f"signed by {STRANGER.fingerprint}, which is not among the keys"
    )


def test_the_same_signature_twice_is_one_signer():
    """A threshold counts keys, not signatures."""
    twice = golden("ci.sig") + golden("ci-sha256.sig") + golden("ci.sig")

    assert refusal(MESSAGE, twice, CI, RELEASE, threshold=2).code == "signature"
    assert refusal(MESSAGE, twice, CI, CI, RELEASE, threshold=2).code == "signature"


@pytest.mark.parametrize("threshold", [-1, 0, 3])
def test_a_threshold_that_is_no_rule_is_refused(threshold):
    """No signature needed, or more than there are keys: neither lets anything pass."""
    both = golden("ci.sig") + golden("release.sig")

    error = refusal(MESSAGE, both, CI, RELEASE, threshold=threshold)
    assert error.code == "signature"
    assert f"needs {threshold} signatures of 2 keys, which is no rule" in error.message


def test_no_keys_let_nothing_pass():
    """Without keys there is nothing to be signed by."""
    assert refusal(MESSAGE, golden("ci.sig")).code == "signature"


def test_a_signature_for_something_else_is_refused():
    """A list of keys that was signed is not an index that was signed, nor the reverse."""
    for name, namespace in (("ci-keys.sig", INDEX_NAMESPACE), ("ci.sig", KEYS_NAMESPACE)):
        error = refusal(MESSAGE, golden(name), CI, namespace=namespace)

        assert error.code == "signature"
        assert "made for 'calreg-" in error.message


def test_a_namespace_is_part_of_what_was_signed():
    """Writing another namespace into a block does not make it a signature for that."""
    raw = blob(MESSAGE, namespace=KEYS_NAMESPACE.encode())
    forged = raw.replace(string(KEYS_NAMESPACE.encode()), string(INDEX_NAMESPACE.encode()))

    assert "wrong signature" in refusal(MESSAGE, armoured(forged), public(1)).message


def test_a_wrong_signature_beside_a_good_one_is_an_error():
    """Enough signatures do not make up for one by a known key that is wrong."""
    good, bad = signed(MESSAGE, 1), signed(MESSAGE + b" ", 2)

    for both in (good + bad, bad + good):
        error = refusal(MESSAGE, both, public(1), public(2))
        assert error.code == "signature"
        assert f"wrong signature by {public(2)}" in error.message


def test_a_wrong_signature_by_a_stranger_is_ignored():
    """A key that nobody named can say what it likes."""
    both = signed(MESSAGE, 1) + signed(MESSAGE + b" ", 2)

    assert check(MESSAGE, both, public(1)) == {public(1).fingerprint}


def test_a_malformed_block_beside_a_good_one_is_an_error():
    """Enough signatures do not make up for a block that cannot be read."""
    bad = armoured(blob(MESSAGE, 2, reserved=b"x"))

    error = refusal(MESSAGE, signed(MESSAGE, 1) + bad, public(1))
    assert "signature 2 is malformed: its reserved field is not empty" in error.message


def test_every_altered_byte_of_a_message_is_seen():
    """A message with any one byte altered is refused."""
    signature = golden("ci.sig")
    for place in range(len(MESSAGE)):
        altered = bytearray(MESSAGE)
        altered[place] ^= 1 << place % 8

        assert refusal(bytes(altered), signature, CI).code == "signature"


def test_every_altered_byte_of_a_signature_is_seen():
    """A signature with any one byte altered, inside its armour, is refused."""
    body = b"".join(golden("ci.sig").splitlines()[1:-1])
    raw = b64decode(body)
    assert armoured(raw) == golden("ci.sig")
    for place in range(len(raw)):
        for flip in (0x01, 0x80):
            altered = bytearray(raw)
            altered[place] ^= flip

            assert refusal(MESSAGE, armoured(bytes(altered)), CI).code == "signature"


def test_every_altered_byte_of_the_armour_is_seen():
    """A file of signatures with any one byte altered is refused."""
    signature = golden("ci.sig")
    for place in range(len(signature)):
        altered = bytearray(signature)
        altered[place] ^= 1 << place % 8

        assert refusal(MESSAGE, bytes(altered), CI).code == "signature"


def test_a_signature_cut_at_any_byte_is_refused():
    """A truncated file of signatures never passes for a whole one."""
    signature = golden("ci.sig")
    for length in range(len(signature)):
        assert refusal(MESSAGE, signature[:length], CI).code == "signature"


def test_two_signatures_cut_at_any_byte_are_not_enough():
    """Of two signatures that are needed, a truncated file holds at most one."""
    both = golden("ci.sig") + golden("release.sig")
    for length in range(len(both)):
        error = refusal(MESSAGE, both[:length], CI, RELEASE, threshold=2)

        assert error.code == "signature"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"magic": b"SSHSIX"}, "does not begin with SSHSIG"),
        ({"version": (2).to_bytes(4, "big")}, "version 2, expected 1"),
        ({"key_type": b"ssh-rsa"}, "a key of type ssh-rsa; only ssh-ed25519 is accepted"),
        ({"key": bytes(31)}, "has 32 bytes, this one 31"),
        ({"reserved": b"later"}, "reserved field is not empty"),
        ({"hash": b"sha1"}, "hash b'sha1', expected sha512 or sha256"),
        ({"hash": b"SHA512"}, "hash b'SHA512'"),
        ({"signature_type": b"ssh-rsa"}, "not an ssh-ed25519 signature of 64 bytes"),
        ({"signature": bytes(63)}, "not an ssh-ed25519 signature of 64 bytes"),
        ({"signature": bytes(65)}, "not an ssh-ed25519 signature of 64 bytes"),
        ({"after": b"\0"}, "1 bytes too many"),
        ({"inside": b"\0"}, "1 bytes too many"),
    ],
)
def test_a_field_that_is_not_as_expected_is_refused(changed, problem):
    """A block with any field wrong is refused, and the field is named."""
    error = refusal(MESSAGE, armoured(blob(MESSAGE, **changed)), public(1))

    assert error.code == "signature"
    assert "signature 1 is malformed: " in error.message
    assert problem in error.message


def test_a_block_by_hand_is_right_before_it_is_made_wrong():
    """The blocks of these tests are valid but for what a test changes."""
    assert check(MESSAGE, signed(MESSAGE, 1), public(1)) == {public(1).fingerprint}
    sha256 = armoured(blob(MESSAGE, hash=b"sha256"))
    assert check(MESSAGE, sha256, public(1)) == {public(1).fingerprint}


@pytest.mark.parametrize("width", [1, 64, 76])
def test_other_programs_may_wrap_their_lines_elsewhere(width):
    """Lines of up to 76 characters are read; ssh-keygen writes 70."""
    assert check(MESSAGE, armoured(blob(MESSAGE), width), public(1))


GOOD = signed(MESSAGE, 1)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b" " + GOOD,
        b"\n" + GOOD,
        GOOD + b"\n",
        GOOD + b" ",
        GOOD + b"trailing\n",
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n", b"\n\n", 2),
        GOOD.replace(b"-----END", b"\n-----END"),
        GOOD.replace(b"BEGIN SSH SIGNATURE", b"BEGIN PGP SIGNATURE"),
        GOOD.replace(b"-----END SSH SIGNATURE-----\n", b""),
        GOOD[:-1],
        b"\xef\xbb\xbf" + GOOD,
        GOOD.decode().encode("utf-16"),
        GOOD.replace(b"U1NI", b"U1N-", 1),
        GOOD.replace(b"U1NI", b"U1 I", 1),
        GOOD.replace(b"U1NI", b"U1N=", 1),
        armoured(blob(MESSAGE), 77),
        b"<!doctype html><title>Sign in</title>\n",
        b'{"signature": "..."}\n',
        b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_is_no_armour_is_refused(text):
    """There is one form of armour, and nothing stands around it."""
    error = refusal(MESSAGE, text, public(1))

    assert error.code == "signature"
    assert "\n" not in error.message


def test_what_is_no_text_is_said_to_be_none():
    """Bytes that are no ASCII are refused as such, before they are decoded."""
    error = refusal(MESSAGE, b"\xef\xbb\xbf" + GOOD, public(1))

    assert "not an armoured SSH signature: expected lines of ASCII" in error.message


def test_base64_has_one_form():
    """Bits that base64 leaves over must be zero, or two texts would be one signature."""
    two_over = blob(MESSAGE, after=b"")
    assert len(two_over) % 3 != 0
    text = armoured(two_over)
    last = text.splitlines()[-2]
    letter = last.rstrip(b"=")[-1:]
    other = bytes([letter[0] + 1])
    altered = text.replace(last, last.replace(letter + b"=", other + b"="))

    assert altered != text
    assert "not canonical base64" in refusal(MESSAGE, altered, public(1)).message


def test_an_rsa_signature_is_refused_by_its_name():
    """A signature that ssh-keygen made with an RSA key says what it is."""
    error = refusal(MESSAGE, golden("rsa.sig"), CI)

    assert "a key of type ssh-rsa; only ssh-ed25519 is accepted" in error.message


def test_there_is_a_limit_to_signatures():
    """A file over 64 KiB, or of more than 64 blocks, is refused."""
    many = b"".join(signed(MESSAGE, number) for number in range(1, 66))

    assert "more than 64 signatures" in refusal(MESSAGE, many, public(1)).message
    cut = b"".join(signed(MESSAGE, number) for number in range(1, 65))
    assert check(MESSAGE, cut, public(64)) == {public(64).fingerprint}
    assert "the limit is 65536" in refusal(MESSAGE, b"x" * 65537, public(1)).message


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_line(noise):
    """Whatever stands in a file of signatures, it is refused by an error of ours."""
    for text in (noise, armoured(noise), GOOD + noise + b"\n"):
        with pytest.raises(CalregError) as refused:
            check(MESSAGE, text, public(1))
        assert refused.value.message.isprintable()


@given(st.binary(max_size=300))
def test_signatures_are_of_bytes(message):
    """Any bytes can be signed; what is signed is exactly them."""
    signature = signed(message, 3)

    assert check(message, signature, public(3)) == {public(3).fingerprint}
    assert refusal(message + b"\n", signature, public(3)).code == "signature"
