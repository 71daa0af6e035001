"""Blocks an index on the working branch that does not agree with the references beside it.

The index that production reads is made and signed on the branch `stable`. If one is committed
here as well, some reader may believe it: then it must list exactly the references that are
there, with their versions, digests and sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from calreg.documents import (
    Entry,
    Index,
    ModelEntry,
    ModelIndex,
    digest_of,
    load_calibration,
    load_index,
    load_model_index,
)
from calreg.errors import InputError
from calreg.gate.case import Case
from calreg.gate.files import PLAIN, version_folder
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import INDEX_PATH, classify

__all__ = ["RULE", "check"]

_HINT = "Leave indexes to calreg stable publish, which makes them on a branch of their own."


def check(case: Case) -> Iterator[Said]:
    """Every index that the change touches, or whose references it touches."""
    paths = _indexes(case)
    if not paths:
        return
    raw = _read(case, paths)
    for path in paths:
        if path not in raw:
            yield Said("cannot be read", path)
            continue
        try:
            problem = (
                _top(case, load_index(raw[path], where=path), raw)
                if path == INDEX_PATH
                else _second(case, load_model_index(raw[path], where=path), path)
            )
        except (InputError, ArithmeticError, ValueError) as error:
            problem = error.message if isinstance(error, InputError) else str(error)
        if problem is not None:
            yield Said(problem, path, hint=_HINT)


def _indexes(case: Case) -> list[str]:
    """Indexes on the head side that may have come to disagree."""
    models = {name.model for name in case.moved_heads}
    found = []
    for path in case.change.head.listing:
        folder, _, last = path.rpartition("/")
        if last != INDEX_PATH or version_folder(path) is not None:
            continue
        if path in case.files.touches or folder in models or (not folder and models):
            found.append(path)
    return sorted(found)


def _read(case: Case, paths: list[str]) -> Mapping[str, bytes]:
    limit = case.known.settings.gate.max_document_bytes
    listing, touches = case.change.head.listing, case.files.touches
    others = [path for path in listing if path.endswith(f"/{INDEX_PATH}")]
    wanted = [
        path
        for path in sorted({*paths, *(others if INDEX_PATH in paths else ())})
        if listing[path].mode == PLAIN and not _size(touches.get(path)) > limit
    ]
    return case.change.head.read(wanted)


def _size(touch: object) -> int:
    new = getattr(touch, "new", None)
    return (new.size or 0) if new is not None else 0


def _second(case: Case, index: ModelIndex, path: str) -> str | None:
    if f"{index.model}/{INDEX_PATH}" != path:
        return f"at /model: {index.model} is not what the path says"
    start = f"{index.model}/"
    names = []
    for other in case.change.head.listing:
        place = classify(other) if other.startswith(start) else None
        if place is not None and place.kind == "reference" and place.model == index.model:
            names.append(other)
    raw = case.change.head.read(sorted(names))
    expected = {}
    for name, text in raw.items():
        calibration = load_calibration(text, where=name)
        entry = Entry(calibration.version, digest_of(text), len(text))
        expected[calibration.name.head] = entry
    return _compare(expected, index.heads)


def _top(case: Case, index: Index, raw: Mapping[str, bytes]) -> str | None:
    if index.registry != case.known.settings.name:
        return f"at /registry: expected {case.known.settings.name!r}, got {index.registry!r}"
    expected = {}
    for path, text in raw.items():
        if path != INDEX_PATH:
            second = load_model_index(text, where=path)
            expected[second.model] = ModelEntry(digest_of(text), len(text), len(second.heads))
    return _compare(expected, index.models)


def _compare(expected: Mapping[str, object], got: Mapping[str, object]) -> str | None:
    for key in sorted({*expected, *got}):
        if key not in got:
            return f"does not list {key}"
        if key not in expected:
            return f"lists {key}, which is not there"
        if expected[key] != got[key]:
            return f"does not agree about {key}: expected {expected[key]}, got {got[key]}"
    return None


RULE = Rule("index", "an index that agrees with the references", "error", "error", check)
