"""Predictions and outcomes: two tables of a million rows to one value, `Joined`.

The engine reads both sides strictly, settles keys that stand more than once, and joins
them; nothing goes through a loop per row. What was rejected is counted, and named by line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.errors import InputError, UsageError
from calreg.feedback.values import Joined, Keys, Reject, digest_of_rows
from calreg.scores.engine import Array, Connection, batches, connect, rows_of
from calreg.scores.feedback_columns import FeedbackTable
from calreg.scores.feedback_duplicates import DUPLICATES, Duplicates, settle_duplicates
from calreg.scores.feedback_layout import Staged
from calreg.scores.feedback_rejects import LISTED, refuse_too_many
from calreg.scores.feedback_staging import refuse_without, stage, where_of
from calreg.scores.feedback_values import checked_currency
from calreg.scores.sources import find_files

__all__ = ["DUPLICATES", "Duplicates", "read_feedback"]

Progress: TypeAlias = Callable[[int, int], None]

_NUMBERS = ("predicted", "outcome", "probability", "hazard", "days", "horizon", "factor")
_MAX_GROUPS = 1000
_STEPS = 4


def read_feedback(
    predictions: FeedbackTable,
    outcomes: FeedbackTable,
    *,
    duplicates: Duplicates = "last",
    time_column: str | None = None,
    currency: str | None = None,
    max_reject_rate: float = 0.01,
    progress: Progress | None = None,
) -> Joined:
    """The rows of both sides whose keys are equal, to the letter.

    Args:
        predictions: Where they are.
        outcomes: Where they are.
        duplicates: Which row of a key counts; "error" refuses a key that stands twice.
        time_column: What orders the rows of a key; without it, their order in the file does.
        currency: What may stand before or after a price, such as "$".
        max_reject_rate: The share of a side's rows, 0 to 1, of which more may not be garbled
            or without a key.
        progress: Is told how many steps of how many are done.

    Raises:
        InputError: A file or column that cannot be read, too many rejects, a key that stands
            twice where none may, no key on both sides.
        UsageError: A currency that could be part of a number.
        MissingExtraError: The engine is not installed.
    """
    currency = checked_currency(currency)
    if predictions.side != "predictions" or outcomes.side != "outcomes":
        raise UsageError("expected predictions and outcomes, in this order")
    tick = _tick(progress)
    with tempfile.TemporaryDirectory(prefix="calreg-") as folder:
        found = [_files(table) for table in (predictions, outcomes)]
        with connect([*found[0], *found[1]], folder=folder) as connection:
            sides = []
            for table, files in zip((predictions, outcomes), found, strict=True):
                staged = stage(
                    connection,
                    table,
                    files,
                    Path(folder),
                    currency=currency,
                    time_column=time_column,
                )
                refuse_too_many(staged, max_rate=max_reject_rate, where=where_of(staged))
                refuse_without(staged, table)
                sides.append(staged)
                tick(len(sides))
            _refuse_untimed(sides, time_column)
            twice = [settle_duplicates(connection, staged, duplicates) for staged in sides]
            tick(3)
            joined = _joined(connection, sides, twice)
    tick(_STEPS)
    return joined


def _files(table: FeedbackTable) -> tuple[str, ...]:
    """The files of a side.

    Raises:
        InputError: There are none, or one has a name that no document could hold.
    """
    files = find_files(table.paths)
    for path in files:
        if any("\ud800" <= sign <= "\udfff" for sign in path):
            raise InputError(
                "is no name in UTF-8", where=path, hint="Rename it, or its folder.", code="name"
            )
    return files


def _tick(progress: Progress | None) -> Callable[[int], None]:
    if progress is None:
        return lambda done: None  # noqa: ARG005
    progress(0, _STEPS)
    return lambda done: progress(done, _STEPS)


def _refuse_untimed(sides: Sequence[Staged], time_column: str | None) -> None:
    if time_column is None:
        return
    files = [file for staged in sides for file in staged.files]
    if all(file.named(time_column) is None for file in files):
        raise files[0].no_column(repr(time_column), "--time-column ")


def _joined(connection: Connection, sides: Sequence[Staged], twice: Sequence[int]) -> Joined:
    keys = _match(connection, sides, twice)
    names = _groups(connection)
    columns = _fetched(connection)
    codes = columns["code"]
    group = np.array([*names, ""], dtype=np.object_)[codes]
    numbers = {name: columns[name] for name in _NUMBERS}
    texts: Array = columns["key"]
    sold: NDArray[np.int8] = columns["sold"]
    return Joined(
        keys=texts,
        **numbers,
        sold=sold,
        group=group,
        counts=keys,
        rejects=tuple(one for staged in sides for one in _by_place(staged)),
        reject_counts=dict(sides[0].counts + sides[1].counts),
        rows=(sides[0].rows, sides[1].rows),
        files=tuple(file.name for staged in sides for file in staged.files),
        columns=(sides[0].columns, sides[1].columns),
        digest=digest_of_rows(texts, list(numbers.values()), sold, group),
        notes=_notes(sides),
    )


def _by_place(staged: Staged) -> list[Reject]:
    order = {file.name: number for number, file in enumerate(staged.files)}
    return sorted(staged.rejects, key=lambda one: (order[one.source], one.line or 0))


def _match(connection: Connection, sides: Sequence[Staged], twice: Sequence[int]) -> Keys:
    """Join both sides into the table `joined`.

    Raises:
        InputError: No key is on both.
    """
    fields = {role: f'{staged.table}."{role}"' for staged in sides for role in staged.roles}
    listed = ", ".join(f'{sql} AS "{role}"' for role, sql in fields.items())
    before, after = (staged.table for staged in sides)
    connection.execute(
        f"CREATE TEMP TABLE joined AS SELECT key, {listed} FROM {before} JOIN {after} USING (key)"
    )
    counts = [
        rows_of(connection, f"SELECT count(*) FROM {table}")[0][0]
        for table in ("joined", before, after)
    ]
    if not counts[0]:
        raise _nothing_matched(connection, sides)
    for table in (before, after):
        connection.execute(f"DROP TABLE {table}")
    return Keys(counts[0], counts[1] - counts[0], counts[2] - counts[0], twice[0], twice[1])


def _nothing_matched(connection: Connection, sides: Sequence[Staged]) -> InputError:
    examples = [
        rows_of(connection, f"SELECT min(key) FROM {staged.table}")[0][0] for staged in sides
    ]
    columns = [staged.columns["key"] for staged in sides]
    return InputError(
        f"no key is in both: predictions have {examples[0]!r} in {columns[0]!r}, "
        f"outcomes have {examples[1]!r} in {columns[1]!r}",
        where=where_of(sides[1]),
        hint="Keys are compared as text, to the letter: see that both columns name the item.",
        code="no-match",
    )


def _groups(connection: Connection) -> list[str]:
    query = 'SELECT DISTINCT "group" FROM joined WHERE "group" IS NOT NULL ORDER BY 1'
    names = [row[0] for row in rows_of(connection, f"{query} LIMIT {_MAX_GROUPS + 1}")]
    if len(names) > _MAX_GROUPS:
        raise InputError(
            f"has more than {_MAX_GROUPS:,} groups, such as {names[0]!r} and {names[1]!r}",
            where="predictions",
            hint="A group is what shares a factor: name its column with group=NAME.",
            code="groups",
        )
    return names


def _fetched(connection: Connection) -> dict[str, Array]:
    """Every column as an array, in the order of the keys; NaN and -1 for null."""
    numbers = ", ".join(f"""coalesce("{name}", 'nan'::DOUBLE)""" for name in _NUMBERS)
    groups = 'SELECT "group", row_number() OVER (ORDER BY "group") - 1 AS code FROM joined '
    query = (
        f"SELECT key, {numbers}, coalesce(sold, -1)::TINYINT, coalesce(code, -1)::INTEGER "
        f'FROM joined LEFT JOIN ({groups} WHERE "group" IS NOT NULL GROUP BY 1) AS codes '
        'ON joined."group" = codes."group" ORDER BY key'
    )
    parts: list[list[Array]] = []
    with closing(batches(connection, query)) as stream:
        parts.extend([values for values, _ in batch] for batch in stream)
    names = ("key", *_NUMBERS, "sold", "code")
    return {
        name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)
    }


def _notes(sides: Sequence[Staged]) -> tuple[str, ...]:
    notes = []
    for staged in sides:
        for column, text in staged.all_bad.items():
            notes.append(f"every value of {column!r} is rejected, such as {text!r}")
        listed = len(staged.rejects)
        if staged.counts.total() > listed:
            notes.append(
                f"{staged.counts.total():,} rejects of {staged.table}, "
                f"of which {listed:,} are listed (up to {LISTED:,} per reason or column)"
            )
    return tuple(notes)
