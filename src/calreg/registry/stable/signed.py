"""The signatures of an index: made by whoever can sign, counted against the keys in force.

What signs is handed in as a function from bytes to an armoured block; private keys are none
of this module's business. A block is used only after it was checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from calreg.errors import RegistryError
from calreg.names import INDEX_PATH
from calreg.plan.keys import SignedKeys
from calreg.signatures import INDEX_NAMESPACE, PublicKey, signers
from calreg.signatures.sshsig import blocks_in

__all__ = ["Signer", "blocks_by", "check_sign_asked", "valid_blocks"]

Signer: TypeAlias = Callable[[bytes], bytes]
"""The signed bytes to an armoured SSHSIG block over them, for the namespace of indexes."""

_END = b"-----END SSH SIGNATURE-----\n"


def check_sign_asked(registry: str, keys: SignedKeys | None, *, is_asked: bool) -> None:
    """Refuse to sign for a registry without keys, and to publish unsigned for one with keys.

    Raises:
        RegistryError: One of the two.
    """
    if keys is None and is_asked:
        raise RegistryError(
            f"{registry} has no list of keys, so nobody could check a signature",
            hint="First: calreg keys trust KEY.pub …",
            code="no-keys",
        )
    if keys is not None and not is_asked:
        raise RegistryError(
            f"{registry} is signed ({keys.path}), and nothing unsigned is published any more",
            hint=f"--sign KEY, with {keys.keys.threshold} of: {_listed(keys.public)}.",
            code="unsigned",
        )


def blocks_by(
    raw: bytes, keys: SignedKeys, make: Iterable[Signer], *, kept: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Blocks by the fingerprint of their key: those kept, and those made now.

    Args:
        raw: The bytes of the index.
        keys: The list of keys in force.
        make: Each makes one block.
        kept: Blocks that were checked before.

    Raises:
        RegistryError: A block is wrong, or of a key that is not on the list.
    """
    found = dict(kept)
    for signer in make:
        block = signer(raw)
        made_by = _checked(raw, block, keys)
        if not made_by:
            key = PublicKey(blocks_in(block)[0].key)
            raise RegistryError(
                f"{key} is not in {keys.path}: nobody would accept its signature",
                hint=f"Sign with one of: {_listed(keys.public)}; or calreg keys trust.",
                code="unknown-key",
            )
        found[next(iter(made_by))] = block
    return found


def valid_blocks(raw: bytes, signature: bytes | None, keys: SignedKeys) -> dict[str, bytes]:
    """Those blocks of a file of signatures that are worth something, by fingerprint."""
    found: dict[str, bytes] = {}
    for block in _split(signature or b""):
        try:
            made_by = _checked(raw, block, keys)
        except RegistryError:
            continue  # whoever may push there may put anything there
        found |= dict.fromkeys(made_by, block)
    return found


def _checked(raw: bytes, block: bytes, keys: SignedKeys) -> frozenset[str]:
    return signers(raw, block, keys.public, namespace=INDEX_NAMESPACE, where=INDEX_PATH)


def _split(signature: bytes) -> Iterator[bytes]:
    while _END in signature:
        block, _, signature = signature.partition(_END)
        yield block + _END


def _listed(keys: Iterable[PublicKey]) -> str:
    return ", ".join(map(str, keys))
