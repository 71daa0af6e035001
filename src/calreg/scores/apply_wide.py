"""Applying calibrations to a wide table: new columns beside every column of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from calreg.documents.calibration import LabelCalibration
from calreg.errors import InputError
from calreg.names import HeadName
from calreg.scores.apply_choice import Choice, Tally, placed, refuse_taken
from calreg.scores.engine import Connection, identifier, rows_of
from calreg.scores.expressions import double_sql
from calreg.scores.layout import Cell, WideLayout
from calreg.scores.outputs import (
    Output,
    Outputs,
    cut_of,
    guarded,
    is_shared,
    shared_columns,
    shared_logit,
    shared_output,
)
from calreg.scores.sources import Source, reading

__all__ = ["wide_query"]

# No user's column has such a name: CSV and JSON texts may hold it, tools do not write it.
_OWN = "\x1fcalreg\x1f{}"
_SHOWN = 5


@dataclass(slots=True)
class _Relation:
    """A source with columns of our own, which the written table leaves out again."""

    sql: str
    own: list[str] = field(default_factory=list)

    def add(self, expressions: Sequence[str]) -> list[str]:
        """Compute columns in one step; later ones can be made of them. Their names as SQL."""
        first = len(self.own)
        names = [identifier(_OWN.format(first + n)) for n in range(len(expressions))]
        if names:
            pairs = zip(expressions, names, strict=True)
            listed = ", ".join(f"{expression} AS {name}" for expression, name in pairs)
            self.sql = f"(SELECT *, {listed} FROM {self.sql})"
            self.own += names
        return names


@dataclass(frozen=True, slots=True)
class _Written:
    """What is written for a cell: its output, and the SQL of whether it fires."""

    output: Output
    fires: str | None

    @property
    def columns(self) -> dict[str, str | None]:
        """The SQL of every kind of column, None for those that it does not get."""
        output = self.output
        return {
            "calibrated": output.calibrated,
            "p": output.probability,
            "fires": self.fires,
        }


def wide_query(
    connection: Connection,
    layout: WideLayout,
    sources: Sequence[Source],
    choice: Choice,
    tally: Tally,
) -> list[str]:
    """The query of every source, whose rows together are the written table.

    Raises:
        InputError: As `Choice.of`; a column that is taken; labels that a softmax lacks.
    """
    cells = {cell.column: cell for of_source in layout.cells for cell in of_source}
    found = choice.of({name: (cell.head.name, cell.label) for name, cell in cells.items()})
    for cell in cells.values():
        choice.check_scale(cell.column, cell.head.name, cell.label)
    refuse_taken(
        sources, [new for cell in cells.values() for new in _new(cell, found[cell.column])]
    )
    outputs = Outputs(connection)
    parts = []
    for source, of_source in zip(sources, layout.cells, strict=True):
        calibrations = [found[cell.column] for cell in of_source]
        relation = _Relation(source.scan())
        made = _outputs(outputs, relation, source, of_source, calibrations, choice)
        _count(connection, source, relation, of_source, calibrations, made, tally)
        added = ", ".join(
            f"{sql} AS {identifier(_column(kind, cell))}"
            for cell, one in zip(of_source, made, strict=True)
            for kind, sql in one.columns.items()
            if sql is not None
        )
        parts.append(f"SELECT * EXCLUDE ({', '.join(relation.own)}), {added} FROM {relation.sql}")
    return parts


def _new(cell: Cell, calibration: LabelCalibration | None) -> list[str]:
    """The names of the columns that a cell will get."""
    method = None if calibration is None else calibration.method
    is_rescaled = method in {None, "minmax", "factor"}
    kinds = {
        "calibrated": is_rescaled,
        "p": not is_rescaled and method != "threshold",
        "fires": calibration is not None and calibration.decision is not None,
    }
    return [_column(kind, cell) for kind, is_made in kinds.items() if is_made]


def _column(kind: str, cell: Cell) -> str:
    if cell.column.endswith(f":{cell.label}"):
        return f"{kind}:{cell.column}"
    return f"{kind}_{cell.label}"


def _outputs(
    outputs: Outputs,
    relation: _Relation,
    source: Source,
    cells: Sequence[Cell],
    calibrations: Sequence[LabelCalibration | None],
    choice: Choice,
) -> list[_Written]:
    scores = relation.add([double_sql(source, cell.column) for cell in cells])
    by_head: dict[HeadName, dict[str, tuple[LabelCalibration, str]]] = {}
    for cell, calibration, score in zip(cells, calibrations, scores, strict=True):
        if calibration is not None and is_shared(calibration):
            by_head.setdefault(cell.head.name, {})[cell.label] = calibration, score
    shared: dict[tuple[HeadName, str], Output] = {}
    for name, of_head in by_head.items():
        _refuse_part(name, of_head, choice, source)
        made = _shared(relation, of_head)
        shared.update({(name, label): output for label, output in made.items()})
    found = []
    for cell, calibration, score in zip(cells, calibrations, scores, strict=True):
        with placed(cell.head.name, cell.label):
            if calibration is None:
                found.append(outputs.raw(score))
            elif is_shared(calibration):
                found.append(shared[cell.head.name, cell.label])
            else:
                found.append(outputs.of(calibration, score))
    # Computed once: it is written, compared and counted.
    names = iter(relation.add([one.probability for one in found if one.probability]))
    return [
        _decided(
            replace(output, probability=next(names)) if output.probability else output,
            calibration,
            score,
        )
        for output, calibration, score in zip(found, calibrations, scores, strict=True)
    ]


def _decided(output: Output, calibration: LabelCalibration | None, score: str) -> _Written:
    cut = None if calibration is None else cut_of(calibration)
    if cut is None:
        return _Written(output, None)
    return _Written(output, guarded(output.readable, cut.sql(score, output.probability)))


def _refuse_part(
    name: HeadName, present: Mapping[str, object], choice: Choice, source: Source
) -> None:
    lacking = [label for label in choice.calibrations[name].labels if label not in present]
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise InputError(
            f"the softmax of {name} needs the scores of all its labels; there is no column for "
            f"{', '.join(map(repr, lacking[:_SHOWN]))}{more}",
            where=source.where,
            hint="Write the scores of all labels of the head into one wide table.",
            code="labels",
        )


def _shared(
    relation: _Relation, labels: Mapping[str, tuple[LabelCalibration, str]]
) -> dict[str, Output]:
    """The outputs of the labels of one softmax."""
    calibration = next(iter(labels.values()))[0]
    logits = relation.add([shared_logit(one, score) for one, score in labels.values()])
    readable = [f"isfinite({score})" for _, score in labels.values()]
    # The denominator is made of the largest logit: that one is a column before it.
    (top,) = relation.add([shared_columns(calibration, logits, readable, "")[0]])
    (total,) = relation.add([shared_columns(calibration, logits, readable, top)[1]])
    return {
        label: shared_output(one, logit, top, total)
        for (label, (one, _)), logit in zip(labels.items(), logits, strict=True)
    }


def _count(
    connection: Connection,
    source: Source,
    relation: _Relation,
    cells: Sequence[Cell],
    calibrations: Sequence[LabelCalibration | None],
    written: Sequence[_Written],
    tally: Tally,
) -> None:
    conditions = [one.output.readable for one in written]
    conditions += [one.fires or "false" for one in written]
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in conditions)
    with reading(source):
        rows, *found = rows_of(connection, f"SELECT count(*), {counts} FROM {relation.sql}")[0]
    tally.rows += rows
    readable, fired = found[: len(cells)], found[len(cells) :]
    for cell, calibration, one, good, hits in zip(
        cells, calibrations, written, readable, fired, strict=True
    ):
        tally.add(calibration, good, rows - good)
        if one.fires is not None:
            tally.add_fired(cell.head.name, cell.label, hits)
