"""What the documents that production reads must mean, beyond what their schemas can say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from calreg.documents.pointers import Problem, escaped, head_problems, name_problems
from calreg.names import HeadName, case_collision

__all__ = [
    "index_problems",
    "keys_problems",
    "lock_problems",
    "model_index_problems",
    "packed_problems",
]

_YEARS = (1970, 9998)


def model_index_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with the index of a model."""
    for head in data["heads"]:
        yield from name_problems(f"/heads/{head}", partial(HeadName, data["model"], head))


def index_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with an index."""
    for model in data["models"]:
        yield from name_problems(f"/models/{escaped(model)}", partial(HeadName, model, "x"))
    if twins := case_collision(data["models"]):
        yield "/models", f"{twins[0]} and {twins[1]} differ only in case"
    yield from (unreal := list(_time_problems(data)))
    if not unreal and not datetime.fromisoformat(data["issued"]) < datetime.fromisoformat(
        data["expires"]
    ):
        yield "/expires", f"{data['expires']} is not after issued, {data['issued']}"


def _time_problems(data: Mapping[str, Any], pointer: str = "") -> Iterator[Problem]:
    """Times that no calendar has, or that nobody can mean, which others would stumble on."""
    for name in ("issued", "expires"):
        text = data.get(name)
        try:
            is_sound = text is None or _YEARS[0] <= datetime.fromisoformat(text).year <= _YEARS[1]
        except ValueError:
            is_sound = False
        if not is_sound:
            yield f"{pointer}/{name}", f"{text} is no time between {_YEARS[0]} and {_YEARS[1]}"


def lock_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with a lock."""
    yield from head_problems(data)
    sources = 1 + len(data.get("upstream", ()))
    for head, entry in data["heads"].items():
        if entry.get("origin", 0) >= sources:
            yield (
                f"/heads/{escaped(head)}/origin",
                f"{entry['origin']} is none of {sources} sources",
            )
    for number, source in enumerate((data, *data.get("upstream", ()))):
        yield from _time_problems(source, f"/upstream/{number - 1}" if number else "")
        trust = source.get("trust")
        if trust and trust["threshold"] > len(trust["keys"]):
            yield "/trust/threshold", f"{trust['threshold']} of {len(trust['keys'])} keys"


def keys_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with a list of keys."""
    if data["threshold"] > len(data["keys"]):
        yield "/threshold", f"{data['threshold']} is more than there are keys, {len(data['keys'])}"
    if (data["number"] == 1) != (data["previous"] is None):
        yield "/previous", "the first list, and only it, has none before it"


def packed_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with packed references."""
    for head in data["references"]:
        yield from name_problems(f"/references/{head}", partial(HeadName, data["model"], head))
