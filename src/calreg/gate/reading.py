"""The documents of the head side, read with suspicion: what cannot be loaded is said, not raised.

A document that says it is another one than its path says counts as not loaded: nothing in it is
used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from calreg.documents import (
    Calibration,
    ModelRun,
    Move,
    RegistrySettings,
    Run,
    load_calibration,
    load_json,
    load_model_run,
    load_move,
    load_pins,
    load_retention,
    load_run,
    load_withdrawn,
)
from calreg.documents.loading import load
from calreg.documents.schemas import schema_problem
from calreg.errors import InputError
from calreg.gate.files import Files
from calreg.gate.said import Said
from calreg.gate.values import Side
from calreg.names import HeadName, Place

__all__ = ["Documents", "load_documents", "load_rules", "own_bytes"]


def load_rules(raw: bytes, *, where: str) -> RegistrySettings:
    """Rules, none of them of a later schema than this gate knows.

    Raises:
        InputError: They are invalid; or later, so that nobody here can tell what they ask.
    """
    data = load("registry", raw, where=where)
    if data["schema"] != RegistrySettings.SCHEMA:
        raise InputError(
            f"is of schema {data['schema']}, this gate knows {RegistrySettings.SCHEMA}",
            where=where,
            hint="Upgrade the gate's calreg.",
            code="document",
        )
    return RegistrySettings.from_json(data)


_LOAD: Mapping[str, Callable[..., Any]] = {
    "registry": load_rules,
    "pins": load_pins,
    "withdrawn": load_withdrawn,
    "retention": load_retention,
    "run": load_run,
    "model-run": load_model_run,
    "version": load_calibration,
    "reference": load_calibration,
    "move": load_move,
}


_PATIENCE_BYTES = 32 * 2**20
"""Of documents that are none. To say what is wrong with one takes seconds for each MiB of it."""

_NO_MORE = "is not looked at any more, after so many bytes that are no documents"
_MOST_CONTRADICTORY = 2**20


@dataclass(frozen=True, eq=False)
class Documents:
    """Touched files of the head side.

    Args:
        raw: The bytes of all that were read.
        values: Those that are what their path says, as values.
        problems: What is wrong with others.
        contradictory: Parts of runs among those others that have the form of one: they are
            refused, but what they claim can be held against what comes out.
    """

    raw: Mapping[str, bytes]
    values: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Said, ...] = ()
    contradictory: Mapping[str, ModelRun] = field(default_factory=dict)

    def of(self, path: str, kind: type[Any]) -> Any:
        """The value of a path, if it was loaded and is of a kind; else None."""
        found = self.values.get(path)
        return found if isinstance(found, kind) else None

    def part(self, path: str) -> ModelRun | None:
        """What a part of a run claims, believable or not."""
        found = self.values.get(path)
        return found if isinstance(found, ModelRun) else self.contradictory.get(path)


def load_documents(files: Files, side: Side, too_large: set[str]) -> Documents:
    """Read and load every touched file of the registry that may be read."""
    wanted = [path for path in files.readable if path not in too_large]
    raw = {**side.read(wanted)} if wanted else {}
    values: dict[str, Any] = {}
    problems: list[Said] = []
    twins = _twins(files, wanted)
    refused_bytes = 0
    for path in wanted:
        place = files.places[path]
        head = place.head.full if place.head else None
        if path not in raw:
            problems.append(Said("cannot be read", path, head))
        elif place.kind in _LOAD and twins.get(path) not in values:
            if refused_bytes > _PATIENCE_BYTES:
                problems.append(Said(_NO_MORE, path, head))
                continue
            value, problem = _loaded(path, raw[path], place)
            values.update({path: value} if problem is None else {})
            problems += [] if problem is None else [Said(problem, path, head)]
            refused_bytes += 0 if problem is None else len(raw[path])
    values |= {path: values[twin] for path, twin in twins.items() if twin in values}
    refused = {path for path in raw if path not in values and path in files.places}
    contradictory = {
        path: part
        for path in sorted(refused)
        if files.places[path].kind == "model-run"
        and len(raw[path]) <= _MOST_CONTRADICTORY
        and (part := _contradictory(path, raw[path], files.places[path])) is not None
    }
    return Documents(raw, values, tuple(problems), contradictory)


def _twins(files: Files, paths: list[str]) -> dict[str, str]:
    """References that are the very object of a version of their head in the same change."""
    objects = {}
    for path in paths:
        place, new = files.places[path], files.touches[path].new
        if place.kind == "version" and new is not None:
            objects[place.head, new.oid] = path
    found = {}
    for path in paths:
        place, new = files.places[path], files.touches[path].new
        if place.kind == "reference" and new is not None and (place.head, new.oid) in objects:
            found[path] = objects[place.head, new.oid]
    # Versions are loaded before the references that are copies of them.
    paths.sort(key=lambda path: path in found)
    return found


# No count of anything has so many digits; what has more cannot be computed with.
_LONG = re.compile(rb"[ \[:,\-\t\r\n][0-9]{16}")
_LARGEST = 2**53


def _loaded(path: str, raw: bytes, place: Place) -> tuple[Any, str | None]:
    try:
        if place.kind != "registry" and _LONG.search(raw) and _too_long(load_json(raw, where=path)):
            return None, f"holds a whole number above {_LARGEST:,}"
        value = _LOAD[place.kind](raw, where=path)
    except InputError as error:
        return None, error.message
    except (ArithmeticError, ValueError) as error:
        return None, f"holds what is no number of this world: {error}"
    problem = next(_contradictions(value, place), None)
    return value, problem


def _contradictory(path: str, raw: bytes, place: Place) -> ModelRun | None:
    """A part of a run that has the form of one, and says what cannot be."""
    try:
        data = load_json(raw, where=path)
        if _too_long(data) or schema_problem("model-run", data) is not None:
            return None
        part = ModelRun.from_json(data)
        for head in part.heads:
            HeadName(part.model, head)
        return part if next(_contradictions(part, place), None) is None else None
    except (InputError, ArithmeticError, ValueError):
        return None


def _too_long(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_too_long, value.values()))
    if isinstance(value, list):
        return any(map(_too_long, value))
    return isinstance(value, int) and abs(value) > _LARGEST


def _contradictions(value: Any, place: Place) -> Iterator[str]:
    """What a document says of itself against what its path says, and times that are none."""
    if isinstance(value, Calibration):
        if value.name != place.head:
            yield f"at /head: expected {place.head}, got {value.name}"
        if place.kind == "version" and value.version != place.number:
            yield f"at /version: expected {place.number}, got {value.version}"
    if isinstance(value, ModelRun) and value.model != place.model:
        yield f"at /model: expected {place.model}, got {value.model}"
    if isinstance(value, Run | ModelRun) and value.version != place.number:
        yield f"at /version: expected {place.number}, got {value.version}"
    if isinstance(value, Move) and value.number != place.number:
        yield f"at /number: expected {place.number}, got {value.number}"
    if isinstance(value, Run | ModelRun | Move) and not _is_time(value.timestamp):
        yield f"at /timestamp: {value.timestamp} is no time"
    if isinstance(value, Run) and not isinstance(value.options.get("tune", {}), Mapping):
        yield "at /options/tune: expected an object"


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def own_bytes(value: Any, raw: bytes, path: str) -> bytes | str:
    """The bytes that this program would write for a value; or why it would write none."""
    data = load_json(raw, where=path)
    said, known = data.get("schema"), value.to_json().get("schema")
    if said != known:
        return f"is of schema {said}, this gate knows {known}"
    try:
        found: bytes = value.to_bytes()
    except (ArithmeticError, ValueError) as error:
        return f"cannot be written: {error}"
    return found
