"""The second look: how many scores were rejected why, and where the first of them stand.

Only taken when the first look found that there are any. The engine says which record of a
file it is; for text files the line is then found by reading the file up to that record.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from calreg.errors import InputError
from calreg.scores.engine import Connection, identifier, rows_of, translated
from calreg.scores.expressions import reason_sql
from calreg.scores.sources import Source, open_text, reading
from calreg.scores.table import REASONS, Reject

__all__ = ["Suspect", "counts_by_reason", "first_rejects", "refuse_too_many"]

_SHOWN = 5
_MAX_FILES = 100
_MAX_SUSPECTS = 50
_MAX_TOGETHER = 100
_MAX_RECORDS = 20_000_000
_MAX_VALUE = 40


@dataclass(frozen=True, slots=True)
class Suspect:
    """A column of scores in which something was rejected, with the columns that matter.

    `condition` is the SQL of the rows that count; empty for all of them.
    """

    source: Source
    column: str
    truth: str | None
    names: tuple[str, ...] = ()
    needs_truth: bool = False
    condition: str = ""

    @property
    def reason(self) -> str:
        """The SQL of the reason."""
        reason = reason_sql(
            self.source, self.column, self.truth, self.names, needs_truth=self.needs_truth
        )
        return f"CASE WHEN {self.condition} THEN {reason} END" if self.condition else reason

    @property
    def shown(self) -> str:
        """The SQL of what to show of a rejected score."""
        value = f"CAST({identifier(self.column)} AS VARCHAR)"
        cases = [f"WHEN 'missing_name' THEN {_joined(self.names)}"] if self.names else []
        if self.truth is not None:
            cases.append(f"WHEN 'bad_truth' THEN CAST({identifier(self.truth)} AS VARCHAR)")
        if not cases:
            return value
        return f"CASE {self.reason} {' '.join(cases)} ELSE {value} END"


def _joined(names: Sequence[str]) -> str:
    parts = [f"coalesce(CAST({identifier(name)} AS VARCHAR), '')" for name in names]
    return "concat_ws('/', " + ", ".join(parts) + ")"


def counts_by_reason(connection: Connection, suspects: Sequence[Suspect]) -> dict[str, int]:
    """How many scores were rejected for which reason, exactly."""
    counts = dict.fromkeys(REASONS, 0)
    for _, some in _read_together(suspects):
        reasons = ", ".join(suspect.reason for suspect in some)
        query = (
            f"SELECT reason, count(*) FROM (SELECT unnest([{reasons}]) AS reason "
            f"FROM {some[0].source.scan()}) WHERE reason IS NOT NULL GROUP BY reason"
        )
        with reading(some[0].source):
            for reason, count in rows_of(connection, query):
                counts[reason] += count
    return {reason: count for reason, count in counts.items() if count}


def _read_together(suspects: Sequence[Suspect]) -> Iterator[tuple[int, Sequence[Suspect]]]:
    """Columns of one source that one look is enough for, and the place of the first of them.

    A look per column would read a file of text as often as it has columns; of a Parquet
    file it reads the one column.
    """
    place = 0
    for _, same in groupby(suspects, key=lambda suspect: suspect.source.paths):
        of_source = list(same)
        size = 1 if of_source[0].source.format == "parquet" else _MAX_TOGETHER
        for start in range(0, len(of_source), size):
            yield place + start, of_source[start : start + size]
        place += len(of_source)


def first_rejects(connection: Connection, suspects: Sequence[Suspect]) -> tuple[Reject, ...]:
    """The first rejected scores, by file and line."""
    found: list[tuple[str, int, int, str, str]] = []
    for place, some in _read_together(suspects[:_MAX_SUSPECTS]):
        for path in sorted(some[0].source.paths)[:_MAX_FILES]:
            found += [(path, *row) for row in _rejected_records(connection, some, path, place)]
            if len(found) >= _SHOWN and len(suspects) == 1:
                break
    found = sorted(found)[:_SHOWN]
    formats = {path: s.source for s in suspects for path in s.source.paths}
    lines = {
        path: _lines(formats[path], path, sorted({row[1] for row in found if row[0] == path}))
        for path in {row[0] for row in found}
    }
    return tuple(
        Reject(reason, Path(path).name, lines[path].get(record), value)
        for path, record, _, reason, value in found
    )


def _rejected_records(
    connection: Connection, suspects: Sequence[Suspect], path: str, place: int
) -> list[tuple[int, int, str, str]]:
    """Record, place of the column, reason and value of the first rejects in a file."""
    scan = suspects[0].source.scan(paths=[path])
    lists = {
        "place": (str(place + number) for number in range(len(suspects))),
        "reason": (suspect.reason for suspect in suspects),
        "value": (suspect.shown for suspect in suspects),
    }
    unnested = ", ".join(f"unnest([{', '.join(each)}]) AS {name}" for name, each in lists.items())
    query = (
        f"SELECT record, place, reason, value FROM (SELECT record, {unnested} "
        f"FROM (SELECT *, row_number() OVER () AS record FROM {scan})) "
        f"WHERE reason IS NOT NULL ORDER BY record, place LIMIT {_SHOWN}"
    )
    with translated(Path(path).name):
        return [
            (record, column, reason, _shortened(value))
            for record, column, reason, value in rows_of(connection, query)
        ]


def _shortened(value: str | None) -> str:
    text = "" if value is None else str(value)
    text = text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"
    return repr(text) if text else "empty"


def _lines(source: Source, path: str, records: Sequence[int]) -> dict[int, int]:
    """The line on which each record starts; nothing for one too far down to look for."""
    if source.format == "parquet":
        return {record: record for record in records}
    wanted = set(records)
    found: dict[int, int] = {}
    with open_text(path) as file:
        starts = _csv_starts(file, source.delimiter) if source.format == "csv" else _starts(file)
        for record, line in enumerate(islice(starts, _MAX_RECORDS), start=1):
            if record in wanted:
                found[record] = line
                if len(found) == len(wanted):
                    break
    return found


def _csv_starts(file: Iterator[str], delimiter: str) -> Iterator[int]:
    reader = csv.reader(file, delimiter=delimiter)
    line, header = 1, True
    for row in reader:
        if row and not header:
            yield line
        header = header and not row
        line = reader.line_num + 1


def _starts(file: Iterator[str]) -> Iterator[int]:
    for number, text in enumerate(file, start=1):
        if text.strip():
            yield number


def refuse_too_many(
    rows: int, counts: Mapping[str, int], first: Sequence[Reject], *, max_rate: float, where: str
) -> None:
    """Stop when nothing was accepted, or more was rejected than is allowed.

    Raises:
        InputError: With the counts per reason and the first places.
    """
    rejected = sum(counts.values())
    listed = ", ".join(f"{count:,} {REASONS[reason]}" for reason, count in counts.items())
    places = "; ".join(str(reject) for reject in first[:3])
    if rejected and rejected == rows:
        raise InputError(
            f"all {rows:,} scores are rejected ({listed}): {places}",
            where=where,
            hint=f"See that the right column is read: --column {_role(counts)}=NAME",
            code="rejects",
        )
    if not rejected <= max_rate * rows:
        raise InputError(
            f"{rejected:,} of {rows:,} scores are rejected ({listed}), "
            f"at most {max_rate:.3g} of them may be: {places}",
            where=where,
            hint=f"Correct them, or allow more: --max-reject-rate {_rate(rejected, rows)}",
            code="rejects",
        )


def _role(counts: Mapping[str, int]) -> str:
    return "truth" if set(counts) == {"bad_truth"} else "score"


def _rate(rejected: int, rows: int) -> str:
    return f"{min(rejected / rows * 1.01 + 0.0001, 1.0):.4f}"
