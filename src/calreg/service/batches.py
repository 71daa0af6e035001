"""A batch of rows, as it came over the wire, to rows that may be stored and those that may not.

Every row is judged by itself, for the reasons by which tables of scores are judged too, plus
two that only a program can cause: `no_row` (no object at all) and `bad_name` (a name that has
no slug, or one that another name of the batch has). Names are slugged as everywhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from calreg.errors import InputError
from calreg.names import HeadName, check_label, slug, slug_path
from calreg.scores.table import REASONS
from calreg.store import MAX_ITEM_BYTES, Row

__all__ = ["Batch", "Reject", "judged", "rows_of_json", "rows_of_lines"]

_SHOWN = 100
_LONGEST = 40
_MISSING = object()
# A row takes some 50 bytes, and is one object. What holds very many more things than that is no
# batch, and would take a hundred times its size of memory.
_LEAST_BYTES = 12
_FEW_THINGS = 1000

_WORDS = {
    **REASONS,
    "missing_name": "without item, model, head or label",
    "missing": "without a score",
    "no_row": "not an object",
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is not accepted, by its place in the batch, from 0."""

    row: int
    reason: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """As it is answered."""
        return {"row": self.row, "reason": self.reason, "message": self.message}


@dataclass(slots=True)
class Batch:
    """The rows of a batch that were accepted, and what is wrong with the others."""

    rows: list[Row] = field(default_factory=list)
    first: list[Reject] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def reject(self, row: int, reason: str, message: str) -> None:
        """Count a row; the first hundred are kept."""
        self.counts[reason] += 1
        if len(self.first) < _SHOWN:
            self.first.append(Reject(row, reason, message))

    def rejects(self) -> dict[str, Any]:
        """What was not accepted, as it is answered."""
        return {
            "count": self.counts.total(),
            "counts": dict(self.counts),
            "first": [one.to_json() for one in self.first],
        }


class _Names:
    """Head and label of a row by what it says, each found out once in a batch."""

    def __init__(self) -> None:
        self._found: dict[Any, str | tuple[str, str]] = {}
        self._raw: dict[str, tuple[Any, Any]] = {}

    def head_of(self, model: Any, head: Any, label: Any) -> str | tuple[str, str]:
        """The head's full name; or the reason and the words for why there is none."""
        key = (model, head, label)
        try:
            found = self._found.get(key)
        except TypeError:  # a list or an object for a name
            return "bad_name", "names are texts"
        if found is None:
            found = self._found[key] = self._judged(model, head, label)
        return found

    def _judged(self, model: Any, head: Any, label: Any) -> str | tuple[str, str]:
        given = [name for name in (model, head, label) if name is not None]
        if not all(isinstance(name, str) for name in given):
            return "bad_name", "names are texts"
        if not head or not label or (not model and "/" not in head):
            return "missing_name", _WORDS["missing_name"]
        try:
            check_label(label)
            name = _head_name(model, head)
        except (InputError, UnicodeEncodeError) as error:
            return "bad_name", str(error)
        raw = self._raw.setdefault(name.full, (model, head))
        if raw != (model, head) and _joined(*raw) != _joined(model, head):
            return "bad_name", f"{_joined(model, head)!r} and {_joined(*raw)!r} are both {name}"
        return name.full


def _joined(model: str | None, head: str) -> str:
    return f"{model}/{head}" if model else head


def _head_name(model: str | None, head: str) -> HeadName:
    if not model:
        model, _, head = head.rpartition("/")
    return HeadName(slug_path(model), slug(head))


def judged(raw: Sequence[Any]) -> Batch:
    """The rows of a batch, each judged by itself."""
    batch, names = Batch(), _Names()
    accept, isfinite = batch.rows.append, math.isfinite
    for place, row in enumerate(raw):
        if type(row) is not dict:
            batch.reject(place, "no_row", f"{_WORDS['no_row']}: {_shown(row)}")
            continue
        get = row.get
        item, label, score = get("item"), get("label"), get("score", _MISSING)
        head = names.head_of(get("model"), get("head"), label)
        # The usual row costs one look at each of its fields.
        if (
            type(score) is float
            and isfinite(score)
            and type(item) is str
            and 0 < len(item) <= MAX_ITEM_BYTES // 4
            and "\0" not in item
            and type(head) is str
            and type(label) is str
        ):
            accept(Row(item, head, label, score))
        else:
            _judge_closely(batch, place, item, head, label, score)
    return batch


