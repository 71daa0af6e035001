"""Who signed these bytes, and whether that is enough.

The bytes are checked before anyone parses them. A signature by a key that nobody named is
ignored, since a new key signs before all clients know it; a signature by a known key that is
wrong is an error, whatever else is there: somebody altered something.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from calreg.errors import InputError, RegistryError
from calreg.signatures.ed25519 import is_valid
from calreg.signatures.keys import PublicKey
from calreg.signatures.sshsig import Block, blocks_in

__all__ = ["INDEX_NAMESPACE", "KEYS_NAMESPACE", "check_signed", "signers"]

INDEX_NAMESPACE = "calreg-index@v1"
KEYS_NAMESPACE = "calreg-keys@v1"

_HINT = (
    "Nothing of it was used. Ask whoever publishes the registry which keys sign it, over another "
    "way than the registry itself."
)


class _Signed(NamedTuple):
    """The fingerprints of known keys with a valid signature, and of the keys nobody named."""

    known: frozenset[str]
    unknown: frozenset[str]


def signers(
    message: bytes,
    signature: bytes,
    keys: Iterable[PublicKey],
    *,
    namespace: str,
    where: str,
) -> frozenset[str]:
    """The fingerprints of those of the keys that validly signed the message.

    Args:
        message: The raw bytes, exactly as they were read.
        signature: One or several armoured blocks: at most 64 of them, 64 KiB.
        keys: The keys that count. A block of another key is ignored.
        namespace: What the signature must have been made for.
        where: The place of the message, for errors.

    Raises:
        RegistryError: A malformed block, another namespace, or a wrong signature of one of
            the keys (code "signature").
    """
    return _signed(message, signature, keys, namespace=namespace, where=where).known


def check_signed(
    message: bytes,
    signature: bytes | None,
    keys: Iterable[PublicKey],
    *,
    threshold: int,
    namespace: str,
    where: str,
) -> frozenset[str]:
    """The fingerprints of the signers, if they are at least as many as must sign.

    Args:
        message: The raw bytes, exactly as they were read.
        signature: The file of signatures, or None if there is none.
        keys: The keys that count, each once, whatever their comments.
        threshold: How many of the keys must have signed; from 1 to the number of keys.
        namespace: What the signature must have been made for.
        where: The place of the message, for errors.

    Raises:
        RegistryError: Not signed (code "unsigned"); too few signers, a wrong signature, or a
            threshold that no set of signers can reach or that none is needed for (code
            "signature").
    """
    known = {key.fingerprint: key for key in keys}
    if not 1 <= threshold <= len(known):
        raise _refused(
            f"needs {threshold} signatures of {len(known)} keys, which is no rule", where
        )
    if signature is None:
        raise RegistryError(
            f"{where}: not signed, and {_of(threshold, len(known))} must sign it",
            where=where,
            hint=_HINT,
            code="unsigned",
        )
    found = _signed(message, signature, known.values(), namespace=namespace, where=where)
    if len(found.known) < threshold:
        raise _refused(_too_few(found, known, threshold), where)
    return found.known


def _signed(
    message: bytes, signature: bytes, keys: Iterable[PublicKey], *, namespace: str, where: str
) -> _Signed:
    by_raw = {key.raw: key for key in keys}
    known, unknown = set(), set()
    try:
        blocks = blocks_in(signature)
    except ValueError as error:
        raise _refused(str(error), where) from error
    for block in dict.fromkeys(blocks):  # the same block again costs nothing
        if block.namespace != namespace.encode():
            made_for = block.namespace[:60].decode("utf-8", "replace")
            raise _refused(f"the signature was made for {made_for!r}, not {namespace!r}", where)
        if block.key in by_raw:
            known.add(_checked(message, block, by_raw[block.key], where))
        else:
            unknown.add(_name_of_unknown(block))
    return _Signed(frozenset(known), frozenset(unknown))


def _checked(message: bytes, block: Block, key: PublicKey, where: str) -> str:
    if not is_valid(key.raw, block.signed(message), block.signature):
        raise _refused(f"wrong signature by {key}: it was made for other bytes, or altered", where)
    return key.fingerprint


def _name_of_unknown(block: Block) -> str:
    try:
        return PublicKey(block.key).fingerprint
    except InputError:
        return "a key that is none"


def _too_few(found: _Signed, known: dict[str, PublicKey], threshold: int) -> str:
    count = len(found.known)
    parts = [f"{count} valid signature{'s' * (count != 1)}, {_of(threshold, len(known))} must sign"]
    if found.known:
        parts.append("signed by " + _listed(known[name] for name in found.known))
    parts.append("not by " + _listed(key for name, key in known.items() if name not in found.known))
    if found.unknown:
        parts.append(f"signed by {_listed(found.unknown)}, which is not among the keys")
    return "; ".join(parts)


def _listed(keys: Iterable[PublicKey | str]) -> str:
    return ", ".join(sorted(str(key) for key in keys))


def _of(threshold: int, number: int) -> str:
    return f"{threshold} of {number} keys" if number > 1 else "1 key"


def _refused(problem: str, where: str) -> RegistryError:
    return RegistryError(f"{where}: {problem}", where=where, hint=_HINT, code="signature")
