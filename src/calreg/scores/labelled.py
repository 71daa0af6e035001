"""Tables of scores with truth, of one head, to arrays.

Unlike `read_scores` this holds the scores in memory: what is tuned is small, or one label.
What is not accepted is counted and named as there; a score without truth is not accepted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from calreg.errors import InputError
from calreg.labelled import LabelledScores
from calreg.scores.engine import Connection, connect, literal
from calreg.scores.labelled_columns import Found, labels_of_long, read_long, read_wide
from calreg.scores.labelled_layout import (
    LabelledLong,
    LabelledSource,
    LabelledWide,
    chosen_labels,
    labelled_sources,
    no_rows,
    text_sql,
)
from calreg.scores.rejects import Suspect, counts_by_reason, first_rejects, refuse_too_many
from calreg.scores.sources import Source, about_rows, find_files, find_sources
from calreg.scores.table import Reject, ScoreTable

__all__ = ["read_labelled"]


def read_labelled(
    table: ScoreTable,
    *,
    keys: Sequence[str] = (),
    optional_keys: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    max_reject_rate: float = 0.01,
    with_items: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> LabelledScores:
    """The scores and the truth of one head, `table.head`.

    Args:
        table: Where the scores are, and whose they are.
        keys: Further columns to keep as text.
        optional_keys: Columns to keep as well if every file has them.
        where: Column to text: only rows in which all of them are so count.
        labels: Only these; None for all.
        max_reject_rate: The share of scores, 0 to 1, of which more may not be rejected.
        with_items: Whether to keep what the items are called, where a column says.
        progress: Is told now and then how many scores of about how many are read.

    Raises:
        InputError: As `read_scores`; a label without truth, an unknown label, column or head,
            an item that stands twice for one label, no rows left.
        MissingExtraError: The engine is not installed.
    """
    files = find_files(table.paths)
    with (
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
        connect(files, folder=folder) as connection,
    ):
        plain = find_sources(connection, files)
        keys = tuple(dict.fromkeys((*keys, *_present(plain, optional_keys))))
        at = plain[0].where if len(files) == 1 else f"{len(files)} files"
        try:
            sources = labelled_sources(connection, table, plain, keys=keys, where=where or {})
            reader = _Reader(connection, sources, labels, at, progress)
            found = reader.read(with_items=with_items)
        except InputError as error:
            error.where = error.where or at
            raise
        if found.cells == 0:
            raise no_rows(connection, sources, where or {})
        counts, first = reader.rejects(found)
    refuse_too_many(found.cells, counts, first, max_rate=max_reject_rate, where=at)
    return LabelledScores(
        labels=found.labels,
        is_logit=sources[0].is_logit,
        rows=found.rows,
        items=found.items,
        keys=dict(zip(keys, found.keys, strict=True)),
        files=tuple(sorted(Path(path).name for path in files)),
        rejected=counts,
        first_rejects=tuple(map(str, first)),
    )


def _present(sources: Sequence[Source], names: Sequence[str]) -> list[str]:
    known = [{column.casefold() for column in source.columns} for source in sources]
    return [name for name in names if all(name.casefold() in columns for columns in known)]


class _Reader:
    """Reads either form, and looks again at what was rejected."""

    def __init__(
        self,
        connection: Connection,
        sources: Sequence[LabelledSource],
        labels: Sequence[str] | None,
        where: str,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._connection = connection
        self._sources = sources
        self._wanted = labels
        self._where = where
        self._progress = progress

    def read(self, *, with_items: bool) -> Found:
        """The accepted scores of the labels that are wanted."""
        is_long = isinstance(self._sources[0].form, LabelledLong)
        known = labels_of_long(self._connection, self._sources) if is_long else self._wide_labels()
        labels = chosen_labels(known, self._wanted, self._where)
        if is_long:
            self._sources = [self._only(source, labels) for source in self._sources]
        else:
            self._refuse_without_truth(labels)
        tick = self._tick(1 if is_long else len(labels))
        tick(0)
        read = read_long if is_long else read_wide
        return read(self._connection, self._sources, labels, with_items=with_items, tick=tick)

    def _wide_labels(self) -> list[str]:
        forms = [one.form for one in self._sources if isinstance(one.form, LabelledWide)]
        return list(dict.fromkeys(cell.label for form in forms for cell in form.cells))

    def _only(self, source: LabelledSource, labels: Sequence[str]) -> LabelledSource:
        """The source with the rows of these labels, and those that name none."""
        if self._wanted is None or not isinstance(source.form, LabelledLong):
            return source
        label = text_sql(source.form.label)
        listed = ", ".join(map(literal, labels))
        chosen = f"(coalesce({label}, '') = '' OR {label} IN ({listed}))"
        return replace(source, condition=" AND ".join(filter(None, (source.condition, chosen))))

    def _refuse_without_truth(self, labels: Sequence[str]) -> None:
        for source in self._sources:
            cells = source.form.cells if isinstance(source.form, LabelledWide) else ()
            lacking = [cell.label for cell in cells if cell.label in labels and not cell.truth]
            if lacking:
                rest = [label for label in labels if label not in lacking]
                leave = f"Leave it out with {' '.join(f'--label {one}' for one in rest)}, or say"
                raise InputError(
                    f"no truth for {', '.join(map(repr, lacking))}: "
                    f"there is no column {', '.join(f'y_{label}' for label in lacking)}",
                    where=source.source.where,
                    hint=f"{leave if rest else 'Say'} where it is: --column truth=NAME",
                    code="no-truth",
                )

    def _tick(self, columns: int) -> Callable[[int], None]:
        progress = self._progress
        if progress is None:
            return lambda done: None  # noqa: ARG005
        rows = sum(about_rows(self._connection, one.source) for one in self._sources)
        total = rows * columns
        return lambda done: progress(min(done, total), total)

    def rejects(self, found: Found) -> tuple[dict[str, int], tuple[Reject, ...]]:
        """How many scores were rejected why, and the first of them."""
        if found.accepted == found.cells:
            return {}, ()
        suspects = [suspect for source in self._sources for suspect in _suspects(source, found)]
        return (
            counts_by_reason(self._connection, suspects),
            first_rejects(self._connection, suspects),
        )


def _suspects(source: LabelledSource, found: Found) -> list[Suspect]:
    if isinstance(source.form, LabelledLong):
        form = source.form
        columns = [(form.score, form.truth, form.names)]
    else:
        columns = [
            (cell.column, cell.truth or "", ())
            for cell in source.form.cells
            if cell.label in found.labels
        ]
    return [
        Suspect(source.source, *column, needs_truth=True, condition=source.condition)
        for column in columns
    ]
