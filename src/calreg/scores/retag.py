"""Which items of a table change their outcome between two sets of calibrations.

The engine hands over the rows whose score lies in an interval in which the outcome of its
label may change; these alone are put through both calibrations, as `calreg.retag` does it,
and compared. Memory stays flat: what changes is kept by the engine, on disk where it is much.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from calreg.documents.calibration import Calibration
from calreg.errors import InputError, UsageError
from calreg.names import HeadName
from calreg.retag import HeadRetag, LabelCounts, RetagCounts, RetagRules
from calreg.scores.engine import connect
from calreg.scores.layout import Layout, LongLayout, layout_of
from calreg.scores.retag_blocks import Changes, Kept
from calreg.scores.retag_long import LongTable, open_long
from calreg.scores.retag_plan import Pairs
from calreg.scores.retag_staging import Stage, names_items
from calreg.scores.retag_wide import WideTable, open_wide
from calreg.scores.retag_writing import write_changes, write_items
from calreg.scores.sources import Source, find_files, find_sources
from calreg.scores.table import ScoreTable
from calreg.scores.targets import begun, target_of

__all__ = ["retag_scores"]

Progress = Callable[[int, int], None]


def retag_scores(
    table: ScoreTable,
    before: Mapping[HeadName, Calibration],
    after: Mapping[HeadName, Calibration],
    rules: RetagRules,
    *,
    out: Path | None = None,
    items: Path | None = None,
    limit: int = 10,
    progress: Progress | None = None,
) -> RetagCounts:
    """What changes in a table of raw scores when the calibrations do.

    A score's outcome is what `calreg.methods` makes of it in float64: calibrated value, fired
    or not, tier. A head or label that only one side has changes for every readable score.

    Args:
        table: Where the scores are. Of a table that names heads, `head` chooses one.
        before: The calibrations until now, by head.
        after: The ones from now on, by head.
        rules: What counts as a change.
        out: A file for every change: item, head, label, score, before, after, why.
        items: A file for the items of which anything changes, each once.
        limit: How many of the farthest movers to name.
        progress: Is told now and then how many scores of how many are done.

    Raises:
        InputError: As `read_scores`; a head or label that neither side has, a calibration
            that cannot be applied, no readable score, lists of items that have no names,
            an output that cannot be written. Nothing was written.
        UsageError: An output whose name does not say what it is.
        MissingExtraError: The engine is not installed.
    """
    files = find_files(table.paths)
    wanted = [target_of(one, files) for one in (out, items) if one is not None]
    if len({one.place for one in wanted}) < len(wanted):
        raise UsageError("the two lists are to be written to the same file")
    with (
        begun(wanted),
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
        connect(files, writable=[str(one.part) for one in wanted], folder=folder) as connection,
    ):
        sources = find_sources(connection, files)
        layout, only = _layout(table, sources)
        stage = Stage(
            connection, table, folder, names_items(table, sources, is_needed=bool(wanted))
        )
        opened = _opened(stage, layout, sources, only)
        pairs = Pairs(before, after, rules)
        heads = _heads(pairs, opened)
        kept = _kept(opened, out, items)
        changes = Changes(connection, sorted(opened.counts), rules, limit=limit, kept=kept)
        _sieve(opened, heads, changes, progress)
        _refuse_unreadable(opened, sources, only)
        counts = _counts(opened, changes, opened.items(heads, changes))
        if out is not None:
            write_changes(connection, changes.keys, wanted[0])
        if items is not None:
            write_items(connection, opened.changed_items(heads, changes), wanted[-1])
        for one in wanted:
            one.put_in_place()
    return replace(counts, absent=pairs.absent({name for name, _ in opened.counts}, only=only))


def _heads(pairs: Pairs, opened: LongTable | WideTable) -> Mapping[HeadName, HeadRetag]:
    """The heads of the table, compared; whatever can be refused about them is refused."""
    for column, keys in opened.columns():
        pairs.check_scale(column, keys)
    return pairs.of(opened.counts, is_long=isinstance(opened, LongTable))


def _sieve(
    opened: LongTable | WideTable,
    heads: Mapping[HeadName, HeadRetag],
    changes: Changes,
    progress: Progress | None,
) -> None:
    done = 0
    for looked_at in opened.sieve(heads, changes):
        done += looked_at
        if progress is not None:
            progress(min(done, opened.looks), opened.looks)
    if progress is not None:
        progress(opened.looks, opened.looks)


def _kept(opened: LongTable | WideTable, out: Path | None, items: Path | None) -> Kept:
    """Which changes have to be kept as a table, for the lists and for counting items."""
    if out is not None:
        return "all"
    return "unsure" if items is not None or isinstance(opened, LongTable) else "none"


def _layout(table: ScoreTable, sources: Sequence[Source]) -> tuple[Layout, HeadName | None]:
    """The form of the table, and the one head that is meant of a table that names heads."""
    try:
        return layout_of(table, sources), None
    except InputError as error:
        if table.head is None or error.code != "form":
            raise
    return layout_of(replace(table, head=None), sources), table.head


def _opened(
    stage: Stage, layout: Layout, sources: Sequence[Source], only: HeadName | None
) -> LongTable | WideTable:
    if isinstance(layout, LongLayout):
        return open_long(stage, layout, sources, only=only)
    return open_wide(stage, layout, sources, only=only)


def _refuse_unreadable(
    opened: LongTable | WideTable, sources: Sequence[Source], only: HeadName | None
) -> None:
    if any(readable for _, readable in opened.counts.values()):
        return
    what = "readable scores" if only is None else f"readable scores of {only}"
    raise InputError(
        f"{'has' if len(sources) == 1 else 'have'} no {what}",
        where=sources[0].where,
        hint="Look at what makes this table.",
        code="empty",
    )


def _counts(
    opened: LongTable | WideTable, changes: Changes, items: tuple[int | None, int | None]
) -> RetagCounts:
    labels = tuple(
        LabelCounts(name, label, opened.counts[name, label][1], tally.changed, tally.reasons)
        for (name, label), tally in zip(changes.keys, changes.tallies, strict=True)
    )
    given = sum(rows for rows, _ in opened.counts.values()) + opened.nameless
    return RetagCounts(
        labels=labels,
        items=items[0],
        changed_items=items[1],
        rows=opened.rows,
        unreadable=given - sum(one.scores for one in labels),
        movers=tuple(changes.movers),
    )
