"""A file of signatures as `ssh-keygen -Y sign` writes them: armoured blocks, one after another.

Reading is strict, since whatever two readers can read differently is a way in: one form of
armour, canonical base64, every field as expected, nothing before, between or after. Here is
only the form; whether a signature is valid is asked in `checking`.

References:
    OpenSSH, PROTOCOL.sshsig: the armour, the blob and the bytes that are signed.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from calreg.errors import InputError
from calreg.signatures.ed25519 import SIGNATURE_BYTES
from calreg.signatures.keys import ALGORITHM, key_in
from calreg.signatures.wire import Reader, string

__all__ = ["MAX_BLOCKS", "MAX_BYTES", "Block", "blocks_in"]

MAX_BYTES = 64 * 1024
MAX_BLOCKS = 64

_MAGIC = b"SSHSIG"
_VERSION = 1
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_MAX_WIDTH = 76
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Block:
    """One signature, not yet checked against anything.

    Args:
        key: 32 bytes of the key that it says it was made with.
        namespace: What it was made for.
        hash_name: How the message was digested, sha256 or sha512.
        signature: 64 bytes.
    """

    key: bytes
    namespace: bytes
    hash_name: bytes
    signature: bytes

    def signed(self, message: bytes) -> bytes:
        """The bytes that were signed, if it was this message."""
        digest = _HASHES[self.hash_name](message).digest()
        fields = (self.namespace, b"", self.hash_name, digest)
        return _MAGIC + b"".join(string(each) for each in fields)


def blocks_in(signatures: bytes) -> list[Block]:
    """Every block of a file of signatures, in its order; at least one.

    Raises:
        ValueError: The form is not as expected; the message says what, and in which block.
    """
    if len(signatures) > MAX_BYTES:
        raise ValueError(f"{len(signatures)} bytes of signatures; the limit is {MAX_BYTES}")
    blocks = []
    for number, body in enumerate(_bodies(signatures), start=1):
        try:
            blocks.append(_block(_unarmoured(body)))
        except (ValueError, InputError) as error:
            raise ValueError(f"signature {number} is malformed: {error}") from error
        if number > MAX_BLOCKS:
            raise ValueError(f"more than {MAX_BLOCKS} signatures")
    return blocks


def _bodies(signatures: bytes) -> Iterator[list[str]]:
    """The lines between each begin and its end; nothing else may be there."""
    if not signatures.isascii() or not signatures.endswith(b"\n"):
        raise ValueError("not an armoured SSH signature: expected lines of ASCII, each ended")
    lines = iter(signatures.decode("ascii").split("\n")[:-1])
    for begin in lines:
        if begin != _BEGIN:
            raise ValueError(f"expected {_BEGIN!r}, got {begin[:40]!r}")
        body = []
        while (line := next(lines, None)) != _END:
            if line is None:
                raise ValueError(f"cut short: no {_END!r}")
            body.append(line)
        yield body


def _unarmoured(body: list[str]) -> bytes:
    if not all(1 <= len(line) <= _MAX_WIDTH for line in body):
        raise ValueError("a line is empty or too long")
    text = "".join(body)
    blob = b64decode(text, validate=True)
    if b64encode(blob).decode() != text:
        raise ValueError("not canonical base64")
    return blob


def _block(blob: bytes) -> Block:
    reader = Reader(blob)
    if reader.exactly(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin with SSHSIG")
    if (version := reader.number()) != _VERSION:
        raise ValueError(f"version {version}, expected {_VERSION}")
    key = key_in(reader.string())
    namespace, reserved, hash_name, signature = (reader.string() for _ in range(4))
    reader.end()
    if reserved:
        raise ValueError("its reserved field is not empty")
    if hash_name not in _HASHES:
        raise ValueError(f"hash {hash_name[:20]!r}, expected sha512 or sha256")
    return Block(key, namespace, hash_name, _signature_in(signature))


def _signature_in(blob: bytes) -> bytes:
    reader = Reader(blob)
    kind, signature = reader.string(), reader.string()
    reader.end()
    if kind != ALGORITHM.encode() or len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"not an {ALGORITHM} signature of {SIGNATURE_BYTES} bytes")
    return signature
