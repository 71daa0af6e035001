"""Keys as a person hands them over: lines, files of lines, or keys that were read already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from calreg.errors import InputError
from calreg.signatures import PublicKey

__all__ = ["public_keys"]

_MAX_BYTES = 64 * 2**10


def public_keys(
    given: Iterable[PublicKey | Path | str], *, threshold: int = 1
) -> tuple[PublicKey, ...]:
    """The keys that were given; each once.

    Args:
        given: A text is a key's line, a path a file with a key per line; lines that are empty
            or begin with '#' are left out.
        threshold: How many of them must sign, if any are given.

    Raises:
        InputError: Something that is no Ed25519 public key, a file that cannot be read, or fewer
            keys than must sign.
    """
    keys = tuple(dict.fromkeys(key for one in given for key in _keys_of(one)))
    if keys and threshold > len(keys):
        counted = "1 key is" if len(keys) == 1 else f"{len(keys)} keys are"
        raise InputError(
            f"{threshold} keys must sign, and {counted} given",
            hint="--key FILE for each, or a lower --threshold.",
            code="threshold",
        )
    return keys


def _keys_of(given: PublicKey | Path | str) -> Iterator[PublicKey]:
    if isinstance(given, PublicKey):
        yield given
    elif isinstance(given, Path):
        yield from _keys_in(given)
    else:
        yield PublicKey.parse(given)


def _keys_in(path: Path) -> Iterator[PublicKey]:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"the key cannot be read: {error.strerror}", where=str(path), code="key"
        ) from error
    if len(raw) > _MAX_BYTES:
        raise InputError(
            f"no file of keys: it has more than {_MAX_BYTES:,} bytes", where=str(path), code="key"
        )
    lines = [line.strip() for line in raw.decode("utf-8", "replace").splitlines()]
    if raw.lstrip().startswith(b"-----BEGIN"):
        lines = [raw.decode("utf-8", "replace")[:200]]  # a private key, refused as a whole
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise InputError("there is no key in this file", where=str(path), code="key")
    for line in found:
        yield PublicKey.parse(line, str(path))
