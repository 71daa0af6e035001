"""The page of the gate: may what is on the branch be published?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calreg.gate import Finding
from calreg.names import HeadName
from calreg.pages.answers import gate_answer
from calreg.pages.board import Place, ago, board, breakable
from calreg.pages.html import Html, Part, code, joined, tag
from calreg.pages.observed import FoundByGate, Observed
from calreg.report.numbers import plural

__all__ = ["gate_page"]

_LOOKS = {
    "error": ("✗ blocks", "bad"),
    "warning": ("! warning", "warn"),
    "note": ("· note", "none"),
}
_MAX_SHOWN = 300


def gate_page(observed: Observed, found: FoundByGate | None, place: Place) -> bytes:
    """The page of the gate's findings.

    Args:
        observed: The registry.
        found: What the gate said; None while that is not known.
        place: Where the page lies.
    """
    parts = (
        [tag("h1", "The gate has not been asked yet.")]
        if found is None
        else _said(observed, found, place)
    )
    return board(
        "Gate",
        *parts,
        place=place,
        registry=observed.name,
        here="gate",
        commit=observed.commit,
    )


def _said(observed: Observed, found: FoundByGate, place: Place) -> list[Part]:
    shown = found.findings[:_MAX_SHOWN]
    more = len(found.findings) - len(shown)
    known: Mapping[str, HeadName] = {name: head.name for name, head in observed.by_name.items()}
    return [
        tag("h1", gate_answer(found)),
        _asked(found),
        *(_finding(one, known, place) for one in shown),
        tag("p", f"… and {plural(more, 'more finding')}.", class_="soft") if more else None,
        tag("p", "What a rule asks, and why: ", code("calreg gate --explain RULE"), ".",
            class_="soft") if shown else None,
    ]  # fmt: skip


def _asked(found: FoundByGate) -> Html:
    touched = f"; it touches {plural(found.heads, 'head')}" if found.heads else ""
    at = joined([", asked ", ago(found.at)]) if found.at is not None else None
    return tag(
        "p",
        f"Judged was commit {found.head[:12]} against {found.base or 'nothing'}",
        at,
        f"{touched}. The gate changes nothing.",
        class_="soft",
    )


def _finding(found: Finding, known: Mapping[str, HeadName], place: Place) -> Html:
    word, look = _LOOKS[found.severity]
    return tag(
        "section",
        tag("p", tag("span", word, class_=f"verdict {look}"), " ", tag("b", found.rule)),
        _about(found, known, place),
        tag("p", found.problem),
        tag("p", found.hint, class_="soft") if found.hint else None,
        class_=f"finding {look}",
    )


def _about(found: Finding, known: Mapping[str, HeadName], place: Place) -> Html | None:
    parts: list[Part] = []
    if found.head is not None:
        name = known.get(found.head)
        parts.append(tag("a", breakable(found.head), href=place.head(name)) if name else found.head)
    if found.path is not None:
        line = f":{found.line}" if found.line is not None else ""
        parts.append(tag("code", found.path.encode("utf-8", "replace").decode() + line))
    return tag("p", _spaced(parts)) if parts else None


def _spaced(parts: Sequence[Part]) -> Html:
    return joined(parts, " ")
