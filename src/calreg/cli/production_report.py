"""What a production machine has installed, what a pull changed, what is wrong or behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from calreg.cli.terminal import Line
from calreg.report.numbers import UNICODE, Signs, plural, version_text

if TYPE_CHECKING:
    from rich.text import Text

    from calreg.client import Finding, Pulled, Status
    from calreg.documents import LockSource, Trust

__all__ = ["finding_lines", "pulled_lines", "rolled_back_lines", "size_text", "status_lines"]

_MAX_SHOWN = 40
_SHORT = 7
_SHORT_KEY = len("SHA256:") + 12
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
    pulled: Pulled,
    dest: str,
    *,
    width: int | None,
    now: datetime,
    signs: Signs = UNICODE,
    is_asked: bool = True,
    has_keys: bool = False,
) -> list[Line | Text]:
    """What a pull installed: what changed, what was verified of every source, where it is.

    Args:
        pulled: What the pull did.
        dest: The folder.
        width: Of the terminal.
        now: By which clock ages are told.
        signs: The marks that can be shown.
        is_asked: Whether the sources were asked at all.
        has_keys: Whether somebody gave the keys; else those seen first were pinned.
    """
    total = len(pulled.updated) + len(pulled.unchanged)
    facts = [
        _state(pulled, signs),
        f"{len(pulled.updated):,} of {plural(total, 'reference')} changed",
        plural(len(pulled.removed), "reference") + " removed" if pulled.removed else "",
        plural(len(pulled.repaired), "file") + " written again" if pulled.repaired else "",
        size_text(pulled.bytes) if pulled.bytes else "",
    ]
    others = len(pulled.sources) - 1
    name = f"{pulled.registry} + {others} more" if others > 0 else pulled.registry
    lines: list[Line | Text] = [Line(f"{name}  {signs.joined(facts)}", "bold")]
    lines += _changes(pulled.moves, pulled.removed, width, signs)
    for source in pulled.sources:
        name = source.registry if len(pulled.sources) > 1 else ""
        lines += _verified(source, name, now, width, signs)
    if is_asked and not has_keys and pulled.previous_commit is None:
        lines += _pinned(pulled.sources)
    lines += [Line(f"{signs.failed} {line}", "yellow") for line in pulled.warnings]
    lines += [
        Line(f"{signs.failed} {head} was withdrawn: calreg refuses to apply it", "red")
        for head in pulled.withdrawn[:_MAX_SHOWN]
    ]
    asked = "" if is_asked else "; no source was asked"
    return [*lines, Line(f"Installed in {dest}{asked}"), *_tag_again(pulled)]


def _tag_again(pulled: Pulled) -> list[Line | Text]:
    """Which items a moved reference concerns, and who can tell: a registry knows both."""
    if len(pulled.sources) > 1 or pulled.previous_commit in {None, pulled.commit}:
        return []
    if all(before is None for before, _ in pulled.moves.values()):
        return []
    since, now = str(pulled.previous_commit)[:_SHORT], pulled.commit[:_SHORT]
    words = f"calreg retag SCORES --from {since} --to {now}"
    return [Line("To tag again only what changes, in the registry:"), Line(f"  {words}")]


def _state(pulled: Pulled, signs: Signs) -> str:
    """The index or commit that is installed, and what was before it."""
    if pulled.seq is None:
        return f"commit {_moved(pulled.previous_commit, pulled.commit, signs)}"
    before = None if pulled.previous_seq is None else str(pulled.previous_seq)
    return f"index {_moved(before, str(pulled.seq), signs)}"


def _moved(before: str | None, after: str, signs: Signs) -> str:
    now = after[:_SHORT]
    return now if before in {None, after} else f"{str(before)[:_SHORT]} {signs.arrow} {now}"


def _verified(
    source: LockSource, name: str, now: datetime, width: int | None, signs: Signs
) -> list[Line | Text]:
    """What is known of one source (named, if of several): who signed it, its age, its end."""
    prefix = f"{name}: " if name else ""
    if source.read == "main":
        said = "Read from the working branch: nobody gated or signed it."
        return [Line(f"{prefix}{said}", "yellow")]
    facts = [
        f"{prefix}{_signed(source.trust, signs)}",
        f"index {source.seq}" if name else "",
        _age(source.issued, now, "issued {} ago"),
        _age(source.expires, now, "expires in {}"),
    ]
    return [
        Line(f"  {line}", "" if source.trust else "yellow")
        for line in _wrapped([fact for fact in facts if fact], width, signs)
    ]


def _signed(trust: Trust | None, signs: Signs) -> str:
    if trust is None:
        return "published, but not signed"
    from calreg.signatures import PublicKey

    listed = "keys given" if trust.number is None else f"keys list {trust.number}"
    counted = f"({listed}, {trust.threshold} of {len(trust.keys)})"
    if len(trust.keys) > 1:
        return f"signed {counted}"  # by whom of them, `calreg keys list` says
    fingerprint = PublicKey.parse(trust.keys[0]).fingerprint
    return f"signed by {fingerprint[:_SHORT_KEY]}{signs.more} {counted}"


def _pinned(sources: Sequence[LockSource]) -> list[Line | Text]:
    """Say that keys were believed because they came first, each time that happens."""
    if not any(source.trust for source in sources):
        return []
    said = "Keys pinned on first use: nobody vouched for them. --key FILE says whom to believe."
    return [Line(said, "yellow")]


def _age(text: str | None, now: datetime, words: str) -> str:
    if text is None:
        return ""
    from calreg.client.trust import in_words

    seconds = (now - datetime.fromisoformat(text)).total_seconds()
    is_past = "ago" in words
    if seconds < 0 if is_past else seconds > 0:
        return ""  # a warning of its own says so
    return words.format(in_words(abs(seconds)))


def _wrapped(facts: Sequence[str], width: int | None, signs: Signs) -> list[str]:
    """Facts in as few lines as the width allows, none of them broken."""
    lines: list[str] = []
    for fact in facts:
        longer = signs.joined([lines[-1], fact]) if lines else fact
        if lines and (width is None or len(longer) + 2 <= width):
            lines[-1] = longer
        else:
            lines.append(fact)
    return lines


def _changes(
    moves: Mapping[str, tuple[int | None, int]],
    gone: Sequence[str],
    width: int | None,
    signs: Signs,
) -> list[Line | Text]:
    shown = [*moves.items()][:_MAX_SHOWN]
    cells = [_move(before, after, signs) for _, (before, after) in shown]
    cells += ["removed"] * len(removed := list(gone)[:_MAX_SHOWN])
    if not cells:
        return []
    from calreg.report.table import Column, rows

    columns = [
        Column(
            "", [f"  {head}" for head in [name for name, _ in shown] + removed], can_shrink=True
        ),
        Column("", cells),
    ]
    lines: list[Line | Text] = [*rows(columns, width=width, signs=signs)[1:]]
    more = len(moves) + len(gone) - len(cells)
    return [*lines, Line(f"  {signs.more} {more:,} more")] if more > 0 else lines


def _move(before: int | None, after: int, signs: Signs) -> str:
    if before is None:
        return f"{version_text(after)} new"
    return f"{version_text(before)} {signs.arrow} {version_text(after)}"


def rolled_back_lines(
    before: Mapping[str, int],
    after: Mapping[str, int],
    dest: str,
    *,
    width: int | None,
    signs: Signs = UNICODE,
) -> list[Line | Text]:
    """What going back to the set before changed."""
    moves = {head: (before.get(head), version) for head, version in sorted(after.items())
             if before.get(head) != version}  # fmt: skip
    gone = sorted(before.keys() - after.keys())
    counted = plural(len(moves) + len(gone), "reference")
    return [
        Line(f"Back to the set before: {counted} changed", "bold"),
        *_changes(moves, gone, width, signs),
        Line(f"{dest} stays like this until the next calreg pull"),
    ]


def finding_lines(
    findings: Sequence[Finding], dest: str, *, signs: Signs = UNICODE
) -> list[Line | Text]:
    """What verifying an installed folder found."""
    if not findings:
        return [Line(f"{dest}: every file is as it was installed", "green")]
    lines = [
        Line(f"{signs.failed} {finding.rule}  {finding.path}  {finding.problem}", "red")
        for finding in findings[:_MAX_SHOWN]
    ]
    if (more := len(findings) - len(lines)) > 0:
        lines.append(Line(f"{signs.more} {more:,} more", "red"))
    count = plural(len(findings), "finding")
    return [*lines, Line(f"{count}. Next: {_remedy(findings, dest)}", "bold")]


def _remedy(findings: Sequence[Finding], dest: str) -> str:
    """What to do about the worst of them; a pull removes nothing that it did not install."""
    rules = {finding.rule for finding in findings}
    if "lock-invalid" in rules:
        return f"restore {dest}/calreg.lock, or move it away and pull again."
    if rules == {"extra"}:
        return "remove what is extra, or keep it elsewhere; a pull never does."
    return f"calreg pull --locked SOURCE {dest} puts it right."


def status_lines(
    status: Status,
    dest: str,
    *,
    width: int | None,
    now: datetime,
    signs: Signs = UNICODE,
    is_held: bool = False,
    command: str | None = None,
) -> list[Line | Text]:
    """How an installed folder stands against its sources; `command` is what would update it."""
    warnings = [Line(f"{signs.failed} {line}", "yellow") for line in status.expired]
    if is_held:
        warnings.append(Line("Rolled back here: held until the next calreg pull.", "yellow"))
    expiry = _age(status.expires, now, "expires in {}")
    if status.is_current:
        state = status.commit[:_SHORT] if status.seq is None else f"index {status.seq}"
        said = signs.joined([f"{dest} is up to date with {status.registry}, {state}", expiry])
        return [Line(said, "yellow" if warnings else "green"), *warnings]
    lines: list[Line | Text] = [Line(f"{status.registry}  {_distance(status, signs)}", "bold")]
    lines += _behind(status, width, signs)
    return [*lines, *warnings, Line(f"Next: {command or f'calreg pull {status.source} {dest}'}")]


def _groups(status: Status) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (
        ("withdrawn", status.withdrawn),
        ("behind", status.behind),
        ("new", status.new),
        ("gone", status.gone),
    )


def _distance(status: Status, signs: Signs) -> str:
    if status.current_seq is None:
        now = _moved(status.commit, status.current_commit, signs)
    else:
        before = None if status.seq is None else str(status.seq)
        now = f"index {_moved(before, str(status.current_seq), signs)}"
    counts = [f"{len(heads):,} {word}" for word, heads in _groups(status) if heads]
    return signs.joined([now, *counts])


def _behind(status: Status, width: int | None, signs: Signs) -> list[Line | Text]:
    pairs = [(head, word) for word, heads in _groups(status) for head in heads]
    shown = pairs[:_MAX_SHOWN]
    from calreg.report.table import Column, rows

    columns = [
        Column("", [f"  {head}" for head, _ in shown], can_shrink=True),
        Column("", [word for _, word in shown]),
    ]
    lines: list[Line | Text] = [*rows(columns, width=width, signs=signs)[1:]]
    if (more := len(pairs) - len(shown)) > 0:
        lines.append(Line(f"  {signs.more} {more:,} more"))
    return lines
