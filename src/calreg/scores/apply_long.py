"""Applying calibrations to a long table: the same new columns for the rows of every label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from calreg.documents.calibration import LabelCalibration
from calreg.errors import InputError
from calreg.names import HeadName
from calreg.scores.apply_choice import Choice, Tally, placed, refuse_taken
from calreg.scores.engine import Connection, identifier, literal, rows_of
from calreg.scores.expressions import double_sql
from calreg.scores.layout import LongLayout, named_heads
from calreg.scores.outputs import (
    Cut,
    Output,
    Outputs,
    as_doubles,
    by_place,
    cut_of,
    factor_of,
    is_shared,
    minmax_line,
    rescaled,
)
from calreg.scores.sources import Source, reading

__all__ = ["long_query"]

_SEPARATOR = "\x1f"
_SCORE = identifier("\x1fcalreg\x1fscore")
_PLACE = identifier("\x1fcalreg\x1fplace")
_PROBABILITY = identifier("\x1fcalreg\x1fprobability")


def long_query(
    connection: Connection,
    layout: LongLayout,
    sources: Sequence[Source],
    choice: Choice,
    tally: Tally,
) -> list[str]:
    """The query of every source, whose rows together are the written table.

    Raises:
        InputError: As `Choice.of`; a column that is taken; a softmax.
    """
    key = _key_sql(layout)
    counts = _counts(connection, layout, sources, key)
    raw = {text: _raw_name(layout, text) for text in counts if text is not None}
    named = named_heads({(model, head) for model, head, _ in raw.values()})
    wanted = {text: (named[model, head].name, label) for text, (model, head, label) in raw.items()}
    found = choice.of(wanted)
    for name, label in wanted.values():
        choice.check_scale(layout.score, name, label)
    for text, (rows, readable) in counts.items():
        good = readable if text is not None else 0
        tally.rows += rows
        tally.add(found.get(text) if text is not None else None, good, rows - good)
    columns, probability = _columns(connection, wanted, found)
    refuse_taken(sources, list(columns))
    place = _place_sql(connection, key, list(wanted))
    relations = [
        f"(SELECT *, {probability} AS {_PROBABILITY} FROM (SELECT *, "
        f"{double_sql(source, layout.score)} AS {_SCORE}, {place} AS {_PLACE} "
        f"FROM {source.scan()}))"
        for source in sources
    ]
    if "fires" in columns:
        _count_fired(connection, sources, relations, columns["fires"], wanted, found, tally)
    added = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return [
        f"SELECT * EXCLUDE ({_SCORE}, {_PLACE}, {_PROBABILITY}), {added} FROM {relation}"
        for relation in relations
    ]


def _key_sql(layout: LongLayout) -> str:
    columns = [layout.model, layout.head, layout.label]
    names = [f"CAST({identifier(column)} AS VARCHAR)" for column in columns if column is not None]
    empty = " OR ".join(f"{name} IS NULL OR {name} = ''" for name in names)
    return f"CASE WHEN NOT ({empty}) THEN {f' || {literal(_SEPARATOR)} || '.join(names)} END"


def _raw_name(layout: LongLayout, text: str) -> tuple[str, str, str]:
    parts = iter(text.split(_SEPARATOR))
    model = next(parts) if layout.model is not None else layout.fixed[0]
    head = next(parts) if layout.head is not None else layout.fixed[1]
    return model, head, next(parts)


def _counts(
    connection: Connection, layout: LongLayout, sources: Sequence[Source], key: str
) -> dict[str | None, tuple[int, int]]:
    """Rows, and readable scores among them, by head and label; None for rows without."""
    counts: dict[str | None, tuple[int, int]] = {}
    for source in sources:
        readable = f"count(*) FILTER (isfinite({double_sql(source, layout.score)}))"
        query = f"SELECT {key}, count(*), {readable} FROM {source.scan()} GROUP BY ALL"
        with reading(source):
            for text, rows, good in rows_of(connection, query):
                before = counts.get(text, (0, 0))
                counts[text] = (before[0] + rows, before[1] + good)
    return dict(sorted(counts.items(), key=lambda item: item[0] or ""))


def _place_sql(connection: Connection, key: str, texts: Sequence[str]) -> str:
    """The number of a row's head and label, from 1; null where it has none."""
    if not texts:
        return "CAST(NULL AS INTEGER)"
    connection.execute(f"CREATE TYPE calreg_keys AS ENUM ({', '.join(map(literal, texts))})")
    return f"enum_code(TRY_CAST({key} AS calreg_keys)) + 1"


