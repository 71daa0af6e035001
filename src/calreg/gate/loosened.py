"""What changed between two sets of rules, and whether it lets more through than before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from calreg.documents import GateSettings, HeadSettings, RegistrySettings
from calreg.gate.per_head import UNKNOWN, Key, Patterns, flat, looser_patterns
from calreg.gate.values import SEVERITIES

__all__ = ["Difference", "rule_changes"]


class Difference(NamedTuple):
    """One thing that is another than before."""

    pointer: tuple[str, ...]
    before: Any
    after: Any
    is_looser: bool

    def __str__(self) -> str:
        place = ".".join(self.pointer)
        word = "loosened" if self.is_looser else "changed"
        return f"{place} {word}: {_shown(self.before)} → {_shown(self.after)}"


def rule_changes(before: RegistrySettings, after: RegistrySettings) -> Iterator[Difference]:
    """All that changed, in the order of the file."""
    if before.name != after.name:
        yield Difference(("name",), before.name, after.name, is_looser=True)
    yield from _head_rules(before.defaults, after.defaults)
    yield from _gate(before.gate, after.gate)
    looser = _looser_heads(before, after)
    yield from _patterns(("heads",), before.heads, after.heads, looser)
    looser = _looser_gate_heads(before, after)
    yield from _patterns(("heads", "gate"), before.gate_heads, after.gate_heads, looser)


def _head_rules(before: HeadSettings, after: HeadSettings) -> Iterator[Difference]:
    for name in sorted({*before.thresholds, *after.thresholds}):
        old, new = (side.thresholds.get(name) for side in (before, after))
        if old != new:
            # What is not written is the default, which nobody here needs to know.
            looser = old is None or new is None or new > old
            yield Difference(("thresholds", name), old, new, looser)
    if before.min_samples != after.min_samples:
        looser = after.min_samples < before.min_samples
        yield Difference(("min_samples",), before.min_samples, after.min_samples, looser)
    for name, pointer in (
        ("grid", ("histogram",)),
        ("promote_on", ("policy", "promote_on")),
        ("assume", ("noise", "assume")),
    ):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield Difference(pointer, old, new, is_looser=True)


def _gate(before: GateSettings, after: GateSettings) -> Iterator[Difference]:
    for field in fields(GateSettings):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name == "severities":
            yield from _severities(old, new)
        elif old != new:
            yield Difference(("gate", field.name), old, new, _is_looser(field.name, old, new))


def _is_looser(name: str, old: Any, new: Any) -> bool:
    if name == "factor_bounds":
        return bool(new[0] < old[0] or new[1] > old[1])
    if name == "files":
        return not set(new) <= set(old)
    if name == "allow_unknown_samples":
        return bool(new)
    if old is None or new is None:
        return new is None
    return bool(new < old if name.startswith("min_") else new > old)


def _severities(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for rule in sorted({*old, *new}):
        was, now = old.get(rule), new.get(rule)
        if was != now:
            looser = now is None or was is None or _rank(now) > _rank(was)
            yield Difference(("gate", "severities", rule), was, now, looser and now != "error")


def _rank(severity: str) -> int:
    return [str(one) for one in SEVERITIES].index(severity)


def _patterns(
    pointer: tuple[str, ...], before: Patterns, after: Patterns, looser: Collection[str]
) -> Iterator[Difference]:
    old, new = dict(before), dict(after)
    for pattern in sorted({*old, *new}):
        if old.get(pattern) != new.get(pattern):
            place = (pointer[0], pattern, *pointer[1:])
            yield Difference(place, old.get(pattern), new.get(pattern), pattern in looser)
    if [p for p in old if p in new] != [p for p in new if p in old]:
        yield Difference(pointer, list(old), list(new), is_looser=True)


def _looser_heads(before: RegistrySettings, after: RegistrySettings) -> Collection[str]:
    rules = before.defaults
    common = flat({
        "thresholds": rules.thresholds,
        "min_samples": rules.min_samples,
        "policy": {"promote_on": rules.promote_on},
        "noise": {"assume": rules.assume},
    })  # fmt: skip
    return looser_patterns(before.heads, after.heads, common, _is_tight_rule)


def _is_tight_rule(key: Key, old: Any, new: Any) -> bool:
    if old is UNKNOWN:
        return False
    if key[0] == "thresholds":
        return bool(new <= old)
    return bool(new >= old if key == ("min_samples",) else new == old)


def _looser_gate_heads(before: RegistrySettings, after: RegistrySettings) -> Collection[str]:
    common = flat({field.name: getattr(before.gate, field.name) for field in fields(GateSettings)})
    return looser_patterns(before.gate_heads, after.gate_heads, common, _is_tight_limit)


def _is_tight_limit(key: Key, old: Any, new: Any) -> bool:
    if key[0] == "severities":
        return new == "error" or (old is not UNKNOWN and _rank(new) <= _rank(old))
    return old is not UNKNOWN and (old == new or not _is_looser(key[0], old, new))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
