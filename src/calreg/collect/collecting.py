"""The loop: every item of a data set is scored once, whatever stops the process in between.

The rows of the data set are gone through in order, always from the first one. As long as
the journal has records they answer for the items, and must be of the same items; where it
ends, the scorer takes over. So there is one way through the rows, and going on is not a
second program.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from calreg import __version__, failpoints
from calreg.collect.answers import LabelRules, labels_of, scores_of
from calreg.collect.columns import ERROR, ITEM, Columns, choose_columns, item_name
from calreg.collect.header import (
    Header,
    differences,
    fingerprints,
    read_header,
    write_header,
)
from calreg.collect.journal import Journal, locked, sync_folder
from calreg.collect.reducers import Reducers
from calreg.collect.scorer import Scorer
from calreg.collect.seen import SeenItems
from calreg.collect.stopping import Stop, stoppable
from calreg.collect.tally import Collected, CollectInterruptedError, Tally
from calreg.collect.target import Target, target_of
from calreg.errors import InputError
from calreg.scores.items import ItemTable, open_items, read_items, write_parquet

__all__ = ["Request", "collect"]

Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to collect.

    Args:
        dataset: Files and globs.
        out: A `.jsonl` or `.parquet` file.
        scorer: `module:function`, as recorded.
        item: The column that names items; None: `item` or `id`.
        labels: The labels to keep; empty: those that the first batch of answers has.
        kind: What the columns of the output are called: `score_<label>` or `logit_<label>`.
        keep: Columns to copy besides `y_*`, `text_key` and `group`.
        reducers: What makes one score of many values.
        batch_size: Items per call of the scorer, and per write.
        max_error_rate: More items with errors than this share stop the collecting.
        restart: Move what is there aside and begin anew.
        moment: ISO 8601, the time of this command.
    """

    dataset: tuple[str, ...]
    out: Path
    scorer: str
    moment: str
    item: str | None = None
    labels: tuple[str, ...] = ()
    kind: str = "score"
    keep: tuple[str, ...] = ()
    reducers: Reducers = field(default_factory=Reducers)
    batch_size: int = 64
    max_error_rate: float = 0.01
    restart: bool = False


def collect(
    request: Request, load: Callable[[], Scorer], *, progress: Progress | None = None
) -> Collected:
    """Score every item that is not recorded yet; record it.

    Args:
        request: What to collect.
        load: Brings the scorer; asked only if there is something to score or to write.
        progress: Is told after every batch how many rows of how many are done.

    Raises:
        InputError: The data set, the scorer or its answers are refused; the output belongs
            to another collecting; too many items have errors. What was recorded stays.
        CollectInterruptedError: Somebody stopped it; the same request goes on.
    """
    target = target_of(request.out)
    target.refuse_input(request.dataset)
    with locked(target.lock):
        table = open_items(request.dataset, without=target.files)
        columns = choose_columns(table, item=request.item, keep=request.keep)
        asked = _header(request, columns, table)
        earlier = None if request.restart else _earlier(target, asked)
        if earlier is not None and earlier.state == "complete":
            target.forget_journal()
            return _complete(target, earlier)
        scorer = load()
        aside = target.set_aside(_compact(request.moment)) if request.restart else []
        header = earlier or replace(asked, scorer_digest=scorer.digest)
        tally = Tally(rows=table.rows, aside=tuple(map(str, aside)))
        if header.scorer_digest != scorer.digest:
            tally.warn(
                "scorer-changed",
                f"the file of {scorer.name} changed since the first items were scored",
            )
        rules = LabelRules(
            request.labels, columns.only_truth or LabelRules().single, request.reducers
        )
        work = _Work(request, target, columns, header, scorer, rules, tally)
        return work.run(table, progress)


def _compact(moment: str) -> str:
    return moment.partition(".")[0].replace("-", "").replace(":", "").rstrip("Z") + "Z"


def _header(request: Request, columns: Columns, table: ItemTable) -> Header:
    options = {
        "item": columns.item,
        "kind": request.kind,
        "label": list(request.labels),
        "keep": list(columns.kept),
        "reduce": request.reducers.to_json(),
    }
    files = fingerprints(table.paths)
    return Header(request.scorer, options, files, request.moment, f"calreg {__version__}")


def _earlier(target: Target, asked: Header) -> Header | None:
    """The header of the output to go on with; None if it is to be begun."""
    earlier = read_header(target.header)
    if earlier is None:
        target.refuse_foreign()
        return None
    found = differences(earlier, asked)
    if found and earlier.state != "complete" and not target.has_records():
        return None  # nothing would be mixed
    if found:
        raise InputError(
            f"was begun with another {'; '.join(found)}",
            where=str(target.out),
            hint="Repeat the first command, name another --out, or begin anew with --restart.",
            code="other-collect",
        )
    there = target.out if earlier.state == "complete" else target.journal
    if (earlier.counts or {}).get("recorded") and not there.exists():
        raise InputError(
            "is gone, though its header says that items were recorded",
            where=str(there),
            hint="Put it back, or begin anew with --restart.",
            code="output",
        )
    return earlier


def _complete(target: Target, header: Header) -> Collected:
    tally = Tally.of(header.counts or {})
    tally.resumed = tally.recorded
    return tally.collected(target, header.labels or (), is_complete=True)