def _judge_closely(
    batch: Batch, place: int, item: Any, head: str | tuple[str, str], label: Any, score: Any
) -> None:
    problem = _item_problem(item)
    if problem is None and not isinstance(head, str):
        problem = head
    problem = problem or _score_problem(score)
    if problem is None and isinstance(head, str):
        batch.rows.append(Row(item, head, label, float(score)))
    elif problem is not None:
        batch.reject(place, *problem)


def _item_problem(item: Any) -> tuple[str, str] | None:
    if item is None or item == "":
        return "missing_name", _WORDS["missing_name"]
    if not isinstance(item, str):
        return "bad_name", "names are texts"
    try:
        size = len(item.encode())
    except UnicodeEncodeError:
        return "bad_name", "the item holds half of a character"
    if size > MAX_ITEM_BYTES:
        return "bad_name", f"the item has {size:,} bytes, at most {MAX_ITEM_BYTES:,} are allowed"
    return ("bad_name", "the item holds a zero character") if "\0" in item else None


def _score_problem(score: Any) -> tuple[str, str] | None:
    if score is None or score is _MISSING or score == "":
        return "missing", _WORDS["missing"]
    if isinstance(score, bool) or not isinstance(score, int | float | str):
        return "not_a_number", f"{_WORDS['not_a_number']}: {_shown(score)}"
    try:
        number = float(score)
    except OverflowError:
        number = math.inf
    except ValueError:
        return "not_a_number", f"{_WORDS['not_a_number']}: {_shown(score)}"
    if math.isnan(number):
        return "nan", _WORDS["nan"]
    if math.isinf(number):
        return "infinite", _WORDS["infinite"]
    # Text that reads as a number is text all the same: half a program would send it by mistake.
    return ("not_a_number", f"text: {_shown(score)}") if isinstance(score, str) else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def rows_of_json(body: bytes) -> list[Any]:
    """The rows in `{"rows": […]}`, not looked at.

    Raises:
        InputError: No JSON (code `json`), or another shape.
    """
    _check_things(body)
    data = _parsed(body, where="body")
    if not isinstance(data, dict) or not isinstance(data.get("rows"), list):
        raise InputError('expected {"rows": […]}', where="/body", code="input")
    unknown = next((key for key in data if key != "rows"), None)
    if unknown is not None:
        raise InputError(
            f"unknown key {unknown[:_LONGEST]!r}",
            where="/body",
            hint="Rows stand in 'rows', and nothing stands beside them.",
            code="input",
        )
    rows: list[Any] = data["rows"]
    return rows


def rows_of_lines(body: bytes) -> list[Any]:
    """The rows in lines of JSON, empty lines left out, not looked at.

    Raises:
        InputError: A line that is no JSON (code `json`).
    """
    _check_things(body)
    return list(_lines(body))


def _check_things(body: bytes) -> None:
    things = body.count(b"{") + body.count(b"[")
    if things > _FEW_THINGS + len(body) // _LEAST_BYTES:
        raise InputError(
            f"{things:,} objects and lists in {len(body):,} bytes are no rows",
            where="body",
            hint="A row is one object with item, model, head, label and score.",
            code="json",
        )


def _lines(body: bytes) -> Iterator[Any]:
    for number, line in enumerate(body.split(b"\n"), start=1):
        if line.strip():
            yield _parsed(line, where=f"line {number}")


def _parsed(raw: bytes, *, where: str) -> Any:
    try:
        # NaN and Infinity are no JSON, but programs write them: they are told row by row.
        return from_json(raw, allow_inf_nan=True, cache_strings="all")
    except (ValueError, RecursionError) as error:
        raise InputError(f"no valid JSON: {error}", where=where, code="json") from error
