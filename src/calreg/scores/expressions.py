"""What a column of scores is in SQL: the score as a number, and why it is none.

A number keeps its type (FLOAT stays float32, which is exact and half the size); everything
else is cast to DOUBLE. A score whose truth is bad reads as null, like one that is no number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from calreg.errors import InputError
from calreg.scores.engine import identifier
from calreg.scores.sources import Source

__all__ = ["double_sql", "number_sql", "reason_sql", "truth_sql", "type_of", "value_sql"]

_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)

_DECIMAL = re.compile(r"DECIMAL\(\d+,\s*\d+\)")


def type_of(source: Source, column: str) -> str | None:
    """The type of a source's column, its name compared as the engine does; None if absent."""
    if column in source.columns:  # nearly always, and tables have thousands of columns
        return source.columns[column]
    if column in source.columns:  # as it is mostly written: tables have thousands of columns
        return source.columns[column]
    folded = {name.casefold(): kind for name, kind in source.columns.items()}
    return folded.get(column.casefold())


def number_sql(source: Source, column: str) -> str:
    """The score as FLOAT or DOUBLE; null if it is missing or no number.

    Raises:
        InputError: A column that holds neither numbers nor text.
    """
    kind = type_of(source, column)
    name = identifier(column)
    if kind in _FLOATS:
        return name
    if kind in _INTEGERS or _DECIMAL.fullmatch(kind or ""):
        return f"CAST({name} AS DOUBLE)"
    if kind == "VARCHAR":
        return f"TRY_CAST({name} AS DOUBLE)"
    raise InputError(
        f"column {column!r} holds {kind}, expected numbers", where=source.where, code="columns"
    )


def value_sql(source: Source, column: str, truth: str | None) -> str:
    """The score as FLOAT or DOUBLE; null if it is missing, no number, or its truth is bad."""
    number = number_sql(source, column)
    if truth is None or type_of(source, truth) is None:
        return number
    return f"CASE WHEN {_good_truth(source, truth)} THEN {number} END"


def double_sql(source: Source, column: str) -> str:
    """The score as DOUBLE; null if it is missing or no number."""
    return f"CAST({number_sql(source, column)} AS DOUBLE)"


def truth_sql(source: Source, column: str) -> str:
    """The truth as TINYINT 0 or 1; null if there is none or it is neither."""
    name = identifier(column)
    kind = type_of(source, column)
    number = name if kind in _FLOATS | _INTEGERS else f"TRY_CAST({name} AS DOUBLE)"
    yes, no = f"{number} = 1", f"{number} = 0"
    if kind == "VARCHAR":
        yes, no = f"{yes} OR {_is_word(name, 'true')}", f"{no} OR {_is_word(name, 'false')}"
    return f"CASE WHEN {yes} THEN CAST(1 AS TINYINT) WHEN {no} THEN CAST(0 AS TINYINT) END"


def _is_word(name: str, word: str) -> str:
    return f"lower(trim({name})) = '{word}'"


def _good_truth(source: Source, column: str) -> str:
    # No truth at all is no fault: the item is not labelled.
    name = identifier(column)
    text = f"trim(CAST({name} AS VARCHAR))"
    return f"({name} IS NULL OR {text} = '' OR ({truth_sql(source, column)}) IS NOT NULL)"


def reason_sql(
    source: Source,
    column: str,
    truth: str | None,
    names: Sequence[str] = (),
    *,
    needs_truth: bool = False,
) -> str:
    """Why a row's score is rejected, as one of the reasons; null where it is accepted.

    With `needs_truth` a truth that is not there is as bad as one that is neither 0 nor 1.
    """
    number = number_sql(source, column)
    name = identifier(column)
    whens = [
        f"WHEN {identifier(n)} IS NULL OR CAST({identifier(n)} AS VARCHAR) = '' THEN 'missing_name'"
        for n in names
    ]
    whens.append(f"WHEN {name} IS NULL OR trim(CAST({name} AS VARCHAR)) = '' THEN 'missing'")
    whens.append(f"WHEN {number} IS NULL THEN 'not_a_number'")
    whens.append(f"WHEN isnan({number}) THEN 'nan'")
    whens.append(f"WHEN isinf({number}) THEN 'infinite'")
    if truth is not None and type_of(source, truth) is not None:
        bad = f"({truth_sql(source, truth)}) IS NULL" if needs_truth else ""
        whens.append(f"WHEN {bad or f'NOT {_good_truth(source, truth)}'} THEN 'bad_truth'")
    return f"CASE {' '.join(whens)} END"
