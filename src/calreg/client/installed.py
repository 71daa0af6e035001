"""What is installed in a folder, handed out without a network.

`Installed` holds one set for as long as it lives: a pull meanwhile installs another, and
this one goes on answering from its own. Every reference is hashed when it is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from calreg import documents
from calreg.client.destination import LOCK_FILE, open_folder, read_lock, snapshot_folder
from calreg.client.folder import Folder
from calreg.client.offers import MAX_REFERENCE_BYTES, suggestion
from calreg.documents import Calibration, LabelCalibration, Lock, LockEntry
from calreg.errors import DigestMismatchError, InputError
from calreg.methods import (
    apply_head,
    apply_method,
    decision_of,
    fires,
    head_columns,
    head_fires,
    is_shared,
    raw_scores,
)
from calreg.names import HeadName, nearest

if TYPE_CHECKING:
    import numpy as np
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
        """Calibrated scores or probabilities; NaN where a score is NaN or infinite.

        `minmax` gives calibrated scores in [0, 1], the probability methods the probability that
        an item is positive, `factor` predictions of the group, the label, times its factor.
        What fires is another question: `fires`.

        Args:
            scores: Raw scores of one label, any shape. float32 stays float32, everything
                else becomes float64.
            label: Which of the head's labels they are of.
            missing: What a label without numbers gives: an error, or the raw scores.
            out: Where to write; may be `scores`.

        Raises:
            InputError: The reference has no such label, its method only decides or is a
                softmax, or the scores are not numbers.
        """
        if missing == "raw" and label not in self.calibration.labels:
            return _raw_copy(scores, out)
        numbers = self._alone(label, instead="apply_all({label: scores, …})")
        if numbers.method == "threshold":
            raise self._decides_only(label, "fires(scores, label=…)")
        return apply_method(numbers.method, numbers.parameters, scores, out=out)

    def apply_all(self, columns: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
        """Calibrated scores or probabilities of several labels, by label; as `apply`.

        Args:
            columns: Raw scores by label, all of one shape; item by item of the same items. A
                softmax needs all labels of the head, and an item with one score that is NaN
                or infinite gets NaN for all of them.

        Raises:
            InputError: As `apply`; shapes that differ, or labels that a softmax lacks.
        """
        given = self._columns(columns)
        for label in given:
            if self.calibration.labels[label].method == "threshold":
                raise self._decides_only(label, "fires_all({label: scores, …})")
        return apply_head(self.calibration.labels, given)

    @overload
    def fires(
        self, scores: float, *, label: str, unreadable: Literal["raise", "false"] = ...
    ) -> np.bool_: ...

    @overload
    def fires(
        self, scores: ArrayLike, *, label: str, unreadable: Literal["raise", "false"] = ...
    ) -> NDArray[np.bool_]: ...

    def fires(
        self,
        scores: ArrayLike,
        *,
        label: str,
        unreadable: Literal["raise", "false"] = "raise",
    ) -> Any:
        """Whether the label fires, score by score: bool, of the scores' shape.

        The threshold is part of the reference, and so is its direction; it is compared in
        float64. A label whose threshold is null never fires.

        Args:
            scores: Raw scores of one label, any shape, as for `apply`.
            label: Which of the head's labels they are of.
            unreadable: What a score that is NaN or infinite gives: an error, or False.

        Raises:
            InputError: The reference has no such label, or no threshold for it; it is a
                softmax; the scores are not numbers; some are NaN or infinite.
        """
        numbers = self._alone(label, instead="fires_all({label: scores, …})")
        given = self._readable({label: raw_scores(scores)}, unreadable)[label]
        with self._named(label):
            return fires(numbers, given)

    def fires_all(
        self,
        columns: Mapping[str, ArrayLike],
        *,
        unreadable: Literal["raise", "false"] = "raise",
    ) -> dict[str, NDArray[np.bool_]]:
        """Whether labels fire, by label; as `fires`.

        Args:
            columns: Raw scores by label, as for `apply_all`.
            unreadable: What a score that is NaN or infinite gives: an error, or False; under
                a softmax False for every label of that item.

        Raises:
            InputError: As `fires`; shapes that differ, or labels that a softmax lacks.
        """
        given = self._readable(self._columns(columns), unreadable)
        for label in given:
            with self._named(label):
                decision_of(self.calibration.labels[label])
        return head_fires(self.calibration.labels, given)

    def _numbers(self, label: str) -> LabelCalibration:
        numbers = self.calibration.labels.get(label)
        if numbers is None:
            listed = ", ".join(self.labels)
            raise InputError(
                f"no label {label!r} in {self.name} v{self.version}; it has {listed}",
                hint=nearest(label, self.labels),
                code="unknown-label",
            )
        return numbers

    def _alone(self, label: str, *, instead: str) -> LabelCalibration:
        """The numbers of a label that needs no scores but its own."""
        numbers = self._numbers(label)
        if is_shared({label: numbers}):
            raise InputError(
                f"label {label!r} of {self.name} v{self.version} is part of a softmax, "
                "which needs the scores of all labels",
                hint=f"Use .{instead}.",
                code="method",
            )
        return numbers

    def _decides_only(self, label: str, instead: str) -> InputError:
        return InputError(
            f"label {label!r} of {self.name} v{self.version} has a threshold for raw scores, "
            "and no calibrated scores",
            hint=f"Use .{instead}.",
            code="method",
        )

    def _columns(self, columns: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
        for label in columns:
            self._numbers(label)
        with self._named():
            return head_columns(self.calibration.labels, columns)

    def _readable(
        self, given: dict[str, NDArray[Any]], unreadable: Literal["raise", "false"]
    ) -> dict[str, NDArray[Any]]:
        """The scores, if all are finite or need not be."""
        if unreadable == "raise":
            for label, scores in given.items():
                _refuse_unreadable(scores, where=self._place(label))
        elif unreadable != "false":
            raise InputError(f"unreadable: expected 'raise' or 'false', got {unreadable!r}")
        return given

    @contextlib.contextmanager
    def _named(self, label: str | None = None) -> Iterator[None]:
        """Say whose numbers it was that were refused."""
        try:
            yield
        except InputError as error:
            error.where = error.where or self._place(label)
            raise

    def _place(self, label: str | None) -> str:
        head = f"{self.name} v{self.version}"
        return head if label is None else f"{head}, label {label!r}"


def _refuse_unreadable(scores: NDArray[Any], *, where: str) -> None:
    import numpy as np

    if lost := scores.size - int(np.count_nonzero(np.isfinite(scores))):
        raise InputError(
            f"{lost:,} of {scores.size:,} scores are NaN or infinite",
            where=where,
            hint='Leave them out, or let them not fire: unreadable="false".',
            code="scores",
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
        return f"{self.lock.first.registry}@{self.lock.first.commit}"

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
                f"No head {head!r} in {self.lock.first.registry}. "
                f"{suggestion(head, self.lock.heads)}",
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
