"""The lists of keys of a registry, read from one commit and checked."""

from __future__ import annotations

from calreg.errors import InputError
from calreg.names import classify
from calreg.plan.keys import SignedKeys, checked_lists
from calreg.registry.snapshot import Snapshot

__all__ = ["signed_lists"]

_FOLDER = "keys"
_MAX_BYTES = 64 * 1024


def signed_lists(snapshot: Snapshot) -> tuple[SignedKeys, ...]:
    """All lists of keys, the oldest first, each signed as it must be; none: an empty tuple.

    Raises:
        InputError: A list is missing, invalid, or no plain file.
        RegistryError: A list is not signed by whom it must be, or too large.
    """
    found = snapshot.tree.paths(snapshot.full(_FOLDER), recursive=False)
    prefix = snapshot.full("")
    ours = {path: entry for path, entry in found.items() if _is_ours(path.removeprefix(prefix))}
    for path, entry in ours.items():
        if not entry.is_plain_file:
            raise InputError(
                f"expected a plain file, mode 100644, got mode {entry.mode}",
                where=path,
                code="document",
            )
    if not ours:
        return ()
    raw = snapshot.tree.read_entries(ours.items(), max_bytes=_MAX_BYTES)
    files = {path.removeprefix(prefix): content for path, content in raw.items()}
    return checked_lists(snapshot.settings.name, files, where=prefix)


def _is_ours(path: str) -> bool:
    place = classify(path)
    return place is not None and place.kind in {"keys", "keys-signature"}
