"""Ed25519: what is valid elsewhere is valid here, and nothing else is."""

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from calreg.signatures.curve import (
    ORDER,
    PRIME,
    base_multiples,
    decoded,
    encoded,
    has_small_order,
    multiples,
    sum_of_multiples,
)
from calreg.signatures.ed25519 import checked_key, is_valid

# RFC 8032, section 7.1: tests 1, 2, 3 and SHA(abc).
RFC = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
            "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
]
KEY, MESSAGE, SIGNATURE = (bytes.fromhex(text) for text in RFC[2])

# The eight points that eight times themselves are the neutral one, as canonical bytes.
SMALL = [
    "01" + "00" * 31,
    "ec" + "ff" * 30 + "7f",
    "00" * 32,
    "00" * 31 + "80",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]

seeds = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(("key", "message", "signature"), RFC)
def test_the_vectors_of_rfc_8032_are_valid(key, message, signature):
    """The signatures that the specification prints are valid."""
    assert is_valid(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))


@given(seeds, st.binary(max_size=200))
def test_what_another_library_signs_is_valid(seed, message):
    """Every signature that OpenSSL makes is valid, for its message and its key alone."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    other = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
    signature = private.sign(message)

    assert is_valid(private.public_key().public_bytes_raw(), message, signature)
    assert not is_valid(private.public_key().public_bytes_raw(), message + b"\0", signature)
    assert not is_valid(other.public_key().public_bytes_raw(), message, signature)


@given(seeds, st.integers(0, 511), st.integers(0, 511))
def test_another_library_says_the_same_of_altered_signatures(seed, first, second):
    """With any one or two bits of a signature flipped, OpenSSL and we say the same."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    number = int.from_bytes(private.sign(b"message"), "little")
    altered = (number ^ 1 << first ^ (1 << second)).to_bytes(64, "little")
    public = private.public_key()
    try:
        public.verify(altered, b"message")
        expected = True
    except InvalidSignature:
        expected = False

    assert is_valid(public.public_bytes_raw(), b"message", altered) == expected


def test_every_altered_byte_of_a_signature_is_seen():
    """A signature with any one byte altered, in any of three ways, is not valid."""
    for place in range(64):
        for flip in (0x01, 0x80, 0xFF):
            altered = bytearray(SIGNATURE)
            altered[place] ^= flip

            assert not is_valid(KEY, MESSAGE, bytes(altered)), (place, flip)


def test_every_altered_byte_of_a_key_is_seen():
    """A key with any one byte altered is refused, or the signature is not its."""
    for place in range(32):
        for flip in (0x01, 0x80, 0xFF):
            altered = bytearray(KEY)
            altered[place] ^= flip
            try:
                valid = is_valid(bytes(altered), MESSAGE, SIGNATURE)
            except ValueError:
                valid = False

            assert not valid, (place, flip)


@pytest.mark.parametrize("length", range(64))
def test_a_short_signature_is_not_valid(length):
    """A signature cut short is not valid, wherever it is cut."""
    assert not is_valid(KEY, MESSAGE, SIGNATURE[:length])


def test_a_long_signature_is_not_valid():
    """Bytes after a signature make it another one."""
    assert not is_valid(KEY, MESSAGE, SIGNATURE + b"\0")


@pytest.mark.parametrize("times", [1, 2, 15])
def test_no_second_signature_is_made_of_a_first(times):
    """S plus a multiple of the order satisfies the equation, and is refused."""
    scalar = int.from_bytes(SIGNATURE[32:], "little") + times * ORDER
    again = SIGNATURE[:32] + scalar.to_bytes(32, "little")

    assert not is_valid(KEY, MESSAGE, again)


