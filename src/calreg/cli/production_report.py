"""What a production machine has installed, what a pull changed, what is wrong or behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from calreg.report.numbers import UNICODE, Signs, plural, version_text
from calreg.report.table import Column, rows

if TYPE_CHECKING:
    from calreg.client import Finding, Pulled, Status

__all__ = ["finding_lines", "pulled_lines", "size_text", "status_lines"]

_MAX_SHOWN = 40
_SHORT = 7
_KILO = 1000


def size_text(count: int) -> str:
    """Bytes as a person reads them.

    >>> size_text(17), size_text(1640), size_text(2_500_000)
    ('17 B', '1.6 kB', '2.5 MB')
    """
    if count < _KILO:
        return f"{count} B"
    if count < _KILO**2:
        return f"{count / _KILO:.1f} kB"
    return f"{count / _KILO**2:.1f} MB"


def pulled_lines(
    pulled: Pulled, dest: str, *, width: int | None, signs: Signs = UNICODE
) -> list[Text]:
    """What a pull installed: one line, the references that changed, where they are."""
    total = len(pulled.updated) + len(pulled.unchanged)
    facts = [
        f"commit {_commits(pulled, signs)}",
        f"{len(pulled.updated):,} of {plural(total, 'reference')} changed",
        plural(len(pulled.removed), "reference") + " removed" if pulled.removed else "",
        plural(len(pulled.repaired), "file") + " repaired" if pulled.repaired else "",
        size_text(pulled.bytes) if pulled.bytes else "",
    ]
    lines = [Text(f"{pulled.registry}  {signs.joined(facts)}", "bold")]
    lines += _changes(pulled, width, signs)
    if pulled.ungated:
        lines.append(Text("Read from the working branch: nobody gated or signed it.", "yellow"))
    return [*lines, Text(f"Installed in {dest}")]


def _commits(pulled: Pulled, signs: Signs) -> str:
    now = pulled.commit[:_SHORT]
    if pulled.previous_commit is None or pulled.previous_commit == pulled.commit:
        return now
    return f"{pulled.previous_commit[:_SHORT]} {signs.arrow} {now}"


def _changes(pulled: Pulled, width: int | None, signs: Signs) -> list[Text]:
    moves = [*pulled.moves.items()][:_MAX_SHOWN]
    cells = [_move(before, after, signs) for _, (before, after) in moves]
    cells += ["removed"] * len(removed := list(pulled.removed)[:_MAX_SHOWN])
    if not cells:
        return []
    columns = [
        Column(
            "", [f"  {head}" for head in [name for name, _ in moves] + removed], can_shrink=True
        ),
        Column("", cells),
    ]
    lines = rows(columns, width=width, signs=signs)[1:]
    more = len(pulled.moves) + len(pulled.removed) - len(cells)
    return [*lines, Text(f"  {signs.more} {more:,} more")] if more > 0 else lines


def _move(before: int | None, after: int, signs: Signs) -> str:
    if before is None:
        return f"{version_text(after)} new"
    return f"{version_text(before)} {signs.arrow} {version_text(after)}"


def finding_lines(findings: Sequence[Finding], dest: str, *, signs: Signs = UNICODE) -> list[Text]:
    """What verifying an installed folder found."""
    if not findings:
        return [Text(f"{dest}: every file is as it was installed", "green")]
    lines = [
        Text(f"{signs.failed} {finding.rule}  {finding.path}  {finding.problem}", "red")
        for finding in findings[:_MAX_SHOWN]
    ]
    if (more := len(findings) - len(lines)) > 0:
        lines.append(Text(f"{signs.more} {more:,} more", "red"))
    count = plural(len(findings), "finding")
    return [*lines, Text(f"{count}. Next: calreg pull SOURCE {dest} puts it right.", "bold")]


def status_lines(
    status: Status, dest: str, *, width: int | None, signs: Signs = UNICODE
) -> list[Text]:
    """How an installed folder stands against its source."""
    if status.is_current:
        return [
            Text(f"{dest} is up to date with {status.registry}, {status.commit[:_SHORT]}", "green")
        ]
    groups = (("behind", status.behind), ("new", status.new), ("gone", status.gone))
    pairs = [(head, word) for word, heads in groups for head in heads]
    shown = pairs[:_MAX_SHOWN]
    columns = [
        Column("", [f"  {head}" for head, _ in shown], can_shrink=True),
        Column("", [word for _, word in shown]),
    ]
    counts = signs.joined([f"{len(heads):,} {word}" for word, heads in groups if heads])
    now = f"{status.commit[:_SHORT]} {signs.arrow} {status.current_commit[:_SHORT]}"
    lines = [Text(f"{status.registry}  {now}  {counts}", "bold")]
    lines += rows(columns, width=width, signs=signs)[1:]
    if (more := len(pairs) - len(shown)) > 0:
        lines.append(Text(f"  {signs.more} {more:,} more"))
    return [*lines, Text(f"Next: calreg pull {status.source} {dest}")]
