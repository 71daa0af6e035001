"""What a gate says, for a terminal and for the log of a build.

By head, worst first; what is about no head comes before. Names and problems are somebody
else's words: they go through `escaping` on their way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from calreg.gate import SEVERITIES, Finding, HeadResult, Judged
from calreg.report.escaping import command_data, command_property, printable
from calreg.report.numbers import (
    UNICODE,
    Signs,
    count_text,
    number_text,
    plural,
    version_text,
)
from calreg.report.runs import verdict_word
from calreg.report.table import Column, rows

__all__ = ["Compared", "action_text", "annotation_lines", "f1_text", "gate_lines", "gate_sentence"]

_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
_MAX_SHOWN = 40
_MAX_OF_HEAD = 10
_MAX_QUIET = 10
_MAX_ANNOTATIONS = 10  # of a step; the host shows no more


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared: in words, as ids, and how much differs."""

    base: str
    head: str
    base_id: str | None
    head_id: str
    files: int


def gate_lines(
    judged: Judged, compared: Compared, *, width: int | None = None, signs: Signs = UNICODE
) -> list[Text]:
    """The report: what was compared, findings by head, the quiet heads, and what it comes to."""
    groups = _by_head(judged.findings)
    lines = [_first_line(judged, compared, signs), Text()]
    for head, found in list(groups.items())[:_MAX_SHOWN]:
        lines += [*_group(head, found, judged.heads, signs), Text()]
    if (more := len(groups) - _MAX_SHOWN) > 0:
        lines += [Text(f"{signs.more} {plural(more, 'more head')} with findings"), Text()]
    quiet = {head: result for head, result in judged.heads.items() if head not in groups}
    if quiet:
        lines += [*_quiet(quiet, width, signs), Text()]
    return [*lines, *_last_lines(judged)]


def _first_line(judged: Judged, compared: Compared, signs: Signs) -> Text:
    sides = f"{printable(compared.base)} {signs.arrow} {printable(compared.head)}"
    counts = f"{plural(compared.files, 'file')}, {plural(len(judged.heads), 'head')}"
    name = printable(judged.registry or "registry")
    return Text(f"Gate  {signs.joined([name, sides, counts])}")


def _by_head(findings: Iterable[Finding]) -> dict[str | None, list[Finding]]:
    """Findings by head, in the order of the worst of each; those about none come first."""
    found: dict[str | None, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.head, []).append(finding)
    return dict(
        sorted(
            found.items(),
            key=lambda item: (
                item[0] is not None,
                min(SEVERITIES.index(one.severity) for one in item[1]),
                item[0] or "",
            ),
        )
    )


def _group(
    head: str | None,
    findings: Sequence[Finding],
    results: Mapping[str, HeadResult],
    signs: Signs,
) -> Iterator[Text]:
    result = results.get(head or "")
    title = "the registry" if head is None else printable(head)
    yield Text.assemble((title, "bold"), *([_about(result, signs)] if result else []))
    shown = findings[:_MAX_OF_HEAD]
    width = max(len(finding.rule) for finding in shown)
    for finding in shown:
        yield from _finding(finding, width, signs)
    if (more := len(findings) - len(shown)) > 0:
        yield Text(f"  {signs.more} {plural(more, 'more finding')}")


def _about(result: HeadResult, signs: Signs) -> Text:
    parts = [
        version_text(result.version, signs=signs) if result.version else "",
        f"{count_text(result.samples)} scores" if result.samples else "",
        f"F1 {text}" if (text := f1_text(result, signs)) else "",
        result.verdict or "",
        action_text(result, signs),
    ]
    return Text(f"  {signs.joined(parts)}", "dim")


def _finding(finding: Finding, width: int, signs: Signs) -> Iterator[Text]:
    mark = {"error": signs.failed, "warning": "!", "note": signs.dot}[finding.severity]
    place = printable(finding.path or "")
    if finding.path and finding.line is not None:
        place += f":{finding.line}"
    yield Text.assemble(
        (f"  {mark} {finding.rule:<{width}}", _STYLES[finding.severity]),
        f"  {place}  " if place else "  ",
        printable(finding.problem),
    )
    if finding.hint:
        yield Text(f"    {printable(finding.hint)}", "dim")


