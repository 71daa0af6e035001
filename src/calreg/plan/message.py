"""Commit messages: a subject, a short table for people, git trailers for programs.

Text from data (names, reasons) is made one line before it stands here, so that nothing
outside this module can start a trailer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calreg.documents import HeadRow, Keys, Move, Run
from calreg.documents.moves import Action
from calreg.names import HeadName

__all__ = ["Rows", "keys_message", "move_message", "one_line", "retention_message", "run_message"]

Rows = Sequence[tuple[HeadName, HeadRow]]
Trailers = Sequence[tuple[str, str]]

_SUBJECTS: Mapping[Action, str] = {
    "promote": "Promote",
    "rollback": "Roll back",
    "pin": "Pin",
    "unpin": "Unpin",
    "withdraw": "Withdraw",
}
_MAX_LINES = 50
_MAX_LENGTH = 200


def one_line(text: str, *, limit: int = _MAX_LENGTH) -> str:
    r"""Any text as one printable line of bounded length.

    >>> one_line("a\n\nCalreg-Run: 9\x1b[31m")
    'a Calreg-Run: 9 [31m'
    """
    printable = "".join(c if c.isprintable() else " " for c in text)
    joined = " ".join(printable.split())
    return joined if len(joined) <= limit else f"{joined[: limit - 1]}…"


def run_message(run: Run, rows: Rows, *, run_id: str) -> str:
    """The message of the commit that a run becomes."""
    moved = [(name, row) for name, row in rows if row.reference_update == "updated"]
    held = [(name, row) for name, row in rows if row.reference_update == "held"]
    lines = [f"moved {_arrow(name, row)}: {_why_moved(row)}" for name, row in moved]
    lines += [f"held {name} at {_held_at(row)}: {row.reason}" for name, row in held]
    lines += [f"left out {head}: {reason}" for head, reason in sorted(run.excluded.items())]
    return _message(
        f"Run {run.version}: {_count(len(rows), 'head')}, {_count(len(moved), 'reference')} moved",
        [_totals(run), *_capped(lines)],
        [
            ("Calreg-Run", str(run.version)),
            ("Calreg-Run-Id", run_id),
            ("Calreg-Inputs", f"sha256:{run.inputs.digest}"),
            *(("Calreg-Moved", text) for text in _capped([_arrow(*pair) for pair in moved])),
            ("Calreg-Timestamp", run.timestamp),
        ],
    )


def move_message(move: Move) -> str:
    """The message of the commit that a person's decision becomes."""
    before = "none" if move.before is None else f"v{move.before}"
    after = "none" if move.after is None else f"v{move.after}"
    place = f"{before} -> {after}" if before != after else f"at {after}"
    version = "" if move.version is None else f" v{move.version}, reference"
    until = f" until {move.until}" if move.until else ""
    moved = [("Calreg-Moved", f"{move.head} {before} -> {after}")] if before != after else []
    return _message(
        f"{_SUBJECTS[move.action]} {move.head}{version} {place}{until}",
        [one_line(move.reason, limit=1000)],
        [
            ("Calreg-Move", str(move.number)),
            ("Calreg-Action", move.action),
            ("Calreg-Head", move.head),
            *([("Calreg-Withdrawn", f"v{move.version}")] if move.version is not None else []),
            *moved,
            ("Calreg-By", move.by),
            ("Calreg-Timestamp", move.timestamp),
        ],
    )


def keys_message(keys: Keys, changes: Sequence[str], *, timestamp: str) -> str:
    """The message of the commit that a new list of keys becomes."""
    return _message(
        f"Trust {_count(len(keys.keys), 'key')}, {keys.threshold} must sign",
        _capped(changes),
        [("Calreg-Keys", str(keys.number)), ("Calreg-Timestamp", timestamp)],
    )


def retention_message(
    gone: Mapping[str, Sequence[int]], *, keep_runs: int, by: str, timestamp: str
) -> str:
    """The message of the commit that takes version folders off the tip."""
    count = sum(len(numbers) for numbers in gone.values())
    lines = [f"{model}: {_span(numbers)}" for model, numbers in sorted(gone.items())]
    return _message(
        f"Collect {_count(count, 'version folder')}",
        [f"The newest {keep_runs:,} runs stay; what goes is in the history.", *_capped(lines)],
        [
            ("Calreg-Collected", str(count)),
            ("Calreg-Keep-Runs", str(keep_runs)),
            ("Calreg-By", by),
            ("Calreg-Timestamp", timestamp),
        ],
    )


def _span(numbers: Sequence[int]) -> str:
    first, last = f"v{numbers[0]}", f"v{numbers[-1]}"
    return first if len(numbers) == 1 else f"{len(numbers):,} from {first} to {last}"


def _message(subject: str, body: Sequence[str], trailers: Trailers) -> str:
    table = "\n".join(one_line(line, limit=1000) for line in body)
    last = "\n".join(f"{key}: {one_line(value, limit=500)}" for key, value in trailers)
    return f"{one_line(subject, limit=500)}\n\n{table}\n\n{last}\n"


def _capped(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MAX_LINES
    return [*lines[:_MAX_LINES], *([f"and {more:,} more"] if more > 0 else [])]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _totals(run: Run) -> str:
    counts = run.summary
    undecided = counts["undecided_heads"]
    unsure = f" ({undecided:,} of them undecided)" if undecided else ""
    left_out = f", {len(run.excluded):,} left out" if run.excluded else ""
    return (
        f"{counts['stable_heads']:,} stable, {counts['unstable_heads']:,} unstable{unsure}, "
        f"{_count(counts['references_held'], 'reference')} held{left_out}"
    )


def _held_at(row: HeadRow) -> str:
    return "none" if row.reference_version is None else f"v{row.reference_version}"


def _arrow(name: HeadName, row: HeadRow) -> str:
    return f"{name} {_held_at(row)} -> v{row.reference_after}"


def _why_moved(row: HeadRow) -> str:
    if row.reference_version is None:
        return "first reference"
    moved = row.decision
    shifts = {} if moved is None else {name: getattr(moved, name) for name in moved.limits}
    if row.factor is not None:
        shifts["factor_shift"] = row.factor.factor_shift
    numbers = {name: {**row.metrics, **shifts}.get(name) for name in row.failed_metrics}
    failed = [name if value is None else f"{name} {value:.4f}" for name, value in numbers.items()]
    changes = [name for name in moved.changes if name != "method"] if moved is not None else []
    return ", ".join([*failed, f"changed {', '.join(changes)}"] if changes else failed)
