"""Bring back the very numbers of a stamp: from what was installed here once, or the source.

A stamp names bytes by their digest, so whoever hands them out need not be trusted to hand
out the right ones. What was withdrawn since is not brought back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from calreg import documents
from calreg.client.deadline import Deadline
from calreg.client.destination import CACHE, Destination, kept_sets, open_folder, read_lock
from calreg.client.gathering import Place
from calreg.client.installed import refuse_withdrawn
from calreg.client.pulling import Limits
from calreg.client.references import InstalledReference, Stamp
from calreg.client.views import Asking, View
from calreg.documents import Lock
from calreg.errors import CalregError, DigestMismatchError, InputError

__all__ = ["replayed"]


def replayed(
    stamp: Stamp, dest: Path, places: Sequence[Place], *, limits: Limits, now: datetime
) -> InstalledReference:
    """The reference of a stamp, its bytes those that the stamp names.

    Args:
        stamp: What an application stored with a result.
        dest: The folder whose kept sets are looked through first.
        places: The sources that are asked then.
        limits: What it may cost.
        now: By which clock expiry is judged.

    Raises:
        InputError: No source is of the stamp's registry, or it has no such version.
        RegistryError: The version was withdrawn.
        DigestMismatchError: The source has other bytes for it.
        TransportError: The source cannot be reached.
    """
    raw, lock = _from_disk(stamp, dest)
    for source in lock.sources if lock else ():
        if source.registry == stamp.registry:
            refuse_withdrawn(source, stamp.head, stamp.version)
    if raw is None:
        raw = _from_sources(stamp, dest, lock, places, limits, now)
    calibration = documents.load_calibration(raw, where=str(stamp))
    if (calibration.name.full, calibration.version) != (stamp.head, stamp.version):
        raise InputError(
            f"the document of this digest is {calibration.name} v{calibration.version}",
            where=str(stamp),
            code="stamp",
        )
    return InstalledReference(calibration, stamp.digest, stamp)


def _from_disk(stamp: Stamp, dest: Path) -> tuple[bytes | None, Lock | None]:
    if not dest.is_dir():
        return None, None
    with open_folder(dest) as folder:
        lock = read_lock(folder)
        for kept, found in kept_sets(folder):
            entry = kept.heads.get(stamp.head)
            if entry is not None and entry.digest == stamp.digest and stamp.head in found():
                return found()[stamp.head], lock
    return None, lock


def _from_sources(
    stamp: Stamp,
    dest: Path,
    lock: Lock | None,
    places: Sequence[Place],
    limits: Limits,
    now: datetime,
) -> bytes:
    deadline = Deadline(limits.deadline_s)
    with _cache(dest, deadline, is_installed=lock is not None) as cache:
        for number, place in enumerate(places):
            known = _known(lock, place)
            asking = Asking(
                deadline, limits.max_bytes, cache.with_name(f"replay-{number}.git"), now,
                known=known, keys=place.keys, threshold=place.threshold,
                branch=place.source.branch, always=True,
            )  # fmt: skip
            raw = _from_source(stamp, place, asking)
            if raw is not None:
                return raw
    raise InputError(
        f"none of the sources is the registry {stamp.registry!r}, which the stamp is of",
        where=str(stamp),
        hint="Name its address as a source.",
        code="stamp",
    )


def _from_source(stamp: Stamp, place: Place, asking: Asking) -> bytes | None:
    """The document, if the source is of the stamp's registry."""
    from calreg.client.views.opening import open_view

    view = open_view(place.source, replace(asking, installed={}))
    if view is None or view.origin.registry != stamp.registry:
        return None
    refuse_withdrawn(replace(view.origin, withdrawn=view.withdrawn), stamp.head, stamp.version)
    raw = _version(stamp, place, asking, view)
    actual = documents.digest_of(raw)
    if actual != stamp.digest:
        raise DigestMismatchError(str(stamp), expected=stamp.digest, actual=actual)
    return raw


def _version(stamp: Stamp, place: Place, asking: Asking, view: View) -> bytes:
    """The version as the source has it now; if it was cleared away, as of the stamp's commit."""
    try:
        return view.version(stamp.head, stamp.version)[1]
    except InputError as error:
        commit = stamp.origin.rpartition("@")[2]
        if error.code != "no-such-version" or view.origin.read == "site":
            raise
        from calreg.client.views.main import open_commit

        try:
            then = open_commit(place.source, asking, replace(view.origin, commit=commit))
        except CalregError:
            raise error from None  # that commit is gone as well
        return then.version(stamp.head, stamp.version)[1]


def _known(lock: Lock | None, place: Place) -> documents.LockSource | None:
    for source in lock.sources if lock else ():
        if source.source == place.source.shown:
            return source
    return None


@contextlib.contextmanager
def _cache(dest: Path, deadline: Deadline, *, is_installed: bool) -> Iterator[Path]:
    """A place for fetched objects: beside what is installed, else for this once."""
    if is_installed:
        with Destination.exclusively(dest, deadline):
            yield dest.absolute() / CACHE
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="calreg-") as folder:
        yield Path(folder) / "cache.git"
