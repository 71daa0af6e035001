"""Blocks decisions by hand that are not recorded as they were made, or could not be made.

A decision is a numbered record: who, why, from where to where. It is made again here: a promotion
past a pin, a roll-back to a newer version, a pin on a withdrawn one are refused as they are on
the command line. `pins.json` must be what the decisions leave, so that nobody lifts a pin unseen.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import Move
from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.gate.sameness import differences
from calreg.gate.story import Step
from calreg.names import PINS_PATH, move_path
from calreg.plan import MovePlan

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Gaps in the numbers, decisions that cannot be, records and pins that say otherwise."""
    yield from _numbers(case)
    for step in case.story.moves:
        yield from _step(case, step)
    yield from _pins(case)


def _numbers(case: Case) -> Iterator[Said]:
    numbers = sorted(
        case.files.places[path].number or 0
        for path in case.files.of_kind("move")
        if case.files.is_new(path) and case.files.touches[path].new is not None
    )
    for expected, number in enumerate(numbers, start=case.known.highest_of("move") + 1):
        if number != expected:
            yield Said(
                f"is move {number}, the next is move {expected}",
                move_path(number),
                hint="Somebody was faster, or a move is missing: decide again on what is there.",
            )
            return  # all after it are off by as much


def _step(case: Case, step: Step) -> Iterator[Said]:
    if not isinstance(step.said, Move):
        return
    if step.refusal is not None:
        if step.refusal.code != "withdrawn":  # that is a rule of its own
            yield Said(
                f"{step.said.action} cannot be: {step.refusal.message}",
                step.path,
                step.said.head,
                hint=step.refusal.hint,
            )
    elif isinstance(step.plan, MovePlan) and not case.is_as_told(step.path):
        found = list(differences(step.plan.move.to_json(), step.said.to_json()))
        for pointer, expected, got in found[:1]:
            yield Said(
                f"{'.'.join(pointer)} says {got}, it is {expected}",
                step.path,
                step.said.head,
                pointer=pointer,
            )
        if not found and step.path not in case.foreign_bytes:
            yield Said("is not what this decision writes", step.path, step.said.head)


def _pins(case: Case) -> Iterator[Said]:
    touch = case.files.touches.get(PINS_PATH)
    told = PINS_PATH in case.story.expected
    if touch is None:
        if told and case.known.read([PINS_PATH]).get(PINS_PATH) != case.story.expected[PINS_PATH]:
            yield Said("is not changed, though decisions of this change do", PINS_PATH)
        return
    if touch.new is not None and case.is_as_told(PINS_PATH):
        return
    expected = {head: pin.to_json() for head, pin in case.story.pins.heads.items()}
    value = case.documents.values.get(PINS_PATH)
    got = {head: pin.to_json() for head, pin in value.heads.items()} if value is not None else {}
    heads = sorted(head for head in {*expected, *got} if expected.get(head) != got.get(head))
    for head in heads[:_MOST]:
        yield Said(_pin_problem(expected.get(head), got.get(head)), PINS_PATH, head)
    if not heads or len(heads) > _MOST:
        yield Said("is not what the decisions of this change leave", PINS_PATH)


_MOST = 20


def _pin_problem(expected: object, got: object) -> str:
    if got is None:
        return "its pin is gone, and no move lifts it"
    if expected is None:
        return "is pinned, and no move says so"
    return "is pinned otherwise than the moves say"


RULE = Rule("move-record", "decisions as they are recorded", "error", "error", check)