@pytest.mark.parametrize("point", SMALL)
def test_a_key_of_small_order_is_refused(point):
    """A point for which anyone can sign any message is no key."""
    key = bytes.fromhex(point)
    anyones = bytes.fromhex(SMALL[0]) + bytes(32)

    assert has_small_order(decoded(key))
    assert encoded(decoded(key)) == key
    with pytest.raises(ValueError, match="small order"):
        checked_key(key)
    with pytest.raises(ValueError, match="small order"):
        is_valid(key, b"message", anyones)


def test_a_key_of_the_usual_order_is_not_of_small_order():
    """The guard against small orders lets ordinary keys pass."""
    assert not any(has_small_order(decoded(bytes.fromhex(key))) for key, _, _ in RFC)


@pytest.mark.parametrize("above", range(19))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_point_has_one_encoding(above, sign):
    """A y that is not below the prime is refused, whether or not its remainder is a point."""
    encoding = (PRIME + above | sign << 255).to_bytes(32, "little")

    with pytest.raises(ValueError, match="canonical"):
        decoded(encoding)


@pytest.mark.parametrize("y", [1, PRIME - 1])
def test_zero_has_no_sign(y):
    """Where x is zero, its sign must be zero, too."""
    with pytest.raises(ValueError, match="canonical"):
        decoded((y | 1 << 255).to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_point_has_32_bytes(length):
    """Fewer or more bytes are no point."""
    with pytest.raises(ValueError, match="canonical"):
        decoded((2**248 - 1 & (1 << 8 * length) - 1).to_bytes(length, "little"))


def test_half_of_all_numbers_are_no_point():
    """A y without an x on the curve is refused: 2 is one."""
    with pytest.raises(ValueError, match="not a point"):
        decoded((2).to_bytes(32, "little"))


@given(seeds)
def test_encoding_is_the_inverse_of_decoding(seed):
    """A key's point is written as it was read."""
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()

    assert encoded(decoded(key)) == key


@given(st.integers(0, ORDER - 1), st.integers(0, ORDER - 1))
def test_multiples_add_up(a, b):
    """a·B + b·B is (a + b)·B."""
    base = base_multiples()

    both = encoded(sum_of_multiples((a, base), (b, base)))
    assert both == encoded(sum_of_multiples(((a + b) % ORDER, base), (0, base)))


@pytest.mark.parametrize("torsion", SMALL[1:])
def test_the_equation_has_no_cofactor(torsion):
    """A signer who adds a point of small order to R is refused, as by OpenSSH."""
    seed = hashlib.sha256(b"signer").digest()
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = private.public_key().public_bytes_raw()
    secret = bytearray(hashlib.sha512(seed).digest()[:32])
    secret[0] &= 248
    secret[31] = secret[31] & 127 | 64

    def signature(added: str) -> bytes:
        nonce = 123456789
        addend = (1, multiples(decoded(bytes.fromhex(added))))
        commitment = encoded(sum_of_multiples((nonce, base_multiples()), addend))
        challenge = int.from_bytes(hashlib.sha512(commitment + key + b"m").digest(), "little")
        scalar = (nonce + challenge * int.from_bytes(secret, "little")) % ORDER
        return commitment + scalar.to_bytes(32, "little")

    assert is_valid(key, b"m", signature(SMALL[0]))
    assert not is_valid(key, b"m", signature(torsion))


def test_another_encoding_of_the_commitment_is_refused():
    """R is compared as bytes: the neutral point written as y = p + 1 does not pass for y = 1."""
    seed = hashlib.sha256(b"signer").digest()
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    secret = bytearray(hashlib.sha512(seed).digest()[:32])
    secret[0] &= 248
    secret[31] = secret[31] & 127 | 64

    def signature(commitment: bytes) -> bytes:
        challenge = int.from_bytes(hashlib.sha512(commitment + key + b"m").digest(), "little")
        scalar = challenge * int.from_bytes(secret, "little") % ORDER
        return commitment + scalar.to_bytes(32, "little")

    assert is_valid(key, b"m", signature((1).to_bytes(32, "little")))
    assert not is_valid(key, b"m", signature((PRIME + 1).to_bytes(32, "little")))
