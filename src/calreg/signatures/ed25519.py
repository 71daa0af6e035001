"""Whether an Ed25519 signature is valid: verification only, and strict.

Why our own stands in docs/decisions/0016: production imports the standard library, requests
and numpy, and nothing else. Verification uses no secret, so it may be slow and simple; what
it may not be is lenient. Every choice that RFC 8032 leaves open is made for the refusal.

References:
    RFC 8032 (2017), section 5.1.7.
    Chalkias, Garillot & Nikolaenko (2020), "Taming the many EdDSAs": what leniency costs.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha512

from calreg.signatures.curve import (
    ORDER,
    Multiples,
    base_multiples,
    decoded,
    encoded,
    has_small_order,
    multiples,
    negative,
    sum_of_multiples,
)

__all__ = ["checked_key", "is_valid"]

KEY_BYTES = 32
SIGNATURE_BYTES = 64


@lru_cache(maxsize=256)
def checked_key(key: bytes) -> Multiples:
    """The multiples of the negative of a public key's point, kept for the next signature.

    Args:
        key: 32 bytes.

    Raises:
        ValueError: Not the canonical encoding of a point, or of one of small order.
    """
    point = decoded(key)
    if has_small_order(point):
        raise ValueError("a point of small order, for which anyone can sign")
    return multiples(negative(point))


def is_valid(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature of exactly this message was made with the key's private half.

    The equation is S·B = R + k·A without a cofactor, as OpenSSH has it. R is compared as
    bytes with the canonical encoding of S·B - k·A: another encoding of R never passes. S must
    be below the order, so that no second signature can be made of a first.

    Args:
        key: 32 bytes, the canonical encoding of a point that is not of small order.
        message: The bytes that were signed.
        signature: R and S, 32 bytes each.

    Raises:
        ValueError: The key is refused.
    """
    minus_key = checked_key(key)
    commitment, scalar = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != SIGNATURE_BYTES or not scalar < ORDER:
        return False
    challenge = int.from_bytes(sha512(commitment + key + message).digest(), "little") % ORDER
    return encoded(sum_of_multiples((scalar, base_multiples()), (challenge, minus_key))) == (
        commitment
    )
