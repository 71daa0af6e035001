"""Judging a change: read what it touches, make it anew, ask every rule, weigh what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from calreg.documents import GateSettings, RegistrySettings
from calreg.errors import InputError
from calreg.gate.case import Case
from calreg.gate.files import PLAIN, Files
from calreg.gate.known import Known, known
from calreg.gate.lines import Lines
from calreg.gate.reading import Documents, load_documents, load_rules
from calreg.gate.rule import Rule, severity_of
from calreg.gate.rules import RULES
from calreg.gate.said import Said
from calreg.gate.story import tell
from calreg.gate.table import table_of
from calreg.gate.values import SEVERITIES, Change, Finding, Holdout, Judged, Severity, Side
from calreg.names import REGISTRY_FILE, HeadName
from calreg.plan.message import one_line

__all__ = ["judge"]

_MAX_FINDINGS = 2_000
"""Of one rule: a hostile document has a place for a million."""

_MAX_LINES = 200
_MAX_PROBLEM = 500


def judge(change: Change, *, holdout: Holdout | None = None, now: str | None = None) -> Judged:
    """What is to be said about a change, by the rules that its base holds.

    A new registry is judged by its own rules. Whatever the head side holds, the answer is a
    value: only a base that cannot be read is an error.

    Args:
        change: The two sides, and what differs.
        holdout: Scores with truth to compute decisions' figures from.
        now: The time, as documents write it: nothing may be later than a day from now.

    Raises:
        InputError: The base is no registry, or one of its documents is invalid.
    """
    base = known(change.base, _own_rules(change.head))
    files = Files(change)
    name = base.settings.name if change.base is not None or _is_readable(change.head) else None
    too_much = list(files.too_much(base.settings.gate))
    if too_much:
        rule = RULES["size-limits"]
        return Judged(tuple(_found(rule, said, base.settings.gate) for said in too_much), {}, name)
    case = _case(change, files, base, holdout, now)
    findings = _findings(case)
    return Judged(findings, table_of(case, findings), name)


def _own_rules(side: Side) -> RegistrySettings:
    """The rules of a new registry: its own, or none but the defaults if they cannot be read."""
    try:
        raw = side.read([REGISTRY_FILE]) if _is_readable(side) else {}
        return load_rules(raw[REGISTRY_FILE], where=REGISTRY_FILE)
    except (InputError, KeyError, ArithmeticError, ValueError):
        return RegistrySettings("unknown")


def _is_readable(side: Side) -> bool:
    found = side.listing.get(REGISTRY_FILE)
    return found is not None and found.mode == PLAIN


def _case(
    change: Change, files: Files, base: Known, holdout: Holdout | None, now: str | None
) -> Case:
    too_large = dict(files.too_large(base.settings.gate))
    documents = load_documents(files, change.head, set(too_large))
    story = tell(base, files, documents)
    names = frozenset(RULES)
    return Case(change, files, base, documents, story, too_large, holdout, now, names)


# --- weighing -----------------------------------------------------------------------------


def _findings(case: Case) -> tuple[Finding, ...]:
    found: dict[Finding, Said] = {}
    for rule in RULES.values():
        found |= _weighed(case, ((rule, said) for said in rule.check(case)))
    blocked = {one.path for one in found if one.severity == "error" and one.path is not None}
    found |= _weighed(case, ((RULES[name], said) for name, said in _unexplained(case, blocked)))
    return tuple(_with_lines(sorted(found, key=_order), found, case.documents))


def _weighed(case: Case, said: Iterable[tuple[Rule, Said]]) -> dict[Finding, Said]:
    """What rules say, as findings: so many that a report can hold them, the others counted."""
    kept: dict[Finding, Said] = {}
    more: dict[tuple[str, Severity], int] = {}
    for rule, one in said:
        head = None if one.head is None else HeadName.parse(one.head)
        policy = case.known.settings.gate if head is None else case.policy(head)
        found = _found(rule, one, policy)
        if len(kept) < _MAX_FINDINGS:
            kept[found] = one
        else:
            place = rule.name, found.severity
            more[place] = more.get(place, 0) + 1
    for (name, severity), count in more.items():
        rest = Said(f"says so of {count:,} more places")
        kept[Finding(name, severity, None, None, rest.problem)] = rest
    return kept


def _found(rule: Rule, said: Said, policy: GateSettings) -> Finding:
    return Finding(
        rule=rule.name,
        severity=severity_of(rule, said, policy),
        path=said.path,
        head=said.head,
        problem=one_line(said.problem, limit=_MAX_PROBLEM),
        hint=None if said.hint is None else one_line(said.hint, limit=_MAX_PROBLEM),
    )


def _order(found: Finding) -> tuple[int, str, str, str, str]:
    severity = SEVERITIES.index(found.severity)
    return severity, found.path or "", found.rule, found.head or "", found.problem


_RULE_OF = {
    "run": "drift-recomputed",
    "model-run": "drift-recomputed",
    "version": "complete-version",
    "reference": "unexplained-move",
    "move": "move-record",
    "pins": "move-record",
    "withdrawn": "withdrawn",
}


def _unexplained(case: Case, blocked: set[str]) -> Iterator[tuple[str, Said]]:
    """Files that no run and no move writes, or not so, and which no rule blocks.

    The last resort: nothing that the story does not tell passes because a rule forgot it.
    """
    for path, place in case.files.places.items():
        rule = _RULE_OF.get(place.kind)
        if rule is None or path in blocked or _is_told(case, path):
            continue
        if place.kind == "run" and any(
            one.endswith(f"/v{place.number}/run.json") for one in blocked
        ):
            continue  # it names the digest of what is blocked already
        head = place.head.full if place.head is not None else None
        yield rule, Said("is not what the runs and moves of this change write", path, head)


def _is_told(case: Case, path: str) -> bool:
    if case.files.touches[path].new is None:
        is_collected = case.files.places[path].kind in {"version", "model-run"}
        return is_collected or case.story.expected.get(path, b"") is None
    return case.is_as_told(path)


def _with_lines(
    ordered: Iterable[Finding], said: Mapping[Finding, Said], documents: Documents
) -> Iterator[Finding]:
    lines: dict[str, Lines] = {}
    for number, found in enumerate(ordered):
        pointer, path = said[found].pointer, found.path
        if number >= _MAX_LINES or not pointer or path is None or path not in documents.raw:
            yield found
            continue
        if path not in lines:
            lines[path] = Lines(documents.raw[path])
        yield Finding(
            rule=found.rule,
            severity=found.severity,
            path=path,
            head=found.head,
            problem=found.problem,
            line=lines[path].of(pointer),
            hint=found.hint,
        )
