"""Scores with truth for the gate: whoever runs it brings its own, and believes no count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from calreg.cli.options import mapping_of
from calreg.errors import UsageError
from calreg.labelled import LabelledScores
from calreg.names import HeadName, classify

if TYPE_CHECKING:
    from calreg.gate import Change, Holdout

__all__ = ["holdout_of"]


def holdout_of(words: Sequence[str], columns: tuple[str, ...], change: Change) -> Holdout:
    """The tables of --holdout, each read for its head.

    Args:
        words: `MODEL/HEAD=DATA`, or `DATA` where the change is about one head.
        columns: The values of --column.
        change: What is judged.

    Raises:
        UsageError: A table for no head or for several.
        InputError: A table is refused.
    """
    from calreg.gate import Holdout

    names = mapping_of(columns)
    paths: dict[HeadName, list[str]] = {}
    for word in words:
        head, path = _split(word, change)
        paths.setdefault(head, []).append(path)
    return Holdout({head.full: _read(head, files, names) for head, files in paths.items()})


def _split(word: str, change: Change) -> tuple[HeadName, str]:
    head, equals, path = word.partition("=")
    if equals and "/" in head and path:
        return HeadName.parse(head), path
    places = (classify(touch.path) for touch in change.touches)
    heads = {place.head for place in places if place is not None and place.head is not None}
    if len(heads) != 1:
        raise UsageError(
            f"--holdout {word}: the change is about {len(heads)} heads",
            hint=f"Say whose scores they are: --holdout MODEL/HEAD={word}",
        )
    return heads.pop(), word


def _read(head: HeadName, paths: Sequence[str], columns: Mapping[str, str]) -> LabelledScores:
    from calreg.scores import ScoreTable, read_labelled

    return read_labelled(ScoreTable(paths=tuple(paths), columns=dict(columns), head=head))
