"""What one side is in the engine: its table, and which SQL fills it from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from calreg.feedback.values import Reject
from calreg.scores.feedback_columns import FeedbackTable
from calreg.scores.feedback_files import FeedbackFile
from calreg.scores.feedback_values import Cells, Times, key_sql, text_sql

__all__ = ["Layout", "Staged", "in_file", "layout_of", "place_of"]

_FILE_BITS = 40  # a row's place is its file's number above its own


@dataclass(slots=True)
class Staged:
    """What one side holds, in the engine's table `table`.

    Args:
        table: Its name; columns are `place`, `key`, `micros`, `number` and one per role.
        roles: Roles with a column of numbers, flags or text, in the order of the table.
        files: In the order in which they were read.
        columns: Role to the column it was read from.
        garbled: Per file, the lines that are no rows.
        rows: Rows, rejected ones included.
        counts: Rejected lines and values by reason.
        rejects: The first of them.
        all_bad: Columns of which every value was bad, with the first of these values.
    """

    table: str
    roles: tuple[str, ...]
    files: list[FeedbackFile] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    garbled: list[list[int]] = field(default_factory=list)
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    all_bad: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which SQL gives what of one file.

    Args:
        scan_columns: Columns that are read.
        key: The key, as text.
        key_names: Columns that the key may stand in.
        names: Role to the columns that its value may stand in.
        cells: Role to its column of numbers or flags.
        group: The group, as text; None without a column.
        times: The column that orders rows of one key, if there is one.
    """

    scan_columns: tuple[str, ...]
    key: str
    key_names: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]
    cells: Mapping[str, Cells]
    group: str | None
    times: Times | None

    @property
    def checked(self) -> dict[str, Cells | Times]:
        """Every column whose values may be bad, in the order of the table's `bad`."""
        return {**self.cells, **({"time": self.times} if self.times is not None else {})}


def place_of(number: int, record: int) -> int:
    """A row's place among all rows of a side."""
    return (number << _FILE_BITS) + record


def in_file(number: int) -> str:
    """The SQL of "this row is of that file"."""
    return f"place BETWEEN {place_of(number, 0)} AND {place_of(number + 1, 0) - 1}"


def layout_of(
    table: FeedbackTable, file: FeedbackFile, currency: str | None, time_column: str | None
) -> Layout:
    """Where the roles of a side are in a file.

    Raises:
        InputError: No column for the key, a column that was named and is not there, or one of
            a type that its role cannot have.
    """
    names = {role: _names(table, file, role) for role in table.roles}
    if not names["key"]:
        listed = ", ".join(table.roles["key"].names)
        raise file.no_column(f"that names the item ({listed})", "key=")
    cells = {
        role: Cells(
            kind=table.roles[role].kind,
            role=role,
            name=_cell(file, found),
            type=_type(file, found),
            currency=currency,
            where=file.name,
            column=found[0],
        )
        for role, found in names.items()
        if found and role not in {"key", "group"}
    }
    timed = file.named(time_column) if time_column is not None else None
    times = None
    if timed is not None:
        times = Times(file.cell(timed), _type(file, [timed]), file.name, timed)
    group = names.get("group")
    every = [name for found in names.values() for name in found]
    return Layout(
        scan_columns=(*every, *([timed] if timed is not None else [])),
        key=key_sql(
            _cell(file, names["key"]),
            _type(file, names["key"]),
            where=file.name,
            column=names["key"][0],
        ),
        key_names=tuple(names["key"]),
        names={role: tuple(found) for role, found in names.items() if found and role != "key"},
        cells=cells,
        group=text_sql(_cell(file, group)) if group else None,
        times=times,
    )


def _names(table: FeedbackTable, file: FeedbackFile, role: str) -> list[str]:
    """The column of a role; of JSONL, all names it may have if the first lines have none.

    Raises:
        InputError: A column was named, and there is none of that name.
    """
    wanted = table.columns.get(role)
    names = (wanted,) if wanted is not None else table.roles[role].names
    found = next((name for name in map(file.named, names) if name is not None), None)
    if found is not None:
        return [found]
    if file.format == "jsonl" and wanted is None:
        return list(names)
    if wanted is not None:
        raise file.no_column(repr(wanted), f"{role}=")
    return []


def _cell(file: FeedbackFile, names: Sequence[str]) -> str:
    if len(names) == 1:
        return file.cell(names[0])
    return f"coalesce({', '.join(map(file.cell, names))})"


def _type(file: FeedbackFile, names: Sequence[str]) -> str:
    return file.columns.get(names[0], "VARCHAR")
