"""Exactly what a lock names, and nothing newer: what is missing of it, read from its sources.

A reference may have moved on since; the version that the lock names never does. A site has
references only, so what moved on there can be had from git alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calreg import documents
from calreg.client.gathering import Bounds, Gathered, Opened, check_document, versions_of
from calreg.client.selecting import check_withdrawn
from calreg.client.trust import check_fresh
from calreg.client.views import View
from calreg.documents import Entry, Lock, LockEntry
from calreg.errors import DigestMismatchError, InputError, RegistryError
from calreg.names import HeadName

__all__ = ["gather_locked"]


def gather_locked(
    lock: Lock, opened: Sequence[Opened], have: Mapping[str, bytes], bounds: Bounds
) -> Gathered:
    """The set that a lock names, what is missing of it read from its sources.

    Raises:
        RegistryError: A version that is withdrawn, gone, or has other bytes; an index past its
            time, if a fresh one is required.
        InputError: None of the sources is the one that a missing head is from.
    """
    contents, fetched = dict(have), 0
    views = {found.known: found.view for found in opened}
    for origin in range(len(lock.sources)):
        ours = {head: entry for head, entry in lock.heads.items() if entry.origin == origin}
        missing = {head: entry for head, entry in ours.items() if head not in have}
        view = views.get(origin)
        if view is not None:
            _check_usable(ours, view, bounds)
            read = _read_locked(missing, view)
            contents |= read
            fetched += sum(len(raw) for raw in read.values())
        elif missing:
            raise _no_source(lock, min(missing))
    return Gathered(lock, contents, fetched)


def _check_usable(ours: Mapping[str, LockEntry], view: View, bounds: Bounds) -> None:
    if bounds.require_fresh:
        check_fresh(view.origin, bounds.now)
    for head, entry in ours.items():
        check_withdrawn(head, entry.version, view.withdrawn)


def _no_source(lock: Lock, head: str) -> InputError:
    source = lock.source_of(head)
    return InputError(
        f"the lock does not match: {head} is from {source.registry}, {source.source}, which is "
        "none of the sources",
        hint="Name the sources that the lock was made from, in their order.",
        code="lock",
    )


def _read_locked(missing: Mapping[str, LockEntry], view: View) -> dict[str, bytes]:
    """The versions, not the references: those may have moved on, a version never does."""
    listed = {head: found for head in missing if (found := _reference(view, head)) is not None}
    same = {head: entry for head, entry in listed.items() if entry.digest == missing[head].digest}
    read = view.read(same) if same else {}
    others = {head: entry.version for head, entry in missing.items() if head not in same}
    try:
        read |= {head: raw for head, (_, raw) in versions_of(view, others).items()}
    except InputError as error:
        if error.code != "no-such-version":
            raise
        raise RegistryError(
            f"the lock does not match: {error.message}",
            hint="Pull without --locked.",
            code="history-rewritten",
        ) from error
    for head, entry in missing.items():
        if (actual := documents.digest_of(read[head])) != entry.digest:
            path = HeadName.parse(head).version_path(entry.version)
            raise DigestMismatchError(path, expected=entry.digest, actual=actual)
        check_document(read[head], head, entry.version, view)
    return read


def _reference(view: View, head: str) -> Entry | None:
    model = HeadName.parse(head).model
    return view.entries(model).get(head) if model in view.models() else None
