"""What the rules and records of a registry must mean, beyond what their schemas can say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from calreg.documents.pointers import Problem, escaped, name_problems
from calreg.names import HeadName

__all__ = ["move_problems", "registry_problems", "retention_problems"]


def registry_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with the rules of a registry."""
    blocks = [("", data)] + [
        (f"/heads/{escaped(pattern)}", block) for pattern, block in data.get("heads", {}).items()
    ]
    for pointer, block in blocks:
        grid = block.get("histogram")
        if grid is not None and not grid["lo"] < grid["hi"]:
            yield f"{pointer}/histogram/lo", f"lo {grid['lo']} is not below hi {grid['hi']}"
        lowest, highest = block.get("gate", {}).get("factor_bounds", (1, 1))
        if not lowest <= highest:
            yield f"{pointer}/gate/factor_bounds", f"{lowest} is above {highest}"


def move_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with a move."""
    yield from name_problems("/head", partial(HeadName.parse, data["head"]))
    if (data["action"] == "withdraw") != ("version" in data):
        yield "/version", "is said of a withdrawal, and of nothing else"


def retention_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong with what retention took away."""
    for model, ranges in data["collected"].items():
        pointer = f"/collected/{escaped(model)}"
        yield from name_problems(pointer, partial(HeadName, model, "x"))
        before = 0
        for place, found in enumerate(ranges):
            if not before < found["first"] <= found["last"]:
                yield (
                    f"{pointer}/{place}",
                    "is not after the range before, or ends before it begins",
                )
            before = found["last"]
