"""One head's reference in use: applied to scores, deciding about them, and its stamp.

The arithmetic is in `calreg.methods`; here is what is asked of it and how it is refused. A
value of this module never changes, so that any thread may use it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from calreg.documents import Calibration, LabelCalibration
from calreg.errors import InputError
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
from calreg.names import HeadName, nearest, parse_head_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["InstalledReference", "Stamp"]

_STAMP = re.compile(r"(\S+@[0-9a-f]{7,64}) (\S+) (v\d+) sha256:([0-9a-f]{64})")


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

    @classmethod
    def parse(cls, text: str) -> Self:
        """The stamp that its text was made of.

        Raises:
            InputError: It is no stamp.
        """
        found = _STAMP.fullmatch(text.strip())
        if found is None:
            raise InputError(
                f"{text[:200]!r} is not a stamp",
                hint="Expected 'registry@commit model/head v3 sha256:…', as stored with a result.",
                code="stamp",
            )
        head, version = parse_head_at(f"{found[2]}@{found[3]}")
        return cls(found[1], head.full, version or 0, found[4])

    @property
    def registry(self) -> str:
        """The registry's name."""
        return self.origin.rpartition("@")[0]


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
