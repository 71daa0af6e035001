"""What a cell of predictions or outcomes is in SQL: a value, nothing, or a bad value.

Strict on purpose. An empty cell is missing; what is neither empty nor a value of its kind
is bad, counts as missing and is reported. Nothing is guessed: `$27.50` is a number only
where the currency was named, `1.0` is no boolean, `1_000` no number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from calreg.errors import InputError, UsageError
from calreg.feedback.values import LEAST_FACTOR, MOST_FACTOR
from calreg.scores.engine import literal
from calreg.scores.feedback_columns import Kind

__all__ = ["Cells", "Times", "checked_currency", "key_sql", "text_sql"]

_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_DECIMAL = re.compile(r"DECIMAL\(\d+,\s*\d+\)")
_TIMES = re.compile(r"DATE|TIMESTAMP.*")
_NULL = '"NULL"'  # the type of a column of a Parquet file that holds nothing at all
_BLANKS = literal(" \t\r\n")
_RANGES: dict[Kind, str] = {
    # Beyond these no price or factor is meant, and their squares would be no numbers.
    "price": "{0} BETWEEN -1e15 AND 1e15",
    "factor": f"{{0}} BETWEEN {LEAST_FACTOR!r} AND {MOST_FACTOR!r}",
    "share": "{0} BETWEEN 0 AND 1",
    "positive": "{0} > 0",
    "not_negative": "{0} >= 0",
}
# The engine reads more than this, but takes no offset into account in a TIMESTAMP, and the
# zone of the machine in a TIMESTAMPTZ without one.
_ISO = r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?"
_OFFSET = r" ?(?:[zZ]|[+-]\d\d(?::?\d\d)?)"
_ONE, _ZERO = "CAST(1 AS TINYINT)", "CAST(0 AS TINYINT)"
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")


@dataclass(frozen=True, slots=True)
class Cells:
    """One column as SQL.

    Args:
        kind: What its values are.
        role: Names the column `number`, in which `candidate` is when the rest is asked.
        name: The SQL of a cell.
        type: Its type in the engine.
        currency: What may stand before or after a price.
        where: The file, for errors.
        column: The column's name as it is spelt, for errors.
    """

    kind: Kind
    role: str
    name: str
    type: str
    currency: str | None
    where: str
    column: str

    def __post_init__(self) -> None:
        """Refuse a type that cannot hold values of this kind.

        Raises:
            InputError: With the type.
        """
        known = self.type in _FLOATS | _WHOLE | {"VARCHAR", _NULL} or _DECIMAL.fullmatch(self.type)
        if not known and not (self.kind == "flag" and self.type == "BOOLEAN"):
            expected = "true or false" if self.kind == "flag" else "numbers"
            raise InputError(
                f"column {self.column!r} holds {self.type}, expected {expected}",
                where=self.where,
                code="columns",
            )

    @property
    def number(self) -> str:
        """The SQL of what `candidate` gave."""
        return f'"number_{self.role}"'

    @property
    def candidate(self) -> str:
        """The cell as DOUBLE, or for a flag as TINYINT; null where it cannot be that."""
        if self.kind == "flag":
            return self._flag()
        if self.type != "VARCHAR":
            return f"CAST({self.name} AS DOUBLE)"
        return f"TRY_CAST({self._cleaned(self.name)} AS DOUBLE)"

    @property
    def value(self) -> str:
        """The value; null where there is no good one."""
        return f"CASE WHEN {self._is_good()} THEN {self.number} END"

    @property
    def bad(self) -> str:
        """Whether the cell holds something that is no value."""
        there = _is_there(self.name) if self.type == "VARCHAR" else f"{self.name} IS NOT NULL"
        return f"CASE WHEN {self._is_good()} THEN false ELSE {there} END"

    @property
    def shown(self) -> str:
        """The cell as text."""
        return f"CAST({self.name} AS VARCHAR)"

    def reason(self, shown: str) -> str:
        """Why a bad cell, given as text, is bad."""
        if self.kind == "flag":
            return "'not_a_boolean'"
        number = f"TRY_CAST({self._cleaned(shown)} AS DOUBLE)"
        return (
            f"CASE WHEN {number} IS NULL OR contains({shown}, '_') THEN 'not_a_number' "
            f"WHEN isnan({number}) THEN 'nan' WHEN isinf({number}) THEN 'infinite' "
            "ELSE 'out_of_range' END"
        )

    def _is_good(self) -> str:
        if self.kind == "flag":
            return f"{self.number} IS NOT NULL"
        tests = [f"isfinite({self.number})"]
        if self.kind in _RANGES:
            tests.append(_RANGES[self.kind].format(self.number))
        if self.type == "VARCHAR":  # the engine reads 1_000 as a thousand
            tests.append(f"NOT contains({self.name}, '_')")
        return f"({' AND '.join(tests)})"

    def _cleaned(self, text: str) -> str:
        if self.kind != "price" or self.currency is None:
            return text
        trimmed, sign = _trimmed(text), literal(self.currency)
        bare = f"trim({trimmed}, {_BLANKS})"
        size = len(self.currency)
        return (
            f"CASE WHEN starts_with({bare}, {sign}) THEN substr({bare}, {size + 1}) "
            f"WHEN starts_with({bare}, '-' || {sign}) THEN '-' || substr({bare}, {size + 2}) "
            f"WHEN ends_with({bare}, {sign}) THEN left({bare}, -{size}) ELSE {bare} END"
        )

    def _flag(self) -> str:
        if self.type == "BOOLEAN":
            return f"CAST({self.name} AS TINYINT)"
        if self.type != "VARCHAR":
            yes, no = f"{self.name} = 1", f"{self.name} = 0"
            return f"CASE WHEN {yes} THEN {_ONE} WHEN {no} THEN {_ZERO} END"
        whens = [
            f"WHEN lower({text}) IN ({', '.join(map(literal, words))}) THEN {number}"
            for text in (self.name, _trimmed(self.name))
            for words, number in ((_YES, _ONE), (_NO, _ZERO))
        ]
        return f"CASE {' '.join(whens)} END"


def _is_there(name: str) -> str:
    # What begins with more than a blank is something; trimming is slow, and seldom needed.
    return f"CASE WHEN {name} >= '!' THEN true ELSE coalesce({_trimmed(name)} <> '', false) END"


def _trimmed(name: str) -> str:
    return f"trim({name}, {_BLANKS})"


def checked_currency(currency: str | None) -> str | None:
    """`currency`, if it cannot be taken for a part of a number.

    Raises:
        UsageError: It is empty, or has digits, signs or blanks in it.
    """
    if currency is None or re.fullmatch(r"[^\s\d.,+\-_\ud800-\udfff]{1,8}", currency):
        return currency
    raise UsageError(
        f"expected a currency such as '$' or 'EUR', got {currency!r}", hint="--currency '$'"
    )


def key_sql(name: str, kind: str, *, where: str, column: str) -> str:
    """A key as the text it is; null where there is none.

    Raises:
        InputError: A column of another type than text or whole numbers.
    """
    if kind in _WHOLE or kind == "UUID":
        return f"CAST({name} AS VARCHAR)"
    if kind != "VARCHAR" and not kind.startswith("ENUM"):
        raise InputError(
            f"column {column!r} holds {kind}, expected keys as text",
            where=where,
            hint="A number that is no whole one would be another key: write keys as text.",
            code="columns",
        )
    text = f"CAST({name} AS VARCHAR)"
    return f"CASE WHEN {_is_there(text)} THEN {text} END"


def text_sql(name: str) -> str:
    """A cell as text without blanks around it; null where it is empty."""
    return f"nullif({_trimmed(f'CAST({name} AS VARCHAR)')}, '')"


@dataclass(frozen=True, slots=True)
class Times:
    """A column of times as SQL; the fields are those of `Cells`.

    Text is a time as in ISO 8601 (without an offset it is UTC), or a number.
    """

    name: str
    type: str
    where: str
    column: str

    def __post_init__(self) -> None:
        """Refuse a type that is no time.

        Raises:
            InputError: With the type.
        """
        known = self.type in _FLOATS | _WHOLE | {"VARCHAR", _NULL} or _DECIMAL.fullmatch(self.type)
        if not known and not _TIMES.fullmatch(self.type):
            raise InputError(
                f"column {self.column!r} holds {self.type}, expected times",
                where=self.where,
                code="columns",
            )

    @property
    def micros(self) -> str:
        """Microseconds since 1970; null where the cell is no time."""
        if _TIMES.fullmatch(self.type):
            return f"CASE WHEN isfinite({self.name}) THEN epoch_us({self.name}) END"
        if self.type != "VARCHAR":
            return "CAST(NULL AS BIGINT)"
        text = _trimmed(self.name)
        return (
            f"CASE WHEN regexp_full_match({text}, {literal(_ISO)}) "
            f"THEN epoch_us(TRY_CAST({text} AS TIMESTAMP)) "
            f"WHEN regexp_full_match({text}, {literal(_ISO + _OFFSET)}) "
            f"THEN epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) END"
        )

    @property
    def number(self) -> str:
        """A plain number; null where the cell is none."""
        if _TIMES.fullmatch(self.type):
            return "CAST(NULL AS DOUBLE)"
        number = f"TRY_CAST({self.name} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"

    @property
    def bad(self) -> str:
        """Whether the cell holds something that is neither."""
        return f"({_is_there(self.shown)} AND ({self.micros}) IS NULL AND ({self.number}) IS NULL)"

    @property
    def shown(self) -> str:
        """The cell as text."""
        return f"CAST({self.name} AS VARCHAR)"

    def reason(self, shown: str) -> str:  # noqa: ARG002  # as that of `Cells`
        """Why a bad cell is bad."""
        return "'not_a_time'"
