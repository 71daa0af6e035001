"""Blocks runs that skip a number or take one twice.

A run's number is the version of everything in it. It is one more than the highest there is, so
that two people who run at once cannot both be right, and nobody can count to where the numbers end.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import run_path

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every new run whose number is not the next."""
    places = case.files.places
    numbers = sorted(
        places[path].number or 0
        for path in case.files.of_kind("run")
        if case.files.is_new(path) and case.files.touches[path].new is not None
    )
    for expected, number in enumerate(numbers, start=case.known.highest_of("run") + 1):
        if number != expected:
            yield Said(
                f"is run {number}, the next is run {expected}",
                run_path(number),
                hint="Somebody was faster, or a run is missing: run it again on the present state.",
            )
            return  # all after it are off by as much


RULE = Rule("run-number", "run numbers without gaps or repeats", "error", "error", check)