def _quiet(heads: Mapping[str, HeadResult], width: int | None, signs: Signs) -> Iterator[Text]:
    """The heads of which nothing is said: the first of them as a table, all as a count."""
    shown = sorted(heads.values(), key=_moved_first)[:_MAX_QUIET]
    columns = [
        Column("head", [printable(one.head) for one in shown], can_shrink=True),
        Column("version", [version_text(one.version, signs=signs) for one in shown]),
        Column("scores", [count_text(one.samples, signs=signs) for one in shown], is_right=True),
        Column("F1", [f1_text(one, signs) or signs.nothing for one in shown]),
        Column("verdict", [_verdict(one, signs) for one in shown]),
        Column("reference", [action_text(one, signs) for one in shown]),
    ]
    yield from rows(columns, width=width, signs=signs)
    if (more := len(heads) - len(shown)) > 0:
        yield Text(f"{signs.more} {plural(more, 'more head')} without findings", "dim")


def _moved_first(result: HeadResult) -> tuple[bool, str]:
    return result.action == "kept", result.head


def _verdict(result: HeadResult, signs: Signs) -> Text:
    if result.verdict is None:
        return Text(signs.nothing)
    if result.reference_before is None:
        return Text("new", "cyan")
    return verdict_word(result.verdict, result.evidence or "none")


def f1_text(result: HeadResult, signs: Signs = UNICODE) -> str:
    """F1 before and after, where something decides: `0.712 → 0.733`."""
    if result.f1_before is None and result.f1_after is None:
        return ""
    before, after = (
        number_text(value, signs=signs) for value in (result.f1_before, result.f1_after)
    )
    return f"{before} {signs.arrow} {after}"


def action_text(result: HeadResult, signs: Signs = UNICODE) -> str:
    """What becomes of the reference: `moved v2 → v3`, `kept v1`."""
    before, after = result.reference_before, result.reference_after
    if before == after:
        return f"{result.action} {version_text(after)}" if after is not None else result.action
    at = version_text(after, signs=signs)
    where = at if before is None else f"{version_text(before)} {signs.arrow} {at}"
    return f"{result.action} {where}"


def gate_sentence(judged: Judged) -> str:
    """What it comes to, in one line."""
    counts = {
        severity: sum(found.severity == severity for found in judged.findings)
        for severity in SEVERITIES
    }
    rest = [
        plural(counts[severity], severity) for severity in ("warning", "note") if counts[severity]
    ]
    tail = f"; {' and '.join(rest)}" if rest else ""
    if counts["error"]:
        verb = "blocks" if counts["error"] == 1 else "block"
        return f"{plural(counts['error'], 'finding')} {verb} this change{tail}"
    return f"Nothing blocks this change{tail}"


def _last_lines(judged: Judged) -> Iterator[Text]:
    yield Text(gate_sentence(judged), "bold green" if judged.ok else "bold red")
    if judged.findings:
        yield Text(f"Next: calreg gate --explain {judged.findings[0].rule}")


def annotation_lines(judged: Judged, prefix: str) -> list[str]:
    """Workflow commands that mark files of a pull request: at most ten, worst first.

    Args:
        judged: What the gate says.
        prefix: The registry's folder in the repository; empty for the root.
    """
    return [_annotation(finding, prefix) for finding in judged.findings[:_MAX_ANNOTATIONS]]


def _annotation(finding: Finding, prefix: str) -> str:
    properties = {"title": f"{finding.rule} {finding.head}" if finding.head else finding.rule}
    if finding.path is not None:
        is_outside = not prefix or finding.path.startswith("/")
        below = finding.path.removeprefix("/") if is_outside else f"{prefix}/{finding.path}"
        properties = {"file": below, "line": str(finding.line or 1), **properties}
    told = ",".join(
        f"{key}={command_property(printable(value))}" for key, value in properties.items()
    )
    return f"::{_COMMANDS[finding.severity]} {told}::{command_data(printable(finding.problem))}"
