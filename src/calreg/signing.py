"""Sign bytes, and make keys to sign with: both are done by `ssh-keygen`.

A private key never enters this process: `ssh-keygen` is started with the path of its file,
reads it (or asks ssh-agent, or the person at the terminal for a passphrase), and hands back
a signature. What it hands back is verified here before anyone uses it. Where nobody can be
asked, nothing waits for an answer.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from calreg.errors import CalregError, InputError, TransportError
from calreg.signatures import PublicKey, check_comment, signers
from calreg.signatures.sshsig import blocks_in

__all__ = ["new_key", "public_key_of", "sign"]

_TIMEOUT_S = 30.0
_ASKED_TIMEOUT_S = 300.0
"""Somebody types a passphrase, or looks for the token to touch."""

_MAX_PUBLIC_BYTES = 16 * 1024
_PUBLIC = ".pub"
_SHOWN_CHARACTERS = 200


def sign(message: bytes, key: Path, *, namespace: str) -> bytes:
    """An armoured signature of the message by the key, verified.

    Args:
        message: The bytes to sign.
        key: The file of an Ed25519 private key; or of a public one (`.pub`) whose private half
            ssh-agent holds.
        namespace: What the signature is for; it is good for nothing else.

    Raises:
        InputError: No such file, no Ed25519 key, one that others can read, a wrong passphrase,
            or a passphrase that nobody can be asked for.
        TransportError: `ssh-keygen` is not there, or does not end.
    """
    _check_file(key)
    named = _beside(key)
    armoured = _run(
        key, "-q", "-Y", "sign", "-n", namespace, "-f", str(key.absolute()), stdin=message
    )
    try:
        maker = PublicKey(blocks_in(armoured)[0].key)
        signers(message, armoured, [maker], namespace=namespace, where=str(key))
    except (ValueError, CalregError) as error:
        raise _refused(key, f"its signature cannot be used: {error}") from error
    if named not in (None, maker):
        raise _refused(key, f"{key.name}{_PUBLIC} is not its public half", code="key-mismatch")
    return armoured


def public_key_of(key: Path) -> PublicKey:
    """The public half of a key: read from the file beside it, else from the key itself.

    Args:
        key: The file of a private key, or of a public one (`.pub`).

    Raises:
        InputError: No such file, no Ed25519 key, one that others can read, or a passphrase that
            is wrong or that nobody can be asked for.
        TransportError: `ssh-keygen` is not there, or does not end.
    """
    _check_file(key)
    named = _beside(key)
    if named is not None:
        return named
    line = _run(key, "-y", "-f", str(key.absolute()))
    return PublicKey.parse(line.decode("utf-8", "replace"), str(key))


def new_key(path: Path, comment: str) -> PublicKey:
    """The public half of a key that is made here, without a passphrase.

    The private half is at `path`, mode 600, the public one beside it at `path.pub`.

    Raises:
        InputError: One of the two files is there already, their folder is not, or cannot be
            written to; or the comment cannot be written on one line.
        TransportError: `ssh-keygen` is not there, or does not end.
    """
    check_comment(comment)
    public = path.with_name(path.name + _PUBLIC)
    for file in (path, public):
        if os.path.lexists(file):
            raise _refused(file, "is there already; a key is never overwritten", code="key-exists")
    if not path.parent.is_dir():
        raise _refused(
            path,
            f"there is no folder {str(path.parent)!r}",
            hint=f"mkdir -p -m 700 {path.parent}",
            code="no-such-folder",
        )
    _run(path, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path.absolute()))
    return _read_public(public)


def _beside(key: Path) -> PublicKey | None:
    """The public half in a file of its own, if there is one."""
    file = key if key.name.endswith(_PUBLIC) else key.with_name(key.name + _PUBLIC)
    return _read_public(file) if file.is_file() else None


def _read_public(file: Path) -> PublicKey:
    try:
        with file.open("rb") as source:
            raw = source.read(_MAX_PUBLIC_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise _refused(file, f"cannot be read as a public key: {problem}") from error
    return PublicKey.parse(text, str(file))


def _check_file(key: Path) -> None:
    if not key.is_file():
        raise InputError(
            "there is no such key file",
            where=str(key),
            hint=f"calreg keys new {key} makes one.",
            code="no-such-key",
        )


def _run(key: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """What `ssh-keygen` writes to its output.

    Raises:
        InputError: It refuses, about the key in question.
        TransportError: It cannot be started, or does not end.
    """
    is_attended = _is_attended()
    timeout_s = _ASKED_TIMEOUT_S if is_attended else _TIMEOUT_S
    try:
        done = subprocess.run(  # noqa: S603 -- an argument list, and no shell
            ["ssh-keygen", *arguments],  # noqa: S607 -- wherever the person's PATH has it
            input=stdin,
            capture_output=True,
            check=False,
            env=_environment(is_attended=is_attended),
            timeout=timeout_s,
            # Without a terminal of its own it cannot ask there, and wait for ever.
            start_new_session=not is_attended,
        )
    except FileNotFoundError as error:
        raise TransportError(
            "ssh-keygen cannot be started",
            hint="Install openssh-client (OpenSSH) and put it on the PATH.",
            code="ssh-keygen-missing",
        ) from error
    except subprocess.TimeoutExpired:
        raise TransportError(
            f"ssh-keygen did not end within {timeout_s:g} s",
            where=str(key),
            hint="A key that asks for a passphrase or a touch can be kept in ssh-agent: ssh-add.",
            code="timeout",
        ) from None
    if done.returncode != 0:
        raise _complaint(key, done.stderr.decode("utf-8", "replace"), is_attended=is_attended)
    return done.stdout


def _is_attended() -> bool:
    """Whether somebody sits at a terminal who could be asked for a passphrase."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _environment(*, is_attended: bool) -> dict[str, str]:
    asking = {} if is_attended else {"SSH_ASKPASS_REQUIRE": "never"}
    return {**os.environ, "LC_ALL": "C", **asking}


def _complaint(key: Path, err: str, *, is_attended: bool) -> CalregError:
    """What `ssh-keygen` said, as an error that says what to do."""
    if "bad permissions" in err or "UNPROTECTED" in err:
        mode = stat.S_IMODE(key.stat().st_mode)
        return _refused(
            key,
            f"others can read this private key (mode {mode:04o}), so ssh-keygen refuses it",
            hint=f"chmod 600 {key}; if others could read it, make a new one.",
            code="key-permissions",
        )
    if "incorrect passphrase" in err and is_attended:
        return _refused(key, "wrong passphrase", hint="Try again.", code="passphrase")
    if "incorrect passphrase" in err:
        return _refused(
            key,
            "the key is protected by a passphrase, and nobody is there to be asked for it",
            hint=f"Load it into ssh-agent first: ssh-add {key}",
            code="passphrase",
        )
    if "match private" in err:
        return _refused(key, f"{key.name}{_PUBLIC} is not its public half", code="key-mismatch")
    if "load public key" in err or "invalid format" in err or "error in libcrypto" in err:
        return _refused(
            key,
            "this is no private key that ssh-keygen can read",
            hint="In CI: is the secret set, and were its line breaks kept?",
        )
    lines = [" ".join(line.split()) for line in err.splitlines() if line.strip()]
    words = "".join(c if c.isprintable() else "?" for c in (lines or ["no reason given"])[0])
    return _refused(key, f"ssh-keygen refuses: {words[:_SHOWN_CHARACTERS]}")


def _refused(file: Path, problem: str, *, hint: str | None = None, code: str = "key") -> InputError:
    return InputError(problem, where=str(file), hint=hint, code=code)
