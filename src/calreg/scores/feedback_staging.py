"""One side of the feedback in the engine: every row that has a key, its values strict.

A side is read file by file into a table with a column per role. Lines that are no rows and
rows without a key are rejected; a bad value counts as missing, and its row stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calreg.errors import InputError
from calreg.scores.engine import Connection, identifier, rows_of, translated
from calreg.scores.feedback_columns import FeedbackTable
from calreg.scores.feedback_files import FeedbackFile, open_file
from calreg.scores.feedback_layout import Layout, Staged, in_file, layout_of, place_of
from calreg.scores.feedback_lines import GarbledLine, csv_garbled
from calreg.scores.feedback_quotes import blanked, broken_row, open_quote
from calreg.scores.feedback_rejects import reject_lines, reject_values

__all__ = ["refuse_without", "stage", "where_of"]

_MAX_OPEN_QUOTES = 50
_TYPES = {"sold": "TINYINT", "group": "VARCHAR"}  # of the columns that hold no DOUBLE
_NEEDED = {"predictions": ("predicted", "probability"), "outcomes": ("outcome", "sold")}


def stage(
    connection: Connection,
    table: FeedbackTable,
    files: Sequence[str],
    folder: Path,
    *,
    currency: str | None = None,
    time_column: str | None = None,
) -> Staged:
    """Read one side.

    Args:
        connection: May read the files and `folder`.
        table: The side and its mapping.
        files: Absolute paths.
        folder: Where copies may go.
        currency: What may stand before or after a price.
        time_column: A column to order duplicates by, where a file has it.

    Raises:
        InputError: A file that cannot be read, a column that is missing or of another type,
            no rows.
    """
    staged = Staged(table.side, tuple(role for role in table.roles if role != "key"))
    for number, path in enumerate(files):
        inside = folder / f"{table.side}-{number}"
        inside.mkdir()
        file = open_file(connection, path, inside)
        layout = layout_of(table, file, currency, time_column)
        with translated(file.name):
            file, garbled = _insert(connection, staged, file, layout, number, inside)
        staged.files.append(file)
        reject_lines(connection, staged, layout, number, garbled)
        reject_values(connection, staged, layout, number)
        _note_columns(connection, staged, layout, number)
    if not staged.rows:
        raise InputError(
            "has no rows" if len(files) == 1 else "have no rows",
            where=where_of(staged),
            hint="A header alone says nothing: look at what makes this table.",
            code="empty",
        )
    return staged


def where_of(staged: Staged) -> str:
    """The name to put before an error about a side."""
    files = staged.files
    return files[0].name if len(files) == 1 else f"{len(files)} files of {staged.table}"


def refuse_without(staged: Staged, table: FeedbackTable) -> None:
    """Stop where a side has nothing to compare.

    Raises:
        InputError: With the names that are known.
    """
    needed = _NEEDED[table.side]
    if not any(role in staged.columns for role in needed):
        names = [name for role in needed for name in table.roles[role].names]
        raise staged.files[0].no_column(
            f"of {' or '.join(needed)} ({', '.join(names)})", f"{needed[0]}="
        )


def _note_columns(connection: Connection, staged: Staged, layout: Layout, number: int) -> None:
    """Remember which column each role was read from."""
    staged.columns["key"] = layout.key_names[0]
    for role, names in layout.names.items():
        if names[0] in staged.files[number].columns:
            staged.columns[role] = names[0]
            continue
        # It is not on the first lines of JSONL: it may come later, or not at all.
        query = f'SELECT count("{role}") FROM {staged.table} WHERE {in_file(number)}'
        if rows_of(connection, query)[0][0]:
            staged.columns[role] = "|".join(names)


def _insert(
    connection: Connection,
    staged: Staged,
    file: FeedbackFile,
    layout: Layout,
    number: int,
    folder: Path,
) -> tuple[FeedbackFile, list[GarbledLine]]:
    """Read one file into the table; of CSV, also what was passed over."""
    for attempt in range(_MAX_OPEN_QUOTES):
        rejects = f"{staged.table}_{number}_{attempt}"
        scan = file.scan(layout.scan_columns, rejects=rejects)
        rows = _rows_sql(staged, layout, number, scan)
        if number == 0:  # a table that is made is filled by all threads, one that is there by one
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {staged.table} AS {rows}")
        else:
            connection.execute(f"DELETE FROM {staged.table} WHERE {in_file(number)}")
            connection.execute(f"INSERT INTO {staged.table} {rows}")
        if file.format != "csv":
            return file, []
        garbled = csv_garbled(connection, file, rejects)
        start = open_quote(connection, rejects)
        if start is None:
            lines = [one.line for one in garbled]
            start = broken_row(connection, staged, number, file, lines)
        if start is None:
            return file, garbled
        file = blanked(file, start, folder)
    raise InputError(
        f"more than {_MAX_OPEN_QUOTES} quoted values do not end",
        where=file.name,
        hint='A quote inside a quoted value is written twice: "".',
        code="garbled",
    )


def _rows_sql(staged: Staged, layout: Layout, number: int, scan: str) -> str:
    """The rows of a file, one column per role; absent ones are null throughout."""
    times = layout.times
    values = {
        "place": f"{place_of(number, 0)} + record",
        "key": layout.key,
        "micros": times.micros if times else "CAST(NULL AS BIGINT)",
        "number": times.number if times else "CAST(NULL AS DOUBLE)",
    }
    for role in staged.roles:
        cells = layout.cells.get(role)
        nothing = f"CAST(NULL AS {_TYPES.get(role, 'DOUBLE')})"
        values[role] = cells.value if cells is not None else nothing
    if layout.group is not None:
        values["group"] = layout.group
    checked = layout.checked.values()
    listed = ", ".join(f"CASE WHEN {one.bad} THEN {one.shown} END" for one in checked)
    any_bad = " OR ".join(f"({one.bad})" for one in checked) or "false"
    values["bad"] = f"CASE WHEN {any_bad} THEN CAST([{listed}] AS VARCHAR[]) END"
    numbers = [f"{cells.candidate} AS {cells.number}" for cells in layout.cells.values()]
    return (
        f"SELECT {', '.join(f'{sql} AS {identifier(name)}' for name, sql in values.items())} "
        f"FROM (SELECT {', '.join(('*', *numbers))} FROM {scan})"
    )