@dataclass(slots=True)
class _Work:
    """One run of the loop over one output."""

    request: Request
    target: Target
    columns: Columns
    header: Header
    scorer: Scorer
    rules: LabelRules
    tally: Tally

    def run(self, table: ItemTable, progress: Progress | None) -> Collected:
        """Replay, score, complete; the header says in any case how far it came."""
        self.columns.check(map(self._column, self.header.labels or self.request.labels))
        self._save("running")
        try:
            with stoppable() as stop, SeenItems() as seen, Journal(self.target.journal) as journal:
                self.tally.torn_bytes = journal.torn_bytes
                with closing(self._items(table, seen, stop)) as items:
                    self._replay(journal, items)
                    self._score(journal, items, progress)
                self._check_errors(at_end=True)
            self._finish()
        except KeyboardInterrupt as error:
            self._save("stopped")
            raise CollectInterruptedError(self._collected()) from error
        except BaseException:
            self._save("stopped")
            raise
        return self._collected()

    def _collected(self) -> Collected:
        is_complete = self.header.state == "complete"
        return self.tally.collected(self.target, self._labels, is_complete=is_complete)

    @property
    def _labels(self) -> tuple[str, ...]:
        return self.header.labels or ()

    def _column(self, label: str) -> str:
        return f"{self.request.kind}_{label}"

    def _save(self, state: str, labels: tuple[str, ...] | None = None) -> None:
        counts = None if state == "running" else self.tally.counts()
        self.header = replace(
            self.header, state=state, counts=counts, labels=labels or self.header.labels
        )
        write_header(self.target.header, self.header)

    def _items(
        self, table: ItemTable, seen: SeenItems, stop: Stop
    ) -> Generator[tuple[str, dict[str, Any]], None, None]:
        """Every item once, with its name; the rows that are none are counted."""
        for row in read_items(table):
            if stop.is_asked:
                raise KeyboardInterrupt
            self.tally.read += 1
            name = item_name(row.values.get(self.columns.item))
            if name is None:
                self.tally.add_nameless(row.where)
            elif seen.add(name):
                yield name, row.values
            else:
                self.tally.add_duplicate(name, row.where)

    def _replay(self, journal: Journal, items: Iterator[tuple[str, dict[str, Any]]]) -> None:
        for number, record in enumerate(journal.records(), start=1):
            name, _ = next(items, (None, None))
            if name != record[ITEM]:
                raise InputError(
                    f"record {number:,} is of {record[ITEM]!r}, the data set has "
                    f"{'no more items' if name is None else repr(name)} there",
                    where=self.target.journal.name,
                    hint="Somebody changed the file. Begin anew with --restart; it keeps it.",
                    code="journal",
                )
            self.tally.add_record(record[ITEM], record.get(ERROR))
        self.tally.resumed = self.tally.recorded

    def _score(
        self,
        journal: Journal,
        items: Iterator[tuple[str, dict[str, Any]]],
        progress: Progress | None,
    ) -> None:
        self._check_errors()
        self._tell(progress)
        while batch := list(islice(items, self.request.batch_size)):
            answers = self.scorer.answers([values for _, values in batch])
            self._know_labels(answers)
            records = [
                self._record(name, values, answer)
                for (name, values), answer in zip(batch, answers, strict=True)
            ]
            journal.append(records)
            for record in records:
                self.tally.add_record(record[ITEM], record[ERROR])
            self._check_errors()
            self._tell(progress)

    def _tell(self, progress: Progress | None) -> None:
        if progress is not None:
            progress(self.tally.read, max(self.tally.rows, self.tally.read))

    def _know_labels(self, answers: Sequence[Any]) -> None:
        """The first answers say which labels there are; that holds from then on."""
        if self.header.labels is None and (found := labels_of(answers, self.rules)):
            self.columns.check(map(self._column, found))
            self._save("running", labels=found)

    def _record(self, name: str, values: Mapping[str, Any], answer: Any) -> dict[str, Any]:
        answered = scores_of(answer, self._labels, self.rules)
        scores = {self._column(label): score for label, score in answered.scores.items()}
        error = answered.error
        if error is not None:  # somebody else's text may hold what no file can
            error = error.encode("utf-8", "replace").decode()
        return {ITEM: name, **scores, **self.columns.kept_of(values), ERROR: error}

    def _check_errors(self, *, at_end: bool = False) -> None:
        if self.tally.has_too_many(self.request.max_error_rate, at_end=at_end):
            raise InputError(
                f"{self.tally.in_words()}, more than {self.request.max_error_rate:.2%} may",
                where=str(self.target.out),
                hint=(
                    f"What was scored is in {str(self.target.journal)!r}. Go on with a higher "
                    "--max-error-rate, or mend what fails and begin anew with --restart."
                ),
                code="errors",
            )

    def _finish(self) -> None:
        if self.target.is_parquet:
            scores = [self._column(label) for label in self._labels]
            truths = self.columns.truths
            others = [name for name in self.columns.kept if name not in truths]
            try:
                write_parquet(
                    self.target.journal,
                    self.target.part,
                    texts=(ITEM, *others, ERROR),
                    numbers=scores,
                    truths=truths,
                )
                failpoints.reach("table-written")
                self.target.part.replace(self.target.out)
            finally:
                self.target.part.unlink(missing_ok=True)
            sync_folder(self.target.out.parent)
            failpoints.reach("table-moved")
        self._save("complete")
        failpoints.reach("completed")
        self.target.forget_journal()
