"""What was not accepted on one side, why, and on which line.

Lines that are no rows and rows without a key count against the allowed rate. A bad value
counts as missing: its row stays, and it is reported all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from calreg.errors import InputError
from calreg.feedback.values import REASONS, Reject
from calreg.scores.engine import Connection, rows_of
from calreg.scores.feedback_files import object_of
from calreg.scores.feedback_layout import Layout, Staged, in_file, place_of
from calreg.scores.feedback_lines import GarbledLine, json_lines, lines_of, shortened

__all__ = ["LISTED", "refuse_too_many", "reject_lines", "reject_values"]

LISTED = 1000
"""How many rejects of one reason and file are listed; all of them are counted."""

_SHOWN = 3
_LINE_REASONS = ("garbled", "no_key")
_NOT_JSON = "(?i)-?(nan|inf|infinity)"


def reject_lines(
    connection: Connection,
    staged: Staged,
    layout: Layout,
    number: int,
    garbled: Sequence[GarbledLine],
) -> None:
    """Count the lines that are no rows or have no key, list the first, take the rows out.

    Args:
        connection: Holds the table.
        staged: The side so far; gets longer.
        layout: Of the file.
        number: Of the file.
        garbled: What the engine passed over.
    """
    file = staged.files[number]
    count = f"SELECT count(*) FROM {staged.table} WHERE {in_file(number)}"
    staged.rows += rows_of(connection, count)[0][0] + len(garbled)
    keyless = _records(connection, staged, number, "key IS NULL")
    if file.format == "jsonl":
        found = _json_rejects(connection, staged, layout, number, keyless)
    else:
        bad_lines = [(one.line, "garbled", one.text) for one in garbled]
        lines = lines_of(file, keyless[:LISTED], [one.line for one in garbled])
        found = bad_lines + [(lines.get(record), "no_key", "") for record in keyless]
    staged.garbled.append([line or 0 for line, reason, _ in found if reason == "garbled"])
    staged.counts.update(reason for _, reason, _ in found)
    for wanted in _LINE_REASONS:
        listed = [one for one in found if one[1] == wanted][:LISTED]
        staged.rejects += [
            Reject(file.name, line, None, reason, shortened(text)) for line, reason, text in listed
        ]
    if keyless:
        connection.execute(f"DELETE FROM {staged.table} WHERE key IS NULL AND {in_file(number)}")


def _records(connection: Connection, staged: Staged, number: int, condition: str) -> list[int]:
    query = (
        f"SELECT place - {place_of(number, 0)} FROM {staged.table} "
        f"WHERE {condition} AND {in_file(number)} ORDER BY 1"
    )
    return [row[0] for row in rows_of(connection, query)]


def _json_rejects(
    connection: Connection, staged: Staged, layout: Layout, number: int, keyless: Sequence[int]
) -> list[tuple[int | None, str, str]]:
    """Line, reason and text of lines without a key, and of those with what JSON does not have."""
    # The engine lets a bare NaN pass; whether it stood between quotes, the line tells.
    bare = f"len(list_filter(bad, lambda one: regexp_full_match(trim(one), '{_NOT_JSON}'))) > 0"
    suspects = _records(connection, staged, number, f"key IS NOT NULL AND {bare}")
    without, found, broken = set(keyless), list[tuple[int | None, str, str]](), []
    for record, line, raw in json_lines(staged.files[number], [*keyless, *suspects]):
        parsed = object_of(raw)
        if parsed is not None and record not in without:
            continue
        has_key = parsed is not None and any(_is_text(parsed.get(n)) for n in layout.key_names)
        # With a key that the engine did not see, it could not read the line.
        reason = "garbled" if parsed is None or has_key else "no_key"
        text = _shown(raw, whole=record in without) if reason == "garbled" else ""
        found.append((line, reason, text))
        if record not in without:
            broken.append(record)
    if broken:
        places = [place_of(number, record) for record in broken]
        query = f"DELETE FROM {staged.table} WHERE place IN (SELECT unnest(?::BIGINT[]))"
        connection.execute(query, [places])
    return found


def _shown(raw: bytes, *, whole: bool) -> str:
    """The line; of one that is JSON but for a word, the word."""
    word = None if whole else re.search(rb"-?(?:nan|inf(?:inity)?)\b", raw, re.IGNORECASE)
    return (word[0] if word else raw).decode("utf-8", "replace").strip()


def _is_text(value: object) -> bool:
    return value is not None and bool(str(value).strip())


def reject_values(connection: Connection, staged: Staged, layout: Layout, number: int) -> None:
    """Count the bad values of a file by reason, and list the first of each column."""
    file = staged.files[number]
    firsts: list[tuple[int, str, str, str]] = []
    for place, (role, cells) in enumerate(layout.checked.items(), start=1):
        shown = f"bad[{place}]"
        rows = f"FROM {staged.table} WHERE {shown} IS NOT NULL AND {in_file(number)}"
        counts = rows_of(connection, f"SELECT {cells.reason(shown)}, count(*) {rows} GROUP BY 1")
        if not counts:
            continue
        staged.counts.update(dict(counts))
        query = (
            f"SELECT place - {place_of(number, 0)}, {cells.reason(shown)}, {shown} {rows} "
            f"ORDER BY 1 LIMIT {LISTED}"
        )
        of_column = rows_of(connection, query)
        firsts += [(record, cells.column, reason, text) for record, reason, text in of_column]
        value = "coalesce(micros, number)" if role == "time" else f'"{role}"'
        good = f"SELECT count({value}) FROM {staged.table} WHERE {in_file(number)}"
        if not rows_of(connection, good)[0][0]:
            staged.all_bad[cells.column] = of_column[0][2]
    if firsts:
        records = {record for record, *_ in firsts}
        lines = lines_of(file, records, staged.garbled[number])
        staged.rejects += [
            Reject(file.name, lines.get(record), column, reason, shortened(text))
            for record, column, reason, text in sorted(firsts)
        ]


def refuse_too_many(staged: Staged, *, max_rate: float, where: str) -> None:
    """Stop when more lines are garbled or without a key than are allowed.

    Raises:
        InputError: With the counts and the first places.
    """
    counts = {reason: staged.counts[reason] for reason in _LINE_REASONS if staged.counts[reason]}
    rejected = sum(counts.values())
    if rejected <= max_rate * staged.rows and rejected < staged.rows:
        return
    listed = ", ".join(f"{count:,} {REASONS[reason]}" for reason, count in counts.items())
    lines = [one for one in staged.rejects if one.reason in _LINE_REASONS]
    places = "; ".join(str(one) for one in lines[:_SHOWN])
    if rejected == staged.rows:
        raise InputError(
            f"all {staged.rows:,} rows are rejected ({listed}): {places}",
            where=where,
            hint="See that the right column is the key: key=NAME",
            code="rejects",
        )
    rate = min(rejected / staged.rows * 1.01 + 0.0001, 1.0)
    raise InputError(
        f"{rejected:,} of {staged.rows:,} rows are rejected ({listed}), "
        f"at most {max_rate:.3g} of them may be: {places}",
        where=where,
        hint=f"Correct them, or allow more: --max-reject-rate {rate:.4f}",
        code="rejects",
    )
