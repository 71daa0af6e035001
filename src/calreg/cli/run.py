"""`calreg run`: from a table of scores to a committed run, or to the report of one.

The order of things is: may this place write, what does the registry hold, read the scores,
plan, publish, report. Whatever is wrong with the input is found before anything is written.
The registry is looked at while the scores are read, and what it refuses is said first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import config_of, open_registry
from calreg.cli.options import (
    Share,
    head_name,
    json_option,
    mapping_of,
    push_option,
    table_options,
    timestamp_option,
    when,
)
from calreg.cli.processor import prefer_fast_sort
from calreg.cli.publishing import progress_steps
from calreg.cli.run_report import Reading
from calreg.cli.terminal import progress_bar
from calreg.computing import Mode, publish_run
from calreg.config import require_development
from calreg.errors import CalregError, UsageError
from calreg.names import HeadName

if TYPE_CHECKING:
    from calreg.plan import RegistryState
    from calreg.registry import Registry
    from calreg.scores import Scores

__all__ = ["run_command"]

Progress: TypeAlias = Callable[[int, int], None]
_Looked: TypeAlias = "tuple[Registry, RegistryState]"

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg]?)i?b?", re.IGNORECASE)
_LEAST_MEMORY = 2**20


@dataclass(frozen=True, slots=True)
class _Request:
    """What was typed."""

    scores: tuple[str, ...]
    columns: tuple[str, ...]
    head: str | None
    model: str | None
    push: bool
    dry_run: bool
    no_commit: bool
    timestamp: str | None
    max_reject_rate: float
    min_samples: int | None
    assume: str | None
    memory: str | None
    as_json: bool

    @property
    def mode(self) -> Mode:
        """How far to go."""
        return Mode(push=self.push, dry_run=self.dry_run, no_commit=self.no_commit)

    def rules(self) -> Mapping[str, Any]:
        """What the options say about the rules, for every head, over whatever files say."""
        block: dict[str, Any] = {}
        if self.min_samples is not None:
            block["min_samples"] = self.min_samples
        if self.assume is not None:
            block["noise"] = {"assume": self.assume}
        return {"heads": {"*": block}} if block else {}


@click.command("run")
@table_options
@push_option
@click.option("--dry-run", is_flag=True, help="The same report; writes nothing.")
@click.option(
    "--no-commit",
    is_flag=True,
    help="Write the files into the work tree and commit nothing, to look at them first.",
)
@timestamp_option
@click.option(
    "--max-reject-rate",
    type=Share(),
    default=0.01,
    show_default=True,
    help="More rejected rows than this share stop the run.",
)
@click.option(
    "--min-samples",
    type=click.IntRange(2),
    help="Fewer scores than this leave a head out; over registry.yaml.",
)
@click.option(
    "--assume",
    type=click.Choice(["independent", "grown"]),
    help="Whether the new items include the reference's (grown: less noise); over registry.yaml.",
)
@click.option("--memory", metavar="SIZE", help="Scores held in memory, such as 600M; then disk.")
@json_option
@pass_session
def run_command(session: Session, /, **options: Any) -> None:
    """Compute all heads in SCORES, compare them with the references, commit.

    SCORES are CSV, JSONL or Parquet files or globs: long (columns model, head, label, score)
    or wide (a column per label with --head, or a column MODEL/HEAD:LABEL each).

    --dry-run writes nothing and is allowed in production mode, too.
    """
    request = _Request(**options)
    request.mode.check()
    moment = when(request.timestamp)
    prefer_fast_sort()

    def look() -> _Looked:
        config = config_of(session)
        registry = open_registry(session, config, rules=request.rules())
        if not request.dry_run:
            require_development(config, command="run")
            registry.check_ready(push=request.push)
        looked = registry, registry.state()
        import_module("rich.console")  # for the report; now, while the scores are sorted
        return looked

    with ThreadPoolExecutor(max_workers=1) as beside:
        # Begun when the engine reads: before, both would only wait for each other's imports.
        looked = cache(lambda: beside.submit(look))
        scores = _read(request, looked)
        registry, _ = looked().result()
    _publish(registry, scores, request, moment)


def _publish(registry: Registry, scores: Scores, request: _Request, moment: datetime) -> None:
    from calreg.cli.run_report import tell
    from calreg.computing import computed_of

    outcome = publish_run(
        registry,
        lambda state: computed_of(scores, state),
        moment=moment,
        mode=request.mode,
        progress=progress_steps() if request.push else None,
    )
    tell(outcome, _reading(scores), as_json=request.as_json)


def _reading(scores: Scores) -> Reading:
    from calreg.scores import REASONS

    return Reading([str(reject) for reject in scores.first_rejects], REASONS)


def _read(request: _Request, looked: Callable[[], Future[_Looked]]) -> Scores:
    """Read the scores while the registry is looked at.

    Raises:
        CalregError: What the registry refuses, as soon as that is known and whatever else is
            wrong; else what is wrong with the scores.
    """
    from calreg.computing import grid_of
    from calreg.scores import DEFAULT_MEMORY_BYTES, ScoreTable, read_scores

    def grid(name: HeadName, label: str) -> tuple[float, float] | None:
        return grid_of(looked().result()[1])(name, label)

    memory = DEFAULT_MEMORY_BYTES if request.memory is None else _bytes(request.memory)
    try:
        table = ScoreTable(
            paths=request.scores,
            columns=mapping_of(request.columns),
            head=head_name(request.head),
            model=request.model,
        )
        with progress_bar(f"Reading {' '.join(request.scores)[:40]}") as progress:
            return read_scores(
                table,
                grid_of=grid,
                max_reject_rate=request.max_reject_rate,
                memory_bytes=memory,
                progress=_stopping(progress, looked),
            )
    except CalregError:
        looked().result()
        raise


def _stopping(progress: Progress | None, looked: Callable[[], Future[_Looked]]) -> Progress:
    """Progress that begins the look at the registry, and stops once the registry refuses."""

    def tell(done: int, total: int) -> None:
        if looked().done():
            looked().result()
        if progress is not None:
            progress(done, total)

    return tell


def _bytes(text: str) -> int:
    """Bytes in 600M or 1.5G.

    >>> _bytes("600M"), _bytes("1.5 GiB")
    (629145600, 1610612736)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--memory: expected a size such as 600M, got {text!r}")
    size = int(float(found[1]) * _UNITS[found[2].lower()])
    if size < _LEAST_MEMORY:
        raise UsageError(f"--memory: at least 1M is needed, got {text!r}")
    return size
