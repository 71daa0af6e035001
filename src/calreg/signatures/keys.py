"""A public key as OpenSSH writes it: one line, `ssh-ed25519 AAAA… comment`.

Only Ed25519 is read. A key is known by its fingerprint; its comment is what people call it,
and says nothing about whose it is.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import sha256

from calreg.errors import InputError
from calreg.signatures.ed25519 import KEY_BYTES, checked_key
from calreg.signatures.wire import Reader, string

__all__ = ["ALGORITHM", "PublicKey", "check_comment", "key_in"]

ALGORITHM = "ssh-ed25519"

_MAX_LINE = 1024
_MAX_COMMENT = 200
_HINT = "calreg keys new PATH makes a key; PATH.pub is its public half, one line."
_TYPE = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa|webauthn)-[a-z0-9@.-]{1,64}")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of a key pair that everyone may know.

    Two keys are equal if their bytes are, whatever their comments say.

    Args:
        raw: 32 bytes, the canonical encoding of a point that is not of small order.
        comment: What people call it; printable, on one line, possibly empty.

    Raises:
        InputError: The bytes are no such point, or the comment is not printable.
    """

    raw: bytes
    comment: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        try:
            checked_key(self.raw)
        except ValueError as error:
            raise _refused(f"no Ed25519 public key: {error}") from error
        check_comment(self.comment)

    @classmethod
    def parse(cls, text: str, where: str | None = None) -> PublicKey:
        """The key of one line, with or without its line end.

        Args:
            text: A line as `ssh-keygen` writes it; options before the type are refused.
            where: The place, for messages.

        Raises:
            InputError: No such line, another type of key, or a key that is refused.
        """
        try:
            return cls._parsed(text)
        except InputError as error:
            error.where = where
            raise

    @classmethod
    def _parsed(cls, text: str) -> PublicKey:
        if text.lstrip().startswith("-----BEGIN"):
            raise _refused("this is a private key; only its public half, the .pub, is wanted here")
        line = text.strip(" \t\r\n")
        if len(text) > _MAX_LINE or "\n" in line or "\r" in line:
            raise _refused("no public key: expected one line of at most 1,024 characters")
        kind, encoded, comment = (*line.split(maxsplit=2), "", "", "")[:3]
        if kind != ALGORITHM:
            raise _refused(_other_kind(kind))
        blob = _decoded(encoded)
        return cls(raw=key_in(blob), comment=comment)

    @property
    def blob(self) -> bytes:
        """The key as it stands inside SSH's messages: the type, then the point."""
        return string(ALGORITHM.encode()) + string(self.raw)

    @property
    def line(self) -> str:
        """The one line that this key is written as, without a line end."""
        return f"{ALGORITHM} {b64encode(self.blob).decode()} {self.comment}".rstrip()

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and 43 characters, as `ssh-keygen -l` shows it."""
        return "SHA256:" + b64encode(sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.fingerprint} ({self.comment})" if self.comment else self.fingerprint


def check_comment(comment: str) -> str:
    """The comment itself, if a key may be called that.

    Raises:
        InputError: Not printable text on one line, or too long.
    """
    if not comment.isprintable() or comment != comment.strip():
        raise _refused(f"a key's comment must be printable text: {comment[:80]!r}")
    if len(comment) > _MAX_COMMENT:
        raise _refused(f"a key's comment has at most {_MAX_COMMENT} characters")
    return comment


def key_in(blob: bytes) -> bytes:
    """The 32 bytes of the point in a key's blob; whether it is a point is not asked here.

    Raises:
        InputError: Another layout, or another type of key.
    """
    try:
        reader = Reader(blob)
        kind = reader.string()
        if kind != ALGORITHM.encode():
            raise _refused(_other_kind(kind.decode("latin-1")))
        raw = reader.string()
        reader.end()
    except ValueError as error:
        raise _refused(f"no {ALGORITHM} key: {error}") from error
    if len(raw) != KEY_BYTES:
        raise _refused(f"an {ALGORITHM} key has {KEY_BYTES} bytes, this one {len(raw)}")
    return raw


def _decoded(text: str) -> bytes:
    """The bytes of base64 in its one canonical form."""
    try:
        blob = b64decode(text, validate=True)
    except ValueError as error:
        raise _refused("no public key: what follows the type is not base64") from error
    if b64encode(blob).decode() != text:
        raise _refused("no public key: what follows the type is not canonical base64")
    return blob


def _other_kind(kind: str) -> str:
    # What is not a type is not repeated: it could be anything, also a secret.
    if _TYPE.fullmatch(kind):
        return f"a key of type {kind}; only {ALGORITHM} is accepted"
    return f"no public key: expected '{ALGORITHM} AAAA… comment'"


def _refused(message: str) -> InputError:
    return InputError(message, hint=_HINT, code="key")
