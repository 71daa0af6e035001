"""Signatures put together field by field, so that a test can get any one of them wrong."""

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from calreg.signatures import INDEX_NAMESPACE, PublicKey

GOLDEN = Path(__file__).parents[1] / "golden" / "signatures"


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def golden_key(name: str) -> PublicKey:
    return PublicKey.parse((GOLDEN / f"{name}.pub").read_text())


@cache
def private(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(bytes([number])).digest())


@cache
def public(number: int) -> PublicKey:
    return PublicKey(private(number).public_key().public_bytes_raw(), f"key {number}")


def string(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def armoured(blob: bytes, width: int = 70) -> bytes:
    text = b64encode(blob).decode()
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return "\n".join(
        ["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]
    ).encode()


def blob(message: bytes, number: int = 1, **changed: bytes) -> bytes:
    """What stands inside the armour; any field can be another one."""
    fields = {
        "magic": b"SSHSIG",
        "version": (1).to_bytes(4, "big"),
        "key_type": b"ssh-ed25519",
        "namespace": INDEX_NAMESPACE.encode(),
        "reserved": b"",
        "hash": b"sha512",
        "signature_type": b"ssh-ed25519",
        "inside": b"",
        "after": b"",
    } | changed
    key = fields.get("key", public(number).raw)
    digest = hashlib.new("sha256" if fields["hash"] == b"sha256" else "sha512", message).digest()
    signed = b"SSHSIG" + b"".join(
        string(each) for each in (fields["namespace"], fields["reserved"], fields["hash"], digest)
    )
    signature = fields.get("signature", private(number).sign(signed))
    return (
        fields["magic"]
        + fields["version"]
        + string(string(fields["key_type"]) + string(key))
        + string(fields["namespace"])
        + string(fields["reserved"])
        + string(fields["hash"])
        + string(string(fields["signature_type"]) + string(signature) + fields["inside"])
        + fields["after"]
    )


def signed(message: bytes, *numbers: int, namespace: str = INDEX_NAMESPACE) -> bytes:
    """A file of signatures, by these keys."""
    return b"".join(
        armoured(blob(message, number, namespace=namespace.encode())) for number in numbers
    )
