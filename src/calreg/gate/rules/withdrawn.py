"""Blocks withdrawn versions that come back: as a reference, by a move, or off the list.

A withdrawn version is unfit for any use, for good. The list of them only grows, each entry with
the decision that put it there, and no reference holds a version that is on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import Calibration, Withdrawn, load_calibration
from calreg.gate.case import Case
from calreg.gate.known import loaded_base
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import WITHDRAWN_PATH, HeadName

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Moves to withdrawn versions, references that hold one, and a list that is not as told."""
    for step in case.story.moves:
        if step.refusal is not None and step.refusal.code == "withdrawn":
            yield Said(step.refusal.message, step.path, hint=step.refusal.hint)
    yield from _references(case)
    yield from _copies(case)
    yield from _list(case)


def _references(case: Case) -> Iterator[Said]:
    brought = case.documents.of(WITHDRAWN_PATH, Withdrawn) or Withdrawn({})
    for name in sorted({*case.heads, *_listed(case, brought)}):
        after = case.after(name)
        if after is None:
            continue
        for withdrawn in (case.known.withdrawn, case.story.withdrawn, brought):
            found = withdrawn.of(name.full, after.version)
            if found is not None:
                yield Said(
                    f"holds v{after.version}, which is {found.text}",
                    name.reference_path,
                    name.full,
                    hint=f"calreg rollback {name} --reason …",
                )
                break


def _copies(case: Case) -> Iterator[Said]:
    """References that change to the very numbers of a withdrawn version under another number.

    A run on the same input is held by itself; that its input is another is only said.
    """
    pairs = [
        (name, after, version, why)
        for name, _, after in case.comparisons()
        for version, why in case.story.withdrawn.heads.get(name.full, {}).items()
        if version != after.version
    ]
    paths = (name.version_path(version) for name, _, version, _ in pairs)
    raw = case.known.read(path for path in paths if path not in case.files.touches)
    for name, after, version, why in pairs:
        path = name.version_path(version)
        held: Calibration | None = case.documents.of(path, Calibration)
        if path in raw:
            held = loaded_base(load_calibration, raw[path], path)
        if held is not None and held.labels == after.labels:
            yield Said(
                f"holds the numbers of v{version}, which is {why.text}",
                name.reference_path,
                name.full,
                severity="warning",
                hint=f"calreg rollback {name} --reason …, or withdraw this one too.",
            )


def _listed(case: Case, brought: Withdrawn) -> set[HeadName]:
    """Heads that the change puts on the list, whose references are at hand."""
    new = {*brought.heads, *case.story.withdrawn.heads} - case.known.withdrawn.heads.keys()
    return {HeadName.parse(head) for head in new} & case.story.before.keys()


def _list(case: Case) -> Iterator[Said]:
    touch = case.files.touches.get(WITHDRAWN_PATH)
    expected = case.story.expected.get(WITHDRAWN_PATH)
    if touch is None:
        kept = case.known.read([WITHDRAWN_PATH]).get(WITHDRAWN_PATH) if expected else None
        if expected != kept:
            yield Said("is not changed, though a version is withdrawn", WITHDRAWN_PATH)
        return
    if touch.new is not None and case.is_as_told(WITHDRAWN_PATH):
        return
    brought = case.documents.of(WITHDRAWN_PATH, Withdrawn)
    if brought is not None:
        yield from _entries(brought, case.story.withdrawn)
    else:
        yield Said("is gone or cannot be read, and what was withdrawn stays so", WITHDRAWN_PATH)


def _entries(brought: Withdrawn, expected: Withdrawn) -> Iterator[Said]:
    pairs = [
        (head, version, brought.of(head, version), expected.of(head, version))
        for head in sorted({*brought.heads, *expected.heads})
        for version in sorted({*brought.heads.get(head, ()), *expected.heads.get(head, ())})
    ]
    wrong = [pair for pair in pairs if pair[2] != pair[3]]
    for head, version, got, wanted in wrong[:20]:
        if got is None:
            problem = f"v{version} is off the list, and withdrawn versions stay on it"
        elif wanted is None:
            problem = f"v{version} is on the list, and no move of this change withdraws it"
        else:
            problem = f"v{version} is withdrawn otherwise than its record says"
        yield Said(problem, WITHDRAWN_PATH, head, pointer=("heads", head, f"v{version}"))
    if not wrong or len(wrong) > 20:
        yield Said("is not what the decisions of this change leave", WITHDRAWN_PATH)


RULE = Rule("withdrawn", "what is withdrawn stays so", "error", "error", check)
