"""What is installed in a folder, handed out without a network.

`Installed` holds one set for as long as it lives: a pull meanwhile installs another, and
this one goes on answering from its own. Every reference is hashed when it is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from calreg import documents
from calreg.client.apply import apply_method, raw_scores
from calreg.client.destination import LOCK_FILE, open_folder, read_lock, snapshot_folder
from calreg.client.folder import Folder
from calreg.client.offers import MAX_REFERENCE_BYTES, suggestion
from calreg.documents import Calibration, Lock, LockEntry
from calreg.errors import DigestMismatchError, InputError
from calreg.names import HeadName, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Installed", "InstalledReference", "Stamp"]

_OPEN_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Stamp:
    """What to store with a result, so that one can say later which numbers made it.

    `origin` is `registry@commit`; `digest` that of the reference's bytes.

    >>> str(Stamp("nom-cal@4f2a91c", "essentia/effnet/mood_happy", 3, "ab12"))
    'nom-cal@4f2a91c essentia/effnet/mood_happy v3 sha256:ab12'
    """

    origin: str
    head: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.origin} {self.head} v{self.version} sha256:{self.digest}"


@dataclass(frozen=True, slots=True)
class InstalledReference:
    """One head's reference: its calibration, and where it came from."""

    calibration: Calibration
    digest: str
    stamp: Stamp

    @property
    def name(self) -> HeadName:
        """The head."""
        return self.calibration.name

    @property
    def version(self) -> int:
        """The version that the reference is a copy of."""
        return self.calibration.version

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that have numbers, by name."""
        return tuple(sorted(self.calibration.labels))

    @overload
    def apply(
        self, scores: float, *, label: str, missing: Literal["raise", "raw"] = ..., out: None = ...
    ) -> float: ...

    @overload
    def apply(
        self,
        scores: ArrayLike,
        *,
        label: str,
        missing: Literal["raise", "raw"] = ...,
        out: NDArray[Any] | None = ...,
    ) -> NDArray[Any]: ...

    def apply(
        self,
        scores: ArrayLike,
        *,
        label: str,
        missing: Literal["raise", "raw"] = "raise",
        out: NDArray[Any] | None = None,
    ) -> Any:
        """Calibrated scores in [0, 1]; NaN where a score is NaN or infinite.

        Args:
            scores: Raw scores of one label, any shape. float32 stays float32, everything
                else becomes float64.
            label: Which of the head's labels they are of.
            missing: What a label without numbers gives: an error, or the raw scores.
            out: Where to write; may be `scores`.

        Raises:
            InputError: The reference has no such label, or the scores are not numbers.
        """
        numbers = self.calibration.labels.get(label)
        if numbers is not None:
            return apply_method(numbers.method, numbers.parameters, scores, out=out)
        if missing == "raw":
            return _raw_copy(scores, out)
        raise InputError(
            f"no label {label!r} in {self.name} v{self.version}; it has {', '.join(self.labels)}",
            hint=nearest(label, self.labels),
            code="unknown-label",
        )


def _raw_copy(scores: ArrayLike, out: NDArray[Any] | None) -> Any:
    given = raw_scores(scores)
    if out is None:
        return given.copy() if given.ndim else given[()]
    if out.shape != given.shape:
        raise InputError(f"out: expected shape {given.shape}, got {out.shape}", code="scores")
    out[...] = given
    return out


class Installed:
    """One installed set of references, as it was when it was opened.

    Reading it needs no network and writes nothing. Open it again to see what a later pull
    installed.
    """

    def __init__(self, root: Path, lock: Lock, snapshot: int | None) -> None:
        self.root = root
        self.lock = lock
        self._snapshot = snapshot_folder(lock)
        self._read: dict[str, InstalledReference] = {}
        if snapshot is not None:
            # As long as this is open, a pull does not delete the snapshot.
            weakref.finalize(self, os.close, snapshot)

    @classmethod
    def open(cls, dest: Path | str) -> Installed:
        """What is installed in a folder, without looking anywhere else.

        Raises:
            InputError: Nothing is, or its `calreg.lock` is damaged.
        """
        root = Path(dest).absolute()
        with open_folder(root) as folder:
            for _ in range(_OPEN_ATTEMPTS):
                lock = read_lock(folder)
                if lock is None:
                    break
                snapshot = _hold(folder, lock)
                # Gone although the pointer still names it: a folder that was copied without
                # its snapshots. The plain copies serve, each checked by its digest.
                if snapshot is not None or read_lock(folder) == lock:
                    return cls(root, lock, snapshot)
        raise InputError(
            f"nothing is installed here: there is no {LOCK_FILE}",
            where=str(root),
            hint=f"calreg pull SOURCE {root}",
            code="not-installed",
        )

    @property
    def origin(self) -> str:
        """`registry@commit` of what is installed."""
        return f"{self.lock.registry}@{self.lock.commit}"

    def heads(self) -> tuple[str, ...]:
        """The full names of the heads that are installed."""
        return tuple(sorted(self.lock.heads))

    def versions(self) -> Mapping[str, int]:
        """Each head's installed version."""
        return {head: entry.version for head, entry in self.lock.heads.items()}

    def reference(self, head: str) -> InstalledReference:
        """One head's reference, its bytes checked.

        Raises:
            InputError: No such head is installed, with the nearest that are.
            DigestMismatchError: Its file is not what was installed.
        """
        if head not in self.lock.heads:
            raise InputError(
                f"No head {head!r} in {self.lock.registry}. {suggestion(head, self.lock.heads)}",
                code="unknown-head",
            )
        if head not in self._read:
            self._read[head] = self._checked(head, self.lock.heads[head])
        return self._read[head]

    def _checked(self, head: str, entry: LockEntry) -> InstalledReference:
        raw = self._bytes(entry)
        calibration = documents.load_calibration(raw, where=str(self.root / entry.path))
        if calibration.name.full != head or calibration.version != entry.version:
            raise InputError(
                f"expected {head} v{entry.version}, got {calibration.name} v{calibration.version}",
                where=str(self.root / entry.path),
                code="lock",
            )
        stamp = Stamp(self.origin, head, entry.version, entry.digest)
        return InstalledReference(calibration, entry.digest, stamp)

    def _bytes(self, entry: LockEntry) -> bytes:
        actual = "no file"
        with open_folder(self.root) as folder:
            for path in (f"{self._snapshot}/{entry.path}", entry.path):
                raw = folder.read(path, max_bytes=MAX_REFERENCE_BYTES)
                if raw is None:
                    continue
                actual = documents.digest_of(raw)
                if actual == entry.digest:
                    return raw
        raise DigestMismatchError(str(self.root / entry.path), expected=entry.digest, actual=actual)


def _hold(folder: Folder, lock: Lock) -> int | None:
    """A descriptor that keeps a snapshot from being deleted; None if it is gone."""
    try:
        descriptor = folder.opened(snapshot_folder(lock))
    except FileNotFoundError:
        return None
    # It may be refused: being deleted right now, or on a file system without locks. If the
    # snapshot is still there afterwards, it serves unheld.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    if os.fstat(descriptor).st_nlink == 0:
        os.close(descriptor)
        return None
    return descriptor
