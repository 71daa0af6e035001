"""Keys that stand more than once on a side: which of their rows counts."""

from __future__ import annotations

from typing import Literal, TypeAlias

from calreg.errors import InputError
from calreg.scores.engine import Connection, literal, rows_of
from calreg.scores.feedback_layout import Staged, in_file, place_of
from calreg.scores.feedback_lines import lines_of

__all__ = ["DUPLICATES", "Duplicates", "settle_duplicates"]

Duplicates: TypeAlias = Literal["last", "first", "error"]

DUPLICATES: tuple[Duplicates, ...] = ("last", "first", "error")
"""Which row of a key counts; "error" refuses keys that stand more than once."""


def settle_duplicates(connection: Connection, staged: Staged, policy: Duplicates) -> int:
    """Leave one row per key in the side's table; how many keys had more.

    Rows of one key go by their time where they have one, then by their order. A row without
    a time is passed over for one that has a time, under either policy.

    Raises:
        InputError: The policy is "error" and there is such a key, or times are not comparable.
    """
    table = staged.table
    connection.execute(
        f"CREATE TEMP TABLE {table}_twice AS "
        f"SELECT key, count(*) AS times FROM {table} GROUP BY key HAVING times > 1"
    )
    twice = int(rows_of(connection, f"SELECT count(*) FROM {table}_twice")[0][0])
    if not twice:
        return 0
    if policy == "error":
        raise _refused(connection, staged, twice)
    _refuse_mixed_times(connection, staged)
    way = "DESC" if policy == "last" else "ASC"
    order = ", ".join(f"{name} {way} NULLS LAST" for name in ("micros", "number", "place"))
    connection.execute(
        f"DELETE FROM {table} WHERE place IN (SELECT place FROM (SELECT place, "
        f"row_number() OVER (PARTITION BY key ORDER BY {order}) AS rank "
        f"FROM {table} SEMI JOIN {table}_twice USING (key)) WHERE rank > 1)"
    )
    return twice


def _refused(connection: Connection, staged: Staged, twice: int) -> InputError:
    query = f"SELECT key, times FROM {staged.table}_twice ORDER BY key LIMIT 1"
    key, times = rows_of(connection, query)[0]
    places = []
    for number, file in enumerate(staged.files):
        found = rows_of(
            connection,
            f"SELECT place - {place_of(number, 0)} FROM {staged.table} "
            f"WHERE key = {literal(key)} AND {in_file(number)} ORDER BY 1 LIMIT 3",
        )
        lines = lines_of(file, [row[0] for row in found], staged.garbled[number])
        unit = "row" if file.format == "parquet" else "line"
        places += [f"{file.name} {unit} {line:,}" for line in sorted(lines.values())]
    others = f", and {twice - 1:,} more keys" if twice > 1 else ""
    return InputError(
        f"key {key!r} stands {times} times ({', '.join(places[:3])}){others}",
        where=staged.table,
        hint="--duplicates last or first says which row of a key counts.",
        code="duplicates",
    )


def _refuse_mixed_times(connection: Connection, staged: Staged) -> None:
    query = f"SELECT count(micros), count(number) FROM {staged.table}"
    times, numbers = rows_of(connection, query)[0]
    if times and numbers:
        raise InputError(
            f"the time column holds {times:,} times and {numbers:,} plain numbers",
            where=staged.table,
            hint="Write all of them in one way, as in ISO 8601.",
            code="time",
        )
