"""What a column of scores is in SQL: the score as a number, and why it is none.

A number keeps its type (FLOAT stays float32, which is exact and half the size); everything
else is cast to DOUBLE. A score whose truth is bad reads as null, like one that is no number.
"""

from __future__ import annotations

from collections.abc import Sequence

from calreg.errors import InputError
from calreg.scores.engine import identifier
from calreg.scores.sources import Source

__all__ = ["double_sql", "reason_sql", "type_of", "value_sql"]

_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)


def type_of(source: Source, column: str) -> str | None:
    """The type of a source's column, its name compared as the engine does; None if absent."""
    folded = {name.casefold(): kind for name, kind in source.columns.items()}
    return folded.get(column.casefold())


def _number_sql(source: Source, column: str) -> str:
    kind = type_of(source, column)
    name = identifier(column)
    if kind in _FLOATS:
        return name
    if kind in _INTEGERS or (kind or "").startswith("DECIMAL"):
        return f"CAST({name} AS DOUBLE)"
    if kind == "VARCHAR":
        return f"TRY_CAST({name} AS DOUBLE)"
    raise InputError(
        f"column {column!r} holds {kind}, expected numbers", where=source.where, code="columns"
    )


def value_sql(source: Source, column: str, truth: str | None) -> str:
    """The score as FLOAT or DOUBLE; null if it is missing, no number, or its truth is bad."""
    number = _number_sql(source, column)
    if truth is None or type_of(source, truth) is None:
        return number
    return f"CASE WHEN {_good_truth(truth)} THEN {number} END"


def double_sql(source: Source, column: str) -> str:
    """The score as DOUBLE; null if it is missing or no number."""
    return f"CAST({_number_sql(source, column)} AS DOUBLE)"


def _good_truth(column: str) -> str:
    # No truth at all is no fault: the item is not labelled.
    name = identifier(column)
    text = f"trim(CAST({name} AS VARCHAR))"
    return (
        f"({name} IS NULL OR {text} = '' OR coalesce(TRY_CAST({name} AS DOUBLE) IN (0, 1), false))"
    )


def reason_sql(source: Source, column: str, truth: str | None, names: Sequence[str] = ()) -> str:
    """Why a row's score is rejected, as one of the reasons; null where it is accepted."""
    number = _number_sql(source, column)
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
        whens.append(f"WHEN NOT {_good_truth(truth)} THEN 'bad_truth'")
    return f"CASE {' '.join(whens)} END"