def _columns(
    connection: Connection,
    wanted: Mapping[str, tuple[HeadName, str]],
    found: Mapping[str, LabelCalibration | None],
) -> tuple[dict[str, str], str]:
    """The columns that any of the calibrations needs, and the probability they are made of."""
    outputs = Outputs(connection)
    made: list[Output] = []
    lines: list[tuple[float, float] | None] = []
    factors: list[float | None] = []
    for text, calibration in found.items():
        with placed(*wanted[text]):
            if calibration is not None and is_shared(calibration):
                raise InputError(
                    "a softmax needs the scores of all labels of an item, and a long table has "
                    "them in rows of their own",
                    hint="Write a wide table: a row per item, a column score_<label> per label.",
                    code="form",
                )
            method = None if calibration is None else calibration.method
            lines.append(minmax_line(calibration) if calibration and method == "minmax" else None)
            factors.append(factor_of(calibration) if calibration and method == "factor" else None)
            one = outputs.raw(_SCORE) if calibration is None else outputs.of(calibration, _SCORE)
            made.append(one)
    probabilities = [one.probability for one in made]
    cuts = [None if one is None else cut_of(one) for one in found.values()]
    columns = {
        "calibrated": _calibrated_sql(made, lines, factors) if made else "CAST(NULL AS DOUBLE)",
        "p": _PROBABILITY if any(probabilities) else None,
        "fires": _fires_sql(cuts) if any(cuts) else None,
    }
    needed = {name: sql for name, sql in columns.items() if sql is not None}
    return needed, _probability_sql(probabilities)


def _calibrated_sql(
    made: Sequence[Output],
    lines: Sequence[tuple[float, float] | None],
    factors: Sequence[float | None],
) -> str | None:
    """Rescaled, multiplied, raw scores; looked up in lists: faster than a case per label."""
    is_there = [one.calibrated is not None for one in made]
    if not any(is_there):
        return None
    p5 = f"{as_doubles([line and line[0] for line in lines])}[{_PLACE}]"
    span = f"{as_doubles([line and line[1] for line in lines])}[{_PLACE}]"
    plain = _SCORE
    if any(factors):
        plain = f"{_SCORE} * coalesce({as_doubles(factors)}[{_PLACE}], CAST(1 AS DOUBLE))"
    chosen = f"CASE WHEN {span} IS NULL THEN {plain} ELSE {rescaled(_SCORE, p5, span)} END"
    condition = f"isfinite({_SCORE}) AND {_PLACE} IS NOT NULL"
    if not all(is_there):
        condition += f" AND {_flags(is_there)}"
    return f"CASE WHEN {condition} THEN {chosen} END"


def _probability_sql(parts: Sequence[str | None]) -> str:
    """The probability by the row's label; null for labels without one."""
    if not any(parts):
        return "CAST(NULL AS DOUBLE)"
    tree = by_place(_PLACE, [part or "CAST(NULL AS DOUBLE)" for part in parts])
    return f"CASE WHEN {_PLACE} IS NOT NULL THEN {tree} END"


def _fires_sql(cuts: Sequence[Cut | None]) -> str:
    """Whether a row fires, by the cut of its label; null for labels that do not decide."""
    threshold = f"{as_doubles([cut.threshold if cut else None for cut in cuts])}[{_PLACE}]"
    value = _SCORE
    if any(cut.of_probability for cut in cuts if cut):
        of_probability = _flags(cut is not None and cut.of_probability for cut in cuts)
        value = f"CASE WHEN {of_probability} THEN {_PROBABILITY} ELSE {_SCORE} END"
    falls = _flags(cut is not None and cut.falls for cut in cuts)
    test = f"CASE WHEN {falls} THEN {value} <= {threshold} ELSE {value} >= {threshold} END"
    decides = _flags(cut is not None for cut in cuts)
    condition = f"isfinite({_SCORE}) AND {_PLACE} IS NOT NULL AND {decides}"
    return f"CASE WHEN {condition} THEN coalesce({test}, false) END"


def _flags(flags: Iterable[bool]) -> str:
    """The flag of the row's label."""
    return f"[{', '.join(map(str, flags))}][{_PLACE}]"


def _count_fired(
    connection: Connection,
    sources: Sequence[Source],
    relations: Sequence[str],
    fires: str,
    wanted: Mapping[str, tuple[HeadName, str]],
    found: Mapping[str, LabelCalibration | None],
    tally: Tally,
) -> None:
    pairs = list(wanted.values())
    for pair, calibration in zip(pairs, found.values(), strict=True):
        if calibration is not None and calibration.decision is not None:
            tally.add_fired(*pair, 0)
    for source, relation in zip(sources, relations, strict=True):
        # Not a WHERE: it would be pushed below the columns it is made of, and make them again.
        counted = f"count(*) FILTER ({fires})"
        query = f"SELECT {_PLACE}, {counted} FROM {relation} GROUP BY ALL"
        with reading(source):
            for place, count in rows_of(connection, query):
                if count:  # rows without a label have none
                    tally.add_fired(*pairs[int(place) - 1], count)
