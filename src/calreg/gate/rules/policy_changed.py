"""Says every change of the rules, and blocks looser ones that come with anything else.

The rules of the base judge a change, so a change cannot lower its own bar; but the next one is
judged by what this one leaves. So whoever merges is always told. A change that lets more through
must come alone, where nobody overlooks it among a thousand files; then it is a warning. What a
continuous integration runs, and `.gitattributes`, which can change bytes in a checkout, are rules
as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.loosened import Difference, rule_changes
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import REGISTRY_FILE

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every change of `registry.yaml`, of workflows and of attributes."""
    touch = case.files.touches.get(REGISTRY_FILE)
    if touch is not None and case.known.side is not None:
        yield from _rules(case)
    if touch is not None:
        yield from _unknown_rules(case)
    for path in case.files.runs_things:
        yield Said("decides what checks this registry, and is changed", path, severity="warning")
    for path in _attributes(case) if case.known.side is not None else ():
        yield Said("can change bytes in checkouts, and is changed", path, severity="warning")


def _attributes(case: Case) -> list[str]:
    """Touched files that say how files of the registry are checked out: in it, or above it."""
    folder = f"{case.change.folder}/"
    outside = (touch.path for touch in case.change.outside)
    above = {f"/{path}" for path in outside if folder.startswith(_folder(path))}
    return sorted(path for path in {*case.files.touches, *above} if _last(path) == ".gitattributes")


def _folder(path: str) -> str:
    return path[: path.rfind("/") + 1]


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _rules(case: Case) -> Iterator[Said]:
    after = case.new_settings
    if after is None:
        yield Said(
            "is changed, and cannot be read: nothing after it could be judged", REGISTRY_FILE
        )
        return
    found = list(rule_changes(case.known.settings, after))
    is_alone = not any(place.kind != "registry" for place in case.files.places.values())
    for one in found:
        yield _said(one, is_alone=is_alone)
    if not found:
        yield Said("is changed, in words only", REGISTRY_FILE, severity="note")


def _said(one: Difference, *, is_alone: bool) -> Said:
    if one.pointer == ("name",):
        return Said(
            f"{one}: clients know the registry by it",
            REGISTRY_FILE,
            hint="A registry of another name is another registry: calreg init.",
        )
    if not one.is_looser:
        return Said(str(one), REGISTRY_FILE, severity="note")
    return Said(
        f"{one}; this change is judged by the rules before it",
        REGISTRY_FILE,
        severity="warning" if is_alone else None,
        hint=None
        if is_alone
        else f"Change {REGISTRY_FILE} in a change of its own, and merge it first.",
    )


def _unknown_rules(case: Case) -> Iterator[Said]:
    after = case.new_settings
    blocks = [] if after is None else [after.gate.severities]
    blocks += [] if after is None else [b.get("severities", {}) for _, b in after.gate_heads]
    for rule in sorted({rule for block in blocks for rule in block} - case.rule_names):
        yield Said(
            f"gate.severities names {rule!r}, which is no rule", REGISTRY_FILE, severity="warning"
        )


RULE = Rule("policy-changed", "changes of the rules, always said", "error", "error", check)
