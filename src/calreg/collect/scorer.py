"""The user's scorer: found by its name, and called so that its errors stay with their items.

It is code that the user asked to run, in this process and with this process's rights.
Whatever it raises is a fact about an item, not an error of this program; only answers that
cannot be matched to items stop the collecting.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from calreg.collect.answers import Failure
from calreg.errors import InputError, UsageError
from calreg.names import nearest

__all__ = ["Item", "Scorer", "ScorerFunction", "importable_here", "load_scorer"]

Item: TypeAlias = dict[str, Any]
ScorerFunction: TypeAlias = Callable[[Any], Any]

_MAX_ERROR = 300


@dataclass(frozen=True, slots=True)
class Scorer:
    """A function that scores items, and how to call it.

    Args:
        name: `module:function`.
        function: Takes a list of items and gives a list of answers, or one item and one answer.
        per_item: It takes one item.
        retry: Items of a batch that raised are given to it again, one by one.
        digest: sha256 of the file that the module came from, if it came from one.
    """

    name: str
    function: ScorerFunction
    per_item: bool = False
    retry: bool = True
    digest: str | None = None

    def answers(self, items: Sequence[Mapping[str, Any]]) -> list[Any]:
        """One answer or `Failure` per item, in order.

        Raises:
            InputError: The function gave something else than one answer per item.
        """
        if self.per_item:
            return [self._guarded(dict(item)) for item in items]
        found = self._batch(items)
        if not isinstance(found, Failure):
            return found
        if self.retry and len(items) > 1:
            return [self._alone(item) for item in items]
        return [found] * len(items)

    def _alone(self, item: Mapping[str, Any]) -> Any:
        found = self._batch([item])
        return found if isinstance(found, Failure) else found[0]

    def _batch(self, items: Sequence[Mapping[str, Any]]) -> list[Any] | Failure:
        # Copies: a scorer may change what it is given, and may be called again.
        found = self._guarded([dict(item) for item in items], as_list=True)
        if isinstance(found, list) and len(found) != len(items):
            raise InputError(
                f"expected {len(items)} answers for {len(items)} items, got {len(found)}",
                where=self.name,
                hint="Return a list with an answer for every item, in order; None for 'cannot'.",
                code="scorer-answer",
            )
        return found  # type: ignore[no-any-return]  # a list or a Failure, as asked for

    def _guarded(self, given: Any, *, as_list: bool = False) -> Any:
        try:
            found = self.function(given)
            # An iterator runs the scorer's code, too.
            is_list = isinstance(found, Iterable) and not isinstance(found, str | bytes | Mapping)
            if as_list and is_list:
                return list(found)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- somebody else's code may raise anything; it is recorded
            return Failure(_told(error))
        if as_list:
            raise InputError(
                f"expected a list of answers, got {type(found).__name__}",
                where=self.name,
                hint="It is given a list of items; --per-item gives it one at a time.",
                code="scorer-answer",
            )
        return found


def _told(error: BaseException) -> str:
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 -- an exception of somebody else's that cannot even be told
        lines = []
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= _MAX_ERROR else f"{text[:_MAX_ERROR]}…"


@contextmanager
def importable_here() -> Iterator[None]:
    """Modules of the current folder can be imported meanwhile, as with `python -m`."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def load_scorer(name: str, *, per_item: bool = False, retry: bool = True) -> Scorer:
    """The scorer that `module:function` names; the attribute may be dotted.

    Raises:
        UsageError: Not `module:function`.
        InputError: The module cannot be imported, or has no such function.
    """
    module_name, colon, attribute = name.partition(":")
    if not (colon and module_name and attribute and not module_name.startswith(".")):
        raise UsageError(
            f"--scorer: expected MODULE:FUNCTION, got {name!r}",
            hint="For score() in scorer.py of this folder: --scorer scorer:score",
        )
    module = _imported(module_name)
    found: Any = module
    for step in attribute.split("."):
        if not hasattr(found, step):
            known = [one for one in dir(found) if not one.startswith("_")]
            raise InputError(
                f"{module_name!r} has no {attribute!r}", hint=nearest(step, known), code="scorer"
            )
        found = getattr(found, step)
    if not callable(found):
        raise InputError(
            f"{name!r} is no function, it is {type(found).__name__}",
            hint="Name a function that takes a list of items.",
            code="scorer",
        )
    return Scorer(name, found, per_item=per_item, retry=retry, digest=_digest(module))


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise InputError(
            f"cannot import {name!r}: {_told(error)}",
            hint=f"It is looked for in {str(Path.cwd())!r} and among what is installed.",
            code="scorer",
        ) from error


def _digest(module: Any) -> str | None:
    file = getattr(module, "__file__", None)
    if not file or not Path(file).is_file():
        return None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
