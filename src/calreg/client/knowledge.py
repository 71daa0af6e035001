"""What is known of sources, carried over to an older set: keys, numbers, withdrawn versions."""

from __future__ import annotations

from dataclasses import replace

from calreg.documents import Lock, LockSource

__all__ = ["as_known_now"]


def as_known_now(lock: Lock, current: Lock) -> Lock:
    """An older lock with the newest knowledge of its sources, and of all others.

    A source is the same at the same address; elsewhere, if it is the first of that name. Two
    may say that they are one registry, and neither may get the other's keys.
    """
    left = list(current.sources)
    here = [_taken(left, source.registry, source.source) for source in lock.sources]
    known = [
        now or _taken(left, before.registry) or before
        for now, before in zip(here, lock.sources, strict=True)
    ]
    return replace(lock, sources=tuple(source.unsettled() for source in (*known, *left)))


def _taken(left: list[LockSource], registry: str, address: str | None = None) -> LockSource | None:
    for number, source in enumerate(left):
        if source.registry == registry and address in {None, source.source}:
            return left.pop(number)
    return None
