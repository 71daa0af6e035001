"""Signatures of a registry's indexes and keys: read, and verified with the standard library.

A signature is an SSHSIG, as `ssh-keygen -Y sign` makes it, with an Ed25519 key. This room
only verifies; private keys are seen by `ssh-keygen` alone, which `calreg.signing` starts. The
modules, from the bottom: `curve` (points), `ed25519` (one signature), `wire` (SSH's strings),
`keys` (a public key's line), `sshsig` (the file of signatures), `checking` (who, and whether
that is enough).
"""

from __future__ import annotations

from calreg.signatures.checking import INDEX_NAMESPACE, KEYS_NAMESPACE, check_signed, signers
from calreg.signatures.keys import PublicKey, check_comment

__all__ = [
    "INDEX_NAMESPACE",
    "KEYS_NAMESPACE",
    "PublicKey",
    "check_comment",
    "check_signed",
    "signers",
]
