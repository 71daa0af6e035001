"""Bytes into documents and documents into bytes, with every check on the way.

A new kind of document has its reader here: one function that imports its module when called.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from calreg.documents.schemas import Kind, kind_of, schema_problem
from calreg.documents.semantics import semantic_problems
from calreg.documents.strict import Json, canonical_bytes, load_json, load_yaml
from calreg.errors import InputError

if TYPE_CHECKING:
    from calreg.documents.calibration import Calibration
    from calreg.documents.feedback import Overrides, Suggestions
    from calreg.documents.index import Index, ModelIndex, Packed
    from calreg.documents.keys import Keys
    from calreg.documents.lock import Lock
    from calreg.documents.moves import Move, Pins
    from calreg.documents.retention import Retention
    from calreg.documents.run import ModelRun, Run
    from calreg.documents.settings import RegistrySettings
    from calreg.documents.withdrawn import Withdrawn

__all__ = [
    "checked_bytes",
    "find_calibration",
    "load",
    "load_calibration",
    "load_index",
    "load_keys",
    "load_lock",
    "load_model_index",
    "load_model_run",
    "load_move",
    "load_overrides",
    "load_packed",
    "load_pins",
    "load_retention",
    "load_run",
    "load_settings",
    "load_suggestions",
    "load_withdrawn",
]


class Document(Protocol):
    """A frozen value that can be written."""

    def to_json(self) -> Json:
        """The document as a plain object."""
        ...


@contextlib.contextmanager
def _in_range(where: str) -> Iterator[None]:
    """Refuse a whole number that no float can hold, wherever it turns out to be one."""
    try:
        yield
    except OverflowError as error:
        raise InputError(
            "holds a number that is too large", where=where, code="document"
        ) from error


def load(kind: Kind, raw: bytes, *, where: str) -> Json:
    """The plain object of one document, after every check there is.

    Args:
        kind: What the document must be.
        raw: Its bytes.
        where: The path to name in an error.

    Raises:
        InputError: The first thing wrong: path, JSON pointer, problem.
    """
    data = (load_yaml if kind == "registry" else load_json)(raw, where=where)
    _check(kind, data, where=where)
    return data


def _check(kind: Kind, data: Mapping[str, Any], *, where: str) -> None:
    found, minor = kind_of(data, where=where)
    if found != kind:
        raise InputError(f"expected a {kind} document, got {found}", where=where, code="document")
    with _in_range(where):
        problem = schema_problem(kind, data, minor=minor)
        problem = problem or next(semantic_problems(kind, data), None)
    if problem is not None:
        raise InputError(f"at {problem[0]}: {problem[1]}", where=where, code="document")


def checked_bytes(kind: Kind, document: Document, *, where: str) -> bytes:
    """The canonical bytes of a document about to be written, after every check there is.

    Raises:
        InputError: The document would be refused by its readers.
    """
    data = document.to_json()
    _check(kind, data, where=where)
    return canonical_bytes(data)


def load_calibration(raw: bytes, *, where: str) -> Calibration:
    """The calibration that the bytes of a version or reference hold."""
    from calreg.documents.calibration import Calibration

    with _in_range(where):
        return Calibration.from_json(load("calibration", raw, where=where))


def find_calibration(raw: bytes, *, where: str) -> Calibration:
    """The calibration in a file: a version or reference, or what `tune --out` wrote of one.

    Raises:
        InputError: It is neither, or fails a check.
    """
    data = load_json(raw, where=where)
    held = data.get("document")
    if "schema" not in data and isinstance(held, dict):
        data = held
    _check("calibration", data, where=where)
    from calreg.documents.calibration import Calibration

    with _in_range(where):
        return Calibration.from_json(data)


def load_run(raw: bytes, *, where: str) -> Run:
    """The run that the bytes of `runs/N.json` hold."""
    from calreg.documents.run import Run

    with _in_range(where):
        return Run.from_json(load("run", raw, where=where))


def load_model_run(raw: bytes, *, where: str) -> ModelRun:
    """A model's part of a run, from the bytes of its `run.json`."""
    from calreg.documents.run import ModelRun

    with _in_range(where):
        return ModelRun.from_json(load("model-run", raw, where=where))


def load_settings(raw: bytes, *, where: str) -> RegistrySettings:
    """A registry's name and rules, from the bytes of its `registry.yaml`."""
    from calreg.documents.settings import RegistrySettings

    with _in_range(where):
        return RegistrySettings.from_json(load("registry", raw, where=where))


def load_pins(raw: bytes, *, where: str) -> Pins:
    """The pins that the bytes of `pins.json` hold."""
    from calreg.documents.moves import Pins

    return Pins.from_json(load("pins", raw, where=where))


def load_retention(raw: bytes, *, where: str) -> Retention:
    """What was taken off the tip, from the bytes of `retention.json`."""
    from calreg.documents.retention import Retention

    return Retention.from_json(load("retention", raw, where=where))


def load_move(raw: bytes, *, where: str) -> Move:
    """The move that the bytes of `moves/N.json` hold."""
    from calreg.documents.moves import Move

    return Move.from_json(load("move", raw, where=where))


def load_index(raw: bytes, *, where: str) -> Index:
    """The state of a registry's references, from the bytes of its `index.json`."""
    from calreg.documents.index import Index

    return Index.from_json(load("index", raw, where=where))


def load_model_index(raw: bytes, *, where: str) -> ModelIndex:
    """The references of one model, from the bytes of its `index.json`."""
    from calreg.documents.index import ModelIndex

    return ModelIndex.from_json(load("model-index", raw, where=where))


def load_packed(raw: bytes, *, where: str) -> Packed:
    """All references of one model, from the bytes of a site's `references.json`."""
    from calreg.documents.index import Packed

    return Packed.from_json(load("references", raw, where=where))


def load_withdrawn(raw: bytes, *, where: str) -> Withdrawn:
    """The withdrawn versions that the bytes of `withdrawn.json` hold."""
    from calreg.documents.withdrawn import Withdrawn

    return Withdrawn.from_json(load("withdrawn", raw, where=where))


def load_keys(raw: bytes, *, where: str) -> Keys:
    """The keys that sign a registry's index, from the bytes of `keys/N.json`."""
    from calreg.documents.keys import Keys

    return Keys.from_json(load("keys", raw, where=where))


def load_lock(raw: bytes, *, where: str) -> Lock:
    """The lock that the bytes of a `calreg.lock` hold."""
    from calreg.documents.lock import Lock

    return Lock.from_json(load("lock", raw, where=where))


def load_overrides(raw: bytes, *, where: str) -> Overrides:
    """The factors in force and their history, from the bytes of an overrides document."""
    from calreg.documents.feedback import Overrides

    with _in_range(where):
        return Overrides.from_json(load("overrides", raw, where=where))


def load_suggestions(raw: bytes, *, where: str) -> Suggestions:
    """What a run of the feedback said, from the bytes of its document."""
    from calreg.documents.feedback import Suggestions

    with _in_range(where):
        return Suggestions.from_json(load("suggestions", raw, where=where))
