"""The registry may be moved by other hands: what is served, stored and said follows it.

A run or a promotion in a shell, a pull, a push from elsewhere: all of them move a ref. Refs are
looked at every second without starting git, by the times of the files that hold them. When one
moved, what is served is replaced as a whole; then, in the worker's process, the history is
brought up to date and the gate is asked about what is not published yet. News is kept for
delivery before the history says that it is known, so that a kill in between tells it twice
rather than never.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from calreg.errors import CalregError
from calreg.service.gate_job import Findings, GateJob, stable_refs
from calreg.service.look_job import Looked, LookJob, News, RebuildJob
from calreg.service.served import Served, served_of

if TYPE_CHECKING:
    from calreg.git import Repository
    from calreg.registry import Registry
    from calreg.service.worker import Worker
    from calreg.store import Store

__all__ = ["Watch", "fingerprint"]

LOG = logging.getLogger("calreg.service")

_POLL_S = 1.0
_ASK_GIT_S = 60.0
_JOB_S = 600.0
_LONGEST_PAUSE_S = 60.0
_MAX_FILES = 20_000


class _Tips(NamedTuple):
    """Where the branches are: the one that is served, and the one that production reads."""

    main: str | None
    stable: str | None


@dataclass(slots=True)
class _Backoff:
    """When to try again what failed."""

    clock: Callable[[], float]
    failures: int = 0
    next_at: float = 0.0

    @property
    def is_over(self) -> bool:
        now = self.clock()  # which may have been put back
        return not self.next_at - _LONGEST_PAUSE_S <= now < self.next_at

    def failed(self) -> None:
        self.failures += 1
        self.next_at = self.clock() + min(_LONGEST_PAUSE_S, 2.0 ** min(self.failures - 1, 10))

    def worked(self) -> None:
        self.failures, self.next_at = 0, 0.0


@dataclass
class Watch:
    """Keeps a view of the registry, and what is derived from it, up to date.

    Args:
        registry: The registry that is served.
        store: Has the history and the findings.
        worker: Does what takes time.
        tell: Called with news: keeps them for whoever wants to be told.
        clock: Seconds since 1970.
        poll_s: How often refs are looked at.
        beside: Called at every look, too: what else is to be tried again now and then.
        is_busy: Whether the worker has more urgent work than to ask the gate.
    """

    registry: Registry
    store: Store
    worker: Worker
    tell: Callable[[News], None]
    clock: Callable[[], float]
    poll_s: float = _POLL_S
    beside: Callable[[], None] = lambda: None
    is_busy: Callable[[], bool] = lambda: False
    served: Served = field(init=False)

    def __post_init__(self) -> None:
        # The gate may take long, and a run that ended waits for view and history alone.
        following, judging = threading.Lock(), threading.Lock()
        self._locks = {"view": following, "history": following, "gate": judging}
        self._renewing = threading.Lock()
        self._problems: dict[str, str] = {}
        self._mark = fingerprint(self.registry.repository)
        self._tips = self._ask_git()
        self._asked_at = self.clock()
        self.served = served_of(self.registry, generation=1, commit=self._tips.main)
        self._synced: str | None = None
        self._judged: _Tips | None = None
        self._pauses = {step: _Backoff(self.clock) for step in ("view", "history", "gate")}
        self._wake = threading.Event()
        self._is_closed = False
        self._settled = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="calreg-watch", daemon=True)

    # From other threads

    def begin(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing any more; what is half-way is done again by the next one."""
        self._is_closed = True
        self._wake.set()

    def close(self) -> None:
        """End."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def settle(self) -> None:
        """Bring view and history up to date now; what fails is tried again by the thread."""
        self._attempt("view", self._look)
        self._attempt("history", self._follow)
        self._wake.set()

    @property
    def followed(self) -> str | None:
        """The commit that the history in the store is of; None: it was not looked at yet."""
        return self._synced

    @property
    def problem(self) -> str | None:
        """Why something does not follow the registry at the moment; None: all does."""
        return next(iter(list(self._problems.values())), None)

    def is_settled(self) -> bool:
        """Whether all that is derived is of the commit that is served."""
        tips = self._tips
        return tips.main is None or (self._synced == tips.main and self._judged == tips)

    def wait_until_settled(self, timeout_s: float) -> bool:
        """Wait until everything follows what the registry was when this was called."""
        with self._settled:
            return self._settled.wait_for(self.is_settled, timeout_s)

    # In the thread

    def _run(self) -> None:
        while not self._is_closed:
            self._attempt("view", self._look)
            self._attempt("history", self._follow)
            self._attempt("gate", self._judge)
            self.beside()
            with self._settled:
                self._settled.notify_all()
            self._wake.wait(self.poll_s)
            self._wake.clear()

    def _attempt(self, step: str, act: Callable[[], None]) -> None:
        """Do one step, unless it failed a moment ago."""
        pause = self._pauses[step]
        if not pause.is_over or self._is_closed:
            return
        try:
            with self._locks[step]:
                act()
        except Exception as error:  # noqa: BLE001 -- the edge of a thread: nobody is above it
            if self._is_closed:
                return
            pause.failed()
            self._note(step, error)
        else:
            pause.worked()
            self._problems.pop(step, None)

    def _note(self, step: str, error: Exception) -> None:
        """Keep what is wrong, and log it if it is news."""
        is_ours = isinstance(error, CalregError)
        text = str(error) if is_ours else f"{type(error).__name__}: {error}"
        if self._problems.get(step) != text:
            bug = None if is_ours else error
            LOG.warning("the %s does not follow the registry: %s", step, text, exc_info=bug)
        self._problems[step] = text

    def _look(self) -> None:
        """Replace the view if the registry moved."""
        mark, now = fingerprint(self.registry.repository), self.clock()
        is_known = mark == self._mark and 0 <= now - self._asked_at < _ASK_GIT_S
        if is_known and self.served.commit == self._tips.main:
            return
        self._tips = self._ask_git()
        if self._tips.main != self.served.commit:
            found = served_of(self.registry, generation=0, commit=self._tips.main)
            with self._renewing:
                self.served = found.again(self.served.generation + 1)
        self._mark, self._asked_at = mark, now

    def _renew(self) -> None:
        """The same view anew: what was made with the former history or findings is forgotten."""
        with self._renewing:
            self.served = self.served.again()

    def _ask_git(self) -> _Tips:
        repository = self.registry.repository
        tips = (repository.tip(ref) for ref in stable_refs(repository))
        return _Tips(repository.tip(), next((tip for tip in tips if tip is not None), None))

    def _follow(self) -> None:
        """Bring the history to the commit that is served, and tell what happened in between."""
        commit = self.served.commit
        if commit is None or commit == self._synced:
            return
        known = self.store.history_commit()
        if known != commit:
            looked: Looked = self.worker.ask(LookJob(known, commit)).result(_JOB_S)
            for news in looked.news:
                self.tell(news)
            if looked.rows is None:
                self.worker.ask(RebuildJob(commit)).result(_JOB_S)
            else:
                self.store.add_history(commit, looked.rows)
            self._renew()
        self._synced = commit

    def _judge(self) -> None:
        """Ask the gate about what is on main and not published, if either moved."""
        tips = self._tips
        if tips == self._judged or tips.main is None or tips.main != self._synced:
            return
        if self.is_busy():
            return
        moment = datetime.fromtimestamp(self.clock(), UTC)
        found: Findings = self.worker.ask(GateJob(tips.main, moment)).result(_JOB_S)
        before = {_fingerprint_of(one) for one in self.store.findings().findings}
        new = [one for one in found.errors if _fingerprint_of(one) not in before]
        if new:
            self.tell(_gate_news(found, new))
        self.store.put_findings(found.commit, found.findings)
        self._judged = tips
        self._renew()


def _fingerprint_of(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(finding.get(key) for key in ("rule", "severity", "path", "head", "problem"))


def _gate_news(found: Findings, new: list[dict[str, Any]]) -> News:
    details = {
        "ok": False,
        "commit": found.commit,
        "published": found.published,
        "errors": len(found.errors),
        "findings": new[:100],
    }
    texts = "\n".join(sorted(repr(_fingerprint_of(one)) for one in new))
    about = f"{found.commit}:{hashlib.sha256(texts.encode()).hexdigest()[:16]}"
    return News("gate", about, details)


# Refs, without git


def fingerprint(repository: Repository) -> tuple[tuple[str, int, int, int], ...]:
    """What changes whenever a ref does: times, sizes and numbers of the files that hold refs.

    Every way to write a ref puts a new file in the place of an old one.
    """
    tops = [
        repository.git_dir / "HEAD",
        repository.common_dir / "packed-refs",
        repository.common_dir / "reftable" / "tables.list",
    ]
    found = [_stat_of(path) for path in tops]
    for number, path in enumerate(_files_below(repository.common_dir / "refs")):
        if number >= _MAX_FILES:
            break
        found.append(_stat_of(path))
    return tuple(sorted(found))


def _stat_of(path: Path) -> tuple[str, int, int, int]:
    try:
        about = path.stat()
    except OSError:  # not there, or not any more
        return (str(path), 0, 0, 0)
    return (str(path), about.st_mtime_ns, about.st_size, about.st_ino)


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in files:
            if not name.endswith(".lock"):
                yield Path(place) / name
