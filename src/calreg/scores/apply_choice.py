"""Which calibration goes with which scores, and how many scores got what.

Everything is decided and counted before anything is written.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from calreg.documents.calibration import Calibration, LabelCalibration
from calreg.errors import InputError
from calreg.names import HeadName, nearest
from calreg.scores.expressions import type_of
from calreg.scores.sources import Source

__all__ = ["Choice", "Tally", "placed", "refuse_taken"]

_Key = TypeVar("_Key", bound=Hashable)

_SHOWN = 10


@dataclass(slots=True)
class Tally:
    """Counts while the plan is made; `fired` is by head and label, as in a wide table."""

    rows: int = 0
    calibrated: int = 0
    unreadable: int = 0
    raw: int = 0
    fired: dict[str, int] = field(default_factory=dict)

    def add(self, calibration: LabelCalibration | None, readable: int, unreadable: int) -> None:
        """Count scores that one calibration applies to; None lets raw ones through."""
        self.unreadable += unreadable
        if calibration is None:
            self.raw += readable
        else:
            self.calibrated += readable

    def add_fired(self, name: HeadName, label: str, count: int) -> None:
        """Count scores that fire."""
        key = f"{name}:{label}"
        self.fired[key] = self.fired.get(key, 0) + count


@dataclass(frozen=True, slots=True)
class Choice:
    """The calibrations that there are, and what to do where there is none."""

    calibrations: Mapping[HeadName, Calibration]
    missing: Literal["refuse", "raw"]

    def of(
        self, wanted: Mapping[_Key, tuple[HeadName, str]]
    ) -> dict[_Key, LabelCalibration | None]:
        """The calibration of every head and label; None where raw scores pass.

        Raises:
            InputError: There is none, and raw scores may not pass.
        """
        found = {key: self._one(*pair) for key, pair in wanted.items()}
        lacking = sorted({pair for key, pair in wanted.items() if found[key] is None})
        if lacking and self.missing == "refuse":
            raise _no_calibration(lacking, self.calibrations)
        return found

    def check_scale(self, column: str, name: HeadName, label: str) -> None:
        """Refuse scores that their column calls logits where others were tuned on, or the reverse.

        Raises:
            InputError: The column's name and the document contradict each other.
        """
        calibration = self._one(name, label)
        was_logit = calibration.is_logit if calibration is not None else None
        is_logit = _says_logit(column)
        if was_logit is None or is_logit is None or was_logit == is_logit:
            return
        was, now = ("logits", "scores") if was_logit else ("scores", "logits")
        raise InputError(
            f"column {column!r} holds {now}, and its calibration was tuned on {was}",
            where=f"{name}, label {label!r}",
            hint=f"Apply it to the {was} of the same model, or tune it on these {now}.",
            code="scale",
        )

    def _one(self, name: HeadName, label: str) -> LabelCalibration | None:
        head = self.calibrations.get(name)
        return None if head is None else head.labels.get(label)


def _says_logit(column: str) -> bool | None:
    """What a column's name says its scores are; None for one of any other name."""
    first = column.casefold().partition("_")[0]
    return {"logit": True, "score": False}.get(first)


def _no_calibration(
    lacking: Sequence[tuple[HeadName, str]], known: Mapping[HeadName, Calibration]
) -> InputError:
    heads = sorted({name.full for name, _ in lacking if name not in known})
    labels = [f"{name} label {label!r}" for name, label in lacking if name in known]
    listed = heads + labels
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    known_ones = f"{nearest(heads[0], [name.full for name in known])} " if heads and known else ""
    return InputError(
        f"no calibration for {', '.join(listed[:_SHOWN])}{more}",
        hint=f"{known_ones}Leave them out, or let their raw scores through: --missing raw",
        code="no-calibration",
    )


@contextmanager
def placed(name: HeadName, label: str) -> Iterator[None]:
    """Errors about a calibration say whose it is."""
    try:
        yield
    except InputError as error:
        error.where = error.where or f"{name}, label {label!r}"
        raise


def refuse_taken(sources: Sequence[Source], new: Sequence[str]) -> None:
    """Stop where a column that is to be written is there already.

    Raises:
        InputError: By the column's name.
    """
    for source in sources:
        for column in new:
            if type_of(source, column) is not None:
                raise InputError(
                    f"has a column {column!r} already", where=source.where, code="columns"
                )
